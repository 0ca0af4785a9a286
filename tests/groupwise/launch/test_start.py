"""The launch, and the seams to verl's task runner; the checks before it have tests of their own."""

import inspect
import os
import pickle
from types import SimpleNamespace

import pytest
import ray
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf, open_dict
from ray._private import ray_constants
from verl.trainer import main_ppo, main_ppo_v0

from groupwise import preflight
from groupwise.errors import GroupwiseError
from groupwise.launch import start, task_runner
from groupwise.launch.leftovers import MARK, exclusive_run
from groupwise.preflight import Fault, Findings
from groupwise.preflight.facts import Facts
from groupwise.record import run_record


@pytest.fixture(scope="module")
def composed():
    with initialize_config_module("recipe.dipo.config", version_base=None):
        return pickle.dumps(compose("dipo_trainer", overrides=["+device=cpu"]))


@pytest.fixture
def config(composed, tmp_path, monkeypatch):
    """The real configuration, whose checkpoints go to a folder of the test's."""
    monkeypatch.chdir(tmp_path)
    for name in ("VERL_FILE_LOGGER_PATH", "VERL_FILE_LOGGER_ROOT", "TENSORBOARD_DIR", MARK, "SPT_NOENV"):
        # Set and removed: what the launch sets is then taken back after the test.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv(ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, "1")
    config = pickle.loads(composed)
    config.trainer.default_local_dir = f"{tmp_path}/run"
    return config


class TestDryRun:
    @pytest.fixture
    def faults(self, monkeypatch):
        """What the checks find, and what was left out of them, for a test to set and to read."""
        found = {"faults": [], "notes": [], "left_out": None}

        def examine(config, *, leave_out=()):
            found["left_out"] = tuple(leave_out)
            return Findings(found["faults"], found["notes"], Facts(config))

        monkeypatch.setattr(preflight, "examine", examine)
        return found

    def test_prints_the_resolved_configuration(self, config, faults, capsys):
        config.data.max_response_length = 77
        OmegaConf.resolve(config)
        with open_dict(config):
            config.ray_kwargs.ray_init.runtime_env = {"env_vars": {"WANDB_API_KEY": "s3cr3t"}}
        assert start.dry_run(config) == 0
        printed = capsys.readouterr().out
        assert "s3cr3t" not in printed
        assert "max_resp_len: 77" in printed
        assert "GPU memory: none is used (trainer.device=cpu)" in printed
        assert "${" not in printed
        assert printed.endswith("This run can start.\n")

    def test_tells_every_fault_and_fails(self, config, faults, capsys):
        faults["faults"] = [Fault("method", "Alpha is wrong."), Fault("files", "A file is missing.")]
        assert start.dry_run(config) == 1
        printed = capsys.readouterr().out
        assert "- Alpha is wrong. [method]" in printed
        assert "- A file is missing. [files]" in printed
        assert "can start." not in printed

    def test_a_note_does_not_fail(self, config, faults, capsys):
        faults["notes"] = [Fault("memory", "It is tight.")]
        assert start.dry_run(config) == 0
        assert capsys.readouterr().out.endswith("Note: It is tight. [memory]\nThis run can start.\n")

    def test_without_a_gpu_what_depends_on_one_is_left_out_and_this_is_told(self, config, faults, capsys):
        config.trainer.device = "cuda"
        assert start.dry_run(config) == 0
        # The check of the CPU's set would report vLLM's own CPU build on a login node of a GPU cluster.
        assert faults["left_out"] == ("device", "cpu")
        assert "Left to where the run starts: the checks device, cpu.\n" in capsys.readouterr().out

    def test_a_run_on_the_cpu_is_checked_whole(self, config, faults, capsys):
        assert start.dry_run(config) == 0
        assert faults["left_out"] == ()
        assert "Left to" not in capsys.readouterr().out

    def test_the_cluster_of_several_nodes_is_left_to_where_the_run_starts(self, config, faults, capsys):
        config.trainer.nnodes = 2
        assert start.dry_run(config) == 0
        assert faults["left_out"] == ("cluster",)


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
        monkeypatch.setattr(start, "run_ppo", run)
        # Takes a fifth of a second; one test makes it.
        monkeypatch.setattr(start, "write_start", lambda config: None)
        return run

    def test_a_run_that_ends_well(self, config, run_ppo, tmp_path, monkeypatch):
        monkeypatch.setattr(start, "write_start", run_record.write_start)
        assert start.train(config) == 0
        assert len(run_ppo.calls) == 1
        # What it was stands beside its checkpoints.
        assert (tmp_path / "run" / "config.yaml").is_file()
        assert len((tmp_path / "run" / "runs.jsonl").read_text().splitlines()) == 1

    def test_logs_lie_beside_the_checkpoints_and_workers_know_it(self, config, run_ppo, tmp_path):
        start.train(config)
        forwarded = run_ppo.calls[0].ray_kwargs.ray_init.runtime_env.env_vars
        assert forwarded["VERL_FILE_LOGGER_PATH"] == f"{tmp_path}/run/metrics.jsonl"
        assert forwarded["TENSORBOARD_DIR"] == f"{tmp_path}/run/tensorboard"

    def test_unless_their_own_variables_say_otherwise(self, config, run_ppo, monkeypatch):
        monkeypatch.setenv("VERL_FILE_LOGGER_ROOT", "/logs")
        monkeypatch.setenv("TENSORBOARD_DIR", "/boards")
        start.train(config)
        assert "VERL_FILE_LOGGER_PATH" not in os.environ
        assert os.environ["TENSORBOARD_DIR"] == "/boards"

    def test_the_runs_own_variables_for_workers_go_before_those_of_the_shell(self, config, run_ppo, monkeypatch):
        monkeypatch.setenv("NCCL_DEBUG", "INFO")
        monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth0")
        with open_dict(config):
            config.ray_kwargs.ray_init.runtime_env = {"env_vars": {"NCCL_DEBUG": "WARN"}, "working_dir": "/code"}
        start.train(config)
        environment = run_ppo.calls[0].ray_kwargs.ray_init.runtime_env
        assert (environment.env_vars.NCCL_DEBUG, environment.env_vars.GLOO_SOCKET_IFNAME) == ("WARN", "eth0")
        assert environment.working_dir == "/code"

    def test_a_folder_belongs_to_one_run_at_a_time(self, config, run_ppo, capsys):
        with exclusive_run(config.trainer.default_local_dir):
            assert start.train(config) == 1
        assert "Only one run may write to" in capsys.readouterr().err
        assert run_ppo.calls == []

    @pytest.mark.parametrize("error", [None, ValueError("no such thing"), KeyboardInterrupt()])
    def test_it_is_watched_while_it_runs_and_ray_ends_with_it(self, config, run_ppo, monkeypatch, error):
        events = []
        monkeypatch.setattr(start.Watch, "__enter__", lambda self: events.append("watched"))
        monkeypatch.setattr(start.Watch, "__exit__", lambda self, *_: events.append("left"))
        monkeypatch.setattr(ray, "shutdown", lambda: events.append("shut down"))
        run_ppo.error = error
        start.train(config)
        assert events == ["watched", "left", "shut down"]
        assert len(run_ppo.calls) == 1

    def test_an_error_that_no_sentence_explains_comes_with_its_traceback(self, config, run_ppo, capsys):
        run_ppo.error = ValueError("no such thing")
        assert start.train(config) == 1
        said = capsys.readouterr().err
        assert "The run ended with ValueError: no such thing" in said
        assert "Traceback" in said

    def test_an_error_for_the_user_is_a_sentence(self, config, run_ppo, capsys):
        run_ppo.error = GroupwiseError("Node n1 lacks the recipe.")
        assert start.train(config) == 1
        said = capsys.readouterr().err
        assert "Node n1 lacks the recipe." in said
        assert "Traceback" not in said

    def test_what_the_watch_found_is_told_and_not_what_it_did(self, config, run_ppo, capsys, monkeypatch):
        run_ppo.error = ray.exceptions.ActorDiedError()
        monkeypatch.setattr(start.Watch, "__enter__", lambda self: setattr(self, "fault", "The engine is dead."))
        monkeypatch.setattr(start.Watch, "__exit__", lambda self, *_: None)
        assert start.train(config) == 1
        said = capsys.readouterr().err
        assert "The engine is dead." in said
        assert "A process of the run died" not in said

    def test_an_interrupted_run_says_that_it_resumes(self, config, run_ppo, capsys):
        run_ppo.error = KeyboardInterrupt()
        assert start.train(config) == 130
        assert "resumes from its last checkpoint" in capsys.readouterr().err


class TestCheckedTaskRunner:
    CONFIG = OmegaConf.create({"trainer": {"use_v1": True}})

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

        monkeypatch.setattr(task_runner, "GroupwiseTaskRunner", Actor)
        monkeypatch.setattr(task_runner.cluster, "check_nodes", lambda config: events.append(("checked", config)))
        monkeypatch.setattr(ray, "kill", lambda handle: events.append(("killed", handle)))
        return events

    def test_nodes_are_checked_before_the_actor_is_made(self, made):
        runner = task_runner.CheckedTaskRunner(self.CONFIG)
        # As verl calls it where a profiler is asked for.
        assert runner.options(runtime_env={"nsight": {}}).remote() == "handle"
        assert made == [("checked", self.CONFIG), ("options", {"runtime_env": {"nsight": {}}}), ("made",)]

    def test_a_node_at_fault_makes_no_actor(self, made, monkeypatch):
        def refuse(config):
            raise GroupwiseError("Node n1 lacks the recipe.")

        monkeypatch.setattr(task_runner.cluster, "check_nodes", refuse)
        with pytest.raises(GroupwiseError):
            task_runner.CheckedTaskRunner(self.CONFIG).remote()
        assert made == []

    def test_it_ends_the_actor_that_it_made(self, made):
        runner = task_runner.CheckedTaskRunner(self.CONFIG)
        runner.end()
        assert made == []
        runner.remote()
        runner.end()
        assert made[-1] == ("killed", "handle")


class TestMain:
    @pytest.fixture
    def launch(self, config, monkeypatch):
        """Calls the entry point with a configuration; a test sets what the checks find and how the training ends."""
        made = SimpleNamespace(config=config, faults=[], notes=[], code=0, trained=[], dry=[])

        def train(config):
            made.trained.append(config)
            return made.code

        def dry_run(config):
            made.dry.append(config)
            return made.code

        monkeypatch.delenv("DRY_RUN", raising=False)
        monkeypatch.setattr(preflight, "examine", lambda config: Findings(made.faults, made.notes, Facts(config)))
        monkeypatch.setattr(start, "train", train)
        monkeypatch.setattr(start, "dry_run", dry_run)
        made.call = lambda: start.run(config)
        return made

    def test_a_run_without_fault_is_trained_with_absolute_paths(self, launch, tmp_path):
        launch.config.trainer.default_local_dir = "run"
        launch.call()
        assert [config.trainer.default_local_dir for config in launch.trained] == [f"{tmp_path}/run"]

    def test_the_device_is_the_machines(self, launch, monkeypatch):
        # verl's entry point does the same (main_ppo.py).
        monkeypatch.setattr(start, "auto_set_device", lambda config: setattr(config.trainer, "device", "npu"))
        launch.call()
        assert [config.trainer.device for config in launch.trained] == ["npu"]

    def test_a_fault_is_told_and_nothing_starts(self, launch):
        launch.faults = [Fault("method", "Alpha is wrong.")]
        with pytest.raises(SystemExit) as ended:
            launch.call()
        assert "- Alpha is wrong. [method]" in str(ended.value.code)
        assert launch.trained == []

    def test_a_note_is_told_and_the_run_starts(self, launch, capsys):
        launch.notes = [Fault("memory", "It is tight.")]
        launch.call()
        assert "Note: It is tight. [memory]" in capsys.readouterr().err
        assert len(launch.trained) == 1

    def test_a_training_that_fails_sets_the_exit_code(self, launch):
        launch.code = 130
        with pytest.raises(SystemExit) as ended:
            launch.call()
        assert ended.value.code == 130

    @pytest.mark.parametrize(("value", "is_dry"), [("1", True), ("true", True), ("0", False), ("", False)])
    def test_a_dry_run_trains_nothing(self, launch, monkeypatch, value, is_dry):
        monkeypatch.setenv("DRY_RUN", value)
        if is_dry:
            with pytest.raises(SystemExit) as ended:
                launch.call()
            assert ended.value.code == 0
        else:
            launch.call()
        assert (len(launch.dry), len(launch.trained)) == ((1, 0) if is_dry else (0, 1))


@pytest.mark.parametrize("use_v1", [True, False])
def test_the_task_runner_installs_the_mixin_and_keeps_earlier_metrics_before_it_trains(monkeypatch, use_v1):
    from groupwise.hook import trainer

    events = []
    monkeypatch.setattr(trainer, "install", lambda *, use_v1: events.append(("installed", use_v1)))
    monkeypatch.setattr(task_runner, "keep_earlier_metrics", lambda config: events.append(("kept", config)))
    verls = main_ppo.TaskRunnerV1 if use_v1 else main_ppo_v0.TaskRunner
    verls = verls.__ray_metadata__.modified_class
    monkeypatch.setattr(verls, "run", lambda self, config: events.append(("run", config)))
    runner = task_runner.GroupwiseTaskRunner if use_v1 else task_runner.LegacyTaskRunner
    runner = runner.__ray_metadata__.modified_class
    config = OmegaConf.create({"trainer": {"use_v1": use_v1}})
    runner.run(object.__new__(runner), config)
    assert events == [("installed", use_v1), ("kept", config), ("run", config)]


def test_the_task_runner_is_verls():
    # TaskRunnerV1 is a Ray actor class; its Python class is reached through Ray's metadata.
    runner = task_runner.GroupwiseTaskRunner.__ray_metadata__.modified_class
    assert issubclass(runner, main_ppo.TaskRunnerV1.__ray_metadata__.modified_class)
    # The name that our trainer takes is looked up in the module, not in a copy of its names.
    before = main_ppo_v0.TaskRunner.__ray_metadata__.modified_class
    assert inspect.unwrap(before.run).__globals__ is vars(main_ppo_v0)
    assert "trainer = RayPPOTrainer(" in inspect.getsource(before.run)
    source = inspect.getsource(main_ppo.TaskRunnerV1.__ray_metadata__.modified_class.run)
    assert "get_trainer_cls(config.trainer.v1.trainer_mode)" in source
    launch = inspect.getsource(main_ppo.run_ppo)
    assert "task_runner_class.remote()" in launch
    assert "task_runner_class.options(" in launch
