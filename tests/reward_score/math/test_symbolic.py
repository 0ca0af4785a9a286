r"""What is handed to the computer algebra system, what is refused by its form, and that what it says is right."""

import time

import pytest

from reward_score.math import symbolic, symbolic_job
from reward_score.math.symbolic import SymbolicComparisons, comparable, too_large
from reward_score.sandbox import guard

LARGE = [
    "9^{9^{9^{9}}}",
    "2^{10^{2}}",
    "2^{20!}",
    "2^(20!)",
    r"2^{\frac{20!}{2}}",
    r"2^{x+1000000}",
    r"2^{100\cdot 100}",
    "((2^{150})^{150})^{2}",
    "x^{201}",
    "(x+y+z)^{1000}",
    "21!",
    "10000000!",
    "(5)!",
    r"\binom{1001}{3}",
    "1" * 51,
    "x+" * 151 + "x",
    "(" * 13 + "x" + ")" * 13,
    "---x",
    "+-+x",
]
SMALL = [
    "x^{200}",
    "20!",
    r"\binom{1000}{3}",
    "1" * 50,
    "(" * 12 + "x" + ")" * 12,
    "-x",
    r"e^{-\frac{t}{RC}}",
    "2^{-x}",
    "2^{0.333}",
    r"((x^{2}+1)^{3}+x)^{2}",
]


@pytest.mark.parametrize("text", LARGE)
def test_what_could_take_long_is_refused_by_its_form(text):
    assert too_large(text)
    comparisons = SymbolicComparisons()
    assert not comparisons.settle(text, text)
    assert comparisons.refused
    assert not comparisons.timed_out


@pytest.mark.parametrize("text", SMALL)
def test_what_cannot_is_not(text):
    assert not too_large(text)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("x+1", "y+1"),
        ("R", "r"),
        ("52_{8}", "52_{7}"),
        (r"\int_{0}^{1}x", r"\int_{0}^{1}x"),
        (r"\sum_{k}k", r"\sum_{k}k"),
        ("3 4", "3 4"),
        ("9!!", "9!!"),
        ("__import__", "__import__"),
        ('x"', 'x"'),
        ("x;y", "x;y"),
    ],
)
def test_what_could_not_be_equal_or_read_is_not_asked(gold, answer, monkeypatch):
    monkeypatch.setattr(guard, "compare", lambda request: pytest.fail("it was asked"))
    assert not comparable(gold, answer)
    assert not SymbolicComparisons().settle(gold, answer)


@pytest.mark.parametrize(
    ("gold", "answer", "equal"),
    [
        (r"\lfloor\log_{2}n\rfloor+1", r"1+\lfloor\log_{2}n\rfloor", True),
        (r"\lfloor\log_{2}n\rfloor+1", r"2+\lfloor\log_{2}n\rfloor", False),
        ("R+r", "r+R", True),
        ("R-r", "r-R", False),
        ("x^{2}-1", "(x-1)(x+1)", True),
        # math-verify compares floats to six places, and chops what is near 0.
        ("0.3333333x", r"\frac{x}{3}", False),
        ("0.5x", r"\frac{x}{2}", True),
        (r"\frac{1}{2^{98}}", r"\frac{1}{2^{99}}", False),
        (r"\gcd(a,b)+1", r"1+\gcd(b,a)", True),
        (r"\gcd(a,b)+1", r"2+\gcd(b,a)", False),
        (r"\frac{}{", "1", False),
        (r"\nonsense{x}", "x", False),
    ],
)
def test_the_job_compares_by_meaning(gold, answer, equal):
    assert symbolic_job.answer({"gold": gold, "answer": answer})["equal"] is equal


@pytest.mark.parametrize(("seconds", "asked"), [(0.6, 2), (0.3, 4)])
def test_an_answer_of_many_members_stops_when_its_time_is_up(seconds, asked, monkeypatch):
    calls = []

    def compare(request):
        calls.append(request)
        return {"equal": False, "seconds": seconds * symbolic.SECONDS_BEFORE_LAST}

    monkeypatch.setattr(guard, "compare", compare)
    comparisons = SymbolicComparisons()
    for _ in range(9):
        assert not comparisons.settle("x+1", "1+x")
    assert len(calls) == asked
    assert comparisons.timed_out


def test_neither_the_start_of_a_process_nor_a_wait_is_an_answers_time(monkeypatch):
    def compare(request):
        time.sleep(0.02)
        return symbolic_job.answer(request) | {"seconds": 0.001}

    monkeypatch.setattr(guard, "compare", compare)
    monkeypatch.setattr(symbolic, "SECONDS_BEFORE_LAST", 0.01)
    comparisons = SymbolicComparisons()
    assert [comparisons.settle("x+1", answer) for answer in ("x+2", "x+3", "1+x")] == [False, False, True]
    assert not comparisons.timed_out


def test_an_answer_that_no_deadline_ends_stops_by_the_clock_as_well(monkeypatch):
    clock = iter([0.0, 5.0, 5.1, 5.1, 6.3])
    monkeypatch.setattr(symbolic.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(guard, "compare", lambda request: {"equal": False, "seconds": 0.01})
    comparisons = SymbolicComparisons()
    for _ in range(3):
        comparisons.settle("x+1", "1+x")
    assert comparisons.timed_out


def test_what_a_comparison_takes_is_the_processors_time():
    began = time.process_time()
    assert 0 < symbolic_job.answer({"gold": "z+1", "answer": "1+z"})["seconds"] <= time.process_time() - began
