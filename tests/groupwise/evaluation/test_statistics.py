"""mean@k, pass@k and maj@k against brute force, and the bootstrap against a plain loop, the normal law and coverage."""

import itertools
import math
import random
import statistics as stdlib
from fractions import Fraction

import numpy as np
import pytest
from verl.trainer.ppo.metric_utils import calc_maj_val

from groupwise.evaluation import statistics
from groupwise.evaluation.statistics import (
    bootstrap,
    maj_per_prompt,
    mean_per_prompt,
    paired_difference,
    pass_at_k,
    pass_per_prompt,
    percentile_interval,
    tries,
)


def test_mean_at_k_weighs_prompts_alike():
    # Prompt means 1/2, 1 and 0: (1/2 + 1 + 0) / 3 = 1/2, where a mean over all five responses would be 2/5.
    acc = [[1, 0], [1.0], [0, 0]]
    assert mean_per_prompt(acc).tolist() == [0.5, 1.0, 0.0]
    assert mean_per_prompt(acc).mean() == 0.5


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_is_the_share_of_all_subsets_that_hold_a_right_response(n):
    for c, k in itertools.product(range(n + 1), range(1, n + 1)):
        subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
        share = Fraction(sum(map(any, subsets)), len(subsets))
        assert pass_at_k(n, c, k) == pytest.approx(float(share), abs=1e-15)


def test_pass_at_k_of_many_responses_is_exact_to_rounding():
    # C(10000, 5000) has 3009 digits, beyond a float; Python's integers give the exact value.
    n, c, k = 10_000, 3, 5_000
    exact = 1 - Fraction(math.comb(n - c, k), math.comb(n, k))
    assert pass_at_k(n, c, k) == pytest.approx(float(exact), rel=1e-12)


def test_pass_at_k_is_unbiased():
    # Of n=5 responses each right with p=0.3, the estimate's expectation over c is 1 - (1-p)**k.
    n, p = 5, 0.3
    for k in range(1, n + 1):
        expected = sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * pass_at_k(n, c, k) for c in range(n + 1))
        assert expected == pytest.approx(1 - (1 - p) ** k, abs=1e-14)


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 5), (4, 2, 0), (0, 0, 1), (0, 0, 0)])
def test_pass_at_k_refuses_counts_that_cannot_be(n, c, k):
    with pytest.raises(ValueError, match=rf"pass@k must have .* got n={n}, c={c}, k={k}"):
        pass_at_k(n, c, k)


def test_prompts_with_fewer_than_k_responses_are_left_out_of_pass_at_k():
    acc = [[1, 0, 0], [0, 1], [1]]
    # k=1: 1/3, 1/2, 1. k=2: 1 - C(2,2)/C(3,2) = 2/3, and 1 of the second; the third has no two responses.
    assert pass_per_prompt(acc, k=1) == pytest.approx([1 / 3, 1 / 2, 1])
    assert pass_per_prompt(acc, k=2) == pytest.approx([2 / 3, 1])
    assert pass_per_prompt(acc, k=3).tolist() == [1.0]
    with pytest.raises(ValueError, match="pass@4 must have a prompt with 4 responses, but the most are 3"):
        pass_per_prompt(acc, k=4)


@pytest.mark.parametrize(
    ("n", "expected"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (9, [1, 2, 4, 8, 9]), (12, [1, 2, 4, 8, 12])],
)
def test_tries_are_the_powers_of_two_and_n(n, expected):
    assert tries(n) == expected


@pytest.mark.parametrize(
    ("acc", "pred", "expected"),
    [
        ([1, 0, 1], ["7", "8", "7"], 1.0),
        ([1, 0, 0], ["7", "8", "8"], 0.0),
        # A tie of one right and one wrong answer: each with probability 1/2.
        ([1, 0], ["7", "8"], 0.5),
        ([1, 1, 0, 0, 0], ["7", "7", "8", "8", "9"], 0.5),
        ([1, 0, 0], ["7", "8", "9"], 1 / 3),
        # One answer, read as right twice of three times.
        ([1, 1, 0, 0], ["7", "7", "7", "8"], 2 / 3),
        # Tied, with mean verdicts 1/2 and 0.
        ([1, 0, 0, 0], ["7", "7", "8", "8"], 0.25),
        # Without an answer: no vote, although these are the most.
        ([0, 0, 0, 1], ["", "", "", "7"], 1.0),
        ([1, 1, 1, 0], ["", "", "", "7"], 0.0),
        ([0, 0], ["", ""], 0.0),
        # None has an answer, yet some are right: their mean.
        ([1, 0, 0, 0], ["", "", "", ""], 0.25),
        ([1], ["7"], 1.0),
        ([0], [""], 0.0),
    ],
)
def test_majority_vote(acc, pred, expected):
    assert maj_per_prompt([acc], [pred])[0] == pytest.approx(expected, abs=1e-15)


def test_majority_vote_is_verls_where_there_is_no_tie_and_its_mean_over_orders_where_there_is():
    for _, pred in zip(range(30), itertools.product("abc", repeat=4), strict=False):
        acc = [float(answer == "a") for answer in pred]
        votes = [{"val": verdict, "pred": answer} for verdict, answer in zip(acc, pred, strict=True)]
        orders = [calc_maj_val(list(order), "pred", "val") for order in itertools.permutations(votes)]
        assert maj_per_prompt([acc], [pred])[0] == pytest.approx(stdlib.fmean(orders), abs=1e-15)


def test_majority_vote_does_not_depend_on_the_order():
    responses = [(1, "a"), (0, "b"), (0, "b"), (1, "a"), (0, ""), (0, "c"), (1, "c")]
    values = set()
    for order in itertools.permutations(responses, 7):
        acc, pred = zip(*order, strict=True)
        values.add(maj_per_prompt([acc], [pred])[0])
    # Three answers tie with mean verdicts 1, 0 and 1/2.
    assert values == {0.5}


def test_a_vote_needs_an_answer_for_each_verdict():
    with pytest.raises(ValueError, match="same responses of the same prompts"):
        maj_per_prompt([[1, 0], [1]], [["7"], ["7", "8"]])


@pytest.mark.parametrize(
    ("acc", "message"),
    [
        ([], "at least one prompt"),
        ([[1], []], "1 of 2 have none; leave these prompts out"),
        ([[1], [0.5]], "must be 0 or 1, but got 0.5"),
        ([[float("nan")]], "must be 0 or 1, but got nan"),
        ([[-1]], "must be 0 or 1, but got -1"),
    ],
)
def test_verdicts_are_checked(acc, message):
    with pytest.raises(ValueError, match=message):
        mean_per_prompt(acc)
    with pytest.raises(ValueError, match=message):
        maj_per_prompt(acc, [["a"] * len(verdicts) for verdicts in acc])
    with pytest.raises(ValueError, match=message):
        pass_per_prompt(acc, k=1)


def naive_interval(values, confidence, resamples, seed):
    """Draws prompts one by one, and interpolates between order statistics as numpy's and R's default does."""
    generator = random.Random(seed)
    means = sorted(stdlib.fmean(generator.choices(values, k=len(values))) for _ in range(resamples))

    def quantile(q):
        place = q * (resamples - 1)
        low = int(place)
        return means[low] + (place - low) * (means[min(low + 1, resamples - 1)] - means[low])

    return quantile((1 - confidence) / 2), quantile((1 + confidence) / 2)


# Standard error of the 2.5% quantile of R draws from a normal law with deviation s, in units of s:
# sqrt(q (1 - q) / R) / phi(1.96) = 0.1561 / sqrt(R) / 0.0584 = 2.67 / sqrt(R).
QUANTILE_ERROR = 2.67


@pytest.mark.parametrize(
    "values",
    [
        [0.0] * 25 + [1.0] * 15,
        [place % 9 / 8 for place in range(40)],
        [math.sin(place) for place in range(40)],
    ],
    ids=["binary", "mean of 8", "all distinct"],
)
def test_bootstrap_is_the_plain_loop(values):
    result = bootstrap(values, resamples=10_000, seed=1)
    low, high = naive_interval(values, 0.95, 3_000, 2)
    # Both draw: 5 standard errors of their difference, a quarter of s; a quantile may fall on either
    # side of a step of a mean, 1/P where values are whole.
    deviation = stdlib.pstdev(values) / len(values) ** 0.5
    step = min(b - a for a, b in itertools.pairwise(sorted(set(values)))) / len(values)
    tolerance = 5 * QUANTILE_ERROR * math.hypot(3_000**-0.5, 10_000**-0.5) * deviation + step
    assert result.value == pytest.approx(stdlib.fmean(values), abs=1e-15)
    assert result.low == pytest.approx(low, abs=tolerance)
    assert result.high == pytest.approx(high, abs=tolerance)


def test_bootstrap_of_many_prompts_is_the_normal_approximation():
    # 3,000 of 10,000 right: s = sqrt(0.3 * 0.7 / 10000) = 0.004583. Tolerance: 5 * 2.67 / sqrt(10000) = 0.134 s for the
    # draws, 1/10000 = 0.02 s for the steps of a count, under 0.01 s for the skew of the binomial.
    result = bootstrap([1.0] * 3_000 + [0.0] * 7_000, seed=0)
    error = 0.3 * 0.7 / 10_000
    assert result.value == pytest.approx(0.3)
    assert result.low == pytest.approx(0.3 - 1.95996 * error**0.5, abs=0.17 * error**0.5)
    assert result.high == pytest.approx(0.3 + 1.95996 * error**0.5, abs=0.17 * error**0.5)


def test_the_interval_covers_the_truth_although_responses_of_a_prompt_agree():
    # Prompts are solved with probability 0.05 or 0.95, 8 responses each: the truth is 0.5. Prompts make up most of the
    # spread, so that intervals over single responses would be about 0.4 times as wide and cover it in some 55%.
    generator = np.random.default_rng(0)
    runs, covered = 300, 0
    for run in range(runs):
        chance = generator.choice([0.05, 0.95], size=60)
        result = bootstrap(generator.binomial(8, chance) / 8, resamples=600, seed=run)
        covered += result.low <= 0.5 <= result.high
    # Some 94% at 60 prompts; the standard error of 300 runs is 1.4 points.
    assert 0.89 <= covered / runs <= 0.985


def test_the_same_seed_gives_the_same_interval_whatever_the_order_and_the_chunks(monkeypatch):
    values = [place % 9 / 8 for place in range(100)]
    result = bootstrap(values, resamples=500, seed=3)
    assert bootstrap(values[::-1], resamples=500, seed=3) == result
    assert bootstrap(values, resamples=500, seed=4) != result
    # 9 distinct values: 7 resamples at a time, the last chunk a smaller one.
    monkeypatch.setattr(statistics, "CHUNK_COUNTS", 65)
    assert bootstrap(values, resamples=500, seed=3) == pytest.approx(result, abs=1e-14)
    # Fewer counts than one resample needs.
    monkeypatch.setattr(statistics, "CHUNK_COUNTS", 1)
    assert bootstrap(values, resamples=500, seed=3) == pytest.approx(result, abs=1e-14)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1 / 3, -0.7])
def test_equal_values_have_an_interval_without_width(value):
    result = bootstrap([value] * 7, seed=0)
    assert result.low == result.high == result.value
    assert result.value == pytest.approx(value)


def test_a_single_prompt_has_no_interval():
    result = bootstrap([0.25], seed=0)
    assert result.value == 0.25
    assert math.isnan(result.low)
    assert math.isnan(result.high)


@pytest.mark.parametrize("values", [[], [0.5, float("nan")], [float("inf")], [[0.5]]])
def test_bootstrap_refuses_what_is_no_value_for_each_prompt(values):
    with pytest.raises(ValueError, match="one finite value for each prompt"):
        bootstrap(values, seed=0)


def test_percentile_interval_interpolates():
    # 0, 1, ..., 200: the 2.5% and the 97.5% quantile.
    assert percentile_interval(42.0, np.arange(201.0)) == pytest.approx((42.0, 5.0, 195.0))


def test_paired_difference_is_that_of_the_same_prompts():
    first = {"a": 1.0, "b": 0.5, "c": 0.25, "d": 0.0}
    second = {"d": 0.0, "c": 0.0, "b": 0.25, "a": 0.75}
    result = paired_difference(first, second, seed=0)
    # Differences 1/4, 1/4, 1/4, 0: the mean is 3/16; those of resamples lie between 0 and 1/4.
    assert result.value == 0.1875
    assert 0 < result.low < 0.1875 < result.high <= 0.25
    assert paired_difference(second, first, seed=0).value == -0.1875


def test_a_constant_difference_is_certain_however_much_the_prompts_differ():
    first = {str(place): place / 8 for place in range(4, 9)}
    second = {key: value - 0.5 for key, value in first.items()}
    assert paired_difference(first, second, seed=0) == (0.5, 0.5, 0.5)


def test_paired_difference_names_the_prompts_that_only_one_has():
    first = dict.fromkeys(["a", "b", "p1", "p2", "p3", "p4"], 0.0)
    second = dict.fromkeys(["a", "b", "q"], 0.0)
    with pytest.raises(
        ValueError, match=r"of 6 and 3 prompts 4 only in the first \(p1, p2, p3, \.\.\.\) and 1 only in"
    ):
        paired_difference(first, second, seed=0)
    with pytest.raises(ValueError, match=r"prompts 1 only in the second \(q\); evaluate"):
        paired_difference(dict.fromkeys(["a", "b"], 0.0), second, seed=0)
