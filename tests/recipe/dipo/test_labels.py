"""Labels of responses: each derived by hand from one small step."""

import math

import pytest
import torch

from recipe.dipo.config import DiPOConfig
from recipe.dipo.core.perplexity import PerplexityQueue
from recipe.dipo.labels import label
from recipe.dipo.step import Responses, run_step

# Groups of two. Right answers are mostly below 2, wrong ones mostly above: tau* lies midway between 1.5 and 3.0, at
# 2.25, where 1.2 (wrong) and 5.0 (right) stand on the wrong side.
PERPLEXITY = [1.2, 4.0, 3.0, 3.5, 1.1, 5.0, 1.3, 1.5, 1.4, 4.5]
CORRECT = [False, False, False, False, True, True, True, True, True, False]
GROUP = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def make(rule: str, *, failed: int | None = None, perplexity: list[float] = PERPLEXITY, confidence=None):
    responses = Responses(
        perplexity=torch.tensor(perplexity, dtype=torch.float64),
        correct=torch.tensor(CORRECT),
        reward=torch.tensor(CORRECT).float(),
        group=torch.tensor(GROUP),
        failed=torch.arange(len(GROUP)) == (-1 if failed is None else failed),
    )
    config = DiPOConfig(alpha=0.1, queue_batches=1, confidence=confidence, group_perplexity=rule)
    step = run_step(responses, PerplexityQueue(1), config)
    return label(responses, step, rule=rule), step


def test_the_rule_any():
    labels, step = make("any")
    assert step.threshold.value == 2.25
    assert labels.group_kind == ["hard"] * 4 + ["easy"] * 4 + ["mixed"] * 2
    quadrants = ["error_low", "error_high", "error_high", "error_high", "correct_low", "correct_high"]
    assert labels.quadrant == [*quadrants, "correct_low", "correct_low", "correct_low", "error_high"]
    # Candidates: 1.2 in the hard group 0, none in group 1; 5.0 in the easy group 2, none in group 3; group 4 is mixed.
    assert labels.group_perplexity == [1.2, 1.2, None, None, 5.0, 5.0, None, None, None, None]
    assert labels.touched == [True, True, False, False, True, True, False, False, False, False]
    # Rewarded: the confident error. Penalised: the unsure right answer, which alone gets no reallocated reward.
    assert [place for place, chosen in enumerate(labels.chosen) if chosen] == [0, 5]
    assert step.reallocated.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("rule", "statistics", "chosen"),
    [
        # Of two values the median is their mean: 2.6 and 3.25 (hard) are above tau*, 3.05 (easy) is above, 1.4 below.
        ("median", [2.6, 3.25, 3.05, 1.4, 2.95], [5]),
        ("mean", [2.6, 3.25, 3.05, 1.4, 2.95], [5]),
        ("max", [4.0, 3.5, 5.0, 1.5, 4.5], [5]),
    ],
)
def test_the_rules_of_groups(rule, statistics, chosen):
    labels, _ = make(rule)
    assert labels.group_perplexity == pytest.approx([value for value in statistics for _ in range(2)])
    assert [place for place, is_chosen in enumerate(labels.chosen) if is_chosen] == chosen


def test_a_group_with_an_unjudged_response_has_no_labels():
    labels, _ = make("any", failed=1)
    assert labels.group_kind[:2] == [None, None]
    assert labels.quadrant[:2] == [None, None]
    assert labels.group_perplexity[:2] == [None, None]
    assert not any(labels.touched[:2])
    assert labels.group_kind[4:6] == ["easy", "easy"]


def test_a_response_without_a_token_leaves_its_group_without_labels():
    labels, _ = make("max", perplexity=[*PERPLEXITY[:5], math.nan, *PERPLEXITY[6:]])
    assert labels.group_kind[4:6] == [None, None]
    assert labels.chosen[4:6] == [False, False]


def test_without_a_threshold_there_are_no_quadrants():
    # Ten responses are too few for 99.9%.
    labels, step = make("any", confidence=0.999)
    assert step.threshold is None
    assert labels.quadrant == [None] * 10
    assert labels.group_perplexity == [None] * 10
    assert labels.group_kind[0] == "hard"
    assert make("mean", confidence=0.999)[0].group_perplexity[0] == pytest.approx(2.6)


def test_a_response_on_the_threshold_is_in_no_quadrant():
    # The queue of an earlier batch can put tau* exactly onto a perplexity of this one.
    queue = PerplexityQueue(2)
    queue.push(torch.tensor([1.0, 3.0] * 20, dtype=torch.float64), torch.tensor([True, False] * 20))
    responses = Responses(
        perplexity=torch.tensor([2.0, 1.0], dtype=torch.float64),
        correct=torch.tensor([True, False]),
        reward=torch.tensor([1.0, 0.0]),
        group=torch.tensor([0, 0]),
        failed=torch.zeros(2, dtype=torch.bool),
    )
    config = DiPOConfig(alpha=0.1, queue_batches=2, confidence=None, group_perplexity="any")
    step = run_step(responses, queue, config)
    on_it = step._replace(threshold=step.threshold._replace(value=2.0))
    assert label(responses, on_it, rule="any").quadrant == [None, "error_low"]


def test_a_batch_in_which_nothing_was_judged():
    responses = Responses(
        perplexity=torch.tensor([1.0], dtype=torch.float64),
        correct=torch.tensor([False]),
        reward=torch.tensor([0.0]),
        group=torch.tensor([0]),
        failed=torch.tensor([True]),
    )
    config = DiPOConfig(alpha=0.1, queue_batches=2, confidence=None, group_perplexity="any")
    labels = label(responses, run_step(responses, PerplexityQueue(2), config), rule="any")
    assert labels == ([None], [None], [None], [False], [False])
