"""A verdict refuses what verl would trip over."""

import pytest

from reward_score.verdict import MAX_REASON_CHARS, Verdict, binary_verdict, failed_verdict, one_line

GOOD = {"score": 0.25, "acc": 1.0, "format": 0.0, "pred": "", "reason": "correct"}


@pytest.mark.parametrize(
    "change",
    [{}, {"score": -3}, {"acc": False}, {"pred": "x" * 256}, {"reason": "argument 'days': 3 is not among [4]"}],
)
def test_good_fields_come_out_as_plain_values(change):
    fields = Verdict(**(GOOD | change)).as_dict()
    assert fields == GOOD | change
    assert [type(value) for value in fields.values()] == [float, float, float, str, str]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": float("nan")}, "score must be a finite number, got nan"),
        ({"score": float("inf")}, "score must be a finite number, got inf"),
        ({"acc": 0.5}, "acc must be 0.0 or 1.0, got 0.5"),
        ({"format": 2.0}, "format must be 0.0 or 1.0, got 2.0"),
        ({"pred": "x" * 257}, "at most 256 characters, got 257"),
        ({"reason": ""}, "reason must be one printable line"),
        ({"reason": "two\nlines"}, "reason must be one printable line"),
        ({"reason": "x" * 201}, "reason must be one printable line"),
    ],
)
def test_bad_fields_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        Verdict(**(GOOD | change))


def test_the_two_ways_to_make_one():
    assert binary_verdict(right=True, pred="7") == Verdict(1.0, 1.0, 1.0, "7", "correct")
    assert binary_verdict(right=False, pred="7") == Verdict(0.0, 0.0, 1.0, "7", "wrong answer")
    assert failed_verdict("no answer") == Verdict(0.0, 0.0, 0.0, "", "no answer")
    assert failed_verdict("no answer", "a\nb").reason == "no answer: a b"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        (" two\r\n lines\t", "two lines"),
        ("a\x00b\x1b[31m\ud800", "a?b?[31m?"),
        ("x" * 300, "x" * (MAX_REASON_CHARS - 3) + "..."),
        ("\n" * 10**6 + "late", ""),
    ],
)
def test_any_text_becomes_one_bounded_printable_line(text, line):
    assert one_line(text) == line
