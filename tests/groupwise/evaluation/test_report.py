"""The report of an evaluation: its figures by hand, what it leaves out and says so, and its text."""

import json
import math
import random

import numpy as np
import pandas as pd
import pytest

from groupwise.errors import GroupwiseError
from groupwise.evaluation.bfcl import ROWS, UNSATISFIABLE
from groupwise.evaluation.report import render, summarise
from groupwise.evaluation.set_result import COLUMNS, MAX_REASONS, OTHER_REASONS

RESAMPLES = 200


def response(name, prompt, sample, acc, pred, **fields):
    """One row; wrong and right responses have the reasons that reward_score gives."""
    row = {
        "set": name,
        "data_source": name,
        "prompt_id": f"{name}/{prompt}",
        "sample": sample,
        "response": f"... {pred}",
        "response_tokens": 100,
        "finished": True,
        "acc": acc,
        "bfcl": acc,
        "score": acc,
        "format": 1.0,
        "pred": pred,
        "reason": "correct" if acc else "wrong answer",
    }
    return row | fields


def unjudged(name, prompt, sample, reason="timeout: 1.5 s of computing", acc=None):
    return response(name, prompt, sample, acc, "", reason=reason)


def prompts(name, verdicts, **fields):
    """A set from one string of 0 and 1 for each prompt; wrong answers of a prompt all differ."""
    return [
        response(name, prompt, sample, float(digit), "right" if digit == "1" else f"wrong {sample}", **fields)
        for prompt, digits in enumerate(verdicts)
        for sample, digit in enumerate(digits)
    ]


def report(rows, resamples=RESAMPLES):
    summary = summarise(pd.DataFrame(rows), resamples=resamples)
    json.dumps(summary, allow_nan=False)
    return summary


def values(entry):
    return {name: figure["value"] for name, figure in entry["figures"].items()}


@pytest.fixture
def two_sets():
    return prompts("aime24", ["1100", "0000"]) + prompts("amc23", ["1111", "1110", "0001"])


def test_figures_of_a_set(two_sets):
    entry = report(two_sets)["sets"]["aime24"]
    # Prompt 1: mean 1/2, pass@2 = 1 - C(2,2)/C(4,2) = 5/6, "right" wins with 2 votes. Prompt 2: nothing is right.
    expected = {"mean@4": 1 / 4, "pass@1": 1 / 4, "pass@2": 5 / 12, "pass@4": 1 / 2, "maj@4": 1 / 2}
    assert values(entry) == pytest.approx(expected)
    assert list(entry["figures"]) == list(expected)
    assert all(figure["prompts"] == 2 for figure in entry["figures"].values())
    counts = {key: entry[key] for key in ("prompts", "prompts_left_out", "responses", "responses_per_prompt")}
    assert counts == {"prompts": 2, "prompts_left_out": 0, "responses": 8, "responses_per_prompt": 4}
    assert entry["unjudged"] == {}


def test_a_tied_vote_is_shared():
    entry = report(prompts("aime24", ["10", "01"]))["sets"]["aime24"]
    assert values(entry)["maj@2"] == 0.5


def test_the_average_weighs_sets_alike(two_sets):
    summary = report(two_sets)
    # amc23: means 1, 3/4, 1/4, together 2/3; pass@2 1, 1, 1 - C(3,2)/C(4,2) = 1/2, together 5/6; pass@4 1; maj 1, 1 and
    # 1/4, as four answers tie, together 3/4.
    assert values(summary["sets"]["amc23"]) == pytest.approx(
        {"mean@4": 2 / 3, "pass@1": 2 / 3, "pass@2": 5 / 6, "pass@4": 1.0, "maj@4": 3 / 4}
    )
    average = summary["average"]
    assert average["sets"] == ["aime24", "amc23"]
    assert values(average) == pytest.approx(
        {
            "mean@4": (1 / 4 + 2 / 3) / 2,
            "pass@1": (1 / 4 + 2 / 3) / 2,
            "pass@2": (5 / 12 + 5 / 6) / 2,
            "pass@4": 3 / 4,
            "maj@4": 5 / 8,
        }
    )
    assert average["figures"]["mean@4"]["prompts"] == 5


def test_the_interval_of_the_average_is_that_of_independent_sets():
    # Each set has P=400 prompts, half of them right: s = sqrt(1/4 / 400) = 0.025. The mean of four independent sets has
    # s / 2, and would keep s if all sets drew the same: 2 * 1.96 * s / 2 = 0.049. Each quantile of 4,000 resamples is
    # off by 2.67 / sqrt(4000) = 4% of the deviation, the width by at most 3% of itself.
    rows = [row for name in "abcd" for row in prompts(name, ["1", "0"] * 200)]
    figure = report(rows, resamples=4_000)["average"]["figures"]["mean@1"]
    assert figure["high"] - figure["low"] == pytest.approx(0.049, rel=0.1)


def test_sets_with_different_k_are_averaged_over_what_they_share():
    summary = report(prompts("aime24", ["1100", "0000"]) + prompts("math500", ["1", "1"]))
    # Means 1/4 and 1; the votes are over different numbers of responses.
    assert values(summary["average"]) == pytest.approx({"mean@k": 5 / 8, "pass@1": 5 / 8})
    average = next(line for line in render(summary).splitlines() if line.startswith("average of 2"))
    assert average.split()[5] == "62.5"


def test_tool_sets_and_single_sets_have_no_average():
    assert report(prompts("aime24", ["10"]))["average"] is None
    tools = prompts("tools", ["1"], data_source="rlla") + prompts("calls", ["1"], data_source="bfcl_v3/simple")
    assert report(prompts("aime24", ["10"]) + tools)["average"] is None


@pytest.mark.parametrize("acc", [None, float("nan"), 0.0], ids=["null", "nan", "as the verifier gives it"])
@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("timeout", "timeout"),
        ("verifier error: RecursionError", "verifier_error"),
        ("unparsable gold: no number", "unparsable_gold"),
    ],
)
def test_unjudged_responses_are_left_out_and_counted(acc, reason, kind):
    failed = [unjudged("aime24", 1, 2, reason, acc), unjudged("aime24", 2, 0, reason, acc)]
    rows = prompts("aime24", ["11", "01"]) + failed
    summary = report(rows)
    entry = summary["sets"]["aime24"]
    # Means 1 and 1/2; with the unjudged ones as wrong it would be 1, 1/3, 0.
    assert values(entry)["mean@2"] == 0.75
    assert entry["unjudged"] == {kind: 2}
    assert (entry["prompts"], entry["prompts_left_out"], entry["responses"]) == (3, 1, 6)
    note = f"aime24: 2 of 6 responses could not be judged ({kind.replace('_', ' ')} 2); left out, and with them 1 of 3"
    assert any(line.startswith(note) for line in render(summary).splitlines())


def test_a_prompt_with_fewer_judged_responses_is_not_in_pass_at_k():
    rows = [*prompts("aime24", ["1100", "100"]), unjudged("aime24", 1, 3)]
    summary = report(rows)
    figures = summary["sets"]["aime24"]["figures"]
    assert {name: figure["prompts"] for name, figure in figures.items()} == {
        "mean@4": 2, "pass@1": 2, "pass@2": 2, "pass@4": 1, "maj@4": 2
    }  # fmt: skip
    assert "aime24: pass@4 is over 1 of 2 prompts, those with 4 judged responses." in summary["notes"]


def test_a_set_without_a_judged_response_has_no_figure_and_neither_has_the_average():
    summary = report([*prompts("aime24", ["10"]), unjudged("amc23", 0, 0)])
    entry = summary["sets"]["amc23"]
    assert entry["figures"] == {}
    assert entry["format_share"] is None
    assert summary["average"]["figures"] == {}
    assert summary["average"]["missing"] == ["amc23"]
    assert "average of 2 (no figure for amc23)" in render(summary)


def test_shares_and_reasons():
    rows = prompts("aime24", ["1000"])
    for row, tokens, finished, form, reason in zip(
        rows,
        (10, 20, 30, 100),
        (True, True, True, False),
        (1.0, 1.0, 0.0, 0.0),
        ("no answer", "argument 'a': 3 is not among [4]", "argument 'b': 2 is not among [4]", "a table"),
        strict=True,
    ):
        row.update(response_tokens=tokens, finished=finished, format=form, reason=reason)
    summary = report(rows)
    entry = summary["sets"]["aime24"]
    assert (entry["mean_length_tokens"], entry["truncated_share"], entry["format_share"]) == (40.0, 0.25, 0.5)
    # The most frequent first; equally frequent ones by the alphabet.
    assert list(entry["reasons"].items()) == [("argument '...'", 2), ("a table", 1), ("no answer", 1)]
    assert any(note.startswith("Truncated responses") for note in summary["notes"])


def test_reasons_are_bounded():
    rows = prompts("aime24", ["0" * 30])
    for row in rows:
        row["reason"] = f"reason {row['sample']:02d}"
    reasons = report(rows)["sets"]["aime24"]["reasons"]
    assert len(reasons) == MAX_REASONS + 1
    assert reasons[OTHER_REASONS] == 30 - MAX_REASONS


def test_a_single_prompt_has_no_interval():
    summary = report(prompts("aime24", ["10"]))
    assert summary["sets"]["aime24"]["figures"]["mean@2"] == {"value": 0.5, "low": None, "high": None, "prompts": 1}
    assert "50.0 [-, -]" in render(summary)


def bfcl_rows(categories, verdict=lambda category, place: place % 4 > 0):
    """All prompts of BFCL's categories that are evaluated, three of four right unless said otherwise."""
    return [
        response(
            "bfcl_v3",
            f"{category}_{place}",
            0,
            float(verdict(category, place)),
            "[]",
            data_source=f"bfcl_v3/{category}",
        )
        for category in categories
        for place in range(ROWS[category] - len(UNSATISFIABLE.get(category, ())))
    ]


def test_bfcl_is_aggregated():
    summary = report(bfcl_rows(ROWS))
    entry = summary["bfcl"]["bfcl_v3"]
    # 192 of 256 rows are right, and two more count as wrong; every fourth is wrong of 400 and of 240 alike.
    assert entry["categories"]["live_simple"]["value"] == pytest.approx(192 / 258)
    assert entry["categories"]["live_simple"]["prompts"] == 258
    assert entry["categories"]["simple"]["value"] == 0.75
    assert entry["aggregates"]["non-live AST (Python)"]["value"] == pytest.approx(0.75)
    # Right of a category's n rows: n - ceil(n / 4): 192, 788, 12, 18, 661, 13 of 258, 1053, 16, 24, 882, 18.
    live = (192 + 788 + 12 + 18 + 661 + 13) / 2251
    assert entry["aggregates"]["live overall"]["value"] == pytest.approx(live)
    overall = entry["aggregates"]["overall (single turn, Python)"]
    assert overall["value"] == pytest.approx((live + 0.75) / 2)
    assert overall["low"] < overall["value"] < overall["high"]
    assert overall["missing"] == []
    assert summary["average"] is None
    assert any(note.startswith("bfcl_v3: its row weighs all prompts alike") for note in summary["notes"])


def test_bfcls_verdict_and_ours_stand_side_by_side():
    rows = bfcl_rows(ROWS)
    for row in rows:
        row["acc"] = row["bfcl"] * (row["data_source"] != "bfcl_v3/irrelevance")
    rows[0]["bfcl"] = None  # it took too long by BFCL's rules alone
    summary = report(rows)
    entry = summary["bfcl"]["bfcl_v3"]
    assert (entry["categories"]["simple"]["prompts"], entry["categories"]["simple"]["ours"]["prompts"]) == (399, 400)
    # Each of the five parts of non-live weighs a fifth, and ours has none of irrelevance.
    figure = entry["aggregates"]["non-live overall"]
    assert figure["value"] - figure["ours"]["value"] == pytest.approx(0.75 / 5, abs=1e-3)
    overall = entry["aggregates"]["overall"]
    assert overall["value"] - overall["ours"]["value"] == pytest.approx(0.75 / 15, abs=1e-3)
    (line,) = [line for line in render(summary).splitlines() if line.startswith("irrelevance ")]
    assert line.split()[:3] == ["irrelevance", "240", "75.0"]
    assert "0.0 [0.0, 0.0]" in line


def test_the_interval_of_a_bfcl_aggregate_is_that_of_independent_categories():
    summary = report(bfcl_rows(["simple", "multiple", "parallel", "parallel_multiple"]), resamples=4_000)
    figure = summary["bfcl"]["bfcl_v3"]["aggregates"]["non-live AST (Python)"]
    # 3/4 right of 400, 200, 200 and 200: s = sqrt(3/16 / 400 + 3 * 3/16 / 200) / 4 = 0.01432, the width 2 * 1.96 * s =
    # 0.0561. If the three of one size drew the same it would be 0.0925.
    assert figure["high"] - figure["low"] == pytest.approx(0.0561, rel=0.1)


def test_missing_categories_of_bfcl_are_told_and_no_zero():
    summary = report(bfcl_rows(["simple", "live_relevance"]))
    aggregates = summary["bfcl"]["bfcl_v3"]["aggregates"]
    assert aggregates["live overall"] == {
        "value": None, "low": None, "high": None, "prompts": 18,
        "missing": ["live_simple", "live_multiple", "live_parallel", "live_parallel_multiple", "live_irrelevance"],
        "ours": aggregates["live overall"]["ours"],
    }  # fmt: skip
    assert aggregates["relevance"]["value"] == pytest.approx(13 / 18)
    text = render(summary)
    assert "No figure for irrelevance, both: not evaluated irrelevance, live_irrelevance." in text
    assert next(line for line in text.splitlines() if line.startswith("= live overall")).split()[-1] == "-"


def test_a_category_that_is_not_judged_here_is_told():
    rows = bfcl_rows(["simple"]) + prompts("bfcl_v3", ["1"], data_source="bfcl_v3/mine")
    entry = report(rows)["bfcl"]["bfcl_v3"]
    assert "In no figure of BFCL, because none of v3's categories: mine." in entry["notes"]
    assert list(entry["categories"]) == ["simple"]


def test_the_text(two_sets):
    lines = render(report(two_sets)).splitlines()
    assert lines[0].split() == ["set", "prompts", "k", "mean@k", "pass@k", "maj@k", "tokens", "truncated", "unjudged"]
    # Values as above; the bounds are those of resampled sets of two and three prompts.
    assert lines[2].split()[:4] == ["aime24", "2", "4", "25.0"]
    assert lines[3].split()[:4] == ["amc23", "3", "4", "66.7"]
    assert lines[4].split()[:6] == ["average", "of", "2", "-", "4", "45.8"]
    table = lines[:5]
    assert len({len(line) for line in table}) == 1, "the columns are aligned"
    assert lines[6].split() == ["set", "pass@1", "pass@2", "pass@4"]
    assert "[low, high] is the 95% bootstrap interval over prompts." in lines


def test_the_columns_of_pass_at_k_go_by_k():
    text = render(report(prompts("aime24", ["1" + "0" * 15])))
    assert ["set", "pass@1", "pass@2", "pass@4", "pass@8", "pass@16"] in [line.split() for line in text.splitlines()]


def test_pass_at_k_is_not_repeated_where_there_is_one_response():
    assert "pass@1" not in render(report(prompts("aime24", ["1", "0"])))


def test_the_order_of_the_rows_does_not_matter(two_sets):
    rows = two_sets + bfcl_rows(["simple"]) + [unjudged("aime24", 7, 0)]
    summary = report(rows)
    random.Random(0).shuffle(rows)
    assert json.dumps(report(rows)) == json.dumps(summary)


def test_its_json_read_again_gives_the_same_text(two_sets):
    summary = report([*two_sets, unjudged("aime24", 7, 0)])
    assert render(json.loads(json.dumps(summary))) == render(summary)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(two_sets, column):
    with pytest.raises(GroupwiseError, match=rf"but lacks {column}; evaluate again"):
        summarise(pd.DataFrame(two_sets).drop(columns=column))


def test_a_table_without_rows_is_refused():
    with pytest.raises(GroupwiseError, match="but has no row; evaluate again"):
        summarise(pd.DataFrame(columns=list(COLUMNS)))


@pytest.mark.parametrize("column", ["set", "prompt_id", "finished", "reason", "pred", "format"])
def test_a_missing_value_is_refused(two_sets, column):
    two_sets[3][column] = None
    with pytest.raises(GroupwiseError, match=rf"must have a value for .*{column}.*, but {column} lacks some"):
        summarise(pd.DataFrame(two_sets))


def test_a_response_that_stands_there_twice_is_refused(two_sets):
    with pytest.raises(GroupwiseError, match=r"1 stand there again, such as sample 1 of prompt 'aime24/0' of aime24"):
        summarise(pd.DataFrame([*two_sets, two_sets[1]]))


@pytest.mark.parametrize("acc", [None, 0.5, 2.0])
def test_a_judged_response_needs_a_verdict(two_sets, acc):
    two_sets[1]["acc"] = acc
    with pytest.raises(GroupwiseError, match=r"1 of aime24 have none, as that of prompt 'aime24/0' .* 'correct'"):
        summarise(pd.DataFrame(two_sets))


def test_sixty_thousand_responses():
    generator = np.random.default_rng(0)
    count = 7_500 * 8
    acc = generator.integers(0, 2, count).astype(float)
    table = pd.DataFrame({column: ["x"] * count for column in COLUMNS}).assign(
        prompt_id=np.repeat([f"x/{place}" for place in range(7_500)], 8),
        sample=np.tile(np.arange(8), 7_500),
        response_tokens=100,
        finished=True,
        acc=acc,
        format=1.0,
        pred=generator.integers(0, 4, count).astype(str),
    )
    summary = summarise(table)
    assert math.isclose(summary["sets"]["x"]["figures"]["mean@8"]["value"], acc.mean())
