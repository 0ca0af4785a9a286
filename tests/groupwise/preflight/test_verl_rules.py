"""What verl itself refuses becomes a sentence, also where it stumbles; what is read of sources is what they define."""

import typing

import pytest
import torch
from verl.trainer.ppo.core_algos import kl_penalty

from groupwise.preflight import verl_rules
from groupwise.preflight.notes import Note

MEGATRON = (
    "actor_rollout_ref.actor.strategy=megatron",
    "actor_rollout_ref.actor.megatron.tensor_model_parallel_size=1",
    "actor_rollout_ref.actor.megatron.pipeline_model_parallel_size=1",
    "actor_rollout_ref.actor.megatron.context_parallel_size=1",
)


def find_faults(config) -> list[str]:
    return list(verl_rules.find_faults(config, has_model=False))


def test_what_it_says(compose_with):
    (fault,) = find_faults(compose_with("actor_rollout_ref.actor.ppo_micro_batch_size=8"))
    assert fault.startswith("verl refuses this configuration: [actor] You have set both")


def test_the_keys_of_the_condition_are_named(compose_with):
    (fault,) = find_faults(compose_with("actor_rollout_ref.rollout.expert_parallel_size=2"))
    assert "(actor_rollout_ref.rollout.expert_parallel_size is 2, " in fault
    assert "actor_rollout_ref.rollout.tensor_model_parallel_size is 1" in fault


def test_a_size_that_it_computes_with_and_is_null_is_named(compose_with):
    key = "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu"
    faults = find_faults(compose_with(*MEGATRON, f"{key}=null"))
    assert any(f"({key} is null); correct it." in fault for fault in faults), faults


@pytest.mark.parametrize(("module", "is_note"), [("no_such_package.optim", True), ("torch.no_such_module", False)])
def test_a_package_that_is_not_installed_here_is_a_note(compose_with, module, is_note):
    (told,) = find_faults(compose_with(f"actor_rollout_ref.actor.optim.optimizer_impl={module}"))
    assert isinstance(told, Note) == is_note
    assert module in told


def test_the_penalties_are_those_that_verl_computes():
    known = list(verl_rules._penalties())
    assert {"kl", "k3", "low_var_kl", "low_var_kl+"} <= set(known)
    for name in known:
        kl_penalty(torch.zeros(1), torch.zeros(1), name)
    with pytest.raises(NotImplementedError):
        kl_penalty(torch.zeros(1), torch.zeros(1), "full")
    assert "full" not in known


@pytest.mark.vllm
def test_what_is_read_of_vllms_sources_is_what_it_has():
    from vllm.config.model import ModelDType
    from vllm.model_executor.model_loader import LoadFormats

    assert verl_rules.assigned("vllm.config.model", "ModelDType") == typing.get_args(ModelDType)
    assert verl_rules.assigned("vllm.model_executor.model_loader", "LoadFormats") == typing.get_args(LoadFormats)


def test_what_is_read_of_verls_source_is_there():
    assert "fp8" in verl_rules.assigned(
        "verl.workers.rollout.vllm_rollout.vllm_async_server", "_SUPPORTED_QUANTIZATION"
    )
    assert verl_rules.assigned("no_such_package.module", "NAME") == ()
