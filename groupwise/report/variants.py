"""Which runs are seeds of one variant of a method, and what a variant is called.

Runs are one variant where their configurations differ only in seeds, and in what does not touch the training's outcome
by design: paths, names, logging, checkpoints, hardware and how batches are split over it. A key that is not known to be
of that kind separates variants, so that a wrong split is seen in the label; a wrong merge would not be.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from groupwise.method import METHODS
from groupwise.report.runs import ESTIMATOR, Run

SEED = re.compile(r"(^|[._])seed$")

NOT_METHOD = re.compile(
    r"^(hydra|preflight|resume|ray_kwargs|global_profiler|transfer_queue|device|model_engine)(\.|$)"
    r"|^trainer\.(?!critic_warmup$|v1\.)|^algorithm\.observe$"
    r"|profiler|offload|micro_batch|max_token_len_per_gpu|gpu_memory|fsdp|megatron|checkpoint|parallel|num_workers"
    r"|max_num_seqs|max_num_batched_tokens|enforce_eager|free_cache_engine|cudagraph|kernel|chunk|torch_compile"
    r"|remove_padding|engine_kwargs|load_format|layered_summon|nnodes|gpus|timeout|trace|log_stats|prefix_caching"
    r"|gradient_checkpointing|use_shm|strategy|_files$|_dir$|custom_cls|log_prob_use_dynamic_bsz"
)
FOLDERS = re.compile(r"(model\.path|tokenizer_path|hf_config_path|custom_reward_function\.path)$")
"""Paths whose last part tells what they are, wherever they lie."""

FILTER_KEYS = "algorithm.filter_groups."
SHOWN_KEYS = 3


class Variant(NamedTuple):
    """Runs that differ in their seeds alone."""

    label: str
    estimator: str | None  # `algorithm.adv_estimator`; None where nothing says it
    runs: list[Run]
    seeds: list[str] | None  # of each run the values of those that vary; None where they are unknown or not distinct

    @property
    def methods(self) -> list[str]:
        """The methods that all of its runs logged, applied or observed."""
        return [name for name in self.runs[0].methods if all(name in run.methods for run in self.runs)]

    @property
    def are_repeats(self) -> bool:
        """Whether it has several runs, and the seeds of their configurations are known to be the same."""
        configs = [run.config for run in self.runs if run.config]
        seeds = [{key: value for key, value in config.items() if SEED.search(key)} for config in configs]
        return len(self.runs) > 1 and len(seeds) == len(self.runs) and all(found == seeds[0] for found in seeds)


def form_variants(runs: Sequence[Run], names: Mapping[Path, str]) -> list[Variant]:
    """Groups runs into variants, in order of their first runs; `names` are labels of the user, by paths of runs."""
    methods = _methods_of(runs)
    keys = [
        ("name", names[run.path]) if run.path in names
        else ("method", json.dumps(method, sort_keys=True, default=str)) if method is not None
        else ("path", str(run.path))
        for run, method in zip(runs, methods, strict=True)
    ]  # fmt: skip
    groups: dict[tuple[str, str], list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    firsts = [places[0] for places in groups.values()]
    labels = _labels([runs[first] for first in firsts], [methods[first] for first in firsts])
    return [
        Variant(
            names.get(runs[places[0]].path) or label,
            # A label that the user gave may join runs of several.
            runs[places[0]].estimator if len({runs[place].estimator for place in places}) == 1 else None,
            [runs[place] for place in places],
            _seeds(runs, places),
        )
        for places, label in zip(groups.values(), labels, strict=True)
    ]


def differing_keys(variants: Sequence[Variant]) -> list[str]:
    """Words the keys in which variants differ, a few words each, beside the estimators and their settings."""
    methods = [method for method in _methods_of([variant.runs[0] for variant in variants]) if method is not None]
    own = tuple(f"algorithm.{method.get(ESTIMATOR)}." for method in methods)
    keys = [key for key in _varying(methods) if key != ESTIMATOR and not key.startswith((*own, FILTER_KEYS))]
    return [f"{key} ({' and '.join(dict.fromkeys(str(m[key]) for m in methods if key in m))})" for key in keys]


def _methods_of(runs: Sequence[Run]) -> list[dict[str, Any] | None]:
    """Of each run's configuration what makes its training; settings of methods that it only observed do not."""
    known = {*METHODS, *(name for run in runs for name in run.methods)}

    def of(run: Run) -> dict[str, Any] | None:
        if run.config is None:
            return None
        observed = tuple(f"algorithm.{name}." for name in known - {run.estimator})
        return {
            key: Path(value).name if FOLDERS.search(key) and isinstance(value, str) else value
            for key, value in run.config.items()
            if not SEED.search(key)
            and (FOLDERS.search(key) or not NOT_METHOD.search(key))
            and not key.startswith(observed)
        }

    return [of(run) for run in runs]


def _varying(methods: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that several methods have with different values; a key that only one records says nothing."""
    values = {key: [method[key] for method in methods if key in method] for method in methods for key in method}
    return [key for key, found in values.items() if any(value != found[0] for value in found)]


def _labels(runs: Sequence[Run], methods: Sequence[dict[str, Any] | None]) -> list[str]:
    """Calls each by its estimator, and by what tells it from others of the same; folders of one name are numbered."""
    kinds = [None if method is None or ESTIMATOR not in method else _kind(method) for method in methods]
    labels = []
    for run, method, kind in zip(runs, methods, kinds, strict=True):
        if method is None or kind is None:
            labels.append(run.name)
            continue
        alike = [other for other, its in zip(methods, kinds, strict=True) if other is not None and its == kind]
        told = [f"{key.rpartition('.')[2]}={method[key]}" for key in _varying(alike) if key in method]
        more = [f"+{len(told) - SHOWN_KEYS} more"] if len(told) > SHOWN_KEYS else []
        labels.append(" ".join([kind, *told[:SHOWN_KEYS], *more]))
    total, seen = Counter(labels), Counter[str]()
    distinct = []
    for label in labels:
        seen[label] += 1
        distinct.append(label if total[label] == 1 else f"{label} ({seen[label]})")
    return distinct


def _kind(method: Mapping[str, Any]) -> str:
    """The estimator; GRPO with dynamic sampling goes by the name of DAPO."""
    estimator = str(method[ESTIMATOR])
    return "dapo" if estimator == "grpo" and method.get(f"{FILTER_KEYS}enable") is True else estimator


def _seeds(runs: Sequence[Run], places: Sequence[int]) -> list[str] | None:
    """Names the seeds of a variant's runs by those keys that vary over all runs; variants are paired by these names."""
    configs = [run.config or {} for run in runs]
    keys = sorted({key for config in configs for key in config if SEED.search(key)})
    varying = [key for key in keys if len({json.dumps(config.get(key)) for config in configs}) > 1]
    if not all(runs[place].config for place in places):
        return None
    named = [json.dumps([configs[place].get(key) for key in varying]) for place in places]
    return named if len(set(named)) == len(named) else None
