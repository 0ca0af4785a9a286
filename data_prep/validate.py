"""Checks data files before a training starts on them.

    python -m data_prep.validate FILE... [--train FILE...] [--val FILE...] [--tokenizer MODEL [--max-prompt-length N]]

Every row must be as verl reads it and have a verifier that takes its ground truth, unless another function or a model
judges (--judged-by); no training file may ask what an evaluation file asks. In files that data_prep made, every
reference response must score 1, and no id may occur twice. Printed are a table by data source, notes, and one sentence
for each kind of fault; the exit code is 1 if there is one.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from data_prep import command
from data_prep.audit import Auditor, FileAudit
from data_prep.errors import DataError
from data_prep.opening import open_file
from data_prep.prompt_length import Measure, Rendering, load_tokenizer, make_measure
from data_prep.reading import JUDGES, Judge, Reading
from reward_score import plugins

__all__ = [
    "Findings",
    "Judge",
    "Reading",
    "Rendering",
    "examine",
    "load_verifiers",
    "main",
    "make_measure",
    "peek",
    "table",
]


def table(audits: Sequence[FileAudit], *, with_lengths: bool) -> list[str]:
    """Returns the lines of the table."""
    lengths_of = ["median tokens", "p95 tokens", "longest tokens"] if with_lengths else []
    lines = [["data source", "rows", "repeated", *lengths_of]]
    for audit in audits:
        splits = ", ".join(split for split in sorted(audit.splits) if split)
        lines.append([f"{audit.path}{f' ({splits})' if splits else ''}", str(audit.rows), ""])
        for name, source in sorted(audit.sources.items()):
            lengths = sorted(source.lengths)
            numbers = [lengths[len(lengths) // 2], lengths[len(lengths) * 95 // 100], lengths[-1]] if lengths else []
            lines.append([f"  {name}", str(source.rows), str(source.repeated), *map(str, numbers)])
    widths = [max(len(line[column]) for line in lines if column < len(line)) for column in range(len(lines[0]))]
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]


class Findings(NamedTuple):
    """What was found: file by file, one sentence for each kind of fault, and what is worth telling but no fault."""

    audits: list[FileAudit]
    faults: list[str]
    notes: list[str]


def examine(
    files: Mapping[Path, bool | None],
    reading: Reading,
    *,
    measure: Measure | None = None,
    max_prompt_length: int | None = None,
) -> Findings:
    """Checks files that a training is about to read together.

    For each it is said whether it is trained on, None to see that from the file. Prompts are measured where `measure`
    is given, and may have `max_prompt_length` tokens.
    """
    auditor = Auditor(reading, measure=measure, max_prompt_length=max_prompt_length)
    audits = [auditor.add(file, trained_on=trained_on) for file, trained_on in files.items()]
    faults = [fault for audit in audits for fault in audit.all_faults()]
    return Findings(audits, [*faults, *auditor.between_files()], list(auditor.notes()))


def peek(path: Path, rows: int) -> tuple[int, list[dict[str, Any]]] | None:
    """Counts a file's rows and returns the first of them; None where verl cannot read it, of which `examine` tells."""
    try:
        with open_file(path, rows_at_once=rows) as file:
            return file.count, list(islice(file.rows, rows))
    except DataError:
        return None


def load_verifiers(imports: Iterable[str]) -> list[str]:
    """Loads modules that register your own verifiers, for another program: a sentence where one fails or has none."""
    try:
        plugins.load(imports)
    except plugins.VerifierImportError as error:
        return [str(error)]
    return []


def _validate(options: argparse.Namespace) -> None:
    named: list[tuple[Path, bool | None]] = [
        *((file, None) for file in options.files),
        *((file, True) for file in options.train),
        *((file, False) for file in options.val),
    ]
    plugins.load(options.imports)
    if not named:
        raise DataError("a file must be given: python -m data_prep.validate FILE...")
    if len({file.resolve() for file, _ in named}) < len(named):
        raise DataError(f"each file must be given once, got {', '.join(str(file) for file, _ in named)}")
    if options.max_prompt_length is not None and options.tokenizer is None:
        raise DataError("--max-prompt-length counts tokens, so it needs --tokenizer: give the model to be trained")
    tokenizer = None if options.tokenizer is None else load_tokenizer(options.tokenizer)
    reading = Reading(options.judged_by, options.prompt_key, render=None if tokenizer is None else Rendering(tokenizer))
    found = examine(
        dict(named),
        reading,
        measure=None if tokenizer is None else make_measure(tokenizer),
        max_prompt_length=options.max_prompt_length,
    )
    sys.stdout.writelines(f"{line}\n" for line in table(found.audits, with_lengths=tokenizer is not None))
    sys.stdout.writelines(f"note: {note}\n" for note in found.notes)
    sys.stdout.flush()
    if found.faults:
        raise DataError("\n".join(found.faults))


def main(argv: Sequence[str] | None = None) -> int:
    """Checks files and prints what is in them; the exit code is 1 after a sentence for each fault."""
    parser = argparse.ArgumentParser(prog="python -m data_prep.validate", description="Checks data files for verl.")
    add = parser.add_argument
    add("files", type=Path, nargs="*", metavar="FILE", help="parquet, JSON or JSON Lines, as verl reads them")
    named = "files that are trained on, whatever their names"
    add("--train", type=Path, nargs="+", default=[], metavar="FILE", help=named)
    add("--val", type=Path, nargs="+", default=[], metavar="FILE", help="files that are evaluated on")
    add("--tokenizer", metavar="MODEL", help="render and measure prompts with this model's tokenizer and template")
    add("--max-prompt-length", type=int, metavar="N", help="tokens that a prompt may have")
    command.add_import_option(parser)
    add("--prompt-key", default="prompt", metavar="NAME", help="the prompt's column, verl's data.prompt_key")
    add(
        "--judged-by",
        choices=JUDGES,
        default="verifiers",
        help="who rewards: reward_score; another function, to which any data source and ground truth is good; a model,"
        " which reads neither",
    )
    return command.exit_code_of(_validate, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
