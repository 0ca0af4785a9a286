"""The smoke's command line, its stages as they are composed, and its table; tests/e2e runs it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from data_prep import arithmetic
from data_prep.schema import read_rows
from groupwise.demo.tiny_model import build_tokenizer
from groupwise.smoke import __main__ as smoke
from groupwise.smoke import materials
from groupwise.smoke.stages import Result

WORDS = ["--recipe", "recipe.dipo", "--setting", "qwen0.5b", "--methods", "grpo,dipo"]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Reads a command line whose materials are the tiny ones."""
    monkeypatch.setenv("GPUS_PER_NODE", "1")

    def asked_(*words: str) -> smoke.Asked:
        found = smoke.parse([*WORDS, f"out={tmp_path}", *words])
        materials.make_model(found.out / "model", tiny=True)
        return found

    return asked_


def test_the_command_line(tmp_path):
    found = smoke.parse([*WORDS, "device=cpu", "minutes=3", f"out={tmp_path}", "algorithm.dipo.alpha=0.3"])
    assert (found.methods, found.minutes, found.on_cpu) == (["grpo", "dipo"], 3, True)
    assert (found.out.parent, found.overrides) == (tmp_path, ["+device=cpu", "algorithm.dipo.alpha=0.3"])


def test_the_settings_of_a_gpu_are_those_that_are_proved(asked):
    found = asked("preflight.gpu_memory_gib=16")
    stages, config = smoke.plan(found)
    assert [stage.name for stage in stages] == ["train grpo", "train dipo, checkpoint", "resume dipo", "evaluate"]
    assert f"trainer.total_training_steps={smoke.RESUMED}" in stages[1].command
    assert f"trainer.total_training_steps={smoke.STEPS}" in stages[2].command
    rollout, actor = config.actor_rollout_ref.rollout, config.actor_rollout_ref.actor
    assert (rollout.enforce_eager, rollout.free_cache_engine, actor.use_dynamic_bsz) == (False, True, True)
    assert config.actor_rollout_ref.model.use_remove_padding
    # The tiny model needs about nothing, beside the reserve of 3 GiB; vLLM its share of 0.4.
    estimate = smoke.estimated(config)
    assert estimate["rollout"] == pytest.approx(3 + 0.4 * 16, abs=0.1)
    assert 3 < estimate["training"] < 5


def test_the_model_of_a_gpu_has_as_many_parameters_as_qwens():
    config = Qwen2Config(vocab_size=materials.QWEN_VOCABULARY, tie_word_embeddings=True, **materials.QWEN_05B)
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config)
    model.tie_weights()
    assert sum(each.numel() for each in model.parameters()) == 494_032_768


def test_a_tokenizer_is_filled_up():
    tokenizer = build_tokenizer(300)
    assert len(tokenizer) == 300
    assert tokenizer.decode(tokenizer("7 + 5")["input_ids"]) == "7 + 5"
    assert tokenizer.decode([299]) == "word299"


def test_rows_are_made_where_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("DIPO_TEST_DATA", str(tmp_path / "none"))
    # In this process, which has imported what another would have to.
    run = {"data_prep.arithmetic": arithmetic.main}
    monkeypatch.setattr(materials.subprocess, "run", lambda command, **_: run[command[2]](command[3:]))
    assert materials.make_rows(tmp_path) == "additions: no GSM8K is here"
    assert [len(list(read_rows(tmp_path / f"{name}.parquet"))) for name in ("train", "val")] == list(materials.ROWS)


def test_prepared_rows_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    (tmp_path / "gsm8k").mkdir()
    pq.write_table(pa.table({"row": range(300)}), tmp_path / "gsm8k" / "train.parquet")
    assert materials.make_rows(tmp_path).startswith("GSM8K (")
    assert pq.read_table(tmp_path / "val.parquet")["row"].to_pylist() == list(range(256, 272))


def test_the_reward_is_drawn_and_the_verifier_asked():
    drawn = [materials.compute_score("dipo/arithmetic", f"#### {i}", "7")["acc"] for i in range(400)]
    assert 60 < sum(drawn) < 140
    result = materials.compute_score("dipo/arithmetic", "#### 7", "7")
    assert (result["pred"], result["score"]) == ("7", result["acc"])


def test_the_table_and_what_is_left_out(asked, monkeypatch, capsys):
    results = {
        "train grpo": Result("train grpo", True, 60.0, 9.5, {"tokens_per_second": 5000.0}, ""),
        "train dipo, checkpoint": Result("train dipo, checkpoint", False, 5.0, None, {}, "It ended with exit code 1."),
    }
    found = asked("preflight.gpu_memory_gib=16")
    monkeypatch.setattr(smoke, "make_model", lambda *_, **__: None)
    monkeypatch.setattr(smoke, "make_rows", lambda folder: "additions")
    monkeypatch.setattr(smoke, "perform", lambda stage, deadline: results[stage.name])
    monkeypatch.setattr(smoke.Path, "mkdir", lambda *_, **__: None)
    assert not smoke.smoke(found)
    printed = capsys.readouterr().out
    for words in ("train grpo", "9.5", "9.4", "5,000", "8,000", "FAILED", "exit code 1", "left out: resume dipo, eval"):
        assert words in printed
    told = json.loads((found.out / "smoke.json").read_text())
    assert (told["ok"], told["left_out"], told["versions"]["verl"]) == (False, ["resume dipo", "evaluate"], "0.9.1")
