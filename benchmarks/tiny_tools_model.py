"""The model of the tool-calling task: tokenizer, warm start and a sample of it, from the demonstration's pieces.

Chosen: three tokens beside the bytes for the frame of a call, as Qwen's tokenizer has one for `<tool_call>`. In bytes
the frame would be 50 tokens of a response; what it frames is 9 to 27.
"""

from pathlib import Path
from typing import NamedTuple, cast

import pandas
import torch
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from groupwise.demo import sampling, tiny_model
from groupwise.demo import warm_start as demo
from groupwise.demo.demonstrations import Example
from reward_score import compute_score

FRAME = ('<tool_call>{"name":"', '","arguments":{"', "}}</tool_call>")
MAX_NEW_TOKENS = 32
SEED = 0


class Sampled(NamedTuple):
    """A response that was sampled.

    Attributes:
        text: Without special tokens.
        tokens: Its length, the end token included.
        right: The verdict, 0 or 1.
    """

    text: str
    tokens: int
    right: float


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Builds the demonstration's tokenizer with a token for each part of FRAME.

    Returns:
        The tokenizer.
    """
    tokenizer = tiny_model.build_tokenizer()
    tokenizer.add_tokens(list(FRAME))
    return tokenizer


def _prompts(tokenizer: PreTrainedTokenizerFast, rows: pandas.DataFrame) -> list[str]:
    return [
        cast("str", tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False))
        for messages in rows["prompt"]
    ]


def tokenize(tokenizer: PreTrainedTokenizerFast, demonstrations: pandas.DataFrame) -> list[Example]:
    """Turns demonstrations into what the model reads and what it shall answer.

    Args:
        tokenizer: Of `build_tokenizer`.
        demonstrations: Columns `prompt` (chat messages) and `response`.

    Returns:
        An example for each; its response ends with the end token.
    """
    prompts = tokenizer(_prompts(tokenizer, demonstrations))["input_ids"]
    responses = tokenizer([f"{text}{tokenizer.eos_token}" for text in demonstrations["response"]])["input_ids"]
    return list(zip(prompts, responses, strict=True))


def sample(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: pandas.DataFrame, *, seed: int
) -> list[list[Sampled]]:
    """Samples a group of responses to each row at temperature 1 and scores them as a training run would.

    Args:
        model: The policy.
        tokenizer: Of `build_tokenizer`.
        rows: As verl reads them.
        seed: Seed of the samples; torch's global generator is left as it was.

    Returns:
        The groups, of sampling.GROUP_SIZE responses each.
    """
    size = sampling.GROUP_SIZE
    prompts = [text for text in _prompts(tokenizer, rows) for _ in range(size)]
    model.eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokens = sampling.respond(model, tokenizer, prompts, max_new_tokens=MAX_NEW_TOKENS)
    texts = tokenizer.batch_decode(tokens, skip_special_tokens=True)
    lengths = (tokens != tokenizer.pad_token_id).sum(1).tolist()
    truths = [reward_model["ground_truth"] for reward_model in rows["reward_model"] for _ in range(size)]
    sources = [source for source in rows["data_source"] for _ in range(size)]
    found = [
        Sampled(text, length, compute_score(source, text, truth)["acc"])
        for text, length, source, truth in zip(texts, lengths, sources, truths, strict=True)
    ]
    return [found[i : i + size] for i in range(0, len(found), size)]


def report(groups: list[list[Sampled]], rows: pandas.DataFrame) -> dict[str, object]:
    """Puts a sample into figures.

    Args:
        groups: Of `sample`.
        rows: What they answer.

    Returns:
        The fields of `sampling.Sample`, and `response_tokens`, the mean length.
    """
    difficulty = [str(info["difficulty"]) for info in rows["extra_info"]]
    summary = sampling.summarize(difficulty, [sum(response.right for response in group) for group in groups])
    lengths = [response.tokens for group in groups for response in group]
    return {**summary._asdict(), "response_tokens": sum(lengths) / len(lengths)}


def warm_start(demonstrations_file: Path, sample_file: Path, output: Path, *, steps: int) -> bool:
    """Trains and saves the model, unless `output` holds it already.

    Args:
        demonstrations_file: What to learn from.
        sample_file: Rows of which the first sampling.PROMPTS are sampled afterwards, for the report.
        output: Folder of the model; what it held before is replaced.
        steps: Optimizer steps.

    Returns:
        Whether the model was trained now.

    Raises:
        FileNotFoundError: A file is missing.
    """
    key = {"key": demo.cache_key(Path(__file__), demonstrations_file, sample_file), "steps": steps}
    return demo.cached(output, key, lambda folder: _make(demonstrations_file, sample_file, folder, steps))


def _make(demonstrations_file: Path, sample_file: Path, folder: Path, steps: int) -> dict[str, object]:
    tokenizer = build_tokenizer()
    model = tiny_model.build_model(tokenizer, seed=SEED)
    examples = tokenize(tokenizer, pandas.read_parquet(demonstrations_file))
    loss = demo.fine_tune(model, examples, steps=steps, seed=SEED, batch=demo.BATCH_SIZE, rate=demo.LEARNING_RATE)
    rows = pandas.read_parquet(sample_file).head(sampling.PROMPTS)
    sampled = report(sample(model, tokenizer, rows, seed=SEED), rows)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return {"loss": loss, "sampled": sampled}
