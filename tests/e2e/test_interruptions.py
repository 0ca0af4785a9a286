"""Runs that are killed, that run out of disk, that cannot start."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from groupwise.dumps.reader import find_dumps, read_dump
from groupwise.replay.by_step import replay_files
from groupwise.replay.settings import choose

pytestmark = [pytest.mark.slow, pytest.mark.vllm]


def test_a_killed_run_resumes_and_leaves_nothing_behind(start, shared_memory_blocks, tmp_path):
    before = shared_memory_blocks()
    dumps = f"trainer.rollout_data_dir={tmp_path}/run/rollouts"
    killed = start("trainer.total_training_steps=50", "trainer.save_freq=2", dumps)
    killed.wait_for_step(3)
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait()
    last = int((killed.checkpoints / "latest_checkpointed_iteration.txt").read_text())
    left = set(killed.processes())
    run = start(f"trainer.total_training_steps={last + 2}", "trainer.save_freq=2", dumps)
    assert run.wait() == 0, run.log[-5000:]
    # Nothing is trained twice that was saved, and nothing that was saved is lost.
    assert sorted(run.metrics()) == [last + 1, last + 2]
    assert run.metrics()[last + 1]["dipo/queue_size"] == 2 * 16 * 8
    assert not [pid for pid in left if os.path.exists(f"/proc/{pid}")]
    assert run.processes() == []
    assert shared_memory_blocks() <= before
    # A step that was trained again was dumped again: one dump a step, each decided as the replay decides it.
    files = find_dumps([tmp_path / "run" / "rollouts"])
    # The killed run may have dumped steps after its last checkpoint, which the resumed one did not reach.
    reached = [file for file in files if int(file.stem) <= last + 2]
    result = replay_files(reached, choose(read_dump(files[0]), {}), correct_above=None)
    assert result.differences == {str(step): [] for step in range(1, last + 3)}
    shown = re.findall(r"step (\d+)/\d+ dipo: hard \d+% easy \d+% .*up \d+ down \d+", run.log)
    assert list(map(int, shown)) == [last + 1, last + 2]


def test_a_second_run_is_refused_and_a_dead_engine_ends_the_first(start):
    run = start("trainer.total_training_steps=1000")
    deadline = time.monotonic() + 120
    while not run.processes():
        assert run.process.poll() is None, run.log[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    # A log of its own, and the first one's checkpoints.
    second = start("trainer.total_training_steps=1000", f"trainer.default_local_dir={run.checkpoints}", name="second")
    assert second.wait() == 1
    assert "another one is still running" in second.log
    assert "Traceback" not in second.log
    assert run.process.poll() is None

    run.wait_for_step(1)
    (engine,) = [pid for pid in run.processes() if b"EngineCore" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(engine, signal.SIGKILL)
    assert run.wait() == 1
    assert "The run cannot go on: the vLLM engine of vllm_server_0_0 is dead" in run.log
    assert "Start the same command again" in run.log
    assert run.processes() == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a small file system: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder) -> None:
    """Leaves 100 KiB free."""
    with (folder / "filler").open("wb") as filler:
        filler.truncate(0)
        free = shutil.disk_usage(folder).free
        filler.write(b"0" * (free - 100 * 1024))


def test_a_disk_that_is_full_at_the_start(start, small_disk):
    fill(small_disk)
    run = start(f"trainer.default_local_dir={small_disk}/checkpoints", "trainer.save_freq=1")
    assert run.wait() == 1
    # One for each of its steps.
    assert re.search(r"must have room for \d+ checkpoints", run.log)
    assert "Traceback" not in run.log
    # Ray was not even started.
    assert "ray init kwargs" not in run.log


def test_a_disk_that_fills_up_during_the_run(start, small_disk):
    # Two checkpoints of the tiny model fit.
    kept = ("trainer.save_freq=3", "trainer.max_actor_ckpt_to_keep=2")
    run = start(f"trainer.default_local_dir={small_disk}/checkpoints", *kept)
    run.wait_for_step(1)
    fill(small_disk)
    assert run.wait() == 1
    assert "must have room for a checkpoint" in run.log
    assert "Traceback (most recent call last)" not in run.log.split("must have room")[0]


def test_a_cluster_whose_workers_load_other_plugins(start, monkeypatch):
    monkeypatch.setenv("VERL_USE_EXTERNAL_PLUGINS", "some_other_plugin")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "num_gpus": 1})
    monkeypatch.delenv("VERL_USE_EXTERNAL_PLUGINS")
    try:
        run = start(
            f"ray_kwargs.ray_init.address={cluster.address}",
            *(f"ray_kwargs.ray_init.{key}=null" for key in ("num_cpus", "num_gpus", "object_store_memory")),
            "ray_kwargs.ray_init.include_dashboard=null",
        )
        assert run.wait() == 1
    finally:
        cluster.shutdown()
        ray.shutdown()
    assert "its estimator and reward manager did not register" in run.log
    assert "Traceback (most recent call last)" not in run.log.split("verl's plug-ins must include")[0]


@pytest.mark.parametrize(
    ("overrides", "sentences"),
    [
        (
            [
                "algorithm.filter_groups.enable=true",
                "+algorithm.dipo.alhpa=1",
                "data.train_files=/no/such.parquet",
                "actor_rollout_ref.model.path=/no/such/model",
                "data.train_batch_size=7",
                "trainer.n_gpus_per_node=3",
            ],
            [
                "drops exactly the groups",
                "did you mean 'alpha'",
                "there is no /no/such.parquet",
                "/no/such/model is neither",
                "verl refuses this configuration",
                "[batch]",
            ],
        ),
        (["algorithm.dipo.alhpa=1"], ["there is none of that name; did you mean algorithm.dipo.alpha?"]),
    ],
)
def test_a_configuration_that_cannot_run(start, overrides, sentences):
    run = start(*overrides)
    assert run.wait() == 1
    for sentence in sentences:
        assert sentence in run.log
    assert "Traceback" not in run.log
    assert "ray init kwargs" not in run.log
