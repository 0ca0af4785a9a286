"""A run's metrics as arrays: a column each, NaN where a step lacks it.

S steps, ascending, validations before the first training step included.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from groupwise.record.run_log import TRAINED


class Columns(NamedTuple):
    """Metrics of a run.

    Attributes:
        steps: (S,) int64, ascending.
        values: For each metric (S,) float64, NaN where the step lacks it.
    """

    steps: np.ndarray
    values: dict[str, np.ndarray]

    def of(self, metric: str) -> np.ndarray:
        """Gives (S,) values of a metric, all NaN where it was never logged."""
        return self.values[metric] if metric in self.values else np.full(len(self.steps), np.nan)

    def logged(self, metric: str) -> np.ndarray:
        """Gives (K,) values of a metric at the steps that have it, in order."""
        values = self.of(metric)
        return values[~np.isnan(values)]

    def at(self, metric: str) -> dict[int, float]:
        """Gives a metric's values by step."""
        values = self.of(metric)
        return {int(step): float(value) for step, value in zip(self.steps, values, strict=True) if value == value}

    @property
    def trained(self) -> np.ndarray:
        """(S,) bool, which steps are training steps. A logger that does not say so logged nothing else after step 0."""
        known = ~np.isnan(self.of(TRAINED))
        return known if known.any() else self.steps > 0


def to_columns(steps: Mapping[int, Mapping[str, float]]) -> Columns:
    """Turns records into columns.

    Args:
        steps: Finite metrics by step, in ascending order.

    Returns:
        The columns, in the order in which metrics first appear.
    """
    numbers = np.fromiter(steps, dtype=np.int64, count=len(steps))
    values: dict[str, np.ndarray] = {}
    for place, data in enumerate(steps.values()):
        for name, value in data.items():
            if name not in values:
                values[name] = np.full(len(steps), np.nan)
            values[name][place] = value
    return Columns(numbers, values)
