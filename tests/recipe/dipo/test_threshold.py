import itertools
import math
from statistics import NormalDist

import pytest
import torch

from recipe.dipo.threshold import Threshold, find_threshold

FLOAT64_MAX = torch.finfo(torch.float64).max


def find(pairs: list[tuple[float, int]], confidence: float | None = None) -> Threshold | None:
    perplexity = torch.tensor([value for value, _ in pairs], dtype=torch.float64)
    correct = torch.tensor([right == 1 for _, right in pairs], dtype=torch.bool)
    return find_threshold(perplexity, correct, confidence=confidence)


def wilson_lower_bound(successes: int, trials: int, confidence: float) -> float:
    """The textbook form, Wilson (1927), equation for the two limits."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    centre = share + z * z / (2 * trials)
    margin = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (centre - margin) / (1 + z * z / trials)


def brute_force(pairs: list[tuple[float, int]], confidence: float | None) -> Threshold | None:
    """Every midpoint by itself, from the definition."""
    best: Threshold | None = None
    values = sorted({value for value, _ in pairs})
    for lower, upper in itertools.pairwise(values):
        tau = (lower + upper) / 2
        below = [right for value, right in pairs if value < tau]
        above = [right for value, right in pairs if value > tau]
        if confidence is None:
            admissible = sum(below) * 2 > len(below) and sum(above) * 2 < len(above)
        else:
            admissible = (
                wilson_lower_bound(sum(below), len(below), confidence) > 0.5
                and wilson_lower_bound(len(above) - sum(above), len(above), confidence) > 0.5
            )
        error_rate = sum(abs(right - (value < tau)) for value, right in pairs) / len(pairs)
        if admissible and (best is None or error_rate < best.error_rate):
            best = Threshold(tau, error_rate, 2 * sum(below) / len(below) - 1, 1 - 2 * sum(above) / len(above))
    return best


def test_a_hand_worked_queue():
    # Cuts:        1.5     2.5     3.5     4.5
    # entries   1:R     2:R     3:W     4:R     5:W
    # errors       2       1       2       1        -> at 1.5 the R at 2 and at 4 are above; at 2.5 only that at 4;
    # at 4.5 the W at 3 is below. D_EiS = 1, 1, 1/3, 1/2; D_ErS = 0 (2 of 4), 1/3 (2 of 3), 0 (1 of 2), 1. Of the
    # admissible 2.5 and 4.5, both with 1 error of 5, the smaller wins.
    found = find([(4, 1), (2, 1), (5, 0), (1, 1), (3, 0)])
    assert found is not None
    assert found.value == 2.5
    assert found.error_rate == pytest.approx(1 / 5)
    assert found.exploitation_advantage == pytest.approx(1.0)
    assert found.exploration_advantage == pytest.approx(1 / 3)


def test_takes_the_best_admissible_cut_when_the_best_cut_is_not_admissible():
    # Cut 1.5: 50 errors (the R above); above 71 W of 121, D sqrt(n) = 21/11 = 1.91 < 1.96, not admissible at 95%.
    # Cut 2.5: 51 errors (the W below); above 20 W of 20, D sqrt(n) = 4.47; below 150 R of 201, 99/sqrt(201) = 6.98.
    pairs = [(1, 1)] * 100 + [(2, 1)] * 50 + [(2, 0)] * 51 + [(3, 0)] * 20
    assert find(pairs, 0.95) == pytest.approx(Threshold(2.5, 51 / 221, 99 / 201, 1.0))
    assert find(pairs, None) == pytest.approx(Threshold(1.5, 50 / 221, 1.0, 21 / 121))


def test_without_confidence_it_always_beats_calling_all_responses_right_or_all_wrong():
    # With a = right - wrong below and b = wrong - right above, a + b = N - 2E and a - b = right - wrong overall, so
    # both are positive exactly if E < min(right, wrong): a threshold exists if and only if one cut does better.
    generator = torch.Generator().manual_seed(3)
    for _ in range(100):
        correct = torch.rand(12, generator=generator) < 0.5
        perplexity = torch.randint(1, 9, (12,), generator=generator).double()
        found = find_threshold(perplexity, correct, confidence=None)
        cuts = torch.arange(1.5, 8.5).double()
        least = min(int((correct != (perplexity < cut)).sum()) for cut in cuts)
        baseline = min(int(correct.sum()), int((~correct).sum()))
        assert (found is not None) == (least < baseline)
        if found is not None:
            assert found.error_rate == pytest.approx(least / 12)


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(1.0, 1)],
        [(1.0, 0)],
        [(1.0, 1), (1.0, 0), (1.0, 1)],
        [(1.0, 1), (2.0, 1), (3.0, 1)],
        [(1.0, 0), (2.0, 0), (3.0, 0)],
        [(1.0, 0), (2.0, 1)],
        [(1.0, 0), (2.0, 0), (3.0, 1), (4.0, 1)],
    ],
    ids=["empty", "one right", "one wrong", "one value", "all right", "all wrong", "reversed", "reversed four"],
)
@pytest.mark.parametrize("confidence", [None, 0.5])
def test_there_is_none_where_perplexity_does_not_separate(pairs: list[tuple[float, int]], confidence: float | None):
    assert find(pairs, confidence) is None


@pytest.mark.parametrize("confidence", [None, 0.3, 0.8, 0.95])
def test_equals_brute_force_on_random_small_queues(confidence: float | None):
    generator = torch.Generator().manual_seed(1)
    found_one = found_none = 0
    for _ in range(700):
        entries = int(torch.randint(0, 24, (), generator=generator))
        distinct = int(torch.randint(1, 12, (), generator=generator))
        # Quarters are exact in float64, so that midpoints are equal bit by bit.
        perplexity = (torch.randint(0, distinct, (entries,), generator=generator) / 4 + 1).tolist()
        tilt = float(torch.rand((), generator=generator))
        draws = torch.rand(entries, generator=generator).tolist()
        pairs = [
            (value, int(draw < (0.9 if value < 1 + distinct * tilt / 4 else 0.2)))
            for value, draw in zip(perplexity, draws, strict=True)
        ]
        found, expected = find(pairs, confidence), brute_force(pairs, confidence)
        assert (found is None) == (expected is None), pairs
        if found is not None and expected is not None:
            assert found == pytest.approx(expected), pairs
            assert found.value == expected.value
        found_one += found is not None
        found_none += found is None
    assert min(found_one, found_none) > 50


def test_equals_brute_force_on_all_queues_of_up_to_seven_entries_of_distinct_or_paired_perplexity():
    for entries in range(8):
        for verdicts in range(2**entries):
            for per_value in (1, 2):
                pairs = [(1.0 + i // per_value, verdicts >> i & 1) for i in range(entries)]
                assert find(pairs) == pytest.approx(brute_force(pairs, None)), pairs


def test_the_lower_bound_decides_at_its_boundary():
    # k right entries below, k wrong ones above, no errors: D = 1 on both sides, admissible exactly if sqrt(k) > z.
    # At 95% z = 1.96, z^2 = 3.84: 3 are too few, 4 are enough.
    assert find([(1.0, 1)] * 3 + [(2.0, 0)] * 3, 0.95) is None
    found = find([(1.0, 1)] * 4 + [(2.0, 0)] * 4, 0.95)
    assert found == Threshold(1.5, 0.0, 1.0, 1.0)
    # Both sides must pass.
    assert find([(1.0, 1)] * 3 + [(2.0, 0)] * 40, 0.95) is None
    assert find([(1.0, 1)] * 40 + [(2.0, 0)] * 3, 0.95) is None


def test_confidence_next_to_its_limits_is_defined():
    pairs = [(1.0, 1)] * 40 + [(2.0, 0)] * 40
    assert find(pairs, 1e-300) == find(pairs, None)
    # The largest float below 1: z is about 8.3, and 8.3^2 > 40 > 6^2.
    assert find(pairs, 1 - 2.0**-53) is None
    assert find(pairs * 3, 1 - 2.0**-53) is not None


def test_neighbouring_floats_are_not_separated_and_the_rest_still_is():
    one = 1.0
    after = math.nextafter(one, 2.0)
    # Ties round to the even mantissa: this midpoint to its lower neighbour, the next one to its upper neighbour.
    assert find([(one, 1), (after, 0)]) is None
    assert find([(after, 1), (math.nextafter(after, 2.0), 0)]) is None
    found = find([(one, 1), (after, 1), (3.0, 0)])
    assert found is not None
    assert after < found.value < 3.0
    two_after = math.nextafter(after, 2.0)
    found = find([(one, 1), (two_after, 0)])
    assert found == Threshold(after, 0.0, 1.0, 1.0)


def test_infinite_and_huge_perplexities_are_high_and_the_threshold_is_finite():
    found = find([(1.0, 1), (math.inf, 0)])
    assert found is not None
    assert 1.0 < found.value < math.inf
    found = find([(0.5 * FLOAT64_MAX, 1), (FLOAT64_MAX, 0)])
    assert found is not None
    assert 0.5 * FLOAT64_MAX < found.value < FLOAT64_MAX
    assert find([(FLOAT64_MAX, 1), (math.inf, 0)]) is None
    assert find([(math.inf, 1), (math.inf, 0)]) is None


def test_float32_entries_are_compared_in_float64():
    perplexity = torch.tensor([1.0, 1.0 + 2.0**-23])
    found = find_threshold(perplexity, torch.tensor([True, False]), confidence=None)
    assert found == Threshold(1.0 + 2.0**-24, 0.0, 1.0, 1.0)


def test_is_invariant_under_permutation_and_leaves_its_inputs_alone():
    generator = torch.Generator().manual_seed(2)
    perplexity = 1 + torch.rand(400, generator=generator).double()
    correct = torch.rand(400, generator=generator) < (2 - perplexity)
    kept = perplexity.clone(), correct.clone()
    found = find_threshold(perplexity, correct, confidence=0.95)
    assert found is not None
    for _ in range(5):
        order = torch.randperm(400, generator=generator)
        assert find_threshold(perplexity[order], correct[order], confidence=0.95) == found
    assert torch.equal(perplexity, kept[0])
    assert torch.equal(correct, kept[1])


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, 1.5, math.nan])
def test_refuses_a_confidence_outside_its_range(confidence: float):
    with pytest.raises(ValueError, match=r"confidence must lie in \(0, 1\)"):
        find([(1.0, 1), (2.0, 0)], confidence)


@pytest.mark.parametrize(
    ("perplexity", "correct", "error", "message"),
    [
        (torch.tensor([1.0, math.nan]), torch.tensor([True, False]), ValueError, "stands in row 1"),
        (torch.tensor([-1.0, 1.0]), torch.tensor([True, False]), ValueError, "stands in row 0"),
        (torch.ones(2), torch.tensor([True]), ValueError, "vectors of one length"),
        (torch.ones(2), torch.ones(2), TypeError, "torch.bool"),
        (torch.ones(2, dtype=torch.int64), torch.tensor([True, False]), TypeError, "floating dtype"),
    ],
)
def test_refuses_a_malformed_queue(perplexity, correct, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        find_threshold(perplexity, correct, confidence=None)
