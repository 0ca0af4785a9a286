"""The scripts that users type, on the CPU by overrides alone: train, checkpoint, evaluate, report."""

import json
import os
import subprocess
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data_prep import bfcl
from data_prep.schema import read_rows, write_parquet
from groupwise.launch.leftovers import marked_processes

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SECONDS = 900

# What a model of a million parameters on two cores needs in place of eight GPUs.
TINY = [
    "+device=cpu",
    "data.train_batch_size=16",
    "actor_rollout_ref.actor.ppo_mini_batch_size=16",
    "actor_rollout_ref.rollout.n=8",
    "actor_rollout_ref.actor.optim.lr=1e-4",
    "data.filter_overlong_prompts_workers=1",
    "reward.reward_kwargs.overlong_buffer_cfg.enable=false",
    "trainer.total_training_steps=3",
    "trainer.test_freq=3",
    "trainer.save_freq=3",
    "trainer.val_before_train=false",
]
MATH = [
    *TINY,
    "data.max_prompt_length=48",
    "data.max_response_length=12",
    "actor_rollout_ref.rollout.max_model_len=64",
    # There are only a hundred additions of one digit.
    "preflight.skip=[data]",
]
# BFCL's rows of up to 1,000 bytes: what the tiny model can read.
TOOLS = [
    *TINY,
    "data.max_prompt_length=990",
    "data.max_response_length=20",
    "actor_rollout_ref.rollout.max_model_len=1010",
    "actor_rollout_ref.actor.ppo_max_token_len_per_gpu=8192",
]


@pytest.fixture
def script(tmp_path, model):
    """Runs a script as a user would, from a folder of his own; what it leaves running is killed."""
    environment = {**os.environ, "MODEL_PATH": str(model), "CKPT_DIR": "runs", "GPUS_PER_NODE": "1"}

    def run(name: str, *arguments: str, **variables: str) -> str:
        command = ["bash", str(SCRIPTS / name), *arguments]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    yield run
    for folder in (tmp_path / "runs").glob("*/*"):
        assert marked_processes(str(folder)) == []


def files(folder: Path, *, train: str, val: str) -> list[str]:
    return [f"data.train_files={folder}/{train}", f"data.val_files={folder}/{val}"]


def metrics(folder: Path) -> dict[int, dict[str, float]]:
    return {record["step"]: record["data"] for record in map(json.loads, (folder / "metrics.jsonl").open())}


def check_run(folder: Path, estimator: str) -> None:
    """Three steps, a checkpoint with what is needed to resume it, and a record of what the run was."""
    logged = metrics(folder)
    assert max(logged) == 3
    assert (folder / "global_step_3" / "method.pt").is_file()
    assert json.loads((folder / "global_step_3" / "method.json").read_text())["algorithm.adv_estimator"] == estimator
    assert f"adv_estimator: {estimator}" in (folder / "config.yaml").read_text()
    assert (folder / "tensorboard").is_dir()


def test_math_from_script_to_report(script, data, tmp_path):
    for arm in ("dipo", "grpo"):
        script(f"run_qwen7b_{arm}.sh", *MATH, *files(data, train="train.parquet", val="val.parquet"))
        check_run(tmp_path / "runs" / "qwen7b" / arm, arm)
    dipo = tmp_path / "runs" / "qwen7b" / "dipo"
    validated = metrics(dipo)[3]
    assert 0 <= validated["val-core/dipo/arithmetic/acc/mean@8"] <= 1
    assert validated["val-aux/dipo/arithmetic/acc/pass@1"] == pytest.approx(
        validated["val-core/dipo/arithmetic/acc/mean@8"]
    )

    options = ("--data", f"{data}/val.parquet", "--samples", "4", "--max-tokens", "12")
    evaluations = {arm: tmp_path / f"evaluation_{arm}" for arm in ("grpo", "dipo")}
    script("evaluate.sh", f"{dipo.parent}/grpo", *options, "--output", str(evaluations["grpo"]))
    against = ("--against", str(evaluations["grpo"]))
    printed = script("evaluate.sh", str(dipo), *options, "--output", str(evaluations["dipo"]), *against)
    for arm in ("grpo", "dipo"):
        (responses,) = evaluations[arm].glob("*.parquet")
        rows = pq.read_table(responses).to_pylist()
        # 16 prompts, four responses each.
        assert len(rows) == 64
        summary = json.loads((evaluations[arm] / "summary.json").read_text())
        (result,) = summary["results"]["sets"].values()
        figures = result["figures"]
        share = sum(row["acc"] for row in rows) / len(rows)
        assert figures["mean@4"]["value"] == pytest.approx(share)
        assert figures["pass@4"]["value"] >= figures["maj@4"]["value"]
        assert figures["mean@4"]["low"] <= share <= figures["mean@4"]["high"]
    assert next(iter(summary["against"]["sets"].values()))["prompts"] == 16
    assert "mean@k" in printed
    assert "difference of the mean accuracy" in printed
    # Again: nothing is generated, the same report comes.
    assert "starting vLLM" in printed
    again = script("evaluate.sh", str(dipo), *options, "--output", str(evaluations["dipo"]))
    assert "finished before" in again
    assert "starting vLLM" not in again
    assert "mean@k" in again


@pytest.mark.full
def test_tools_from_script_to_report(script, shared_data, data, tmp_path):
    assert bfcl.main(["--input", str(shared_data / "bfcl_v3"), "--output", str(tmp_path / "bfcl")]) == 0
    short = [row for row in read_rows(tmp_path / "bfcl" / "val.parquet") if len(row["prompt"][0]["content"]) < 900]
    write_parquet((("a row", row) for row in islice(short, 16)), tmp_path / "bfcl" / "short.parquet")
    named = files(tmp_path / "bfcl", train="train.parquet", val="short.parquet")
    script("run_tools_3b_dipo.sh", *TOOLS, *named)
    folder = tmp_path / "runs" / "tools_3b" / "dipo"
    check_run(folder, "dipo")
    assert any("/bfcl_v3/" in name for name in metrics(folder)[3])
    output = tmp_path / "evaluation"
    options = ("--data", f"{tmp_path}/bfcl/short.parquet", "--max-tokens", "20", "--output", str(output))
    # As data.filter_overlong_prompts does in the training.
    printed = script("evaluate.sh", str(folder), *options, "--max-prompt-length", "990", "--skip-overlong")
    assert "BFCL, short" in printed
    assert "Not evaluated as a whole, and not comparable with the leaderboard" in printed
    assert json.loads((output / "summary.json").read_text())["results"]["bfcl"]


def test_a_dry_run_takes_seconds_and_starts_nothing(script, data, tmp_path):
    printed = script("run_qwen7b_dipo.sh", *MATH, *files(data, train="train.parquet", val="val.parquet"), DRY_RUN="1")
    assert printed.endswith("This run can start.\n")
    assert "adv_estimator: dipo" in printed
    assert not (tmp_path / "runs").exists()


def test_a_setting_that_does_not_exist():
    done = subprocess.run(["bash", str(SCRIPTS / "train.sh"), "qwen70b", "dipo"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "qwen70b" in done.stderr
    assert "Traceback" not in done.stderr


def test_train_without_arguments_says_how():
    done = subprocess.run(["bash", str(SCRIPTS / "train.sh")], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: train.sh SETTING")


@pytest.mark.full
def test_the_smoke_trains_resumes_and_evaluates(script, tmp_path):
    printed = script("gpu_smoke.sh", "+device=cpu", "minutes=14", "out=smoke", DIPO_TEST_DATA=str(tmp_path / "none"))
    (file,) = (tmp_path / "smoke").glob("*/smoke.json")
    told = json.loads(file.read_text())
    assert told["ok"]
    assert "This machine trains." in printed
    stages = {stage["name"]: stage for stage in told["stages"]}
    assert list(stages) == ["train grpo", "train dipo, checkpoint", "resume dipo", "evaluate"]
    assert all(stage["figures"]["tokens_per_second"] > 0 for name, stage in stages.items() if name != "evaluate")
    # What GRPO was trained for as a whole, DiPO was for one step, and for one more after the resume.
    steps = [stage["figures"]["last_step"]["training/global_step"] for stage in told["stages"][:3]]
    assert steps == [2, 1, 2]
    # torch's attention and the fused kernels gave the packed responses the probabilities that vLLM gave them.
    last = stages["resume dipo"]["figures"]["last_step"]
    assert last["training/rollout_probs_diff_max"] < 1e-3
    (result,) = stages["evaluate"]["figures"]["sets"].values()
    assert 0 <= result["figures"]["mean@2"]["value"] <= 1
