"""How far variants are apart."""

import pytest

from groupwise.report.comparison import compare, compare_sets, level_of, pick_baseline, validation_sets
from groupwise.report.findings import find_results
from groupwise.report.runs import load_run
from groupwise.report.variants import form_variants

METRIC = "val-core/math/acc/mean@8"


def curve(values):
    return [{"step": step, "data": {METRIC: value}} for step, value in values.items()]


@pytest.fixture
def variants_of(make_run):
    def variants_of(**variants):
        """By label a curve of validations for each seed, by the seed."""
        runs, names = [], {}
        for label, seeds in variants.items():
            for seed, values in seeds.items():
                estimator = "grpo" if label.startswith(("grpo", "dapo")) else "dipo"
                config = {"data.seed": seed, "algorithm.adv_estimator": estimator}
                runs.append(load_run(make_run(f"{label}-{seed}", curve(values), config=config)))
                names[runs[-1].path] = label
        return form_variants(runs, names)

    return variants_of


def test_a_variant_at_its_first_best_and_last_common_validation(variants_of):
    (variant,) = variants_of(dipo={1: {0: 0.2, 10: 0.6, 20: 0.4, 30: 0.9}, 2: {0: 0.4, 10: 0.6, 20: 0.6}})
    # Step 30 is of one seed alone.
    assert level_of(variant, METRIC) == pytest.approx((0, 0.3, 20, 0.5, 10, 0.6))
    assert level_of(variant, "val-core/other/acc/mean@8") is None


def test_the_same_seeds_are_paired(variants_of):
    a, b = variants_of(
        dipo={1: {0: 0.1, 10: 0.5}, 2: {0: 0.1, 10: 0.9}}, grpo={2: {0: 0.1, 10: 0.8}, 1: {0: 0.1, 10: 0.4}}
    )
    last = compare(a, b, METRIC).last
    # Both seeds gain 0.1: without a spread, whatever the seeds are like.
    assert last[:3] == pytest.approx((0.1, 0.1, 0.1))
    assert last.method == "paired"


def test_other_seeds_are_not_paired(variants_of):
    a, b = variants_of(dipo={1: {0: 0.5}, 2: {0: 0.9}}, grpo={1: {0: 0.4}, 3: {0: 0.8}})
    assert compare(a, b, METRIC).last.method == "welch"


def test_last_best_and_level_are_over_common_validations(variants_of):
    a, b = variants_of(dipo={1: {0: 0.0, 10: 0.8, 20: 0.4}}, grpo={1: {0: 0.0, 10: 0.4, 20: 0.4, 30: 0.9}})
    compared = compare(a, b, METRIC)
    assert (compared.step, compared.last.value) == (20, 0.0)
    assert compared.best.value == pytest.approx(0.4)
    # Trapezoids over 20 steps: (0.4 + 0.6) / 2 less (0.2 + 0.4) / 2.
    assert compared.level.value == pytest.approx(0.2)


def test_variants_without_a_common_validation_are_not_compared(variants_of):
    a, b = variants_of(dipo={1: {0: 0.5}}, grpo={1: {10: 0.5}})
    assert compare(a, b, METRIC) is None


@pytest.mark.parametrize(
    ("labels", "named", "expected"),
    [
        (["dipo", "grpo"], None, "grpo"),
        (["dipo", "dapo", "grpo"], None, "grpo"),
        (["dipo", "dapo"], None, "dapo"),
        (["dipo", "dipo2"], None, "dipo"),
        (["dipo", "grpo"], "dipo", "dipo"),
        (["grpo"], None, None),
    ],
)
def test_the_baseline(variants_of, labels, named, expected):
    variants = variants_of(**{label: {1: {0: 0.5}} for label in labels})
    found = pick_baseline(variants, named)
    assert (found and found.label) == expected


def test_sentences_are_about_the_mean_of_several_sets(make_run):
    both = {METRIC: 0.5, "val-core/aime/acc/mean@32": 0.25}
    variants = form_variants([load_run(make_run("a", [{"step": 0, "data": both}]))], {})
    assert list(validation_sets(variants)) == ["aime", "math", "mean of the sets"]
    main = find_results(variants, baseline=None).main
    assert main is not None
    assert (main.source, main.metric) == ("mean of the sets", "report/validation/mean@k")
    single = form_variants([load_run(make_run("b", curve({0: 0.5})))], {})
    assert find_results(single, baseline=None).main == compare_sets(single, None)[0]
    without = form_variants([load_run(make_run("c", [{"step": 0, "data": {"actor/entropy": 0.5}}]))], {})
    assert find_results(without, baseline=None).main is None
