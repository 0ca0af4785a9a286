r"""Makes the texts of `pumped.py`.

Pieces are what the verifiers' patterns and tables name, found in their source, so that a new one is pumped as well:
each character class and each literal, repeated 30 to 1,500 times, alone and two or three together, with their closing
brackets and without, before a tail that fails. Each text is an answer, a ground truth, or what a reader of data gets.
"""

import importlib
import json
import pkgutil
import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from our_patterns import all_patterns, parts
from verifier_fuzz import CALL, RIGHT_ANSWERS

import reward_score

TIMES = (30, 100, 300, 700, 1500)
ANSWER_CHARS = 1_980
"""What an answer may have and still be looked at; other texts are as long as they come."""

LONG_CHARS = 150_000
HEADS = ("", "", "", "5", "x = ", "(", "\\frac{1}{2}", "5 ", "[", "\\text{", "-")
TAILS = ("", "", "!", "=", " = 5", "5", "x", "\\", "}", ")", '"', "\0", " is 3+2 = 5", "\n", ",", "\u2028x", "^")
CLOSERS = {"{": "}", "(": ")", "[": "]", "\\{": "\\}", "\\left(": "\\right)", "<think>": "</think>", '"': '"'}
EQUATIONS = (
    "3+2 = 5",
    "2=5",
    "x = 5",
    "$x=5$",
    "f(x)=5",
    "5 \\text{ or } 6",
    "\\frac{10}{2}",
    "1,234",
    "x \\le 5",
    "7:15",
)
WORDS = """the maximum value of expression is number vertical asymptotes so we find that answer must be equal to sum all
    positive integers less than and there are exactly ways for which Therefore total probability a cm hours dollars"""
ASKED = {"boxed": "\\boxed{{{}}}", "answer_line": "Answer: {}", "hash": "#### {}"}
ELSEWHERE = (
    *("{}", "\\boxed{{{}", "\\boxed {}", "{} \\boxed{{5}}", "\\boxed{{5}} {} \\boxed{{6}}"),
    *("<think>{}</think>#### 5", "answer{}: 5", "\\boxed{{5}}{}", "Answer:\n{}\n5", "\\boxed{{\\boxed{{{}}}}}"),
)
GOLDS = (
    "5",
    "x^2+1",
    "(1,2)",
    "1,2",
    "\\text{east}",
    "x = 5",
    "\\frac{1}{2}",
    "2\\pi",
    "x<5",
    "7:15",
    "5\\%",
    "5 \\text{ cm}",
)
AROUND_CALLS = (
    *("{}", "<tool_call>\n{}\n</tool_call>", "<tool_call>{}", "```json\n{}\n```", "```\n{}\n```", "```python {}```"),
    *("<|python_tag|>{}", "<think>{}</think>", "<think>a</think>{}", "<response>{}</response>", "[TOOL_CALLS]{}"),
    *("<tools>{}</tools>", "{}</think>\n<tool_call>[]</tool_call>"),
)
MEMBERS = (
    *("x^{{{0}}}+{0}y", "\\sin({0}x)", "\\sqrt{{x+{0}}}", "\\log(x+{0})", "(x+{0})!", "\\binom{{x}}{{{0}}}", "{0}"),
    *("\\sqrt[{0}]{{x^{{3000}}}}", "{0}^{{-9000}}", "\\frac{{\\pi}}{{{0}}}+k\\pi", "x_{{{0}}}={0}", "1000!x^{{{0}}}"),
    *("\\{{{0}x,1\\}}", "({0}x,y]", "\\text{{{0} is }} x", "\\frac{{1}}{{x-x}}+{0}", "{0}:{0}x", "{0} \\text{{ cm}}"),
)
JOINED = (",", ",", ", ", "+", "\\cup ", "=", " \\text{ or } ", ";", "<", "\\\\", "&")
AROUND_MEMBERS = (
    *("{}", "{}", "\\{{{}\\}}", "({})", "\\begin{{pmatrix}}{}\\end{{pmatrix}}", "x({})", "\\{{({}),{{{}}}\\}}"),
)


class Text(NamedTuple):
    """What is judged: a response to a ground truth, or what a reader of data is given."""

    kind: str
    judged_by: str
    response: str
    gold: str
    extra_info: dict[str, str]


@lru_cache
def units() -> tuple[str, ...]:
    """The pieces of the verifiers' grammar."""
    found: set[str] = set()
    for pattern in all_patterns(("reward_score",)):
        found.update(parts(pattern))
    for name in sorted(module.name for module in pkgutil.walk_packages(reward_score.__path__, "reward_score.")):
        if not name.endswith((".symbolic_job", ".server", ".__main__")):
            for named, value in vars(importlib.import_module(name)).items():
                found.update(() if named.startswith("__") else _texts_in(value))
    words = {f"\\{word}" for word in found if word.isalpha() and word.isascii()}
    return tuple(sorted(unit for unit in found | words | set("0159azAZ {}()[]") if 0 < len(unit) <= 30))


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (chr(key),) if isinstance(key, int) and 0 <= key < 0x110000 else _texts_in(key)
            yield from _texts_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _texts_in(item)


def pumped(rng: random.Random, limit: int) -> str:
    """A text of a few pieces over and over."""
    unit = "".join(rng.choices(units(), k=rng.choice((1, 1, 1, 1, 2, 2, 2, 3))))
    if rng.random() < 0.3:
        unit += rng.choice(("", " ", "{", "a", "1", ","))
    head, tail = rng.choice(HEADS), rng.choice(TAILS)
    closer = "".join(CLOSERS[token] for token in reversed(_openers(unit))) if rng.random() < 0.6 else ""
    count = max(1, min(rng.choice(TIMES), (limit - len(head + tail)) // len(unit + closer)))
    if rng.random() < 0.1:
        count = max(1, (limit - len(head + tail)) // len(unit + closer))
    return f"{head}{unit * count}{closer * count}{tail}"


def _openers(unit: str) -> list[str]:
    return [token for token in CLOSERS if token in unit] if len(unit) > 1 else [unit] if unit in CLOSERS else []


def sentence(rng: random.Random, limit: int) -> str:
    """Words around equations, as they stand or run together."""
    words: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 5, 30))):
        words += rng.choices(WORDS.split(), k=rng.randint(1, 25))
        words.append(rng.choice(EQUATIONS))
    words += rng.choices(WORDS.split(), k=rng.choice((0, 0, 3)))
    text = rng.choice((" ", " ", "", "\\ ", "\\,", "-", "~", ". ")).join(words)[:limit]
    return rng.choice(("{}", "{}", "\\text{{{}}}", "$ {} $", "{}.")).format(text)


def members(rng: random.Random, limit: int, *, turned: bool = False) -> str:
    """Many members, each costly to compare; turned, the same in the other order and in another form."""
    form = rng.choice(MEMBERS)
    numbers = list(range(2, rng.choice((10, 30, 62, 100))))
    joined, shape = rng.choice(JOINED), rng.choice(AROUND_MEMBERS)
    if turned:
        form += rng.choice(("+0", "", "+0", " "))
        numbers.reverse()
    text = joined.join(form.format(number) for number in numbers)[:limit]
    return shape.format(text, text)


def solutions(data: Path) -> list[str]:
    """Whole solutions and problems of MATH, GSM8K and OlympiadBench."""
    found: list[str] = []
    for name in ("math/train_sample1000.jsonl", "math500/test.jsonl", "gsm8k/test.jsonl", "olympiadbench/test.jsonl"):
        for line in (data / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            for field in ("solution", "problem", "answer", "question"):
                value = row.get(field)
                found += [str(item) for item in (value if isinstance(value, list) else [value]) if item]
    return found


def texts(seed: int, published: list[str], readers: list[str]) -> Iterator[Text]:
    """Gives texts without end, the same for the same seed."""
    rng = random.Random(seed)
    makers = {"pumped": pumped, "sentence": sentence, "members": members}
    while True:
        kind = rng.choices((*makers, "solution"), (65, 13, 12, 10 if published else 0))[0]
        limit = ANSWER_CHARS if rng.random() < 0.9 else LONG_CHARS
        state = rng.getstate()
        body = makers[kind](rng, limit) if kind in makers else rng.choice(published)
        other = body + rng.choice(("1", "", " "))
        if kind == "members":
            again = random.Random()
            again.setstate(state)
            other = members(again, limit, turned=True)
        host = rng.choices(("math", "tool", "reader"), (65, 20, 15))[0]
        if host == "reader":
            yield Text(kind, rng.choice(readers), body, "", {})
        else:
            yield _math_text(rng, kind, body, other) if host == "math" else _tool_text(rng, kind, body)


def _math_text(rng: random.Random, kind: str, body: str, other: str) -> Text:
    source, gold = rng.choice(list(RIGHT_ANSWERS.items())[:4])
    asked = rng.choice(("", "", "", *ASKED))
    shape = ASKED[asked or {"math_dapo": "answer_line", "openai/gsm8k": "hash"}.get(source, "boxed")]
    if rng.random() < 0.15:
        shape = rng.choice(ELSEWHERE)
    gold = "72" if source == "openai/gsm8k" else rng.choice((gold, *GOLDS))
    if rng.random() < 0.3:
        kind, gold = f"{kind}, gold", other
        body = rng.choice(("5", body, body))
    return Text(kind, source, shape.format(body), gold, {"answer_format": asked} if asked else {})


def _tool_text(rng: random.Random, kind: str, body: str) -> Text:
    source, gold = rng.choice(list(RIGHT_ANSWERS.items())[4:])
    quoted = json.dumps(body)
    value = rng.choice((quoted, body, f"[{quoted}]", f"{{{quoted}: 1}}"))
    called = f'{{"name": "f", "arguments": {{"a": 1, "b": {value}}}}}'
    shape = rng.choice((body, called, f"[f(a={body})]", f"[f(a=1, b={body!r})]", f"f(a={quoted})", f"[{body}]"))
    response = rng.choice(AROUND_CALLS).replace("{}", shape)
    if rng.random() < 0.25:
        call = {**CALL, "possible_answer": [{"f": {"a": [1, body], "b": [[body], ""]}}]}
        gold = json.dumps(call) if source.startswith("bfcl") else f"<tool_call>\n{called}\n</tool_call>"
    extra_info = {"think": rng.choice(("asked", "opened", "none")), "prompt_style": rng.choice(("toolrl", "hermes"))}
    return Text(kind, source, response, gold, extra_info)
