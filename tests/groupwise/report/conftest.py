"""Runs as they lie on disk, written for a test."""

import copy
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

CONFIG: dict[str, Any] = {
    "algorithm": {
        "adv_estimator": "dipo",
        "dipo": {"alpha": 0.1, "queue_batches": 2, "confidence": 0.95, "group_perplexity": "any"},
        "filter_groups": {"enable": False},
        "observe": [],
    },
    "data": {"train_files": "/data/train.parquet", "val_files": "/data/val.parquet", "seed": 1},
    "actor_rollout_ref": {
        "actor": {"optim": {"lr": 1e-6}, "fsdp_config": {"seed": 42}, "ppo_micro_batch_size_per_gpu": 4},
        "model": {"path": "/models/Qwen"},
    },
    "trainer": {"experiment_name": "x", "nnodes": 1, "total_training_steps": 100, "rollout_data_dir": None},
}
HASHES = {
    "train_files": {"/data/train.parquet": "sha256:" + "a" * 64},
    "val_files": {"/data/val.parquet": "sha256:" + "b" * 64},
}


def set_keys(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of a configuration with some keys changed, by their full names."""
    config = copy.deepcopy(config)
    for name, value in changes.items():
        *sections, last = name.split(".")
        section = config
        for part in sections:
            section = section[part]
        section[last] = value
    return config


def step_of(number: int, **changes: Any) -> dict[str, Any]:
    """The record of a training step, its metrics those that the charts show; None leaves one out."""
    data = {
        "training/global_step": number,
        "actor/entropy": 0.5,
        "response_length/mean": 100.0,
        "response_length/clip_ratio": 0.05,
        "critic/score/mean": 0.5,
        "critic/rewards/mean": 0.5,
        "timing_s/step": 10.0,
        "timing_s/gen": 6.0,
        "timing_s/update_actor": 3.0,
        "dipo/group_share/hard": 0.25,
        "dipo/group_share/easy": 0.25,
        "dipo/group_share/mixed": 0.5,
        "dipo/gradient_share/grpo": 0.5,
        "dipo/gradient_share/dipo": 0.75,
        "dipo/advantage_share": 0.05,
        "dipo/perplexity/correct": 1.2,
        "dipo/perplexity/wrong": 1.6,
        "dipo/threshold/admissible": 1.0,
        "dipo/threshold/value": 1.4,
        "dipo/quadrant_share/correct_low": 0.4,
        "dipo/quadrant_share/correct_high": 0.1,
        "dipo/quadrant_share/error_low": 0.2,
        "dipo/quadrant_share/error_high": 0.3,
        "dipo/reallocated_total/up": 2.0,
        "dipo/reallocated_total/down": 1.0,
        "dipo/would_reallocate_total/any": 3.0,
        "dipo/would_reallocate_total/median": 1.0,
        "dipo/would_reallocate_total/mean": 2.0,
        "dipo/would_reallocate_total/peak": 2.5,
        "reward/verifier_error": 0.0,
        "reward/timeout": 0.0,
        "reward/unparsable_gold": 0.0,
    }
    data |= changes
    return {"step": number, "data": {name: value for name, value in data.items() if value is not None}}


def validated(record: dict[str, Any], accuracy: float, source: str = "math") -> dict[str, Any]:
    """The same record with a validation in it."""
    stem = f"val-aux/{source}/acc"
    return {
        "step": record["step"],
        "data": {
            **record["data"],
            f"val-core/{source}/acc/mean@8": accuracy,
            f"{stem}/mean@8/low": accuracy - 0.05,
            f"{stem}/mean@8/high": accuracy + 0.05,
            f"{stem}/pass@8": min(1.0, accuracy + 0.2),
        },
    }


def steps_to(last: int, *, accuracy: float = 0.5, **changes: Any) -> list[dict[str, Any]]:
    """A validation before, `last` training steps, and a validation in every other one, growing by 0.01."""
    records = [validated({"step": 0, "data": {}}, accuracy)]
    for number in range(1, last + 1):
        record = step_of(number, **changes)
        records.append(validated(record, accuracy + number / 100) if number % 2 == 0 else record)
    return records


def write_run_to(
    folder: Path,
    records: Iterable[dict[str, Any]] = (),
    *,
    config: dict[str, Any] | None = None,
    is_configured: bool = True,
    data: dict[str, Any] | None = None,
    file: str = "metrics.jsonl",
    config_in: str = ".",
    end: str = "",
) -> Path:
    """Writes a run's folder: records, then `end` as it is; the configuration with some keys changed."""
    (folder / config_in).mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / file).write_text(lines + end)
    if is_configured:
        record = {"data": data or HASHES, "config": set_keys(CONFIG, config or {})}
        (folder / config_in / "runs.jsonl").write_text(json.dumps(record) + "\n")
    return folder


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Path]:
    """`write_run(folder, records, *, config={key: value}, is_configured, data=hashes, file, config_in, end=text)`."""
    return write_run_to


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """`make_run(name, ...)`: the same, below the test's own folder."""
    return lambda name, *args, **options: write_run_to(tmp_path / name, *args, **options)


@pytest.fixture(scope="session")
def steps() -> Callable[..., list[dict[str, Any]]]:
    """`steps(last, *, accuracy, **changes)`: the records of a run."""
    return steps_to


@pytest.fixture
def step() -> Callable[..., dict[str, Any]]:
    """`step(number, **changes)`: the record of a training step."""
    return step_of
