"""GSM8K, from its authors' JSON lines or from the hub.

    python -m data_prep.gsm8k --input DIR|FILE...|openai/gsm8k --output DIR

Prompt and row follow verl's examples/data_preprocess/gsm8k.py: the question, then the request to end with "####" and
the answer. The ground truth is the number after the reference solution's last "####", without commas.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from data_prep.errors import DataError, exit_code_of
from data_prep.hub import is_hub_name, load_splits
from data_prep.jsonl import Record, read_jsonl, text_field
from data_prep.schema import LocatedRow, make_row, write_parquet

DATA_SOURCE: Final = "openai/gsm8k"
HUB_CONFIG: Final = "main"
SPLITS: Final = ("train", "test")
INSTRUCTION: Final = 'Let\'s think step by step and output the final answer after "####".'

_GOLD = re.compile(r"####[ ]*(-?[0-9][0-9,]*(?:\.[0-9]+)?)\s*\Z")


def rows(records: Iterable[Record], split: str) -> Iterator[LocatedRow]:
    """Turns GSM8K's records into rows.

    Args:
        records: Fields `question` and `answer`, the latter ending in a line "#### NUMBER".
        split: "train" or "test".

    Yields:
        The rows and where they are from.

    Raises:
        DataError: If a field is missing, not text, or the answer ends otherwise.
    """
    for index, (where, record) in enumerate(records):
        question = text_field(record, "question", where)
        answer = text_field(record, "answer", where)
        gold = _GOLD.search(answer)
        if gold is None:
            raise DataError(f"{where}: 'answer' must end in a line '#### NUMBER', got ...{answer[-40:]!r}")
        yield (
            where,
            make_row(
                data_source=DATA_SOURCE,
                prompt=f"{question} {INSTRUCTION}",
                ability="math",
                ground_truth=gold[1].replace(",", ""),
                reference_response=answer,
                split=split,
                index=index,
                identity=f"{DATA_SOURCE}/{split}/{index}",
                question=question,
            ),
        )


def sources(inputs: Sequence[str]) -> dict[str, Iterable[Record]]:
    """Finds the splits of an input.

    Args:
        inputs: Files named after their split (train.jsonl, test.jsonl), or one folder with such files, or one folder
            as the hub lays datasets out, or one name on the hub.

    Returns:
        The records of each split, by its name; files are read as they are taken.

    Raises:
        DataError: If there is no such thing, or a file is not named after a split or a split is named twice.
    """
    first = Path(inputs[0])
    if len(inputs) == 1 and first.is_dir():
        files = [first / f"{split}.jsonl" for split in SPLITS if (first / f"{split}.jsonl").is_file()]
        return _file_sources(files) if files else load_splits(inputs[0], HUB_CONFIG, SPLITS)
    if len(inputs) == 1 and is_hub_name(inputs[0]) and not first.exists():
        return load_splits(inputs[0], HUB_CONFIG, SPLITS)
    return _file_sources([Path(name) for name in inputs])


def _file_sources(files: Sequence[Path]) -> dict[str, Iterable[Record]]:
    for path in files:
        if not path.is_file():
            raise DataError(
                f"--input must be a folder, files or a name on the hub such as openai/gsm8k, no file {path}"
            )
        if path.stem not in SPLITS:
            raise DataError(f"{path}: must be named after its split, {' or '.join(SPLITS)}: rename the file")
    splits = [path.stem for path in files]
    if len(set(splits)) < len(splits):
        raise DataError(f"--input must give each split once, got {', '.join(map(str, files))}")
    return {path.stem: read_jsonl(path) for path in files}


def _convert(options: argparse.Namespace) -> None:
    found: dict[str, Any] = sources(options.input)
    for split, records in found.items():
        path: Path = options.output / f"{split}.parquet"
        count = write_parquet(rows(records, split), path)
        sys.stdout.write(f"{path}: {count} rows\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Writes train.parquet and test.parquet, as far as the input has the splits.

    Args:
        argv: The command line's arguments, sys.argv's by default.

    Returns:
        The exit code: 1 after a sentence about what is wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m data_prep.gsm8k", description="GSM8K for verl.")
    parser.add_argument(
        "--input",
        nargs="+",
        default=["openai/gsm8k"],
        help="folder with train.jsonl and test.jsonl, such files, or a name on the hub (default openai/gsm8k)",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for train.parquet and test.parquet")
    return exit_code_of(partial(_convert, parser.parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
