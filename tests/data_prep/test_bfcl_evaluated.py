"""BFCL's rows in Java, JavaScript and of several turns: every gold answer through prompt, reading and bfcl-eval."""

import copy
import json
from collections import Counter
from functools import partial

import pytest

from data_prep.bfcl import main
from data_prep.bfcl_evaluated import EVALUATED, shown_documents
from data_prep.bfcl_files import Source, read_entries
from data_prep.bfcl_rows import make_bfcl_row
from data_prep.errors import UnsolvableError
from data_prep.schema import read_rows
from data_prep.tool_prompts import THINKING, TOOL_STYLES
from reward_score.tool_calls.bfcl import library
from reward_score.tool_calls.evaluated import verify_other_language, verify_session

pytest.importorskip("bfcl_eval")

# Java: bfcl-eval reads list items of type "any" as texts, and the gold answers have numbers. base_154: five questions
# and answers to six turns.
UNSATISFIABLE = {"java_36", "java_65", "multi_turn_base_154"}


def sources():
    folder = library.require() / "data"
    return [Source(folder / f"BFCL_v3_{category}.json", "v3", category) for category in EVALUATED]


def judge(row, **options):
    verify = verify_session if "multi_turn" in row["data_source"] else verify_other_language
    extra_info = row["extra_info"]
    return verify(extra_info["reference_response"], row["reward_model"]["ground_truth"], extra_info, **options)


def test_a_sample_of_gold_answers_is_right_in_every_style_and_by_both_rules():
    styles = list(TOOL_STYLES)
    for number, entry in enumerate(read_entries(sources())):
        if number % 27 == 0 or entry.record.fields["id"] in UNSATISFIABLE:
            make = partial(make_bfcl_row, "test", styles[number % 3], THINKING[number % 2], entry, entry.identity)
            if entry.record.fields["id"] in UNSATISFIABLE:
                with pytest.raises(UnsolvableError, match=r"no calls are right|no session can be right"):
                    make()
                continue
            row = make()
            verdicts = [judge(row, rules=rules) for rules in ("ours", "bfcl")]
            assert [verdict.reason for verdict in verdicts] == ["correct", "correct"], entry.identity
            assert verdicts[0].score == 4.0


@pytest.mark.slow
def test_the_whole_of_bfcl_is_written_but_for_what_nothing_satisfies(tmp_path, capsys):
    """Each row's reference response is judged before it is written: 799 of 800 sessions, 98 and 50 of 100 and 50."""
    assert main(["--split", "whole", "--prompt-style", "hermes", "--output", str(tmp_path)]) == 0
    rows = Counter(row["extra_info"]["category"] for row in read_rows(tmp_path / "whole.parquet"))
    assert len(rows) == 17
    assert rows.total() == 4434
    assert {name: rows[name] for name in EVALUATED} == {
        "java": 98,
        "javascript": 50,
        "multi_turn_base": 199,
        **dict.fromkeys(("multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context"), 200),
    }
    dropped = capsys.readouterr().out
    assert all(f"bfcl_v3/{identity} (" in dropped for identity in UNSATISFIABLE)


def test_the_whole_needs_bfcl_eval(tmp_path, monkeypatch, capsys):
    library.require.cache_clear()
    monkeypatch.setattr(library, "VERSION", "2025.8.25")
    assert main(["--split", "whole", "--output", str(tmp_path / "out")]) == 1
    library.require.cache_clear()
    assert capsys.readouterr().err == (
        "error: Java, JavaScript and multi-turn need bfcl-eval 2025.8.25, got 2025.8.6.2: "
        "pip install --no-deps bfcl-eval==2025.8.25\n"
    )


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_is_evaluated_only_is_no_training_data(tmp_path, split, capsys):
    arguments = ["--split", split, "--categories", "simple", "java", "--input", str(tmp_path)]
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 1
    assert "--categories java must come with --split whole: they are evaluated only" in capsys.readouterr().err


@pytest.mark.parametrize("category", ["java", "javascript", "simple"])
def test_functions_are_shown_as_bfcl_shows_them(category, bfcls_utils):
    lines = (library.require() / "data" / f"BFCL_v3_{category}.json").read_text().splitlines()
    for line in lines:
        functions = json.loads(line)["function"]
        before = copy.deepcopy(functions)
        shown = shown_documents(functions, category)
        assert functions == before
        assert shown == bfcls_utils.func_doc_language_specific_pre_processing(before, category)


def test_functions_that_are_missed_are_not_offered_at_first():
    (source,) = [source for source in sources() if source.category == "multi_turn_miss_func"]
    entry = next(entry for entry in read_entries([source]) if entry.record.fields["missed_function"] == {"3": ["sort"]})
    row = make_bfcl_row("test", "hermes", "none", entry, entry.identity)
    gold = json.loads(row["reward_model"]["ground_truth"])
    assert [function["name"] for function in gold["missed_functions"]["3"]] == ["sort"]
    assert "sort" not in {function["name"] for function in gold["functions"]}
    assert '"name": "sort"' not in row["prompt"][0]["content"]
    assert '"name": "grep"' in row["prompt"][0]["content"]
    assert row["prompt"][1:] == entry.record.fields["question"][0]
