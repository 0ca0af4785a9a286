r"""Ground truths whose backslashes were read as escapes, or doubled, mean what they meant before."""

import pytest

from reward_score import compute_score
from reward_score.math.damage import restore_escapes, single_backslashes


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{1}{2}",
        r"[\frac{1}{{e}^{2}}- \frac{1}{6}, \frac{1}{e}- \frac{1}{3})",
        r"3 \times 4",
        r"\text{Final strategy}",
        r"5\textbf{ cm}",
        r"\theta+\triangle",
        r"\tfrac12",
        r"\boxed{7}",
        r"\binom{5}{2}",
        r"\begin{pmatrix}1\end{pmatrix}",
        r"\beta+\bar{x}",
        r"x\neq 3",
        r"\nabla f",
        r"\left(1,2\right)",
        r"a\rightarrow b",
        r"\lfloor x\rfloor+\rho",
        r"\alpha+\angle ABC\approx 2",
        r"\forall x",
        r"\vec{v}+\varphi",
    ],
)
def test_an_escape_that_was_read_is_restored(text):
    damaged = text
    for control in "abtnvfr":
        damaged = damaged.replace(f"\\{control}", f"\\{control}".encode().decode("unicode_escape"))
    assert damaged != text
    assert restore_escapes(damaged) == text


@pytest.mark.parametrize(
    "text",
    [
        "3\tapples",
        "x = 5\nand y = 6",
        "x = 5\r\nright",
        "two\timesheets",
        "1\to 2",
        "a\tan b",
        "first\nu = 2",
        "1\ne 2",
        "\N{EM SPACE}frac",
        "rac{1}{2}",
        r"\frac12",
        "no control character",
    ],
)
def test_what_may_be_a_blank_stays(text):
    assert restore_escapes(text) == text


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        ("\frac{3}{4}", r"\frac{3}{4}", "34"),
        ("60^\textcirc 42'", r"60^\circ 42'", r"60^\circ 24'"),
        ("90^\n", r"90^\circ", "9"),
        ("\text{east}", "east", "west"),
        ("\binom{5}{2}\times 3", "30", "3"),
        ("\boxed{5}", "5", "6"),
        ("(\frac{1}{2},\frac{1}{3})", r"(\frac12,\frac13)", r"(\frac13,\frac12)"),
        (r"\\frac{1}{3}", r"\frac13", "13"),
        (r"f(x)=\\sqrt{x}+\frac12", r"\sqrt x+\frac12", r"\sqrt x+12"),
        (
            r"\\begin{pmatrix}1\\\\2\\end{pmatrix}",
            r"\begin{pmatrix}1\\2\end{pmatrix}",
            r"\begin{pmatrix}2\\1\end{pmatrix}",
        ),
        (r"\begin{pmatrix}a\\b\end{pmatrix}", r"\begin{pmatrix}a\\b\end{pmatrix}", r"\begin{pmatrix}b\\a\end{pmatrix}"),
    ],
)
def test_a_damaged_ground_truth_is_judged_as_the_one_it_was(gold, right, wrong):
    verdicts = [compute_score("lighteval/MATH", rf"\boxed{{{answer}}}", gold)["acc"] for answer in (right, wrong)]
    assert verdicts == [1.0, 0.0]


def test_doubled_backslashes_become_single_but_for_the_ends_of_rows():
    assert single_backslashes(r"\\frac{\\pi}{2}") == r"\frac{\pi}{2}"
    for text in (r"\begin{array}{c}a\\pi\end{array}", r"a\\b", r"1\\\frac12", r"\\unknown", r"\frac12"):
        assert single_backslashes(text) == text
