"""Unjudged responses leave a validation without a trace in verl's own averages."""

import math

import pytest
from verl.trainer.ppo.metric_utils import process_validation_metrics

from groupwise.errors import GroupwiseError
from groupwise.hook.validation import Validation, figures, find_failures, without

# Stands where an unjudged response's numbers would stand: whoever averages it shows it.
NAN = math.nan


def make() -> Validation:
    """Prompt a: right, unjudged. Prompt b: wrong, right. Prompt c of another source: unjudged, twice."""
    return Validation(
        data_sources=["math", "math", "math", "math", "tool", "tool"],
        sample_uids=["a", "a", "b", "b", "c", "c"],
        infos={
            "reward": [1.0, NAN, 0.0, 1.0, NAN, NAN],
            "acc": [1.0, NAN, 0.0, 1.0, NAN, NAN],
            "pred": ["1", "", "2", "3", "", ""],
            "reason": [
                "correct",
                "timeout: 3 s",
                "wrong answer",
                "correct",
                "unparsable gold: x",
                "unparsable gold: x",
            ],
            "error": ["", "row 1", "", "", "row 2", "row 2"],
            "extra": [1.0, None, 3.0, 4.0, None, None],
        },
        expected_acc_counts={("math", "a"): 2, ("math", "b"): 2, ("tool", "c"): 2},
    )


def test_failures_are_found_by_place():
    found = find_failures(make().infos, 6)
    assert {place: failure.kind for place, failure in found.items()} == {
        1: "timeout",
        4: "unparsable_gold",
        5: "unparsable_gold",
    }


def test_nothing_is_found_where_the_reward_says_nothing():
    assert find_failures({"reward": [1.0, 0.0]}, 2) == {}
    assert find_failures({"reward": [1.0, 0.0], "error": [None, None], "reason": [None, "wrong answer"]}, 2) == {}


def test_an_unknown_data_source_stops_at_once():
    with pytest.raises(GroupwiseError, match=r"^row 7$"):
        find_failures({"reason": ["", "unknown data source: x"], "error": ["", "row 7"]}, 2)


def test_verls_averages_are_those_of_the_judged_alone():
    judged = without(make(), [1, 4, 5])
    assert judged.expected_acc_counts == {("math", "a"): 1, ("math", "b"): 2}
    found = process_validation_metrics(*judged[:3], expected_acc_counts=judged.expected_acc_counts)
    # Source "tool" has no judged response, so it has no accuracy, rather than one of 0.
    assert set(found) == {"math"}
    assert found["math"]["acc"]["mean@1"] == 1.0
    assert found["math"]["acc"]["mean@2"] == 0.5
    assert found["math"]["acc_success_only"]["mean@2"] == 0.5
    assert not {"reason", "error", "pred"} & set(found["math"])
    assert not any(math.isnan(value) for metrics in found["math"].values() for value in metrics.values())


def test_verl_would_put_a_wrong_answer_in_the_place_of_one_that_is_merely_dropped():
    # Why expected_acc_counts must follow: dropping alone is a silent zero.
    judged = without(make(), [1, 4, 5])
    found = process_validation_metrics(*judged[:3], expected_acc_counts=make().expected_acc_counts)
    assert found["math"]["acc"]["mean@2"] == 0.5
    assert "mean@1" not in found["math"]["acc"]


def test_a_session_that_verl_lost_stays_expected():
    validation = make()._replace(expected_acc_counts={("math", "a"): 3, ("math", "b"): 2, ("tool", "c"): 2})
    assert without(validation, [1, 4, 5]).expected_acc_counts == {("math", "a"): 2, ("math", "b"): 2}


def test_a_whole_validation_that_failed_leaves_nothing():
    judged = without(make(), list(range(6)))
    assert judged.data_sources == []
    assert process_validation_metrics(*judged[:3], expected_acc_counts=judged.expected_acc_counts) == {}


def test_without_failures_everything_stays_as_it_is():
    assert without(make(), []) == make()
    assert without(make()._replace(expected_acc_counts=None), [0]).expected_acc_counts is None


class TestFigures:
    def make(self) -> Validation:
        """Prompt a: two of four right. Prompt b: one right, the others agree on a wrong answer."""
        return Validation(
            data_sources=["math"] * 8,
            sample_uids=["a"] * 4 + ["b"] * 4,
            infos={"acc": [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], "pred": ["1", "1", "2", "3", "1", "2", "2", "2"]},
            expected_acc_counts=None,
        )

    def test_of_two_prompts(self):
        found = figures(self.make())
        # pass@1 is the mean: (2/4 + 1/4) / 2. pass@2: 1 - C(2,2)/C(4,2) = 5/6 and 1 - C(3,2)/C(4,2) = 1/2.
        assert found["val-aux/math/acc/pass@1"] == pytest.approx(3 / 8)
        assert found["val-aux/math/acc/pass@2"] == pytest.approx((5 / 6 + 1 / 2) / 2)
        assert found["val-aux/math/acc/pass@4"] == 1.0
        # a: "1" has two of four votes, right; b: "2" has three, wrong.
        assert found["val-aux/math/acc/maj@4"] == 0.5
        # The mean of two prompts drawn from 1/2 and 1/4 lies between them.
        assert found["val-aux/math/acc/mean@4/low"] == 0.25
        assert found["val-aux/math/acc/mean@4/high"] == 0.5

    def test_pass_at_1_is_verls_mean(self):
        validation = self.make()
        verls = process_validation_metrics(validation.data_sources, validation.sample_uids, validation.infos)
        assert figures(validation)["val-aux/math/acc/pass@1"] == pytest.approx(verls["math"]["acc"]["mean@4"])

    def test_one_response_each_has_no_majority(self):
        one = Validation(["math"] * 3, ["a", "b", "c"], {"acc": [1.0, 0.0, 1.0], "pred": ["1", "2", "3"]}, None)
        found = figures(one)
        assert {name.rpartition("/acc/")[2] for name in found} == {"mean@1/low", "mean@1/high", "pass@1"}
        assert found["val-aux/math/acc/pass@1"] == pytest.approx(2 / 3)

    def test_bfcl_is_aggregated_where_its_categories_are_there(self):
        names = ("irrelevance", "live_irrelevance")
        sources = [f"bfcl_v3/{name}" for name in names for _ in range(2)]
        found = figures(Validation(sources, list("abcd"), {"acc": [1.0, 1.0, 1.0, 0.0], "pred": [""] * 4}, None))
        # Mean over the two categories: (1 + 1/2) / 2. Nothing that needs the others.
        assert found["val-aux/bfcl_v3/irrelevance_both"] == 0.75
        assert [name for name in found if name.startswith("val-aux/bfcl_v3/") and "/acc/" not in name] == [
            "val-aux/bfcl_v3/irrelevance_both"
        ]

    def test_live_categories_are_weighed_by_rows_with_those_that_no_answer_satisfies(self):
        rows = {"live_simple": 256, "live_multiple": 2, "live_parallel": 1, "live_parallel_multiple": 1}
        sources = [f"bfcl_v3/{name}" for name, count in rows.items() for _ in range(count)]
        acc = [float(source == "bfcl_v3/live_simple") for source in sources]
        uids = [str(place) for place in range(len(sources))]
        found = figures(Validation(sources, uids, {"acc": acc}, None), resamples=2)
        # Of live_simple's published 258 rows our files leave out 2, which count as wrong: 256 of 258 + 2 + 1 + 1.
        assert found["val-aux/bfcl_v3/live_ast"] == pytest.approx(256 / 262)

    def test_only_bfcls_own_categories_under_its_own_name_are_aggregated(self):
        sources = ["irrelevance", "live_irrelevance", "bfcl_v3/multi_turn_base", "bfcl_v3/live_irrelevance"]
        found = figures(Validation(sources, list("abcd"), {"acc": [1.0] * 4}, None))
        assert [name for name in found if name.startswith("val-aux/bfcl_v3/") and "/acc/" not in name] == []
        assert found["val-aux/bfcl_v3/multi_turn_base/acc/pass@1"] == 1.0

    def test_a_prompt_with_fewer_judged_responses_counts_where_it_can(self):
        uneven = Validation(["math"] * 3, ["a", "a", "b"], {"acc": [1.0, 0.0, 1.0], "pred": ["1", "2", "1"]}, None)
        found = figures(uneven)
        # pass@1: (1/2 + 1) / 2. pass@2: of prompt a alone. A tie of two answers is half right: (1/2 + 1) / 2.
        assert found["val-aux/math/acc/pass@1"] == 0.75
        assert found["val-aux/math/acc/pass@2"] == 1.0
        assert found["val-aux/math/acc/maj@2"] == 0.75
        assert "val-aux/math/acc/mean@2/low" in found

    def test_sets_of_equal_results_are_drawn_apart(self):
        acc = [float(place % 2) for place in range(40)]
        uids = [str(place) for place in range(40)]

        def ends(source: str) -> tuple[float, float]:
            found = figures(Validation([source] * 40, uids, {"acc": acc}, None), resamples=20)
            return found[f"val-aux/{source}/acc/mean@1/low"], found[f"val-aux/{source}/acc/mean@1/high"]

        assert ends("aime24") != ends("aime25")
        # The same set at another step is drawn the same.
        assert ends("aime24") == ends("aime24")

    @pytest.mark.parametrize("infos", [{}, {"reward": [1.0, 0.5]}, {"acc": [0.5, 1.0]}, {"acc": [None, 1.0]}])
    def test_what_has_no_verdict_has_no_figure(self, infos):
        assert figures(Validation(["math", "math"], ["a", "b"], infos, None)) == {}

    def test_a_source_without_verdicts_leaves_the_others(self):
        mixed = Validation(["math", "free"], ["a", "b"], {"acc": [1.0, 0.3]}, None)
        assert {name.split("/")[1] for name in figures(mixed)} == {"math"}

    def test_no_response_at_all(self):
        assert figures(Validation([], [], {"acc": []}, None)) == {}
