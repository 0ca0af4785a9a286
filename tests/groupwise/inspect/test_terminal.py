"""What the command prints, and how it ends."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from groupwise.dumps.schema import METADATA_KEY
from groupwise.inspect.__main__ import main

REPOSITORY = Path(__file__).resolve().parents[3]
HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x00 </pre><script>alert(1)</script> \u202eevil\r"


class Terminal:
    """Standard output that says it is a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def printed(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([str(argument) for argument in arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_a_run_is_shown_group_by_group(capsys: pytest.CaptureFixture[str], run: Path):
    assert printed(capsys, run, "--step", "1").splitlines() == [
        "Steps 1 to 2 hold 5 groups: 3 hard, 1 easy, 1 mixed. In 3 of them a reward was reallocated: 2 up, 1 down.",
        "Settings: alpha 0.1, queue_batches 2, confidence 0.95, group_perplexity any.",
        "",
        "== step 1: hard, reallocated up  math h1",
        "  0 of 3 right   tau* 1.5   group perplexity (any) 1.4   ground truth 4",
        "  prompt",
        "     | prompt of h1",
        "   1  wrong  EL  perplexity 1.1  score 0  R_r 0  advantage +0.000 -> -0.050  mismatch  answer 5",
        "     | response 0 of h1",
        "^  2  wrong  EL  perplexity 1.4  score 0  R_r 1  advantage +0.000 -> +0.250  mismatch  answer 5  rewarded",
        "     | response 1 of h1",
        "   3  wrong  EH  perplexity 2  score 0  R_r 0  advantage +0.000 -> -0.050  mismatch  answer 5",
        "     | response 2 of h1",
        "",
        "== step 1: easy, reallocated down  gsm8k e1",
        "  2 of 2 right   tau* 1.5   group perplexity (any) 1.9   ground truth 4",
        "  prompt",
        "     | prompt of e1",
        "   1  right  CL  perplexity 1.2  score 1  R_r 1  advantage +0.000 -> +0.250  right  answer 5",
        "     | response 0 of e1",
        "v  2  right  CH  perplexity 1.9  score 1  R_r 0  advantage +0.000 -> -0.050  right  answer 5  penalised",
        "     | response 1 of e1",
        "",
    ]


def test_a_quadrant_shows_its_responses_and_the_chosen_one(capsys: pytest.CaptureFixture[str], run: Path):
    # EH in reallocated groups: 2.0 of h1, where 1.4 was chosen, and 3.0 of h3, where 1.05 was.
    out = printed(capsys, run, "--label", "EH")
    assert re.findall(r"\| (response .*)", out) == [
        "response 1 of h1", "response 2 of h1", "response 0 of h3", "response 1 of h3",
    ]  # fmt: skip
    assert out.count("1 of 3 responses have another quadrant; --whole-groups shows them") == 1
    whole = printed(capsys, run, "--label", "EH", "--whole-groups")
    assert "response 0 of h1" in whole
    assert "another quadrant" not in whole


@pytest.mark.parametrize(("arguments", "uids"), [(["--kind", "mixed"], ["m1"]), (["--uid", "h2"], ["h2"])])
def test_asking_for_what_is_never_touched_shows_it(
    capsys: pytest.CaptureFixture[str], run: Path, arguments: list[str], uids: list[str]
):
    out = printed(capsys, run, *arguments)
    assert re.findall(r"^== step 1: .*, left alone  math (\w+)", out, re.MULTILINE) == uids


def test_the_limit_is_said(capsys: pytest.CaptureFixture[str], run: Path):
    out = printed(capsys, run, "--limit", "2")
    assert out.count("\n== ") == 2
    assert out.endswith(
        "Of 3 such groups the first 2 are shown; --limit shows more, and --step, --kind and other options select.\n"
    )
    assert printed(capsys, run, "--limit", "0").count("\n== ") == 3


def test_an_observed_baseline_is_told_as_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write: Callable, rows_of: Callable
):
    write(tmp_path, 3, rows_of("u", "hard", [1.1, 2.0], chosen=0), estimator="grpo")
    out = printed(capsys, tmp_path)
    assert "Step 3 holds 1 group: 1 hard. In 1 of them a reward would have been reallocated: 1 up, 0 down." in out
    assert "The run trained with grpo; DiPO was observed, and what it would have done is shown." in out
    assert "== step 3: hard, would have been reallocated up  math u" in out
    assert re.search(r"^\?  1 .*  would have been rewarded$", out, re.MULTILINE)


def test_steps_without_a_threshold_are_counted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write: Callable, rows_of: Callable
):
    write(tmp_path, 1, rows_of("u", "hard", [1.1, 2.0]), threshold=None)
    write(tmp_path, 5, rows_of("u", "hard", [1.1, 2.0], chosen=0))
    out = printed(capsys, tmp_path, "--all")
    assert "2 steps from 1 to 5 hold 2 groups" in out
    assert "A threshold was admissible in 1 of 2 steps; without one nothing is reallocated." in out
    assert "tau* none admissible   group perplexity (any) -" in out


def test_hostile_texts_are_shown_and_not_obeyed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write: Callable, rows_of: Callable
):
    hostile = {"uid": HOSTILE, "data_source": HOSTILE, "ground_truth": HOSTILE, "reason": HOSTILE, "pred": HOSTILE,
               "error": HOSTILE}  # fmt: skip
    forged = "text\n== step 9: hard, reallocated up"
    rows = rows_of("u", "hard", [1.1, 2.0], chosen=0, texts=[HOSTILE, forged], prompt=HOSTILE)
    hostile |= {"dipo_group_kind": HOSTILE, "dipo_quadrant": HOSTILE}
    settings = {"dipo": {"alpha": HOSTILE, "queue_batches": "1\n== step 9: forged", "group_perplexity": HOSTILE}}
    write(tmp_path, 1, [{**row, **hostile} for row in rows], methods=settings)
    out = printed(capsys, tmp_path, "--full")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)
    assert "\u241b[2J\u241b]0;owned\u2407 \u2400 </pre><script>alert(1)</script> <U+202E>evil\u240d" in out
    # A response cannot pass for a line of this program: its lines stand behind a margin.
    assert len(re.findall(r"^== ", out, re.MULTILINE)) == 1
    assert "     | == step 9: hard, reallocated up" in out


def test_long_texts_are_cut_in_their_middle(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write: Callable, rows_of: Callable
):
    long = "begin" + "x" * 1_000_000 + "end"
    write(tmp_path, 1, rows_of("u", "hard", [1.1, 2.0], chosen=0, texts=[long, long], prompt=long))
    out = printed(capsys, tmp_path)
    # 1,000,008 characters, of which 600 stay.
    assert out.count("[... 999,408 characters left out; --full shows them ...]") == 3
    assert out.count("xend") == 3
    assert len(out) < 10_000
    assert len(printed(capsys, tmp_path, "--full")) > 3_000_000


def test_texts_are_wrapped_behind_their_margin(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write: Callable, rows_of: Callable
):
    write(tmp_path, 1, rows_of("u", "hard", [1.1, 2.0], chosen=0, texts=["word " * 40, "a\n\nb"]))
    out = printed(capsys, tmp_path, "--width", "60")
    lines = [line for line in out.splitlines() if "word" in line]
    assert len(lines) == 4  # 200 characters in lines of 53, which hold 10 words each
    assert all(line.startswith("     | ") and len(line) <= 60 for line in lines)
    assert "     | a\n     | \n     | b\n" in out


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_colour_unless_it_asks_not_to(
    monkeypatch: pytest.MonkeyPatch, run: Path, variables: dict[str, str], coloured: bool
):
    terminal = Terminal()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main([str(run)]) == 0
    assert ("\x1b[31mwrong\x1b[0m" in terminal.text) == coloured
    assert ("\x1b" in terminal.text) == coloured


# What is not there


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_a_label_that_the_method_does_not_give(capsys: pytest.CaptureFixture[str], run: Path):
    assert "--label must be one that DiPO gives (EL, CH, CL, EH), but is XX." in refused(capsys, run, "--label", "XX")


def test_nothing_that_matches_says_what_there_is(capsys: pytest.CaptureFixture[str], run: Path):
    said = refused(capsys, run, "--data-source", "aime", "--step", "2", "--label", "CH")
    assert said.startswith(
        "There is no group with --step 2 --label CH --data-source aime in which a reward was reallocated. "
    )
    assert "Steps 1 to 2 hold 5 groups: 3 hard, 1 easy, 1 mixed." in said
    assert "Data sources: 4 math, 1 gsm8k. Responses by quadrant: 5 EH, 3 EL, 2 CL, 1 CH. --all also shows" in said


def test_nothing_that_was_reallocated_says_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write: Callable, rows_of: Callable
):
    rows = [{**row, "dipo_quadrant": None} for row in rows_of("u", "hard", [1.1, 2.0])]
    write(tmp_path, 1, rows, threshold=None)
    said = refused(capsys, tmp_path)
    assert "There is no group in which a reward was reallocated. Step 1 holds 1 group: 1 hard." in said
    assert "A threshold was admissible in 0 of 1 step" in said
    assert "Responses by quadrant: none." in said


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing", None, "error: .* there is no "),
        ("1.parquet", "no parquet", "error: .* cannot be read"),
        ("1.jsonl", '{"input": "p", "output": "r", "score": 1.0, "step": 1}', "error: .* one of plain verl"),
    ],
)
def test_what_is_no_dump_is_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: str | None, words: str
):
    if content is not None:
        (tmp_path / name).write_text(content)
    assert re.match(words, refused(capsys, tmp_path / name))


@pytest.mark.parametrize(
    "arguments", [["--direction", "XX"], ["--limit", "-1"], ["--step", "one"], ["--kind", "odd"], []]
)
def test_a_wrong_command_line_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str]):
    with pytest.raises(SystemExit) as ended:
        main(arguments and ["dump", *arguments])
    assert ended.value.code == 2
    assert "usage: python -m groupwise.inspect" in capsys.readouterr().err


# In a process of its own


def test_a_reader_that_leaves_is_no_error(tmp_path: Path, write: Callable, rows_of: Callable):
    # More than a pipe holds, 64 KiB, so that the command is still writing when its reader goes.
    write(tmp_path, 1, rows_of("u", "hard", [1.1, 2.0], chosen=0, texts=["line\n" * 50_000] * 2))
    process = subprocess.Popen(
        [sys.executable, "-m", "groupwise.inspect", str(tmp_path), "--full"],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"Step 1 holds 1 group")
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(30) == 0


def test_the_package_does_not_hide_the_standard_librarys():
    # Started there, Python looks into the folder first; dataclasses, as most of the library, needs the real one.
    code = "import inspect, dataclasses; print(inspect.isfunction(dataclasses.dataclass))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY / "groupwise", capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("True\n", "")


@pytest.mark.parametrize("command", ["groupwise.inspect", "groupwise.replay", "groupwise.report"])
def test_a_name_of_a_file_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str):
    main = importlib.import_module(f"{command}.__main__").main
    try:
        main([str(tmp_path / "\x1b]0;owned\x07")])
    except SystemExit as end:
        said = str(end)
    else:
        said = ""
    said += capsys.readouterr().err
    assert "\u241b]0;owned\u2407" in said
    assert "\x1b" not in said


def without(key: str) -> Callable[[dict], dict]:
    return lambda decided: {name: value for name, value in decided.items() if name != key}


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (lambda decided: {**decided, "step": "<script>"}, {}),
        (lambda decided: {**decided, "methods": ["dipo"]}, {}),
        (lambda decided: {**decided, "updates": 3}, {}),
        (without("estimator"), {}),
        (dict, {"update": 7}),
        (dict, {"perplexity": "high"}),
        (dict, {"dipo_quadrant": ["a", "b"]}),
    ],
)
def test_a_malformed_dump_is_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write: Callable, rows_of: Callable, change: Callable, rows: dict
):
    file = write(tmp_path, 1, [{**row, **rows} for row in rows_of("u", "hard", [1.1, 2.0], chosen=0)])
    table = pq.read_table(file)
    decided = json.dumps(change(json.loads(table.schema.metadata[METADATA_KEY])))
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: decided}), file)
    assert main([str(tmp_path), "--all"]) == 1
    assert "leave" in capsys.readouterr().err
