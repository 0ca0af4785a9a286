"""Which runs are seeds of one arm, and what an arm is called.

Runs are one arm where their configurations differ only in seeds, and in what does not touch the training's outcome by
design: paths, names, logging, checkpoints, hardware and how batches are split over it. A key that is not known to be of
that kind separates arms, so that a wrong split is seen in the label; a wrong merge would not be.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from groupwise.report.runs import ESTIMATOR, Run

SEED = re.compile(r"(^|[._])seed$")

NOT_METHOD = re.compile(
    r"^(hydra|preflight|resume|ray_kwargs|global_profiler|transfer_queue|device|model_engine)(\.|$)"
    r"|^trainer\.(?!critic_warmup$|v1\.)"
    r"|profiler|offload|micro_batch|max_token_len_per_gpu|gpu_memory|fsdp|megatron|checkpoint|parallel|num_workers"
    r"|max_num_seqs|max_num_batched_tokens|enforce_eager|free_cache_engine|cudagraph|kernel|chunk|torch_compile"
    r"|remove_padding|engine_kwargs|load_format|layered_summon|nnodes|gpus|timeout|trace|log_stats|prefix_caching"
    r"|gradient_checkpointing|use_shm|strategy|_files$|_dir$|custom_cls|log_prob_use_dynamic_bsz"
)
FOLDERS = re.compile(r"(model\.path|tokenizer_path|hf_config_path|custom_reward_function\.path)$")
"""Paths whose last part tells what they are, wherever they lie."""

FILTER_KEYS = "algorithm.filter_groups."
DIPO_KEYS = "algorithm.dipo."
SHOWN_KEYS = 3


class Arm(NamedTuple):
    """Runs that differ in their seeds alone.

    Attributes:
        label: What it is called.
        estimator: `algorithm.adv_estimator`; None where nothing says it.
        runs: One or several.
        seeds: For each run the values of the seeds that vary; None where they are unknown or not distinct.
    """

    label: str
    estimator: str | None
    runs: list[Run]
    seeds: list[str] | None


def form_arms(runs: Sequence[Run], names: Mapping[Path, str]) -> list[Arm]:
    """Groups runs into arms.

    Args:
        runs: All runs, in the order in which arms are to appear.
        names: Labels that the user gave, by the path that a run was named with.

    Returns:
        The arms, in order of their first runs.
    """
    methods = [_method_of(run) for run in runs]
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
    given = [names.get(runs[first].path) for first in firsts]
    return [
        Arm(name or label, _estimator(runs, places), [runs[place] for place in places], _seeds(runs, places))
        for places, name, label in zip(groups.values(), given, _distinct(labels), strict=True)
    ]


def are_repeats(arm: Arm) -> bool:
    """Says whether it is known that an arm's runs have all the same seeds.

    Args:
        arm: The arm.

    Returns:
        Whether it has several runs, and the seeds of their configurations are the same.
    """
    configs = [run.config for run in arm.runs]
    seeds = [{key: value for key, value in config.items() if SEED.search(key)} for config in configs if config]
    return len(configs) > 1 and len(seeds) == len(configs) and all(found == seeds[0] for found in seeds)


def differing_keys(arms: Sequence[Arm]) -> list[str]:
    """Words the keys of the method in which arms of different estimators differ, beside what makes the estimators.

    Args:
        arms: The arms.

    Returns:
        A few words a key; empty where arms differ in nothing else, or have no configuration.
    """
    methods = [method for arm in arms if (method := _method_of(arm.runs[0])) is not None]
    keys = [key for key in _varying(methods) if key != ESTIMATOR and not key.startswith((DIPO_KEYS, FILTER_KEYS))]
    return [f"{key} ({' and '.join(dict.fromkeys(str(m[key]) for m in methods if key in m))})" for key in keys]


def _method_of(run: Run) -> dict[str, Any] | None:
    if run.config is None:
        return None
    method = {
        key: Path(value).name if FOLDERS.search(key) and isinstance(value, str) else value
        for key, value in run.config.items()
        if not SEED.search(key) and (FOLDERS.search(key) or not NOT_METHOD.search(key))
    }
    # What DiPO would do is observed in another estimator's run, and does not change it.
    return {key: value for key, value in method.items() if run.estimator == "dipo" or not key.startswith(DIPO_KEYS)}


def _varying(methods: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that several methods have with different values; a key that only one records says nothing."""
    values = {key: [method[key] for method in methods if key in method] for method in methods for key in method}
    return [key for key, found in values.items() if any(value != found[0] for value in found)]


def _kind(method: Mapping[str, Any]) -> str:
    """The estimator; GRPO with dynamic sampling goes by the name of DAPO."""
    estimator = str(method[ESTIMATOR])
    return "dapo" if estimator == "grpo" and method.get(f"{FILTER_KEYS}enable") is True else estimator


def _labels(runs: Sequence[Run], methods: Sequence[dict[str, Any] | None]) -> list[str]:
    """Calls each by its kind, and by what tells it from others of its kind."""
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
    return labels


def _distinct(labels: Sequence[str]) -> list[str]:
    """Numbers labels that occur twice: folders of the same name in different places."""
    seen: dict[str, int] = {}
    distinct = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        distinct.append(label if labels.count(label) == 1 else f"{label} ({seen[label]})")
    return distinct


def _estimator(runs: Sequence[Run], places: Sequence[int]) -> str | None:
    """That of all runs of an arm; a label that the user gave may join runs of several."""
    found = {runs[place].estimator for place in places}
    return found.pop() if len(found) == 1 else None


def _seeds(runs: Sequence[Run], places: Sequence[int]) -> list[str] | None:
    """Names the seeds of an arm's runs by those keys that vary over all runs; arms are paired by these names."""
    configs = [run.config or {} for run in runs]
    keys = sorted({key for config in configs for key in config if SEED.search(key)})
    varying = [key for key in keys if len({json.dumps(config.get(key)) for config in configs}) > 1]
    if not all(runs[place].config for place in places):
        return None
    named = [json.dumps([configs[place].get(key) for key in varying]) for place in places]
    return named if len(set(named)) == len(named) else None
