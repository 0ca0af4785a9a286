"""Finds the response and the ground truth of a row under the names that public evaluation outputs give them.

Where two columns may be meant and differ, nothing is guessed: the sentence names the option that says which.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from reward_score.rescore.files import InputError, Row
from reward_score.verdict import one_line, short

RESPONSE_COLUMNS: Final = (
    *("response", "output", "solution_str", "responses", "outputs", "generation", "generations", "completion"),
    *("completions", "prediction", "predictions", "model_output", "model_outputs", "model_response", "generated_text"),
    *("generated_solution", "generated_response", "generated_responses", "llm_output", "raw_output", "resps"),
)
"""`output` is verl's word in its dumps and `responses` in main_generation, `generation` NeMo-Skills', `prediction`
OpenCompass's, `predictions` and `model_response` lighteval's, `model_output` OLMES's, `resps` lm-evaluation-harness's,
`generated_solution` OpenMathInstruct's."""

CHAT_COLUMNS: Final = ("history", "messages", "conversation", "conversations", "convo")
"""A conversation: the response is what its last message says, if that is the model's."""

LAST_RESORT: Final = ("code", "result")
"""Taken where there is none of the others: `code` is what Qwen2.5-Math's evaluation calls its responses."""

VERLS_GROUND_TRUTHS: Final = ("gts", "ground_truth", "reward_model.ground_truth")
"""`gts` is verl's word in its dumps. These are never the model's, so that they go before the others."""

GROUND_TRUTH_COLUMNS: Final = (
    *("expected_answer", "gold", "gold_answer", "gt", "gt_answer", "target", "reference_answer", "correct_answer"),
    *("label", "final_answer", "answer"),
)
"""`expected_answer` is NeMo-Skills' word, `gold` OpenCompass's and lighteval's, `gt` Qwen2.5-Math's, `target`
lm-evaluation-harness's, `label` OLMES's, `final_answer` OlympiadBench's."""

PROMPT_COLUMNS: Final = (
    *("input", "prompt", "full_prompt", "origin_prompt", "question", "problem", "query", "instruction"),
    *("arguments", "doc", *CHAT_COLUMNS),
)

MODELS: Final = frozenset({"assistant", "model", "gpt", "bot", "BOT"})
"""Roles under which a conversation has the model speak."""

MARKER: Final = "####"

MAX_DEPTH: Final = 6


class Columns(NamedTuple):
    """The columns that the user names; "" leaves it to the usual names."""

    response: str = ""
    ground_truth: str = ""


class Responses(NamedTuple):
    """The responses of a row, and whether it may have several, or a single one that is no list."""

    texts: list[str]
    several: bool


def responses_of(row: Row, name: str) -> Responses | None:
    """Finds the responses of a row in the column that the user names, else under the usual names."""
    if name:
        there, value = _named(row, name)
        found = _texts(value) if there else None
        if there and found is None:
            raise _no_text(name, value)
        return found
    chats = {name: chat for name in CHAT_COLUMNS if name in row and (chat := _chat(row[name])) is not None}
    named = [name for name in RESPONSE_COLUMNS if name in row]
    named = named or ([] if chats else [name for name in LAST_RESORT if name in row])
    read = {name: texts for name in named if (texts := _texts(row[name])) is not None} | chats
    if read:
        return _agreed(read)
    if named:
        raise _no_text(named[0], row[named[0]])
    return None


def ground_truth_of(row: Row, name: str) -> tuple[bool, object]:
    """Tells whether a row has a ground truth, and what it is: of GSM8K's worked solutions what follows the `####`."""
    if name:
        return _named(row, name)
    reward_model = row.get("reward_model")
    if reward_model is not None and not isinstance(reward_model, Mapping):
        raise InputError(f"reward_model must be an object, got {short(reward_model)}")
    for name in VERLS_GROUND_TRUTHS:
        there, value = _named(row, name)
        if there:
            return True, value
    # What is true or false says whether the response was right.
    golds = {name: _single(row[name]) for name in GROUND_TRUTH_COLUMNS if not isinstance(row.get(name), bool | None)}
    if not golds and isinstance(row.get("doc"), Mapping):
        golds = _lightevals(cast("Row", row["doc"]))
    if len({str(gold).strip() for gold in golds.values()}) > 1:
        names = " or ".join(golds)
        raise InputError(f"may have its ground truth in {names}, which differ: name one with --ground-truth-column")
    return bool(golds), next(iter(golds.values()), None)


def prompt_of(row: Row) -> str:
    """Gives what is known of a row's prompt, all its texts, "" where there is none."""
    for name in PROMPT_COLUMNS:
        if name in row:
            turns = cast("list[object]", row[name]) if isinstance(row[name], list) else []
            return "\n".join(_strings(turns[:-1] if name in CHAT_COLUMNS and _chat(turns) else row[name]))
    return ""


def missing(what: str, columns: Sequence[str], row: Row, *, also: str = "") -> InputError:
    """Says that a row lacks its "response" or "ground truth", and which options name one."""
    has = one_line(", ".join(row) or "none", 160)
    return InputError(
        f"must have a {what} in the column {' or '.join(columns)}{also}, has {has}: name the columns with"
        " --response-column and --ground-truth-column"
    )


def _agreed(read: Mapping[str, Responses]) -> Responses:
    """Several columns may hold the same responses, or one of them all and another the one that was chosen."""
    name = max(read, key=lambda name: len(read[name].texts))
    widest = {text.strip() for text in read[name].texts}
    others = [other for other, found in read.items() if not {text.strip() for text in found.texts} <= widest]
    if others:
        raise InputError(
            f"may have its response in {' or '.join([name, *others])}, which differ: name one with --response-column"
        )
    return read[name]


def _named(row: Row, name: str) -> tuple[bool, object]:
    """Looks a column up, or with a point in its name a field within one."""
    if name in row:
        return True, row[name]
    outer, _, inner = name.partition(".")
    fields = row.get(outer)
    return _named(cast("Row", fields), inner) if inner and isinstance(fields, Mapping) else (False, None)


def _no_text(name: str, value: object) -> InputError:
    return InputError(f"{name} must be a text or a list of texts, got {short(value)}")


def _texts(value: object, depth: int = 0) -> Responses | None:
    if isinstance(value, str):
        return Responses([value], several=False)
    if isinstance(value, Mapping):
        fields = cast("Row", value)
        inner = next((fields[key] for key in ("text", "content", "continuation", "generation") if key in fields), None)
        return _texts(inner, depth + 1) if depth < MAX_DEPTH else None
    items = cast("list[object]", value) if isinstance(value, list) else []
    if items and isinstance(items[-1], Mapping) and (said := _chat(items)) is not None:
        return said
    # One of several is a text, an object with one or, with lm-evaluation-harness, a list of texts.
    found = [_texts(item, depth + 1) if depth < MAX_DEPTH else None for item in items]
    texts = [text for each in found if each is not None for text in each.texts]
    return Responses(texts, several=True) if found and None not in found else None


def _chat(value: object) -> Responses | None:
    """What the model says last: of messages, of ShareGPT's turns, of pairs of question and answer, or of plain text."""
    if isinstance(value, str):
        return Responses([value], several=False)
    turns = cast("list[Any]", value) if isinstance(value, list) else []
    last = turns[-1] if turns else None
    if isinstance(last, Mapping):
        said = cast("Mapping[str, Any]", last)
        if said.get("role", said.get("from")) not in MODELS:
            return None
        content = said.get("content", said.get("value", said.get("prompt")))
        if isinstance(content, list):
            parts = [cast("Row", part) for part in cast("list[object]", content) if isinstance(part, Mapping)]
            content = "".join(str(part["text"]) for part in parts if part.get("text") is not None)
        return Responses([content], several=False) if isinstance(content, str) else None
    pair = cast("list[Any]", last) if isinstance(last, list) else []
    is_pairs = len(pair) == 2 and all(isinstance(turn, list) and len(cast("list[Any]", turn)) == 2 for turn in turns)
    return Responses([pair[1]], several=False) if is_pairs and isinstance(pair[1], str) else None


def _single(gold: object) -> object:
    """A list of one is that one, as lighteval and OlympiadBench write it; a worked solution of GSM8K is its answer."""
    for _ in range(MAX_DEPTH):
        items = cast("list[object]", gold) if isinstance(gold, list) else []
        gold = items[0] if len(items) == 1 else cast("object", gold)
    if isinstance(gold, str) and MARKER in gold:
        answer = gold.rpartition(MARKER)[2].strip()
        return answer if answer and "\n" not in answer else gold
    return gold


def _lightevals(doc: Row) -> dict[str, object]:
    choices, index = doc.get("choices"), _single(doc.get("gold_index"))
    known = cast("list[object]", choices) if isinstance(choices, list) else []
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(known):
        return {}
    return {"doc.choices": _single(known[index])}


def _strings(value: object, depth: int = 0) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner: Sequence[object] = []
    if isinstance(value, Mapping):
        fields = cast("Row", value)
        # Of a message what it says, not its role.
        said = [fields[key] for key in ("content", "value", "prompt", "text") if key in fields]
        inner = said[:1] or list(fields.values())
    elif isinstance(value, list):
        inner = cast("list[object]", value)
    return [text for item in inner for text in _strings(item, depth + 1)] if depth < MAX_DEPTH else []
