"""How often the warm-started model is right when sampled, and which groups that makes."""

from typing import Any, NamedTuple

import pandas
import torch
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from reward_score import compute_score

# 96 prompts put a share of 20% within 4 points (one standard error) and take a few seconds.
PROMPTS = 96
GROUP_SIZE = 8
MAX_NEW_TOKENS = 12


class Sample(NamedTuple):
    """Outcome of sampling a group of responses to each prompt at temperature 1."""

    prompts: int
    group_size: int  # responses to each prompt
    accuracy: float  # share of right responses, in [0, 1]
    accuracy_by_difficulty: dict[str, float]  # the same by `extra_info.difficulty`, a number of digits
    group_share: dict[str, float]  # of hard, easy and mixed groups (none, all, some right)


@torch.no_grad()
def respond(
    model: Qwen2ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: list[str],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> torch.Tensor:
    """Samples one response to each of B prompts, with the chat template applied, at temperature 1: its tokens, (B, T).

    What follows an end token is padding.
    """
    batch = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    tokens = model.generate(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=max_new_tokens
    )
    return tokens[:, batch["input_ids"].shape[1] :]


def sample(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: pandas.DataFrame, *, seed: int) -> Sample:
    """Samples groups of responses to the first PROMPTS rows and scores them as a training run would.

    torch's global generator is left as it was.
    """
    rows = rows.head(PROMPTS)
    texts = [
        tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        for messages in rows["prompt"]
    ]
    model.eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokens = respond(model, tokenizer, [text for text in texts for _ in range(GROUP_SIZE)])
    responses = tokenizer.batch_decode(tokens, skip_special_tokens=True)
    right = [
        sum(
            compute_score(row.data_source, response, row.reward_model["ground_truth"])["acc"]
            for response in responses[i * GROUP_SIZE : (i + 1) * GROUP_SIZE]
        )
        for i, row in enumerate(rows.itertuples())
    ]
    return summarize([str(info["difficulty"]) for info in rows["extra_info"]], right)


def summarize(difficulty: list[str], right: list[float]) -> Sample:
    """Turns each prompt's difficulty, and its group's right responses, 0 to GROUP_SIZE, into accuracies and shares."""
    counts = pandas.Series(right, dtype=float)
    by_difficulty = counts.groupby(pandas.Series(difficulty)).mean() / GROUP_SIZE
    hard, easy = float((counts == 0).mean()), float((counts == GROUP_SIZE).mean())
    return Sample(
        prompts=len(counts),
        group_size=GROUP_SIZE,
        accuracy=float(counts.mean()) / GROUP_SIZE,
        accuracy_by_difficulty={str(name): float(share) for name, share in by_difficulty.items()},
        group_share={"hard": hard, "easy": easy, "mixed": 1 - hard - easy},
    )


def describe(report: dict[str, Any]) -> str:
    """Words the fields of a `Sample` for the terminal, in two lines."""
    by_difficulty = ", ".join(f"{name}-digit {share:.0%}" for name, share in report["accuracy_by_difficulty"].items())
    groups = ", ".join(f"{kind} {share:.0%}" for kind, share in report["group_share"].items())
    return (
        f"sampled at temperature 1: {report['accuracy']:.0%} right ({by_difficulty})\n"
        f"groups of {report['group_size']}: {groups}"
    )
