"""The paper's claims, held against small made records whose answers are known."""

import math

import pytest
import study_claims
from scipy import stats
from study_claims import EASY, HARD, RIGHT, WRONG
from study_report import study_file


def record(arm: str, seed: int, *, final: float = 0.5, **curves: list[float | None]) -> dict:
    """A run of ten steps."""
    known = {HARD: [0.3] * 10, EASY: [0.2] * 10} | curves
    return {
        "arm": arm,
        "seed": seed,
        "model": "m",
        "accuracy": [0.4, final],
        "steps": list(range(1, 11)),
        "curves": known,
    }


def claim(says: str) -> study_claims.Claim:
    (found,) = [each for each in study_claims.CLAIMS if says in each.says]
    return found


def ramp(first: float, last: float) -> list[float]:
    """Ten steps whose first two are of one level and whose last two of another."""
    return [first] * 5 + [last] * 5


class TestFigures:
    def test_early_and_late_are_fifths_without_what_a_step_lacks(self):
        one = record("dapo", 0, x=[1.0, 3.0] + [9.0] * 6 + [None, 5.0], y=[None] * 10)
        assert study_claims.part_of(one, "x", late=False) == 2.0
        assert study_claims.part_of(one, "x", late=True) == 5.0
        assert math.isnan(study_claims.part_of(one, "y", late=True))
        assert math.isnan(study_claims.part_of(one, "z", late=True))

    def test_the_interval_is_students(self):
        found = study_claims.over([0.1, 0.2, 0.6, math.nan])
        low, high = stats.t.interval(0.95, 2, loc=0.3, scale=stats.sem([0.1, 0.2, 0.6]))
        assert (found.value, found.low, found.high, found.size) == pytest.approx((0.3, low, high, 3))
        assert study_claims.over([]) is None

    def test_pairs_are_of_one_seed_and_model(self):
        runs = [
            record("a", 0, final=0.7),
            record("a", 1, final=0.6),
            record("b", 1, final=0.5),
            record("b", 2, final=0.1),
        ]
        runs += [record("a", 3) | {"model": "other"}, record("b", 3)]
        found = study_claims.paired(runs, "a", "b", study_claims.final)
        assert (found.value, found.size) == (pytest.approx(0.1), 1)


class TestVerdicts:
    @pytest.mark.parametrize(
        ("interval", "sign", "expected"),
        [
            ((0.1, 0.3), 1, "agrees"),
            ((0.1, 0.3), -1, "contradicted"),
            ((-0.3, -0.1), -1, "agrees"),
            ((-0.3, -0.1), 1, "contradicted"),
            ((-0.1, 0.3), 1, "open"),
            ((-0.1, 0.3), 0, "not seen to differ"),
            ((0.1, 0.3), 0, "contradicted"),
        ],
    )
    def test_the_interval_decides(self, interval, sign, expected):
        assert study_claims.Measured(sum(interval) / 2, *interval, 5).verdict(sign) == expected

    def test_one_run_decides_nothing(self):
        assert study_claims.over([0.3]).verdict(1) == "open"
        assert study_claims.over([0.3]).words("points") == "+30.0 points (no interval; 1)"


class TestClaims:
    def test_shares_of_groups(self):
        # From 30 and 20 of a hundred to 10 and 50, give or take: without variance +10 points.
        runs = [record("dapo", seed, **{HARD: ramp(0.3, 0.1), EASY: ramp(0.2, 0.5 + seed / 100)}) for seed in range(3)]
        found = {each.says: each.figure(runs) for each in study_claims.CLAIMS if each.place == "figure 1a"}
        assert [round(each.value, 6) for each in found.values()] == [0.11, -0.2, 0.31]
        assert claim("hard groups become fewer").figure(runs).verdict(-1) == "agrees"

    @pytest.mark.parametrize(
        ("says", "arms", "name", "expected"),
        [
            ("rewarding the most perplexed", ("max_ppl_reward", "dapo"), "actor/entropy", 1.0),
            ("penalising it", ("max_ppl_penalty", "dapo"), "actor/entropy", 1.0),
            ("keeps wrong responses'", ("dipo_any_group", "dapo"), WRONG, 1.0),
            ("right ones' not", ("dipo_any_group", "dapo"), RIGHT, 1.0),
        ],
    )
    def test_late_differences_of_pairs(self, says, arms, name, expected):
        levels = zip(arms, (3.0, 2.0), strict=True)
        runs = [record(arm, seed, **{name: ramp(9.0, level)}) for arm, level in levels for seed in range(2)]
        assert claim(says).figure(runs).value == expected

    @pytest.mark.parametrize(
        ("says", "arms"),
        [
            ("DiPO ends above DAPO", ("dipo_any_group", "dapo")),
            ("alpha 1.0 ends", ("dipo_any_group_1.0", "dipo_any_group")),
            ("a large entropy bonus", ("entropy_0.01", "dapo")),
            ("leaving dead groups out", ("dapo_live", "dapo")),
        ],
    )
    def test_final_differences_of_pairs(self, says, arms):
        runs = [record(arm, 0, final=final) for arm, final in zip(arms, (0.7, 0.6), strict=True)]
        assert claim(says).figure(runs).value == pytest.approx(0.1)

    def test_perplexities_overlap_and_a_threshold_beats_chance(self):
        names = {
            "study/auc": 0.7,
            "study/chance": 0.5,
            "dipo/threshold/error_rate": 0.3,
            "dipo/threshold/admissible": 1.0,
        }
        runs = [record("dapo", 0, **{name: [value] * 10 for name, value in names.items()})]
        found = [each.figure(runs).value for each in study_claims.CLAIMS if each.place == "figure 1b"]
        assert found == pytest.approx([0.2, 0.3, 1.0, 0.2])

    def test_every_arm_of_a_claim_is_in_the_plan(self):
        arms = study_file()["arms"]
        asked = []
        runs = [Spied(asked)]
        for each in study_claims.CLAIMS:
            each.figure(runs)
        assert set(asked) <= set(arms)

    def test_the_table_has_a_row_for_each_claim_also_without_runs(self):
        said = study_claims.report([])
        assert said.count("no runs yet") == len(study_claims.CLAIMS) + 1
        runs = [record("dapo", seed, **{HARD: ramp(0.3, 0.1 + seed / 100)}) for seed in range(3)]
        assert (
            "| figure 1a | hard groups become fewer | -19.0 points (-21.5 to -16.5; 3) | agrees |"
            in study_claims.report(runs)
        )


class Spied(dict):
    """A run that belongs to no arm, and writes down to which it was asked to."""

    def __init__(self, asked: list[str]):
        super().__init__(seed=0, accuracy=[0.0], curves={})
        self.asked = asked

    def __getitem__(self, name: str):
        return Asked(self.asked) if name == "arm" else super().__getitem__(name)


class Asked:
    def __init__(self, asked: list[str]):
        self.asked = asked

    def __eq__(self, other: object) -> bool:
        self.asked.append(str(other))
        return False

    __hash__ = None


class TestPrediction:
    def test_the_first_steps_collapse_rate_explains_the_end(self):
        # One step of ten is "the first"; what comes later is not looked at.
        shares = (0.1, 0.2, 0.3, 0.4)
        runs = [record("grpo", i, final=0.9 - share, **{HARD: [share] + [0.9] * 9}) for i, share in enumerate(shares)]
        found = study_claims.prediction(runs)
        assert (found.r2, found.size) == (pytest.approx(1.0), 4)
        assert found.p < 1e-6

    def test_two_runs_or_equal_ones_fit_any_line(self):
        assert study_claims.prediction([record("grpo", 0), record("grpo", 1)]) is None
        assert study_claims.prediction([record("grpo", i, final=i / 9) for i in range(4)]) is None


class TestPower:
    @pytest.mark.parametrize("pairs", [3, 5, 20])
    def test_the_smallest_difference_is_found_in_four_of_five_studies(self, pairs):
        found = study_claims.smallest_difference(2.0, pairs)
        shift, limit = found / 2.0 * math.sqrt(pairs), stats.t.ppf(0.975, pairs - 1)
        drawn = stats.nct.rvs(pairs - 1, shift, size=40_000, random_state=0)
        # 40,000 draws at 0.8: a standard deviation of 0.002, allowed here 5 of it.
        assert abs((abs(drawn) > limit).mean() - 0.8) < 0.01

    def test_in_words(self):
        assert study_claims.power(0.012).splitlines()[3].startswith("| 5 | 2.")
