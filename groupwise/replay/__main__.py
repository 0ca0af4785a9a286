"""What a method would have done in each step of a run, from its rollout dumps; or what several would have.

    python -m groupwise.replay checkpoints/qwen7b/grpo/rollouts --set group_perplexity=any alpha=0.1
    python -m groupwise.replay checkpoints/qwen7b/grpo/rollouts --methods all -o methods.html

Dumps of this framework's runs hold all that most methods need, those of a GRPO run included; with the run's own
settings the replay is compared with what the run decided. Dumps of plain verl must have been given log-probs.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from groupwise.dumps.reader import MALFORMED, find_dumps, malformed, read_dump
from groupwise.errors import GroupwiseError
from groupwise.html_page import fill
from groupwise.printable import visible_output
from groupwise.replay import by_step, methods
from groupwise.replay.settings import NORMALIZE, choose, method_of_run, read_settings
from groupwise.terminal import write


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m groupwise.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("dumps", nargs="+", type=Path, help="trainer.rollout_data_dir of a run, or dump files")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--method", metavar="NAME", help="which one (default: that the run trained with, or observed)")
    which.add_argument("--methods", metavar="NAMES", help="compare these, by commas, or all that are installed")
    settings = "settings of the method (with --methods METHOD.KEY=VALUE); others are the run's, else its defaults"
    add("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=settings)
    add("--norm-by-std", dest=NORMALIZE, action=argparse.BooleanOptionalAction, help="the base estimator")
    add("--correct-above", type=float, metavar="SCORE", help="verdicts, where a dump has scores alone")
    add("--json", type=Path, metavar="FILE", help="write all numbers")
    add("--metrics", type=Path, metavar="FILE", help="of one method: write metrics as a run logs them, for the report")
    add("--advantages", type=Path, metavar="FILE.parquet", help="of several: write each response's advantages")
    add("-o", "--output", type=Path, metavar="PAGE.html", help="of several: write a page too")
    given = parser.parse_args(arguments)
    for option in ("advantages", "output") if given.methods is None else ("metrics",):
        if getattr(given, option) is not None:
            parser.error(f"--{option} goes {'with' if given.methods is None else 'without'} --methods")
    return given


def _one(given: argparse.Namespace, files: Sequence[Path], common: Mapping[str, Any]) -> list[str | Table]:
    first = read_dump(files[0], without=by_step.TEXTS)
    name, settings = given.method or method_of_run(first), read_settings(given.set)
    if others := {method for method, _ in settings} - {None, name}:
        raise GroupwiseError(f"--set must name keys of {name}, which is replayed, but names {min(others)}'s.")
    chosen = choose(first, {**{key: value for (_, key), value in settings.items()}, **common}, method=name)
    result = by_step.replay_files(files, chosen, correct_above=given.correct_above)
    if given.json:
        _write_json(given.json, by_step.to_json(chosen, result))
    if given.metrics:
        given.metrics.write_text("".join(json.dumps(record) + "\n" for record in result.records), encoding="utf-8")
    return by_step.describe(first, chosen, result)


def _several(given: argparse.Namespace, files: Sequence[Path], common: Mapping[str, Any]) -> list[str | Table]:
    first = read_dump(files[0], without=by_step.TEXTS)
    names = list(dict.fromkeys(given.methods.split(",")))
    settings = {name: dict(common) for name in (methods.METHODS if names == ["all"] else names)}
    for (method, key), value in read_settings(given.set).items():
        if method not in settings:
            raise GroupwiseError(
                f"--set must be followed by METHOD.{key}=VALUE, of a method that is compared ({', '.join(settings)}), "
                f"but names {method or 'none'}."
            )
        settings[method][key] = value
    chosen, refused = methods.choose_all(first, settings)
    compared = methods.compare(files, chosen, correct_above=given.correct_above)
    compared.lacking.update(refused)
    if given.json:
        _write_json(given.json, methods.to_json(compared, chosen))
    if given.advantages:
        compared.responses.join(compared.advantages).to_parquet(given.advantages, index=False)
    if given.output:
        shown = {"tables": methods.tables(compared), "left_out": compared.lacking.values()}
        given.output.write_text(fill("groupwise.replay", "Methods on one run", **shown), encoding="utf-8")
    return methods.describe(compared)


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


@visible_output()
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; ends with a sentence where dumps or settings cannot be used."""
    given = parse(arguments)
    common = {} if given.normalize_by_std is None else {NORMALIZE: given.normalize_by_std}
    try:
        files = find_dumps(given.dumps)
        told = (_one if given.methods is None else _several)(given, files, common)
    except (GroupwiseError, OSError, *MALFORMED) as error:
        sys.exit(str(malformed(error, given.dumps)))
    write(told)


if __name__ == "__main__":
    main()
