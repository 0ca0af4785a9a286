"""Which metrics are validation figures."""

import pytest

from groupwise.report.validation_names import find_figures, interval_of


def test_the_largest_k_of_each_kind_and_every_pass_at_k():
    names = ["val-core/a/acc/mean@8", "val-aux/a/acc/pass@1", "val-aux/a/acc/pass@8", "val-aux/a/acc/mean@2"]
    assert find_figures(names) == {
        "a": {
            "mean@k": "val-core/a/acc/mean@8",
            "pass@k": "val-aux/a/acc/pass@8",
            "pass@1": "val-aux/a/acc/pass@1",
            "pass@8": "val-aux/a/acc/pass@8",
        }
    }


def test_exact_majority_is_preferred_to_verls_resampled_one():
    names = ["val-aux/a/acc/maj@8", "val-aux/a/acc/maj@8/mean", "val-aux/a/acc/best@8/mean", "val-core/a/acc/mean@8"]
    figures = find_figures(names)["a"]
    assert figures["maj@k"] == "val-aux/a/acc/maj@8"
    assert figures["best@k"] == "val-aux/a/acc/best@8/mean"
    assert find_figures(names[1:])["a"]["maj@k"] == "val-aux/a/acc/maj@8/mean"


def test_a_set_is_judged_by_verdicts_where_it_has_any():
    assert find_figures(["val-core/a/reward/mean@1", "val-aux/a/acc/mean@1"])["a"]["mean@k"] == "val-aux/a/acc/mean@1"
    assert find_figures(["val-core/a/reward/mean@1"])["a"]["mean@k"] == "val-core/a/reward/mean@1"


def test_sources_with_slashes_and_bfcls_aggregates():
    found = find_figures(["val-core/math/hard/acc/mean@8", "val-aux/bfcl_v3/overall"])
    assert found["math/hard"]["mean@k"] == "val-core/math/hard/acc/mean@8"
    assert found["bfcl_v3/overall"]["mean@k"] == "val-aux/bfcl_v3/overall"


@pytest.mark.parametrize(
    "name",
    [
        "val-aux/a/acc/mean@8/low",
        "val-aux/a/acc/std@8",
        "val-aux/a/acc/best@8/std",
        "val-aux/a/acc/best@8",
        "val-aux/a/acc/mean@8/mean",
        "val-aux/a/acc/worst@8/mean",
        "val-aux/reward/timeout",
        "critic/score/mean",
        "val-core/a/acc/mean@",
    ],
)
def test_what_is_no_figure(name):
    assert find_figures([name]) == {}


def test_where_the_interval_over_prompts_is():
    assert interval_of("val-core/a/acc/mean@8") == ("val-aux/a/acc/mean@8/low", "val-aux/a/acc/mean@8/high")
