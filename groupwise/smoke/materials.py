"""What the smoke trains: a model of random weights and rows, both made here, so that no network is needed.

Such a model gives no right answer, and without right and wrong ones in a group nothing has a gradient. So the reward is
drawn by the response's hash, after the verifier has judged it as in any other run.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from groupwise.demo.tiny_model import SHAPE, build_model, build_tokenizer
from reward_score import compute_score as verify

QWEN_05B: Final = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "initializer_range": 0.02,
}
"""Qwen2.5-0.5B's: its published config.json."""

QWEN_VOCABULARY: Final = 151936
ROWS: Final = (256, 16)
"""Rows to train on, and to evaluate."""


def make_model(folder: Path, *, tiny: bool) -> None:
    """Writes a model of Qwen2's architecture with a tokenizer of bytes: of 0.5 billion parameters, or a tiny one."""
    tokenizer = build_tokenizer(None if tiny else QWEN_VOCABULARY)
    model = build_model(tokenizer, seed=0, shape=SHAPE if tiny else QWEN_05B)
    tokenizer.save_pretrained(folder)
    (model if tiny else model.bfloat16()).save_pretrained(folder)


def make_rows(folder: Path) -> str:
    """Writes train.parquet and val.parquet, and says of what: GSM8K as it was prepared, as published, or additions."""
    prepared, made = Path(os.environ.get("DATA_DIR", "data"), "gsm8k", "train.parquet"), folder / "made"
    published = Path(os.environ.get("DIPO_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"), "gsm8k")
    if prepared.is_file():
        source, told = prepared, f"GSM8K ({prepared})"
    else:
        module, told = ["arithmetic", "--train-size", "512", "--shares", "0", "0", "1"], "additions: no GSM8K is here"
        if published.is_dir():
            module, told = ["gsm8k", "--input", str(published)], f"GSM8K ({published})"
        command = [sys.executable, "-m", f"data_prep.{module[0]}", "--output", str(made), *module[1:]]
        subprocess.run(command, check=True, capture_output=True)
        source = made / "train.parquet"
    table = pq.read_table(source)
    pq.write_table(table.slice(0, ROWS[0]), folder / "train.parquet")
    pq.write_table(table.slice(ROWS[0], ROWS[1]), folder / "val.parquet")
    return told


def compute_score(data_source: str, solution_str: str, ground_truth: str, extra_info: Any = None) -> dict[str, Any]:
    """The verifier's result, with a verdict that the response's hash draws: right for one in four."""
    verdict = verify(data_source, solution_str, ground_truth, extra_info)
    drawn = float(hashlib.sha256(solution_str.encode()).digest()[0] < 64)
    return {**verdict, "score": drawn, "acc": drawn}
