"""Responses of the study's second engine: sampled with transformers, judged as the recipe judges them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoModelForCausalLM,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.masking_utils import eager_mask

from reward_score import compute_score
from reward_score.verdict import FAILURES, VerdictDict

AT_ONCE = 128
"""Responses that are sampled at once; more take memory and are no faster."""


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
        sequences: (B, P + T) token ids; prompts are padded after what all have in common, responses on their right.
        attention: (B, P + T), 0 for padding.
        response_mask: (B, T) bool, the tokens up to the end token, which is included.
        acc: (B,) the verdicts, 0 or 1.
        score: (B,) the rewards.
        pred: (B,) the answers that were read.
        log_probs: (B, T) of the sampled tokens under the policy that sampled them, nats; 0 after the end.
        entropy: (B, T) the policy's there.
    """

    sequences: torch.Tensor
    attention: torch.Tensor
    response_mask: torch.Tensor
    acc: torch.Tensor
    score: torch.Tensor
    pred: list[str]
    log_probs: torch.Tensor
    entropy: torch.Tensor


def grouped_attention(
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_options: object,
) -> tuple[torch.Tensor, None]:
    """Attention by two products of matrices; for one token of many rows sdpa's kernels take ten times as long on a CPU.

    Args:
        query: (B, H, L, D); H / G heads in turn share a head of the keys, which are not repeated.
        key: (B, G, S, D).
        value: (B, G, S, D).
        attention_mask: (B, 1, L, S), added.
        scaling: Of the scores.

    Returns:
        (B, L, H, D), and no weights.
    """
    rows, heads, length, size = query.shape
    keys, columns = key.shape[1:3]
    scores = (query.reshape(rows, keys, -1, size) @ key.transpose(2, 3) * scaling).view(rows, keys, -1, length, columns)
    if attention_mask is not None:
        scores = scores + attention_mask.unsqueeze(2)
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(value.dtype)
    found = weights.view(rows, keys, -1, columns) @ value
    return found.view(rows, heads, length, size).transpose(1, 2).contiguous(), None


AttentionInterface.register("grouped", grouped_attention)
AttentionMaskInterface.register("grouped", eager_mask)


def load_policy(path: str) -> PreTrainedModel:
    """Loads a model's weights, in float32."""
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="grouped")


def draw(probabilities: torch.Tensor) -> torch.Tensor:
    """Draws a token (B, 1) of each row (B, V), by one number a row; torch.multinomial takes one for each token."""
    reached = probabilities.cumsum(dim=-1)
    # Above 0 and at most the sum, so that what is drawn has a probability.
    wanted = (1 - torch.rand(len(reached), 1)) * reached[:, -1:]
    return torch.searchsorted(reached, wanted)


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


def common_beginning(prompts: Sequence[Prompt]) -> list[int]:
    """The tokens that all prompts begin with; each has at least one more."""
    # The first and the last in order share what all share.
    first, last = (side([prompt.tokens for prompt in prompts]) for side in (min, max))
    longest = min(len(prompt.tokens) for prompt in prompts) - 1
    different = (place for place in range(longest) if first[place] != last[place])
    return first[: next(different, longest)]


def read(
    model: PreTrainedModel, sequences: torch.Tensor, attention: torch.Tensor, beginning: int
) -> tuple[DynamicCache, torch.Tensor]:
    """Puts prompts through the model, what they have in common once.

    Args:
        model: The policy.
        sequences: (P, W) token ids, padded between the beginning and the rest.
        attention: (P, W), 0 for padding.
        beginning: Leading columns that are the same in all rows.

    Returns:
        What the policy remembers of them, and its last hidden states (P, H).
    """
    cache = DynamicCache(config=model.config)
    if beginning:
        model.base_model(sequences[:1, :beginning], past_key_values=cache)
        cache.batch_repeat_interleave(len(sequences))
    found = model.base_model(
        sequences[:, beginning:],
        attention_mask=attention,
        position_ids=positions(attention)[:, beginning:],
        past_key_values=cache,
    )
    return cache, found.last_hidden_state[:, -1]


def positions(attention: torch.Tensor) -> torch.Tensor:
    """Numbers the tokens of each row without its padding."""
    return (attention.cumsum(dim=-1) - 1).clamp(min=0)


@torch.no_grad()
def respond(
    model: PreTrainedModel,
    sequences: torch.Tensor,
    attention: torch.Tensor,
    beginning: int,
    *,
    n: int,
    temperature: float,
    longest: int,
    end: int,
    pad: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Samples n responses to each prompt; one that has ended costs nothing more.

    Args:
        model: The policy.
        sequences: Prompts, as for `read`.
        attention: As for `read`.
        beginning: As for `read`.
        n: Responses to each.
        temperature: Of the sampling.
        longest: T.
        end: The end token.
        pad: What follows it.

    Returns:
        Token ids, their log-probs and the policy's entropy, each (P * n, T).
    """
    cache, hidden = read(model, sequences, attention, beginning)
    cache.batch_repeat_interleave(n)
    head, seen = model.get_output_embeddings(), attention.repeat_interleave(n, dim=0)
    logits = head(hidden).repeat_interleave(n, dim=0)
    tokens = torch.full((len(logits), longest), pad)
    log_probs, entropy = torch.zeros(len(logits), longest), torch.zeros(len(logits), longest)
    active = torch.arange(len(logits))
    for place in range(longest):
        spread = torch.log_softmax(logits.float() / temperature, dim=-1)
        drawn = draw(spread.exp())
        tokens[active, place] = drawn[:, 0]
        log_probs[active, place] = spread.gather(-1, drawn)[:, 0]
        entropy[active, place] = -(spread.exp() * spread).sum(dim=-1)
        (going,) = (drawn[:, 0] != end).nonzero(as_tuple=True)
        if place + 1 == longest or not len(going):
            break
        active, drawn, seen = active[going], drawn[going], torch.nn.functional.pad(seen[going], (0, 1), value=1)
        cache.batch_select_indices(going)
        hidden = model.base_model(
            drawn, attention_mask=seen, position_ids=seen.sum(dim=-1, keepdim=True) - 1, past_key_values=cache
        ).last_hidden_state
        logits = head(hidden[:, -1])
    return tokens, log_probs, entropy


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    *,
    beginning: Sequence[int],
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
        beginning: Tokens that they all begin with.
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
    size, pad, end = len(beginning), tokenizer.pad_token_id, tokenizer.eos_token_id
    rest, attention = pad_left([Prompt(each.tokens[size:], each.row) for each in prompts], width - size, pad)
    sequences = torch.cat([torch.tensor(beginning, dtype=torch.int64).expand(len(prompts), -1), rest], dim=-1)
    attention = torch.nn.functional.pad(attention, (size, 0), value=1)
    sampled = {"n": n, "temperature": temperature, "longest": longest, "end": end, "pad": pad}
    at_once = max(1, AT_ONCE // n)
    parts = zip(sequences.split(at_once), attention.split(at_once), strict=True)
    found = [respond(model, *part, size, **sampled) for part in parts]
    responses, log_probs, entropy = map(torch.cat, zip(*found, strict=True))
    response_mask = mask_responses(responses, end)
    texts = tokenizer.batch_decode(responses, skip_special_tokens=True)
    repeated = [prompt for prompt in prompts for _ in range(n)]
    verdicts = [judge(prompt.row, text, options) for prompt, text in zip(repeated, texts, strict=True)]
    return Batch(
        sequences=torch.cat([sequences.repeat_interleave(n, dim=0), responses], dim=-1),
        attention=torch.cat([attention.repeat_interleave(n, dim=0), response_mask.long()], dim=-1),
        response_mask=response_mask,
        acc=torch.tensor([verdict["acc"] for verdict in verdicts], dtype=torch.float32),
        score=torch.tensor([verdict["score"] for verdict in verdicts], dtype=torch.float32),
        pred=[verdict["pred"] for verdict in verdicts],
        log_probs=log_probs,
        entropy=entropy,
    )


def select(batch: Batch, kept: torch.Tensor) -> Batch:
    """Takes the responses that a mask (B,) marks, or those of some numbers, in their order."""
    rows = kept.nonzero()[:, 0] if kept.dtype == torch.bool else kept
    return Batch(*([part[i] for i in rows.tolist()] if isinstance(part, list) else part[rows] for part in batch))


def join(batches: Sequence[Batch]) -> Batch:
    """Puts batches of the same widths one after another."""
    columns = batches[0]._fields
    found = {name: torch.cat([getattr(each, name) for each in batches]) for name in columns if name != "pred"}
    return Batch(**found, pred=[value for each in batches for value in each.pred])
