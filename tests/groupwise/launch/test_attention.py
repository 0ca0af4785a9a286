"""Which attention a run on a GPU gets, by whether flash-attn imports; no GPU is touched."""

import pickle
import sys
from types import SimpleNamespace

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from groupwise.demo.tiny_model import build_model, build_tokenizer
from groupwise.launch import attention, start


@pytest.fixture(scope="module")
def composed():
    with initialize_config_module("recipe.dipo.config", version_base=None):
        return pickle.dumps(compose("dipo_trainer"))


@pytest.fixture
def machine(monkeypatch):
    """Makes this a machine with a device, and with or without flash-attn."""

    def machine_(device: str, *, flash: bool) -> None:
        monkeypatch.setattr(attention, "get_platform", lambda: SimpleNamespace(device_name=device))
        monkeypatch.setitem(sys.modules, "flash_attn", SimpleNamespace() if flash else None)

    return machine_


@pytest.mark.parametrize(
    ("device", "flash", "strategy", "given", "chosen"),
    [
        ("cuda", False, "fsdp2", {}, "sdpa"),
        ("cuda", False, "fsdp", {}, "sdpa"),
        ("cuda", True, "fsdp2", {}, None),
        ("cuda", False, "fsdp2", {"attn_implementation": "eager"}, "eager"),
        ("cuda", False, "megatron", {}, None),
        ("cpu", False, "fsdp2", {}, None),
        ("npu", False, "fsdp2", {}, None),
    ],
)
def test_torchs_attention_takes_the_place_of_one_that_is_missing(
    composed, machine, device, flash, strategy, given, chosen
):
    machine(device, flash=flash)
    config = pickle.loads(composed)
    OmegaConf.update(config, "actor_rollout_ref.actor.strategy", strategy)
    OmegaConf.update(config, "actor_rollout_ref.model.override_config", given, force_add=True)
    attention.fall_back(config)
    model = config.actor_rollout_ref.model
    assert model.override_config.get("attn_implementation") == chosen
    # Without flash-attn verl's own way to the loss is a loop over tokens.
    assert model.use_fused_kernels == (chosen == "sdpa")


@pytest.mark.parametrize("broken", ["", ".model", ".model.override_config"])
def test_a_broken_section_is_left_to_the_checks(composed, machine, broken):
    machine("cuda", flash=False)
    config = pickle.loads(composed)
    OmegaConf.update(config, f"actor_rollout_ref{broken}", None)
    attention.fall_back(config)


def test_a_run_chooses_before_it_is_checked(composed, machine, monkeypatch):
    machine("cuda", flash=False)
    monkeypatch.setenv("DRY_RUN", "1")
    seen = []
    monkeypatch.setattr(start, "dry_run", lambda config: seen.append(config) or 0)
    with pytest.raises(SystemExit):
        start.run(pickle.loads(composed))
    assert seen[0].actor_rollout_ref.model.override_config.attn_implementation == "sdpa"


def test_torchs_attention_keeps_packed_responses_apart():
    # As verl packs them (workers/engine/fsdp/transformer_impl.py): one row, no mask, positions that begin anew.
    model = build_model(build_tokenizer(), seed=0).eval()
    model.set_attn_implementation("sdpa")
    generator = torch.Generator().manual_seed(0)
    responses = [torch.randint(0, 256, (1, length), generator=generator) for length in (9, 1, 5)]
    positions = torch.cat([torch.arange(each.shape[1]) for each in responses])[None]
    with torch.no_grad():
        packed = model(input_ids=torch.cat(responses, 1), position_ids=positions, use_cache=False).logits
        apart = torch.cat([model(input_ids=each, use_cache=False).logits for each in responses], 1)
    torch.testing.assert_close(packed, apart)
