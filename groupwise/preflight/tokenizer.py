"""Whether the tokenizer can ask a model for an answer, and whether the answer comes back as the verifier reads it.

The reward manager decodes responses with `skip_special_tokens=True`: a tag that the tokenizer has as a special token is
gone before the verifier sees it, and every response is wrong.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

from groupwise.names import REWARD_MANAGER
from groupwise.preflight.notes import Note

ROWS_PER_KIND: Final = 4
"""Prompts of each task and data source that the template is applied to; rendering one takes about a millisecond."""

TOOL_CALL_TAGS: Final = ("<tool_call>", "</tool_call>")
TAGGED_FORMATS: Final = frozenset({"hermes", "toolrl"})
"""Formats of reward.reward_kwargs.verifier.formats that read calls between those tags."""

ANSWER: Final = "An answer."
"""What an assistant says in a rendering of both, to see what stands between a prompt and its answer."""

THINK_TAGS: Final = ("<think>", "</think>")
TAGS_IF_ASKED_FOR: Final = {
    "tool": (*TOOL_CALL_TAGS, *THINK_TAGS, "<response>", "</response>"),
    "math": ("\\boxed{}", "####", "Answer:"),
}
"""By `ability`, what a verifier looks for where the prompt asks for it."""


def find_faults(
    config: DictConfig, tokenizer: Any, rows: Iterable[Mapping[str, Any]], hf_config: Any | None = None
) -> Iterator[str]:
    """Tries the policy's tokenizer, None where it is not on this machine, on rows that it will be used for."""
    if tokenizer is None:
        return
    if tokenizer.eos_token_id is None:
        yield (
            "The tokenizer must have an end-of-sequence token, with which responses end, but has none; "
            "set eos_token in the model's tokenizer_config.json."
        )
    sample = _sample(rows, config.data.prompt_key)
    rendered: list[str] = []
    if tokenizer.chat_template:
        yield from _template_faults(config, tokenizer, sample, rendered)
    else:
        yield (
            "The tokenizer must have a chat template, which turns prompts into text, but has none; give one in "
            "actor_rollout_ref.model.custom_chat_template, or take the instruction-tuned model's tokenizer."
        )
    yield from _vocabulary_faults(tokenizer, hf_config, rendered)
    yield from _tag_faults(tokenizer, _tags(config, tokenizer, sample))


def _sample(rows: Iterable[Mapping[str, Any]], prompt_key: str) -> list[tuple[str, list[dict[str, Any]]]]:
    kinds: dict[tuple[object, object], list[tuple[str, list[dict[str, Any]]]]] = {}
    for row in rows:
        messages = row.get(prompt_key)
        # Other prompts are for the validation of the data to report.
        if isinstance(messages, Iterable) and all(isinstance(message, Mapping) for message in messages):
            kind = kinds.setdefault((row.get("ability"), row.get("data_source")), [])
            if len(kind) < ROWS_PER_KIND:
                kind.append((str(row.get("ability")), [dict(message) for message in messages]))
    return [prompt for kind in kinds.values() for prompt in kind]


def _template_faults(
    config: DictConfig, tokenizer: Any, sample: list[tuple[str, list[dict[str, Any]]]], rendered: list[str]
) -> Iterator[str]:
    """Renders the sample, into `rendered` as well."""
    options = OmegaConf.to_container(config.data.apply_chat_template_kwargs, resolve=True)

    def render(messages: list[dict[str, Any]], *, asking: bool) -> str:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asking, **options)

    for _, messages in sample:
        try:
            plain, asking = render(messages, asking=False), render(messages, asking=True)
            rendered.append(asking)
        except Exception as error:  # noqa: BLE001 -- a template may raise anything, and it becomes the sentence
            yield (
                f"The chat template must render every prompt with data.apply_chat_template_kwargs={options}, but for "
                f"{_shorten(json.dumps(messages, ensure_ascii=False, default=str))} it fails with "
                f"{type(error).__name__}: {_shorten(str(error))}; correct the options, the template "
                "(actor_rollout_ref.model.custom_chat_template), or the rows."
            )
            return
        try:
            answered = render([*messages, {"role": "assistant", "content": ANSWER}], asking=False)
        except Exception:  # noqa: BLE001, S112 -- as above; a row need not be one that can be answered so
            continue
        # Many templates have no generation prompt because none is needed: Llama-2's, Mistral's.
        opening = answered.removeprefix(plain).partition(ANSWER)[0].strip() if answered.startswith(plain) else ""
        if plain == asking and opening:
            yield (
                f"The chat template must end in a generation prompt, which opens the model's turn ({opening!r}), but "
                f"renders the same text with and without one: ...{asking[-60:]!r}; add `{{% if add_generation_prompt "
                "%}` to it, or give another in actor_rollout_ref.model.custom_chat_template."
            )
            return


def _vocabulary_faults(tokenizer: Any, hf_config: Any | None, rendered: list[str]) -> Iterator[str]:
    size = None if hf_config is None else getattr(hf_config.get_text_config(), "vocab_size", None)
    if size is None or len(tokenizer) <= size:
        return
    used = {tokenizer.eos_token_id, tokenizer.pad_token_id}
    if rendered:
        used.update(*tokenizer(rendered, add_special_tokens=False)["input_ids"])
    unknown = [tokenizer.convert_ids_to_tokens(token) for token in sorted(used - {None}) if token >= size]
    sentence = (
        f"The model's vocabulary must hold all {len(tokenizer)} tokens of the tokenizer, but has {size} "
        f"(config.json){', without ' + ', '.join(unknown[:3]) if unknown else ''}; take the model's own tokenizer, or "
        "enlarge the model's embeddings."
    )
    # Some published tokenizers have a token more, which nothing uses.
    yield sentence if unknown else Note(sentence)


def _shorten(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."


def _tags(config: DictConfig, tokenizer: Any, sample: list[tuple[str, list[dict[str, Any]]]]) -> list[str]:
    tags: dict[str, None] = {}
    formats = config.reward.reward_kwargs.verifier.formats
    is_ours = config.reward.reward_manager.name == REWARD_MANAGER and not config.reward.custom_reward_function.path
    for ability, messages in sample:
        text = " ".join(str(message.get("content")) for message in messages)
        if ability == "tool" and is_ours and TAGGED_FORMATS.intersection(formats):
            tags |= dict.fromkeys(TOOL_CALL_TAGS)
        # A prompt shows the box with something in it.
        tags |= dict.fromkeys(tag for tag in TAGS_IF_ASKED_FOR.get(ability, ()) if tag.removesuffix("{}") in text)
    vocabulary = tokenizer.get_vocab()
    # A reasoning model writes these unasked; what stands between them is no answer.
    return [*(tags | dict.fromkeys(tag for tag in THINK_TAGS if tag in vocabulary))]


def _tag_faults(tokenizer: Any, tags: list[str]) -> Iterator[str]:
    special: list[str] = []
    unspellable: list[str] = []
    for tag in tags:
        ids = tokenizer.encode(f"so {tag} it", add_special_tokens=False)
        if tag not in tokenizer.decode(ids, skip_special_tokens=True):
            (unspellable if tag not in tokenizer.decode(ids, skip_special_tokens=False) else special).append(tag)
    if special:
        yield (
            f"{', '.join(special)} must survive decoding, since verifiers read them in the response, but the tokenizer "
            "has them as special tokens, which decoding leaves out; set special to false for them under added_tokens "
            "in tokenizer.json and added_tokens_decoder in tokenizer_config.json, and drop them from "
            "additional_special_tokens."
        )
    if unspellable:
        yield (
            f"{', '.join(unspellable)} must survive encoding and decoding, since verifiers read them in the response, "
            "but the tokenizer gives back another text; use a tokenizer that can spell them, or prompts and "
            "reward.reward_kwargs.verifier.formats that do without."
        )
