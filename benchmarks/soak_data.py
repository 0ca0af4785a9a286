"""The rows that a soak trains on, and the order in which an uninterrupted training would see them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import OmegaConf

from groupwise.dumps.reader import find_dumps, read_dump
from groupwise.replay.by_step import TEXTS, replay_files
from groupwise.replay.settings import choose


def write_rows(source: Path, target: Path, *, rows: int) -> None:
    """Writes the first rows with different prompts, so that a prompt names its row.

    Args:
        source: A parquet file of data_prep.
        target: Where they go.
        rows: How many.

    Raises:
        ValueError: There are not as many.
    """
    table = pq.read_table(source)
    first = {prompt: row for row, prompt in reversed(list(enumerate(_prompts(table))))}
    kept = sorted(first.values())[:rows]
    if len(kept) < rows:
        raise ValueError(f"{source} must hold {rows} different prompts, but has {len(kept)}; prepare more data.")
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.take(kept), target)


def _prompts(table: pa.Table) -> list[str]:
    return [messages[-1]["content"] for messages in table["prompt"].to_pylist()]


def expected_prompts(config_file: Path, *, steps: int) -> dict[int, list[str]]:
    """Asks verl's own sampler and dataloader, never interrupted.

    Args:
        config_file: `config.yaml` of the run.
        steps: How many.

    Returns:
        The prompts of each step, counted from 1.
    """
    from torchdata.stateful_dataloader import StatefulDataLoader
    from verl.trainer.ppo.utils import create_rl_sampler

    data = OmegaConf.load(config_file).data
    files = [data.train_files] if isinstance(data.train_files, str) else data.train_files
    prompts = [prompt for file in files for prompt in _prompts(pq.read_table(file))]
    loader = StatefulDataLoader(
        prompts,
        batch_size=data.train_batch_size,
        drop_last=True,
        collate_fn=list,
        sampler=create_rl_sampler(data, prompts),
    )
    batches: dict[int, list[str]] = {}
    while len(batches) < steps:
        for batch in loader:
            batches[len(batches) + 1] = batch
    return {step: batches[step] for step in range(1, steps + 1)}


def dumped_prompts(folder: Path) -> dict[int, list[tuple[str, str]]]:
    """Reads the uid and the prompt of each response from the dumps of a run, by step.

    Args:
        folder: `trainer.rollout_data_dir`.
    """
    found = {}
    for file in find_dumps([folder]):
        dump = read_dump(file, ["uid", "prompt"])
        found[dump.step] = list(zip(dump.table["uid"].to_pylist(), dump.table["prompt"].to_pylist(), strict=True))
    return found


def replayed(folder: Path) -> dict[str, list[str] | None]:
    """Replays the dumps of a run with the run's own settings, see `groupwise.replay`.

    Args:
        folder: `trainer.rollout_data_dir`.

    Returns:
        By step what differs from what the run decided.
    """
    files = find_dumps([folder])
    return replay_files(files, choose(read_dump(files[0], without=TEXTS), {}), correct_above=None).differences
