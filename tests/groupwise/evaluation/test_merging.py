"""Merging: verl's merger for real once, and what surrounds it with a stand-in."""

import json
import os
import shutil
import socket
import subprocess
import types
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from transformers import AutoModelForCausalLM

from groupwise.demo import tiny_model
from groupwise.errors import GroupwiseError
from groupwise.evaluation.checkpoint import find, load


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    actor = tmp_path / "global_step_1" / "actor"
    (actor / "huggingface").mkdir(parents=True)
    (actor / "huggingface" / "config.json").write_text("{}")
    (actor / "fsdp_config.json").write_text('{"FSDP_version": 2, "world_size": 1}')
    (actor / "model_world_size_1_rank_0.pt").write_bytes(b"shard")
    return actor


@pytest.fixture
def merger(monkeypatch) -> list[list[str]]:
    """Stands in for the process; the commands that it was given."""
    calls: list[list[str]] = []

    def run(command, **options):
        calls.append(command)
        target = Path(command[command.index("--target_dir") + 1])
        target.mkdir()
        (target / "config.json").write_text(f"merge {len(calls)}")
        return types.SimpleNamespace(returncode=0, stdout="Saving model\n")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_shards_are_merged_once(checkpoint, merger):
    target = load(find(str(checkpoint)))
    assert target == checkpoint / "merged"
    assert load(find(str(checkpoint))) == target
    assert len(merger) == 1
    assert merger[0][merger[0].index("--local_dir") + 1] == str(checkpoint)


def test_a_lora_adapter_is_added_to_the_weights(checkpoint, monkeypatch):
    model = tiny_model.build_model(tiny_model.build_tokenizer(), seed=0).eval()
    base = {name: weight.clone() for name, weight in model.state_dict().items()}
    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj"], init_lora_weights=False))
    tokens = torch.arange(8)[None]

    def run(command, **options):
        # As verl's merger leaves it: the base model's weights, and the adapter beside them.
        target = Path(command[command.index("--target_dir") + 1])
        tiny = tiny_model.build_model(tiny_model.build_tokenizer(), seed=0)
        tiny.load_state_dict(base)
        tiny.save_pretrained(target)
        adapted.save_pretrained(target / "lora_adapter")
        return types.SimpleNamespace(returncode=0, stdout="")

    monkeypatch.setattr(subprocess, "run", run)
    target = load(find(str(checkpoint)))
    with torch.no_grad():
        merged = AutoModelForCausalLM.from_pretrained(target)(tokens).logits
        torch.testing.assert_close(merged, adapted(tokens).logits)
    assert not (target / "lora_adapter").exists()


def test_changed_shards_are_merged_anew(checkpoint, merger):
    load(find(str(checkpoint)))
    (checkpoint / "model_world_size_1_rank_0.pt").write_bytes(b"another step")
    target = load(find(str(checkpoint)))
    assert (target / "config.json").read_text() == "merge 2"


def test_a_merge_without_its_marker_is_not_trusted(checkpoint, merger):
    (checkpoint / "merged").mkdir()
    (checkpoint / "merged" / "config.json").write_text("cut off")
    assert (load(find(str(checkpoint))) / "config.json").read_text() == "merge 1"


def test_what_a_killed_merge_left_is_removed_and_that_of_a_living_one_is_not(checkpoint, merger):
    here = socket.gethostname()
    dead, alive = checkpoint / f".merged.{here}.4194999", checkpoint / f".merged.{here}.{os.getppid()}"
    # Of a node that shares the file system: its processes are not among ours.
    elsewhere = checkpoint / ".merged.another-node.4194999"
    for folder in (dead, alive, elsewhere):
        folder.mkdir()
    load(find(str(checkpoint)))
    assert [folder.exists() for folder in (dead, alive, elsewhere)] == [False, True, True]


def test_a_model_with_weights_is_not_merged(checkpoint, merger):
    (checkpoint / "huggingface" / "model.safetensors").write_bytes(b"weights")
    assert load(find(str(checkpoint))) == checkpoint / "huggingface"
    assert merger == []


@pytest.mark.parametrize(
    ("returncode", "printed", "sentence"),
    [
        (1, "Traceback\nRuntimeError: unexpected EOF\n\n", "RuntimeError: unexpected EOF"),
        (1, "", "it said nothing"),
        (-9, "Loading 8 FSDP shards", "ended by signal 9, as for want of memory"),
        (1, "OSError: [Errno 28] No space left on device: '/x'\nmore", "the disk is full"),
    ],
)
def test_a_merger_that_fails_is_quoted_and_leaves_nothing(checkpoint, monkeypatch, returncode, printed, sentence):
    def run(command, **options):
        Path(command[command.index("--target_dir") + 1]).mkdir()
        return types.SimpleNamespace(returncode=returncode, stdout=printed)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(GroupwiseError, match=sentence):
        load(find(str(checkpoint)))
    assert not list(checkpoint.glob(".merged*"))
    assert not (checkpoint / "merged").exists()


def test_an_interrupted_merge_leaves_nothing(checkpoint, monkeypatch):
    def run(command, **options):
        Path(command[command.index("--target_dir") + 1]).mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(KeyboardInterrupt):
        load(find(str(checkpoint)))
    assert not list(checkpoint.glob("*merged*"))


def test_a_full_disk_is_seen_before_merging(checkpoint, merger, monkeypatch):
    # Two of the five bytes of the float32 shard, in bfloat16, are needed.
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1))
    with pytest.raises(GroupwiseError, match=r"need about 0\.00 GiB"):
        load(find(str(checkpoint)))
    assert merger == []
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=2))
    load(find(str(checkpoint)))


class Hostile:
    """Runs code when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.slow
def test_verls_merger_makes_the_model_that_was_saved_and_runs_no_code_of_a_shard(tmp_path):
    tokenizer = tiny_model.build_tokenizer()
    model = tiny_model.build_model(tokenizer, seed=0)
    # As in the configuration of any model that was loaded from a folder.
    model.config.architectures = ["Qwen2ForCausalLM"]
    actor = tmp_path / "global_step_1" / "actor"
    model.config.save_pretrained(actor / "huggingface")
    model.generation_config.save_pretrained(actor / "huggingface")
    tokenizer.save_pretrained(actor / "huggingface")
    (actor / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": 1}))
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,), mesh_dim_names=("fsdp",))
        shards = {name: distribute_tensor(value, mesh, [Shard(0)]) for name, value in model.state_dict().items()}
        torch.save(shards, actor / "model_world_size_1_rank_0.pt")
    finally:
        torch.distributed.destroy_process_group()
    merged = load_file(load(find(str(actor.parent))) / "model.safetensors")
    # Tied to the embedding, and so written once.
    expected = {name: value.bfloat16() for name, value in model.state_dict().items() if name != "lm_head.weight"}
    assert merged.keys() == expected.keys()
    assert all(torch.equal(merged[name], value) for name, value in expected.items())
    torch.save({"model": Hostile(tmp_path / "ran")}, actor / "model_world_size_1_rank_0.pt")
    with pytest.raises(GroupwiseError, match="runs code which came with it"):
        load(find(str(actor.parent)))
    assert not (tmp_path / "ran").exists()
