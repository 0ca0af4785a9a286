"""DiPO's settings, and one step of it from perplexities to advantages; its parts have tests of their own."""

import math

import pytest
import torch

from groupwise.method import METHODS, Responses, build, compute
from recipe.dipo.method import DiPO, DiPOConfig

VALID = {"alpha": 0.1, "queue_batches": 2, "confidence": 0.95, "group_perplexity": "any_group"}


@pytest.mark.parametrize(
    "change",
    [{}, {"alpha": 0}, {"alpha": 1.0}, {"queue_batches": 1}, {"confidence": None}, {"group_perplexity": "median"}],
)
def test_accepts(change):
    assert build("dipo", change).config == DiPOConfig(**{**VALID, **change})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alpha", -0.1),
        ("alpha", math.nan),
        ("alpha", math.inf),
        ("alpha", "0.1"),
        ("alpha", True),
        ("alpha", None),
        ("queue_batches", 0),
        ("queue_batches", 1.5),
        ("queue_batches", True),
        ("confidence", 0),
        ("confidence", 1),
        ("confidence", 95),
        ("confidence", "high"),
        ("group_perplexity", "average"),
        ("group_perplexity", None),
    ],
)
def test_refuses_and_names_key_and_value(key, value):
    with pytest.raises(ValueError, match=rf"algorithm\.dipo\.{key} must .* is {value!r}"):
        build("dipo", {key: value})


@pytest.mark.parametrize(
    ("typo", "meant"), [("alhpa", "alpha"), ("queue_batch", "queue_batches"), ("group_perplexty", "group_perplexity")]
)
def test_a_mistyped_key_is_refused_and_the_nearest_named(typo, meant):
    with pytest.raises(ValueError, match=f"no key '{typo}'; did you mean '{meant}'"):
        build("dipo", {typo: 1})


def test_a_key_like_no_other_lists_the_keys():
    with pytest.raises(ValueError, match="known are alpha, queue_batches, confidence, group_perplexity"):
        build("dipo", {"zzz": 1})


def test_the_package_makes_it_a_method_and_its_yaml_holds_the_papers_defaults():
    assert METHODS["dipo"] is DiPO
    assert DiPO.defaults() == VALID


# Groups of two. Right answers are mostly below 2, wrong ones mostly above: tau* lies midway between 1.5 and 3.0, at
# 2.25, where 1.2 (wrong) and 5.0 (right) stand on the wrong side.
PERPLEXITY = [1.2, 4.0, 3.0, 3.5, 1.1, 5.0, 1.3, 1.5, 1.4, 4.5]
CORRECT = [False, False, False, False, True, True, True, True, True, False]
GROUP = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
SETTINGS = {"alpha": 0.1, "queue_batches": 1, "confidence": None}


def make(rule: str, *, unjudged: int | None = None, perplexity: list[float] = PERPLEXITY, confidence=None):
    values = torch.tensor(perplexity, dtype=torch.float64)
    known = (torch.arange(len(GROUP)) != (-1 if unjudged is None else unjudged)) & ~values.isnan()
    responses = Responses(
        torch.tensor(CORRECT).float(), torch.tensor(CORRECT), known, torch.tensor(GROUP), values, step=1
    )
    return compute(build("dipo", {**SETTINGS, "group_perplexity": rule, "confidence": confidence}), responses)


def test_the_rule_any():
    found = make("any")
    columns = {name.removeprefix("dipo_"): values for name, values in found.columns.items()}
    assert found.metrics["dipo/threshold/value"] == 2.25
    assert columns["group_kind"] == ["hard"] * 4 + ["easy"] * 4 + ["mixed"] * 2
    quadrants = ["error_low", "error_high", "error_high", "error_high", "correct_low", "correct_high"]
    assert columns["quadrant"] == [*quadrants, "correct_low", "correct_low", "correct_low", "error_high"]
    # Candidates: 1.2 in the hard group 0, none in group 1; 5.0 in the easy group 2, none in group 3; group 4 is mixed.
    assert columns["group_perplexity"] == [1.2, 1.2, None, None, 5.0, 5.0, None, None, None, None]
    assert columns["touched"] == [True, True, False, False, True, True, False, False, False, False]
    # Rewarded: the confident error. Penalised: the unsure right answer, which alone gets no reallocated reward.
    assert [place for place, chosen in enumerate(columns["chosen"]) if chosen] == [0, 5]
    assert columns["reallocated_reward"] == [1, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    # Of 1 and 0 the unbiased deviation is sqrt(1/2): +-0.70711, and alpha of it where the reward is reallocated.
    down, full = 0.0707105, 0.707106
    expected = [down, -down, 0, 0, down, -down, 0, 0, full, -full]
    assert found.advantage.tolist() == pytest.approx(expected, abs=1e-5)


def test_the_rule_any_group_rewards_another_response_of_the_same_groups():
    found = make("any_group")
    columns = {name.removeprefix("dipo_"): values for name, values in found.columns.items()}
    # What lies in the space is told as under `any`: 1.2 and 5.0. Of the hard group 4.0 is rewarded now.
    assert columns["group_perplexity"] == [1.2, 1.2, None, None, 5.0, 5.0, None, None, None, None]
    assert [place for place, chosen in enumerate(columns["chosen"]) if chosen] == [1, 5]
    down, full = 0.0707105, 0.707106
    expected = [-down, down, 0, 0, down, -down, 0, 0, full, -full]
    assert found.advantage.tolist() == pytest.approx(expected, abs=1e-5)


def test_always_needs_no_threshold():
    # The least sure response of each group without variance, with a threshold (2.25) and, at 99.9%, without one.
    for confidence in (None, 0.999):
        columns = make("always", confidence=confidence).columns
        assert [place for place, chosen in enumerate(columns["dipo_chosen"]) if chosen] == [1, 3, 5, 7]
        assert columns["dipo_group_perplexity"] == [None] * 10


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
    columns = make(rule).columns
    assert columns["dipo_group_perplexity"] == pytest.approx([value for value in statistics for _ in range(2)])
    assert [place for place, is_chosen in enumerate(columns["dipo_chosen"]) if is_chosen] == chosen


@pytest.mark.parametrize("lacks", [{"unjudged": 1}, {"perplexity": [1.2, math.nan, *PERPLEXITY[2:]]}])
def test_a_group_with_a_response_that_is_not_known_is_left_alone(lacks):
    found = make("any", **lacks)
    for name in ("group_kind", "quadrant", "group_perplexity", "touched", "chosen"):
        assert found.columns[f"dipo_{name}"][:2] == [None, None]
    assert found.columns["dipo_group_kind"][4:6] == ["easy", "easy"]
    assert found.advantage[:2].tolist() == [0, 0]
    assert found.metrics["dipo/judged_share"] == 0.8


def test_without_a_threshold_there_are_no_quadrants_and_nothing_is_reallocated():
    # Ten responses are too few for 99.9%.
    found = make("any", confidence=0.999)
    assert found.metrics["dipo/threshold/admissible"] == 0
    assert found.columns["dipo_quadrant"] == [None] * 10
    assert found.columns["dipo_group_perplexity"] == [None] * 10
    assert found.columns["dipo_group_kind"][0] == "hard"
    assert not any(found.columns["dipo_reallocated_reward"])
    assert make("mean", confidence=0.999).columns["dipo_group_perplexity"][0] == pytest.approx(2.6)


def test_the_queue_travels_with_checkpoints_and_knows_how_many_updates_a_step_has():
    method = build("dipo", SETTINGS, updates_per_step=3)
    for _ in range(5):
        method.observe(
            Responses(*[torch.ones(2)] * 1, *[torch.tensor([True, False])] * 2, torch.tensor([0, 0]),
                      torch.tensor([1.0, 2.0]).double(), step=1)
        )  # fmt: skip
    assert len(method.queue.snapshot()[0]) == 6
    resumed = build("dipo", SETTINGS, updates_per_step=3)
    resumed.load_state_dict(method.state_dict())
    assert torch.equal(resumed.queue.snapshot()[0], method.queue.snapshot()[0])
