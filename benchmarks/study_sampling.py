"""Responses of the study's second engine: sampled with transformers, judged as the recipe judges them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reward_score import compute_score
from reward_score.verdict import FAILURES, VerdictDict


class Prompt(NamedTuple):
    """A row of the data, tokenized once.

    Attributes:
        tokens: With the chat template.
        row: As verl's datasets hold it.
    """

    tokens: list[int]
    row: dict[str, Any]


class Batch(NamedTuple):
    """B responses of up to T tokens, those of a prompt next to each other.

    Attributes:
        sequences: (B, P + T) token ids; prompts are padded on their left, responses on their right.
        attention: (B, P + T), 0 for padding.
        response_mask: (B, T) bool, the tokens up to the end token, which is included.
        acc: (B,) the verdicts, 0 or 1.
        score: (B,) the rewards.
        pred: (B,) the answers that were read.
    """

    sequences: torch.Tensor
    attention: torch.Tensor
    response_mask: torch.Tensor
    acc: torch.Tensor
    score: torch.Tensor
    pred: list[str]


def tokenize(tokenizer: PreTrainedTokenizerBase, rows: Sequence[dict[str, Any]]) -> list[Prompt]:
    """Applies the chat template to rows."""
    texts = [
        tokenizer.apply_chat_template(list(row["prompt"]), add_generation_prompt=True, tokenize=False) for row in rows
    ]
    return [Prompt(tokenizer(text)["input_ids"], row) for text, row in zip(texts, rows, strict=True)]


def pad_left(prompts: Sequence[Prompt], width: int, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Puts prompts into a rectangle.

    Args:
        prompts: B prompts of at most `width` tokens.
        width: P.
        pad: Token to pad with.

    Returns:
        Token ids and attention, both (B, P).
    """
    tokens = torch.full((len(prompts), width), pad)
    attention = torch.zeros((len(prompts), width), dtype=torch.int64)
    for place, prompt in enumerate(prompts):
        start = width - len(prompt.tokens)
        tokens[place, start:] = torch.tensor(prompt.tokens)
        attention[place, start:] = 1
    return tokens, attention


def mask_responses(responses: torch.Tensor, end: int) -> torch.Tensor:
    """Marks the tokens (B, T) up to the first end token, which belongs to the response; all where there is none."""
    ended = (responses == end).long()
    return ended.cumsum(dim=-1) - ended == 0


def judge(row: Mapping[str, Any], text: str, options: Mapping[str, object]) -> VerdictDict:
    """Judges a response to a row, as the recipe's reward manager does; one that cannot be judged ends the run."""
    verdict = compute_score(row["data_source"], text, row["reward_model"]["ground_truth"], **options)
    if verdict["reason"].startswith(FAILURES):
        raise RuntimeError(f"A run's responses must be judged, but {text!r:.200} was not: {verdict['reason']}")
    return verdict


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    *,
    n: int,
    temperature: float,
    width: int,
    longest: int,
    options: Mapping[str, object],
) -> Batch:
    """Samples n responses to each prompt, and judges them.

    Args:
        model: The policy.
        tokenizer: The policy's.
        prompts: The prompts.
        n: Responses to each.
        temperature: Of the sampling.
        width: P, the columns for prompts.
        longest: T, the tokens that a response may have.
        options: Of the verifier.

    Returns:
        The responses.

    Raises:
        RuntimeError: A response could not be judged.
    """
    repeated = [prompt for prompt in prompts for _ in range(n)]
    tokens, attention = pad_left(repeated, width, tokenizer.pad_token_id)
    sampled = model.generate(
        input_ids=tokens,
        attention_mask=attention,
        max_new_tokens=longest,
        do_sample=True,
        temperature=temperature,
        top_k=0,
        top_p=1.0,
    )
    sequences = torch.full((len(repeated), width + longest), tokenizer.pad_token_id)
    sequences[:, : sampled.shape[1]] = sampled
    responses = sequences[:, width:]
    response_mask = mask_responses(responses, tokenizer.eos_token_id)
    texts = tokenizer.batch_decode(responses, skip_special_tokens=True)
    verdicts = [judge(prompt.row, text, options) for prompt, text in zip(repeated, texts, strict=True)]
    return Batch(
        sequences=sequences,
        attention=torch.cat([attention, response_mask.long()], dim=-1),
        response_mask=response_mask,
        acc=torch.tensor([verdict["acc"] for verdict in verdicts], dtype=torch.float32),
        score=torch.tensor([verdict["score"] for verdict in verdicts], dtype=torch.float32),
        pred=[verdict["pred"] for verdict in verdicts],
    )


def select(batch: Batch, kept: torch.Tensor) -> Batch:
    """Takes the responses that a mask (B,) marks."""
    pred = [value for value, keep in zip(batch.pred, kept.tolist(), strict=True) if keep]
    return Batch(*(part[kept] for part in batch[:-1]), pred=pred)


def join(batches: Sequence[Batch]) -> Batch:
    """Puts batches of the same widths one after another."""
    tensors = [torch.cat(parts) for parts in zip(*(batch[:-1] for batch in batches), strict=True)]
    return Batch(*tensors, pred=[value for batch in batches for value in batch.pred])
