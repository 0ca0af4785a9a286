"""Each method against its formula, or its released code's, written again over lists of one group at a time."""

import math
from statistics import mean, stdev, variance

import pytest
import torch
from scipy.special import comb

from groupwise.method import Responses, build, compute

EPSILON = 1e-6


def grpo(rewards):
    if len(set(rewards)) == 1:
        return [0.0] * len(rewards)
    return [(reward - mean(rewards)) / (stdev(rewards) + EPSILON) for reward in rewards]


def lens(right, sure, entropies):
    likelihood = [math.exp(value) for value in sure]
    difficulty = 2 * max(likelihood)
    if any(right):
        difficulty = max(difficulty, 1 / mean(v / q for v, q in zip(right, likelihood, strict=True)))
    calibrated = [v - (1 - v) / len(right) * q / (difficulty - q) for v, q in zip(right, likelihood, strict=True)]
    return grpo(calibrated) if any(right) else [0.25 * (value - mean(calibrated)) for value in calibrated]


def ngrpo(right, sure, entropies):
    """compute_ngrpo_outcome_advantage: mean and std of the scores with the maximal ones appended."""
    extended = torch.tensor([*map(float, right), 1.0], dtype=torch.float64)
    return [((value - extended.mean()) / (extended.std() + EPSILON)).item() for value in right]


def unlikeliness(right, sure, entropies):
    """rewarding-unlikely-release, ray_lean_trainer.py."""
    scores, values = torch.tensor(right, dtype=torch.float64), torch.tensor(sure, dtype=torch.float64)
    ranks = torch.argsort(torch.argsort(values)) / len(values)
    scores = scores * (1 - ranks.double() * 0.25)
    return [0.0] * len(right) if not any(right) else ((scores - scores.mean()) / (scores.std() + EPSILON)).tolist()


def pass_k(right, sure, entropies):
    """passk_adv.py, calc_adv."""
    wrong, n, k = right.count(0), len(right), 2
    rho = 1 - comb(wrong, k) / comb(n, k)
    sigma = math.sqrt(rho * (1 - rho))
    positive = (1 - rho) / (sigma + 1e-6)
    negative = (1 - rho - comb(wrong - 1, k - 1) / comb(n - 1, k - 1)) / (sigma + 1e-6) if wrong else 0.0
    return [positive if value else negative for value in right]


def max_rl(right, sure, entropies):
    return [(value - mean(right)) / (mean(right) + EPSILON) for value in right]


def ppl_shaping(right, sure, entropies):
    """core_algos.py, lines 380 to 430 and 573: mean and std within the interquartile fences, the weight clamped."""
    values = -torch.tensor(sure, dtype=torch.float64)
    q1, q3 = torch.quantile(values, 0.25), torch.quantile(values, 0.75)
    kept = values[(values >= q1 - 1.5 * (q3 - q1)) & (values <= q3 + 1.5 * (q3 - q1))]
    std = kept.std(unbiased=False).item()
    weight = (1 - 0.5 * (values - kept.mean()) / (std if std > 1e-6 else 1.0)).clamp(0.8, 1.2)
    return [a * w for a, w in zip(grpo([float(v) for v in right]), weight.tolist(), strict=True)]


def edge_eda(right, sure, entropies):
    """TRL's compute_entropy_driven_advantage, with the floor."""
    means = [mean(row) for row in entropies]
    return [a / max(m / mean(means), 0.1) for a, m in zip(grpo([float(v) for v in right]), means, strict=True)]


def xrpo(right, sure, entropies):
    base = grpo([float(v) for v in right])
    novelty = [math.exp(value - mean(sure)) for value in sure]
    return [
        a + (min(max(2.5 * (1 - eta), 0), 0.5 * a) if v and a > 0 else 0.0)
        for a, v, eta in zip(base, right, novelty, strict=True)
    ]


def dace(right, sure, entropies):
    sign = math.copysign(1, 0.4 - (1 - mean(right))) if mean(right) != 0.6 else 0
    return grpo([v + 0.05 * sign * s for v, s in zip(right, sure, strict=True)])


def cde(right, sure, entropies):
    signed = [1 if v else -1 for v in right]
    return grpo([r + min(abs(r) / 3, -s) for r, s in zip(signed, sure, strict=True)])


REFERENCES = {
    lens: {},
    ngrpo: {},
    unlikeliness: {"released": True, "easy": True},
    pass_k: {"k": 2},
    max_rl: {},
    ppl_shaping: {"alpha": 0.5},
    edge_eda: {},
    xrpo: {},
    dace: {},
    cde: {"until_step": 1000},
}


def by_group(batch: Responses):
    for number in batch.group.unique().tolist():
        rows = (batch.group == number).nonzero().flatten().tolist()
        lists = [batch.tokens.entropies[row][batch.tokens.mask[row]].tolist() for row in rows]
        yield rows, batch.correct[rows].int().tolist(), batch.mean_log_prob[rows].tolist(), lists


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("reference", REFERENCES, ids=lambda function: function.__name__)
def test_groups_of_any_size(make_random, reference, seed):
    batch = make_random(seed, groups=30)
    found = compute(build(reference.__name__, REFERENCES[reference]), batch).advantage
    for rows, *group in by_group(batch):
        assert found[rows].tolist() == pytest.approx(reference(*group), abs=1e-4, rel=1e-4), group


@pytest.mark.parametrize("seed", range(4))
def test_avspo_with_the_virtual_rewards_written_out(make_random, seed):
    batch = make_random(seed, groups=30)
    found = compute(build("avspo", {"threshold": 0.4}), batch).advantage
    groups = list(by_group(batch))
    collapse = mean(len(set(right)) == 1 for _, right, *_ in groups)
    assert collapse > 0.4
    for rows, right, *_ in groups:
        expected = grpo([float(v) for v in right])
        if len(set(right)) == 1:
            count = max(1, min(len(right), math.ceil(len(right) * math.sqrt(collapse))))
            places = range(1, count + 1)
            virtual = [1 - k / (count + 1) if right[0] else 0.1 * (count - k + 1) / count for k in places]
            extended = torch.tensor([*right, *virtual], dtype=torch.float64)
            expected = [((v - extended.mean()) / (extended.std() + EPSILON)).item() for v in right]
        assert found[rows].tolist() == pytest.approx(expected, abs=1e-5)


def test_ebpo_value_by_value(make_random):
    """Algorithm 1, with the statistics of all values kept instead of Welford's."""
    method, rewards, means = build("ebpo"), [], []
    for seed in range(3):
        batch = make_random(seed)
        found = compute(method, batch).advantage
        groups = list(by_group(batch))
        rewards += batch.reward.tolist()
        means += [mean(right) for _, right, *_ in groups]
        above = [0.0] * len(found)
        for rows, right, *_ in groups:
            within = variance(rewards) / len(right)
            share = within / (within + variance(means))
            for row, value in zip(rows, right, strict=True):
                above[row] = value - (1 - share) * mean(right) - share * mean(rewards)
        expected = [(value - mean(above)) / (stdev(above) + EPSILON) for value in above]
        assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_a_grae_over_the_batch(make_random):
    batch = make_random(5, groups=30)
    found = compute(build("a_grae", {"alpha": 0.8}), batch).advantage
    share = batch.correct.double().mean().item()
    for rows, right, *_ in by_group(batch):
        rate = mean(right)
        weight = share / 2 / math.sqrt(rate) + (1 - share) / 2 / math.sqrt(1 - rate) if 0 < rate < 1 else 1.0
        expected = [a * weight * (min(1, share / 0.8) if a > 0 else 1) for a in grpo([float(v) for v in right])]
        assert found[rows].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_position_shaping_as_released(make_random, seed):
    """compute_policy_loss of the released core_algos.py, with add_loaction_bonus."""
    batch = make_random(seed)
    found = compute(build("position_shaping"), batch).advantage
    mask = batch.tokens.mask.float()
    advantages = batch.base_advantage(normalize_by_std=True).unsqueeze(-1) * mask
    relative = (torch.cumsum(mask, dim=1) * mask - 1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
    bonus = 0.1 * torch.sigmoid(15.0 * (relative - 0.5)) * mask * (advantages != 0)
    expected = advantages + torch.clamp(bonus, max=0.5 * advantages.abs()) * torch.sign(advantages)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_edge_eda_on_trls_own_example(make_batch):
    # Entropies 0.2, 0.4 and 0.6, 0.6, 0.6: means 0.3 and 0.6 of 0.45, so 1.5 and 0.75 times.
    batch = make_batch([1, 0], [-0.1, -0.1], group=[0, 0], entropies=[[0.2, 0.4], [0.6, 0.6, 0.6]])
    base = batch.base_advantage(normalize_by_std=True)
    found = compute(build("edge_eda"), batch).advantage
    torch.testing.assert_close(found, base * torch.tensor([1.5, 0.75]), atol=1e-5, rtol=0)
