"""The command on verl's own dumps: the table, the page, the held-out verifier, and sentences for bad input."""

import json

import pytest

from groupwise.audit import reading
from groupwise.audit.__main__ import main


@pytest.fixture
def dumps(tmp_path):
    """verl's dumps of six steps: the reward pays from step 4 on for whatever ends in 7."""
    for step in range(1, 7):
        rows = []
        for place in range(16):
            a, hacks = 10 + place, step > 3 and place % 2
            output = f"<b>{a}</b> and one more\x1b[2J makes {a + 1} #### {7 if hacks else a + 1}"
            row = {"input": f"{a}+1=", "output": output, "gts": str(a + 1), "score": 1.0, "step": step}
            rows.append({**row, "uid": f"question{place}_0_0"})
        (tmp_path / f"{step}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_the_table_and_the_page(dumps, tmp_path, capsys):
    page = tmp_path / "page.html"
    main([str(dumps), "-o", str(page)])
    told = capsys.readouterr().out
    assert "- Reward without accuracy: +50 points, above +10 points since step 4. The share that the reward" in told
    assert told.count("\n- ") == 1
    assert "note: The held-out verifier judged 96 responses, up to 64 a step." in told
    text = page.read_text()
    assert (
        '<section class="panel" id="reward_apart"><h2>Reward without accuracy: <span class="found">since step 4' in text
    )
    assert text.count('<polyline points="') == 9
    # Examples are shown as they are, and obeyed by nothing.
    assert "&lt;b&gt;11&lt;/b&gt; and one more\u241b[2J makes 12 #### 7" in text
    assert "<b>11" not in text


def test_another_verifier_and_none(dumps, capsys, monkeypatch):
    (dumps / "generous.py").write_text("def score(data_source, solution, gold, extra_info=None):\n    return 1.0\n")
    monkeypatch.syspath_prepend(dumps)
    main([str(dumps), "--held-out", "generous:score"])
    assert "No sign in 96 responses." in capsys.readouterr().out
    main([str(dumps), "--held-out", "none"])
    told = capsys.readouterr().out
    assert "Nothing can be said of: reward without accuracy; reward for wrong answers." in told
    assert "held-out verifier judged" not in told


def test_what_the_verifier_could_not_judge_is_said(dumps, capsys, monkeypatch):
    (dumps / "broken.py").write_text("def score(*arguments):\n    raise ValueError('it is broken')\n")
    monkeypatch.syspath_prepend(dumps)
    main([str(dumps), "--held-out", "broken:score"])
    told = capsys.readouterr().out
    assert "note: 96 responses it could not judge, most often: verifier error: ValueError: it is broken" in told
    assert "Nothing can be said of: reward without accuracy" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/no/such/folder"], "there is no /no/such/folder"),
        (["{dumps}", "--held-out", "no_such_source"], "must be package.module:function or one of math_verify"),
        (["{dumps}", "-o", "/no/such/folder/page.html"], "No such file"),
        (["{bare}"], "must have the columns prompt and response .* but has no response; its columns are prompt, step"),
    ],
)
def test_bad_input_is_a_sentence(dumps, tmp_path, arguments, words):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "1.jsonl").write_text('{"input": "1+1=", "step": 1}\n')
    given = [word.format(dumps=dumps, bare=bare) for word in arguments]
    with pytest.raises(SystemExit, match=words):
        main(given)


def test_of_many_dumps_an_even_part_is_read_and_a_broken_one_left_out(dumps, monkeypatch):
    (dumps / "7.jsonl").write_text('{"input": "1+1=", "out')
    frame, notes = reading.read_rollouts([dumps])
    assert sorted(frame["step"].unique()) == [1, 2, 3, 4, 5, 6]
    assert len(notes) == 1
    assert "7.jsonl" in notes[0]
    monkeypatch.setattr(reading, "MOST_DUMPS", 2)
    (dumps / "7.jsonl").unlink()
    frame, notes = reading.read_rollouts([dumps])
    assert sorted(frame["step"].unique()) == [1, 6]
    assert notes == [f"Of the 6 dumps in {dumps}, 2 were read, evenly spaced."]
