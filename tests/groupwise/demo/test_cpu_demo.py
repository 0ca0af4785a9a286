"""The demonstration's configuration: what its two runs share, and that its data fit it."""

import pytest
from omegaconf import OmegaConf

from groupwise.demo.launch import compose_config
from groupwise.demo.sampling import GROUP_SIZE, MAX_NEW_TOKENS
from groupwise.demo.tiny_model import build_tokenizer


def compose(*overrides):
    return compose_config(["+experiment=cpu_demo", *overrides], recipe="recipe.dipo")


def leaves(node, prefix=""):
    if isinstance(node, dict):
        return {name: leaf for key, value in node.items() for name, leaf in leaves(value, f"{prefix}.{key}").items()}
    return {prefix.lstrip("."): str(node)}


def test_the_two_runs_differ_in_one_key_and_the_names_that_follow_from_it():
    grpo, dipo = (
        leaves(OmegaConf.to_container(compose(f"algorithm.adv_estimator={name}"), resolve=True))
        for name in ("grpo", "dipo")
    )
    assert grpo.keys() == dipo.keys()
    # The experiment's name, and where it is repeated for tracing.
    names = {
        "trainer.experiment_name",
        "trainer.default_local_dir",
        "trainer.rollout_data_dir",
        "actor_rollout_ref.rollout.trace.experiment_name",
    }
    assert {key for key in grpo if grpo[key] != dipo[key]} - names == {"algorithm.adv_estimator"}


def test_an_override_wins():
    assert compose("trainer.total_training_steps=3").trainer.total_training_steps == 3


@pytest.mark.parametrize("operand", [0, 999])
def test_prompts_and_answers_fit(operand):
    config, tokenizer = compose(), build_tokenizer()
    messages = [{"role": "user", "content": f"{operand}+{operand}="}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
    answer = tokenizer(f"#### {2 * operand}<|end|>")["input_ids"]
    assert len(prompt) <= config.data.max_prompt_length
    assert len(answer) <= config.data.max_response_length
    limit = config.actor_rollout_ref.rollout.max_model_len
    assert config.data.max_prompt_length + config.data.max_response_length <= limit


def test_the_warm_start_samples_as_the_run_does():
    config = compose()
    assert config.actor_rollout_ref.rollout.n == GROUP_SIZE
    assert config.data.max_response_length == MAX_NEW_TOKENS
    assert config.actor_rollout_ref.rollout.temperature == 1.0


def test_learning_curves_have_a_start_points_between_and_an_end():
    trainer = compose().trainer
    assert trainer.val_before_train
    assert trainer.total_training_steps % trainer.test_freq == 0
    assert trainer.total_training_steps // trainer.test_freq >= 2
    assert "file" in trainer.logger
