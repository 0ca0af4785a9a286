"""The launch, and the seams to verl's task runner; the checks before it have tests of their own."""

import inspect
import os

import pytest
import ray
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from verl.trainer import main_ppo

from recipe.dipo import main_dipo, preflight
from recipe.dipo.errors import DiPOError
from recipe.dipo.preflight import Fault


@pytest.fixture(scope="module")
def composed():
    with initialize_config_module("recipe.dipo.config", version_base=None):
        return compose("dipo_trainer", overrides=["+device=cpu"])


@pytest.fixture
def config(composed, tmp_path, monkeypatch):
    """The real configuration, whose checkpoints go to a folder of the test's."""
    monkeypatch.chdir(tmp_path)
    for name in ("VERL_FILE_LOGGER_PATH", "VERL_FILE_LOGGER_ROOT", "TENSORBOARD_DIR"):
        # Set and removed: what the launch sets is then taken back after the test.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    config = composed.copy()
    config.trainer.default_local_dir = f"{tmp_path}/run"
    return config


class TestDryRun:
    @pytest.fixture
    def faults(self, monkeypatch):
        """What the checks find, and what was left out of them, for a test to set and to read."""
        found = {"faults": [], "left_out": None}

        def find_faults(config, *, leave_out=()):
            found["left_out"] = tuple(leave_out)
            return found["faults"]

        monkeypatch.setattr(preflight, "find_faults", find_faults)
        return found

    def test_prints_the_resolved_configuration(self, config, faults, capsys):
        config.data.max_response_length = 77
        OmegaConf.resolve(config)
        assert main_dipo.dry_run(config) == 0
        printed = capsys.readouterr().out
        assert "max_resp_len: 77" in printed
        assert "${" not in printed
        assert printed.endswith("This run can start.\n")

    def test_tells_every_fault_and_fails(self, config, faults, capsys):
        faults["faults"] = [Fault("method", "Alpha is wrong."), Fault("files", "A file is missing.")]
        assert main_dipo.dry_run(config) == 1
        printed = capsys.readouterr().out
        assert "- Alpha is wrong. [method]" in printed
        assert "- A file is missing. [files]" in printed
        assert "can start." not in printed

    def test_without_a_gpu_what_depends_on_one_is_left_out_and_this_is_told(self, config, faults, capsys):
        config.trainer.device = "cuda"
        assert main_dipo.dry_run(config) == 0
        assert "device" in faults["left_out"]
        assert "There is no GPU here" in capsys.readouterr().out

    def test_a_run_on_the_cpu_is_checked_whole(self, config, faults, capsys):
        assert main_dipo.dry_run(config) == 0
        assert faults["left_out"] == ()
        assert "There is no GPU here" not in capsys.readouterr().out


class TestTrain:
    @pytest.fixture
    def run_ppo(self, monkeypatch):
        """Stands for verl's run_ppo; a test sets what it does."""
        calls = []

        def run(config, task_runner_class):
            calls.append(config)
            if run.error is not None:
                raise run.error

        run.error, run.calls = None, calls
        monkeypatch.setattr(main_dipo, "run_ppo", run)
        return run

    def test_a_run_that_ends_well(self, config, run_ppo, tmp_path):
        assert main_dipo.train(config) == 0
        assert len(run_ppo.calls) == 1
        # What it was stands beside its checkpoints.
        assert (tmp_path / "run" / "config.yaml").is_file()
        assert len((tmp_path / "run" / "runs.jsonl").read_text().splitlines()) == 1

    def test_logs_lie_beside_the_checkpoints_and_workers_know_it(self, config, run_ppo, tmp_path):
        main_dipo.train(config)
        forwarded = run_ppo.calls[0].ray_kwargs.ray_init.runtime_env.env_vars
        assert forwarded["VERL_FILE_LOGGER_PATH"] == f"{tmp_path}/run/metrics.jsonl"
        assert forwarded["TENSORBOARD_DIR"] == f"{tmp_path}/run/tensorboard"

    def test_unless_their_own_variables_say_otherwise(self, config, run_ppo, monkeypatch):
        monkeypatch.setenv("VERL_FILE_LOGGER_ROOT", "/logs")
        monkeypatch.setenv("TENSORBOARD_DIR", "/boards")
        main_dipo.train(config)
        assert "VERL_FILE_LOGGER_PATH" not in os.environ
        assert os.environ["TENSORBOARD_DIR"] == "/boards"

    def test_an_error_for_the_user_is_a_sentence(self, config, run_ppo, capsys):
        run_ppo.error = DiPOError("Node n1 lacks the recipe.")
        assert main_dipo.train(config) == 1
        said = capsys.readouterr().err
        assert "Node n1 lacks the recipe." in said
        assert "Traceback" not in said

    def test_what_the_watch_found_is_told_and_not_what_it_did(self, config, run_ppo, capsys, monkeypatch):
        run_ppo.error = ray.exceptions.ActorDiedError()
        monkeypatch.setattr(main_dipo.Watch, "__enter__", lambda self: setattr(self, "fault", "The engine is dead."))
        monkeypatch.setattr(main_dipo.Watch, "__exit__", lambda self, *_: None)
        assert main_dipo.train(config) == 1
        said = capsys.readouterr().err
        assert "The engine is dead." in said
        assert "A process of the run died" not in said

    def test_an_interrupted_run_says_that_it_resumes(self, config, run_ppo, capsys):
        run_ppo.error = KeyboardInterrupt()
        assert main_dipo.train(config) == 130
        assert "resumes from its last checkpoint" in capsys.readouterr().err


class TestCheckedTaskRunner:
    @pytest.fixture
    def made(self, monkeypatch):
        """What happened, in order: nodes checked, the actor made with options."""
        events = []

        class Actor:
            def options(**options):
                events.append(("options", options))
                return Actor

            def remote():
                events.append(("made",))
                return "handle"

        monkeypatch.setattr(main_dipo, "DiPOTaskRunner", Actor)
        monkeypatch.setattr(main_dipo.cluster, "check_nodes", lambda config: events.append(("checked", config)))
        monkeypatch.setattr(ray, "kill", lambda handle: events.append(("killed", handle)))
        return events

    def test_nodes_are_checked_before_the_actor_is_made(self, made):
        runner = main_dipo.CheckedTaskRunner("config")
        # As verl calls it where a profiler is asked for.
        assert runner.options(runtime_env={"nsight": {}}).remote() == "handle"
        assert made == [("checked", "config"), ("options", {"runtime_env": {"nsight": {}}}), ("made",)]

    def test_a_node_at_fault_makes_no_actor(self, made, monkeypatch):
        def refuse(config):
            raise DiPOError("Node n1 lacks the recipe.")

        monkeypatch.setattr(main_dipo.cluster, "check_nodes", refuse)
        with pytest.raises(DiPOError):
            main_dipo.CheckedTaskRunner("config").remote()
        assert made == []

    def test_it_ends_the_actor_that_it_made(self, made):
        runner = main_dipo.CheckedTaskRunner("config")
        runner.end()
        assert made == []
        runner.remote()
        runner.end()
        assert made[-1] == ("killed", "handle")


def test_the_task_runner_is_verls():
    # TaskRunnerV1 is a Ray actor class; its Python class is reached through Ray's metadata.
    runner = main_dipo.DiPOTaskRunner.__ray_metadata__.modified_class
    assert issubclass(runner, main_ppo.TaskRunnerV1.__ray_metadata__.modified_class)
    source = inspect.getsource(main_ppo.TaskRunnerV1.__ray_metadata__.modified_class.run)
    assert "get_trainer_cls(config.trainer.v1.trainer_mode)" in source
    launch = inspect.getsource(main_ppo.run_ppo)
    assert "task_runner_class.remote()" in launch
    assert "task_runner_class.options(" in launch
