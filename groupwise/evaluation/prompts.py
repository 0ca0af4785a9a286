"""From chat messages to the tokens that verl's rollouts begin with.

verl's agent loops build a prompt with the "continuous token" builder of the model's family; the same builder is called
here, so that an evaluated prompt is token for token one of a validation in training.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from groupwise.errors import GroupwiseError
from groupwise.evaluation.checkpoint import first_line
from groupwise.evaluation.sets import EvaluationSet


def load_tokenizer(folder: Path) -> Any:
    """Loads the tokenizer of a model's folder as verl does.

    Raises:
        GroupwiseError: There is none, or it has no chat template.
    """
    from verl.utils import hf_tokenizer

    try:
        tokenizer = hf_tokenizer(str(folder))
    except (OSError, ValueError) as error:
        raise GroupwiseError(f"{folder} must hold a tokenizer, but {first_line(error)}") from error
    if not tokenizer.chat_template:
        raise GroupwiseError(
            f"A model must have a chat template, with which it was trained, but that in {folder} has none; "
            "set chat_template in its tokenizer_config.json."
        )
    return tokenizer


def make_tokenize(
    tokenizer: Any, *, model_type: str, template_options: Mapping[str, Any]
) -> Callable[[Sequence[Sequence[Mapping[str, Any]]]], list[list[int]]]:
    """Makes a function that gives the token ids of conversations, by the chat template, the beginning of the answer
    included; it raises GroupwiseError where the template refuses one.

    verl chooses the builder by the `model_type` of the model's config.json, and takes `template_options` from its
    `data.apply_chat_template_kwargs`.

    Raises:
        GroupwiseError: The tokenizer is not of the model's family.
    """
    from jinja2 import TemplateError
    from verl.utils.tokenizer.continuous_token_wiring import create_continuous_token_builder

    def refusal(error: Exception) -> GroupwiseError:
        return GroupwiseError(
            f"verl must be able to render the prompts by the chat template with the options {dict(template_options)}, "
            f"but {error}"
        )

    try:
        builder = create_continuous_token_builder(
            tokenizer, hf_model_type=model_type, chat_template_kwargs=dict(template_options)
        )
    except (TypeError, ValueError) as error:
        raise refusal(error) from error

    def tokenize(conversations: Sequence[Sequence[Mapping[str, Any]]]) -> list[list[int]]:
        try:
            return [builder.build_initial_tokens(list(messages)) for messages in conversations]
        except (TemplateError, TypeError, ValueError) as error:
            raise refusal(error) from error

    return tokenize


def select_short(
    each: EvaluationSet, tokens: Sequence[list[int]], *, longest: int | None, skip: bool
) -> dict[int, list[int]]:
    """Takes the prompts of at most `longest` tokens, None for any number, by the row's number.

    Leaving longer ones out makes another set of it, so it must be asked for with `skip`.

    Raises:
        GroupwiseError: Prompts are longer, and `skip` is False; or none is left.
    """
    kept = {row: ids for row, ids in enumerate(tokens) if longest is None or len(ids) <= longest}
    if len(kept) == len(tokens) or (skip and kept):
        return kept
    raise GroupwiseError(
        f"{each.name}: prompts must have at most {longest} tokens, but {len(tokens) - len(kept)} of {len(tokens)} have "
        f"more, up to {max(map(len, tokens))}; raise --max-prompt-length, or leave them out with --skip-overlong."
    )


def check_model_length(config: Any, *, prompt: int, response: int) -> None:
    """Refuses sequences, of so many tokens, that are longer than the model's positions.

    Raises:
        GroupwiseError: They do not fit, and the configuration has no scaling of positions, for which vLLM decides.
    """
    positions = config.get_text_config().max_position_embeddings
    rope = getattr(config, "rope_parameters", None) or {}
    if prompt + response > positions and rope.get("rope_type", "default") == "default":
        cure = (
            f"--max-tokens {positions - prompt} is the most"
            if prompt < positions
            else f"--skip-overlong --max-prompt-length {positions - response} leaves such prompts out"
        )
        raise GroupwiseError(
            f"Prompt and response must fit into the model's {positions} positions, but the longest prompt has {prompt} "
            f"tokens and --max-tokens is {response}; {cure}."
        )
