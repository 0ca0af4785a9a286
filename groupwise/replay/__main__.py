"""What DiPO would have done in each step of a run, from its rollout dumps.

    python -m groupwise.replay checkpoints/qwen7b/grpo/rollouts --alpha 0.1 --group-perplexity any

Dumps of a run through recipe.dipo.main_dipo hold all that is needed, those of a GRPO run included; with the run's own
settings the replay is compared with what the run decided. Dumps of plain verl must have been given log-probs.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from groupwise.dumps.reader import Dump, find_dumps, read_dump
from groupwise.errors import GroupwiseError
from groupwise.replay import compare, run, summary
from groupwise.replay.settings import METHOD, Chosen, choose, settings_of_run

OPTIONS = ("alpha", "queue_batches", "confidence", "group_perplexity")
TEXTS = ("prompt", "response", "ground_truth")
"""Columns of a dump that no decision rests on, and most of its bytes."""


class Result(NamedTuple):
    """A replay of several dumps.

    Attributes:
        lines: The updates in numbers.
        records: What a run would log of each, in the form of verl's file logger.
        differences: By the name of an update how it differs from what the run decided, see `find_differences`; empty
            where it was replayed with other settings than the run's.
    """

    lines: list[summary.Line]
    records: list[dict[str, Any]]
    differences: dict[str, list[str] | None]


def replay_files(files: Sequence[Path], chosen: Chosen, *, correct_above: float | None) -> Result:
    """Replays dumps, one at a time in memory.

    Args:
        files: The dumps in order of steps.
        chosen: The settings.
        correct_above: See `rows.read_batches`.

    Returns:
        What was found.

    Raises:
        GroupwiseError: A dump cannot be used.
    """
    result = Result([], [], {})
    settings = chosen.as_dict()
    dumps = (read_dump(file, without=TEXTS) for file in files)
    for each in run.replay(dumps, chosen.method(), correct_above=correct_above):
        result.lines.append(summary.to_line(each))
        data = {"training/global_step": each.batch.step, **(each.outcome.metrics if each.outcome else {})}
        result.records.append({"step": each.batch.step, "data": data})
        if chosen.is_the_runs and each.dump.decided is not None:
            # A run may have gone on with other settings (resume.accept_changed_method).
            is_same = settings_of_run(each.dump.decided) == settings
            found = compare.find_differences(each, METHOD) if is_same else ["settings"]
            result.differences[compare.name_of(each)] = found
    return result


def describe(first: Dump, chosen: Chosen, result: Result) -> list[str]:
    """Words a replay for the terminal.

    Args:
        first: The first dump.
        chosen: The settings.
        result: What was found.

    Returns:
        Lines.
    """
    whose = "another verl run" if first.decided is None else f"a run with {first.decided['estimator']}"
    responses = sum(line.responses for line in result.lines)
    settings = ", ".join(f"{name}={value}" for name, value in chosen.as_dict().items())
    return [
        f"{len(result.lines):,} steps, {responses:,} responses of {whose}",
        f"DiPO with {settings}; what was not given is from {chosen.source}",
        "",
        *summary.table(result.lines),
        "",
        *summary.sentences(result.lines),
        *summary.verdict(result.differences),
    ]


def to_json(chosen: Chosen, result: Result) -> dict[str, Any]:
    """Puts a replay into what `--json` writes."""
    return {
        "settings": chosen.as_dict(),
        "total": summary.totals(result.lines),
        "steps": [line._asdict() for line in result.lines],
        "differences": result.differences,
    }


def _confidence(text: str) -> float | None:
    return None if text in ("null", "none") else float(text)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m groupwise.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("dumps", nargs="+", type=Path, help="trainer.rollout_data_dir of a run, or dump files")
    parser.add_argument("--alpha", type=float, help="weight of the reallocated rewards")
    parser.add_argument("--group-perplexity", help="which groups lie in a space")
    parser.add_argument("--confidence", type=_confidence, help="level in (0, 1), or null for point estimates")
    parser.add_argument("--queue-batches", type=int, help="batches in the queue, one an advantage computation")
    parser.add_argument(
        "--norm-by-std", dest="normalize_by_std", action=argparse.BooleanOptionalAction, help="the base estimator"
    )
    parser.add_argument(
        "--correct-above", type=float, default=None, metavar="SCORE", help="verdicts, where a dump has scores alone"
    )
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write all steps and the totals")
    parser.add_argument(
        "--metrics", type=Path, default=None, metavar="FILE", help="write metrics as a run logs them, for the report"
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Command line."""
    asked = parse(sys.argv[1:])
    given = {name: value for name, value in vars(asked).items() if name in (*OPTIONS, "normalize_by_std")}
    try:
        files = find_dumps(asked.dumps)
        first = read_dump(files[0], without=TEXTS)
        chosen = choose(first, given)
        result = replay_files(files, chosen, correct_above=asked.correct_above)
        if asked.json:
            asked.json.write_text(json.dumps(to_json(chosen, result), indent=1) + "\n", encoding="utf-8")
        if asked.metrics:
            lines = (json.dumps(record) + "\n" for record in result.records)
            asked.metrics.write_text("".join(lines), encoding="utf-8")
    except (GroupwiseError, OSError) as error:
        sys.exit(str(error))
    sys.stdout.writelines(f"{line}\n" for line in describe(first, chosen, result))


if __name__ == "__main__":
    main()
