"""A trainer that is another one in each step: plain verl, verl's GRPO as this recipe runs it, or DiPO.

What a step costs is thus compared within one process, on one machine state and one model. Steps go in blocks in which
each state comes once, in random order. cost_step.py launches it, as `python -m cost_alternate KEY=VALUE ...`; the
recipe itself knows nothing of it.
"""

import random
from typing import Any, NamedTuple

import ray
from omegaconf import DictConfig

from groupwise.launch import task_runner
from recipe.dipo import main_dipo

STATE = "cost/state"
"""Metric with the number of a step's state."""


class State(NamedTuple):
    """What a step is.

    Attributes:
        name: Its name.
        estimator: verl's `algorithm.adv_estimator`.
        observes: Whether the mixin looks at the batch; without it a step is verl's own.
    """

    name: str
    estimator: str
    observes: bool


STATES = (State("plain", "grpo", False), State("observed", "grpo", True), State("dipo", "dipo", True))


def state_of(step: int) -> int:
    """Says which of STATES a step has.

    Args:
        step: Number of the step, from 1 on.

    Returns:
        The place in STATES.
    """
    block, place = divmod(step - 1, len(STATES))
    order = list(range(len(STATES)))
    random.Random(block).shuffle(order)
    return order[place]


class AlternatingMixin:
    """Sets the state of each step before it begins, and logs it. Stands before the recipe's mixin."""

    def on_step_begin(self) -> None:
        """Sets it."""
        state = STATES[state_of(self.global_steps)]
        self.config.algorithm.adv_estimator = state.estimator
        self.trained = self.methods["dipo"] if state.estimator == "dipo" else None
        self.has_verdicts = state.observes
        super().on_step_begin()

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        metrics[STATE] = float(state_of(self.global_steps))
        return super()._compute_advantage(batch, metrics=metrics)


@ray.remote
class AlternatingTaskRunner(task_runner.GroupwiseTaskRunner.__ray_metadata__.modified_class):
    """The framework's task runner with the mixin above before its trainers."""

    def run(self, config: DictConfig) -> None:
        """Trains.

        Args:
            config: The composed configuration.
        """
        # By name, in the process of the actor: this class itself may come from a `__main__`.
        import cost_alternate

        cost_alternate.install()
        super().run(config)


def install() -> None:
    """Puts the mixin before all trainers of this process."""
    from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY

    from groupwise.hook import trainer

    trainer.install()
    for mode, kind in list(TRAINER_REGISTRY.items()):
        if not issubclass(kind, AlternatingMixin):
            TRAINER_REGISTRY[mode] = type(f"Alternating{kind.__name__}", (AlternatingMixin, kind), {})


if __name__ == "__main__":
    task_runner.GroupwiseTaskRunner = AlternatingTaskRunner
    main_dipo.main()
