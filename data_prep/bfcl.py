"""BFCL v3 (Berkeley Function Calling Leaderboard), single-turn rows in Python, from its files or from the hub.

    python -m data_prep.bfcl --input DIR|gorilla-llm/Berkeley-Function-Calling-Leaderboard --output DIR

writes train.parquet and val.parquet; with `--split test` all rows go to test.parquet, to evaluate models that were
trained on something else. A random split would leak: questions and function documents recur over the categories. Rows
that share a question or a function document therefore stay on one side. Whoever trains on these rows must not report
BFCL as held out.

The verifier needs the functions as BFCL documents them, so the ground truth is a JSON text that holds them beside the
accepted calls; rows that no calls satisfy (four in v3) are dropped. Java, JavaScript and multi-turn rows are not
judged here and are left out.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Final, cast

from data_prep.bfcl_files import Entry, Source, files_of, find_sources, read_entries
from data_prep.bfcl_rows import make_bfcl_row, question_text, read_messages
from data_prep.command import Converter, Part
from data_prep.conversion import make_rows
from data_prep.errors import DataError
from data_prep.hub import HubSet, download_files, is_on_hub, pinned
from data_prep.inputs import TEST, TRAIN, VAL
from data_prep.question import digest, question_digest
from data_prep.records import Fault
from data_prep.tool_prompts import TOOL_STYLES, add_think_option
from reward_score.tool_calls.bfcl.gold import CATEGORIES

HUB_NAME: Final = "gorilla-llm/Berkeley-Function-Calling-Leaderboard"
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

    Returns their ids, from which those of rows that are at fault may be missing. Raises DataError as `read_entries`
    does.
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
    if is_on_hub(inputs):
        origin = pinned(HubSet(inputs[0], None, options.hub_revision))
        patterns = [f"{folder}BFCL_v*_{name}.json" for folder in ("", "possible_answer/") for name in CATEGORIES]
        inputs = [str(download_files(origin, patterns))]
    sources = find_sources(inputs, options.categories)
    splits = (TEST,) if options.split == TEST else (TRAIN, VAL)
    held_out = held_out_ids(sources, options.val_share, options.seed) if VAL in splits else frozenset[str]()
    think = options.think or TOOL_STYLES[options.prompt_style].think

    def part(split: str) -> Part:
        entries = partial(_entries_of, sources, held_out, split)
        make = partial(make_bfcl_row, split, options.prompt_style, think)
        rows = make_rows(entries, lambda entry: entry.identity, make)
        # Evaluation is on all rows, as published; three prompts occur with a call wanted and with none.
        return Part(split, split, rows, origin or files_of(sources), LICENCE, dedupe=split != TEST)

    return [part(split) for split in splits]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--categories", nargs="+", choices=CATEGORIES, metavar="NAME", help="which (default all)")
    parser.add_argument(
        "--split",
        choices=(TRAIN, TEST),
        default=TRAIN,
        help="train: train.parquet and val.parquet; test: everything in test.parquet (default %(default)s)",
    )
    parser.add_argument(
        "--val-share", type=float, default=0.1, help="share of the groups for validation (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="chooses the groups for validation (default %(default)s)")
    add_think_option(parser)


main = Converter(
    module="bfcl",
    description="BFCL's single-turn rows in Python for verl.",
    plan=_plan,
    hub_name=HUB_NAME,
    styles=TOOL_STYLES,
    style="hermes",
    input_help="a folder with BFCL_v3_<category>.json and possible_answer/, such files, or a name on the hub",
    splits=(),
    add_options=_add_options,
).main

if __name__ == "__main__":
    sys.exit(main())
