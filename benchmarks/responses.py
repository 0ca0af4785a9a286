r"""Responses with a known verdict, made from real problems, solutions and ground truths: what the benchmarks judge.

The reasoning is the dataset's own. The answer at its end is the ground truth, right in another spelling or wrong by a
change that no convention forgives (another digit, a sign, a member left out); the label follows from the construction
and from no verifier.
"""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DIGIT = re.compile(r"[0-9]")


class Sample(NamedTuple):
    """A response, what it is judged against, and whether it is right."""

    data_source: str
    response: str
    ground_truth: str
    right: bool


def read_lines(file: Path) -> list[dict]:
    """Reads a file of JSON Lines."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def gsm8k(data: Path, count: int) -> list[Sample]:
    """GSM8K's reference solutions, the final line plain in 7 of 10 and as models dress it in the others."""
    rng = random.Random(0)
    samples = []
    for row in rng.sample(read_lines(data / "gsm8k" / "test.jsonl"), count):
        reasoning, _, gold = row["answer"].rpartition("#### ")
        gold = gold.strip().replace(",", "")
        right = rng.random() < 0.5
        number = gold if right else changed_digit(gold, rng)
        dress = rng.choice(["{}"] * 7 + ["${}", "{}.", "**{}**"])
        samples.append(Sample("openai/gsm8k", f"{reasoning}#### {dress.format(number)}", gold, right))
    return samples


def dapo(data: Path, count: int) -> list[Sample]:
    """Competition problems' solutions with a line "Answer: ..." in the forms that models give it."""
    rng = random.Random(1)
    solutions = [row["solution"][0] for row in read_lines(data / "olympiadbench" / "test.jsonl")]
    rows = [row["answer"] for row in read_lines(data / "gsm8k" / "train.jsonl")]
    samples = []
    for gold in (row.rpartition("#### ")[2].strip().replace(",", "") for row in rng.sample(rows, count)):
        right = rng.random() < 0.5
        number = gold if right else changed_digit(gold, rng)
        form = rng.choice(
            ["Answer: {}"] * 4 + ["Answer: ${}$", "**Answer:** {}", "Answer: \\boxed{{{}}}", "Answer: {}."]
        )
        samples.append(Sample("math_dapo", f"{rng.choice(solutions)}\n\n{form.format(number)}", gold, right))
    return samples


def math(data: Path, count: int) -> list[Sample]:
    """MATH-500's solutions, the answer once right in another spelling and once wrong; no two answers are alike."""
    rng = random.Random(2)
    samples = []
    for row in read_lines(data / "math500" / "test.jsonl")[: count // 2]:
        gold = row["answer"]
        for right, answer in ((True, respelled(gold, rng)), (False, altered(gold, rng))):
            response = replace_last_box(row["solution"], answer)
            samples.append(Sample("HuggingFaceH4/MATH-500", response, gold, right))
    return samples


def tools(data: Path, count: int) -> list[Sample]:
    """ToolRL's rows that ask for calls, with real thoughts: the reference, or one value or name of it changed."""
    rng = random.Random(3)
    outputs = [row["output"] for row in json.loads((data / "toolrl" / "rlla_sft.json").read_text(encoding="utf-8"))]
    # verl's rlla takes a tag that the thought speaks of for the call.
    references = [text for text in outputs if text.count("<tool_call>") == 1 and "</think>" in text]
    samples = []
    for number in range(count):
        reference = references[number % len(references)]
        right = rng.random() < 0.5
        samples.append(Sample("rlla", reference if right else changed_call(reference, rng), reference, right))
    return samples


def changed_digit(text: str, rng: random.Random, places: list[int] | None = None) -> str:
    """Replaces a digit, at one of some places, by another one."""
    place = rng.choice(places or [match.start() for match in DIGIT.finditer(text)])
    digit = rng.choice([digit for digit in "123456789" if digit != text[place]])
    return text[:place] + digit + text[place + 1 :]


def respelled(gold: str, rng: random.Random) -> str:
    """Writes a ground truth of MATH in another way that means the same."""
    choices = [gold.replace("\\frac", "\\dfrac"), re.sub(r" (?![a-z])", "", gold), f" {gold} "]
    typed = gold
    for command, sign in (
        ("^\\circ", "\N{DEGREE SIGN}"),
        ("\\infty", "\N{INFINITY}"),
        ("\\pi", "\N{GREEK SMALL LETTER PI}"),
    ):
        typed = typed.replace(command, sign)
    if typed != gold:
        choices += [typed, gold.replace("^\\circ", " \\text{ degrees}")]
    if re.fullmatch(r"-?[0-9]+", gold):
        choices = [gold, f"{gold}.0", f"+{gold}" if gold[0] != "-" else gold, f"\\text{{{gold}}}", f"x = {gold}"]
        if len(gold) == 4 and gold.isdigit():
            choices += [f"{gold[0]},{gold[1:]}", f"{gold[0]}\\,{gold[1:]}"]
    fraction = re.fullmatch(r"(-?)\\frac\{([0-9]+)\}\{([0-9]+)\}", gold)
    if fraction:
        sign, top, bottom = fraction.groups()
        choices = [
            f"{sign}{top}/{bottom}",
            f"{sign}\\dfrac{{{top}}}{{{bottom}}}",
            f"{sign}\\frac{{{2 * int(top)}}}{{{2 * int(bottom)}}}",
        ]
    product = re.fullmatch(r"([0-9]+) ?\\pi", gold)
    if product:
        choices.append(f"\\pi \\cdot {product[1]}")
    terms = re.fullmatch(r"([0-9a-z]+) ?([+]) ?([0-9a-z\\]+)", gold)
    if terms:
        choices.append(f"{terms[3]} + {terms[1]}")
    return rng.choice(choices)


def altered(gold: str, rng: random.Random) -> str:
    """Changes a ground truth of MATH into one that is wrong."""
    # A digit of an exponent may be a unit's, which no convention looks at.
    places = [match.start() for match in DIGIT.finditer(gold) if gold[max(0, match.start() - 1)] != "^"]
    if places:
        return changed_digit(gold, rng, places)
    return {"\\pi": "2\\pi", "p - q": "p + q"}.get(gold, "\\text{Zoe}" if "\\text" in gold else f"2 + {gold}")


def changed_call(reference: str, rng: random.Random) -> str:
    """Changes the first call's function or one of its values."""
    head, _, rest = reference.partition("<tool_call>\n")
    line, _, tail = rest.partition("\n")
    call = json.loads(line)
    if call["parameters"] and rng.random() < 0.7:
        call["parameters"][rng.choice(sorted(call["parameters"]))] = "something else"
    else:
        call["name"] += "_2"
    return f"{head}<tool_call>\n{json.dumps(call)}\n{tail}"


def replace_last_box(solution: str, answer: str) -> str:
    """Puts another answer into the last box of a solution."""
    start = solution.rindex("\\boxed")
    depth = 0
    for place in range(solution.index("{", start) if "{" in solution[start : start + 9] else start + 6, len(solution)):
        depth += (solution[place] == "{") - (solution[place] == "}")
        if depth == 0:
            return f"{solution[:start]}\\boxed{{{answer}}}{solution[place + 1 :]}"
    raise ValueError(f"the solution's last box must be closed: {solution[start:]!r}")


def all_sets(data: Path, count: int) -> Iterator[tuple[str, list[Sample]]]:
    """The four sets by name."""
    for make in (gsm8k, dapo, math, tools):
        yield make.__name__, make(data, count)
