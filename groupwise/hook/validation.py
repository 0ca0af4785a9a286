"""A validation without the responses that could not be judged.

verl averages whatever it is given, and takes a response that is missing for a wrong one: `expected_acc_counts` says how
many there should be of each prompt. Both are therefore told that an unjudged response is not to be expected, and the
metrics `val-aux/reward/...` tell what share of the responses that is.

The figures that scripts/evaluate.sh reports are logged beside verl's own: verl's best@k and maj@k draw responses with
replacement, pass@k here is unbiased.
"""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from groupwise.evaluation import bfcl, statistics
from groupwise.hook.verdicts import REWARD_ERROR_KEY, Failure, failure_of


class Validation(NamedTuple):
    """What verl passes to `_val_metrics_update`; B responses."""

    data_sources: list[str]  # (B,) of each response
    sample_uids: list[str]  # (B,) the prompt of each response
    infos: dict[str, list[Any]]  # by name (B,) values; None where a response lacks one
    expected_acc_counts: dict[tuple[str, str], int] | None  # by data source and prompt how many responses are expected


def find_failures(infos: Mapping[str, Sequence[Any]], responses: int) -> dict[int, Failure]:
    """Finds those of so many responses of a validation that could not be judged, by their place.

    Raises:
        GroupwiseError: No verifier is known for a data source.
    """
    named = {key: infos[key] for key in ("reason", REWARD_ERROR_KEY) if key in infos}
    found = {place: failure_of({key: values[place] for key, values in named.items()}) for place in range(responses)}
    return {place: failure for place, failure in found.items() if failure is not None}


def without(validation: Validation, places: Sequence[int]) -> Validation:
    """Leaves the responses at some places out; a prompt with no expected response left is no longer expected."""
    dropped = set(places)
    kept = [place for place in range(len(validation.data_sources)) if place not in dropped]
    # verl forms its keys with str.
    fewer = Counter((str(validation.data_sources[place]), str(validation.sample_uids[place])) for place in dropped)
    expected = validation.expected_acc_counts
    return Validation(
        data_sources=[validation.data_sources[place] for place in kept],
        sample_uids=[validation.sample_uids[place] for place in kept],
        infos={key: [values[place] for place in kept] for key, values in validation.infos.items()},
        expected_acc_counts=expected
        and {prompt: count - fewer[prompt] for prompt, count in expected.items() if count > fewer[prompt]},
    )


def figures(validation: Validation, *, resamples: int = 1000) -> dict[str, float]:
    """Computes what scripts/evaluate.sh reports, for a validation without its unjudged responses.

    A thousand resamples of the bootstrap give an interval to a hundredth of its width.

    Returns:
        Metrics `val-aux/<data source>/acc/...`: `pass@k` for k = 1, 2, 4, ..., n; where there are several responses
        `maj@n`, ties shared out; `mean@n/low` and `/high`, ends of the 95% interval over prompts. And
        `val-aux/bfcl_v3/<figure>` where a figure's categories are all there. Nothing for a source whose verdicts are
        not 0 and 1.
    """
    metrics: dict[str, float] = {}
    categories: dict[str, tuple[float, int]] = {}
    for source, prompts in _verdicts_by_source(validation).items():
        acc = [[verdict for verdict, _ in responses] for responses in prompts]
        means = statistics.mean_per_prompt(acc)
        most = max(map(len, acc))
        # A seed of its own, or sets of equal size would be drawn alike.
        interval = statistics.bootstrap(means, resamples=resamples, seed=zlib.crc32(source.encode()))
        name = f"val-aux/{source}/acc"
        metrics |= {f"{name}/mean@{most}/low": interval.low, f"{name}/mean@{most}/high": interval.high}
        for k in statistics.tries(most):
            metrics[f"{name}/pass@{k}"] = float(statistics.pass_per_prompt(acc, k=k).mean())
        if most > 1:
            preds = [[pred for _, pred in responses] for responses in prompts]
            metrics[f"{name}/maj@{most}"] = float(statistics.maj_per_prompt(acc, preds).mean())
        category = source.removeprefix(bfcl.PREFIX)
        if source.startswith(bfcl.PREFIX) and category in bfcl.ROWS:
            categories[category] = float(means.mean()), len(prompts)
    return metrics | dict(_bfcl_figures(categories))


def _bfcl_figures(categories: dict[str, tuple[float, int]]) -> Iterator[tuple[str, float]]:
    for name, figure in bfcl.aggregate(categories).aggregates.items():
        if figure.accuracy is not None:
            # Loggers take letters, digits and a few signs.
            yield f"val-aux/bfcl_v3/{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}", float(figure.accuracy)


def _verdicts_by_source(validation: Validation) -> dict[str, list[list[tuple[float, str]]]]:
    """By data source, for each prompt its responses' verdicts and answers; only sources with verdicts 0 and 1."""
    responses = len(validation.data_sources)
    accs = validation.infos.get("acc", [None] * responses)
    preds = validation.infos.get("pred", [""] * responses)
    found: dict[str, dict[str, list[tuple[float, str]]]] = defaultdict(lambda: defaultdict(list))
    excluded = set()
    for source, uid, acc, pred in zip(validation.data_sources, validation.sample_uids, accs, preds, strict=True):
        if acc not in (0, 1):
            excluded.add(str(source))
            continue
        found[str(source)][str(uid)].append((float(acc), str(pred or "")))
    return {source: list(prompts.values()) for source, prompts in found.items() if source not in excluded}
