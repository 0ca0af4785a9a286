"""What verl itself refuses becomes a sentence, also where its check stumbles."""

from groupwise.preflight.verl_rules import find_faults

MEGATRON = (
    "actor_rollout_ref.actor.strategy=megatron",
    "actor_rollout_ref.actor.megatron.tensor_model_parallel_size=1",
    "actor_rollout_ref.actor.megatron.pipeline_model_parallel_size=1",
    "actor_rollout_ref.actor.megatron.context_parallel_size=1",
)


def test_what_it_says(compose_with):
    (fault,) = find_faults(compose_with("actor_rollout_ref.actor.ppo_micro_batch_size=8"))
    assert fault.startswith("verl refuses this configuration: ")
    assert "micro_batch_size" in fault


def test_a_size_that_it_computes_with_and_is_null_is_named(compose_with):
    key = "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu"
    (fault,) = find_faults(compose_with(*MEGATRON, f"{key}=null"))
    assert f"but {key} is null" in fault
