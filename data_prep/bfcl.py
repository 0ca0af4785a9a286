"""BFCL v3 (Berkeley Function Calling Leaderboard), from its files, from the hub or from bfcl-eval.

    python -m data_prep.bfcl --input DIR|gorilla-llm/Berkeley-Function-Calling-Leaderboard --output DIR

writes the single-turn rows in Python to train.parquet and val.parquet; with `--split test` all of them go to
test.parquet, to evaluate models that were trained on something else; with `--split whole` all 17 categories go to
whole.parquet, Java, JavaScript and multi-turn too, from the data of bfcl-eval, which judges these.

A random split would leak: questions and function documents recur over the categories. Rows that share a question or a
function document therefore stay on one side. Whoever trains on these rows must not report BFCL as held out.

The verifier needs the functions as BFCL documents them, so the ground truth is a JSON text that holds them beside the
accepted calls; rows that no calls satisfy (four of those in Python) are dropped.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final, cast

from data_prep.bfcl_evaluated import EVALUATED
from data_prep.bfcl_files import Entry, Source, files_of, find_sources, read_entries
from data_prep.bfcl_rows import make_bfcl_row, question_text, read_messages
from data_prep.command import Part, converter_parser, run
from data_prep.conversion import make_rows
from data_prep.errors import DataError
from data_prep.hub import HubSet, download_files, is_on_hub, pinned
from data_prep.inputs import TEST, TRAIN, VAL
from data_prep.question import digest, question_digest
from data_prep.records import Fault
from data_prep.tool_prompts import TOOL_STYLES, add_think_option
from reward_score.tool_calls.bfcl import library
from reward_score.tool_calls.bfcl.gold import CATEGORIES

HUB_NAME: Final = "gorilla-llm/Berkeley-Function-Calling-Leaderboard"
WHOLE: Final = "whole"
LICENCE: Final = "Apache-2.0 (ShishirPatil/gorilla)"


def group_by_shared(keys: Mapping[str, Iterable[int]]) -> dict[str, str]:
    """Puts records into groups so that two with a key in common, directly or through others, are in one.

    Takes the keys of each record by its id, and returns for each id the smallest id of its group.
    """
    leader: dict[str, str] = {}

    def find(identity: str) -> str:
        while leader[identity] != identity:
            leader[identity] = leader[leader[identity]]
            identity = leader[identity]
        return identity

    first_with: dict[int, str] = {}
    for identity, having in keys.items():
        leader[identity] = identity
        for key in having:
            one, other = sorted((find(identity), find(first_with.setdefault(key, identity))))
            leader[other] = one
    return {identity: find(identity) for identity in keys}


def is_held_out(group: str, share: float, seed: int) -> bool:
    """Says whether a group is among the share of groups, in [0, 1], for validation, whatever other groups there are."""
    return int.from_bytes(blake2b(f"{seed} {group}".encode(), digest_size=8).digest(), "big") < share * 2**64


def held_out_ids(sources: Sequence[Source], share: float, seed: int) -> frozenset[str]:
    """Chooses a share of the groups of rows that share a question or a function document, in [0, 1], for validation.

    Returns their ids, from which those of rows that are at fault may be missing.
    """
    keys: dict[str, set[int]] = {}
    for entry in read_entries(sources):
        if isinstance(entry, Entry):
            try:
                shared = [question_digest(question_text(read_messages(entry.record)))]
                functions = entry.record.fields.get("function")
                if isinstance(functions, list):
                    documents = cast("list[object]", functions)
                    shared += [digest(json.dumps(document, sort_keys=True)) for document in documents]
                keys.setdefault(entry.identity, set()).update(shared)
            except (DataError, RecursionError):
                continue  # told when its row is made
    groups = group_by_shared(keys)
    return frozenset(identity for identity, group in groups.items() if is_held_out(group, share, seed))


def _entries_of(sources: Sequence[Source], held_out: frozenset[str], split: str) -> Iterator[Entry | Fault]:
    for entry in read_entries(sources):
        # What is at fault stands on no side; it is told with the training rows.
        in_val = isinstance(entry, Entry) and entry.identity in held_out
        if split == TEST or in_val == (split == VAL):
            yield entry


def _plan(options: argparse.Namespace) -> list[Part]:
    if not 0 < options.val_share < 1:
        raise DataError(f"--val-share must lie between 0 and 1, got {options.val_share}")
    if options.hub_config is not None:
        raise DataError("--hub-config does not apply: BFCL's files are downloaded as they are")
    inputs, origin = options.input, None
    known = (*CATEGORIES, *EVALUATED) if options.split == WHOLE else CATEGORIES
    if unknown := [name for name in options.categories or () if name not in known]:
        raise DataError(f"--categories {' '.join(unknown)} must come with --split {WHOLE}: they are evaluated only")
    if options.split == WHOLE and inputs == [HUB_NAME]:
        inputs = [str(_installed() / "data")]
    if is_on_hub(inputs):
        origin = pinned(HubSet(inputs[0], None, options.hub_revision))
        patterns = [f"{folder}BFCL_v*_{name}.json" for folder in ("", "possible_answer/") for name in known]
        inputs = [str(download_files(origin, patterns))]
    sources = find_sources(inputs, options.categories, known)
    if any(source.category in EVALUATED for source in sources):
        _installed()
    splits = (TRAIN, VAL) if options.split == TRAIN else (TEST,)
    held_out = held_out_ids(sources, options.val_share, options.seed) if VAL in splits else frozenset[str]()
    think = options.think or TOOL_STYLES[options.prompt_style].think

    def part(split: str) -> Part:
        entries = partial(_entries_of, sources, held_out, split)
        make = partial(make_bfcl_row, split, options.prompt_style, think)
        rows = make_rows(entries, lambda entry: entry.identity, make)
        # Evaluation is on all rows, as published; three prompts occur with a call wanted and with none.
        name, read = WHOLE if options.split == WHOLE else split, origin or files_of(sources)
        return Part(name, split, rows, read, LICENCE, dedupe=split != TEST)

    return [part(split) for split in splits]


def _installed() -> Path:
    try:
        return library.require()
    except library.BfclMissingError as error:
        raise DataError(str(error)) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = converter_parser(
        "bfcl",
        "BFCL's rows for verl: single-turn in Python to train on, all categories to evaluate on.",
        hub_name=HUB_NAME,
        styles=TOOL_STYLES,
        style="hermes",
        input_help="a folder with BFCL_v3_<category>.json and possible_answer/, such files, or a name on the hub",
        splits=(),
    )
    add = parser.add_argument
    add("--categories", nargs="+", choices=(*CATEGORIES, *EVALUATED), metavar="NAME", help="which (default all)")
    add(
        "--split",
        choices=(TRAIN, TEST, WHOLE),
        default=TRAIN,
        help="train: train.parquet and val.parquet; test: all rows in Python, in test.parquet; whole: all 17"
        " categories, in whole.parquet, by default from the installed bfcl-eval (default %(default)s)",
    )
    add("--val-share", type=float, default=0.1, help="share of the groups for validation (default %(default)s)")
    add("--seed", type=int, default=0, help="chooses the groups for validation (default %(default)s)")
    add_think_option(parser)
    return run(parser, _plan, argv)


if __name__ == "__main__":
    sys.exit(main())
