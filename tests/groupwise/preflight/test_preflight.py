"""Broken configurations, each found before Ray starts by the check that is named; sound ones have no fault."""

import json
import re
import shutil
from collections import namedtuple
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf
from transformers import Qwen2Config, Qwen3Config
from verl.experimental.reward_loop.reward_manager.registry import REWARD_MANAGER
from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY

from groupwise import preflight
from groupwise.preflight import CHECKS, Fault, Findings, examine, find_faults
from groupwise.preflight.facts import Facts
from groupwise.preflight.notes import Note
from groupwise.preflight.parallel import training_gpus
from groupwise.preflight.resume import PARTS
from groupwise.preflight.trainer import TRAINER_MODES
from groupwise.record.run_record import write_method

Usage = namedtuple("Usage", "total used free")


def sentences(config) -> list[str]:
    return [fault.sentence for fault in find_faults(config)]


def test_a_sound_configuration_has_no_fault(compose_with):
    assert find_faults(compose_with()) == []


# Check, overrides, and what its sentence says.
BROKEN = [
    ("method", "algorithm.filter_groups.enable=true", "drops exactly the groups that DiPO works on"),
    ("method", "actor_rollout_ref.rollout.n=1", "rollout.n must be at least 2, but is 1"),
    (
        "method",
        "algorithm.observe=[rl_zvp] algorithm.rollout_correction.bypass_mode=true",
        "algorithm.rl_zvp: A method that needs entropies .*bypass_mode=true leaves out; set it to false",
    ),
    ("method", "algorithm.dipo.alpha=-0.1", "alpha must be a number of at least 0, but is -0.1"),
    ("method", "algorithm.dipo.queue_batches=0", "queue_batches must be a whole number of at least 1, but is 0"),
    ("method", "algorithm.dipo.confidence=1.5", "confidence must lie strictly between 0 and 1"),
    ("method", "algorithm.dipo.group_perplexity=average", "must be one of any, any_group, median, mean, max, always"),
    ("method", "+algorithm.dipo.alhpa=0.3", "no key 'alhpa'; did you mean 'alpha'"),
    ("method", "reward.reward_kwargs.timeout_s=0", "timeout_s must be a number of seconds above 0, but is 0"),
    ("method", "reward.reward_kwargs.max_failure_share=1.5", "max_failure_share must be a share between 0 and 1"),
    ("method", "+reward.reward_kwargs.time_out=3", "no key 'time_out'; did you mean 'timeout_s'"),
    ("method", "reward.reward_kwargs.verifier.scale=big", "scale must be one of toolrl, unit, binary, but is 'big'"),
    ("method", "reward.reward_kwargs.verifier.formats=[xml]", r"formats must list .* hermes, .* but is \['xml'\]"),
    ("method", "+reward.reward_kwargs.verifier.sclae=unit", "no key 'sclae'; did you mean 'scale'"),
    ("method", "algorithm.use_kl_in_reward=true", "dipo would not see it"),
    ("method", "reward.reward_model.enable=true", "needs a verdict `acc`"),
    ("values", "resume.accept_changed_method=maybe", "accept_changed_method must be true or false, but is 'maybe'"),
    ("method", "+resume.acept_changed_method=true", "no key 'acept_changed_method'; did you mean"),
    ("preflight", "preflight.skip=[memry]", "must be a list of checks out of .* but has 'memry'"),
    ("preflight", "preflight.gpu_memory_gib=0", "gpu_memory_gib must be a number above 0"),
    ("trainer", "trainer.v1.trainer_mode=fast", "must be one of sync, colocate_async, separate_async, but is 'fast'"),
    ("trainer", "trainer.use_v1=false trainer.v1.trainer_mode=colocate_async", "synchronous, but .* 'colocate_async'"),
    (
        "trainer",
        "trainer.use_v1=false algorithm.filter_groups.enable=true algorithm.adv_estimator=grpo",
        "which would ignore it",
    ),
    ("trainer", "trainer.resume_mode=latest", "must be one of auto, disable, resume_path, but is 'latest'"),
    ("resume", "trainer.resume_mode=resume_path", "must end in a checkpoint's folder global_step_<number>"),
    ("device", "trainer.device=cuda preflight.skip=[cpu,memory]", r"add \+device=cpu"),
    ("files", "data.train_files=/no/such.parquet", "data.train_files .* there is no /no/such.parquet"),
    ("files", "data.val_files=[/no/such.parquet]", "data.val_files .* there is no /no/such.parquet"),
    ("files", "data.val_files=[]", "data.val_files must name at least one file, at which verl stops, but is empty"),
    ("files", "actor_rollout_ref.model.lora_adapter_path=/no/adapter", "/no/adapter has no adapter_config.json"),
    (
        "files",
        "trainer.default_local_dir=/etc/passwd trainer.logger=console",
        "must be a folder that can be written, but /etc/passwd is a file",
    ),
    ("files", "trainer.rollout_data_dir=/etc/passwd trainer.logger=console", "but /etc/passwd is a file"),
    ("code", "reward.custom_reward_function.path=/no/such.py", "/no/such.py ends with FileNotFoundError"),
    (
        "files",
        "trainer.rollout_data_dir=/dumps trainer.validation_data_dir=/dumps",
        "must be two folders, but both are /dumps",
    ),
    ("model", "actor_rollout_ref.model.path=/no/such/model", "/no/such/model is neither"),
    ("model", "actor_rollout_ref.model.path=./no-such-model", "./no-such-model is neither"),
    ("batch", "data.train_batch_size=128 actor_rollout_ref.actor.ppo_mini_batch_size=128", "64"),
    ("batch", "actor_rollout_ref.rollout.tensor_model_parallel_size=2", "tensor_model_parallel_size"),
    ("batch", "actor_rollout_ref.rollout.max_model_len=50", "max_model_len"),
    ("batch", "data.max_prompt_length=1020", "max_position_embeddings|1024"),
    ("batch", "actor_rollout_ref.rollout.temperature=0", "temperature"),
    ("batch", "trainer.total_training_steps=0", "total_training_steps"),
    ("loggers", "trainer.logger=[console,wandbb]", "wandbb"),
    ("cluster", "trainer.nnodes=2", "nnodes"),
    ("data", "data.max_prompt_length=8", "at most 8 tokens"),
    ("verl", "actor_rollout_ref.actor.loss_agg_mode=tokens", "did you mean 'token-sum'"),
    ("verl", "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=null", "verl refuses this configuration"),
]


@pytest.mark.parametrize(("check", "overrides", "sentence"), BROKEN, ids=[case[1] for case in BROKEN])
def test_refuses(compose_with, check, overrides, sentence):
    # verl itself may refuse as well, which takes it long; nothing else may be a false alarm.
    others = () if check == "verl" else ("verl",)
    faults = find_faults(compose_with(*overrides.split(" ")), leave_out=others)
    assert [fault for fault in faults if fault.check == check and re.search(sentence, fault.sentence)], faults
    assert {fault.check for fault in faults} == {check}


def test_the_table_covers_enough():
    assert len(BROKEN) >= 25


def test_finds_every_fault_at_once(compose_with):
    overrides = ("algorithm.filter_groups.enable=true", "data.train_files=/no/such.parquet", "algorithm.dipo.alpha=-1")
    assert [fault.check for fault in find_faults(compose_with(*overrides))] == ["method", "method", "files"]


class TestReport:
    def test_names_each_fault_and_its_check(self, compose_with):
        overrides = ("algorithm.dipo.alpha=-1", "data.train_files=/no/such.parquet")
        report = preflight.report(examine(compose_with(*overrides)))
        lines = report.splitlines()
        assert lines[0] == "This run cannot start:"
        assert lines[1].endswith("but is -1. [method]")
        assert "preflight.skip=[method,files]" in lines[-1]

    def test_is_empty_where_all_is_well(self, compose_with):
        assert preflight.report(Findings([], [], Facts(compose_with()))) == ""

    def test_a_note_is_told_and_stops_nothing(self, compose_with, monkeypatch):
        monkeypatch.setitem(CHECKS, "disk", lambda facts: ["Full.", Note("Nearly full.")])
        findings = examine(compose_with())
        assert [fault.sentence for fault in findings.faults] == ["Full."]
        assert "Note: Nearly full. [disk]" in preflight.report(findings)
        monkeypatch.setitem(CHECKS, "disk", lambda facts: [Note("Nearly full.")])
        assert preflight.report(examine(compose_with())) == "Note: Nearly full. [disk]"

    def test_a_check_that_breaks_is_told_beside_what_it_and_the_others_found(self, compose_with, monkeypatch):
        def breaks(facts):
            yield "Found before."
            raise KeyError("surprise")

        monkeypatch.setitem(CHECKS, "disk", breaks)
        first, second, third = find_faults(compose_with("algorithm.dipo.alpha=-1"))
        assert (first.check, second) == ("method", Fault("disk", "Found before."))
        assert third.check == "disk"
        assert "broke with KeyError: 'surprise' (test_preflight.py, line " in third.sentence

    @pytest.mark.parametrize("check", ["method", "files", "data", "verl"])
    def test_a_check_can_be_left_out(self, compose_with, check):
        overrides = next(case[1] for case in BROKEN if case[0] == check).split(" ")
        config = compose_with(*overrides, f"preflight.skip=[cpu,verl,{check}]")
        assert find_faults(config) == []

    def test_what_was_left_out_is_told(self, compose_with):
        assert "Left out by preflight.skip: cpu" in preflight.describe(Facts(compose_with()))

    def test_a_table_of_memory_that_cannot_be_made_ends_no_dry_run(self, compose_with, monkeypatch):
        monkeypatch.setattr(preflight.hardware, "describe_memory", lambda facts: 1 / 0)
        told = ["GPU memory: not estimated: ZeroDivisionError", "Left out by preflight.skip: cpu"]
        assert preflight.describe(Facts(compose_with())) == told


@pytest.mark.parametrize(
    "override",
    [
        "algorithm.filter_groups.enable=true",
        "actor_rollout_ref.rollout.n=1",
        "algorithm.use_kl_in_reward=true",
        "reward.reward_model.enable=true",
    ],
)
def test_what_only_dipo_cannot_do_is_allowed_with_grpo(compose_with, override):
    faults = find_faults(compose_with("algorithm.adv_estimator=grpo", override, "preflight.skip=[cpu,batch,verl]"))
    assert faults == []


def test_another_reward_manager_may_have_keys_of_its_own(compose_with, monkeypatch):
    monkeypatch.setitem(REWARD_MANAGER, "mine", object)
    other = "reward.reward_manager.name=mine"
    assert find_faults(compose_with(other, "+reward.reward_kwargs.budget=3")) == []
    assert len(find_faults(compose_with(other, "reward.reward_kwargs.max_failure_share=2"))) == 1


def test_a_reward_model_with_a_custom_function_may_give_the_verdict(compose_with, tmp_path):
    (tmp_path / "reward.py").write_text("def compute_score(**row): ...")
    overrides = ("reward.reward_model.enable=true", f"reward.custom_reward_function.path={tmp_path}/reward.py")
    assert [fault for fault in find_faults(compose_with(*overrides)) if fault.check == "method"] == []


def test_trainer_modes_are_verls():
    assert sorted(TRAINER_MODES) == sorted(TRAINER_REGISTRY)


def test_checks_have_plain_names():
    # They are written into preflight.skip=[...] on a command line.
    assert all(name.isalpha() and name.islower() for name in CHECKS)


class TestDisk:
    def test_a_full_disk_is_refused_only_where_checkpoints_are_asked_for(self, compose_with, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 100))
        assert find_faults(compose_with("trainer.save_freq=-1")) == []
        (fault,) = find_faults(compose_with("trainer.save_freq=10"), leave_out=("verl",))
        assert "must have room for a checkpoint of about" in fault.sentence

    @pytest.mark.parametrize(
        ("keep", "present", "checkpoints"),
        [
            # 40 steps, one each 10: 4 are saved.
            ("null", 0, "4 checkpoints"),
            # With a limit of 2 there are never more; with 1 the next is written before the last is removed.
            ("2", 0, "2 checkpoints"),
            ("1", 0, "2 checkpoints"),
            # One is there already and will be removed.
            ("2", 1, "a checkpoint"),
        ],
    )
    def test_counts_what_will_lie_there(self, compose_with, monkeypatch, tmp_path, keep, present, checkpoints):
        for step in range(present):
            (tmp_path / "checkpoints" / f"global_step_{step}").mkdir(parents=True)
        monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 100))
        config = compose_with(
            "trainer.save_freq=10", "trainer.total_training_steps=40", f"trainer.max_actor_ckpt_to_keep={keep}"
        )
        (fault,) = find_faults(config, leave_out=("verl",))
        assert f"must have room for {checkpoints}" in fault.sentence


class TestModel:
    @pytest.fixture
    def damaged(self, sound_files, tmp_path):
        """A copy of the sound model, for a test to damage."""
        return Path(shutil.copytree(sound_files / "model", tmp_path / "damaged"))

    def fault(self, compose_with, model) -> str:
        config = compose_with(f"actor_rollout_ref.model.path={model}")
        (fault,) = find_faults(config, leave_out=("verl",))
        return fault.sentence

    def test_a_configuration_that_is_no_json(self, compose_with, damaged):
        (damaged / "config.json").write_text("{")
        assert "must hold a configuration that transformers reads" in self.fault(compose_with, damaged)

    def test_an_architecture_that_transformers_does_not_know(self, compose_with, damaged):
        (damaged / "config.json").write_text('{"model_type": "no_such_model"}')
        assert "no_such_model" in self.fault(compose_with, damaged)

    def test_weights_that_are_not_there(self, compose_with, damaged):
        (damaged / "model.safetensors").unlink()
        assert "must hold a model's weights (*.safetensors), but has none" in self.fault(compose_with, damaged)

    def test_a_download_that_was_interrupted(self, compose_with, damaged):
        (damaged / "model.safetensors").rename(damaged / "model-00001-of-00002.safetensors")
        index = '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}'
        (damaged / "model.safetensors.index.json").write_text(index)
        assert "lacks 1 of 2 files, such as model-00002-of-00002.safetensors" in self.fault(compose_with, damaged)

    def test_an_index_that_is_damaged(self, compose_with, damaged):
        (damaged / "model.safetensors.index.json").write_text("[]")
        assert "model.safetensors.index.json must be the index" in self.fault(compose_with, damaged)

    def test_files_of_the_tokenizer_that_are_not_there(self, compose_with, damaged):
        (damaged / "tokenizer.json").unlink()
        sentence = self.fault(compose_with, damaged)
        assert "must hold the tokenizer's files, such as tokenizer.json, but has none; copy them there, or" in sentence

    @pytest.mark.parametrize("below", [".", "actor", "actor/huggingface"])
    def test_a_checkpoint_of_verls(self, compose_with, damaged, tmp_path, below):
        folder = tmp_path / "global_step_7" / below
        folder.mkdir(parents=True)
        (tmp_path / "global_step_7" / "actor").mkdir(exist_ok=True)
        (tmp_path / "global_step_7" / "actor" / "model_world_size_2_rank_0.pt").touch()
        shutil.copy(damaged / "config.json", folder)
        assert f"--local_dir {tmp_path}/global_step_7/actor --target_dir MERGED" in self.fault(compose_with, folder)

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"is_encoder_decoder": True}, r"must be a decoder, which verl trains, but is an encoder .*\(qwen2\)"),
            (
                {"quantization_config": {"quant_method": "awq"}},
                r"is quantized \(awq\); name the model that it was made",
            ),
        ],
    )
    def test_a_model_that_cannot_be_trained(self, compose_with, damaged, changes, sentence):
        shape = json.loads((damaged / "config.json").read_text())
        (damaged / "config.json").write_text(json.dumps(shape | changes))
        assert re.search(sentence, self.fault(compose_with, damaged))

    @pytest.mark.parametrize(
        ("override", "sentence"),
        [
            (
                "tokenizer_path=/no/such",
                r"model.tokenizer_path must be a model's folder .*, but /no/such is neither; corr",
            ),
            (
                "hf_config_path=/no/such",
                r"model.hf_config_path must be .* /no/such is neither; correct it, or leave it",
            ),
            (
                "tokenizer_path={}",
                r"tokenizer_path={} must hold a tokenizer .*; correct .*tokenizer_path, or leave it out",
            ),
            ("hf_config_path={}", r"hf_config_path={} must hold a configuration .*; correct .*, or leave it out"),
            (
                "override_config.text_config.a=1",
                r"override_config must change keys .* AttributeError.*; correct it, or",
            ),
        ],
    )
    def test_the_key_at_fault_is_named(self, compose_with, tmp_path, override, sentence):
        (tmp_path / "config.json").write_text("{")
        (tmp_path / "tokenizer.json").write_text("{")
        config = compose_with(f"actor_rollout_ref.model.{override.format(tmp_path)}")
        (fault,) = find_faults(config, leave_out=("verl",))
        assert re.search(sentence.format(tmp_path), fault.sentence), fault
        assert "name another model" not in fault.sentence

    def test_code_of_a_models_own_must_be_trusted(self, compose_with, damaged):
        shape = json.loads((damaged / "config.json").read_text())
        own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
        (damaged / "config.json").write_text(json.dumps(shape | own))
        (damaged / "own.py").write_text("")
        assert "; set actor_rollout_ref.model.trust_remote_code=true, if you trust" in self.fault(compose_with, damaged)

    def test_a_model_that_only_verl_can_fetch_is_left_to_it(self, compose_with):
        assert find_faults(compose_with("actor_rollout_ref.model.path=hdfs://cluster/model")) == []


class TestHub:
    @pytest.fixture
    def hub(self, monkeypatch):
        """The hub's client: an empty cache, and an answer for a test to choose."""
        import huggingface_hub

        class Hub:
            cached = None
            answer: Exception | None = None

        def model_info(self, name, timeout):
            if Hub.answer is not None:
                raise Hub.answer

        monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda name, file: Hub.cached)
        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
        return Hub

    def fault(self, compose_with, name="Qwen/Qwen2.5-7B") -> str:
        config = compose_with(f"actor_rollout_ref.model.path={name}")
        (fault,) = find_faults(config, leave_out=("verl",))
        return fault.sentence

    @pytest.mark.parametrize("name", ["Qwen/Qwen2.5-7B", "gpt2"])
    def test_a_hub_that_does_not_answer(self, compose_with, hub, name):
        hub.answer = ConnectionError("no route to host")
        sentence = self.fault(compose_with, name)
        assert f"{name} is not in the local cache of the hub and the hub does not answer (ConnectionError)" in sentence
        assert "MODEL_PATH" in sentence

    def test_a_name_that_the_hub_does_not_know(self, compose_with, hub):
        import httpx
        from huggingface_hub.errors import RepositoryNotFoundError

        hub.answer = RepositoryNotFoundError(
            "404", response=httpx.Response(404, request=httpx.Request("GET", "http://h"))
        )
        assert "the hub has no such model, or shows it only to users who log in" in self.fault(compose_with)


class TestResume:
    @pytest.fixture
    def checkpoint(self, compose_with, tmp_path):
        """The latest checkpoint of a run with the sound configuration."""
        folder = tmp_path / "checkpoints" / "global_step_7"
        folder.mkdir(parents=True)
        write_method(compose_with(), folder)
        for part in PARTS.values():
            for rank in range(gpus := training_gpus(compose_with())):
                (folder / "actor").mkdir(exist_ok=True)
                (folder / "actor" / f"{part}_world_size_{gpus}_rank_{rank}.pt").touch()
        (folder.parent / "latest_checkpointed_iteration.txt").write_text("7")
        return folder

    def test_the_same_method_goes_on(self, compose_with, checkpoint):
        assert find_faults(compose_with()) == []

    def test_another_method_does_not(self, compose_with, checkpoint):
        (fault,) = find_faults(compose_with("algorithm.dipo.alpha=0.3"))
        assert fault.check == "resume"
        assert "algorithm.dipo.alpha: 0.1 in the checkpoint, 0.3 now" in fault.sentence

    def test_unless_it_is_told_to(self, compose_with, checkpoint):
        assert find_faults(compose_with("algorithm.dipo.alpha=0.3", "resume.accept_changed_method=true")) == []


class TestGpuSettings:
    """The shipped settings, with a model of the shape that they name, on the cards that they are for, without a GPU."""

    SHAPES: ClassVar = {
        "qwen7b": ("qwen2", {"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
                             "num_key_value_heads": 4, "intermediate_size": 18944, "vocab_size": 152064,
                             "tie_word_embeddings": False, "max_position_embeddings": 131072}),
        "tools_7b": ("qwen2", {"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
                               "num_key_value_heads": 4, "intermediate_size": 18944, "vocab_size": 152064,
                               "tie_word_embeddings": False, "max_position_embeddings": 32768}),
        "tools_3b": ("qwen2", {"hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16,
                               "num_key_value_heads": 2, "intermediate_size": 11008, "vocab_size": 151936,
                               "tie_word_embeddings": True, "max_position_embeddings": 32768}),
        "qwen3_4b": ("qwen3", {"hidden_size": 2560, "num_hidden_layers": 36, "num_attention_heads": 32,
                               "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 9728,
                               "vocab_size": 151936, "tie_word_embeddings": True, "max_position_embeddings": 32768}),
        "qwen3_8b": ("qwen3", {"hidden_size": 4096, "num_hidden_layers": 36, "num_attention_heads": 32,
                               "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288,
                               "vocab_size": 151936, "tie_word_embeddings": False, "max_position_embeddings": 32768}),
        "qwen0.5b": ("qwen2", {"hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
                               "num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151936,
                               "tie_word_embeddings": True, "max_position_embeddings": 32768}),
        "qwen1.5b": ("qwen2", {"hidden_size": 1536, "num_hidden_layers": 28, "num_attention_heads": 12,
                               "num_key_value_heads": 2, "intermediate_size": 8960, "vocab_size": 151936,
                               "tie_word_embeddings": True, "max_position_embeddings": 32768}),
    }  # fmt: skip

    # Rows of the published training sets (README.md).
    ROWS: ClassVar = {"tools_3b": 3920, "tools_7b": 3920, "qwen7b": 16535, "qwen3_4b": 16535, "qwen3_8b": 16535,
                              "qwen0.5b": 7473, "qwen1.5b": 7473}  # fmt: skip
    CARD_GIB: ClassVar = {"qwen0.5b": 16, "qwen1.5b": 24}

    @pytest.fixture
    def compose_setting(self, shipped_setting, sound_files, tmp_path, monkeypatch):
        """Composes a setting with a model folder of its shape."""

        def compose_(setting: str, arm: str, *overrides: str):
            kind, shape = self.SHAPES[setting]
            folder = tmp_path / "model"
            shutil.copytree(sound_files / "model", folder, dirs_exist_ok=True)
            made = {"qwen2": Qwen2Config, "qwen3": Qwen3Config}[kind](**shape, dtype="bfloat16")
            made.architectures = ["Qwen2ForCausalLM" if kind == "qwen2" else "Qwen3ForCausalLM"]
            made.save_pretrained(folder)
            for name, value in {"MODEL_PATH": folder, "CKPT_DIR": tmp_path / "runs"}.items():
                monkeypatch.setenv(name, str(value))
            # As many rows as the set has, without making them.
            monkeypatch.setattr(Facts, "train_rows", self.ROWS[setting])
            files = (f"data.train_files={sound_files}/train.parquet", f"data.val_files={sound_files}/val.parquet")
            card = f"preflight.gpu_memory_gib={self.CARD_GIB.get(setting, 80)}"
            config = shipped_setting(setting, arm, card, *files, *overrides)
            OmegaConf.resolve(config)
            return config

        return compose_

    # What this machine, and not the configuration, decides: it has no GPU, few cores, and the other set of versions.
    ELSEWHERE = ("device", "cpu", "cluster", "disk")

    @pytest.mark.parametrize("setting", list(SHAPES))
    def test_no_false_alarm(self, compose_setting, setting):
        assert find_faults(compose_setting(setting, "dipo"), leave_out=self.ELSEWHERE) == []

    @pytest.mark.parametrize("arm", ["grpo", "dapo"])
    def test_nor_for_the_other_arms(self, compose_setting, arm):
        assert find_faults(compose_setting("qwen7b", arm), leave_out=self.ELSEWHERE) == []

    def test_a_card_that_is_too_small_is_refused(self, compose_setting):
        faults = find_faults(
            compose_setting("qwen7b", "dipo", "preflight.gpu_memory_gib=24"), leave_out=(*self.ELSEWHERE, "verl")
        )
        assert {fault.check for fault in faults} == {"memory"}

    def test_one_gpu_is_too_few(self, compose_setting):
        config = compose_setting("qwen7b", "dipo", "trainer.n_gpus_per_node=1")
        faults = find_faults(config, leave_out=(*self.ELSEWHERE, "batch", "verl"))
        assert {fault.check for fault in faults} == {"memory"}

    def test_the_estimate_is_shown(self, compose_setting):
        lines = preflight.describe(Facts(compose_setting("qwen7b", "dipo")))
        assert "GPU memory in GiB per GPU" in lines[0]


class TestData:
    def data_faults(self, config) -> list[str]:
        return [fault.sentence for fault in find_faults(config) if fault.check == "data"]

    def test_long_prompts_are_no_fault_where_verl_drops_them(self, compose_with):
        assert self.data_faults(compose_with("data.max_prompt_length=8"))
        (_, fault) = self.data_faults(compose_with("data.max_prompt_length=8", "data.filter_overlong_prompts=true"))
        assert "data.val_files must have a row that is left" in fault
        assert self.data_faults(compose_with("data.max_prompt_length=8", "data.truncation=left")) == []

    def test_ground_truths_are_left_alone_where_another_function_judges(self, compose_with, sound_files, tmp_path):
        table = pq.read_table(sound_files / "train.parquet")
        place = table.column_names.index("data_source")
        others = table.set_column(place, "data_source", pa.array(["mine/unheard_of"] * len(table)))
        pq.write_table(others, tmp_path / "mine.parquet")
        (tmp_path / "reward.py").write_text("def compute_score(**row): ...")
        files = f"data.train_files={tmp_path}/mine.parquet"
        assert any("mine/unheard_of" in fault for fault in self.data_faults(compose_with(files)))
        own_function = f"reward.custom_reward_function.path={tmp_path}/reward.py"
        assert self.data_faults(compose_with(files, own_function)) == []
        assert self.data_faults(compose_with(files, "reward.reward_manager.name=mine")) == []
