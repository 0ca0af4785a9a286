"""Adapter: verl's bootstrap of a validation (`best@k`, `worst@k`, `maj@k`), the same in a thirtieth of the time.

verl calls a Python function for each of the thousand draws of each prompt, variable and k: 12 s for 1,024 responses,
during which nothing else runs. The draws here are verl's own, reduced all at once.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
from verl.trainer.ppo import metric_utils

Reduction = Callable[[np.ndarray], np.ndarray]
"""From the places in the data that were drawn, (draws, k), to a figure of each draw, (draws,) float64."""


@contextmanager
def fast_bootstrap() -> Iterator[None]:
    """Lets verl's `process_validation_metrics` take `bootstrap_metric` from here meanwhile."""
    with mock.patch.object(metric_utils, "bootstrap_metric", partial(_bootstrap_metric, metric_utils.bootstrap_metric)):
        yield


def _bootstrap_metric(
    verls: Callable[..., list[tuple[float, float]]],
    data: Sequence[Any],
    subset_size: int,
    reduce_fns: Sequence[Callable[..., float]],
    n_bootstrap: int = 1000,
    seed: int = 42,
) -> list[tuple[float, float]]:
    try:
        reductions = [_REDUCTIONS[getattr(reduce_fn, "func", reduce_fn)](data, reduce_fn) for reduce_fn in reduce_fns]
    except (KeyError, TypeError, ValueError):
        # Another function than those that verl uses now, or values that are no numbers.
        return verls(data, subset_size, reduce_fns, n_bootstrap, seed)
    np.random.seed(seed)
    places = np.random.choice(len(data), size=(n_bootstrap, subset_size), replace=True)
    figures = [reduction(places) for reduction in reductions]
    return [(float(np.mean(figure)), float(np.std(figure))) for figure in figures]


def _extreme(data: Sequence[float], reduce_fn: Callable[..., Any]) -> Reduction:
    values = np.array(data, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("which of two numbers is larger must not depend on their order")
    return lambda places: reduce_fn(values[places], axis=1)


def _majority(data: Sequence[dict[str, Any]], reduce_fn: partial[float]) -> Reduction:
    vote_key, value_key = reduce_fn.keywords["vote_key"], reduce_fn.keywords["val_key"]
    values = np.array([response[value_key] for response in data], dtype=np.float64)
    number_of = {vote: number for number, vote in enumerate(dict.fromkeys(response[vote_key] for response in data))}
    votes = np.array([number_of[response[vote_key]] for response in data])

    def reduce(places: np.ndarray) -> np.ndarray:
        rows = np.arange(len(places))[:, None]
        drawn = rows * len(number_of) + votes[places]
        # Of equal counts the vote that was drawn first wins, and of its values the first.
        first = np.bincount(drawn.ravel())[drawn].argmax(axis=1)
        return values[places[rows[:, 0], first]]

    return reduce


_REDUCTIONS = {np.max: _extreme, np.min: _extreme, metric_utils.calc_maj_val: _majority}
