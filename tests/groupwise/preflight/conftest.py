"""The shipped configuration for tests to change, and one without a fault, with a real tiny model and real data."""

import functools
import pickle
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from verl.utils import config as verl_config

import verl_cpu
from data_prep import arithmetic
from groupwise.demo.tiny_model import build_model, build_tokenizer
from groupwise.preflight import environment, facts, hardware, verl_rules, versions

SOUND = (
    "actor_rollout_ref.rollout.n=8",
    "data.train_batch_size=16",
    "data.max_prompt_length=48",
    "data.max_response_length=12",
    "actor_rollout_ref.actor.ppo_mini_batch_size=16",
    "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=8",
    "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=8",
    "trainer.logger=[console,file]",
    "trainer.total_training_steps=4",
    # Imports vLLM, which takes seconds; the end-to-end runs make it.
    "preflight.skip=[cpu]",
)


@pytest.fixture(autouse=True)
def cpu_machine(monkeypatch):
    """The checks see a machine without a GPU that has the CPU set, whichever this one is; a test may say otherwise."""
    for module in (environment, hardware):
        monkeypatch.setattr(module, "get_platform", lambda: SimpleNamespace(device_name="cpu"))
    monkeypatch.setattr(versions, "installed_version", versions.PINS["cpu"].get)
    monkeypatch.setattr(verl_cpu, "check", lambda: [])


@functools.cache
def composed(*overrides: str) -> bytes:
    """A composed configuration, pickled: composing takes half a second, deepcopy ten times as long as unpickling."""
    with initialize_config_module("recipe.dipo.config", version_base=None):
        config = compose("dipo_trainer", overrides=list(overrides))
    OmegaConf.set_struct(config, False)
    return pickle.dumps(config)


@functools.cache
def sound(*overrides: str) -> bytes:
    return pickle.dumps(changed(composed("+device=cpu"), overrides))


def changed(pickled: bytes, overrides: tuple[str, ...]) -> DictConfig:
    values = OmegaConf.from_dotlist([override.lstrip("+") for override in overrides])
    # It changes its first argument, which is this call's own.
    config = OmegaConf.unsafe_merge(pickle.loads(pickled), values)
    assert isinstance(config, DictConfig)
    return config


@pytest.fixture(scope="session")
def shipped():
    """Gives the shipped configuration for a device, cpu or gpu, with overrides as Hydra applies them."""

    def shipped_(device: str, *overrides: str) -> DictConfig:
        return changed(composed("+device=cpu") if device == "cpu" else composed(), overrides)

    return shipped_


@pytest.fixture(scope="session")
def shipped_setting():
    """Gives a shipped setting with an arm of a comparison, and with overrides."""

    def shipped_setting_(setting: str, arm: str, *overrides: str) -> DictConfig:
        return changed(composed(f"+experiment={setting}", f"+experiment/arm={arm}"), overrides)

    return shipped_setting_


@pytest.fixture(scope="session")
def shipped_engine():
    """Gives the shipped configuration with one of verl's model engines, and with overrides."""

    def shipped_engine_(engine: str, *overrides: str) -> DictConfig:
        return changed(composed(f"model_engine={engine}"), overrides)

    return shipped_engine_


@pytest.fixture(scope="session")
def sound_files(tmp_path_factory):
    """Folder with an untrained tiny model and additions of three digits, which do not repeat."""
    folder = tmp_path_factory.mktemp("sound")
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(folder / "model")
    build_model(tokenizer, seed=0).save_pretrained(folder / "model")
    arguments = ["--output", str(folder), "--train-size", "64", "--val-size", "8", "--shares", "0", "0", "1"]
    assert arithmetic.main(arguments) == 0
    return folder


@pytest.fixture
def compose_with(sound_files, tmp_path, monkeypatch):
    """Gives a configuration that is sound on this machine, with files that exist, and any overrides on top."""
    monkeypatch.chdir(tmp_path)

    def compose_(*overrides: str) -> DictConfig:
        paths = (
            f"data.train_files={sound_files}/train.parquet",
            f"data.val_files={sound_files}/val.parquet",
            f"actor_rollout_ref.model.path={sound_files}/model",
            f"trainer.default_local_dir={tmp_path}/checkpoints",
        )
        return changed(sound(*SOUND, *paths[:-1]), (paths[-1], *overrides))

    return compose_


@pytest.fixture(scope="session", autouse=True)
def objects_are_built_once():
    """Gives verl's object of a section again where its values are the same: Hydra takes 20 ms and more for each."""
    build, built = verl_config.omega_conf_to_dataclass, {}

    def build_(config, dataclass_type=None):
        key = pickle.dumps(
            (
                OmegaConf.to_container(
                    config if OmegaConf.is_config(config) else OmegaConf.create(config), resolve=True
                ),
                dataclass_type,
            )
        )
        if key not in built:
            built[key] = build(config, dataclass_type)
        return built[key]

    with pytest.MonkeyPatch.context() as patch:
        for module in (verl_config, verl_rules):
            patch.setattr(module, "omega_conf_to_dataclass", build_)
        yield


LOADED = {}
find_model = facts.find_model


@pytest.fixture
def loaded_once(monkeypatch):
    """Reads a model once for each value of its section, for tests that change nothing in its files."""

    def load(model):
        key = str(model)
        if key not in LOADED:
            LOADED[key] = find_model(model)
        return LOADED[key]

    monkeypatch.setattr(facts, "find_model", load)
