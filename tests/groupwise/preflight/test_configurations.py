"""The table of configurations.yaml: what is sound has no fault and no note, what is not has one sentence that names it.

verl is the oracle: of each row its own objects, registries and checks say whether it would refuse the configuration.
"""

import functools
import json
import pickle
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf
from verl.experimental.agent_loop.tool_parser import ToolParser
from verl.experimental.reward_loop.reward_manager import get_reward_manager_cls
from verl.tools.tool_registry import load_all_tools
from verl.trainer.ppo.core_algos import get_adv_estimator_fn, get_policy_loss_fn, kl_penalty
from verl.trainer.ppo.reward import get_custom_reward_fn, resolve_reward_manager_cls
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils import config as verl_config
from verl.utils.checkpoint.checkpoint_manager import find_latest_ckpt_path
from verl.utils.dataset.rl_dataset import get_dataset_class
from verl.utils.import_utils import resolve_config_path
from verl.utils.torch_dtypes import PrecisionType
from verl.workers.config import build_optimizer
from verl.workers.rollout.base import _ROLLOUT_REGISTRY

from groupwise.preflight import examine
from groupwise.preflight.plain import MACHINES, compose_command, examine_plain

# Two hundred configurations through verl's own objects: about 46 s of processor time.
pytestmark = pytest.mark.slow

TABLE = yaml.safe_load((Path(__file__).parent / "configurations.yaml").read_text(encoding="utf-8"))
WRITTEN = TABLE.pop("written")
ROWS = [
    (base, verdict, row, sentence)
    for base, verdicts in TABLE.items()
    for verdict, rows in verdicts.items()
    for row, sentence in (rows.items() if isinstance(rows, dict) else ((row, None) for row in rows))
]
MODEL = "actor_rollout_ref"
# What no row of a base is about, for speed: a tenth of a second each.
LEFT_OUT = {
    "entry": ("versions", "tokenizer", "data"),
    "own": ("versions", "tokenizer", "data"),
    "files": ("versions",),
    "setting": ("versions", *MACHINES),
}
PLAIN = (
    "algorithm.adv_estimator=grpo actor_rollout_ref.rollout.name=vllm actor_rollout_ref.rollout.n=8 "
    "actor_rollout_ref.actor.use_dynamic_bsz=true"
)


def expand(row: str) -> tuple[dict[str, str], list[str]]:
    """Splits a row into environment and overrides; actor, rollout, ref and model are those of actor_rollout_ref."""
    words = shlex.split(row)
    environment = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    overrides = [word for word in words if word.split("=", 1)[0] not in environment]
    short = re.compile(r"^([+~]*)(?=(?:actor|rollout|ref|model)\.)")
    return environment, [short.sub(r"\1actor_rollout_ref.", word) for word in overrides]


def change(config, overrides: list[str]):
    """Applies overrides as Hydra would to a configuration composed before: composing takes it tenths of a second."""
    OmegaConf.set_struct(config, False)
    for word in overrides:
        if word.startswith("~"):
            section, _, name = word[1:].rpartition(".")
            del (OmegaConf.select(config, section) if section else config)[name]
        else:
            config.merge_with(OmegaConf.from_dotlist([word.lstrip("+")]))
    return config


@functools.cache
def plain() -> bytes:
    return pickle.dumps(compose_command(PLAIN.split()))


@pytest.fixture
def make(compose_with, shipped_setting):
    """Makes the configuration of a base with a row's overrides."""

    def make_(base: str, overrides: list[str]):
        if base == "plain":
            return change(pickle.loads(plain()), overrides)
        return change(shipped_setting("qwen7b", "dipo") if base == "setting" else compose_with(), overrides)

    return make_


@pytest.fixture(scope="session")
def written(sound_files):
    """The folder of the sound files, with those of the table and models that are not as they should be."""
    for name, text in WRITTEN.items():
        path = sound_files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        line, times = text if isinstance(text, list) else (text, 1)
        lines = [line.replace("%d", str(number)) for number in range(times)]
        rows = [json.dumps(yaml.safe_load(each)) for each in lines] if path.suffix.startswith(".json") else lines
        path.write_text("\n".join(rows))
    changes = {
        "awq": {"quantization_config": {"quant_method": "awq"}},
        "t5": {"is_encoder_decoder": True},
        "small": {"vocab_size": 64},
        "no_tokenizer": {},
    }
    for name, change_ in changes.items():
        folder = Path(shutil.copytree(sound_files / "model", sound_files / name))
        shape = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(shape | change_))
    (sound_files / "no_tokenizer" / "tokenizer.json").unlink()
    return sound_files


def load_code(config) -> None:
    """Loads code, and looks for what the run goes on from, as verl's workers do."""
    rollout, trainer = config.actor_rollout_ref.rollout, config.trainer
    get_custom_reward_fn(config)
    resolve_reward_manager_cls(config)
    get_dataset_class(config.data)
    paths = rollout.multi_turn.tool_config_path, rollout.multi_turn.function_tool_path
    load_all_tools(*(path and resolve_config_path(path) for path in paths))
    if rollout.agent.agent_loop_config_path:
        OmegaConf.load(resolve_config_path(rollout.agent.agent_loop_config_path))
    folder = {"auto": find_latest_ckpt_path(trainer.default_local_dir), "resume_path": trainer.resume_from_path}.get(
        trainer.resume_mode
    )
    if folder is not None:
        int(folder.split("global_step_")[-1])
        for part in config.actor_rollout_ref.actor.checkpoint.load_contents:
            name = {"optimizer": "optim", "extra": "extra_state"}.get(part, part)
            (Path(folder) / "actor" / f"{name}_world_size_1_rank_0.pt").read_bytes()


def ask_registries(config) -> None:
    actor, rollout, reward = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout, config.reward
    get_adv_estimator_fn(config.algorithm.adv_estimator)
    get_policy_loss_fn(actor.policy_loss.loss_mode)
    if reward.reward_manager.source == "register":
        get_reward_manager_cls(reward.reward_manager.name)
    assert (rollout.name, "async") in _ROLLOUT_REGISTRY
    if actor.use_kl_loss:
        kl_penalty(torch.zeros(1), torch.zeros(1), actor.kl_loss_type)
    if config.algorithm.use_kl_in_reward:
        kl_penalty(torch.zeros(1), torch.zeros(1), config.algorithm.kl_penalty)
    if rollout.multi_turn.enable:
        ToolParser.get_tool_parser(rollout.multi_turn.format, None)


def verls_refusal(config, *, with_model: bool) -> str | None:
    """Builds verl's objects as its workers do, asks its registries and its own check; None where none refuses."""
    try:
        verl_config.omega_conf_to_dataclass(config.actor_rollout_ref.rollout)
        if with_model:
            verl_config.omega_conf_to_dataclass(config.actor_rollout_ref.model)
        actor = verl_config.omega_conf_to_dataclass(config.actor_rollout_ref.actor)
        actor.engine.__post_init__()
        if getattr(actor.engine, "model_dtype", None):
            PrecisionType.to_dtype(actor.engine.model_dtype)
        if hasattr(actor.optim, "optimizer_impl"):
            build_optimizer([torch.nn.Parameter(torch.zeros(1))], actor.optim)
        ask_registries(config)
        load_code(config)
        verl_config.validate_config(config, need_reference_policy(config), need_critic(config))
    except Exception as error:  # noqa: BLE001 -- whatever it raises ends the run
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("base", "verdict", "row", "sentence"), ROWS, ids=[f"{row[0]}-{row[2]}" for row in ROWS])
def test_configuration(make, loaded_once, monkeypatch, written, base, verdict, row, sentence):
    environment, overrides = expand(row.replace("{dir}", str(written)))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    config = make(base, overrides)
    is_here = base in ("entry", "files") and any(word.lstrip("+").startswith(f"{MODEL}.model.") for word in overrides)
    refusal = verls_refusal(config, with_model=is_here)
    assert (refusal is not None) == (verdict == "verl refuses"), refusal
    found = examine_plain(config, elsewhere=True) if base == "plain" else examine(config, leave_out=LEFT_OUT[base])
    told = [fault.sentence for fault in (*found.faults, *found.notes)]
    assert not [text for text in told if "broke with" in text]
    assert len(told) == (verdict != "clean"), told
    assert all(re.search(sentence, text) for text in told), told


def test_the_table_covers_enough():
    assert len(ROWS) >= 150
    assert len({(base, row) for base, _, row, _ in ROWS}) == len(ROWS)
    assert sum(verdict == "clean" for _, verdict, _, _ in ROWS) >= 60
