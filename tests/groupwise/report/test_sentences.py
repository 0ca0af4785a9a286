"""Each sentence, at the bounds of the figures that it is derived from."""

import pytest

from groupwise.display import Found
from groupwise.method import display_of
from groupwise.report.comparison import Compared, SetResult
from groupwise.report.findings import Ends, Findings, Results, find, find_results
from groupwise.report.runs import load_run
from groupwise.report.sentences import caution, gradient, policy, say, verdict
from groupwise.report.statistics import Difference
from groupwise.report.variants import form_variants

METRIC = "val-core/math/acc/mean@8"
NOTHING = Findings("a", "dipo", 1, 10, None, {}, *([None] * 6))


def say_verdict(low, high, method="paired", prompts=(None, None), value=0.02):
    last = Difference(value, low, high, method, (3, 3) if low is not None else (1, 1))
    result = SetResult("math", METRIC, [], [], [])
    return verdict("dipo", "grpo", result, Compared(200, last, last, last), prompts)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.001, 0.04, "lies above 0: dipo is better here"),
        (0.0, 0.04, "includes 0: these runs show neither that dipo helps nor"),
        (-0.01, 0.05, "includes 0: these runs show neither that dipo helps nor"),
        (-0.04, 0.0, "includes 0: these runs show neither that dipo helps nor"),
        (-0.04, -0.001, "lies below 0: dipo is worse here"),
    ],
)
def test_a_verdict_claims_no_more_than_its_interval(low, high, words):
    assert words in say_verdict(low, high)


def test_a_verdict_names_step_set_difference_and_interval():
    assert say_verdict(-0.004, 0.03, method="welch") == (
        "At step 200, on math: dipo - grpo = +2.0 points (95% CI -0.4 to 3.0; 3 seeds each, Welch). "
        "The interval includes 0: these runs show neither that dipo helps nor that it does not."
    )


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        (((0.5, 0.6), (0.6, 0.7)), "overlap;"),
        (((0.61, 0.7), (0.5, 0.6)), "do not overlap;"),
        (((0.5, 0.6), (0.61, 0.7)), "do not overlap;"),
        ((None, (0.5, 0.6)), None),
    ],
)
def test_one_seed_is_an_illustration(prompts, words):
    text = say_verdict(None, None, "one seed", prompts)
    assert "+2.0 points. One seed of a variant: an illustration, not evidence." in text
    assert "better" not in text
    assert (words in text) if words else "prompts" not in text


def results_with(*methods):
    """A variant's findings of methods that are named, each with a share of the responses that it gave a gradient."""
    found = {name: Found("a", applied, 1, {"given_gradient": share}) for name, applied, share in methods}
    finding = NOTHING._replace(without_gradient=0.5, methods=found)
    return finding, Results([], None, [finding], [display_of(name) for name in found], [])


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ([("one", True, 0.2)], "; one gave 20% of these one."),
        (
            [("one", True, 0.2), ("two", False, 0.4)],
            "; one gave 20% of these one; two would have given 40% of these one.",
        ),
        ([("one", None, 0.2)], "; one gave, or would have given, 20% of these one."),
        ([("one", True, None)], "."),
        ([], "."),
    ],
)  # fmt: skip
def test_what_each_method_gave(methods, words):
    (text,) = gradient(*results_with(*methods))
    assert text == f"a: 50% of the responses had no gradient under the base estimator{words}"


def test_what_a_method_would_have_done_is_not_told_beside_what_it_did():
    did = {
        label: Found(label, applied, 1, {"given_gradient": 0.2}) for label, applied in (("mine", True), ("grpo", False))
    }
    found = [NOTHING._replace(label=label, without_gradient=0.5, methods={"one": one}) for label, one in did.items()]
    results = Results([], None, found, [display_of("one")], [])
    assert [text for one in found for text in gradient(one, results)] == [
        "mine: 50% of the responses had no gradient under the base estimator; one gave 20% of these one.",
        "grpo: 50% of the responses had no gradient under the base estimator.",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"length": Ends(100.0, 150.0)}, None),
        ({"length": Ends(1000.0, 1510.0)}, "responses went from 1,000 to 1,510 tokens (1.5 times)."),
        ({"length": Ends(150.0, 100.0)}, None),
        ({"length": Ends(150.0, 99.0)}, "responses went from 150 to 99 tokens (0.7 times)."),
    ],
)
def test_what_became_of_the_policy(changes, words):
    assert list(policy(NOTHING._replace(**changes))) == ([f"a: {words}"] if words else [])


def test_what_was_not_logged_is_not_talked_about():
    assert list(policy(NOTHING)) == list(gradient(NOTHING, results_with()[1])) == []


@pytest.fixture
def results_of(make_run):
    def results_of(**variants):
        runs = {
            label: [load_run(make_run(f"{label}-{seed}", records, config={
                "data.seed": 1 if label.startswith("same") else seed,
                "algorithm.adv_estimator": label if label in ("grpo", "dipo") else "dipo",
            })) for seed, records in enumerate(seeds)]
            for label, seeds in variants.items()
        }  # fmt: skip
        names = {run.path: label for label, some in runs.items() for run in some}
        return find_results(form_variants([run for some in runs.values() for run in some], names), baseline=None)

    return results_of


def test_the_whole_of_two_variants(results_of, steps):
    spread = (0.0, 0.2)
    results = results_of(
        dipo=[steps(4, accuracy=0.5 + x) for x in spread], grpo=[steps(4, accuracy=0.4 + x) for x in spread]
    )
    told = say(results)
    assert [variant.label for variant in results.variants] == ["grpo", "dipo"]
    # 0.5 + 0.04 + x, less 0.4 + 0.04 + x, for both seeds.
    assert told[0].text.startswith(
        "At step 4, on math: dipo - grpo = +10.0 points (95% CI 10.0 to 10.0; 2 seeds each, paired"
    )
    texts = [text for _, text in told]
    assert "grpo: 50% of the responses had no gradient under the base estimator." in texts
    assert sum("threshold" in text for text in texts) == 1


def test_a_variant_alone_shows_no_contribution(results_of, steps):
    (first, *_) = say(results_of(dipo=[steps(4)]))
    assert first.text == (
        "dipo changed by +4.0 points on math from step 0 to 4. Without a baseline this does not show what the method "
        "contributed."
    )


def test_runs_without_a_validation_and_without_a_common_one(results_of, step, steps):
    assert "No validation was logged" in say(results_of(dipo=[[step(1)]]))[0].text
    late = [record for record in steps(4) if record["step"] not in (0, 2, 4)] + steps(6)[-1:]
    assert "never validated at the same step" in say(results_of(dipo=[late], grpo=[steps(4)]))[0].text


def test_what_stands_in_the_way_of_a_comparison(results_of, steps):
    told = list(caution(results_of(dipo=[steps(4, **{"reward/timeout": 0.25})], grpo=[steps(2)])))
    assert told[0].startswith("The variants differ in length (grpo 2, dipo 4 steps)")
    assert told[1].startswith("dipo: 25% of the training responses could not be judged")
    assert list(caution(results_of(dipo=[steps(4)], grpo=[steps(4)]))) == []


def test_repeats_of_one_seed_are_not_taken_for_seeds(results_of, steps):
    (text,) = caution(results_of(same=[steps(2), steps(2)]))
    assert "its 2 runs have the same seeds" in text


def test_an_unknown_estimator_is_said(make_run, steps):
    runs = [load_run(make_run("x", steps(2), is_configured=False))]
    (text,) = caution(find_results(form_variants(runs, {}), baseline=None))
    assert "nothing says which estimator trained it" in text


def test_findings_are_means_over_seeds(make_run, step):
    runs = [
        load_run(make_run(f"r{seed}", [
            step(1, **{"dipo/reallocated_total/up": up, "dipo/reallocated_total/down": 0.0, "actor/entropy": 1.0}),
            step(2, **{"dipo/reallocated_total/up": 0.0, "dipo/reallocated_total/down": 0.0, "actor/entropy": entropy,
                       "dipo/perplexity/correct": None, "timing_s/step": 20.0}),
        ], config={"data.seed": seed}))
        for seed, (up, entropy) in enumerate([(4.0, 0.5), (1.0, 0.25)])
    ]  # fmt: skip
    (variant,) = form_variants(runs, {})
    found = find(variant)
    assert (found.seconds, found.without_gradient) == (15.0, 0.5)
    assert found.entropy == (1.0, 0.375)
    dipo = found.methods["dipo"]
    assert (dipo.variant, dipo.applied, dipo.seeds) == ("dipo", True, 2)
    assert [dipo.numbers[name] for name in ("up", "acted", "something_right")] == [2.5, 0.5, 0.5]
    assert dipo.numbers["would"] == {"any": 6.0, "median": 2.0, "mean": 4.0, "max": 5.0}
    assert dipo.numbers["given_gradient"] == pytest.approx(0.5)


def test_a_metric_that_one_seed_lacks_is_not_logged(make_run, step):
    runs = [load_run(make_run(f"r{n}", [step(1, **{"actor/entropy": value})])) for n, value in enumerate([0.5, None])]
    (variant,) = form_variants(runs, {})
    assert find(variant).entropy is None
