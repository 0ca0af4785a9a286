"""Control: the reward less its running mean over all prompts, which gives every group without variance a gradient.

`A_i = r_i - b`, `b <- (1 - c) b + c mean(r)` after each batch; the first batch is held against its own mean. What any
method does beyond pushing all wrong answers down alike, and all right ones up, it must do better than this.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from groupwise.display import Metric
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number


@dataclass(frozen=True)
class EMABaselineConfig:
    """The keys of `algorithm.ema_baseline`."""

    coefficient: float  # weight of the newest batch, above 0 and at most 1

    def __post_init__(self) -> None:
        check_number("ema_baseline.coefficient", self.coefficient, 0, 1, above=True)


class EMABaseline(Neighbour):
    """REINFORCE with a running mean as its baseline."""

    name, title, Config = "ema_baseline", "running-mean baseline", EMABaselineConfig
    works_on = "groups that are all wrong or all right"
    metrics: ClassVar = {"baseline": Metric("the running mean reward", "grows")}

    def __init__(self, config: EMABaselineConfig, *, normalize_by_std: bool, updates_per_step: int = 1) -> None:
        super().__init__(config, normalize_by_std=normalize_by_std, updates_per_step=updates_per_step)
        self.baseline, self.next_baseline = 0.0, None

    def observe(self, known: Responses) -> None:
        """Moves the running mean on, for the next batch."""
        if len(known.reward) > 0:
            mean, weight = known.reward.double().mean().item(), self.config.coefficient
            self.baseline = mean if self.next_baseline is None else self.next_baseline
            self.next_baseline = (1 - weight) * self.baseline + weight * mean

    def advantages(self, whole: Responses) -> Outcome:
        """What the reward is above the baseline."""
        return Outcome(whole.reward.double() - self.baseline, {"baseline": self.baseline})

    def state_dict(self) -> dict[str, Any]:
        """The running mean."""
        return {} if self.next_baseline is None else {"baseline": self.next_baseline}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes it up."""
        self.next_baseline = state["baseline"]
