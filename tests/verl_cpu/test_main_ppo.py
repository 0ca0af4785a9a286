"""verl's own ``python -m verl.trainer.main_ppo`` with GRPO, on the CPU, with nothing but this package beside it."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch

pytestmark = [pytest.mark.slow, pytest.mark.vllm]
STEPS = 4
# The share of digits in the answer: a random model is right sometimes, so groups have a gradient from the first step.
REWARD = """
def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    return sum(character.isdigit() for character in solution_str) / max(1, len(solution_str))
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {
            "data_source": "additions",
            "prompt": [{"role": "user", "content": f"{a}+{b}="}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": str(a + b)},
            "extra_info": {"index": 8 * a + b},
        }
        for a in range(8)
        for b in range(8)
    ]
    path = tmp_path / "additions.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


def processes_of(mark: str) -> list[int]:
    """Processes whose environment carries the mark, wherever Ray or vLLM put them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            content = path.read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if mark.encode() in content:
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def mark() -> Iterator[str]:
    """A value for the environment of the run, by which all its processes are known; they are ended afterwards."""
    value = f"verl_cpu_test_{uuid.uuid4().hex}"
    yield value
    for pid in processes_of(value):
        os.kill(pid, signal.SIGKILL)


def shared_blocks_of(mark: str) -> set[str]:
    """Names of the blocks in /dev/shm that processes with the mark have mapped, removed or not."""
    found: set[str] = set()
    for pid in processes_of(mark):
        try:
            maps = Path(f"/proc/{pid}/maps").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found |= set(re.findall(r" /dev/shm/(\S+)", maps))
    return found


def run(command: list[str], folder: Path, mark: str) -> tuple[int, str, set[str]]:
    """Exit code, log, and every shared-memory block that was seen in use."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VERL_", "VLLM_"))}
    blocks: set[str] = set()
    log = folder / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, env={**environment, "VERL_CPU_TEST_MARK": mark}, cwd=folder, stdout=stream, stderr=stream
        )
        end = time.monotonic() + 600
        while process.poll() is None:
            assert time.monotonic() < end, f"not done in ten minutes; {log} ends with {log.read_text()[-3000:]}"
            blocks |= shared_blocks_of(mark)
            time.sleep(1)
    return process.returncode, log.read_text(), blocks


def series(log: str, metric: str) -> list[float]:
    """Values of a logged metric, one for each step."""
    return [float(value) for value in re.findall(rf" {re.escape(metric)}:([-+.\de]+)", log)]


def test_grpo(tiny_model: Path, data: Path, tmp_path: Path, mark: str):
    reward = tmp_path / "reward.py"
    reward.write_text(REWARD)
    command = [
        *(sys.executable, "-m", "verl.trainer.main_ppo", "hydra.searchpath=[pkg://verl_cpu.config]", "+device=cpu"),
        "algorithm.adv_estimator=grpo",
        *(f"data.train_files={data}", f"data.val_files={data}", "data.train_batch_size=8"),
        *("data.max_prompt_length=32", "data.max_response_length=16"),
        f"actor_rollout_ref.model.path={tiny_model}",
        *("actor_rollout_ref.actor.ppo_mini_batch_size=8", "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=32"),
        # Far too high for training: each update must move the policy so much that stale weights would show.
        "actor_rollout_ref.actor.optim.lr=0.05",
        *("actor_rollout_ref.rollout.n=4", "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=32"),
        f"reward.custom_reward_function.path={reward}",
        *("trainer.logger=[console]", f"trainer.total_training_steps={STEPS}", "trainer.val_before_train=false"),
        *(
            f"trainer.save_freq={STEPS}",
            f"trainer.default_local_dir={tmp_path}/checkpoints",
            "trainer.resume_mode=disable",
        ),
        f"hydra.run.dir={tmp_path}/hydra",
    ]
    code, log, blocks = run(command, tmp_path, mark)
    assert code == 0, log[-6000:]

    # Seen: the perplexity that vLLM itself reports fell from 257 (uniform over 259 bytes) to 37 within these steps, and
    # at each the actor agreed with it to 4e-4. Stale weights would keep vLLM at 257.
    perplexity = series(log, "rollout_corr/rollout_ppl")
    assert len(perplexity) == STEPS
    assert perplexity[-1] < 0.6 * perplexity[0]
    assert max(series(log, "training/rollout_probs_diff_mean")) < 0.02
    assert min(series(log, "training/rollout_actor_probs_pearson_corr")) > 0.98

    from transformers import AutoModelForCausalLM

    before = AutoModelForCausalLM.from_pretrained(tiny_model).state_dict()
    [shard] = (tmp_path / "checkpoints" / f"global_step_{STEPS}" / "actor").glob("model_world_size_1_rank_0.pt")
    after = torch.load(shard, weights_only=False)
    for name in ("model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"):
        saved = getattr(after[name], "to_local", lambda name=name: after[name])()
        assert (saved - before[name]).abs().max() > 0.01, name

    # Ray's own agents take a few seconds to notice that the driver is gone.
    end = time.monotonic() + 30
    while processes_of(mark) and time.monotonic() < end:
        time.sleep(0.5)
    assert processes_of(mark) == []
    # vLLM's two queues at least: the check above saw what there was to leave behind.
    assert len(blocks) >= 2
    assert not blocks & set(os.listdir("/dev/shm"))
