"""verl's task runner with our mixin before its trainers, made only where every node passes inspection."""

from typing import Any

import ray
from omegaconf import DictConfig
from verl.trainer.main_ppo import TaskRunnerV1

from groupwise.launch import cluster
from groupwise.record.metrics_file import keep_earlier_metrics


class OwnTrainer:
    """Before a task runner of verl's: puts our mixin before the trainers of its process."""

    def run(self, config: DictConfig) -> None:
        """Trains by the composed configuration."""
        from groupwise.hook import trainer

        trainer.install(use_v1=config.trainer.use_v1)
        keep_earlier_metrics(config)
        super().run(config)


@ray.remote
class GroupwiseTaskRunner(OwnTrainer, TaskRunnerV1.__ray_metadata__.modified_class):
    """verl's V1 task runner with our mixin before its trainers."""


def legacy_task_runner() -> ray.actor.ActorClass:
    """verl's task runner of before V1 (`trainer.use_v1=false`), likewise; imported only where asked for."""
    from verl.trainer.main_ppo_v0 import TaskRunner

    return ray.remote(type("LegacyTaskRunner", (OwnTrainer, TaskRunner.__ray_metadata__.modified_class), {}))


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
        runner_class = GroupwiseTaskRunner if self.config.trainer.use_v1 else legacy_task_runner()
        self.runner = runner_class.options(**self.actor_options).remote()
        return self.runner

    def end(self) -> None:
        """Ends the task runner, with all that it started; the launching process gets an exception."""
        if self.runner is not None:
            ray.kill(self.runner)
