r"""Judges texts made to make a verifier slow: pumped pieces of its grammar, sentences around an equation, solutions.

    python benchmarks/pumped.py
    python benchmarks/pumped.py --texts 2000 --seed 7

The texts are judged in a process of its own, which a timer ends where a text takes longer than it may, in C code too.
What counts is the processor time of this process, the computer algebra system's left out. Ends with 1 after a fault.
"""

import argparse
import contextlib
import faulthandler
import itertools
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pumped_texts import Text, solutions, texts, units
from verifier_fuzz import EVERY_FORMAT

import reward_score
from reward_score.sandbox import guard
from reward_score.verdict import FAILURES, TIMEOUT, UNPARSABLE_GOLD

CPU_SECONDS = 0.2
"""What a text may cost outside the computer algebra, the best of three."""

WALL_SECONDS = 2.5
NO_DATA = "none"
KILL_SECONDS = 5.0
"""Processor time after which a text's process is ended."""


@lru_cache
def all_readers() -> dict[str, Callable[[str], object]]:
    """What else reads a text of a model or of a file, by name."""
    from data_prep import dapo_math, gsm8k, hendrycks_math, math_eval, prompts, question
    from data_prep.records import Record
    from groupwise import html_page
    from groupwise.inspect import text
    from groupwise.record import run_log
    from reward_score import verdict
    from reward_score.rescore import json_line, report, rows

    def read(reader: Callable[[Record], object], *names: str) -> Callable[[str], object]:
        return lambda body: reader(Record("here", 0, dict.fromkeys(names, body)))

    sets = math_eval.SETS
    return {
        "data_prep.gsm8k": read(gsm8k.read_problem, "question", "answer"),
        "data_prep.dapo_math": read(dapo_math.read_problem, "prompt", "solution"),
        "data_prep.hendrycks_math": read(hendrycks_math.read_problem, "problem", "solution", "type", "level"),
        "data_prep.math_eval, answer": read(
            lambda record: math_eval.read_problem(sets["aime24"], record), "problem", "answer"
        ),
        "data_prep.math_eval, solution": read(
            lambda record: math_eval.read_problem(sets["minerva"], record), "problem", "solution"
        ),
        "data_prep.question": question.normalised,
        "data_prep.prompts": prompts.bare_question,
        "reward_score.rescore.rows": lambda body: rows.infer_data_source(body, body),
        "reward_score.rescore.report": lambda body: report.reason_group(body),
        "reward_score.rescore.json_line": lambda body: json_line.parse_object(
            f'{{"a": {body}}}'.encode("utf-8", "replace")
        ),
        "reward_score.verdict": verdict.one_line,
        "groupwise.record.run_log": run_log.read_record,
        "groupwise.inspect": lambda body: (text.visible(body), text.one_line(body, 80), text.excerpt(body, 500)),
        "groupwise.html_page": html_page.script_json,
    }


def judge(item: Text) -> str:
    """Judges a text and gives the verdict's reason, "" where it is no response."""
    reader = all_readers().get(item.judged_by)
    if reader is None:
        found = reward_score.compute_score(
            item.judged_by, item.response, item.gold, item.extra_info, formats=EVERY_FORMAT
        )
        return found["reason"]
    with contextlib.suppress(ValueError):
        reader(item.response)
    return ""


def fault_of(item: Text) -> str:
    """Judges a text, up to three times where it is slow, and says what is wrong."""
    for _ in range(3):
        clear_caches()
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            reason = judge(item)
        except Exception as error:  # noqa: BLE001 -- any exception at all is what this looks for
            return f"{type(error).__name__}: {error}"
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if cpu <= CPU_SECONDS and wall <= WALL_SECONDS:
            break
    else:
        return f"{cpu:.2f} s of processor time, {wall:.2f} s in all"
    is_fault = reason.startswith(FAILURES) and not reason.startswith((UNPARSABLE_GOLD, TIMEOUT))
    return reason if is_fault else ""


def clear_caches() -> None:
    """Empties the verifiers' caches, so that a text is judged anew."""
    for cache in _caches():
        cache.cache_clear()


@lru_cache
def _caches() -> list[Any]:
    modules = [module for name, module in sys.modules.items() if name.startswith("reward_score")]
    return [value for module in modules for value in vars(module).values() if hasattr(value, "cache_clear")]


def judge_here(items: Iterable[tuple[int, Text]], progress: int) -> None:
    """Judges texts, each under a timer that ends this process: its number stands in the file `progress` by then."""
    logging.disable(logging.ERROR)
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)
    guard.warm_up()
    guard.stand_aside()
    # What is imported and looked up once must not count against the first text.
    all_readers()
    clear_caches()
    for number, item in items:
        os.pwrite(progress, f"{number:12}".encode(), 0)
        signal.setitimer(signal.ITIMER_PROF, KILL_SECONDS)
        fault = fault_of(item)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if fault:
            print(number, fault, flush=True)
    os.pwrite(progress, f"{-1:12}".encode(), 0)


def run(count: int, seed: int, data: Path | None) -> list[str]:
    """Judges so many texts in processes of their own, a new one after each that was ended, and gives the faults."""
    faults: dict[int, str] = {}
    begin = 0
    while 0 <= begin < count:
        with tempfile.TemporaryFile() as progress:
            command = [sys.executable, __file__, f"--texts={count}", f"--seed={seed}", f"--begin={begin}"]
            command += [f"--progress={progress.fileno()}", f"--data={data or NO_DATA}"]
            stdout, stderr, end = _outcome(command, progress.fileno(), 60 + count * WALL_SECONDS / 10)
            reached = int(os.pread(progress.fileno(), 12, 0) or begin)
        for line in stdout.splitlines():
            number, _, fault = line.partition(" ")
            faults[int(number)] = fault
        if reached < 0:
            break
        faults[reached] = f"the process {end}: {' < '.join(_frames(stderr)) or stderr[-300:]}"
        begin = reached + 1
    made = texts(seed, published_texts(data), list(all_readers()))
    found = {number: item for number, item in zip(range(count), made, strict=False) if number in faults}
    return [f"{number} {fault}\n    {_shown(found[number])}" for number, fault in sorted(faults.items())]


def _outcome(command: list[str], kept_open: int, seconds: float) -> tuple[str, str, str]:
    """What a process wrote to its two outputs, and how it ended."""
    process = subprocess.Popen(command, pass_fds=[kept_open], stdout=-1, stderr=-1, text=True, errors="replace")
    try:
        return *process.communicate(timeout=seconds), f"was ended ({process.returncode})"
    except subprocess.TimeoutExpired:
        process.kill()
        return *process.communicate(), f"stood still for {seconds:.0f} s"


def _frames(trace: str) -> list[str]:
    return [
        line.strip().removeprefix("File ")
        for line in trace.splitlines()
        if "reward_score" in line or "data_prep" in line
    ][:3]


def _shown(item: Text) -> str:
    cut = [text if len(text) <= 160 else f"{text[:100]}...{text[-40:]} ({len(text)})" for text in item[2:4]]
    return f"{item.kind} for {item.judged_by}: {cut[0]!r}, ground truth {cut[1]!r}"


def published_texts(data: Path | None) -> list[str]:
    """The solutions of the datasets, or none, with a sentence where there should be some."""
    if data is not None and data.is_dir():
        return solutions(data)
    if data is not None and str(data) != NO_DATA:
        sys.stderr.write(f"note: there is no folder {data} with the datasets, so no whole solutions\n")
    return []


def main() -> None:
    """Prints the faults and leaves with 1 after any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(os.environ.get("DIPO_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    parser.add_argument("--texts", type=int, default=20_000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--data", type=Path, default=default, help="folder with math/, gsm8k/, ... (default: %(default)s)"
    )
    parser.add_argument("--begin", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--progress", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.progress is not None:
        items = enumerate(texts(asked.seed, published_texts(asked.data), list(all_readers())))
        judge_here(itertools.islice(items, asked.begin, asked.texts), asked.progress)
        return
    start = time.perf_counter()
    faults = run(asked.texts, asked.seed, asked.data)
    print("\n".join(faults))
    print(
        f"{asked.texts:,} texts of {len(units()):,} pieces, {len(faults)} faults, {time.perf_counter() - start:.0f} s"
    )
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
