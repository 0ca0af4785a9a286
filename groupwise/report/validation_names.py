"""Which metrics are validation figures, of which data set, and of which kind.

verl logs `val-core/SOURCE/acc/mean@8`, `val-aux/SOURCE/acc/best@8/mean`; this recipe adds unbiased `pass@k`, `maj@n`
and the interval of mean@n over prompts (groupwise/hook/validation.py). A set without verdicts has `reward` or `score`
in the place of `acc`.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

NAME = re.compile(
    r"val-(?:core|aux)/(?P<source>.+)/(?P<variable>acc|reward|score)"
    r"/(?P<kind>mean|pass|maj|best)@(?P<k>\d+)(?P<rest>/mean)?"
)
AGGREGATE = re.compile(r"val-aux/(?P<source>bfcl_v3/[^/]+)")
VARIABLES = ("acc", "score", "reward")
"""In this order: where there are verdicts, a set is judged by them."""

MAIN = "mean@k"


class Figure(NamedTuple):
    """A validation figure: of `k` responses, `kind` being `mean`, `pass`, `maj` or `best`."""

    source: str
    kind: str
    k: int
    metric: str


def find_figures(metrics: Iterable[str]) -> dict[str, dict[str, str]]:
    """Sorts validation metrics by source, and for each source by the name of a figure.

    `mean@k`, `pass@k`, `maj@k` are those of the largest k, which may differ between sets; `pass@1`, ... are those of
    one k. Sources and figures are in order of names.
    """
    by_source: dict[str, dict[str, list[Figure]]] = {}
    for metric in metrics:
        found = _figure(metric)
        if found is not None:
            variable, figure = found
            by_source.setdefault(figure.source, {}).setdefault(variable, []).append(figure)
    sorted_sources = sorted(by_source.items())
    return {source: _named(next(found[v] for v in VARIABLES if v in found)) for source, found in sorted_sources}


def interval_of(metric: str) -> tuple[str, str]:
    """Names the ends of the interval over prompts that is logged with a mean@k of verdicts."""
    stem = metric.replace("val-core/", "val-aux/", 1)
    return f"{stem}/low", f"{stem}/high"


def _figure(metric: str) -> tuple[str, Figure] | None:
    match = NAME.fullmatch(metric)
    if match is None:
        aggregate = AGGREGATE.fullmatch(metric)
        return aggregate and ("acc", Figure(aggregate["source"], "mean", 1, metric))
    if (match["rest"] is not None) != (match["kind"] == "best") and not (match["rest"] and match["kind"] == "maj"):
        return None
    return match["variable"], Figure(match["source"], match["kind"], int(match["k"]), metric)


def _named(figures: list[Figure]) -> dict[str, str]:
    # Ours comes without `/mean` and is exact: the shorter name wins over verl's of the same kind and k.
    ordered = sorted(figures, key=lambda figure: (figure.kind != "mean", figure.kind, figure.k, -len(figure.metric)))
    named: dict[str, str] = {}
    for figure in ordered:
        named[f"{figure.kind}@k"] = figure.metric
    passes = {f"pass@{figure.k}": figure.metric for figure in ordered if figure.kind == "pass"}
    return {**named, **passes}
