"""The study's tasks for a pretrained model, made by code: problems in words, and tool calls in words.

    python benchmarks/word_tasks.py problems --model outputs/study/smollm2 --output outputs/study/problems
    python benchmarks/word_tasks.py calls --model outputs/study/smollm2 --output outputs/study/calls

writes train.parquet, val.parquet, demonstrations.parquet and the warm-started model. `problems` have one to three
operations and an answer after "####", judged as GSM8K's; `calls` choose among five functions with docstrings and fill
one to three arguments, judged as BFCL's. Whether an item is for validation is a property of its numbers and operations,
or of the wanted call, alone: no wording brings one into the other split, and the demonstrations are from training.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pandas
import torch
import transformers
from study_sampling import common_beginning, generate, load_policy, tokenize
from tiny_tools import ground_truth
from tiny_tools_requests import NAMES, draw, in_validation
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from word_calls import DOCSTRINGS, FUNCTIONS, KINDS

from data_prep.schema import LocatedRow, make_row, write_parquet
from groupwise.demo import sampling, warm_start
from groupwise.demo.demonstrations import Example

ROWS = {"train": 2048, "val": 128}
DEMONSTRATIONS = 2000
SLIPS = 0.5
"""Share of the demonstrations above difficulty 1 that slip: groupwise/demo/demonstrations.py says what for."""

# A pretrained model has the format after a few hundred demonstrations; more would make it sure of itself.
STEPS, BATCH, RATE = 120, 16, 5e-5


class Item(NamedTuple):
    """What is asked.

    Attributes:
        question: The user's words.
        response: One that is right.
        slip: One that is not, as somebody would write who leaves out a step.
        truth: The ground truth.
        difficulty: 1 to 3.
        category: What kind of item it is.
    """

    question: str
    response: str
    slip: str
    truth: str
    difficulty: int
    category: str


class Task(NamedTuple):
    """A task.

    Attributes:
        source: Data source. No row is of the set that it names: it selects the verifier.
        system: The system message, the same for all rows.
        items: Draws items without end: by shares of the difficulties, for validation or not.
        shares: Of the difficulties among the rows. This and `shown` are chosen by one thing alone, the groups of eight
            that the warm-started model samples: hard and easy ones each at least 15%.
        shown: Of the difficulties among the demonstrations. What is hardly shown stays hard.
        longest: Tokens that a response may have.
    """

    source: str
    system: str
    items: Callable[[Mapping[int, float], bool, random.Random], Iterator[Item]]
    shares: Mapping[int, float]
    shown: Mapping[int, float]
    longest: int


THINGS = ("apples", "books", "coins", "eggs", "marbles", "pens", "shells", "stamps")
CHANGES = {
    "+": ("{} gets {} more.", "{} buys {} more.", "{} finds {} more."),
    "-": ("{} gives away {}.", "{} loses {}.", "{} sells {}."),
    "*": ("{} then gets {} times as many.",),
}
OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


def work(start: int, changes: list[tuple[str, int]]) -> tuple[list[str], int]:
    """Does the changes one after the other: what is written down of each, and the result."""
    lines, value = [], start
    for sign, number in changes:
        result = OPERATIONS[sign](value, number)
        lines.append(f"{value}{sign}{number}={result}")
        value = result
    return lines, value


def answer(start: int, changes: list[tuple[str, int]]) -> str:
    """Writes a response down: the operations, and the result after "####"."""
    lines, value = work(start, changes)
    return f"{','.join(lines)}\n#### {value}"


def problems(shares: Mapping[int, float], validation: bool, rng: random.Random) -> Iterator[Item]:
    """Draws problems; one of a difficulty has as many operations."""
    while True:
        (difficulty,) = rng.choices(list(shares), list(shares.values()))
        start, changes = rng.randint(2, 20), []
        for _ in range(difficulty):
            value = work(start, changes)[1]
            sign = rng.choice("+-*" if value > 2 else "+*")
            changes.append((sign, rng.randint(2, {"+": 20, "-": value - 1, "*": 4}[sign])))
        core = f"{start}{''.join(f'{sign}{number}' for sign, number in changes)}"
        if in_validation(core) != validation:
            continue
        name, thing = rng.choice(NAMES).capitalize(), rng.choice(THINGS)
        told = " ".join(rng.choice(CHANGES[sign]).format(name, number) for sign, number in changes)
        yield Item(
            question=f"{name} has {start} {thing}. {told} How many {thing} does {name} have?",
            response=answer(start, changes),
            # Nothing to leave out of one: the number that is named last is taken for the answer.
            slip=answer(start, changes[:-1]) if difficulty > 1 else f"#### {changes[0][1]}",
            truth=str(work(start, changes)[1]),
            difficulty=difficulty,
            category="".join(sign for sign, _ in changes),
        )


def hermes(function: str, arguments: tuple[int | str, ...]) -> str:
    """Writes a call in the form of the Hermes models."""
    named = dict(zip(FUNCTIONS[function], arguments, strict=True))
    return f"<tool_call>\n{json.dumps({'name': function, 'arguments': named})}\n</tool_call>"


def calls(shares: Mapping[int, float], validation: bool, rng: random.Random) -> Iterator[Item]:
    """Draws requests; those of difficulty 2 want one argument converted, those of 3 computed from two numbers."""
    for request in draw(shares, validation=validation, rng=rng, kinds=KINDS, functions=FUNCTIONS):
        function = request.kind.function
        yield Item(
            question=request.text,
            response=hermes(function, request.wanted),
            slip=hermes(function, request.literal[: len(request.wanted)]),
            truth=ground_truth(request, FUNCTIONS),
            difficulty=request.kind.difficulty,
            category=function,
        )


def signatures() -> str:
    """Writes the functions down as the system message offers them."""
    python = {"integer": "int", "string": "str"}
    return "\n".join(
        f"{name}({', '.join(f'{key}: {python[kind]}' for key, kind in types.items())}): {DOCSTRINGS[name]}"
        for name, types in FUNCTIONS.items()
    )


TASKS = {
    "problems": Task("openai/gsm8k", "Compute.", problems, {1: 0.35, 2: 0.35, 3: 0.3}, {1: 0.5, 2: 0.5}, 40),
    "calls": Task(
        "bfcl_v4/word_calls",
        f"Call one function, as <tool_call>JSON</tool_call>.\n{signatures()}",
        calls,
        {1: 0.4, 2: 0.35, 3: 0.25},
        {1: 0.5, 2: 0.5},
        56,
    ),
}


def messages(task: Task, item: Item) -> list[dict[str, str]]:
    """The prompt of an item."""
    return [{"role": "system", "content": task.system}, {"role": "user", "content": item.question}]


def rows(task: Task, split: str, *, size: int, seed: int) -> Iterator[LocatedRow]:
    """Makes the rows of a split, "train" or "val"; equal seeds give equal rows."""
    drawn = task.items(task.shares, split == "val", random.Random(f"{split} {seed}"))
    for index, item in enumerate(islice(drawn, size)):
        where = f"{task.source}/{split}/{index}"
        yield (
            where,
            make_row(
                data_source=task.source,
                prompt=messages(task, item),
                ability="math" if task.source == "openai/gsm8k" else "tool",
                ground_truth=item.truth,
                reference_response=item.response,
                split=split,
                index=index,
                identity=where,
                question=item.question,
                category=item.category,
                difficulty=item.difficulty,
            ),
        )


def demonstrations(task: Task, *, size: int, seed: int) -> pandas.DataFrame:
    """Makes what the warm start learns from, SLIPS of it wrong above difficulty 1: columns `prompt` and `response`."""
    rng = random.Random(f"demonstrations {seed}")
    return pandas.DataFrame(
        {
            "prompt": messages(task, item),
            "response": item.slip if item.difficulty > 1 and rng.random() < SLIPS else item.response,
        }
        for item in islice(task.items(task.shown, False, rng), size)
    )


def examples(tokenizer: PreTrainedTokenizerBase, shown: pandas.DataFrame) -> list[Example]:
    """Turns demonstrations into token ids of prompts and of responses up to the end token."""
    texts = [tokenizer.apply_chat_template(p, add_generation_prompt=True, tokenize=False) for p in shown["prompt"]]
    return [
        (tokenizer(text)["input_ids"], tokenizer(response + tokenizer.eos_token)["input_ids"])
        for text, response in zip(texts, shown["response"], strict=True)
    ]


def sampled(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, task: Task, file: Path) -> sampling.Sample:
    """Samples groups to the first training rows and puts them into accuracies and shares of groups."""
    prompts = tokenize(tokenizer, pandas.read_parquet(file).head(sampling.PROMPTS).to_dict("records"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        batch = generate(
            *(model, tokenizer, prompts),
            beginning=common_beginning(prompts),
            n=sampling.GROUP_SIZE,
            temperature=1.0,
            width=max(len(prompt.tokens) for prompt in prompts),
            longest=task.longest,
            options={"scale": "binary"} if task.source.startswith("bfcl") else {},
        )
    right = batch.acc.reshape(-1, sampling.GROUP_SIZE).sum(dim=-1).tolist()
    return sampling.summarize([str(prompt.row["extra_info"]["difficulty"]) for prompt in prompts], right)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--model", type=Path, required=True, help="the pretrained model")
    parser.add_argument("--output", type=Path, required=True, help="folder of the parquet files and the model")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the warm start")
    asked = parser.parse_args()
    # The order of sums, and with it the model, would depend on the number of cores.
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    task, folder, file = TASKS[asked.task], asked.output, asked.output / "demonstrations.parquet"
    for split, size in ROWS.items():
        write_parquet(rows(task, split, size=size, seed=0), folder / f"{split}.parquet")
    demonstrations(task, size=DEMONSTRATIONS, seed=0).to_parquet(file)

    def make(output: Path) -> dict[str, object]:
        tokenizer = AutoTokenizer.from_pretrained(asked.model)
        model = load_policy(asked.model)
        shown = examples(tokenizer, pandas.read_parquet(file))
        # As the study trains on; in training without the cache, which would keep the weights of the first step.
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            loss = warm_start.fine_tune(model, shown, steps=asked.steps, seed=0, batch=BATCH, rate=RATE)
        model.eval()
        tokenizer.save_pretrained(output)
        model.save_pretrained(output)
        with torch.autocast("cpu", torch.bfloat16):
            found = sampled(model, tokenizer, task, folder / "train.parquet")
        return {"loss": loss, "sampled": found._asdict()}

    key = {"key": warm_start.cache_key(Path(__file__), file, folder / "train.parquet"), "steps": asked.steps}
    warm_start.cached(folder / "model", key, make)
    print(json.dumps(json.loads((folder / "model" / warm_start.KEY_FILE).read_text()), indent=2))


if __name__ == "__main__":
    main()
