"""What verl needs of a data file: what it would stop at, or train on otherwise than the file says.

verl's dataset hands every column of a row on to an agent loop, which renders the prompt, and from there to a reward
manager. What is refused here was seen to stop or to mislead these; tests/data_prep/test_verl_layouts.py
holds the two against one another, file by file. What only a verifier needs is asked for only where one judges.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, cast, get_args

import numpy as np

from data_prep.errors import DataError, short
from data_prep.prompt_length import Rendering

ROLES: Final = ("system", "user", "assistant", "tool")
"""What chat templates know; one that a model's own template renders is good as well."""

MEDIA: Final = ("image", "video", "audio")
"""verl looks for `<image>` in a message's text, and for a column `images`, or what data.image_key names; so for all."""

TAKEN: Final = frozenset(
    {"self", "sampling_params", "trajectory", "trace", "session_id", "output", "validate"}
    | {"prompts", "responses", "response_mask", "rm_scores", "rollout_log_probs", "routed_experts"}
    | {"extra_fields", "num_turns", "metrics", "teacher_ids", "teacher_logprobs"}
)
"""Arguments of verl's agent loop, which every column of a row is passed to by name, and what it stores of a response
before it stores the columns."""


Judge = Literal["verifiers", "function", "model"]
"""Who rewards a response, and so what a row must bring beside its prompt: reward_score, a data source that has a
verifier and a ground truth that this takes; another reward function, any data source and ground truth; a reward model,
or a reward manager of one's own, nothing that is known."""

JUDGES: Final[tuple[Judge, ...]] = get_args(Judge)


class Reading(NamedTuple):
    """How a run reads its rows: keys of verl's `data`, and what is known of the model (None: nothing)."""

    judge: Judge = "verifiers"
    prompt_key: str = "prompt"
    media_keys: tuple[str, str, str] = ("images", "videos", "audios")
    """data.image_key, video_key and audio_key, in the order of MEDIA."""
    render: Rendering | None = None
    """The model's chat template."""
    takes_media: Callable[[], bool] | None = None
    """Whether the model has a processor for pictures, video or sound."""
    agents: Callable[[], frozenset[str]] | None = None
    """The names of the agent loops that a row may choose; any where None."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a file must have."""
        judged = () if self.judge == "model" else ("data_source", "reward_model")
        return (*judged[:1], self.prompt_key, *judged[1:])


def column_faults(names: Iterable[str], reading: Reading) -> Iterator[str]:
    """Yields what is wrong with the names of a file's columns, without the file's name."""
    there = set(names)
    missing = [name for name in reading.columns if name not in there]
    if missing:
        key = " (data.prompt_key names the prompt's)" if reading.prompt_key in missing else ""
        yield f"must have the columns {', '.join(reading.columns)}, lacks {', '.join(missing)}{key}"
    taken = sorted(there & TAKEN)
    if taken:
        yield (
            "must have no column with the name of something in verl's agent loop, to which all columns are passed, but"
            f" has {', '.join(taken)}: rename or drop it"
        )


def check_row(row: Mapping[str, object], where: str, reading: Reading | None = None) -> None:
    """Checks what verl and the reward need of a row; further columns and further fields of `extra_info` are free."""
    reading = reading or Reading()
    if reading.judge == "verifiers":
        source = row.get("data_source")
        if not isinstance(source, str) or not source.strip():
            raise DataError(f"{where}: data_source must be a text that is not empty, got {short(source)}")
    _check_prompt(row.get(reading.prompt_key), where, reading)
    if reading.judge != "model":
        reward_model = _mapping(row, "reward_model", where)
        if "ground_truth" not in reward_model:
            raise DataError(
                f"{where}: reward_model must have a ground_truth, has {', '.join(reward_model) or 'nothing'}"
            )
    if row.get("extra_info") is not None:
        _mapping(row, "extra_info", where)
    _check_media(row, where, reading)
    _check_passed_on(row, where, reading)


def said(message: Mapping[str, Any]) -> str:
    """Returns the text of a chat message: its content, or the text of its content's parts, and its tool calls.

    Pictures and the like say nothing here.
    """
    content = message.get("content")
    parts = cast("list[Any]", content if isinstance(content, list) else [content])
    texts = [cast("Mapping[str, Any]", part).get("text") if isinstance(part, Mapping) else part for part in parts]
    calls = message.get("tool_calls")
    return "\n".join([text for text in texts if isinstance(text, str)] + ([str(calls)] if calls else []))


def _check_prompt(prompt: object, where: str, reading: Reading) -> None:
    key = reading.prompt_key
    messages = cast("list[object]", prompt) if isinstance(prompt, list) else []
    if not messages:
        raise DataError(f"{where}: {key} must be a list of chat messages, got {short(cast('object', prompt))}")
    for number, message in enumerate(messages):
        _check_message(message, f"{where}: {key}[{number}]", any_role=reading.render is not None)
    known = cast("list[Mapping[str, Any]]", messages)
    role = known[-1]["role"]
    if role == "assistant":
        raise DataError(f"{where}: the last message must be for the model to answer, got one of role {role!r}")
    asking = [message for message in known if message["role"] not in ("system", "developer", "assistant")] or known
    if not any(said(message).strip() or _media_parts(message) for message in asking):
        raise DataError(f"{where}: {key} must ask something, but what it says is empty: {short(known)}")
    if reading.render is not None and not reading.render.is_known(known):
        try:
            _check_rendered(known, reading.render, where)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        reading.render.learn(known)


def _check_message(message: object, place: str, *, any_role: bool) -> None:
    fields = cast("dict[str, object]", message if isinstance(message, Mapping) else {})
    role, content = fields.get("role"), fields.get("content")
    if "role" not in fields or not ("content" in fields or fields.get("tool_calls")):
        raise DataError(f"{place} must be a message with role and content, got {short(cast('object', message))}")
    if not isinstance(role, str) or not role or not (any_role or role in ROLES):
        raise DataError(f"{place}.role must be one of {', '.join(ROLES)}, got {short(role)}")
    if isinstance(content, list):
        for part in cast("list[object]", content):
            if not isinstance(part, Mapping):
                raise DataError(
                    f"{place}: each part of content must have a type and a text or the like, got {short(part)}"
                )
    elif not isinstance(content, str) and (
        content is not None or not (any_role or fields.get("tool_calls") or role == "assistant")
    ):
        raise DataError(f"{place}: content must be a text or a list of parts, got {short(content)}")


def _check_rendered(messages: list[Mapping[str, Any]], render: Rendering, where: str) -> None:
    """A template drops a message of a role that it does not know, or parts that it does not look into, in silence."""
    text = render(messages)
    for number, message in enumerate(messages):
        content = message.get("content")
        if _probe(said({"content": content}), message["role"]) not in text:
            kind = "a list of parts" if isinstance(content, list) else "a text"
            raise DataError(
                f"the chat template must render what every message says, but leaves out that of message {number}, of"
                f" role {message['role']!r} with {kind}: write it as the template reads it"
            )
        parts = cast("list[object]", content) if isinstance(content, list) else []
        if any(str(part) in text for part in parts):
            render.remarks.setdefault(
                "parts", f"{where}: the chat template spells a list of parts as Python does, {short(parts)}"
            )
    if any(message.get("content") is None for message in messages):
        empty = render([{**message, "content": message.get("content") or ""} for message in messages])
        if text.count("None") > empty.count("None"):
            render.remarks.setdefault(
                "null", f"{where}: the chat template says None for content that is null, where '' says nothing"
            )


def _probe(text: str, role: str) -> str:
    """A stretch of a text that comes through any template: thinking is left out of history, quotes may be escaped."""
    if role == "assistant" and "</think>" in text:
        text = text[text.rfind("</think>") + len("</think>") :]
    stretches = "".join(char if char.isalnum() or char == " " else "\n" for char in text[:2000]).split("\n")
    return max((stretch.strip() for stretch in stretches), key=len) or text[:2000].strip()[:1]


def _media_parts(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    parts = cast("list[object]", content) if isinstance(content, list) else []
    kinds = [str(cast("Mapping[str, object]", part).get("type")) for part in parts if isinstance(part, Mapping)]
    return [kind for kind in kinds if kind.startswith(MEDIA)]


def has_media(row: Mapping[str, Any], reading: Reading) -> bool:
    """Says whether a row, which `check_row` has passed, has pictures, video or sound."""
    return any(row.get(key) for key in reading.media_keys) or any(map(_media_parts, row[reading.prompt_key]))


def _check_media(row: Mapping[str, Any], where: str, reading: Reading) -> None:
    """verl puts a row's pictures where its messages' texts say `<image>`, and stops where their numbers differ."""
    if not has_media(row, reading):
        return
    if reading.takes_media is not None and not reading.takes_media():
        raise DataError(
            f"{where}: a row with pictures, video or sound needs a model with a processor for them, which this one has"
            " not: name another model, or drop the row"
        )
    given: dict[str, Any] = {kind: row.get(key) or [] for kind, key in zip(MEDIA, reading.media_keys, strict=True)}
    if not any(given.values()):
        return
    texts = "".join(
        content for message in row[reading.prompt_key] if isinstance(content := message.get("content"), str)
    )
    for kind, found in given.items():
        count = len(cast("list[object]", found)) if isinstance(found, list) else -1
        if texts.count(f"<{kind}>") != count:
            held = f"{count} are given" if count >= 0 else f"no list is given but {short(cast('object', found))}"
            raise DataError(
                f"{where}: the texts of {reading.prompt_key} must say <{kind}> once for each {kind} that the row has,"
                f" but say it {texts.count(f'<{kind}>')} times, and {held}"
            )


def _check_passed_on(row: Mapping[str, object], where: str, reading: Reading) -> None:
    """verl makes a numpy array of each value for the reward, and reads two columns of its own."""
    extra_info = cast("Mapping[str, object]", row.get("extra_info") or {})
    passed = {name: value for name, value in row.items() if name not in reading.media_keys}
    if reading.judge != "model":
        for name, value in (*passed.items(), ("extra_info.index", extra_info.get("index"))):
            if isinstance(value, list) and any(isinstance(item, list) for item in cast("list[object]", value)):
                try:
                    np.array([cast("Any", value)])
                except ValueError:
                    raise DataError(
                        f"{where}: {name} must hold lists of equal length, or verl cannot pass it on to the"
                        f" reward, got {short(cast('object', value))}: drop the column or write it as text"
                    ) from None
    if "agent_name" in row and reading.agents is not None and row["agent_name"] not in reading.agents():
        known = ", ".join(sorted(reading.agents()))
        raise DataError(
            f"{where}: agent_name must name an agent loop that verl knows ({known}), got {short(row['agent_name'])}"
        )
    if "priority" in row:
        try:
            int(cast("Any", row["priority"]))
        except (TypeError, ValueError, OverflowError):
            raise DataError(
                f"{where}: priority, by which verl orders requests, must be a whole number, got"
                f" {short(row['priority'])}: rename the column"
            ) from None


def _mapping(row: Mapping[str, object], name: str, where: str) -> Mapping[str, object]:
    value = row.get(name)
    if not isinstance(value, Mapping):
        raise DataError(f"{where}: {name} must be a struct, got {short(value)}")
    return cast("Mapping[str, object]", value)
