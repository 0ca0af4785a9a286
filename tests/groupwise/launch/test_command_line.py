"""What Hydra refuses is a sentence with the key that was meant, and a path with any letters is none of it."""

import os
import re
import sys

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import HydraException

from groupwise.launch import command_line
from groupwise.launch.command_line import ease, explain
from recipe.dipo import main_dipo

REFUSED = [
    ("data.trian_batch_size=1", "data.trian_batch_size must be a key .* did you mean data.train_batch_size?"),
    ("algorithm.dipo.alhpa=0.3", "algorithm.dipo.alhpa must be a key .* did you mean algorithm.dipo.alpha?"),
    ("algorithm.dipo.queue_batch=1", "did you mean algorithm.dipo.queue_batches?"),
    ("algorithm.rl_zvp.coefficient=1", "none of that name; its section has algorithm.rl_zvp.alpha.$"),
    ("algorithm.lens.alhpa=1", "did you mean algorithm.lens.alpha\\?$"),
    ("algorithm.alhpa=1", r"did you mean algorithm.NAME.alpha, with NAME one of .*, dipo, .*, rl_zvp\? \(\+"),
    ("algorithm.mixd=true", "did you mean algorithm.lens.mixed\\? "),
    ("algorithm.dpo.alpha=1", r"did you mean algorithm.dipo.alpha\? "),
    ("actor_rollout_ref.actor.lr=1e-6", "did you mean actor_rollout_ref.actor.optim.lr?"),
    ("trainer.n_gpu_per_node=8", "did you mean trainer.n_gpus_per_node?"),
    ("~trainer.nodes", "trainer.nodes must be a key .* did you mean trainer.nnodes?"),
    ("trainer.nnodes.x=3", "trainer.nnodes.x must be a key that the configuration has"),
    ("device=cpu", r"device must be added to the defaults with a \+, but is given without; write \+device=NAME"),
    ("+experiment=qwen7", "experiment must be one of base, .*, but is qwen7; did you mean 'qwen7b'?"),
    ("+experiment/arm=ppo", "experiment/arm must be one of dapo, dipo, grpo, but is ppo"),
    ("model_engine=megatrn", "model_engine must be one of dp, megatron, .* did you mean 'megatron'?"),
    ("data.train_batch_size", "must be a key with its value, key=value, but has no ="),
    ("trainer.logger=[console", "must be readable by Hydra's grammar, but: .*; close its brackets and quotes"),
]


@pytest.mark.parametrize(("argument", "sentence"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_hydra_refuses_is_explained(argument, sentence):
    with initialize_config_module("recipe.dipo.config", version_base=None), pytest.raises(HydraException) as refused:
        compose("dipo_trainer", overrides=[ease(argument)])
    told = explain(refused.value, [argument])
    assert re.search(sentence, told), told
    assert "\n" not in told


def test_a_section_that_was_taken_away_is_named():
    with initialize_config_module("recipe.dipo.config", version_base=None), pytest.raises(HydraException) as refused:
        compose("dipo_trainer", overrides=["trainer=null", "trainer.nnodes=2"])
    assert "trainer.nnodes must be in a section that is there" in explain(refused.value, [])


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/plain/path", "/plain/path"),
        ("/with space/a b", "/with space/a b"),
        ("~/runs", "~/runs"),
        ("/ünï/中文", "/ünï/中文"),
        ("relative/folder", "relative/folder"),
        ("../up", "../up"),
        ("/a,b/c", "/a,b/c"),
        ("/a=b/c", "/a=b/c"),
        ("/a(1)/c", "/a(1)/c"),
        ("/it's/here", "/it's/here"),
        ('/a"b/c', '/a"b/c'),
        ("/a#b&c!/d", "/a#b&c!/d"),
    ],
)
def test_a_path_arrives_as_it_was_given(path, kept):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    override = OverridesParser.create().parse_override(ease(f"trainer.default_local_dir={path}"))
    value = override.value()
    assert (value if isinstance(value, str) else value.text) == kept


@pytest.mark.parametrize(
    ("argument", "eased"),
    [
        (
            "+reward.reward_kwargs.overlong_buffer_cfg.enable=true",
            "++reward.reward_kwargs.overlong_buffer_cfg.enable=true",
        ),
        ("+device=cpu", "+device=cpu"),
        ("+experiment/arm=dipo", "+experiment/arm=dipo"),
        ("trainer.logger=[a/b,c]", "trainer.logger=[a/b,c]"),
        ("~trainer.nnodes", "~trainer.nnodes"),
        ("data.train_files='/ü/a'", "data.train_files='/ü/a'"),
    ],
)
def test_nothing_else_is_changed(argument, eased):
    assert ease(argument) == eased


class TestRun:
    @pytest.fixture
    def run(self, monkeypatch):
        """Runs a function as the entry point, and gives what it ended with."""

        def run_(main, *arguments):
            monkeypatch.setattr(sys, "argv", ["main_dipo", *arguments])
            monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
            with pytest.raises(SystemExit) as ended:
                command_line.run(main)
            return str(ended.value.code)

        return run_

    def test_a_folder_that_cannot_be_written_is_told(self, run):
        def hydras():
            raise PermissionError(13, "Permission denied", "outputs/2026-01-01")

        told = run(hydras)
        assert f"The working directory {os.getcwd()} must be writable" in told
        assert "set hydra.run.dir=FOLDER" in told

    def test_hydra_writes_no_secret_of_the_command_line(self, monkeypatch, tmp_path):
        seen = []
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(main_dipo.start, "run", seen.append)
        key = "+ray_kwargs.ray_init.runtime_env.env_vars.WANDB_API_KEY"
        monkeypatch.setattr(sys, "argv", ["main_dipo", f"{key}=abc123"])
        for place in ("hydra.core.utils.configure_log", "hydra._internal.hydra.configure_log"):
            monkeypatch.setattr(place, lambda *_: None)  # for this process it would stay
        command_line.run(main_dipo.main)
        assert seen[0].ray_kwargs.ray_init.runtime_env.env_vars.WANDB_API_KEY == "abc123"
        written = list((tmp_path / "outputs").rglob("*"))
        assert written  # its folder, named by date and time
        assert [path.name for path in written if path.is_file()] == []

    def test_what_the_run_itself_raises_is_its_own(self, monkeypatch):
        def main():
            raise OSError("the run's")

        monkeypatch.setattr(sys, "argv", ["main_dipo"])
        with pytest.raises(OSError, match="the run's"):
            command_line.run(main)

    def test_workers_do_not_inherit_what_makes_hydra_raise(self, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["main_dipo"])
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        command_line.run(lambda: None)
        assert "HYDRA_FULL_ERROR" not in os.environ
