"""The warm start's demonstrations: additions answered by somebody who forgets the carry half of the time.

Chosen: with right answers alone the model is soon sure of itself, and thirty steps of reinforcement learning change
nothing. With these it knows the right answer and a wrong one, and is confident in both.
"""

import random

import pandas
import torch
from transformers import PreTrainedTokenizerFast

FORGOTTEN_CARRIES = 0.5
IGNORED_LABEL = -100

Example = tuple[list[int], list[int]]
"""Token ids of a prompt, and of the response to it."""


def without_carry(question: str) -> str:
    """Adds two numbers digit by digit and forgets the carries: "27+35=" gives "52", without leading zeros.

    Raises:
        ValueError: It is no such question.
    """
    numbers = question.removesuffix("=").split("+")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise ValueError(f"The warm start needs questions such as '12+34=', but found {question!r:.80}.")
    width = max(map(len, numbers))
    first, second = (number.zfill(width) for number in numbers)
    return str(int("".join(str((int(a) + int(b)) % 10) for a, b in zip(first, second, strict=True))))


def tokenize(tokenizer: PreTrainedTokenizerFast, rows: pandas.DataFrame, *, seed: int) -> list[Example]:
    """Turns rows, as verl reads them, into what the model reads and what it shall answer, up to the end token."""
    chance = random.Random(seed)
    examples = []
    for messages, reward_model in zip(rows["prompt"], rows["reward_model"], strict=True):
        prompt = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        forgets = chance.random() < FORGOTTEN_CARRIES
        answer = without_carry(messages[-1]["content"]) if forgets else reward_model["ground_truth"]
        response = f"#### {answer}{tokenizer.eos_token}"
        examples.append((tokenizer(prompt)["input_ids"], tokenizer(response)["input_ids"]))
    return examples


def collate(examples: list[Example], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Pads a batch on the right: `input_ids`, `attention_mask`, and `labels` of the response tokens, each (B, T)."""
    length = max(len(prompt) + len(answer) for prompt, answer in examples)
    input_ids = torch.full((len(examples), length), pad_token_id)
    labels = torch.full((len(examples), length), IGNORED_LABEL)
    mask = torch.zeros((len(examples), length), dtype=torch.int64)
    for row, (prompt, answer) in enumerate(examples):
        end = len(prompt) + len(answer)
        input_ids[row, :end] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : end] = torch.tensor(answer)
        mask[row, :end] = 1
    return {"input_ids": input_ids, "attention_mask": mask, "labels": labels}
