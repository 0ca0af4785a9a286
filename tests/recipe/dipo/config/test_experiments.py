"""Every shipped overlay composes, and the arms of a comparison differ in what they compare and in nothing else."""

import functools
import pickle
import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

import recipe.dipo.config

FOLDER = Path(recipe.dipo.config.__file__).parent / "experiment"
SCRIPTS = Path(__file__).resolve().parents[4] / "scripts"
SETTINGS = ("qwen7b", "qwen3_4b", "qwen3_8b", "tools_3b", "tools_7b", "qwen0.5b", "qwen1.5b")
ARMS = ("dipo", "grpo", "dapo")

# Names of the run, which the folder of its checkpoints follows.
NAMES = {"trainer.experiment_name", "trainer.default_local_dir"}
# What follows those names by interpolation.
FOLLOWING = {"actor_rollout_ref.rollout.trace.experiment_name"}


@functools.cache
def arm_of(setting: str, arm: str) -> DictConfig:
    return compose_arm(setting, arm)


load = OmegaConf.load


@functools.cache
def loaded(file: str) -> bytes:
    return pickle.dumps(load(file))


def compose_arm(setting: str, arm: str, *overrides: str) -> DictConfig:
    with pytest.MonkeyPatch.context() as patch, initialize_config_module("recipe.dipo.config", version_base=None):
        # Reading the same thirty YAML files again is most of what composing takes.
        patch.setattr(OmegaConf, "load", lambda opened: pickle.loads(loaded(opened.name)))
        chosen = [f"+experiment={setting}", f"+experiment/arm={arm}", *overrides]
        return compose("dipo_trainer", overrides=chosen)


@functools.cache
def flat_arm(setting: str, arm: str) -> dict[str, object]:
    return flat(arm_of(setting, arm))


def flat(config: DictConfig) -> dict[str, object]:
    """Resolved values by full name."""
    found: dict[str, object] = {}

    def walk(value: object, name: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else key)
        else:
            found[name] = value

    walk(OmegaConf.to_container(config, resolve=True), "")
    return found


def differing(setting: str, one: str, other: str) -> set[str]:
    first, second = flat_arm(setting, one), flat_arm(setting, other)
    assert first.keys() == second.keys()
    return {name for name in first if first[name] != second[name]} - NAMES - FOLLOWING


@pytest.mark.parametrize("setting", SETTINGS)
def test_dipo_and_grpo_differ_in_the_estimator_alone(setting):
    assert differing(setting, "dipo", "grpo") == {"algorithm.adv_estimator"}


@pytest.mark.parametrize("setting", SETTINGS)
def test_dapo_adds_dynamic_sampling(setting):
    keys = {"algorithm.filter_groups.enable", "algorithm.filter_groups.metric"}
    assert differing(setting, "grpo", "dapo") == keys
    assert differing(setting, "dipo", "dapo") == {*keys, "algorithm.adv_estimator"}


def test_changing_one_key_on_the_command_line_is_the_other_arm():
    changed = compose_arm("qwen7b", "dipo", "algorithm.adv_estimator=grpo", "trainer.experiment_name=grpo")
    assert flat(changed) == flat_arm("qwen7b", "grpo")


def test_every_overlay_is_one_of_these():
    # A new overlay must come into the tests above, or be a base of one.
    bases = {"base", "math", "tools", "gsm8k", "cpu_demo"}
    assert {file.stem for file in FOLDER.glob("*.yaml")} == {*SETTINGS, *bases}
    assert {file.stem for file in FOLDER.glob("arm/*.yaml")} == set(ARMS)


@pytest.mark.parametrize(("setting", "arm"), [(setting, "dipo") for setting in SETTINGS] + [("qwen7b", "dapo")])
def test_the_environment_is_honoured(setting, arm, monkeypatch):
    given = {"MODEL_PATH": "/m", "DATA_DIR": "/d", "CKPT_DIR": "/c", "NNODES": "4", "GPUS_PER_NODE": "2"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    # Interpolations read the environment when they are asked, so that one composition serves all tests.
    config = arm_of(setting, arm)
    val_files = config.data.val_files
    files = [*([val_files] if isinstance(val_files, str) else val_files), config.data.train_files]
    assert all(file.startswith("/d/") and file.endswith(".parquet") for file in files)
    assert config.actor_rollout_ref.model.path == "/m"
    assert config.trainer.default_local_dir == f"/c/{setting}/{arm}"
    assert (config.trainer.nnodes, config.trainer.n_gpus_per_node) == (4, 2)


def test_without_the_environment(monkeypatch):
    for name in ("MODEL_PATH", "DATA_DIR", "CKPT_DIR", "NNODES", "GPUS_PER_NODE"):
        monkeypatch.delenv(name, raising=False)
    config = arm_of("qwen7b", "dipo")
    assert config.actor_rollout_ref.model.path == "Qwen/Qwen2.5-7B"
    assert config.data.train_files == "data/dapo_math/train.parquet"
    assert (config.trainer.nnodes, config.trainer.n_gpus_per_node) == (1, 8)
    assert config.trainer.default_local_dir == "checkpoints/qwen7b/dipo"


@pytest.mark.parametrize(
    "script", sorted(set(SCRIPTS.glob("run_*.sh")) - {SCRIPTS / "run_cpu_demo.sh"}), ids=lambda path: path.stem
)
def test_a_script_only_picks_an_overlay(script):
    lines = script.read_text().splitlines()
    form = r'exec bash "\$\(dirname "\$\(realpath "\$\{BASH_SOURCE\[0\]\}"\)"\)/train.sh" ([\w.]+) (\w+) "\$@"'
    called = re.fullmatch(form, lines[-1])
    assert called is not None
    assert script.stem == f"run_{called[1]}_{called[2]}"
    assert called[1] in SETTINGS
    assert called[2] in ARMS
    assert all(line.startswith("#") for line in lines[:-1])


@pytest.mark.parametrize("overlay", ["base", "math", "tools", "gsm8k", *SETTINGS])
def test_each_value_says_where_it_comes_from(overlay):
    """Above a value, or above the first of a run of values, stands its source, or that it was chosen."""
    source = re.compile(r"# (\w+'s |The )?(DAPO|ToolRL|verl|verl-recipe|paper|Chosen|vLLM|Logged|Bounded)\b")
    place = re.compile(r"(project_name|nnodes|n_gpus_per_node|default_local_dir|logger|resume_mode|val_files):|- ")
    covered = False
    values = 0
    for line in (FOLDER / f"{overlay}.yaml").read_text().splitlines():
        text = line.strip()
        if text.startswith("#"):
            covered = covered or source.match(text) is not None
        elif text.endswith(":") or not text:
            # A section or a blank line: what stood above covers what stands in it, and nothing behind it.
            covered = covered and bool(text)
        elif not place.match(text):
            values += 1
            assert covered, f"{overlay}.yaml: {text}"
    assert values > 0
