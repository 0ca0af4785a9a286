"""Checks data files before a training starts on them.

    python -m data_prep.validate FILE.parquet... [--tokenizer MODEL [--max-prompt-length N]]

Every row must be as verl reads it, have a verifier and a ground truth that this takes, and its own reference response
must score 1. No id may occur twice, no training file may ask what an evaluation file asks. Printed are a table by data
source and one sentence for each fault; the exit code is 1 if there is one. Files of other makers are checked as far as
they go.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from data_prep.audit import Auditor, FileAudit
from data_prep.errors import DataError, exit_code_of
from data_prep.prompt_length import Measure, load_measure, make_measure

_HEAD = ("data source", "rows", "repeated")
_TOKENS = ("median", "p95", "longest")


def table(audits: Sequence[FileAudit], *, with_lengths: bool) -> list[str]:
    """Makes the table.

    Args:
        audits: What was found in each file.
        with_lengths: Whether prompts were measured.

    Returns:
        Its lines.
    """
    head = [*_HEAD, *(f"{name} tokens" for name in _TOKENS)] if with_lengths else list(_HEAD)
    lines = [head]
    for audit in audits:
        splits = ", ".join(split for split in sorted(audit.splits) if split)
        lines.append([f"{audit.path}{f' ({splits})' if splits else ''}", str(audit.rows), ""])
        for name, source in sorted(audit.sources.items()):
            lengths = sorted(source.lengths)
            numbers = [lengths[len(lengths) // 2], lengths[len(lengths) * 95 // 100], lengths[-1]] if lengths else []
            lines.append([f"  {name}", str(source.rows), str(source.repeated), *map(str, numbers)])
    widths = [max(len(line[column]) for line in lines if column < len(line)) for column in range(len(head))]
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]


def _faults(auditor: Auditor, audits: Sequence[FileAudit]) -> Iterator[str]:
    for audit in audits:
        yield from audit.all_faults()
    yield from auditor.between_files()


def _audit(
    files: Sequence[Path], *, judged_here: bool, measure: Measure | None, max_prompt_length: int | None
) -> tuple[list[FileAudit], list[str]]:
    auditor = Auditor(judged_here=judged_here, measure=measure, max_prompt_length=max_prompt_length)
    audits = [auditor.add(file) for file in files]
    return audits, list(_faults(auditor, audits))


def find_faults(
    files: Sequence[Path],
    *,
    judged_here: bool,
    tokenizer: Any = None,
    template_options: Mapping[str, Any] | None = None,
    max_prompt_length: int | None = None,
) -> list[str]:
    """Checks files that a training is about to read together, for another program.

    Args:
        files: The files, each once.
        judged_here: Whether rewards come from `reward_score`, so that ground truths are checked.
        tokenizer: transformers' tokenizer with a chat template; without one prompts are not measured.
        template_options: verl's data.apply_chat_template_kwargs.
        max_prompt_length: Tokens that a prompt may have, None for any number.

    Returns:
        One sentence for each fault.
    """
    measure = None if tokenizer is None else make_measure(tokenizer, template_options)
    return _audit(files, judged_here=judged_here, measure=measure, max_prompt_length=max_prompt_length)[1]


def _validate(options: argparse.Namespace) -> None:
    files: list[Path] = options.files
    if len({file.resolve() for file in files}) < len(files):
        raise DataError(f"each file must be given once, got {', '.join(map(str, files))}")
    if options.max_prompt_length is not None and options.tokenizer is None:
        raise DataError("--max-prompt-length counts tokens, so it needs --tokenizer: give the model to be trained")
    audits, faults = _audit(
        files,
        judged_here=not options.judged_elsewhere,
        measure=None if options.tokenizer is None else load_measure(options.tokenizer),
        max_prompt_length=options.max_prompt_length,
    )
    sys.stdout.writelines(f"{line}\n" for line in table(audits, with_lengths=options.tokenizer is not None))
    sys.stdout.flush()
    if faults:
        raise DataError("\n".join(faults))


def main(argv: Sequence[str] | None = None) -> int:
    """Checks files and prints what is in them.

    Args:
        argv: The command line's arguments, sys.argv's by default.

    Returns:
        The exit code: 1 after a sentence for each fault.
    """
    parser = argparse.ArgumentParser(prog="python -m data_prep.validate", description="Checks data files for verl.")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.parquet")
    parser.add_argument("--tokenizer", metavar="MODEL", help="measure prompts with this model's tokenizer and template")
    parser.add_argument("--max-prompt-length", type=int, metavar="N", help="tokens that a prompt may have")
    parser.add_argument(
        "--judged-elsewhere",
        action="store_true",
        help="rewards come from another reward function, so that data sources and ground truths are not checked",
    )
    return exit_code_of(partial(_validate, parser.parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
