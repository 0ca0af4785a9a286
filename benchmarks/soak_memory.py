"""Whether the memory of a soak's processes grows with the steps."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from scipy.stats import theilslopes
from soak_events import Check, Event

WARM_UP = 20
"""Steps of an attempt that a slope leaves out: buffers and allocators fill, and a first checkpoint is written."""
MIN_STEPS = 40
"""Fewer steps behind the warm-up give no slope."""
MAX_GROWTH = 0.02
"""Of a process's memory, per 100 steps: 1,000 steps may add a fifth. For the controller (0.9 GiB) that is 18 MiB, less
than the 22 MiB by which it would grow if it kept twenty tensors of 8 bytes a token of every batch of 32 responses x 44
tokens."""


class Slope(NamedTuple):
    """Growth of memory in an attempt.

    Attributes:
        attempt: Its number.
        steps: Steps behind the warm-up.
        size: Median, MiB.
        growth: MiB per 100 steps, Theil and Sen's estimate.
        low: Lower end of its 95% interval.
        high: Upper end.
    """

    attempt: int
    steps: int
    size: float
    growth: float
    low: float
    high: float


def memory_slopes(events: Iterable[Event], key: str) -> list[Slope]:
    """Fits the memory over the steps of each attempt that is long enough.

    Args:
        events: The lines of soak.jsonl.
        key: `total` or `controller`.

    Returns:
        The slopes, that of the longest attempt first.
    """
    points: dict[int, list[tuple[int, float]]] = {}
    for event in events:
        if event["event"] == "sample" and event["trained"] > WARM_UP:
            points.setdefault(event["attempt"], []).append((event["trained"], event[key]))
    slopes = []
    for attempt, samples in points.items():
        steps, sizes = zip(*samples, strict=True)
        if steps[-1] - steps[0] < MIN_STEPS:
            continue
        fit = theilslopes(sizes, steps, alpha=0.95)
        size = sorted(sizes)[len(sizes) // 2]
        slopes.append(Slope(attempt, steps[-1] - steps[0], size, *(100 * x for x in (fit[0], fit[2], fit[3]))))
    return sorted(slopes, key=lambda slope: -slope.steps)


def check_memory(events: Sequence[Event]) -> list[Check]:
    """Memory must not grow, in the longest attempt: of all processes together, and of the controller alone."""
    checks = []
    for key, name in (("total", "memory of all processes"), ("controller", "memory of the controller")):
        slopes = memory_slopes(events, key)
        faults = [] if slopes else [f"An attempt must be sampled over {MIN_STEPS} steps behind the warm-up; none was."]
        for slope in slopes[:1]:
            allowed = MAX_GROWTH * slope.size
            if slope.growth > allowed:
                faults.append(
                    f"Attempt {slope.attempt} must grow by at most {allowed:.0f} MiB per 100 steps, but grew by "
                    f"{slope.growth:.1f}."
                )
        told = [
            f"{s.growth:+.1f} [{s.low:+.1f}, {s.high:+.1f}] MiB per 100 steps of {s.size:,.0f} over {s.steps} steps"
            for s in slopes[:3]
        ]
        checks.append(Check(name, faults, "; ".join(told) or "no slope"))
    return checks
