"""Wrong types, null, zero, sections taken away: each a sentence with the key, what was found and what to do."""

import random
import re

import pytest
from omegaconf import OmegaConf

from groupwise.preflight import RECKONING, examine, verl_schema
from groupwise.preflight.mend import mend
from groupwise.preflight.notes import Note
from groupwise.spelling import nearest_key

A, R, M = "actor_rollout_ref.actor", "actor_rollout_ref.rollout", "actor_rollout_ref.model"
WHOLE, COUNT, NUMBER, TEXT = "a whole number", "a whole number of at least 1", "a number", "text"

# Override and what its sentence says: the key, what it must be, what was found. ~KEY takes a key out.
BROKEN = [
    ("data.train_batch_size='256'", "data.train_batch_size must be .* but is '256'; leave out the quotes"),
    (f"{R}.temperature=hot", f"{R}.temperature must be a number of at least 0, but is 'hot'"),
    (f"{R}.temperature=null", f"{R}.temperature must be a number of at least 0, but is null"),
    (f"{R}.temperature=-1", f"{R}.temperature must be a number of at least 0, but is -1"),
    (f"{R}.temperature=.nan", f"{R}.temperature must be a number of at least 0, but is nan"),
    (f"{R}.max_model_len=8k", f"{R}.max_model_len must be {COUNT}, or null, but is '8k'"),
    (f"{R}.max_model_len=0", f"{R}.max_model_len must be {COUNT}, or null, but is 0"),
    (f"{R}.max_num_seqs=0", f"{R}.max_num_seqs must be {COUNT}, but is 0"),
    (f"{R}.max_num_batched_tokens=null", f"{R}.max_num_batched_tokens must be {COUNT}, but is null"),
    (f"{R}.gpu_memory_utilization=60", f"{R}.gpu_memory_utilization must be a number above 0 and at most 1, but is 60"),
    (f"{R}.gpu_memory_utilization=60%", "gpu_memory_utilization must be a number above 0 and at most 1, but is '60%'"),
    (f"{R}.tensor_model_parallel_size=0", f"{R}.tensor_model_parallel_size must be {COUNT}, but is 0"),
    (f"{R}.agent.num_workers=0", f"{R}.agent.num_workers must be {COUNT}, but is 0"),
    (f"{R}.val_kwargs.n=0", f"{R}.val_kwargs.n must be {COUNT}, but is 0"),
    (f"{R}.enforce_eager=maybe", f"{R}.enforce_eager must be true or false, but is 'maybe'"),
    (f"{R}.prompt_length=null", f"{R}.prompt_length must be {COUNT}, but is null"),
    (f"{R}.engine_kwargs=fast", f"{R}.engine_kwargs must be a section"),
    (f"{A}.fsdp_config.fsdp_size=0", "fsdp_size must be a whole number of at least 1, or -1 for all GPUs, but is 0"),
    (f"{A}.fsdp_config.fsdp_size=all", "fsdp_size must be a whole number .* but is 'all'; set it to -1"),
    (f"{A}.fsdp_config.param_offload=cpu", "param_offload must be true or false, but is 'cpu'"),
    (f"{A}.use_kl_loss='no'", f"{A}.use_kl_loss must be true or false, but is 'no'"),
    (f"{A}.use_dynamic_bsz=auto", f"{A}.use_dynamic_bsz must be true or false, but is 'auto'"),
    (f"{A}.ulysses_sequence_parallel_size=0", f"{A}.ulysses_sequence_parallel_size must be {COUNT}, but is 0"),
    (f"{A}.ppo_max_token_len_per_gpu=16k", f"{A}.ppo_max_token_len_per_gpu must be {COUNT}, but is '16k'"),
    (f"{A}.clip_ratio_high=high", f"{A}.clip_ratio_high must be a number of at least 0, but is 'high'"),
    (f"{A}.clip_ratio_low=-0.2", f"{A}.clip_ratio_low must be a number of at least 0, but is -0.2"),
    (f"{A}.entropy_coeff=none", f"{A}.entropy_coeff must be a number, but is 'none'"),
    (f"{A}.optim.lr=small", f"{A}.optim.lr must be a number of at least 0, but is 'small'"),
    (f"{A}.optim.lr=null", f"{A}.optim.lr must be a number of at least 0, but is null"),
    (f"{A}.optim.betas=0.9", f"{A}.optim.betas must be a list, but is 0.9"),
    (f"{M}.lora_rank=abc", f"{M}.lora_rank must be a whole number of at least 0, but is 'abc'"),
    (f"{M}.lora_rank=null", f"{M}.lora_rank must be a whole number of at least 0, but is null"),
    (f"{M}.path=null", f"{M}.path must be text, but is null"),
    (f"{M}.path=[a,b]", f"{M}.path must be text, but is"),
    (f"{M}.override_config=null", f"{M}.override_config must be a section"),
    ("trainer.save_freq=null", "trainer.save_freq must be a whole number, but is null"),
    ("trainer.test_freq=often", "trainer.test_freq must be a whole number, but is 'often'"),
    ("trainer.logger=true", "trainer.logger must be text or a list, but is True"),
    ("trainer.logger=null", "trainer.logger must be text or a list, but is null"),
    ("trainer.total_training_steps=all", "total_training_steps must be a whole number, or null, but is 'all'"),
    ("trainer.max_actor_ckpt_to_keep=two", "max_actor_ckpt_to_keep must be a whole number, or null, but is 'two'"),
    ("trainer.default_local_dir=null", "trainer.default_local_dir must be text, but is null"),
    ("trainer.rollout_data_dir=true", "trainer.rollout_data_dir must be text, or null, but is True"),
    ("trainer.device=null", "trainer.device must be text, but is null"),
    ("data.train_files=null", "data.train_files must be text or a list, but is null"),
    ("data.train_max_samples=null", "data.train_max_samples must be a whole number, but is null"),
    ("data.gen_batch_size=big", "data.gen_batch_size must be a whole number of at least 0, or null, but is 'big'"),
    ("data.filter_overlong_prompts=yes please", "filter_overlong_prompts must be true or false, but is 'yes please'"),
    ("data.apply_chat_template_kwargs=none", "data.apply_chat_template_kwargs must be a section|must be a section"),
    ("ray_kwargs.ray_init.num_cpus=all", "ray_kwargs.ray_init.num_cpus must be a number of at least 0, or null"),
    ("ray_kwargs.ray_init=null", "ray_kwargs.ray_init must be a section with the keys .* but is null"),
    ("preflight.gpu_memory_gib='80'", "gpu_memory_gib must be a number, or null, but is '80'; leave out the quotes"),
    ("preflight.gpu_memory_gib=lots", "gpu_memory_gib must be a number, or null, but is 'lots'"),
    ("preflight.skip=memory", "preflight.skip must be a list, but is 'memory'"),
    ("algorithm.dipo.alpha=null", "algorithm.dipo.alpha must be a number, but is null"),
    ("algorithm.dipo.queue_batches=two", "algorithm.dipo.queue_batches must be a whole number, but is 'two'"),
    ("algorithm.adv_estimator=null", "algorithm.adv_estimator must be text, but is null"),
    ("reward.reward_kwargs.timeout_s=soon", "timeout_s must be a number, but is 'soon'"),
    ("reward.reward_kwargs.verifier.formats=null", "verifier.formats must be a list, but is null"),
    ("reward.reward_kwargs.overlong_buffer_cfg=null", "overlong_buffer_cfg must be a section .* but is null"),
    ("reward.reward_kwargs.overlong_buffer_cfg.len=null", "cfg.len must be a whole number, but is null"),
    *((f"{section}=null", f"{section} must be a section with the keys .* but is null; leave {section}=null out")
      for section in ("trainer", "data", "algorithm", "algorithm.dipo", "actor_rollout_ref", A, f"{A}.optim", R,
                      f"{R}.val_kwargs", M, "reward", "reward.reward_kwargs", "preflight", "resume", "trainer.v1",
                      f"{R}.checkpoint_engine")),
    ("trainer=5", "trainer must be a section with the keys .* but is 5"),
    *((f"~{key}", f"{key} must be there, but was taken out")
      for key in ("algorithm.dipo", "trainer.nnodes", "data.train_batch_size", "data", f"{R}.val_kwargs", "trainer",
                  f"{M}.path", "preflight", "reward.reward_kwargs.verifier", f"{A}.use_dynamic_bsz")),
    ("data.seed=${nothing}", r"seed must have a value, but \$\{nothing\} cannot be resolved: .*'nothing' not found"),
    ("trainer.nnodes=${oc.env:NO_SUCH_NAME}", "trainer.nnodes must have a value, but .*'NO_SUCH_NAME' not found"),
    ("trainer.nnodes=${trainer.project_name}", "trainer.nnodes must be .*'verl_examples', from"),
    ("trainer.nnodes=${oc.decode:'1,2'}", "trainer.nnodes must have a value"),
    (f"{R}.temprature=0.3", f"{R} must have keys of verl's RolloutConfig alone.* but has 'temprature'; did you mean"),
    (f"{A}.ppo_minibatch_size=8", "did you mean 'ppo_mini_batch_size'"),
    (f"{M}.lora_rnk=8", "HFModelConfig alone.* but has 'lora_rnk'; did you mean 'lora_rank'"),
    (f"{A}._target_=no.such.Class", f"{A}._target_ must name a config class of verl's, but is 'no.such.Class'"),
]  # fmt: skip


def change(config, override: str):
    """Applies an override as Hydra would, on a configuration that lets everything be set."""
    if override.startswith("~"):
        section, _, name = override[1:].rpartition(".")
        del (OmegaConf.select(config, section) if section else config)[name]
        return config
    return OmegaConf.unsafe_merge(config, OmegaConf.from_dotlist([override]))


pytestmark = pytest.mark.usefixtures("loaded_once")

# Left out for speed: they have nothing to do with a value, and take a tenth of a second each.
SLOW = ("versions", "tokenizer", "data")


def told_of(config) -> list[str]:
    """What is said of values; nothing may follow from them, and nothing may break."""
    found = examine(config, leave_out=SLOW)
    assert not [fault for fault in found.faults if "broke with" in fault.sentence or fault.check in RECKONING]
    return [fault.sentence for fault in found.faults if fault.check == "values"]


@pytest.mark.parametrize(
    ("value", "found"),
    [("null", "null"), ("0", "0"), ("-1", "-1"), ("many", "'many'"), ("1.5", "1.5"), ("true", "True"), ("[1]", "[1]")],
)
def test_each_of_several_broken_values_is_told(compose_with, value, found):
    keys = ["data.train_batch_size", "trainer.nnodes", "trainer.n_gpus_per_node", f"{A}.ppo_mini_batch_size",
            f"{R}.n", "data.max_response_length", "trainer.total_epochs"]  # fmt: skip
    config = compose_with()
    for key in keys:
        config = change(config, f"{key}={value}")
    told = told_of(config)
    for key in keys:
        assert [text for text in told if f"{key} must be {COUNT}, but is {found}" in text], told
    assert len(told) == len(keys), told


@pytest.mark.parametrize(("override", "sentence"), BROKEN, ids=[case[0] for case in BROKEN])
def test_a_broken_value_is_told(compose_with, override, sentence):
    told = told_of(change(compose_with(), override))
    assert [text for text in told if re.search(sentence, text)], told
    # One fault, one sentence.
    assert len(told) == 1, told


def test_the_table_covers_enough():
    assert len(BROKEN) >= 90


def test_an_interpolation_in_a_list_is_told_too(compose_with):
    values = OmegaConf.to_container(compose_with())
    values["trainer"]["logger"] = ["console", "${nothing}"]
    (sentence,) = mend(OmegaConf.create(values)).sentences
    assert sentence.startswith("trainer.logger must have a value, but ['console', '${nothing}'] cannot be resolved")


def test_what_else_is_wrong_is_told_beside(compose_with):
    config = change(compose_with("algorithm.adv_estimator=dipoo", "trainer.logger=[consle]"), "trainer.nnodes=0")
    assert [fault.check for fault in examine(config).faults] == ["values", "estimator", "loggers"]


@pytest.mark.parametrize(
    "override",
    [
        "algorithm.filter_groups=null", "algorithm.rollout_correction=null", f"{R}.profiler=null",
        f"{A}.loss_scale_factor=null", f"{R}.max_model_len=null", "trainer.v1.sampler.max_off_policy_threshold=null",
        "data.seed=null", "trainer.val_before_train=0", "trainer.experiment_name=2024", f"{A}.entropy_coeff=1",
        "trainer.v1.colocate_async.num_warmup_batches=1.5", f"{R}.engine_kwargs.vllm.seed=1", "trainer.logger=console",
        f"{M}.override_config.hidden_dropout=0.1", "ray_kwargs.ray_init.runtime_env.env_vars.NCCL_DEBUG=WARN",
        "reward.reward_kwargs.overlong_buffer_cfg.penalty_factor=1", "trainer.total_training_steps=${trainer.nnodes}",
        f"{A}.optim.lr_warmup_steps=10", "data.gen_batch_size=16", f"{R}.custom.mine=1",
        f"{A}.fsdp_config.fsdp_size=-1",
        "critic.enable=null", f"{R}.cudagraph_capture_sizes=[1,2]", f"{M}.external_lib=[a,b]",
        "algorithm.rollout_correction.rollout_is_threshold=0.5_2.0", f"{R}.layered_summon=true",
    ],
)  # fmt: skip
def test_a_sound_value_is_not(compose_with, override):
    assert mend(change(compose_with(), override)).sentences == []


@pytest.mark.parametrize("engine", list(verl_schema.GENERATED))
def test_verls_defaults_are_sound(engine):
    values = verl_schema.defaults(engine).values
    assert mend(OmegaConf.create(values)).sentences == []
    # As a resolved configuration, which a user may give again as an overlay.
    resolved = OmegaConf.to_container(OmegaConf.create(values), resolve=True)
    assert mend(OmegaConf.create(resolved)).sentences == []


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainer.foo=1", "trainer.foo is read by nothing in verl or this recipe, and changes nothing; leave it out"),
        ("data.foo=1", "data.foo is read by nothing"),
        ("trainer.nnode=2", "did you mean trainer.nnodes?"),
        ("algorithm.alpah=0.3", "did you mean algorithm.dipo.alpha?"),
        ("my_section.some_switch=1", "my_section is read by nothing"),
    ],
)
def test_a_key_that_nobody_reads_is_noted(compose_with, override, words):
    (sentence,) = mend(change(compose_with(), override)).sentences
    assert isinstance(sentence, Note)
    assert words in sentence


def test_a_key_that_verl_reads_without_having_it_is_not(compose_with):
    # rl_dataset.py: config.get("use_shm", False) and others, which stand in no default.
    assert mend(change(compose_with(), "data.use_shm=true")).sentences == []


def test_nor_one_that_the_users_own_code_reads(compose_with, tmp_path):
    (tmp_path / "mine.py").write_text("def reward(config):\n    return config.trainer.hurdle\n")
    config = compose_with(f"reward.custom_reward_function.path={tmp_path}/mine.py", "trainer.hurdle=3")
    assert mend(config).sentences == []


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("data.trian_batch_size", "data.train_batch_size"),
        ("actor_rollout_ref.actor.lr", "actor_rollout_ref.actor.optim.lr"),
        ("trainer.gpus_per_node", "trainer.n_gpus_per_node"),
        ("algorithm.dipo.alhpa", "algorithm.dipo.alpha"),
        ("quite.something_else_altogether", None),
    ],
)
def test_the_nearest_key(key, meant):
    assert nearest_key(key, [name for name, _ in verl_schema.walk(verl_schema.defaults("dp").values)]) == meant


class TestVerlSchema:
    """What the checks take from verl is what verl itself goes by."""

    @pytest.mark.parametrize("engine", list(verl_schema.GENERATED))
    def test_the_defaults_are_those_that_hydra_composes(self, engine):
        from hydra import compose, initialize_config_module

        places = "hydra.searchpath=[methods://,pkg://verl.trainer.config]"
        with initialize_config_module("groupwise.config", version_base=None):
            composed = compose("groupwise_trainer", overrides=[f"model_engine={engine}", places])
        assert OmegaConf.to_container(composed) == verl_schema.defaults(engine).values

    @pytest.mark.parametrize("section", verl_schema.BUILT)
    def test_verl_refuses_unknown_keys_of_the_sections_that_it_builds(self, compose_with, section):
        from hydra.errors import InstantiationException
        from verl.utils.config import omega_conf_to_dataclass

        config = compose_with(f"{section}.no_such_key=1")
        with pytest.raises(InstantiationException, match="no_such_key"):
            omega_conf_to_dataclass(OmegaConf.select(config, section))

    def test_estimators_are_those_that_verl_finds(self):
        from verl.trainer.ppo.core_algos import get_adv_estimator_fn

        names = verl_schema.estimators()
        assert {"dipo", "grpo", "gae", "rloo"} <= set(names)
        assert all(callable(get_adv_estimator_fn(name)) for name in names)


def test_no_value_of_any_key_breaks_a_check(compose_with):
    """A sample of every key with each of these: 2,600 configurations, of which 950 were run once, drawn at random."""
    config = compose_with()
    keys = [key for key, value in verl_schema.walk(OmegaConf.to_container(config)) if not isinstance(value, dict)]
    choose = random.Random(5)
    for key in choose.sample(keys, 25):
        value = choose.choice(["null", "0", "-1", "text", "[1]", "{a: 1}", "true", "1e30"])
        found = examine(change(compose_with(), f"{key}={value}"), leave_out=SLOW)
        assert not [fault for fault in found.faults if "broke with" in fault.sentence], (key, value, found.faults)
