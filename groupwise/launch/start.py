"""A run from its composed configuration to its end, whatever the method: checks, then verl's task runner.

Everything that can be checked is checked before Ray starts; DRY_RUN=1 in the environment stops after that. verl's task
runner does the rest, with our mixin in its registry of trainers.
"""

import contextlib
import os
import signal
import sys
import traceback
from pathlib import Path

import ray
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from verl.trainer.main_ppo import run_ppo
from verl.utils.device import auto_set_device

from groupwise import preflight
from groupwise.launch import attention, cluster, failures
from groupwise.launch.leftovers import exclusive_run
from groupwise.launch.paths import make_absolute
from groupwise.launch.task_runner import CheckedTaskRunner
from groupwise.launch.watch import Watch
from groupwise.preflight.environment import is_local
from groupwise.record import latest
from groupwise.record.hidden import without_secrets
from groupwise.record.run_record import write_start


def train(config: DictConfig) -> int:
    """Runs a checked, resolved configuration to its end; gives the exit code, not 0 after the reason was printed."""
    folder = config.trainer.default_local_dir
    keep_outputs_together(config)
    prepare_ray(config)
    task_runner = CheckedTaskRunner(config)
    watch = Watch(task_runner.end)
    try:
        with exclusive_run(folder):
            if config.trainer.resume_mode == "auto" and (told := latest.mend(Path(folder))):
                sys.stderr.write(f"Note: {told}\n")
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


def prepare_ray(config: DictConfig) -> None:
    """Sets what Ray's processes are started with: where they listen, and the variables that workers must see."""
    if is_local(config) and not ray.is_initialized():
        cluster.keep_to_this_machine()
    with open_dict(config):
        environment = {"env_vars": cluster.environment_to_forward()}
        config.ray_kwargs.ray_init.runtime_env = OmegaConf.merge(environment, config.ray_kwargs.ray_init.runtime_env)


def keep_outputs_together(config: DictConfig) -> None:
    """Sends verl's file and tensorboard loggers to the checkpoint folder, unless their own variables say otherwise."""
    folder = config.trainer.default_local_dir
    if "VERL_FILE_LOGGER_ROOT" not in os.environ:
        os.environ.setdefault("VERL_FILE_LOGGER_PATH", os.path.join(folder, "metrics.jsonl"))
    os.environ.setdefault("TENSORBOARD_DIR", os.path.join(folder, "tensorboard"))


def dry_run(config: DictConfig) -> int:
    """Prints the resolved configuration and what the checks find, and starts nothing; gives the exit code."""
    # A login node has neither GPUs nor a cluster, and need not have them for this.
    elsewhere = preflight.left_to_the_start(config)
    findings = preflight.examine(config, leave_out=elsewhere)
    # What cannot be resolved is among the faults, and shown as it stands.
    with contextlib.suppress(OmegaConfBaseException):
        make_absolute(config)
    sys.stdout.write(OmegaConf.to_yaml(OmegaConf.create(without_secrets(OmegaConf.to_container(config)))))
    sys.stdout.writelines(f"{line}\n" for line in ["", *preflight.describe(findings.facts)])
    if elsewhere:
        sys.stdout.write(f"Left to where the run starts: the checks {', '.join(elsewhere)}.\n")
    told = [preflight.report(findings), "" if findings.faults else "This run can start."]
    sys.stdout.writelines(f"{text}\n" for text in told if text)
    return 1 if findings.faults else 0


def is_dry_run() -> bool:
    """Whether DRY_RUN in the environment asks for the checks alone."""
    return os.environ.get("DRY_RUN", "0") not in ("", "0")


def run(config: DictConfig) -> None:
    """Checks, then trains; ends the process with another exit code than 0 where the run did not come to its end."""
    attention.fall_back(config)
    if is_dry_run():
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
