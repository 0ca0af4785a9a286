r"""What else is written in several ways: each ground truth with answers that are right and answers that are not.

Expectations follow from mathematics and from the policies in reward_score/README.md.
"""

import pytest

from reward_score import compute_score

APPROXIMATIONS = [
    # the exact value decides; what is rounded beside it must not contradict it
    (
        r"\frac{5+\sqrt{13}}{4} \approx 2.15",
        [
            r"\frac{5+\sqrt{13}}{4}",
            r"\frac{5}{4}+\frac{\sqrt{13}}{4}",
            r"x=\frac{5+\sqrt{13}}{4}\approx 2.1514",
            r"\frac{5+\sqrt{13}}{4} (\approx 2.15)",
        ],
        ["2.15", r"\approx 2.15", r"\frac{5-\sqrt{13}}{4}", r"\frac{5-\sqrt{13}}{4} \approx 2.15", "2"],
    ),
    (
        r"\frac{5+\sqrt{13}}{4}",
        [
            r"\frac{5+\sqrt{13}}{4} \approx 2.15",
            r"\frac{5+\sqrt{13}}{4} ≈ 2.2",
            r"\frac{5+\sqrt{13}}{4} \simeq 2.15",
            r"x = \frac{5+\sqrt{13}}{4} \approx 2.151 \approx 2.15",
            r"\frac{5+\sqrt{13}}{4} \text{ or approximately } 2.15",
        ],
        [
            r"\frac{5+\sqrt{13}}{4} \approx 7",
            r"2.15 \approx \frac{5+\sqrt{13}}{4}",
            r"\frac{5+\sqrt{13}}{4} \approx 2.19",
        ],
    ),
    (r"x \approx 2.15", ["2.15", r"x \approx 2.15", r"\approx 2.15"], ["2.16", "2"]),
    (r"\sqrt{2} \approx 1.41, \sqrt{3} \approx 1.73", [r"\sqrt3, \sqrt2"], ["1.41, 1.73", r"\sqrt2, \sqrt5"]),
    ("2.15", [r"\approx 2.15", r"x \approx 2.15"], [r"\approx 2.1", r"\approx 2.1514"]),
    ("20", ["20"], [r"\approx 20", r"x \approx 20", r"19.6 \approx 20", r"20 \approx 30"]),
    (r"\frac{1}{15}", [r"\frac{1}{15} \approx 6.67\%"], [r"\frac{1}{15} \approx 7.66\%"]),
    (r"5^5 \cdot 10", [r"31250 \approx 31000"], [r"31250 \approx 33000"]),
]

ROUNDED = [
    ("0.636", [r"\frac{7}{11}", r"\frac{7}{11} \approx 0.636", r"x=\frac{7}{11}"], [r"\frac{7}{12}", "0.6363", "0.64"]),
    (r"\frac{7}{11}", [r"\frac{14}{22}"], ["0.636", "0.63636363636"]),
    (r"1.46\%", [r"\frac{3}{205}"], [r"\frac{3}{200}", r"\frac{1}{205}"]),
    (r"41.4\%", [r"\sqrt{2}-1"], [r"\sqrt{2}", "0.4142"]),
    ("12.55", [r"\frac{640}{51}"], [r"\frac{641}{51}", r"-\frac{640}{51}"]),
    ("21.93", [r"21\frac{13}{14}"], [r"21\frac{12}{14}", r"\frac{13}{14}"]),
    ("-0.636", [r"-\frac{7}{11}"], [r"\frac{7}{11}"]),
    ("41.49", [r"17+10\sqrt{6}"], [r"17-10\sqrt{6}"]),  # 41.4948...
    ("41.494", [], [r"17+10\sqrt{6}"]),  # cut, and not rounded
    ("0.13", [r"\frac18"], []),  # a half goes away from zero
    ("0.12", [], [r"\frac18"]),
    ("1.41", [r"\sqrt2"], [r"\sqrt{2.1}", r"\sqrt3"]),
    ("3.14", [r"\pi"], [r"\frac{\pi}{2}", r"\frac{16}{5}"]),
    ("1.4", ["1.4", r"\frac75"], [r"\sqrt2", r"\frac{10}{7}"]),  # too few digits to be a rounded one
    ("0.5", [r"\frac12"], [r"\frac{8}{15}", r"\frac{9}{20}"]),
    ("27.0", ["27"], [r"\frac{1081}{40}"]),  # an integer that went through a float
    ("27", [], [r"\frac{1081}{40}", r"10\sqrt{7.3}"]),
    ("(0.636, 1.41)", [r"(\frac{7}{11}, \sqrt2)"], [r"(\sqrt2, \frac{7}{11})"]),
    ("6.67", ["20:3", r"\frac{20}{3}"], ["3:20"]),
    ("0.636", [], ["x", r"\frac{7}{11}x", r"\frac{7i}{11}"]),
    (r"1.23\cdot 10^{-5}", [r"\frac{1}{81300}"], [r"\frac{1}{8130}", r"\frac{1}{80000}"]),
]

RATIOS = [
    (r"\frac{7}{4}", ["7:4", "14:8", r"7 : 4"], ["4:7", "7:5"]),
    ("7:4", [r"\frac74", "14:8", "1.75"], ["4:7", r"\frac47", "74"]),
    ("2:1", ["2", r"2 : 1"], ["1:2", r"\frac12"]),
    ("2", ["2:1"], ["1:2", "2:1:1"]),
    ("1:2:3", ["2:4:6", r"\frac12:1:\frac32"], ["1:2:4", "3:2:1", "1:2", "0.5"]),
    ("1 : (4/3)", [r"\frac34", "3:4"], [r"\frac43"]),
    (r"\sqrt2:1", [r"\sqrt2", r"2:\sqrt2"], [r"1:\sqrt2", "2"]),
    ("a:b", [r"\frac{a}{b}", "2a:2b"], ["b:a", r"\frac{b}{a}"]),
    ("9:30", ["9:30"], ["3:10", "18:60", "0.3", r"\frac{3}{10}", "9.30"]),  # perhaps a time
    ("12", [], ["12:30", "12:00"]),
    ("7:15", [r"\frac{7}{15}"], ["14:30"]),
    ("0:1", ["0"], ["1:0", "1"]),
    ("1:0", ["1:0"], ["2:0", "1"]),
]

ANGLES = [
    (r"\frac{\pi}{5}", [r"36^\circ", r"36°", r"36\text{ degrees}", r"x = 36^\circ"], ["36", r"37^\circ", "0.628"]),
    (r"36^\circ", [r"\frac{\pi}{5}", r"\frac{\pi}{5}\text{ radians}", "36"], [r"\frac{\pi}{6}", r"36\pi"]),
    ("36", [r"36^\circ"], [r"\frac{\pi}{5}"]),
    (r"C=\frac{2\pi}{3}", [r"120^\circ", r"C=120^\circ"], ["120", r"60^\circ"]),
    (r"180^\circ", [r"\pi", "180"], [r"\pi^\circ", r"2\pi"]),
    (r"60^\circ+360^\circ k", [r"360^\circ k+60^\circ"], [r"60^\circ+180^\circ k"]),
    (r"(2,\frac{\pi}{3})", [r"(2,60^\circ)"], [r"(2,60)", r"(60^\circ,2)"]),
    (r"\frac{\pi}{6},\frac{5\pi}{6}", [r"30^\circ,150^\circ"], [r"30^\circ,120^\circ"]),
]

VECTORS = [
    (
        r"\begin{pmatrix} -7 \\ 16 \\ 5 \end{pmatrix}",
        ["(-7,16,5)", r"\langle -7,16,5\rangle", "(-7,16,5)^T", r"(-7,16,5)^{\top}"],
        ["(16,-7,5)", "(-7,16)", "-7,16,5", r"\{-7,16,5\}", r"\begin{pmatrix} -7 & 16 & 5 \end{pmatrix}"],
    ),
    ("(-7,16,5)", [r"\begin{pmatrix} -7 \\ 16 \\ 5 \end{pmatrix}"], [r"\begin{pmatrix} -7 \\ 16 \\ 6 \end{pmatrix}"]),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", ["(1,2)"], ["[1,2]", "(1,2]", "(2,1)"]),
    ("(1,2)", [r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}"], [r"\begin{vmatrix} 1 \\ 2 \end{vmatrix}"]),
    ("[1,2)", [], [r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"]),
]


@pytest.mark.parametrize(("gold", "right", "wrong"), APPROXIMATIONS + ROUNDED + RATIOS + ANGLES + VECTORS)
def test_what_is_right_and_what_is_not(gold, right, wrong):
    accs = {answer: compute_score("lighteval/MATH", rf"\boxed{{{answer}}}", gold)["acc"] for answer in right + wrong}
    assert [answer for answer in right if accs[answer] != 1.0] == []
    assert [answer for answer in wrong if accs[answer] != 0.0] == []
