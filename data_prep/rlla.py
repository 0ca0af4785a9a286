"""ToolRL's data (Qian et al., arXiv 2504.13958): dialogues that want tool calls, a text, or both.

    python -m data_prep.rlla --input DIR|FILE...|emrecanacikgoz/ToolRL --output DIR

Read are the authors' parquet files (dataset/rlla_4k/train.parquet, test.parquet) and their raw JSON
(dataset/rlla_4k_raw/rlla_rl.json: instruction, input, output). Raw JSON is shuffled and split as their
dataset/rlla_4k_raw/rlla.py does it: numpy's legacy shuffle with seed 31415, the last 2% for test.

The prompt is the authors' own, which holds the tools as text; the ground truth is the whole reference answer.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from data_prep.command import Part, asked_input, converter_parser, run, split_parts
from data_prep.conversion import Rows, make_rows, numbered
from data_prep.errors import DataError, short
from data_prep.fields import checked_text, mapping, text_field
from data_prep.files import kind_of
from data_prep.inputs import TEST, TRAIN, Split, names_split
from data_prep.records import Fault, Record, read_files
from data_prep.schema import Row, make_row
from data_prep.tool_prompts import add_think_option

DATA_SOURCE: Final = "rlla"
STYLE: Final = "toolrl"
LICENCE: Final = "Apache-2.0 (ToolRL); rows from ToolACE (Apache-2.0), xLAM-60k (CC-BY-4.0, Salesforce) and Hammer"
RAW_NAMES: Final = ("rlla_rl.json", "rlla_rl.json.gz")


def read_dialogue(record: Record) -> tuple[str, str, str]:
    """Reads how the model is instructed, what was said so far, and the reference answer.

    They stand in `prompt` and `reward_model` as verl has them, or in `instruction`, `input` and `output`.
    """
    prompt = record.fields.get("prompt")
    if prompt is None:
        return text_field(record, "instruction"), text_field(record, "input"), text_field(record, "output")
    messages = cast("list[Any]", prompt) if isinstance(prompt, list) else []
    contents: list[str] = []
    for role, message in zip(("system", "user"), messages, strict=False):
        fields = mapping(message, f"the {role} message", record.where)
        if fields.get("role") == role:
            contents.append(checked_text(fields.get("content"), f"the {role} message's content", record.where))
    if len(messages) != 2 or len(contents) != 2:
        raise DataError(
            f"{record.where}: 'prompt' must be a system and a user message, got {short(cast('object', prompt))}"
        )
    reward_model = mapping(record.fields.get("reward_model"), "'reward_model'", record.where)
    output = checked_text(reward_model.get("ground_truth"), "reward_model.ground_truth", record.where)
    return contents[0], contents[1], output


def make_rlla_row(split: str, think: str, record: Record, identity: str) -> Row:
    """Makes the row of a record; `think` is one of THINKING."""
    instruction, history, output = read_dialogue(record)
    return make_row(
        data_source=DATA_SOURCE,
        prompt=[{"role": "system", "content": instruction}, {"role": "user", "content": history}],
        ability="tool",
        ground_truth=output,
        # The reference begins with its thought; where the chat template opens that, the prompt has the opening tag.
        reference_response=output.lstrip().removeprefix("<think>") if think == "opened" else output,
        split=split,
        identity=identity,
        question=history,
        prompt_style=STYLE,
        think=think,
    )


def split_raw(raw: Path, share: float, seed: int) -> dict[str, Split]:
    """Splits the authors' raw JSON as they do: shuffled by a seed, a share of the records for test."""
    if not 0 < share < 1:
        raise DataError(f"--test-share must lie between 0 and 1, got {share}")
    if not 0 <= seed < 2**32:
        raise DataError(f"--seed must lie between 0 and 2**32 - 1, got {seed}")
    count = sum(1 for _ in read_files([raw]))
    order = np.arange(count)
    np.random.RandomState(seed).shuffle(order)
    held_out = int(count * share)
    if not 0 < held_out < count:
        raise DataError(f"{raw}: must have records for both splits, {share} of {count} are {held_out} for test")
    chosen = {TRAIN: order[:-held_out].tolist(), TEST: order[-held_out:].tolist()}
    return {name: Split(partial(_in_order, raw, numbers), (raw,)) for name, numbers in chosen.items()}


def _in_order(raw: Path, numbers: Sequence[int]) -> Iterator[Record | Fault]:
    records = list(read_files([raw]))
    for number, chosen in enumerate(numbers):
        record = records[chosen]
        yield record if isinstance(record, Fault) else record._replace(number=number)


def _find(options: argparse.Namespace) -> dict[str, Split]:
    raw = Path(options.input[0])
    raw = next((path for name in RAW_NAMES if (path := raw / name).is_file()), raw)
    names_none = not any(names_split(raw, split) for split in (TRAIN, TEST))
    text = kind_of(raw) in ("json", "jsonl")
    if len(options.input) == 1 and raw.is_file() and text and names_none and not options.split:
        return split_raw(raw, options.test_share, options.seed)
    return asked_input(options, TRAIN, TEST)


def _plan(options: argparse.Namespace) -> list[Part]:
    def rows(split: Split, name: str) -> Rows:
        return make_rows(split.records, numbered(DATA_SOURCE, name), partial(make_rlla_row, name, options.think))

    return split_parts(_find(options), rows, LICENCE)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = converter_parser("rlla", "ToolRL's data for verl.", hub_name="emrecanacikgoz/ToolRL")
    add_think_option(parser, "asked")
    add = parser.add_argument
    add("--test-share", type=float, default=0.02, help="of raw JSON, for test.parquet (default %(default)s)")
    add("--seed", type=int, default=31415, help="shuffles raw JSON (default %(default)s, the authors')")
    return run(parser, _plan, argv)


if __name__ == "__main__":
    sys.exit(main())
