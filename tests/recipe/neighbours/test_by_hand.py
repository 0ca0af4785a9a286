"""Each method on groups of four, against numbers worked by hand; the derivation stands beside them.

The mean log-probs of a group are -0.1, -0.2, -0.4 and -0.8, so the likelihoods 0.9048, 0.8187, 0.6703 and 0.4493. GRPO
of [1, 0, 0, 0] is 0.75 / 0.5 = 1.5 and -0.5 (variance (0.5625 + 3 * 0.0625) / 3 = 0.25); of [0, 1, 1, 1] the negatives.
"""

import math

import pytest
import torch

from groupwise.method import build, compute

SURE = [-0.1, -0.2, -0.4, -0.8]
WRONG, RIGHT, MIXED = [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]
NONE = [0.0, 0.0, 0.0, 0.0]
GRPO = [1.5, -0.5, -0.5, -0.5]
ENTROPIES = [[0.2, 0.4], [1.0], [0.6, 0.0], [0.9, 0.3]]
"""Means 0.3, 1.0, 0.3 and 0.6; of the group 0.55."""


def advantage(make_batch, name, correct, settings=None, **changes):
    outcome = compute(build(name, settings), make_batch(correct, SURE * (len(correct) // 4), **changes))
    return outcome.advantage.tolist()


# q / (D - q) with D = 2 * 0.9048 = 1.8097: 1, 0.82621, 0.58833, 0.33030; a quarter of each is lost, mean 0.17155.
LENS_HARD = [0.25 * value for value in (-0.078447, -0.035000, 0.024470, 0.088977)]
# D = 1 / (1 / 0.9048 / 4) = 3.6193: q / (D - q) of the wrong ones 0.29234, 0.22730, 0.14174, a quarter of each is lost:
# 1, -0.07308, -0.05683, -0.03544; mean 0.20866, deviation 0.52778.
LENS_MIXED = [1.499360, -0.533833, -0.503026, -0.462499]
# Standardised -0.1, -0.2, -0.4, -0.8: mean -0.375, variance (0.0756 + 0.0306 + 0.0006 + 0.1806) / 3, deviation 0.30957.
Z = [0.88834, 0.56530, -0.08076, -1.37288]
# Right answers lose 1/16 of the reward for each that is less likely, and one more: 0.75, 0.8125, 0.875, 0.9375; mean
# 0.84375, deviation 0.0625 * 1.29099.
RANKED = [-1.161895, -0.387298, 0.387298, 1.161895]
# Of four 0 and one 1: mean 1/5, variance (4 * 0.04 + 0.64) / 4 = 0.2.
NGRPO_HARD = [-0.447214] * 4
# Of 1, 0, 0, 0 and 1: mean 2/5, variance (2 * 0.36 + 3 * 0.16) / 4 = 0.3.
NGRPO_MIXED = [0.6 / math.sqrt(0.3), *[-0.4 / math.sqrt(0.3)] * 3]
# Rewards 1 and -1 with a third at most: 1.1, -0.8, -0.6667 (capped from -0.6), -0.6667 (from -0.2); mean -0.25833,
# variance (1.84507 + 0.29340 + 0.16674 + 0.16674) / 3 = 0.82398, deviation 0.90774.
CDE_MIXED = [1.496385, -0.596719, -0.449834, -0.449834]
# 0.1, 0.2, 1/3, 1/3 on top of one reward: mean 0.241667, variance (0.020069 + 0.001736 + 2 * 0.008403) / 3, deviation
# 0.113448.
CDE_DEAD = [-1.248741, -0.367277, 0.808009, 0.808009]
# 1 - p = 0.75 > 0.4: r - 0.05 s is 1.005, 0.01, 0.02, 0.04; mean 0.26875, deviation 0.490975.
DACE_MIXED = [1.499567, -0.527012, -0.506645, -0.465910]

BY_HAND = [
    ("lens", WRONG, LENS_HARD),
    ("lens", RIGHT, NONE),
    ("lens", MIXED, LENS_MIXED),
    ("ngrpo", WRONG, NGRPO_HARD),
    ("ngrpo", RIGHT, NONE),
    ("ngrpo", MIXED, NGRPO_MIXED),
    ("nsr", WRONG, [-1.0] * 4),
    ("nsr", RIGHT, [0.1] * 4),
    ("nsr", MIXED, [0.1, -1.0, -1.0, -1.0]),
    # Certainty is punished where all are wrong, and rewarded where all are right.
    ("dace", WRONG, [-value for value in Z]),
    ("dace", RIGHT, Z),
    ("dace", MIXED, DACE_MIXED),
    ("cde", WRONG, CDE_DEAD),
    ("cde", RIGHT, CDE_DEAD),
    ("cde", MIXED, CDE_MIXED),
    ("unlikeliness", WRONG, NONE),
    ("unlikeliness", RIGHT, NONE),
    # The only right answer is the likeliest and keeps 1 - 0.25: a factor that GRPO divides out again.
    ("unlikeliness", MIXED, GRPO),
    # The first batch is held against its own mean.
    ("ema_baseline", WRONG, NONE),
    ("ema_baseline", MIXED, [0.75, -0.25, -0.25, -0.25]),
    # One group alone: the run's mean is the group's, and the batch's deviation the group's.
    ("ebpo", MIXED, GRPO),
    ("ebpo", WRONG, NONE),
    # w = p = 1/4: 0.125 / 0.5 + 0.375 / 0.866025 = 0.683013, and a quarter of what is above 0.
    ("a_grae", MIXED, [0.256130, -0.341506, -0.341506, -0.341506]),
    ("a_grae", WRONG, NONE),
    ("a_grae", RIGHT, NONE),
    # No outlier: q3 + 1.5 iqr = 0.5 + 1.5 * 0.325 is above 0.8. Log perplexity has mean 0.375 and deviation
    # 0.268095 over n: z = -1.02576, -0.65275, 0.09325, 1.58526; weights 1 - z / 100.
    ("ppl_shaping", MIXED, [1.5 * 1.0102576, -0.5 * 1.0065275, -0.5 * 0.9990675, -0.5 * 0.9841474]),
    ("ppl_shaping", WRONG, NONE),
    # The right one is surer than its group, exp(0.275) > 1: nothing is added.
    ("xrpo", MIXED, GRPO),
    # The right one is the last: eta = exp(-0.425) = 0.653770, 2.5 * 0.346230 = 0.8656 > half of 1.5.
    ("xrpo", [0, 0, 0, 1], [-0.5, -0.5, -0.5, 1.5 + 0.75]),
    ("xrpo", WRONG, NONE),
    ("xrpo", RIGHT, NONE),
    # k = 4 of 4 with three wrong: the right one is always there, R = 1.
    ("pass_k", MIXED, NONE),
    ("pass_k", WRONG, NONE),
    ("pass_k", RIGHT, NONE),
    # (1 - 1/4) / (1/4), and -1.
    ("max_rl", MIXED, [3.0, -1.0, -1.0, -1.0]),
    ("max_rl", WRONG, NONE),
    ("max_rl", RIGHT, NONE),
    # A tenth of 1.5 and -0.5, for the least sure one.
    ("max_ppl_reward", WRONG, [-0.05, -0.05, -0.05, 0.15]),
    ("max_ppl_reward", RIGHT, [-0.05, -0.05, -0.05, 0.15]),
    ("max_ppl_reward", MIXED, GRPO),
    ("max_ppl_penalty", WRONG, [0.05, 0.05, 0.05, -0.15]),
    ("max_ppl_penalty", RIGHT, [0.05, 0.05, 0.05, -0.15]),
    ("max_ppl_penalty", MIXED, GRPO),
]


@pytest.mark.parametrize(("name", "correct", "expected"), BY_HAND)
def test_a_group_of_four(make_batch, name, correct, expected):
    # The millionth beside the deviation, which the numbers leave out, is 1/15000 of DACE's small ones.
    assert advantage(make_batch, name, correct) == pytest.approx(expected, abs=1e-4)


# a * H, and a * (H - max H) of each response, without masked tokens; GRPO over the tokens.
RL_ZVP = {
    "right": (RIGHT, [[0.02, 0.04], [0.1, 0], [0.06, 0], [0.09, 0.03]]),
    "wrong": (WRONG, [[-0.02, 0], [0, 0], [0, -0.06], [0, -0.06]]),
    "mixed": (MIXED, [[1.5, 1.5], [-0.5, 0], [-0.5, -0.5], [-0.5, -0.5]]),
}


@pytest.mark.parametrize(("correct", "expected"), RL_ZVP.values(), ids=RL_ZVP)
def test_rl_zvp_by_token(make_batch, correct, expected):
    found = advantage(make_batch, "rl_zvp", correct, entropies=ENTROPIES)
    assert found == [pytest.approx(row, abs=1e-5) for row in expected]


@pytest.mark.parametrize("step", [200, 201, 299, 300])
def test_position_shaping_by_token(make_batch, step):
    found = advantage(make_batch, "position_shaping", MIXED, entropies=ENTROPIES, step=step)
    # Of two tokens the places are 0 and 1/2: a tenth of sigmoid(-7.5) = 0.00055278 and of 1/2; at most half of |A|.
    early, late = (0.1 * 0.00055278, 0.05) if 200 < step < 300 else (0.0, 0.0)
    expected = [[1.5 + early, 1.5 + late], [-0.5 - early, 0.0], *[[-0.5 - early, -0.5 - late]] * 2]
    assert found == [pytest.approx(row, abs=1e-5) for row in expected]


def test_position_shaping_adds_at_most_half(make_batch):
    settings = {"gamma": 10.0, "from_step": 1, "to_step": 2}
    found = advantage(make_batch, "position_shaping", MIXED, settings, entropies=ENTROPIES)
    assert [row[1] for row in found] == pytest.approx([2.25, 0.0, -0.75, -0.75], abs=1e-5)


def test_entropies_of_responses(make_batch):
    # GRPO over 0.3, 1.0, 0.3 and 0.6 of 0.55.
    found = advantage(make_batch, "edge_eda", MIXED, entropies=ENTROPIES)
    assert found == pytest.approx([1.5 * 0.55 / 0.3, -0.5 * 0.55, -0.5 * 0.55 / 0.3, -0.5 * 0.55 / 0.6], abs=1e-5)
    assert advantage(make_batch, "edge_eda", WRONG, entropies=ENTROPIES) == NONE
    # A response without any entropy would count without bound: 10 is the most.
    sure = [[0.0], [1.0], [1.0], [1.0]]
    assert advantage(make_batch, "edge_eda", MIXED, entropies=sure)[0] == pytest.approx(15.0, abs=1e-4)
    # -0.3, -1, -0.3, -0.6: mean -0.55, variance (2 * 0.0625 + 0.2025 + 0.0025) / 3 = 0.11, deviation 0.331662.
    sign = [0.25 / 0.331662, -0.45 / 0.331662, 0.25 / 0.331662, -0.05 / 0.331662]
    for correct in (WRONG, RIGHT, MIXED):
        assert advantage(make_batch, "entropy_min", correct, entropies=ENTROPIES) == pytest.approx(sign, abs=1e-4)


def test_avspo_acts_where_too_many_groups_have_no_variance(make_batch):
    # Two of three: 2/3 > 1/2. K = min(4, ceil(4 sqrt(2/3))) = 4, so 0.1, 0.075, 0.05, 0.025 beside four 0: mean
    # 0.03125, squares 0.01875, variance (0.01875 - 8 * 0.03125^2) / 7 = 0.00156250. And 0.8, 0.6, 0.4, 0.2 beside four
    # 1: mean 0.75, squares 5.2, variance (5.2 - 8 * 0.5625) / 7 = 0.1.
    hard, easy = -0.03125 / (math.sqrt(0.0015625) + 1e-6), 0.25 / (math.sqrt(0.1) + 1e-6)
    found = advantage(make_batch, "avspo", [*WRONG, *RIGHT, *MIXED])
    assert found == pytest.approx([*[hard] * 4, *[easy] * 4, *GRPO], abs=1e-5)
    # One of two is not more than a half.
    assert advantage(make_batch, "avspo", [*WRONG, *MIXED]) == pytest.approx([*NONE, *GRPO], abs=1e-5)


def test_avspo_tells_right_from_wrong_by_the_verdict(make_batch):
    # All wrong at a reward of 0.5, as for the right format, and at -1; all right at 0.5; equal rewards, mixed verdicts.
    correct, reward = [*WRONG, *WRONG, *RIGHT, *MIXED], [0.5] * 4 + [-1.0] * 4 + [0.5] * 8
    found = advantage(make_batch, "avspo", correct, reward=reward)
    # All collapse: K = 4 of 4. What lies above or below the reward is spread as in a group of 0 or of 1.
    hard, easy = -0.03125 / math.sqrt(0.0015625), 0.25 / math.sqrt(0.1)
    assert found == pytest.approx([*[hard] * 8, *[easy] * 4, *NONE], abs=1e-4)


def test_avspo_moves_its_threshold_by_what_the_reward_does(make_batch):
    method = build("avspo")
    batches = {correct: make_batch(correct, SURE * 2) for correct in ((*WRONG, *WRONG), (*WRONG, *RIGHT))}
    worse, better = batches.values()
    used = []
    for batch in (worse, better, worse, worse):
        used.append(compute(method, batch).metrics["avspo/threshold"])
    # All groups are without variance, ACR 1: a gain moves tau up by 0.01 (1 - 0.5), a loss down by 0.01 (1 - 0.505).
    assert used == pytest.approx([0.5, 0.5, 0.505, 0.50005])
    method.next_threshold, method.last_reward = 0.8999, 0.0
    compute(method, better)
    assert method.next_threshold == 0.9


def test_ebpo_shrinks_towards_the_mean_of_the_run(make_batch):
    method = build("ebpo")
    compute(method, make_batch([*WRONG, *RIGHT], SURE * 2))
    # Sixteen rewards of mean 1/2: variance 4 / 15 = 0.266667; group means 0, 1, 0, 1: variance 1/3. S = (0.266667 / 4)
    # / (0.266667 / 4 + 0.333333) = 1/6; baselines 1/12 and 11/12; +-1/12 with deviation sqrt(8 / 144 / 7) = 0.0890871.
    outcome = compute(method, make_batch([*WRONG, *RIGHT], SURE * 2))
    expected = [*[-0.935414] * 4, *[0.935414] * 4]
    assert outcome.advantage.tolist() == pytest.approx(expected, abs=2e-5)
    assert outcome.metrics["ebpo/shrinkage"] == pytest.approx(1 / 6)


def test_ngrpo_leaves_a_single_response_to_grpo(make_batch):
    # The released code gives it mean 0 and deviation 1, and no virtual response.
    batch = make_batch([0, 1, *WRONG], [-0.5] * 6, group=[0, 1, 2, 2, 2, 2])
    found = compute(build("ngrpo"), batch).advantage.tolist()
    assert found == pytest.approx([0.0, 1.0, *NGRPO_HARD], abs=1e-5)


def test_the_running_mean_is_that_of_earlier_batches(make_batch):
    method = build("ema_baseline", {"coefficient": 0.5})
    found = [compute(method, make_batch(correct, SURE)).advantage[0].item() for correct in (RIGHT, WRONG, WRONG)]
    # Baselines 1 (its own), 1, and 0.5 * 1 + 0.5 * 0.
    assert found == [0.0, -1.0, -0.5]


def test_cde_stops_at_its_step_and_takes_rewards_as_they_are_if_told(make_batch):
    assert advantage(make_batch, "cde", WRONG, step=150) != NONE
    assert advantage(make_batch, "cde", WRONG, step=151) == NONE
    # |0| / kappa = 0: wrong answers have no bonus, right ones have.
    assert advantage(make_batch, "cde", WRONG, {"signed": False}) == NONE
    assert advantage(make_batch, "cde", RIGHT, {"signed": False}) == pytest.approx(CDE_DEAD, abs=2e-5)


def test_options_of_released_code(make_batch):
    # 1, 15/16, 14/16, 13/16 for four right answers, from the least likely on: an affine change of the paper's.
    for released in (True, False):
        settings = {"easy": True, "released": released}
        assert advantage(make_batch, "unlikeliness", RIGHT, settings) == pytest.approx(RANKED, abs=2e-5)
    # Two right of four, the first and the last: 1 - 3/16 and 1, where the paper's are a sixteenth less.
    both = [advantage(make_batch, "unlikeliness", [1, 0, 0, 1], {"released": is_it}) for is_it in (True, False)]
    assert both[0] != pytest.approx(both[1], abs=1e-3)
    # 0.125 / 0.5 + 0.375 / (1 - 0.5) = 1.
    released = advantage(make_batch, "a_grae", MIXED, {"released": True})
    assert released == pytest.approx([0.25 * 1.5, -0.5, -0.5, -0.5], abs=1e-5)
    high = advantage(make_batch, "ppl_shaping", MIXED, {"favour": "high"})
    assert high[0] == pytest.approx(1.5 * (1 - 0.0102576), abs=1e-5)


def test_the_random_rewards_coins_follow_from_seed_and_step(make_batch):
    correct = [*WRONG, *RIGHT, *MIXED] * 8
    one, same, later = (advantage(make_batch, "random_reward", correct, step=step) for step in (3, 3, 4))
    assert one == same != later
    assert advantage(make_batch, "random_reward", correct, {"seed": 1}, step=3) != one
    # The verdicts do not matter.
    assert advantage(make_batch, "random_reward", WRONG * 24, step=3) == one
    assert advantage(make_batch, "random_reward", correct, {"probability": 1.0}) == NONE * 24


def test_pass_k_below_the_group(make_batch):
    # k = 2 of 4 with three wrong: R = 1 - 3/6 = 1/2, sigma 1/2; right (1 - 1/2) / 1/2, wrong (1/2 - 2/3) / 1/2.
    found = advantage(make_batch, "pass_k", MIXED, {"k": 2})
    assert found == pytest.approx([1.0, -1 / 3, -1 / 3, -1 / 3], abs=1e-5)


def test_advantages_are_float32(make_batch):
    assert compute(build("lens"), make_batch(MIXED, SURE)).advantage.dtype == torch.float32
