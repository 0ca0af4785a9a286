"""BFCL v3 with all its categories, from data and model to the table: with a stand-in for vLLM, and once with vLLM."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("bfcl_eval")

from data_prep import bfcl as data_prep_bfcl
from groupwise.demo import tiny_model
from groupwise.evaluation import __main__ as command
from groupwise.evaluation import sessions
from groupwise.evaluation.bfcl import ROWS
from groupwise.evaluation.sessions import TOO_LONG
from reward_score.tool_calls.bfcl import library

SESSIONS = {"multi_turn_base": 3, "multi_turn_miss_func": 38, "multi_turn_miss_param": 12, "multi_turn_long_context": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model of one layer that no one trained, with room for BFCL's prompts in bytes."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    # A head needs 32 numbers for vLLM on a CPU.
    small = {"hidden_size": 128, "intermediate_size": 32, "num_hidden_layers": 1, "max_position_embeddings": 65_536}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in small.items():
            patch.setitem(tiny_model.SHAPE, name, value)
        tokenizer = tiny_model.build_tokenizer()
        tokenizer.save_pretrained(folder)
        tiny_model.build_model(tokenizer, seed=0).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A row of every category; sessions have two to four turns on small APIs, and each begins in another way."""
    source, folder = library.require() / "data", tmp_path_factory.mktemp("data")
    (folder / "possible_answer").mkdir()
    for category in ROWS:
        number = SESSIONS.get(category, 0)
        for file in (f"BFCL_v3_{category}.json", f"possible_answer/BFCL_v3_{category}.json"):
            if (source / file).exists():
                (folder / file).write_text((source / file).read_text().splitlines(keepends=True)[number])
    arguments = ["--split", "whole", "--input", str(folder), "--output", str(folder / "bfcl_v3")]
    assert data_prep_bfcl.main(arguments) == 0
    return folder / "bfcl_v3" / "whole.parquet"


class Gold:
    """Answers a prompt with what the row's reference response says there."""

    def __init__(self, data: Path) -> None:
        self.tokenizer = tiny_model.build_tokenizer()
        self.rows = pd.read_parquet(data).to_dict("records")

    def __call__(self, request: dict) -> tuple[list[int], str]:
        prompt = self.tokenizer.decode(request["prompt"])
        (row,) = [row for row in self.rows if f"<|user|>{row['prompt'][-1]['content']}<|end|>" in prompt]
        response = row["extra_info"]["reference_response"]
        if "multi_turn" in row["data_source"]:
            steps = [step["response"] for turn in json.loads(response)["turns"] for step in turn]
            response = steps[prompt.count("<|assistant|>") - 1]
        return self.tokenizer(response)["input_ids"], "stop"


@pytest.fixture
def evaluate(tmp_path, model, data, stand_in, monkeypatch, capsys) -> Callable[..., tuple[int, str]]:
    monkeypatch.setattr(command, "exclusive_run", contextlib.nullcontext)
    stand_in.complete = Gold(data)
    stand_in.models[0].update(root=str(model), max_model_len=65_536)

    def run(*given: str, out: str = "out") -> tuple[int, str]:
        stand_in.asked.clear()
        arguments = [str(model), "--data", str(data), "--output", str(tmp_path / out), "--endpoint", stand_in.url]
        code = command.main([*arguments, *given])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def read_summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())["results"]["bfcl"]["bfcl_v3_whole"]


def test_all_categories_come_to_the_table_and_an_interruption_loses_nothing(evaluate, stand_in, tmp_path):
    answer = stand_in.complete
    stand_in.complete = lambda request: answer(request) if len(stand_in.asked) <= 20 else 503
    code, printed = evaluate("--concurrency", "1")
    assert code == 1
    assert "Traceback" not in printed
    stand_in.complete = answer
    code, printed = evaluate()
    assert code == 0, printed
    assert " responses are there, and it goes on with the others" in printed
    entry = read_summary(tmp_path / "out")
    assert list(entry["categories"]) == list(ROWS)
    wrong = {name for name, figure in entry["categories"].items() if figure["value"] < 1 or figure["ours"]["value"] < 1}
    assert wrong == set(), printed
    assert entry["aggregates"]["overall"]["value"] == 1.0
    assert "= overall " in printed
    table = pd.read_parquet(tmp_path / "out" / "bfcl_v3_whole.parquet")
    assert len(table) == 17
    assert set(table["reason"]) == {"correct"}
    # What a session cost is the sum of its steps.
    session = table[table["data_source"] == "bfcl_v3/multi_turn_base"].iloc[0]
    texts = [step["response"] for turn in json.loads(session["response"])["turns"] for step in turn]
    assert session["response_tokens"] == sum(len(text.encode()) for text in texts)


def test_a_model_that_is_hostile_is_wrong_and_the_set_goes_on(evaluate, stand_in, tmp_path, monkeypatch):
    call = {"name": "__import__('os').system", "arguments": {"command": f"touch {tmp_path / 'made'}"}}
    text = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
    tokens = tiny_model.build_tokenizer()(text)["input_ids"]
    stand_in.complete = lambda request: (tokens, "stop")
    monkeypatch.setattr(sessions, "MAX_STEPS", 2)
    code, printed = evaluate()
    assert code == 0, printed
    assert not (tmp_path / "made").exists()
    categories = read_summary(tmp_path / "out")["categories"]
    assert {name for name, figure in categories.items() if figure["value"] > 0} == {"live_relevance"}
    assert categories["live_relevance"]["ours"]["value"] == 0
    assert all(figure["ours"]["value"] == 0 for figure in categories.values())


def test_a_session_that_outgrows_the_context_is_counted_under_its_reason(evaluate, stand_in, tmp_path, data):
    # The first prompt of each session fits, and not that which has its first results.
    longest = max(sum(len(part["content"].encode()) + 3 for part in row) for row in pd.read_parquet(data)["prompt"])
    stand_in.models[0]["max_model_len"] = longest + 100
    code, printed = evaluate("--max-tokens", "90")
    assert code == 0, printed
    reasons = json.loads((tmp_path / "out" / "summary.json").read_text())["results"]["sets"]["bfcl_v3_whole"]["reasons"]
    assert reasons[TOO_LONG] >= 1


def test_without_bfcl_eval_nothing_is_generated(evaluate, stand_in, monkeypatch):
    from reward_score.sandbox import guard

    monkeypatch.setattr(guard, "_aside", True)
    monkeypatch.setattr(library, "VERSION", "0")
    library.require.cache_clear()
    code, printed = evaluate()
    library.require.cache_clear()
    assert (code, stand_in.asked) == (1, [])
    assert "need bfcl-eval 0, got 2025.8.6.2: pip install --no-deps bfcl-eval==0" in printed


def test_a_row_of_another_maker_is_one_sentence(evaluate, stand_in, tmp_path, data):
    rows = pd.read_parquet(data)
    rows = rows[rows["data_source"] == "bfcl_v3/multi_turn_base"]
    rows["reward_model"] = [{"style": "rule", "ground_truth": "{}"}]
    rows.to_parquet(tmp_path / "mine.parquet")
    code, printed = evaluate("--data", str(tmp_path / "mine.parquet"))
    assert (code, stand_in.asked) == (1, [])
    assert (
        "error: A multi-turn row must be as data_prep.bfcl writes it, but bfcl_v3/multi_turn_base_3 is not" in printed
    )


@pytest.mark.slow
@pytest.mark.vllm
def test_vllm_is_killed_in_the_middle_of_every_category_and_goes_on(tmp_path, model, data):
    arguments = [sys.executable, "-m", "groupwise.evaluation", str(model), "--data", str(data), "--max-tokens", "16"]
    arguments += ["--output", str(tmp_path / "out"), "--concurrency", "2"]
    begun = tmp_path / "out" / "bfcl_v3_whole.partial.jsonl"
    killed = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    while not begun.exists() or len(begun.read_text().splitlines()) < 6:
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert " responses are there, and it goes on with the others" in done.stderr
    assert list(read_summary(tmp_path / "out")["categories"]) == list(ROWS)
    assert "= overall " in done.stdout


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.full
def test_a_validation_during_training_holds_the_sessions(model, data, tmp_path):
    overrides = [
        "+device=cpu",
        "trainer.val_only=true",
        "trainer.logger=[console,file]",
        "actor_rollout_ref.rollout.agent.default_agent_loop=bfcl_sessions",
        "actor_rollout_ref.rollout.max_model_len=65536",
        "actor_rollout_ref.rollout.n=2",
        f"actor_rollout_ref.model.path={model}",
        f"data.train_files={data}",
        f"data.val_files={data}",
        "data.train_batch_size=4",
        "data.max_prompt_length=60000",
        "data.max_response_length=16",
        "actor_rollout_ref.actor.ppo_mini_batch_size=4",
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=1",
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=1",
        f"trainer.default_local_dir={tmp_path}/checkpoints",
        # Rows that are only evaluated on are no training data, and nothing is trained here.
        "preflight.skip=[data]",
    ]
    command = [sys.executable, "-m", "recipe.dipo.main_dipo", *overrides]
    env = {**os.environ, "VERL_FILE_LOGGER_PATH": str(tmp_path / "metrics.jsonl")}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    metrics = json.loads(line)["data"]
    assert metrics["val-aux/reward/verifier_error"] == 0
    # Nobody taught this model to call anything.
    assert {name: metrics[f"val-core/bfcl_v3/{name}/acc/mean@1"] for name in SESSIONS} == dict.fromkeys(SESSIONS, 0.0)
    assert metrics["val-aux/bfcl_v3/multi_turn_overall"] == 0.0
    assert "val-aux/bfcl_v3/overall" in metrics
