"""Warm start of the demonstration: a short supervised fine-tune, so that a sampled answer is right sometimes.

Without it every answer is wrong, every group is hard, and there is nothing to learn from. What it
learns from forgets the carry half of the time (demonstrations.py): a bad habit for reinforcement learning to correct.

    python -m groupwise.demo.warm_start --train PARQUET --sample PARQUET --output MODEL_DIR

The result is cached: MODEL_DIR holds a key of everything that determines it, and a second call with the same key
returns at once. It is written to a sibling folder and renamed, so an interrupted call leaves nothing that a later one
would take.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import torch
import transformers
from tqdm import tqdm
from transformers import PreTrainedModel

from groupwise.demo import demonstrations, sampling, tiny_model

SEED = 0
STEPS = 800
BATCH_SIZE = 64
# Peak of a short linear warm-up and a cosine to zero. Half of it or half as much again learns more slowly.
LEARNING_RATE = 2e-3
WARM_UP_STEPS = 30
KEY_FILE = "warm_start.json"


def cache_key(*data_files: Path) -> str:
    """Hashes everything that determines model and report: this code, the data, and the libraries that compute."""
    digest = hashlib.sha256(f"torch {torch.__version__} transformers {transformers.__version__}".encode())
    modules = (tiny_model, demonstrations, sampling)
    for file in (Path(__file__), *(Path(module.__file__) for module in modules), *data_files):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def fine_tune(
    model: PreTrainedModel, examples: list[demonstrations.Example], *, steps: int, seed: int, batch: int, rate: float
) -> float:
    """Trains in place on random batches of the examples; gives the last step's loss, in nats per response token."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )
    model.train()
    loss = torch.tensor(math.nan)
    with tqdm(total=steps, desc="warm start", unit="step", file=sys.stdout, disable=None) as progress:
        for _ in range(steps):
            chosen = torch.randint(len(examples), (batch,), generator=generator)
            rows = demonstrations.collate([examples[i] for i in chosen], model.config.pad_token_id)
            loss = model(**rows, use_cache=False).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            progress.update()
    return loss.item()


def warm_start(train_file: Path, sample_file: Path, output: Path, *, steps: int = STEPS) -> bool:
    """Trains the model and saves it in `output`, unless it is there already; says whether it was trained now.

    It learns from the rows of `train_file`, as verl reads them; those of `sample_file` are sampled for the report.
    """
    key = {"key": cache_key(train_file, sample_file), "steps": steps}
    return cached(output, key, lambda folder: _make(train_file, sample_file, folder, steps))


def cached(output: Path, key: dict[str, str | int], make: Callable[[Path], dict[str, Any]]) -> bool:
    """Makes a model, unless a folder holds one of this key already; says whether it was made now.

    What the folder held before is replaced, in one move; `make` writes the model into an empty one, and gives what is
    to be told of it.
    """
    if (output / KEY_FILE).is_file():
        known = json.loads((output / KEY_FILE).read_text())
        if {name: known.get(name) for name in key} == key:
            return False
    partial = output.with_name(f"{output.name}.partial-{os.getpid()}")
    for stale in output.parent.glob(f"{output.name}.partial-*"):
        shutil.rmtree(stale)
    partial.mkdir(parents=True)
    told = make(partial)
    (partial / KEY_FILE).write_text(json.dumps({**key, **told}, indent=2))
    shutil.rmtree(output, ignore_errors=True)
    os.replace(partial, output)
    return True


def _make(train_file: Path, sample_file: Path, folder: Path, steps: int) -> dict[str, Any]:
    tokenizer = tiny_model.build_tokenizer()
    model = tiny_model.build_model(tokenizer, seed=SEED)
    examples = demonstrations.tokenize(tokenizer, pandas.read_parquet(train_file), seed=SEED)
    loss = fine_tune(model, examples, steps=steps, seed=SEED, batch=BATCH_SIZE, rate=LEARNING_RATE)
    report = sampling.sample(model, tokenizer, pandas.read_parquet(sample_file), seed=SEED)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return {"loss": loss, "sampled": report._asdict()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Warm-start the demonstration's model, or reuse the cached one.")
    parser.add_argument("--train", type=Path, required=True, help="parquet file to learn from")
    parser.add_argument("--sample", type=Path, required=True, help="parquet file to sample afterwards, for the report")
    parser.add_argument("--output", type=Path, required=True, help="folder of the model")
    arguments = parser.parse_args()
    # The order of sums, and with it the model, would depend on the number of cores; two gain little here.
    torch.set_num_threads(1)
    # Reading and writing a model of four megabytes needs no bars of its own.
    transformers.utils.logging.disable_progress_bar()
    try:
        trained = warm_start(arguments.train, arguments.sample, arguments.output)
    except FileNotFoundError as error:
        sys.exit(
            f"The warm start needs rows, but there is no {error.filename}; python -m data_prep.arithmetic writes some."
        )
    report = json.loads((arguments.output / KEY_FILE).read_text())["sampled"]
    state = "trained" if trained else "cached"
    sys.stdout.write(f"model ({state}): {arguments.output}\n{sampling.describe(report)}\n")


if __name__ == "__main__":
    main()
