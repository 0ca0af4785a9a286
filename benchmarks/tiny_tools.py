"""The study's second task: choose one of five functions and fill its arguments from a request of at most 26 bytes.

    python benchmarks/tiny_tools.py --output outputs/study/tools

writes train.parquet, val.parquet, the warm start's demonstrations.parquet and the model. A row is judged as BFCL's
are, against the call that it wants, and that is written in the tags of Qwen's and ToolRL's models. Whether a request
belongs to training or to validation is a property of the call that it wants alone (`in_validation`), the same for every
wording, so the splits are disjoint and the demonstrations stay clear of validation too.
"""

import argparse
import json
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas
import torch
import transformers
from tiny_tools_model import warm_start
from tiny_tools_requests import FUNCTIONS, Functions, Request, draw, write_call

from data_prep.schema import LocatedRow, make_row, write_parquet
from groupwise.demo.warm_start import KEY_FILE

DATA_SOURCE = "bfcl_v4/tiny_tools"
"""No row is BFCL's: the prefix selects its verifier."""

ROWS = {"train": 2048, "val": 128}
SHARES = {1: 0.4, 2: 0.4, 3: 0.2}
"""Of the rows of each difficulty. This, SHOWN and STEPS are chosen by one thing alone, the groups of eight that the
warm-started model samples: 15 to 35% of them hard, as many easy."""

DEMONSTRATIONS = 20_000
SHOWN = {1: 0.45, 2: 0.53, 3: 0.02}
"""Of the demonstrations of each difficulty. What is hardly shown stays hard."""

LITERAL = 0.5
"""Share of the demonstrations that take a request at its letter: groupwise/demo/demonstrations.py says what for."""

SEED = 0
# 0.45 s of a core each, measured on one that was shared with other work
STEPS = 400


def ground_truth(request: Request, functions: Functions = FUNCTIONS) -> str:
    """Writes down what is offered and what is wanted, as BFCL's files hold it."""
    documents: list[dict[str, Any]] = []
    for name, types in functions.items():
        properties = {parameter: {"type": kind} for parameter, kind in types.items()}
        schema = {"type": "dict", "properties": properties, "required": list(properties)}
        documents.append({"name": name, "parameters": schema})
    name = request.kind.function
    accepted = {parameter: [value] for parameter, value in zip(functions[name], request.wanted, strict=True)}
    gold = {"v": 1, "category": "multiple", "functions": documents, "possible_answer": [{name: accepted}]}
    return json.dumps(gold)


def rows(split: str, *, seed: int) -> Iterator[LocatedRow]:
    """Makes the rows of a split.

    Args:
        split: "train" or "val".
        seed: Equal seeds give equal rows.

    Yields:
        The rows, and where they are from.
    """
    drawn = draw(SHARES, validation=split == "val", rng=random.Random(f"{split} {seed}"))
    for index, request in enumerate(islice(drawn, ROWS[split])):
        row = make_row(
            data_source=DATA_SOURCE,
            prompt=request.text,
            ability="tool",
            ground_truth=ground_truth(request),
            reference_response=write_call(request.kind.function, request.wanted),
            split=split,
            index=index,
            identity=f"{DATA_SOURCE}/{split}/{index}",
            question=request.text,
            category=request.kind.function,
            difficulty=request.kind.difficulty,
            think="none",
        )
        yield f"tiny tools {split} row {index}", row


def demonstrations(*, seed: int) -> pandas.DataFrame:
    """Makes what the warm start learns from: training requests, half of them taken at their letter.

    Args:
        seed: Equal seeds give equal demonstrations.

    Returns:
        Columns `prompt` (chat messages) and `response`.
    """
    rng = random.Random(f"demonstrations {seed}")
    shown = []
    for request in islice(draw(SHOWN, validation=False, rng=rng), DEMONSTRATIONS):
        arguments = request.literal if rng.random() < LITERAL else request.wanted
        prompt = [{"role": "user", "content": request.text}]
        shown.append({"prompt": prompt, "response": write_call(request.kind.function, arguments)})
    return pandas.DataFrame(shown)


def write_data(folder: Path, *, seed: int) -> None:
    """Writes train.parquet, val.parquet and demonstrations.parquet, each row of the first two proven.

    Args:
        folder: Where to.
        seed: Equal seeds give equal files.
    """
    for split in ROWS:
        write_parquet(rows(split, seed=seed), folder / f"{split}.parquet")
    demonstrations(seed=seed).to_parquet(folder / "demonstrations.parquet")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the parquet files and the model")
    folder = parser.parse_args().output
    # The order of sums, and with it the model, would depend on the number of cores.
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    write_data(folder, seed=SEED)
    model = folder / "model"
    trained = warm_start(folder / "demonstrations.parquet", folder / "train.parquet", model, steps=STEPS)
    found = json.loads((model / KEY_FILE).read_text())["sampled"]
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in found["group_share"].items())
    levels = ", ".join(f"difficulty {level} {share:.0%}" for level, share in found["accuracy_by_difficulty"].items())
    print(f"model ({'trained' if trained else 'cached'}): {model}")
    print(f"sampled at temperature 1: {found['accuracy']:.0%} right ({levels}), {found['response_tokens']:.1f} tokens")
    print(f"groups of {found['group_size']}: {shares}")


if __name__ == "__main__":
    main()
