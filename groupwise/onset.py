"""When something began that lasts: one rule for the report's findings and for the audit's."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

WINDOW: Final = 5
"""Steps of the running median, which a single step out of the ordinary does not move."""


class Onset(NamedTuple):
    """A curve that left its range and has not come back."""

    step: int  # the first outside
    value: float  # the median from there to the end


def onset(
    steps: Sequence[int] | np.ndarray,
    values: Sequence[float] | np.ndarray,
    *,
    above: float = np.inf,
    below: float = -np.inf,
) -> Onset | None:
    """Finds since when a curve, smoothed, is `above` a limit or `below` another; None where its end is within."""
    if not len(values):
        return None
    smooth = pd.Series(values).rolling(WINDOW, center=True, min_periods=1).median().to_numpy()
    inside = np.flatnonzero((smooth <= above) & (smooth >= below))
    first = inside[-1] + 1 if len(inside) else 0
    return Onset(int(steps[first]), float(np.median(values[first:]))) if first < len(values) else None
