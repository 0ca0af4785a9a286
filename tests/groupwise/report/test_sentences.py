"""Each sentence, at the bounds of the figures that it is derived from."""

import pytest

from groupwise.report.arms import form_arms
from groupwise.report.comparison import Compared
from groupwise.report.findings import Ends, Findings, find
from groupwise.report.results import SetResult, find_results
from groupwise.report.runs import load_run
from groupwise.report.sentences import caution, gradient, policy, rules, say, threshold
from groupwise.report.statistics import Difference
from groupwise.report.verdicts import verdict
from groupwise.report.wording import count, percent

METRIC = "val-core/math/acc/mean@8"
NOTHING = Findings("a", "dipo", 1, 10, *([None] * 15))
FOUND = NOTHING._replace(
    without_gradient=0.5, with_reallocation=0.4, up=10.0, down=2.0, acted=0.9, admissible=0.9, something_right=1.0
)


def say_verdict(low, high, method="paired", prompts=(None, None), value=0.02):
    last = Difference(value, low, high, method, (3, 3) if low is not None else (1, 1))
    result = SetResult("math", METRIC, [], [], [])
    return verdict("dipo", "grpo", result, Compared(200, last, last, last), prompts)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.001, 0.04, "lies above 0: dipo is better here"),
        (0.0, 0.04, "holds 0: these runs do not show that dipo helps"),
        (-0.01, 0.05, "holds 0: these runs do not show that dipo helps"),
        (-0.04, 0.0, "holds 0: these runs do not show that dipo helps"),
        (-0.04, -0.001, "lies below 0: dipo is worse here"),
    ],
)
def test_a_verdict_claims_no_more_than_its_interval(low, high, words):
    assert words in say_verdict(low, high)


def test_a_verdict_names_step_set_difference_and_interval():
    assert say_verdict(-0.004, 0.03, method="welch") == (
        "At step 200, on math, dipo less grpo is +2.0 points (95% interval -0.4 to +3.0; 3 seeds each, Welch). "
        "The interval holds 0: these runs do not show that dipo helps, nor that it does not."
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
    assert "+2.0 points. One seed of an arm: an illustration, not evidence." in text
    assert "better" not in text
    assert (words in text) if words else "prompts" not in text


@pytest.mark.parametrize(
    ("admissible", "right", "words"),
    [
        (1.0, 1.0, "in 100% of the steps: perplexity separates right from wrong here."),
        (0.8, 1.0, "in 80% of the steps: perplexity separates right from wrong here."),
        (0.79, 1.0, "in 79% of the steps; in the others DiPO changes nothing."),
        (0.2, 1.0, "in 20% of the steps; in the others DiPO changes nothing."),
        (0.12, 1.0, "in 12% of the steps: perplexity does not separate right from wrong here."),
        (0.12, 0.5, "in 12% of the steps: perplexity does not separate right from wrong here."),
        (0.12, 0.4, "in 12% of the steps: in 60% of them no response was right."),
        (0.0, 0.0, "in 0% of the steps: in 100% of them no response was right."),
    ],
)
def test_how_often_the_threshold_was_admissible(admissible, right, words):
    (text,) = threshold(FOUND._replace(admissible=admissible, something_right=right))
    assert text.endswith(words)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # (0.5 - 0.4) / 0.5 of those without one.
        ({}, "50%; DiPO gave 20% of these one: {}, in 90%"),
        ({"seeds": 3}, "50%; DiPO gave 20% of these one: {} a run, in 90%"),
        ({"estimator": "grpo"}, "50%; DiPO would have given 20% of these one: {}, in 90%"),
        ({"estimator": None}, "50%; DiPO gave, or would have given, 20% of these one: {}, in 90%"),
        ({"up": 0.0, "down": 0.0}, "50%, and no group had a candidate for reallocation."),
        ({"without_gradient": 0.0, "with_reallocation": 0.0}, "0%."),
        ({"up": None}, "50%."),
    ],
)  # fmt: skip
def test_what_reallocation_gave(changes, expected):
    (text,) = gradient(FOUND._replace(**changes))
    for words in ("a: ", " of the responses had no gradient under the base estimator", " of the steps."):
        text = text.replace(words, "")
    assert text == expected.format("10 hard and 2 easy groups")


def test_rules_are_told_from_the_most_to_the_least():
    would = {"any": 120.0, "median": 40.0, "mean": 55.5, "max": 90.0}
    (text,) = rules(FOUND._replace(would=would))
    assert text == "a: of the rules, any would have touched 120 groups, max 90, mean 55.5, median 40."
    assert list(rules(FOUND._replace(would=dict.fromkeys(would, 0.0)))) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"entropy": Ends(0.5, 0.1)}, "entropy fell to 20% of its first value."),
        ({"entropy": Ends(0.5, 0.25)}, None),
        ({"entropy": Ends(0.5, 0.249)}, "entropy fell to 50% of its first value."),
        ({"entropy": Ends(0.0, 0.0)}, None),
        ({"length": Ends(100.0, 150.0)}, None),
        ({"length": Ends(1000.0, 1510.0)}, "responses went from 1,000 to 1,510 tokens (1.5 times)."),
        ({"length": Ends(150.0, 100.0)}, None),
        ({"length": Ends(150.0, 99.0)}, "responses went from 150 to 99 tokens (0.7 times)."),
        ({"cut_off": Ends(0.9, 0.1)}, None),
        ({"cut_off": Ends(0.0, 0.11)}, "at the end 11% of the responses reached the length limit."),
    ],
)
def test_what_became_of_the_policy(changes, words):
    assert list(policy(NOTHING._replace(**changes))) == ([f"a: {words}"] if words else [])


def test_what_was_not_logged_is_not_talked_about():
    for speak in (gradient, threshold, rules, policy):
        assert list(speak(NOTHING)) == []


@pytest.fixture
def results_of(make_run):
    def results_of(**arms):
        runs = {
            label: [load_run(make_run(f"{label}-{seed}", records, config={
                "data.seed": 1 if label.startswith("same") else seed,
                "algorithm.adv_estimator": label if label in ("grpo", "dipo") else "dipo",
            })) for seed, records in enumerate(seeds)]
            for label, seeds in arms.items()
        }  # fmt: skip
        names = {run.path: label for label, some in runs.items() for run in some}
        return find_results(form_arms([run for some in runs.values() for run in some], names), baseline=None)

    return results_of


def test_the_whole_of_two_arms(results_of, steps):
    spread = (0.0, 0.2)
    results = results_of(
        dipo=[steps(4, accuracy=0.5 + x) for x in spread], grpo=[steps(4, accuracy=0.4 + x) for x in spread]
    )
    told = say(results)
    assert [arm.label for arm in results.arms] == ["grpo", "dipo"]
    # 0.5 + 0.04 + x, less 0.4 + 0.04 + x, for both seeds.
    assert told[0].text.startswith("At step 4, on math, dipo less grpo is +10.0 points (95% interval +10.0 to +10.0; 2")
    texts = [text for _, text in told]
    assert "grpo: 50% of the responses had no gradient under the base estimator." in texts
    assert sum("threshold" in text for text in texts) == 1


def test_an_arm_alone_shows_no_contribution(results_of, steps):
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
    assert told[0].startswith("The arms differ in length (grpo 2, dipo 4 steps)")
    assert told[1].startswith("dipo: 25% of the training responses could not be judged")
    assert list(caution(results_of(dipo=[steps(4)], grpo=[steps(4)]))) == []


def test_repeats_of_one_seed_are_not_taken_for_seeds(results_of, steps):
    (text,) = caution(results_of(same=[steps(2), steps(2)]))
    assert "its 2 runs have the same seeds" in text


def test_an_unknown_estimator_is_said(make_run, steps):
    runs = [load_run(make_run("x", steps(2), is_configured=False))]
    (text,) = caution(find_results(form_arms(runs, {}), baseline=None))
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
    (arm,) = form_arms(runs, {})
    found = find(arm)
    assert (found.up, found.acted, found.something_right, found.seconds) == (2.5, 0.5, 0.5, 15.0)
    assert found.entropy == (1.0, 0.375)
    assert found.would == {"any": 6.0, "median": 2.0, "mean": 4.0, "max": 5.0}
    assert found.given_gradient == pytest.approx(0.5)


def test_a_metric_that_one_seed_lacks_is_not_logged(make_run, step):
    runs = [load_run(make_run(f"r{n}", [step(1, **{"actor/entropy": value})])) for n, value in enumerate([0.5, None])]
    (arm,) = form_arms(runs, {})
    assert find(arm).entropy is None


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (1.0, "100%"), (0.0004, "under 0.1%"), (0.0005, "0.1%"), (0.099, "9.9%"), (0.1, "10%"), (0.9, "90%"),
     (0.901, "90.1%"), (0.9994, "99.9%"), (0.9996, "over 99.9%"), (0.474, "47%")],
)  # fmt: skip
def test_a_share_that_is_neither_none_nor_all_never_reads_so(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(("number", "text"), [(3.0, "3"), (2.5, "2.5"), (1234.0, "1,234"), (1234.5, "1,234")])
def test_counts(number, text):
    assert count(number) == text
