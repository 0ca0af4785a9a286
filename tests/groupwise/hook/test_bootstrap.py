"""Every figure is verl's own to the last bit, and where a figure cannot be had so, verl computes it."""

import inspect
import math
import random
from functools import partial

import numpy as np
import pytest
from verl.trainer.ppo import metric_utils

from groupwise.hook import bootstrap

BEST_WORST = [np.max, np.min]
MAJORITY = [partial(metric_utils.calc_maj_val, vote_key="pred", val_key="val")]


def validation(values, *, prompts: int, responses: int):
    """Data sources, prompts and infos, as verl's trainer passes them, with many ties among the votes."""
    chance = random.Random(0)
    infos = {
        "acc": [chance.choice(values) for _ in range(prompts * responses)],
        "score": [chance.gauss(0, 1) for _ in range(prompts * responses)],
        "pred": [chance.choice("ab3 ") for _ in range(prompts * responses)],
    }
    return ["math"] * len(infos["acc"]), [str(i // responses) for i in range(len(infos["acc"]))], infos


@pytest.mark.parametrize(
    ("values", "responses"), [((0.0, 1.0), 2), ((0.0, 1.0), 5), ((False, True), 3), ((0, 1, 7, None), 4), ((1.0,), 1)]
)
def test_a_validations_figures_are_verls_to_the_last_bit(values, responses):
    given = validation(values, prompts=2, responses=responses)
    verls = metric_utils.process_validation_metrics(*given)
    state = np.random.get_state()[1].tolist()
    with bootstrap.fast_bootstrap():
        assert metric_utils.process_validation_metrics(*given) == verls
    # What draws from numpy's generator afterwards draws the same.
    assert np.random.get_state()[1].tolist() == state


@pytest.mark.parametrize(
    ("data", "reduce_fns"),
    [
        ([0.5, math.nan, 1.0], BEST_WORST),
        ([0.5, 1.0, 2.0], [np.median]),
        ([True, np.float32(0.1), 3], [np.max]),
        ([{"val": math.nan, "pred": None}, {"val": 1.0, "pred": 2}, {"val": 0.0, "pred": 2.0}], MAJORITY),
    ],
)
def test_anything_else_comes_out_as_verl_has_it(data, reduce_fns):
    with bootstrap.fast_bootstrap():
        found = metric_utils.bootstrap_metric(data=data, subset_size=2, reduce_fns=reduce_fns, n_bootstrap=50, seed=1)
    verls = metric_utils.bootstrap_metric(data=data, subset_size=2, reduce_fns=reduce_fns, n_bootstrap=50, seed=1)
    assert np.array_equal(found, verls, equal_nan=True)


def test_what_verl_calls_is_not_called(monkeypatch):
    """Fails when verl no longer draws by this function, or reduces by others: nothing would be gained then."""
    monkeypatch.setattr(metric_utils, "bootstrap_metric", lambda *given: pytest.fail(f"verl's own, with {given}"))
    with bootstrap.fast_bootstrap():
        found = metric_utils.process_validation_metrics(*validation((0.0, 1.0), prompts=2, responses=4))
    assert {"best@2/mean", "worst@4/std", "maj@4/mean"} <= set(found["math"]["acc"])
    assert "bootstrap_metric(" in inspect.getsource(metric_utils.process_validation_metrics)
    with pytest.raises(pytest.fail.Exception):
        metric_utils.bootstrap_metric()
