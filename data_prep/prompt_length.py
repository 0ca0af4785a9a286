"""Lengths of prompts in tokens, as verl measures them."""

# transformers brings little type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data_prep.errors import DataError

Measure = Callable[[Sequence[Mapping[str, Any]]], int]


def load_measure(tokenizer: str) -> Measure:
    """Loads a tokenizer.

    Args:
        tokenizer: Folder of a model, or its name on the hub.

    Returns:
        Measures a conversation: the number of its tokens when rendered by the chat template, the prompt to answer
        included, which is what verl compares with data.max_prompt_length (verl/utils/dataset/rl_dataset.py). Raises
        DataError where the template refuses the conversation.

    Raises:
        DataError: If there is no such tokenizer, or it has no chat template.
    """
    from transformers import AutoTokenizer  # slow to import

    try:
        loaded: Any = AutoTokenizer.from_pretrained(tokenizer)
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"--tokenizer must be a model's folder or its name on the hub, got {tokenizer}: {reason}"
        ) from error
    if not loaded.chat_template:
        raise DataError(
            f"--tokenizer must have a chat template, {tokenizer} has none: take the model's instruct version"
        )

    return make_measure(loaded)


def make_measure(tokenizer: Any, template_options: Mapping[str, Any] | None = None) -> Measure:
    """Makes a measure of a tokenizer that is loaded.

    Args:
        tokenizer: transformers' tokenizer, with a chat template.
        template_options: verl's data.apply_chat_template_kwargs, by default none.

    Returns:
        The measure, see `load_measure`.
    """
    # jinja2's errors, the only ones that a template can make, come with transformers.
    from jinja2 import TemplateError

    options = dict(template_options or {})

    def measure(conversation: Sequence[Mapping[str, Any]]) -> int:
        try:
            text = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False, **options)
        except TemplateError as error:
            roles = ", ".join(str(message["role"]) for message in conversation)
            raise DataError(f"the chat template must render messages of {roles}, but {error}") from error
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return measure
