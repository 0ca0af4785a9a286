"""Entry point: `python -m recipe.dipo.main_dipo [key=value ...]`.

Hydra composes config/dipo_trainer.yaml over verl's own configuration, everything that can be checked is checked before
Ray starts, and verl's task runner does the rest with the recipe's mixin in its registry of trainers.
"""

import signal
import sys
import traceback

import hydra
import ray
from omegaconf import DictConfig, OmegaConf, open_dict
from verl.trainer.main_ppo import TaskRunnerV1, run_ppo
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config
from verl.utils.device import auto_set_device

import recipe.dipo.register  # noqa: F401 -- registers the estimator here as well, where the configuration is checked
import verl_cpu
from recipe.dipo import cluster, failures, preflight
from recipe.dipo.leftovers import exclusive_run
from recipe.dipo.metrics_file import keep_earlier_metrics


@ray.remote
class DiPOTaskRunner(TaskRunnerV1.__ray_metadata__.modified_class):
    """verl's V1 task runner with DiPO's mixin before its trainers."""

    def run(self, config: DictConfig) -> None:
        """Checks the nodes, then trains.

        Args:
            config: The composed configuration.

        Raises:
            DiPOError: A node lacks the recipe.
        """
        from recipe.dipo import trainer

        cluster.check_nodes()
        trainer.install()
        keep_earlier_metrics(config)
        super().run(config)


def check(config: DictConfig) -> list[str]:
    """Finds the faults of a configuration: the recipe's, what verl refuses, and what is missing to run on a CPU.

    Args:
        config: The composed configuration; `trainer.device` is set to the accelerator found, as verl does.

    Returns:
        One sentence for each fault.
    """
    faults = preflight.find_faults(config)
    if faults:
        return faults
    auto_set_device(config)
    try:
        validate_config(config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config))
    except (AssertionError, ValueError) as error:
        return [f"verl refuses this configuration: {error}"]
    # Last, since it imports vLLM: verl and vLLM would go on without a plug-in that failed to load.
    return verl_cpu.check() if config.trainer.device == "cpu" else []


def train(config: DictConfig) -> int:
    """Runs a checked configuration to its end.

    Args:
        config: The composed configuration.

    Returns:
        The exit code: 0, or another one after the reason was printed.
    """
    folder = config.trainer.default_local_dir
    with open_dict(config):
        environment = {"env_vars": cluster.environment_to_forward()}
        config.ray_kwargs.ray_init.runtime_env = OmegaConf.merge(environment, config.ray_kwargs.ray_init.runtime_env)
    try:
        with exclusive_run(folder):
            try:
                run_ppo(config, task_runner_class=DiPOTaskRunner)
            finally:
                ray.shutdown()
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the run resumes from its last checkpoint when it is started again.\n")
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 -- the last place where a user can be told in a sentence
        sentence, complete = failures.describe(error, checkpoint_folder=folder)
        sys.stderr.write(f"\n{sentence}\n")
        if not complete:
            traceback.print_exc()
        return 1
    return 0


@hydra.main(config_path="config", config_name="dipo_trainer", version_base=None)
def main(config: DictConfig) -> None:
    """Checks, then trains; the exit code is 0 only where the run came to its end."""
    faults = check(config)
    if faults:
        sys.exit("\n".join(["This run cannot start:", *(f"- {fault}" for fault in faults)]))
    code = train(config)
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
