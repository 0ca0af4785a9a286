"""verl's task runner with our mixin before its trainers, made only where every node passes inspection."""

from typing import Any

import ray
from omegaconf import DictConfig
from verl.trainer.main_ppo import TaskRunnerV1

from groupwise.launch import cluster
from groupwise.record.metrics_file import keep_earlier_metrics


def prepare(config: DictConfig) -> None:
    """Puts our mixin before the trainers of this process, and keeps the metrics of a run that is resumed."""
    from groupwise.hook import trainer

    trainer.install(use_v1=config.trainer.use_v1)
    keep_earlier_metrics(config)


@ray.remote
class GroupwiseTaskRunner(TaskRunnerV1.__ray_metadata__.modified_class):
    """verl's V1 task runner with our mixin before its trainers."""

    def run(self, config: DictConfig) -> None:
        """Trains by the composed configuration."""
        prepare(config)
        super().run(config)


@ray.remote
class LegacyTaskRunner:
    """verl's task runner from before V1 (`trainer.use_v1=false`), likewise.

    It is made where it runs: methods that Ray ships carry a copy of their module's names, verl's trainer among them.
    """

    def run(self, config: DictConfig) -> None:
        """Trains by the composed configuration."""
        from verl.trainer import main_ppo_v0

        prepare(config)
        main_ppo_v0.TaskRunner.__ray_metadata__.modified_class().run(config)


class CheckedTaskRunner:
    """Stands for the task runner's class where verl makes its actor, and inspects all nodes before.

    The launching process is the place for that: Ray is connected with the run's environment, and an actor could not
    even be placed on a node that lacks the framework.
    """

    def __init__(self, config: DictConfig):
        self.config = config
        self.actor_options: dict[str, Any] = {}
        self.runner: ray.actor.ActorHandle | None = None

    def options(self, **options: Any) -> "CheckedTaskRunner":
        """Sets Ray's options of the actor, as verl does for a profiler."""
        self.actor_options = options
        return self

    def remote(self) -> ray.actor.ActorHandle:
        """Inspects the nodes, then makes the actor.

        Raises:
            GroupwiseError: A node is at fault.
        """
        cluster.check_nodes(self.config)
        runner_class = GroupwiseTaskRunner if self.config.trainer.use_v1 else LegacyTaskRunner
        self.runner = runner_class.options(**self.actor_options).remote()
        return self.runner

    def end(self) -> None:
        """Ends the task runner, with all that it started; the launching process gets an exception."""
        if self.runner is not None:
            ray.kill(self.runner)
