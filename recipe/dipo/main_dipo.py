"""Entry point: `python -m recipe.dipo.main_dipo [key=value ...]`.

Hydra composes config/dipo_trainer.yaml over verl's own configuration, everything that can be checked is checked before
Ray starts, and verl's task runner does the rest with the recipe's mixin in its registry of trainers. DRY_RUN=1 in the
environment stops after the checks.
"""

import contextlib
import os
import signal
import sys
import traceback
from typing import Any

import hydra
import ray
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from verl.trainer.main_ppo import TaskRunnerV1, run_ppo
from verl.utils.device import auto_set_device

import groupwise.hook.register  # noqa: F401 -- registers the estimator here as well, where the configuration is checked
from groupwise import preflight
from groupwise.launch import cluster, command_line, failures
from groupwise.launch.leftovers import exclusive_run
from groupwise.launch.paths import make_absolute
from groupwise.launch.watch import Watch
from groupwise.record.metrics_file import keep_earlier_metrics
from groupwise.record.run_record import write_start


@ray.remote
class DiPOTaskRunner(TaskRunnerV1.__ray_metadata__.modified_class):
    """verl's V1 task runner with DiPO's mixin before its trainers."""

    def run(self, config: DictConfig) -> None:
        """Trains.

        Args:
            config: The composed configuration.
        """
        from groupwise.hook import trainer

        trainer.install()
        keep_earlier_metrics(config)
        super().run(config)


class CheckedTaskRunner:
    """Stands for the task runner's class where verl makes its actor, and inspects all nodes before.

    The launching process is the place for that: Ray is connected with the run's environment, and an actor could not
    even be placed on a node that lacks the recipe.

    Args:
        config: The composed configuration.
    """

    def __init__(self, config: DictConfig):
        self.config = config
        self.actor_options: dict[str, Any] = {}
        self.runner: ray.actor.ActorHandle | None = None

    def options(self, **options: Any) -> "CheckedTaskRunner":
        """Sets options of the actor, as verl does for a profiler.

        Args:
            **options: Ray's options.
        """
        self.actor_options = options
        return self

    def remote(self) -> ray.actor.ActorHandle:
        """Inspects the nodes, then makes the actor.

        Returns:
            Its handle.

        Raises:
            GroupwiseError: A node is at fault.
        """
        cluster.check_nodes(self.config)
        self.runner = DiPOTaskRunner.options(**self.actor_options).remote()
        return self.runner

    def end(self) -> None:
        """Ends the task runner, with all that it started; the launching process gets an exception."""
        if self.runner is not None:
            ray.kill(self.runner)


def train(config: DictConfig) -> int:
    """Runs a checked configuration to its end.

    Args:
        config: The resolved configuration.

    Returns:
        The exit code: 0, or another one after the reason was printed.
    """
    folder = config.trainer.default_local_dir
    keep_outputs_together(config)
    with open_dict(config):
        environment = {"env_vars": cluster.environment_to_forward()}
        config.ray_kwargs.ray_init.runtime_env = OmegaConf.merge(environment, config.ray_kwargs.ray_init.runtime_env)
    task_runner = CheckedTaskRunner(config)
    watch = Watch(task_runner.end)
    try:
        with exclusive_run(folder):
            write_start(config)
            try:
                with watch:
                    run_ppo(config, task_runner_class=task_runner)
            finally:
                ray.shutdown()
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the run resumes from its last checkpoint when it is started again.\n")
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 -- the last place where a user can be told in a sentence
        sentence, complete = failures.describe(error, checkpoint_folder=folder)
        if watch.fault:
            # What ended the task runner, and not that it was ended.
            sentence, complete = watch.fault, True
        sys.stderr.write(f"\n{sentence}\n")
        if not complete:
            traceback.print_exc()
        return 1
    return 0


def keep_outputs_together(config: DictConfig) -> None:
    """Sends verl's file and tensorboard loggers to the checkpoint folder, unless their own variables say otherwise.

    Args:
        config: The resolved configuration.
    """
    folder = config.trainer.default_local_dir
    if "VERL_FILE_LOGGER_ROOT" not in os.environ:
        os.environ.setdefault("VERL_FILE_LOGGER_PATH", os.path.join(folder, "metrics.jsonl"))
    os.environ.setdefault("TENSORBOARD_DIR", os.path.join(folder, "tensorboard"))


def dry_run(config: DictConfig) -> int:
    """Prints the resolved configuration and what the checks find, without starting anything.

    Args:
        config: The composed configuration.

    Returns:
        The exit code: 0 where the run can start.
    """
    # A login node has no GPU, and need not have one for this.
    elsewhere = ("device", "cpu") if preflight.needs_another_machine(config) else ()
    findings = preflight.examine(config, leave_out=elsewhere)
    # What cannot be resolved is among the faults, and shown as it stands.
    with contextlib.suppress(OmegaConfBaseException):
        make_absolute(config)
    sys.stdout.write(OmegaConf.to_yaml(config))
    sys.stdout.writelines(f"{line}\n" for line in ["", *preflight.describe(findings.facts)])
    if elsewhere:
        sys.stdout.write("There is no GPU here; what depends on one is checked where the run starts.\n")
    told = [preflight.report(findings), "" if findings.faults else "This run can start."]
    sys.stdout.writelines(f"{text}\n" for text in told if text)
    return 1 if findings.faults else 0


@hydra.main(config_path="config", config_name="dipo_trainer", version_base=None)
def main(config: DictConfig) -> None:
    """Checks, then trains; the exit code is 0 only where the run came to its end."""
    if os.environ.get("DRY_RUN", "0") not in ("", "0"):
        sys.exit(dry_run(config))
    findings = preflight.examine(config)
    if findings.faults:
        sys.exit(preflight.report(findings))
    if findings.notes:
        sys.stderr.write(f"{preflight.report(findings)}\n")
    make_absolute(config)
    auto_set_device(config)
    code = train(config)
    if code:
        sys.exit(code)


if __name__ == "__main__":
    command_line.run(main)
