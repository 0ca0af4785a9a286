"""Two nodes: two raylets on this machine, each with resources of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest
import ray
import torch
from ray.cluster_utils import Cluster
from safetensors.torch import load_file

from groupwise.evaluation import checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

REPOSITORY = Path(__file__).resolve().parents[2]
NODE = {"num_cpus": 16, "num_gpus": 1}
# Ray refuses resources where it joins a cluster.
JOIN = (
    *(f"ray_kwargs.ray_init.{key}=null" for key in ("num_cpus", "num_gpus", "object_store_memory")),
    "ray_kwargs.ray_init.include_dashboard=null",
    "trainer.nnodes=2",
)


@pytest.fixture
def cluster():
    """A Ray cluster of one node, to which a test adds."""
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    yield cluster
    cluster.shutdown()
    ray.shutdown()


def workers(cluster: Cluster) -> list[int]:
    """Processes of the training workers, on any node."""
    found = subprocess.run(["pgrep", "-f", "ray::WorkerDict"], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def test_trains_on_two_nodes_and_resumes_after_a_worker_was_killed(start, cluster, initial_weights, reallocated):
    cluster.add_node(**NODE)
    join = (f"ray_kwargs.ray_init.address={cluster.address}", *JOIN)
    run = start(*join, "trainer.total_training_steps=50", "trainer.save_freq=1", "trainer.max_actor_ckpt_to_keep=2")
    run.wait_for_step(3)
    killed = workers(cluster)[-1]
    os.kill(killed, signal.SIGKILL)
    assert run.wait() == 1
    assert f"WorkerDict (pid {killed})" in run.log
    assert "Start the same command again" in run.log
    last = int((run.checkpoints / "latest_checkpointed_iteration.txt").read_text())
    first = run.metrics()

    deadline = time.monotonic() + 60
    # Ray ends what belonged to the run; the cluster itself stays.
    while workers(cluster) and time.monotonic() < deadline:
        time.sleep(0.5)
    run = start(
        *join, f"trainer.total_training_steps={last + 2}", "trainer.save_freq=1", "trainer.max_actor_ckpt_to_keep=2"
    )
    assert run.wait() == 0, run.log[-5000:]
    second = run.metrics()
    assert sorted(second) == [last + 1, last + 2]
    assert second[last + 1]["dipo/queue_size"] == 2 * 16 * 8
    assert reallocated({**first, **second}) > 0
    shards = [run.weights(last + 2, rank, ranks=2) for rank in range(2)]
    name = "model.layers.0.self_attn.q_proj.weight"
    assert sum(shard[name].shape[0] for shard in shards) == initial_weights[name].shape[0]
    # Checkpoints of both parts of the run are bounded together.
    assert len(list(run.checkpoints.glob("global_step_*"))) == 2


@pytest.fixture
def python_without_the_recipe(tmp_path) -> str:
    """A Python that has everything that this one has, but for the recipe."""
    folder = tmp_path / "without"
    venv.create(folder, with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    here = Path(ray.__file__).parents[1]
    there = folder / "lib" / version / "site-packages"
    for entry in here.iterdir():
        if "verl_dipo" not in entry.name and not (there / entry.name).exists():
            (there / entry.name).symlink_to(entry)
    return str(folder / "bin" / "python")


def test_a_node_without_the_recipe_is_named(start, cluster, python_without_the_recipe, monkeypatch):
    # Ray starts the workers of a node with the Python that started the node.
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", python_without_the_recipe)
        node = cluster.add_node(**NODE)
    run = start(f"ray_kwargs.ray_init.address={cluster.address}", *JOIN)
    assert run.wait() == 1
    said = run.log.split("ray init kwargs")[-1]
    assert "Every node must be able to import this recipe, but node" in said
    assert f"id {node.node_id[:8]}" in said
    assert "No module named 'groupwise'" in said
    assert said.count("Every node must be able to import") == 1
    assert "Traceback (most recent call last)" not in said.split("Every node must be")[0]


def test_a_cluster_that_is_too_small_is_refused(start, cluster):
    run = start(f"ray_kwargs.ray_init.address={cluster.address}", *JOIN)
    assert run.wait() == 1
    assert "The Ray cluster must have 2 nodes with 1 GPUs each" in run.log


@pytest.fixture
def slurm(tmp_path) -> dict[str, str]:
    """The environment of a SLURM job of two nodes, both this machine: what srun would start elsewhere starts here."""
    programs = tmp_path / "bin"
    programs.mkdir()
    address = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()[0]
    scripts = {
        "scontrol": f"echo {address}; echo {address}",
        # Drops srun's own options.
        "srun": 'while [[ "$1" == --* ]]; do shift; done; exec "$@"',
    }
    for name, body in scripts.items():
        (programs / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (programs / name).chmod(0o755)
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SLURM_SUBMIT_DIR": str(REPOSITORY),
        "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_NNODES": "2",
        "SLURM_GPUS_ON_NODE": "1",
        "SLURM_CPUS_PER_TASK": "16",
        "RAY_PORT": str(port),
        # A token of the test's own, and none left in the home folder.
        "HOME": str(tmp_path),
    }


@pytest.mark.full
def test_the_slurm_template_trains_on_two_nodes(slurm, data, model, tmp_path):
    command = [
        *("bash", str(REPOSITORY / "scripts" / "slurm.sbatch"), "scripts/run_qwen7b_dipo.sh"),
        "+device=cpu",
        *("data.train_batch_size=16", "data.max_prompt_length=48", "data.max_response_length=12"),
        *("actor_rollout_ref.actor.ppo_mini_batch_size=16", "actor_rollout_ref.rollout.n=8"),
        *("actor_rollout_ref.rollout.max_model_len=64", "reward.reward_kwargs.overlong_buffer_cfg.enable=false"),
        *("trainer.total_training_steps=2", "trainer.val_before_train=false", "trainer.test_freq=-1"),
        *("trainer.save_freq=2", "data.filter_overlong_prompts_workers=1", "preflight.skip=[data]"),
        *(f"data.train_files={data}/train.parquet", f"data.val_files={data}/val.parquet"),
        *(f"ray_kwargs.ray_init.{key}=null" for key in ("num_cpus", "num_gpus", "object_store_memory")),
        "ray_kwargs.ray_init.include_dashboard=null",
    ]
    environment = {**os.environ, **slurm, "MODEL_PATH": str(model), "CKPT_DIR": str(tmp_path / "runs")}
    with (tmp_path / "slurm.log").open("w") as log:
        job = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            code = job.wait(timeout=900)
        finally:
            if job.poll() is None:
                os.killpg(job.pid, signal.SIGKILL)
    assert code == 0, (tmp_path / "slurm.log").read_text()[-5000:]
    folder = tmp_path / "runs" / "qwen7b" / "dipo"
    assert sorted(path.name for path in (folder / "global_step_2" / "actor").glob("model_*")) == [
        f"model_world_size_2_rank_{rank}.pt" for rank in range(2)
    ]
    # What an evaluation would load: the shards of both nodes, put together by verl's merger.
    merged = load_file(checkpoint.load(checkpoint.find(str(folder))) / "model.safetensors")
    shards = [torch.load(folder / "global_step_2" / "actor" / f"model_world_size_2_rank_{rank}.pt", weights_only=False)
              for rank in range(2)]  # fmt: skip
    name = "model.layers.0.self_attn.q_proj.weight"
    whole = torch.cat([shard[name]._local_tensor for shard in shards]).bfloat16()
    assert torch.equal(merged[name], whole)
    # The cluster ends with the job.
    listening = subprocess.run(["pgrep", "-f", f"gcs_server_port={slurm['RAY_PORT']}"], capture_output=True, text=True)
    assert listening.stdout == ""
