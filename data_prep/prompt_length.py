"""Prompts as the model's chat template renders them, and their lengths in tokens, as verl measures them."""

# transformers brings little type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from data_prep.errors import DataError

Message = Mapping[str, Any]
Measure = Callable[[Sequence[Message]], int]

ALIKE: Final = 4
"""Conversations of one make-up that are rendered, at a millisecond each, to see whether the template takes it."""


def load_tokenizer(name: str) -> Any:
    """Loads transformers' tokenizer of a model, given by its folder or its name on the hub."""
    from transformers import AutoTokenizer  # slow to import

    try:
        loaded: Any = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"--tokenizer must be a model's folder or its name on the hub, got {name}: {reason}") from error
    if not loaded.chat_template:
        raise DataError(f"--tokenizer must have a chat template, {name} has none: take the model's instruct version")
    return loaded


class Rendering:
    """Renders conversations by a chat template, and remembers which make-ups, by roles and kinds of content, came out.

    `template_options` are verl's data.apply_chat_template_kwargs.
    """

    def __init__(self, tokenizer: Any, template_options: Mapping[str, Any] | None = None) -> None:
        self._tokenizer = tokenizer
        self._options = dict(template_options or {})
        self._good: Counter[tuple[object, ...]] = Counter()
        self.remarks: dict[str, str] = {}
        """By kind, what is worth knowing about how conversations come out but is no fault."""

    def __call__(self, conversation: Sequence[Message]) -> str:
        """Returns a conversation's text, the prompt to answer included; DataError where the template refuses it."""
        try:
            return self._render(conversation)
        except Exception as error:  # noqa: BLE001 -- a template may raise anything, and it becomes the sentence
            refusal = error
        # verl tries once more behind an empty message of the user's, which it cuts off again: there are templates that
        # want one (verl/utils/tokenizer/chat_template.py).
        dummy: list[Message] = [{"role": "user", "content": [{"type": "text", "text": ""}]}]
        try:
            return self._render([*dummy, *conversation])[len(self._render(dummy, asking=False)) :]
        except Exception:  # noqa: BLE001 -- as above
            roles = ", ".join(str(message["role"]) for message in conversation)
            raise DataError(f"the chat template must render messages of {roles}, but {refusal}") from refusal

    def _render(self, messages: Sequence[Message], *, asking: bool = True) -> str:
        template = self._tokenizer.apply_chat_template
        return template(messages, add_generation_prompt=asking, tokenize=False, **self._options)

    def is_known(self, conversation: Sequence[Message]) -> bool:
        """Says whether ALIKE conversations of the same make-up came out well."""
        return self._good[tuple(map(_make_up, conversation))] >= ALIKE

    def learn(self, conversation: Sequence[Message]) -> None:
        """Counts a conversation that came out well."""
        self._good[tuple(map(_make_up, conversation))] += 1


def _make_up(message: Message) -> tuple[object, ...]:
    content, calls = message.get("content"), message.get("tool_calls")
    parts = tuple(str(part.get("type")) for part in content) if isinstance(content, list) else ()
    return (message["role"], type(content).__name__, not content, parts, bool(calls))


def make_measure(tokenizer: Any, template_options: Mapping[str, Any] | None = None, *, exact_from: int = 0) -> Measure:
    """Makes a function that counts a conversation's tokens when rendered, the prompt to answer included.

    That is what verl compares with data.max_prompt_length (verl/utils/dataset/rl_dataset.py). A conversation of fewer
    bytes than `exact_from` is not rendered, which takes a millisecond, and counts as many tokens as bytes.
    """
    render = Rendering(tokenizer, template_options)

    def measure(conversation: Sequence[Message]) -> int:
        size = sum(len(str(message.get("content")).encode(errors="replace")) for message in conversation)
        return (
            size if size < exact_from else len(tokenizer(render(conversation), add_special_tokens=False)["input_ids"])
        )

    return measure
