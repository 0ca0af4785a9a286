r"""What else is written in several ways: each ground truth with answers that are right and answers that are not.

Expectations follow from mathematics and from the policies in reward_score/README.md.
"""

# ruff: noqa: RUF001 -- signs that look alike are what is read

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
    ("0.333", [r"\frac13", r"0.\overline{3}"], [r"0.\overline{4}", "0.3333"]),
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
    ("V_{1}:V_{2}=11:21", ["11:21", r"\frac{11}{21}", "V_1:V_2=11:21"], ["21:11", "V_2:V_1=11:21"]),
    ("A:B=1", ["1", "1:1"], ["2", "A:B=2"]),
    ("1:2:3", ["a:b:c=1:2:3"], ["a:b:c=3:2:1", "2a:b:c=1:2:3"]),
    (r"\frac{NO}{BO}=\frac12", [r"\frac12", "0.5", "1:2"], ["2", r"\frac{BO}{NO}=\frac12"]),
    ("5", [], [r"\frac{1}{x}=5", "x:1=5", "1:x=5"]),
    ("a:b", [r"\frac{a}{b}", "2a:2b"], ["b:a", r"\frac{b}{a}"]),
    ("9:30", ["9:30"], ["3:10", "18:60", "0.3", r"\frac{3}{10}", "9.30"]),  # perhaps a time
    ("12", [], ["12:30", "12:00"]),
    ("7:15", [r"\frac{7}{15}"], ["14:30"]),
    ("0:1", ["0"], ["1:0", "1"]),
    ("(2,3)", [], ["2:3", "4:6"]),
    ("2,3", [], ["2:3"]),
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

LABELLED = [
    (
        "-3,4",
        [r"a=-3, \ b=4", "b=4, a=-3", r"a = -3 \text{ and } b = 4", "(a,b)=(-3,4)", "p=-3, q=4"],
        ["a=4, b=-3", "b=-3, a=4", "(a,b)=(4,-3)", "a=-3", "a=-3, a=4, b=4", "a=b=-3"],
    ),
    (
        "(2,9)",
        ["(x, y) = (2, 9)", "(y,x)=(9,2)", "x=2, y=9", "y=9, x=2", r"(m,n)=(2,9)", "(a, x)=(2, 9)"],
        ["(y,x)=(2,9)", "x=9, y=2", "y=2, x=9", "(x,y)=(9,2)", "2,9", "(x,y)=(2,9,1)", "x=2, y=9, z=1"],
    ),
    ("x=2, y=9", ["(2,9)", "(x,y)=(2,9)", "y=9, x=2", "2,9"], ["(9,2)", "9,2", "2", "9", "a=2, b=9", "x=9, y=2"]),
    ("(x,y)=(1,0)", ["(1,0)", "x=1, y=0", "(x,y)=(1,0)", "(y,x)=(0,1)"], ["(0,1)", "x=0, y=1", "(y,x)=(1,0)", "1"]),
    ("(p,q)=(5,2)", ["(5,2)", "p=5, q=2"], ["(2,5)", "q=5, p=2", "5,2,1"]),
    ("1,2,3", ["(x,y,z)=(1,2,3)", "x=1, x=2, x=3", "a=1, b=2, c=3"], ["(x,y,z)=(3,2,1)", "a=3, b=2, c=1", "a=1, b=2"]),
    (
        "16,3,1,1",
        ["w=16, d=3, a=1, b=1", "(w,d,a,b)=(16,3,1,1)"],
        ["w=3, d=16, a=1, b=1", "w=16, d=3, a=1, b=2", "w=16, d=3, a=1"],
    ),
    (
        "2,8",
        [
            r"\text{Minimum: } 2, \text{ maximum: } 8",
            r"\text{Maximum: } 8, \text{ minimum: } 2",
            "Minimum: 2, Maximum: 8",
            r"\text{min}=2, \text{max}=8",
            "Tom: 8, Ann: 2",
            "A: 2, B: 8",
        ],
        [
            r"\text{Maximum: } 2, \text{ minimum: } 8",
            "Minimum: 8, Maximum: 2",
            "Minimum: 2",
            "Minimum: 2, Maximum: 9",
            "A: 8, B: 2",
            r"\text{not: } 2, 8",
        ],
    ),
    ("x_1=2, x_2=3", ["3, 2", "x_1=2, x_2=3", "2,3"], ["2", "x_1=3, x_2=2", "2,4"]),
    ("2, 3", ["x_1=3, x_2=2", r"x_{1}=2,\quadx_{2}=3"], ["x_1=2, x_2=4"]),
    ("1", [], ["x=1, y=1", "x=1, y=1, z=1", "(x,y)=(1,1)"]),
    (
        "2",
        [r"\text{Minimum: } 2", "Answer: 2", r"\text{the area}: 2"],
        [r"\text{at most: } 2", r"\text{not}: 2", "Half: 2"],
    ),
    (r"\text{Minimum: } 2", ["2", "Minimum: 2"], ["Maximum: 2", "3"]),
    ("5", ["x=5"], [r"\text{not: } 5", "Wrong: 5", "5: wrong"]),
    (
        "(1,2),(3,4)",
        ["(x,y)=(1,2),(3,4)", r"(x,y)\in\{(1,2),(3,4)\}", "(x,y)=(3,4), (x,y)=(1,2)"],
        ["(x,y)=(1,3),(2,4)"],
    ),
    ("f(n)=n, g(n)=1", ["(f(n),g(n))=(n,1)", "g(n)=1, f(n)=n"], ["(f(n),g(n))=(1,n)", "f(n)=1, g(n)=n"]),
]

SYSTEMS = [
    (
        r"\begin{cases} x=1 \\ y=2 \end{cases}",
        ["(1,2)", "x=1, y=2", r"\begin{cases} x=1, \\ y=2. \end{cases}", r"\begin{aligned} x&=1 \\ y&=2 \end{aligned}"],
        ["(2,1)", r"\begin{cases} x=2 \\ y=1 \end{cases}", "1", r"\begin{cases} x=1 \end{cases}"],
    ),
    ("(1,2)", [r"\left\{\begin{array}{l} x=1 \\ y=2 \end{array}\right."], [r"\begin{cases} x=2 \\ y=1 \end{cases}"]),
    (
        r"\begin{cases} 1 & x=0 \\ 2 & x=1 \end{cases}",
        [r"\begin{cases} 1 & x=0 \\ 2 & x=1 \end{cases}"],
        [r"\begin{cases} 1 & x=1 \\ 2 & x=0 \end{cases}", "1, 2", "x=0, 2x=1"],
    ),
]

CHAINS = [
    ("4", ["x=y=4", "x=y=z=4", "x=y=2+2=4"], ["x=y=5", "x=4=y", "x=y", "4=y=5", "x+1=y=4"]),
    ("x=y=4", ["4", "x=4, y=4", "(x,y)=(4,4)", "(4,4)", "y=x=4"], ["5", "x=4, y=5", "(4,5)", "x=4"]),
    (r"x=y=z=\frac{\sqrt2}{2}", [r"\frac{\sqrt2}{2}", r"\frac{1}{\sqrt2}"], [r"\sqrt2", r"-\frac{\sqrt2}{2}"]),
]

RENAMED = [
    (
        "g(x)=x+4",
        ["g(t)=t+4", "g(u) = 4+u", "x+4", r"g(\theta)=\theta+4", "g(x)=x+4"],
        ["t+4", "h(t)=t+4", "g(t)=x+4", "g(x)=t+4", "g(t)=t-4", "g(t)=4"],
    ),
    ("f(x)=x+a", ["f(t)=t+a"], ["f(a)=a+a", "f(a)=a+x", "f(t)=t+b", "f(t)=t+x", "f(a)=2a"]),
    ("f(x,y)=x-y", ["f(y,x)=y-x", "f(a,b)=a-b", "f(u,v)=-v+u"], ["f(y,x)=x-y", "f(a,b)=b-a", "f(a,a)=a-a", "f(t)=t-t"]),
    ("f(x,y)=x+y", ["f(a,b)=a+b"], ["f(a,a)=a+a", "f(x,x)=x+x", "f(x)=2x"]),
    ("2x", ["2 x", "y=2x", "f(x)=2x"], ["2y", "2t", "2n", "2k", r"2t \text{ for any } t"]),
    ("x+y", ["y+x"], ["x+x", "y+y", "x+z", "a+b"]),
    ("2n+1", [], ["2k+1", "2m+1"]),
    (
        r"\frac{\pi}{6}+\pi k",
        [r"\frac{\pi}{6}+n\pi", r"m\pi+\frac{\pi}{6}", r"x=\frac{\pi}{6}+n\pi", r"\frac{\pi}{6}+k\pi, k\in\mathbb{Z}"],
        [
            r"\frac{\pi}{6}+2n\pi",
            r"\frac{\pi}{6}+\pi x",
            r"\frac{\pi}{6}+\pi",
            r"\frac{\pi}{3}+n\pi",
            r"\frac{\pi}{6}-k",
        ],
    ),
    (r"60^\circ+360^\circ k", [r"360^\circ n+60^\circ", r"\frac{\pi}{3}+2\pi n"], [r"60^\circ+180^\circ n"]),
    (r"x=k\pi", [r"n\pi", r"x=n\pi"], [r"2n\pi", r"n\pi+1"]),
    (r"(n-2)\pi", [r"n\pi-2\pi"], [r"(k-2)\pi"]),
    (r"\pi r^2", [r"\pi r^2"], [r"\pi k^2", r"\pi n^2"]),
    (
        r"[k\pi-\frac{\pi}{3},k\pi]",
        [r"[n\pi-\frac{\pi}{3},n\pi]"],
        [r"(n\pi-\frac{\pi}{3},n\pi]", r"[n\pi-\frac{\pi}{3},k\pi]"],
    ),
    (
        r"\frac{\pi}{6}+\pi k, \frac{5\pi}{6}+\pi k",
        [r"\frac{5\pi}{6}+n\pi, \frac{\pi}{6}+n\pi"],
        [r"\frac{\pi}{6}+n\pi"],
    ),
    ("y=x^2+C", ["y=x^2+c", "x^2+c", "y=x^2+C"], ["y=x^2", "y=c^2+x", "y=x^2+x", "y=C^2+c"]),
]

QUANTIFIED = [
    (
        r"\{x \mid x=\frac{\pi}{4}+k\pi, k\in\mathbb{Z}\}",
        [r"x=\frac{\pi}{4}+n\pi", r"\{x | x=\frac{\pi}{4}+n\pi, n \in \mathbb{Z}\}", r"\frac{\pi}{4}+k\pi"],
        [
            r"\{x | x=\frac{\pi}{4}+2n\pi, n \in \mathbb{Z}\}",
            r"\{x | x=\frac{\pi}{4}+n\pi, n \in \mathbb{N}\}",
            r"\frac{\pi}{4}",
        ],
    ),
    (
        "a_n=2^n",
        [
            r"a_n=2^n \text{ for all } n\ge1",
            r"a_n = 2^n \text{ for } n \geq 0",
            r"a_n=2^n, n\in\mathbb{N}",
            r"a_n=2^n \; (n \in \mathbb{N}^*)",
        ],
        [r"a_n=2^n \text{ for } n=1", r"a_n=2^n \text{ for even } n", r"a_n=2^n \text{ for } n\le 5"],
    ),
    (
        r"a_n=2^n \text{ for } n\ge1",
        ["a_n=2^n", r"a_n=2^n, n\in\mathbb{N}"],
        [r"a_n=2^n \text{ for } n\ge 2", "a_n=2n"],
    ),
    (
        "f(x)=3",
        [
            r"f(x) = 3 \text{ for all real } x",
            r"f(x)=3, x\in\mathbb{R}",
            r"f(x)=3 \ \forall x \in \mathbb{R}",
            r"f(x) = 3 \text{ for all } x \in \mathbb{Q}_{>0}",
            r"f(x) = 3 \text{ for every positive integer } x",
            r"f(t) = 3 \text{ for all } t > 0",
            r"f(x) = 3 \text{ for all } x \ne 0",
            "3",
        ],
        [
            r"f(x) = 3 \text{ for some } x",
            r"f(x) = 3 \text{ for } x>0",
            r"f(x) = 3 \text{ for } x\ne0",
            r"f(x) = 3 \text{ for all } x\le5",
            r"f(x) = 3 \text{ for all } x=1",
            r"f(x) = 3 \text{ if } x>0",
            r"f(x) = 3 \text{ for } x=1",
            r"f(x) = 4 \text{ for all real } x",
            r"f(x) = x \text{ for all real } x",
            r"f(x) = 3 \text{ for all real } x, f(x)=4",
        ],
    ),
    (r"f(x)=3 \text{ for all } x\in\mathbb{R}", ["f(x)=3", "3", r"f(x)=3, \forall x\in\mathbb R"], ["f(x)=2"]),
    (
        "4",
        [r"4 \text{ for all } n"],
        [r"4 \text{ for some } n", r"4 \text{ for } n=2", r"4 \text{ for all but one } n"],
    ),
    (
        r"x=2k+1, k\in\mathbb{Z}",
        [
            r"x=2n+1, n\in\mathbb{Z}",
            r"x=2k+1 \ (k \in \mathbb Z)",
            r"2n+1 \text{ where } n \text{ is an integer}",
            "x=2k+1",
            "x = 2n+1",
        ],
        [
            r"x=2n+1, n\in\mathbb{N}",
            r"x=2n+1 \text{ for positive integers } n",
            r"x=2n+2, n\in\mathbb{Z}",
            r"x=2n+1, n\in\mathbb{R}",
            r"x=2n+1, n=0,1,2",
        ],
    ),
    ("2x+1", ["2x+1"], [r"2t+1 \text{ for any integer } t"]),
    ("x=2k", [r"x=2k, k \in \mathbb{Z}"], [r"x=2k, k\in\mathbb{N}", r"x=2k, k > 0"]),
    (
        r"(k,\ell)=(-32+3x,64-5x)",
        [r"(-32+3t,64-5t) \text{ for some integer } t"],
        [r"(-32+3t,64-5x) \text{ for some integer } t"],
    ),
    (r"f(x)=cx \text{ where } c \text{ is a constant}", ["f(x)=cx", "f(x)=kx"], ["f(x)=x", "f(x)=cx^2", "f(c)=cx"]),
]


SETS = [
    (
        r"(-\infty,2)\cup(2,\infty)",
        [
            r"\text{all real numbers except }2",
            r"\text{All reals except } x=2",
            r"\mathbb{R} \text{ except } 2",
            "all real numbers excluding 2",
            r"x\in\mathbb{R}, x\ne2",
        ],
        [
            r"\text{all real numbers except }3",
            r"\text{all real numbers}",
            r"\text{all real numbers except }2, 3",
            "except 2",
        ],
    ),
    (
        r"\mathbb{R}\setminus\{2,3\}",
        [r"\text{all real numbers except } 2 \text{ and } 3"],
        [r"\text{all reals except }2"],
    ),
    (
        r"\{x \mid -3<x<7\}",
        [
            "(-3,7)",
            "-3<x<7",
            r"\{x : -3<x<7\}",
            r"\{x\in\mathbb{R} \mid 7>x>-3\}",
            r"x>-3 \text{ and } x<7",
            "|x-2|<5",
            r"-6<2x<14",
            r"(-3,0]\cup(0,7)",
        ],
        [
            "[-3,7)",
            "(-3,7]",
            r"\{-3,7\}",
            r"x>-3 \text{ or } x<7",
            r"\{x\in\mathbb{Z} \mid -3<x<7\}",
            "(-3,0)\\cup(0,7)",
            "|x-2|\\le5",
            "(3,7)",
        ],
    ),
    (
        "x<8",
        ["-x > -8", "8 > x", r"(-\infty,8)", "2x+1<17", r"\{x|x<8\}"],
        [r"(-\infty,4+4)", r"x\le8", "x>8", "-x>8", "-x<-8", "8"],
    ),
    (
        r"x \le -1 \text{ or } x = 6",
        [
            r"(-\infty,-1]\cup\{6\}",
            r"\{6\}\cup(-\infty,-1]",
            r"\{x \mid x=6 \text{ or } x\le-1\}",
            r"x=6 \text{ or } x\le -1",
        ],
        [
            r"(-\infty,-1)\cup\{6\}",
            r"(-\infty,-1]",
            r"(-\infty,6]",
            r"x\le -1 \text{ or } x\ge 6",
            r"(-\infty,-1]\cup\{5\}",
        ],
    ),
    (r"a\leqslant -2 \text{ or } a=1", [r"(-\infty,-2]\cup\{1\}"], [r"(-\infty,-2)\cup\{1\}", r"[-2,1]"]),
    (
        r"x \ne 2",
        [
            r"\mathbb{R}\setminus\{2\}",
            r"(-\infty,2)\cup(2,\infty)",
            r"x<2 \text{ or } x>2",
            r"\{x \mid x\neq 2\}",
            "\N{DOUBLE-STRUCK CAPITAL R}\N{SET MINUS}\\{2\\}",
        ],
        [r"\mathbb{R}", r"(-\infty,2]\cup(2,\infty)", r"\mathbb{R}\setminus\{3\}", "x=2", "2", r"(-\infty,2)"],
    ),
    (
        r"\mathbb{R}\setminus\{2,3\}",
        [r"(-\infty,2)\cup(2,3)\cup(3,\infty)", r"x\ne2, x\ne3", r"x\ne 2 \text{ and } x\ne 3"],
        [r"x\ne 2 \text{ or } x\ne 3", r"(-\infty,2)\cup(3,\infty)", r"\mathbb{R}\setminus\{2\}"],
    ),
    (r"\{x|x<\frac32\}-\{-6\}", [r"(-\infty,-6)\cup(-6,\frac32)"], [r"(-\infty,\frac32)", r"(-6,\frac32)"]),
    (
        r"(-\infty,2)\cup(3,\infty)",
        [r"x<2 \text{ or } x>3", r"x<2 \text{ and } x>3", "x<2, x>3", r"|x-2.5|>\frac12"],
        [r"2<x<3", r"x\le2 \text{ or } x>3", r"x<3 \text{ or } x>2", r"(-\infty,2),(4,\infty)"],
    ),
    ("(2,5)", [r"x>2 \text{ and } x<5", "x>2, x<5"], [r"x>2 \text{ or } x<5", "x<2, x>5", "2,5"]),
    (
        "(1,3)",
        [r"(1,2]\cup[2,3)", r"(1,2)\cup\{2\}\cup(2,3)", r"(1,2.5)\cup(2,3)"],
        [r"(1,2)\cup(2,3)", r"(1,2),(2,3)"],
    ),
    (
        r"\mathbb{R}",
        [r"(-\infty,\infty)", r"\text{all real numbers}", r"x\in\mathbb{R}"],
        ["5", r"(0,\infty)", r"\mathbb{Z}"],
    ),
    (r"(1,\sqrt2]", [r"1<x\le\sqrt2", r"(1,\sqrt{2}.]"], ["(1,1.41421356]", r"(1,\sqrt2)"]),
    (
        r"(-\infty,a)\cup(b,\infty)",
        [r"x<a \text{ or } x>b", r"\{x|x<a \text{ or } x>b\}"],
        [r"x<b \text{ or } x>a", r"x\le a \text{ or } x>b"],
    ),
    ("a<b<c", ["c>b>a", "a<b<c"], ["a<x<c", "(a,c)", "a<c<b", "c<b<a", r"a\le b<c"]),
    ("a<x<c", ["(a,c)", "c>x>a"], ["a<b<c", "[a,c)"]),
    ("x>2, y>3", ["y>3, x>2", "x>2, 3<y"], ["x>3, y>2", "x>2"]),
    (r"x>\pi", [r"(\pi,\infty)", r"\pi<x"], [r"x<\pi", r"(-\infty,\pi)"]),
    ("(1,2),(3,4)", ["(3,4),(1,2)"], [r"(1,2),(3,5)", r"(1,3),(2,4)"]),
    (r"\{2,3\}", [r"x=2 \text{ or } x=3", "2, 3"], ["(2,3)", "[2,3]", r"2<x<3"]),
    ("2, 3, 5", [r"2, 3, \text{ or } 5", "2 or 3 or 5", "2, 3 and 5"], ["2 or 3", "2, 3, 5, 6"]),
    (r"D=\{x|x>2\}", [r"(2,\infty)", "x>2"], [r"[2,\infty)"]),
]

MEMBERS = [
    (
        "p=5,q=2;p=7,q=2",
        ["(5,2),(7,2)", r"p=5, q=2 \text{ or } p=7, q=2", "(p,q)=(7,2), (p,q)=(5,2)", "q=2, p=5; q=2, p=7"],
        ["(2,5),(2,7)", "p=5, q=7; p=2, q=2", "(5,2)", "p=5, q=2", "p=5, p=7, q=2"],
    ),
    ("(11,7)or(7,11)", [r"(7,11),\ (11,7)"], ["(7,11)", "(7,7),(11,11)"]),
    ("(1,2),(3,4)", ["(1, 2), (3,4), (1,2)"], ["(1,2),(1,2)", "(1,2),(3,4),(3,5)"]),
    ("(4, 11, 4, 6),(1,2,3,4)", ["(1,2,3,4),(4,11,4,6),(4, 11, 4, 6)"], ["(4,11,4,6)", "(4,4,11,6),(1,2,3,4)"]),
    ("2,3,3", ["3,2,3", "2,3"], ["2,2,3", "3,3,3,2", "2,3,4", "2"]),
    ("0.5,1", [r"1,\frac12,0.5"], ["0.5,0.5", "1,1"]),
    ("9,2,1,1", ["w=9, d=2, a=1, b=1", "1,1,2,9"], ["9,9,2,1", "9,2,2,1"]),
    ("x=-5, p=\\frac{14}{3}", [r"-5, \frac{14}{3}", r"p=\frac{14}{3}, x=-5"], [r"\frac{14}{3}, -5"]),
    ("0<f(x)<1", ["(0,1)", "0<f(x)<1"], ["[0,1)", "0<f(x)\\le1"]),
    (
        r"x=\frac{1}{6}\pi+\pi k, \frac{1}{3}\pi+\pi k",
        [r"\frac{\pi}{6}+n\pi, \frac{\pi}{3}+n\pi"],
        [r"\frac{\pi}{6}+n\pi, \frac{\pi}{3}+2n\pi"],
    ),
    (
        "line segment, circle",
        [r"\text{line segment and circle}", "circle, line segment"],
        [r"\text{line segment}", "circle"],
    ),
    ("(1,1),(1,-1),(-1,1),(-1,-1)", [r"(\pm1,\pm1)", r"(\pm 1, 1), (\pm 1, -1)"], [r"\pm(1,1)", r"(\pm1,1)"]),
    ("(1,1),(-1,-1)", [r"(\pm1,\pm1)"], [r"(\pm1,\mp1)"]),
    (r"\pm1\pm\sqrt2", [r"1+\sqrt2,-1-\sqrt2"], [r"1+\sqrt2,-1-\sqrt2,1-\sqrt2,-1+\sqrt2"]),
]

CHARACTERS = [
    ("f(1, 2)=3", ["f(1,2)=3"], ["f(2,1)=3", "f(1,2)=4"]),
    (r"\gcd(a, b)", [r"\gcd(a,b)"], [r"\gcd(a,c)"]),
    ("No", ["no", r"\text{no}", "NO"], ["yes", r"\text{none}"]),
    ("Red", ["red", "RED", r"\text{red}"], ["blue", "der", "re"]),
    (
        "\N{CIRCLED DIGIT TWO}\N{CIRCLED DIGIT THREE}",
        ["2, 3", "\N{CIRCLED DIGIT THREE}, \N{CIRCLED DIGIT TWO}"],
        ["23", "2"],
    ),
    ("(3, 5)", ["(3,\n5)", "3 <\nx <\n5"], ["(3,\n6)"]),
    ("x=1, y=2", ["x=1\ny=2", "x=1,\n\ny=2"], ["x=1\ny=3", "x=1y=2"]),
    ("x^{10}", ["x\N{SUPERSCRIPT ONE}\N{SUPERSCRIPT ZERO}", "x<sup>10</sup>"], ["x^{1}", "x10"]),
    ("1101_2", ["1101\N{SUBSCRIPT TWO}"], ["1101\N{SUBSCRIPT THREE}", "1101\N{SUPERSCRIPT TWO}"]),
    ("x \\ge 5", ["x >= 5", "x>=5"], ["x > 5", "x <= 5", "x=5"]),
    ("x \\ne 3", ["x != 3"], ["x = 3", "x!=3"]),
    ("n!=120", ["n!=120"], ["n \\ne 120"]),
    (
        "15",
        ["\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT FIVE}", "x\N{FULLWIDTH EQUALS SIGN}15"],
        ["\N{FULLWIDTH DIGIT ONE}"],
    ),
    ("30^\\circ", ["30\N{MASCULINE ORDINAL INDICATOR}", "30\N{RING ABOVE}"], ["300"]),
    # Every font, width, fraction and position that Unicode knows of a letter or digit.
    ("2x", ["2𝑥", "２ｘ", "𝟐𝐱", "2ｘ"], ["2𝑦", "𝟑𝑥", "2ˣ"]),
    (r"\pi r^2", ["πr²", "𝜋r²", "π𝑟^２"], ["πr", "π²r"]),
    (r"\Delta", ["Δ", "∆"], ["Γ", "δ"]),
    (r"\frac{3}{8}", ["⅜"], ["⅝", "38"]),
    (r"2\frac{1}{5}", ["2⅕", "2.2"], ["⅖"]),
    ("x^{k-1}", ["xᵏ⁻¹"], ["xᵏ", "xₖ₋₁"]),
    ("a_{n+1}", ["aₙ₊₁"], ["aₙ", "aₙ+1"]),
    (r"\sqrt[3]{2}", ["∛2", "∛(2)"], ["√2", "3√2", "∜2"]),
    (r"x \le 3", ["x ≦ 3", "x ⩽ 3"], ["x ≧ 3"]),
    ("1,3", ["①,③", "①③", "③, ①"], ["①", "①②", "13"]),
    (r"\emptyset", [r"\{\}", "∅", "Ø", r"\varnothing"], ["0", r"\{0\}"]),
    ("0", ["0"], ["∅", r"\{\}", "Ø"]),
    (r"\mathbb{R}", ["ℝ", r"\R", r"\Bbb{R}", r"\mathds{R}", r"\text{all real numbers}"], ["r", "ℤ", r"\mathbb{N}"]),
    (r"\mathbb{Z}", ["ℤ", r"\Z", r"\text{all integers}"], ["ℝ", "z", r"\text{all real numbers}"]),
    (r"\text{odd}", ['"odd"', "“odd”", "'odd'", "``odd''", r"\text{``odd''}", r'\text{"Odd"}'], ['"even"', "odd''"]),
    ('"odd"', ["odd", r"\text{odd}", "“odd”"], ["even", '"odd" "even"']),
    ("5", ['"5"', "“5”", "'5'"], ['"6"', "5''", "5'", '"5" "6"', "'5', '6'"]),
    ("f'(x)-g'(x)", ["f'(x)-g'(x)", "f\N{PRIME}(x)-g\N{PRIME}(x)"], ["f(x)-g(x)", "f'(x)-g(x)"]),
    (r"\infty", [r"\text{infinitely many}", "\N{INFINITY}"], ["0", r"-\infty"]),
    (
        "\N{FOR ALL}x\N{FULLWIDTH GREATER-THAN SIGN}0, 3<sup>x</sup>\N{GREATER-THAN OR EQUAL TO}x<sup>2</sup>",
        [r"\forall x > 0, 3^x \geq x^2"],
        [r"\forall x > 0, 3^x > x^2", r"\forall x < 0, 3^x \geq x^2", r"\exists x > 0, 3^x \geq x^2"],
    ),
]

UNITS = [
    ("30", ["30 min", "30min", r"30\text{ min}", "30 km/min", "30 m per s"], ["30 min(2,3)", r"30\min(1,2)"]),
    (r"3\min(a,b)", ["3min(a,b)", "3 min(a, b)"], ["3 min", "3", r"3\max(a,b)"]),
    ("72", ["72 (dollars)", r"72\text{ (grams)}"], ["72 (hundred)", "72(x)", "72(ab)", "73 (dollars)"]),
    ("64", ["64g of flour", "64 g of flour", "64 g per day", "64 m of rope"], ["64 x of y", "64 n of x", "64x"]),
    (r"9\pi", [r"9\pi ft/min", r"9\pi feet per min", r"9\pi cm^2"], [r"9\pi r", r"9\pi x/min", r"9\pi m n"]),
    (r"20\text{ m}^2", ["20 m^2", "20m²", "20"], ["20 m", "20 m^3", "20 cm^2", "20x^2"]),
    (r"9\pi\text{ m}^2", [r"9\pi m^2", r"9\pi\ \mathrm{m^2}", r"9\pi"], [r"9\pi m", r"9\pi m^3", "9m^2"]),
    ("20m^2", [r"20\text{ m}^2", "20m^2"], ["20", "20m", r"20\text{ m}"]),
    ("4s", ["4s", r"4\cdot s"], ["4", "4g", "3s"]),
    (r"\tan 75^\circ", [r"\tan(75 \text{ degrees})", r"\tan 75°"], [r"\tan 75", r"\tan(74 \text{ degrees})"]),
    ("60", [r"60\text{ degrees}"], [r"60\text{ degrees}^2", r"\text{degree }60", r"\text{degrees }60"]),
]

TIMES = [
    ("3", ["3:00 pm", "03:00 PM"], ["3:00", "3:01", "3:05", "3:30", "4:00"]),
    ("8:05", ["08:05", "8:05 am", "8:05"], ["8:5", "8:50", "1.6", "8", r"\frac85"]),
    ("12:00", ["12:00 p.m."], ["0:00", "12:01", "1", "12"]),
    ("5:20", ["05:20"], ["5:2", "0.25", "1:4", "5:21"]),
    ("2:3", ["2 to 3", r"2\text{ to }3", "4:6", r"\frac23"], ["3 to 2", "2 to 3 or 4", "23", "2, 3"]),
    (r"2\text{ to }3", ["2:3", "4:6"], ["3:2", "2, 3"]),
]

ROOTS = [
    (r"x\sqrt{x}", ["x^{3/2}", r"x\cdot x^{1/2}"], ["x^{2/3}", r"\sqrt{x}", r"\sqrt{x^3}"]),
    ("x^{3/2}", [r"\sqrt{x^3}", r"x\sqrt{x}"], ["x^{2/3}", r"\sqrt[3]{x^2}"]),
    (r"\sqrt{xy}", [r"\sqrt{x}\sqrt{y}", r"\sqrt x\cdot\sqrt y", "(xy)^{1/2}"], [r"\sqrt{x+y}", r"\sqrt{x}+\sqrt{y}"]),
    (r"\frac{\sqrt{ab}}{b}", [r"\sqrt{\frac ab}", r"\frac{\sqrt a}{\sqrt b}"], [r"\sqrt{ab}", r"\frac{\sqrt{ab}}{a}"]),
    (
        r"36x\sqrt{35x}",
        [r"36x\sqrt{35}\sqrt{x}", r"36\sqrt{35}x^{3/2}"],
        [r"36\sqrt{35x^3}", r"\sqrt{60x}\sqrt{12x}\sqrt{63x}", r"36\sqrt{35x}\sqrt{x}\sqrt{x}"],
    ),
    (r"\sqrt[4]{8x^3}", ["8^{1/4}x^{3/4}"], ["8x^{3/4}"]),
    (r"\log(xy)", [r"\log x+\log y"], [r"\log x\log y", r"\log(x+y)"]),
    # Not where the sign is free.
    ("x", [], [r"\sqrt{x^2}", "|x|", "-x"]),
    ("|x|", [], ["x", "-x", r"\sqrt{x}^2"]),
    (r"\sqrt{x^2+1}", [], [r"\frac{\sqrt{x^4+x^2}}{x}"]),
    (r"\log(x^2)", [], [r"2\log(x)"]),
]

EQUATIONS = [
    ("|AB|=1", ["1", "AB=1"], ["|AC|=1", "2"]),
    (r"\tan 75^\circ = 2+\sqrt3", [r"2+\sqrt3"], [r"2-\sqrt3", r"\tan 75^\circ"]),
    (r"\binom{5}{2}=10", ["10"], ["11", r"\binom52"]),
    ("x+1=5", ["x+1=5"], ["5"]),
    ("|z|=1", ["|z|=1"], ["1"]),
    (
        "10",
        [
            *(r"f(x)_{\max}=10", r"n(A\cap B)=10", r"d(A,B)=10", r"(f\circ g)(2)=10", r"|\vec{a}|=10", r"\Delta H=10"),
            *(r"\operatorname{Var}(X)=10", r"\mathbb{E}[X]=10", r"\lim_{n\to\infty}a_n=10", "r^*=10", "f'(0)=10"),
        ],
        ["n(2)=10", "d(x+1)=10", "|a|=10", r"\Delta+H=10", r"2\lim_{n\to\infty}a_n=10", "f(2)+1=10", "f(2)g=10"],
    ),
    (r"\lim_{n\to\infty}a_n=10", ["10"], ["11"]),
    (r"\mathbb{E}[X]=10", ["10", r"\mathbb{E}[X]=10"], ["11", r"\mathbb{E}[Y]=10"]),
    ("a+b=7", ["b+a=7"], ["7", "8"]),
]

KINDS = (
    UNITS,
    TIMES,
    ROOTS,
    EQUATIONS,
    APPROXIMATIONS,
    ROUNDED,
    RATIOS,
    ANGLES,
    VECTORS,
    LABELLED,
    CHAINS,
    RENAMED,
    QUANTIFIED,
    SETS,
    MEMBERS,
    CHARACTERS,
)


@pytest.mark.parametrize(("gold", "right", "wrong"), [case for kind in KINDS for case in kind])
def test_what_is_right_and_what_is_not(gold, right, wrong):
    accs = {answer: compute_score("lighteval/MATH", rf"\boxed{{{answer}}}", gold)["acc"] for answer in right + wrong}
    assert [answer for answer in right if accs[answer] != 1.0] == []
    assert [answer for answer in wrong if accs[answer] != 0.0] == []
