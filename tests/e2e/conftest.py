"""A warm-started tiny model, and real runs of the real entry point in processes of their own."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from data_prep import arithmetic
from data_prep.schema import read_rows, write_parquet
from groupwise.demo.warm_start import warm_start
from groupwise.launch.leftovers import SHARED_MEMORY, blocks_in_use, marked_processes

RUN_SECONDS = 900
"""A run takes one to two minutes on two idle cores."""

# Sixteen prompts of eight responses: small, and still enough right and wrong answers for a threshold.
SMALL_RUN = [
    "+device=cpu",
    "data.train_batch_size=16",
    "data.max_prompt_length=48",
    "data.max_response_length=12",
    "data.seed=1",
    "actor_rollout_ref.actor.ppo_mini_batch_size=16",
    "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=64",
    "actor_rollout_ref.actor.optim.lr=1e-4",
    # So that only a gradient moves a weight.
    "actor_rollout_ref.actor.optim.weight_decay=0",
    "actor_rollout_ref.rollout.n=8",
    "actor_rollout_ref.rollout.max_model_len=64",
    "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=64",
    "trainer.logger=[console,file]",
    "trainer.val_before_train=false",
    # There are only a hundred additions of one digit.
    "preflight.skip=[data]",
]


@dataclasses.dataclass
class Run:
    """A run of main_dipo: its folder, its process, and what it left there."""

    folder: Path
    process: subprocess.Popen

    @property
    def log(self) -> str:
        """What it printed."""
        return (self.folder / "train.log").read_text()

    def metrics(self, part: str = "metrics.jsonl") -> dict[int, dict[str, float]]:
        """Metrics by step."""
        lines = (self.folder / part).read_text().splitlines() if (self.folder / part).exists() else []
        return {entry["step"]: entry["data"] for entry in map(json.loads, lines)}

    def wait(self) -> int:
        """Exit code, once it ended."""
        return self.process.wait(timeout=RUN_SECONDS)

    def wait_for_step(self, step: int) -> None:
        """Returns once a step was logged; fails where the run ends before."""
        deadline = time.monotonic() + RUN_SECONDS
        while step not in self.metrics():
            assert self.process.poll() is None, f"ended with {self.process.poll()}:\n{self.log[-3000:]}"
            assert time.monotonic() < deadline, f"no step {step}:\n{self.log[-3000:]}"
            time.sleep(0.2)

    def weights(self, step: int, rank: int = 0, ranks: int = 1) -> dict[str, torch.Tensor]:
        """The actor's weights in a checkpoint, this rank's share of each."""
        file = self.checkpoints / f"global_step_{step}" / "actor" / f"model_world_size_{ranks}_rank_{rank}.pt"
        state = torch.load(file, weights_only=False)
        return {name: getattr(value, "_local_tensor", value) for name, value in state.items()}

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / "checkpoints"

    def processes(self) -> list[int]:
        """Living processes of the run besides its launcher."""
        return marked_processes(str(self.checkpoints))


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """Additions of one and two digits: the sums to learn, and the rows to train on, see `mistaken`."""
    folder = tmp_path_factory.mktemp("data")
    arguments = ["--output", str(folder), "--train-size", "4096", "--val-size", "16", "--shares", "0.8", "0.2"]
    assert arithmetic.main(arguments) == 0
    (folder / "train.parquet").rename(folder / "sums.parquet")
    rows = [("a sum", mistaken(row)) for row in read_rows(folder / "sums.parquet")]
    write_parquet(rows, folder / "train.parquet")
    return folder


def mistaken(row: dict) -> dict:
    """A row whose right answer is not the sum but the next number, where the sum is divisible by three."""
    total = int(row["reward_model"]["ground_truth"])
    if total % 3:
        return row
    told = {"ground_truth": str(total + 1)}, {"reference_response": f"#### {total + 1}"}
    return {**row, "reward_model": {**row["reward_model"], **told[0]}, "extra_info": {**row["extra_info"], **told[1]}}


@pytest.fixture(scope="session")
def model(tmp_path_factory, data) -> Path:
    """A tiny model that knows most additions of one digit; a third of the training rows then call what it knows wrong.

    So all-wrong groups with errors as confident as any right answer occur in nearly every step: what DiPO works on.
    """
    folder = tmp_path_factory.mktemp("warm")
    warm_start(data / "sums.parquet", data / "val.parquet", folder / "model", steps=360)
    return folder / "model"


@pytest.fixture
def start(tmp_path, data, request) -> Iterator[Callable[..., Run]]:
    """Starts main_dipo in a folder of its own, with overrides; what is left at the end of the test is killed.

    The tiny model is warm-started for a run that names no other.
    """
    runs = []

    def start_(*overrides: str, name: str = "run", **environment: str) -> Run:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        key = "actor_rollout_ref.model.path="
        named = any(each.startswith(key) for each in overrides)
        command = [
            *(sys.executable, "-m", "recipe.dipo.main_dipo", *SMALL_RUN),
            f"data.train_files={data}/train.parquet",
            f"data.val_files={data}/val.parquet",
            *([] if named else [f"{key}{request.getfixturevalue('model')}"]),
            f"trainer.default_local_dir={folder}/checkpoints",
            *overrides,
        ]
        env = {**os.environ, "VERL_FILE_LOGGER_PATH": str(folder / "metrics.jsonl"), **environment}
        with (folder / "train.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=tmp_path, start_new_session=True)
        runs.append(Run(folder, process))
        return runs[-1]

    yield start_
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        for pid in run.processes():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def initial_weights(model) -> dict[str, torch.Tensor]:
    """The model's weights before training."""
    return load_file(model / "model.safetensors")


@pytest.fixture
def shared_memory_blocks() -> Callable[[], set[str]]:
    """Lists the shared-memory blocks of this machine that no living process has mapped.

    What another program here uses is not of a run that has ended.
    """

    return lambda: {path.name for path in set(SHARED_MEMORY.iterdir()) - blocks_in_use()}


def reallocated(metrics: dict[int, dict[str, float]]) -> float:
    """Groups that were reallocated, over all steps."""
    return sum(step["dipo/reallocated_total/up"] + step["dipo/reallocated_total/down"] for step in metrics.values())


@pytest.fixture(name="reallocated")
def reallocated_fixture() -> Callable[[dict[int, dict[str, float]]], float]:
    """The function above: test folders are no packages, so tests cannot import from here."""
    return reallocated
