"""Command lines of verl's own trainer: those of its examples are no fault, mistakes are found, in a sentence."""

import json
import pickle
import re
import shlex
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from groupwise.preflight.__main__ import main
from groupwise.preflight.plain import MODULE, compose_command, examine_plain

# Of the examples of verl 0.9.0 (Apache-2.0), without files, models and loggers, which are the machine's, and without
# megatron.grad_offload, which 0.9.1 does not have: FSDP, Megatron, veomni, LoRA, mixtures of experts, vision, SGLang.
EXAMPLES: dict[str, str] = json.loads((Path(__file__).parent / "commands.json").read_text(encoding="utf-8"))


# A second each, most of which is Hydra's.
@pytest.mark.slow
@pytest.mark.parametrize("script", list(EXAMPLES))
def test_a_command_of_verls_examples_is_no_fault(script):
    command = ["python3", "-m", MODULE, *shlex.split(EXAMPLES[script])]
    findings = examine_plain(compose_command(command), elsewhere=True)
    assert (findings.faults, findings.notes) == ([], [])


def test_the_examples_cover_what_is_trained():
    assert len(EXAMPLES) >= 30
    for kind in ("megatron", "lora_rank", "name=sglang", "a3b", "image_key", "veomni"):
        assert any(kind in f"{script} {words}" for script, words in EXAMPLES.items()), kind


@pytest.fixture(scope="module")
def sound():
    """A sound configuration of plain verl, composed once; a call changes some keys of it."""
    words = (
        "algorithm.adv_estimator=grpo",
        "actor_rollout_ref.rollout.name=vllm",
        "actor_rollout_ref.rollout.n=8",
        "actor_rollout_ref.actor.use_dynamic_bsz=true",
    )
    composed = pickle.dumps(compose_command(words))

    def sound_(*changes: str):
        config = pickle.loads(composed)
        OmegaConf.set_struct(config, False)
        return OmegaConf.merge(config, OmegaConf.from_dotlist(list(changes)))

    return sound_


def test_a_sound_command_has_neither_faults_nor_notes(sound):
    findings = examine_plain(sound(), elsewhere=True)
    assert (findings.faults, findings.notes) == ([], [])
    # verl's own defaults stay: its reward manager, and not this project's.
    assert findings.facts.config.reward.reward_manager.name == "naive"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("algorithm.adv_estimator=grop", "must be an estimator that verl or a plug-in .*'grop'; did you mean 'grpo'"),
        ("algorithm.adv_estimator=dipo", "computed by this project's trainer"),
        ("actor_rollout_ref.actor.ppo_mini_batch_size=100", "train_batch_size must be a multiple of"),
        ("actor_rollout_ref.rollout.tensor_model_parallel_size=3", "must divide into vllm engines"),
        ("actor_rollout_ref.rollout.temperature=hot", "temperature must be a number"),
        ("actor_rollout_ref.actor.loss_agg_mode=tokens", "loss_agg_mode must be one of .* did you mean 'token-sum'"),
        ("data.max_response_length=100000", "A micro-batch must have room"),
    ],
)
def test_what_verl_would_fail_on_is_found(sound, change, words):
    # verl's own check takes longer than all others.
    skip = () if "loss_agg_mode" in change else ("verl",)
    faults = examine_plain(sound(change), elsewhere=True, skip=skip).faults
    assert len(faults) == 1, faults
    assert re.search(words, faults[0].sentence)


def test_what_verl_leaves_to_the_user_must_be_set(sound):
    config = sound()
    config.actor_rollout_ref.rollout.name = "???"
    faults = examine_plain(config, elsewhere=True, skip=["verl"]).faults
    assert [fault.sentence.partition(",")[0] for fault in faults] == ["actor_rollout_ref.rollout.name must be set"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python -m verl.trainer.main_eval data.path=x", "must be one of verl.trainer.main_ppo, but is of verl"),
        ("--config-path=/elsewhere data.seed=1", "must be verl's own .* but is of /elsewhere"),
        ("--config-name ppo_trainr", "--config-name must be one of verl's configurations, but there is no ppo_trainr"),
        ("actor_rollout_ref.rollot.n=8", "did you mean actor_rollout_ref.rollout.n"),
        ("data.seed", "'data.seed' must be a key with its value"),
        ("--skip nothing", "must be a key with its value"),
    ],
)
def test_a_command_that_cannot_be_read_is_refused_in_a_sentence(command, words, capsys):
    assert main(["--", *command.split()]) == 1
    assert re.search(words, capsys.readouterr().err)


def test_the_exit_code_and_the_words(sound, capsys, monkeypatch):
    def run(change: str, *options: str) -> tuple[int, str]:
        monkeypatch.setattr("groupwise.preflight.__main__.compose_command", lambda words: sound(*words))
        code = main(["--elsewhere", "--skip", "verl", *options, "--", change])
        return code, capsys.readouterr().out

    code, told = run("algorithm.adv_estimator=grop")
    assert code == 1
    assert "This run cannot start:" in told
    assert "--skip estimator leaves such checks out" in told
    code, told = run("algorithm.adv_estimator=grpo")
    assert code == 0
    assert "Nothing stands in the way of this run, but for what depends on the machine (verl 0.9.1)." in told
