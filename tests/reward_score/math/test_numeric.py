r"""Expressions by value: sympy, from expressions built side by side, is the oracle; what is ambiguous is refused."""

import random
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
import sympy

from reward_score.math.expression import MAX_CHARS, UnreadableError, read_expression
from reward_score.math.latex import canonical
from reward_score.math.numeric import Comparison, compare, proportional
from reward_score.math.tree import symbols

SYMBOLS = {name: sympy.Symbol(name) for name in "xyn"}


def build(rng: random.Random, depth: int):
    """One expression as LaTeX and as sympy makes it from the same steps."""
    if depth == 0:
        if rng.random() < 0.5:
            number = rng.randint(1, 9)
            return str(number), sympy.Integer(number)
        name = rng.choice("xyn")
        return name, SYMBOLS[name]
    one, a = build(rng, depth - 1)
    other, b = build(rng, rng.randrange(depth))
    kind = rng.choice(["+", "-", "*", "frac", "^", "sqrt", "sin", "ln", "abs"])
    return {
        "+": lambda: (f"({one}+{other})", a + b),
        "-": lambda: (f"({one}-{other})", a - b),
        "*": lambda: (rf"({one})\cdot({other})", a * b),
        "frac": lambda: (rf"\frac{{{one}}}{{{other}}}", a / b),
        "^": lambda: (rf"({one})^{{2}}", a**2),
        "sqrt": lambda: (rf"\sqrt{{{one}}}", sympy.sqrt(a)),
        "sin": lambda: (rf"\sin({one})", sympy.sin(a)),
        "ln": lambda: (rf"\ln\left({one}\right)", sympy.log(a)),
        "abs": lambda: (rf"\left|{one}\right|", sympy.Abs(a)),
    }[kind]()


def value(expression, point):
    return complex(expression.subs(point).evalf(30))


def test_agrees_with_sympy_on_random_expressions():
    rng = random.Random(7)
    point = {
        SYMBOLS["x"]: sympy.Rational(13, 10),
        SYMBOLS["y"]: sympy.Rational(7, 5),
        SYMBOLS["n"]: sympy.Rational(9, 4),
    }
    decided = {Comparison.EQUAL: 0, Comparison.DIFFERENT: 0, Comparison.UNDECIDED: 0}
    respelled = 0
    for _ in range(300):
        (one, a), (other, b) = build(rng, 3), build(rng, 2)
        first, second = read_expression(canonical(one)), read_expression(canonical(other))
        found = compare(first, second)
        decided[found] += 1
        try:
            same = abs(value(a, point) - value(b, point)) < 1e-12 * (1 + abs(value(a, point)))
        except (TypeError, ZeroDivisionError):
            continue
        if found is Comparison.EQUAL:
            assert same, (one, other)
        if found is Comparison.DIFFERENT and symbols(first) == symbols(second):
            assert not same or sympy.simplify(a - b) != 0, (one, other)
        # What is read from sympy's own spelling of the same expression is the same.
        try:
            again = read_expression(canonical(sympy.latex(a)))
        except UnreadableError:
            continue
        if symbols(again) == symbols(first):
            assert compare(first, again) is not Comparison.DIFFERENT, (one, sympy.latex(a))
            respelled += compare(first, again) is Comparison.EQUAL
    assert respelled > 150
    assert decided[Comparison.DIFFERENT] > 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\frac{1}{\sqrt{2}+1}", r"\sqrt{2}-1"),
        (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}"),
        (r"\cos\frac{\pi}{5}", r"\frac{1+\sqrt{5}}{4}"),
        (r"\tan^{-1}(1)", r"\frac{\pi}{4}"),
        (r"\sin^2 x+\cos^2 x+y", "1+y-x+x"),
        (r"\log_2 8", "3"),
        (r"\lfloor 3.7\rfloor", "3"),
        (r"\lceil \pi\rceil", "4"),
        (r"\sin 30^\circ", r"\frac12"),
        ("e^{i\\pi}", "-1"),
        ("(1+i)(1-i)", "2"),
        ("2^{0.5}", r"\sqrt2"),
        ("8^{1/3}", "2"),
        (r"\sqrt[3]{-8}", "-2"),
        (r"|{-3}|", "3"),
        ("|x-1|", "|1-x|"),
        (r"\binom{10}{3}", "120"),
        ("0^0", "1"),
        (r"\lg 1000", "3"),
    ],
)
def test_equal_values_in_different_forms(one, other):
    assert compare(read_expression(canonical(one)), read_expression(canonical(other))) is Comparison.EQUAL


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # They differ in the 26th and in the 13th digit.
        (r"e^{\pi\sqrt{163}}", "262537412640768744"),
        (r"\sqrt{2}+\sqrt{3}", r"\pi"),
        ("2^{200}", "2^{200}+1"),
        ("x^{50}", "x^{51}"),
        ("x^2", "x^2+0.0001x"),
        ("x_1", "x_2"),
        ("R", "r"),
        (r"\frac{x}{y}", r"\frac{y}{x}"),
    ],
)
def test_near_values_are_not_equal(one, other):
    assert compare(read_expression(canonical(one)), read_expression(canonical(other))) is not Comparison.EQUAL


@pytest.mark.parametrize(
    "text", [r"\frac{1}{0}", r"\ln 0", r"2^{10^{10}}", "2000!", r"\sqrt[100]{2}", r"\sin(10^{30})", "1/(x-x)"]
)
def test_what_has_no_value_within_bounds_is_undecided(text):
    assert compare(read_expression(canonical(text)), read_expression(canonical(text))) is Comparison.UNDECIDED


def test_what_holds_for_positive_numbers_only_is_undecided():
    assert compare(read_expression(r"\sqrt{x^{2}}"), read_expression("x")) is Comparison.UNDECIDED


@pytest.mark.parametrize(
    "text",
    [
        "1/2x",
        r"\sin x/2",
        r"\sin x(x+1)",
        "x2",
        "2 3",
        "x^{2}^{3}",
        "52_{8}",
        "12:30",
        "5!!x,",
        "(1",
        "1)",
        "",
        "+",
        "x=1",
        r"\mho",
        r"\sum_{k}k",
        "x" * (MAX_CHARS + 1),
        "(" * 60 + "x" + ")" * 60,
        "{" * 200,
    ],
)
def test_what_is_ambiguous_or_unknown_is_refused(text):
    with pytest.raises(UnreadableError):
        read_expression(text)


def test_numbers_are_exact():
    assert read_expression("0.1").value == Fraction(1, 10)
    assert read_expression(r"3\frac{1}{2}").value == Fraction(7, 2)
    assert read_expression("1,234,567.5").value == Fraction(2469135, 2)


def test_one_equation_may_be_a_multiple_of_another():
    assert proportional(read_expression("2x+3y-6"), read_expression("12-4x-6y"))
    assert not proportional(read_expression("2x+3y-6"), read_expression("2x+3y-7"))
    assert not proportional(read_expression("2x+3y"), read_expression("2x+3z"))
    assert not proportional(read_expression("2"), read_expression("4"))


def test_threads_do_not_disturb_each_others_precision():
    pairs = [(rf"\sqrt{{2}}^{{{n}}}", f"2^{{{n}/2}}") for n in range(1, 120)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda pair: compare(*(read_expression(canonical(text)) for text in pair)), pairs))
    assert found == [Comparison.EQUAL] * len(pairs)


def test_a_tree_of_three_hundred_levels_is_told_from_another():
    one, same, other = (read_expression(text) for text in ("xy" * 149, "x y" + "xy" * 148, "xy" * 148 + "yy"))
    assert one is not same
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "xy" * 149
    assert symbols(one) == {"x", "y"}
    assert compare(one, same) is Comparison.EQUAL
