"""One row of data_prep's own making: how it is made and proven.

verl concatenates all files of a training run, which asks for one type per column over all sets, so every set has the
same fields, those it has no use for left "" or 0. `extra_info.reference_response` is a response that earns full marks;
a row is proven with it.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict, cast

from data_prep.errors import DataError, UnsolvableError, short
from reward_score import UnknownDataSourceError, VerdictDict, compute_score
from reward_score.verdict import FAILURES, UNPARSABLE_GOLD


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


def make_row(
    *,
    data_source: str,
    prompt: str | Sequence[Message],
    ability: str,
    ground_truth: str,
    reference_response: str,
    split: str,
    identity: str,
    question: str,
    index: int = 0,
    category: str = "",
    difficulty: int = 0,
    prompt_style: str = "",
    answer_format: str = "",
    think: str = "",
) -> Row:
    """Makes a row.

    Args:
        data_source: Selects the verifier.
        prompt: The chat messages, or what the user says.
        ability: verl's word for the kind of task, "math" or "tool".
        ground_truth: What the verifier judges against, as text.
        reference_response: This and the others: see `ExtraInfo`.
        split: Name of the split.
        identity: The row's `id`.
        question: The bare question.
        index: Number of the row in the file; a conversion numbers the rows that it keeps itself.
        category: "" without one.
        difficulty: 0 without one.
        prompt_style: "" without one.
        answer_format: "" for the data source's own.
        think: "" for the data source's own.

    Returns:
        The row; `write_parquet` checks it.
    """
    return {
        "data_source": data_source,
        "prompt": [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt),
        "ability": ability,
        "reward_model": {"style": "rule", "ground_truth": ground_truth},
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


def prove_row(row: Mapping[str, object], where: str) -> VerdictDict:
    """Shows that a row can be solved: its own reference response must score 1 under the training reward.

    Args:
        row: A row that `data_prep.reading.check_row` has passed.
        where: Where it is from, for the sentence.

    Returns:
        The verdict on the reference response.

    Raises:
        UnsolvableError: If the ground truth cannot be judged against, or the response is missing or judged wrong.
        DataError: If nothing judges the data source.
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
    """Judges a row's reference response, an empty one where it brings none, as another maker's row may.

    Args:
        row: A row that `data_prep.reading.check_row` has passed.
        where: Where it is from, for the sentence.

    Returns:
        The verdict.

    Raises:
        UnsolvableError: If the ground truth cannot be judged against.
        DataError: If nothing judges the data source, or its verifier fails.
    """
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
    return verdict
