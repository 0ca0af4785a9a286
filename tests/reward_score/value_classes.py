r"""Answers by value: families of classes, for proving that no two answers of different value are paid for one gold.

A family is what one question could be about: a list of classes. A class holds spellings of one value, and any of them
is right for any other as the ground truth. Two classes of a family differ in value, and no member of one is right for a
member of another, whichever is the ground truth. What holds in one direction only belongs into `math_cases`.
"""

FAMILIES: dict[str, list[list[str]]] = {
    "interval": [
        [r"(-3,7)", r"-3<x<7", r"\left(-3, 7\right)", r"7>x>-3", r"x\in(-3,7)"],
        [r"[-3,7)", r"-3\le x<7", r"-3 \leqslant x < 7"],
        [r"(-3,7]", r"-3<x\le7"],
        [r"[-3,7]", r"-3\le x\le7", r"x \in [-3,7]"],
        [r"(-7,3)", r"-7<x<3"],
        [r"(-3,\infty)", r"x>-3", r"-3<x"],
        [r"[-3,\infty)", r"x\ge-3"],
        [r"(-\infty,-3)", r"x<-3"],
    ],
    "fraction": [
        [r"\frac{3}{4}", "0.75", "3/4", r"\frac{6}{8}"],
        [r"\frac{4}{3}", r"1\frac{1}{3}", "4/3"],
        [r"-\frac{3}{4}", "-0.75", r"\frac{-3}{4}"],
        ["3.4"],
        ["34"],
    ],
    "pair": [
        ["(2,9)", r"\left(2, 9\right)"],
        ["(9,2)"],
        ["(2,-9)"],
    ],
    "line": [
        ["y=2x+3", "y=3+2x", "2x-y=-3"],
        ["y=2x-3", "2x-y=3"],
        ["x=2y+3"],
    ],
    "binomial": [
        [r"\binom{n}{k}", r"\frac{n!}{k!(n-k)!}", r"\dbinom{n}{n-k}", r"{n \choose k}", r"\frac{n!}{(n-k)!\,k!}"],
        [r"\frac{n!}{(n-k)!}", r"k!\binom{n}{k}"],
        [r"\frac{n!}{k!}"],
        [r"\binom{n}{k+1}", r"\binom{n}{k}\cdot\frac{n-k}{k+1}"],
        [r"\binom{n+1}{k}", r"\binom{n}{k}+\binom{n}{k-1}"],
    ],
    "factorial": [
        ["(n+1)!", r"(n+1)\cdot n!", "(n+1)n!"],
        ["n!", r"n\cdot(n-1)!", r"\frac{(n+1)!}{n+1}"],
        ["(n-1)!", r"\frac{n!}{n}"],
        ["n!+1"],
        ["(2n)!"],
        ["2n!"],
        ["n^2"],
    ],
    "ratio": [
        ["7:4", r"\frac{7}{4}", "14:8", "1.75", r"7 : 4"],
        ["4:7", r"\frac{4}{7}"],
        ["7:4:1", "14:8:2"],
        ["74"],
        ["7"],
    ],
    "angle": [
        [r"\frac{\pi}{5}", r"36^\circ", r"0.2\pi", r"36\text{ degrees}"],
        [r"\frac{\pi}{6}", r"30^\circ", r"\frac{1}{6}\pi"],
        [r"36\pi"],
        [r"\frac{5}{\pi}"],
    ],
    "vector": [
        [r"\begin{pmatrix}1\\2\\3\end{pmatrix}", "(1,2,3)", r"\langle 1,2,3\rangle", "(1,2,3)^T"],
        ["(3,2,1)", r"\begin{bmatrix}3\\2\\1\end{bmatrix}"],
        [r"\begin{pmatrix}1&2&3\end{pmatrix}"],
        [r"\{1,2,3\}", "1,2,3", "3, 2, 1"],
        ["(1,2)"],
    ],
    "approximated": [
        [r"\sqrt{2}", r"\sqrt{2} \approx 1.41", r"\sqrt 2 ≈ 1.4142", r"x=\sqrt{2}\approx1.41"],
        [r"\sqrt{3}", r"\sqrt{3} \approx 1.73"],
        [r"\sqrt{2.1}"],
    ],
    "solutions of two unknowns": [
        ["(2,9)", "(x,y)=(2,9)", "x=2, y=9", "y=9, x=2", r"(y,x)=(9,2)"],
        ["(9,2)", "(x,y)=(9,2)", "x=9, y=2", "y=2, x=9"],
        ["(2,-9)", "x=2, y=-9"],
        ["(2,2)", "x=y=2", "x=2, y=2"],
        ["(9,9)", "x=y=9"],
        ["(2,9,2)"],
    ],
    "function": [
        ["g(x)=x+4", "g(t)=t+4", r"g(x)=4+x \text{ for all real } x", r"g(u)=u+4, u\in\mathbb{R}"],
        ["g(x)=x-4", "g(t)=t-4"],
        ["g(x)=4"],
        ["h(x)=x+4"],
        ["g(x)=t+4"],
    ],
    "function of two": [
        ["f(x,y)=x-y", "f(y,x)=y-x", "f(a,b)=a-b"],
        ["f(x,y)=y-x", "f(y,x)=x-y", "f(a,b)=b-a"],
        ["f(x,y)=x+y", "f(a,b)=a+b"],
        ["f(x,y)=2x"],
        ["f(x)=2x"],
    ],
    "general solution": [
        [r"\frac{\pi}{6}+\pi k", r"\frac{\pi}{6}+n\pi", r"x=\frac{\pi}{6}+\pi n, n\in\mathbb{Z}"],
        [r"\frac{\pi}{6}+2\pi k", r"\frac{\pi}{6}+2\pi n"],
        [r"\frac{\pi}{6}-\frac{\pi}{k}"],
        [r"\frac{\pi}{6}", r"x=\frac{\pi}{6}"],
        [r"\pi k"],
    ],
    "odd numbers": [
        [r"x=2k+1, k\in\mathbb{Z}", r"x=2n+1, n\in\mathbb{Z}", r"x=2n+1 \text{ for any integer } n"],
        [r"x=2k+1, k\in\mathbb{N}", r"x=2n+1, n\in\mathbb{N}"],
        [r"x=2k-2, k\in\mathbb{Z}"],
        [r"x=2k+1, k\in\mathbb{R}"],
    ],
    "condition": [
        [
            r"x\le-1 \text{ or } x=6",
            r"(-\infty,-1]\cup\{6\}",
            r"\{x|x\le-1 \text{ or } x=6\}",
            r"-x\ge1 \text{ or } x=6",
        ],
        [r"x<-1 \text{ or } x=6", r"(-\infty,-1)\cup\{6\}"],
        [r"x\le-1", r"(-\infty,-1]", r"-x\ge1"],
        [r"x<-1", r"(-\infty,-1)", r"-x>1", r"\{x \mid x+1<0\}"],
        [r"x\ne-1", r"(-\infty,-1)\cup(-1,\infty)", r"\mathbb{R}\setminus\{-1\}"],
        [r"\mathbb{R}", r"(-\infty,\infty)", r"\text{all real numbers}"],
        [r"-1<x<6", r"(-1,6)", r"|x-2.5|<3.5", r"x>-1 \text{ and } x<6"],
        [r"-1\le x<6", r"[-1,6)"],
        [r"-1<x\le6", r"(-1,6]"],
        [r"-1\le x\le6", r"[-1,6]", r"|x-2.5|\le3.5"],
        [r"\{-1,6\}", r"x=-1 \text{ or } x=6", "-1, 6"],
        ["x=6", "6"],
    ],
    "solutions": [
        ["(1,2),(3,4)", r"x=1, y=2 \text{ or } x=3, y=4", "(x,y)=(3,4), (x,y)=(1,2)", "(1, 2), (3, 4), (1,2)"],
        ["(1,4),(3,2)", "x=1, y=4; x=3, y=2"],
        ["(2,1),(4,3)"],
        ["(1,2)", "x=1, y=2"],
        ["1,2,3,4"],
    ],
    "repeated members": [
        ["2,3,3", "3, 2, 3"],
        ["2,2,3", "3,2,2"],
        ["2,3,4", r"2,3 \text{ and } 4"],
        ["2,2,3,3"],
    ],
}
