"""Judges hostile responses by the hundred thousand: none may raise, hang, grow the memory or run anything.

    python benchmarks/verifier_fuzz.py
    python benchmarks/verifier_fuzz.py --responses 20000 --seed 7

A response is made of fragments that parsers trip over, of long repetitions of them, or is a good answer with pieces cut
out, doubled, swapped or replaced. Python's audit events tell what a verdict ran: the program ends with 1 when there was
an exception, a verdict above a second, or an event that starts a program, opens a file or executes code.
"""

import argparse
import array
import collections
import itertools
import json
import logging
import random
import sys
import time
from collections.abc import Iterator

import psutil

import reward_score
from reward_score.sandbox import guard
from reward_score.verdict import TIMEOUT, UNPARSABLE_GOLD, VERIFIER_ERROR

WATCHED = frozenset(
    {"exec", "os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect", "open"}
)
SLOW_SECONDS = 1.0
WARM_UP = 1_000

FRAGMENTS = [
    *(
        "\\boxed{",
        "}",
        "{",
        "\\fbox{",
        "####",
        "Answer:",
        "$",
        "\\(",
        "\\[",
        "\\\\",
        "\\",
        "^",
        "_",
        "&",
        "%",
        "<think>",
    ),
    *(
        "</think>",
        "<tool_call>",
        "</tool_call>",
        "<response>",
        "</response>",
        "<|im_end|>",
        "```json",
        "[",
        "]",
        "(",
        ")",
    ),
    *(
        "\\frac",
        "\\frac{1}{",
        "\\sqrt",
        "\\sqrt[3]{",
        "\\text{",
        "\\text{ or }",
        "\\pm",
        "\\cup",
        "\\infty",
        "\\pi",
        "!",
    ),
    *(
        "\\begin{pmatrix}",
        "\\end{pmatrix}",
        "\\left(",
        "\\right)",
        "\\sum_{k=1}^{n}",
        "\\int_0^1",
        "\\lim",
        "\\binom{",
        "|",
    ),
    *(
        "9^{9^{9",
        "10000000!",
        "1e999999999",
        "0.",
        "1,234",
        "-",
        "+",
        "=",
        "<",
        "\\le",
        "\\in",
        ",",
        ";",
        " or ",
        " and ",
        ":",
    ),
    *(
        '{"name": "f", "arguments": {}}',
        '"name":',
        '"arguments":',
        '"parameters":',
        "{}",
        "[]",
        "null",
        "NaN",
        "-Infinity",
    ),
    *(
        '"\\ud800"',
        '"\\u0000"',
        "1" * 400,
        "[" * 50,
        "{" * 50,
        '{"a":' * 20,
        "f(a=1)",
        "f(**{})",
        "[f(x=__import__('os'))]",
    ),
    *(
        "__import__('os').system('true')",
        "exec('1')",
        "().__class__.__bases__",
        "%s%n",
        "\x00",
        "\ud800",
        "\u202e",
        "٣",
        "½",
    ),
    *(
        "x",
        "y",
        "i",
        "e",
        "5",
        "34",
        "42.0",
        "cm",
        "true",
        "\n",
        "\n\n",
        " ",
        "\t",
        "\r\n",
        "the answer is ",
        "\N{MINUS SIGN}",
    ),
]
GOOD = [
    "So it is $\\boxed{\\frac{3\\sqrt{2}}{4} + x^2}$.",
    "Hence \\boxed{(-\\infty, 2) \\cup [3, \\pi)}",
    "Answer: $1{,}234.5$",
    "#### 72",
    '<think> It is f. </think>\n<tool_call>\n{"name": "f", "parameters": {"a": 1, "b": ["x", {"c": 0}]}}\n</tool_call>',
    '<tool_call>{"name": "f", "arguments": {"a": 1, "b": ["x", {"c": 2.5}]}}</tool_call>',
]
CALL = {
    "v": 1,
    "category": "parallel",
    "functions": [
        {
            "name": "f",
            "description": "",
            "parameters": {
                "type": "dict",
                "properties": {"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "string"}}},
                "required": ["a"],
            },
        }
    ],
    "possible_answer": [{"f": {"a": [1, 2], "b": [["x"], ""]}}, {"f": {"a": [3], "b": [["y", "z"]]}}],
}
REFERENCE = GOOD[4]
RIGHT_ANSWERS = {
    "openai/gsm8k": "72",
    "lighteval/MATH": "\\frac{3\\sqrt{2}}{4} + x^2",
    "HuggingFaceH4/MATH-500": "(-\\infty, 2) \\cup [3, \\pi)",
    "math_dapo": "1234.5",
    "rlla": REFERENCE,
    "bfcl_v3/parallel": json.dumps(CALL),
    "bfcl_v3/irrelevance": json.dumps({**CALL, "category": "irrelevance", "possible_answer": []}),
}
EVERY_FORMAT = ("hermes", "toolrl", "json", "llama", "python")


def hostile_responses(seed: int) -> Iterator[str]:
    """Makes hostile responses without end, the same ones for the same seed."""
    rng = random.Random(seed)
    while True:
        kind = rng.random()
        if kind < 0.55:
            yield "".join(rng.choices(FRAGMENTS, k=rng.randint(0, 30)))
        elif kind < 0.95:
            yield mutated(rng.choice(GOOD), rng)
        else:
            yield rng.choice(FRAGMENTS) * rng.randint(1, 2000) + rng.choice(GOOD)


def mutated(text: str, rng: random.Random) -> str:
    """Changes a text in one to six places."""
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.randint(0, 12))
        piece = text[start:end]
        other = rng.choice(["", piece * 2, piece[::-1], rng.choice(FRAGMENTS), chr(rng.randrange(1, 0x3000))])
        text = text[:start] + other + text[end:]
    return text


def memory_mib() -> float:
    """This process's resident set."""
    return psutil.Process().memory_info().rss / 2**20


def long_responses() -> dict[str, str]:
    """Responses of a megabyte, and others whose form invites quadratic time."""
    megabyte = 10**6
    return {
        "1 MB of text and a box": "a " * (megabyte // 2) + "\\boxed{5}",
        "1 MB of digits in a box": "\\boxed{" + "1" * megabyte + "}",
        "1 MB of boxes": "\\boxed{5}" * (megabyte // 9),
        "1 MB of open boxes": "\\boxed{" * (megabyte // 7),
        "1 MB of Answer lines": "Answer: 5\n" * (megabyte // 10),
        "1 MB of ####": "####" * (megabyte // 4),
        "1 MB of blank lines": "\n" * megabyte,
        "20,000 open <tool_call>": "<tool_call>" * 20_000,
        "20,000 open braces in a call": "<tool_call>" + "{" * 20_000,
        "180,000 open brackets in a call": "<tool_call>" + "[" * 180_000,
        "1 MB in one argument": '<tool_call>{"name": "f", "arguments": {"a": "' + "x" * megabyte + '"}}</tool_call>',
        "180 kB of arguments": '<tool_call>{"name": "f", "arguments": {'
        + ", ".join(f'"a{n}": {n}' for n in range(12_000))
        + "}}</tool_call>",
        "64 equal calls": GOOD[5] * 64,
    }


def show_long_responses() -> None:
    """Prints the slowest data source's time for each long response, the best of three."""
    for name, response in long_responses().items():
        slowest = (0.0, "")
        for source, gold in RIGHT_ANSWERS.items():
            times: list[float] = []
            for again in range(3):
                start = time.perf_counter()
                # A text of its own each time, so that no cache answers.
                reward_score.compute_score(source, " " * again + response, gold, formats=EVERY_FORMAT)
                times.append(time.perf_counter() - start)
            slowest = max(slowest, (min(times), source))
        print(f"{name}: {1000 * slowest[0]:.1f} ms ({slowest[1]})")


class Findings:
    """What a run of the fuzzer saw."""

    def __init__(self) -> None:
        self.reasons: collections.Counter[str] = collections.Counter()
        self.events: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        self.times = array.array("d")
        self.judging = False

    def watch(self) -> None:
        """Counts from now on the audit events that a verdict must not cause."""

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if self.judging and event in WATCHED:
                self.events[f"{event} {str(arguments[0])[:60]}"] += 1

        sys.addaudithook(hook)

    def judge(self, source: str, gold: str, response: str) -> None:
        """Judges one response."""
        self.judging, start = True, time.perf_counter()
        try:
            verdict = reward_score.compute_score(source, response, gold, formats=EVERY_FORMAT)
        except Exception as error:  # noqa: BLE001 -- any exception at all is what this looks for
            self.faults.append(f"{source}: {type(error).__name__}: {error} on {response[:200]!r}")
            return
        finally:
            self.judging = False
        seconds = time.perf_counter() - start
        self.times.append(seconds)
        self.reasons[verdict["reason"].partition(":")[0]] += 1
        if verdict["reason"].startswith((VERIFIER_ERROR, UNPARSABLE_GOLD)):
            self.faults.append(f"{source}: {verdict['reason']} on {response[:200]!r}")
        # A comparison that was ended took as long as it may.
        if seconds > SLOW_SECONDS and not verdict["reason"].startswith(TIMEOUT):
            self.faults.append(f"{source}: {seconds:.2f} s on {response[:200]!r}")

    def show(self, grown_mib: float) -> int:
        """Prints the findings and gives the number of faults."""
        times, faults = sorted(self.times), [*self.faults, *(f"{n} events {event}" for event, n in self.events.items())]
        print(
            f"{len(times):,} verdicts, {len(times) / sum(times):,.0f} a second, median {times[len(times) // 2]:.6f} s,"
        )
        print(f"slowest {', '.join(f'{seconds:.3f}' for seconds in times[-3:])} s, time-outs {self.reasons[TIMEOUT]},")
        print(f"memory {memory_mib():.0f} MiB, {grown_mib:.1f} of them since the first quarter")
        print("reasons:", ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common(12)))
        for fault in faults[:20]:
            print("FAULT", fault)
        return len(faults)


def main() -> None:
    """Prints what was found and leaves with 1 where something must not be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--responses", type=int, default=200_000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    logging.disable(logging.ERROR)
    guard.warm_up()
    guard.stand_aside()  # the audit events and the times are those of this process
    findings = Findings()
    grown_from = 0.0
    sources = itertools.cycle(RIGHT_ANSWERS.items())
    for number, response in enumerate(itertools.islice(hostile_responses(asked.seed), asked.responses)):
        if number == WARM_UP:
            # From here on all that is imported at a first use is there.
            findings.watch()
        if number == asked.responses // 4:
            grown_from = memory_mib()
        findings.judge(*next(sources), response)
    faults = findings.show(memory_mib() - grown_from)
    show_long_responses()
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
