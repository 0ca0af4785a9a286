"""The rows and the parquet file that data_prep writes: how a row is made and proven, how a file is written and read.

verl concatenates all files of a training run, which asks for one type per column over all sets, so every set has the
same fields, those it has no use for left "" or 0. `extra_info.reference_response` is a response that earns full marks;
a row is proven with it.
"""

# pyarrow brings no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypedDict, cast

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import DataError, UnsolvableError, short
from data_prep.fields import bare_answer
from data_prep.files import staged
from data_prep.opening import ROWS_PER_GROUP, open_file
from data_prep.reading import Reading, check_row, column_faults
from reward_score import UnknownDataSourceError, VerdictDict, compute_score
from reward_score.math import final_number
from reward_score.math.verify import verify_answer_line, verify_boxed, verify_number
from reward_score.registry import find_verifier
from reward_score.verdict import FAILURES, UNPARSABLE_GOLD, alternatives


class Message(TypedDict):
    """One chat message."""

    role: str
    content: str


class RewardModel(TypedDict):
    """What the verifier judges against; `style` is "rule" throughout."""

    style: str
    ground_truth: str


class ExtraInfo(TypedDict):
    """What a row knows beside prompt and ground truth.

    `split` is "train", "val" or "test". `index` counts from 0 within the file; `id` is unique over all sets and names
    the record in its source. `category` and `difficulty` are the set's own ("" and 0 where it has none).
    `question` is the bare question, `reference_response` a response that scores 1. `prompt_style` is how it is asked,
    `answer_format` where the answer to a math problem stands ("boxed", "answer_line", "hash"), "calls" with tool calls
    of a user's own, else ""; `think` whether a response to a tool row has to think ("asked", "opened", "none", else
    ""): the verifiers read these.
    """

    split: str
    index: int
    id: str
    category: str
    difficulty: int
    question: str
    reference_response: str
    prompt_style: str
    answer_format: str
    think: str


class Row(TypedDict):
    """One prompt, as verl's RLHFDataset reads it."""

    data_source: str
    prompt: list[Message]
    ability: str
    reward_model: RewardModel
    extra_info: ExtraInfo


LocatedRow = tuple[str, Row]
"""Where a row is from (file and line, say), for the sentence about a fault, and the row."""


def _struct(annotated: type) -> Any:
    types: dict[type, Any] = {str: pa.string(), int: pa.int64()}
    return pa.struct([pa.field(name, types[kind], nullable=False) for name, kind in annotated.__annotations__.items()])


SCHEMA: Final = pa.schema(
    [
        pa.field("data_source", pa.string(), nullable=False),
        pa.field("prompt", pa.list_(pa.field("element", _struct(Message), nullable=False)), nullable=False),
        pa.field("ability", pa.string(), nullable=False),
        pa.field("reward_model", _struct(RewardModel), nullable=False),
        pa.field("extra_info", _struct(ExtraInfo), nullable=False),
    ]
)


def make_row(
    *,
    data_source: str,
    prompt: str | Sequence[Message],
    ground_truth: str | float | Sequence[str | float],
    split: str,
    identity: str,
    question: str,
    ability: str = "math",
    reference_response: str | None = None,
    index: int = 0,
    category: str = "",
    difficulty: int = 0,
    prompt_style: str = "",
    answer_format: str = "",
    think: str = "",
) -> Row:
    """Makes a row, which `write_parquet` checks.

    `prompt` is the chat messages, or what the user says; `ground_truth` an answer, or several any of which is right;
    `ability` verl's word for the kind of task, "math" or "tool"; `identity` the `id` of `ExtraInfo`, which describes
    the rest. Without a `reference_response` it is the answer where `answer_format` has it.
    """
    answers = [str(one) for one in ([ground_truth] if isinstance(ground_truth, str | float | int) else ground_truth)]
    if not answers:
        raise DataError(f"{identity}: ground_truth must be an answer, or several, got none")
    if reference_response is None:
        reference_response = REFERENCE_ANSWERS.get(answer_format, "%s") % answers[0]
    return {
        "data_source": data_source,
        "prompt": [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt),
        "ability": ability,
        "reward_model": {"style": "rule", "ground_truth": several(answers)},
        "extra_info": {
            "split": split,
            "index": index,
            "id": identity,
            "category": category,
            "difficulty": difficulty,
            "question": question,
            "reference_response": reference_response,
            "prompt_style": prompt_style,
            "answer_format": answer_format,
            "think": think,
        },
    }


def several(answers: Sequence[str]) -> str:
    """Writes answers any of which is right as one ground truth."""
    distinct = list(dict.fromkeys(answers))
    return distinct[0] if len(distinct) == 1 else json.dumps({"any": distinct}, ensure_ascii=False)


def prove_row(row: Mapping[str, object], where: str) -> VerdictDict:
    """Shows that a row can be solved: its own reference response must score 1 under the training reward.

    Takes rows that `check_row` has passed, and returns the verdict on the reference response. Raises UnsolvableError if
    the ground truth cannot be judged against, or the response is missing or judged wrong.
    """
    verdict = judge_row(row, where)
    if verdict["acc"] != 1.0:
        gold = cast("RewardModel", row["reward_model"])["ground_truth"]
        raise UnsolvableError(
            f"{where}: extra_info.reference_response must score 1 against the ground truth {short(gold)},"
            f" got {verdict['acc']:g} ({verdict['reason']}): correct or drop the row"
        )
    return verdict


def judge_row(row: Mapping[str, object], where: str) -> VerdictDict:
    """Judges a row's reference response, "" where it has none, as another maker's row may; see `prove_row`."""
    extra_info = cast("Mapping[str, object]", row.get("extra_info") or {})
    response = str(extra_info.get("reference_response") or "")
    gold = cast("RewardModel", row["reward_model"])["ground_truth"]
    try:
        verdict = compute_score(cast("str", row["data_source"]), response, gold, extra_info)
    except UnknownDataSourceError as error:
        raise DataError(f"{where}: {error}") from error
    if verdict["reason"].startswith(FAILURES):
        kind = UnsolvableError if verdict["reason"].startswith(UNPARSABLE_GOLD) else DataError
        raise kind(f"{where}: {verdict['reason']}")
    _prove_anew(row, gold, where)
    return verdict


def _prove_anew(row: Mapping[str, object], gold: object, where: str) -> None:
    """Where a value is judged, a response that gives it must be right, and not only one that repeats the gold."""
    source, extra_info = cast("str", row["data_source"]), cast("Mapping[str, object]", row.get("extra_info") or {})
    if find_verifier(source, extra_info).verifier not in VALUE_VERIFIERS:
        return
    for one in filter(lambda one: isinstance(one, str), alternatives(gold)):
        answer = bare_answer(cast("str", one), "the ground truth", where).strip()
        if answer == cast("str", one).strip():
            continue
        responses = [form % answer for form in REFERENCE_ANSWERS.values()]
        if not any(compute_score(source, response, gold, extra_info)["acc"] == 1.0 for response in responses):
            raise UnsolvableError(
                f"{where}: the ground truth must be an answer that a response can give, but {short(answer)} is wrong"
                f" for {short(one)}: write the answer alone"
            )


REFERENCE_ANSWERS: Final = {"boxed": r"\boxed{%s}", "answer_line": "Answer: %s", "hash": "#### %s"}
"""The end of a right response, by `answer_format`."""

VALUE_VERIFIERS: Final = (verify_boxed, verify_answer_line, verify_number, final_number.verify)


def check_made_row(row: Row, where: str) -> None:
    """Refuses a row unless it is as verl reads it and has SCHEMA's fields, neither more nor less."""
    _check_fields(row, Row, where)
    check_row(row, where)
    _check_fields(row["extra_info"], ExtraInfo, f"{where}: extra_info")


def _check_fields(fields: Mapping[str, object], annotated: type, where: str) -> None:
    # pyarrow would drop a further field, and fill a missing one with null, without a word.
    wanted = annotated.__annotations__
    if fields.keys() != wanted.keys():
        raise DataError(f"{where}: must have exactly the fields {', '.join(wanted)}, got {', '.join(fields)}")


def write_parquet(rows: Iterable[LocatedRow | Row], path: Path | str) -> int:
    """Writes rows to a file, each checked and proven, and returns their number; see `write_rows`.

    They are numbered (`index`) in their order.
    """
    ids: set[str] = set()

    def proven() -> Iterator[Row]:
        for number, item in enumerate(rows):
            where, row = item if isinstance(item, tuple) else (f"row {number}", item)
            check_made_row(row, where)
            identity = row["extra_info"]["id"]
            if identity in ids:
                raise DataError(f"{where}: the id {identity} must occur once, it occurred before: number the rows")
            ids.add(identity)
            prove_row(row, where)
            yield {**row, "extra_info": {**row["extra_info"], "index": number}}

    return write_rows(proven(), Path(path))


def write_rows(rows: Iterable[Row], path: Path) -> int:
    """Writes rows that `check_made_row` has passed, a row group at a time, and returns their number.

    The same rows give the same bytes. The file appears under its name when it is whole; its folder is made.
    """
    count, remaining = 0, iter(rows)
    with staged(path.parent) as folder:
        with pq.ParquetWriter(folder / path.name, SCHEMA, compression="zstd") as writer:
            while group := list(islice(remaining, ROWS_PER_GROUP)):
                try:
                    writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
                except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
                    ends = f"{group[0]['extra_info']['id']} to {group[-1]['extra_info']['id']}"
                    raise DataError(f"{ends}: a row must fit data_prep.schema, but {error}") from error
                count += len(group)
        if count == 0:
            raise DataError(f"{path}: a data file must have at least one row, the input gave none")
    return count


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Reads the rows of a parquet, JSON or JSON Lines file, with all their columns, as verl does."""
    with open_file(path) as file:
        for fault in column_faults(file.columns, Reading()):
            raise DataError(f"{path}: {fault}")
        yield from file.rows
