"""DiPO (arXiv 2604.13902): one reward is reallocated in groups without variance, by where their perplexities lie.

One step: perplexities and verdicts into the queue -> threshold tau* -> reallocation -> `A = A(R) + alpha * A(R_r)`.
The two terms act on disjoint groups and the clipped surrogate is positively homogeneous in the advantage, so one update
with A has the paper's objective `J(R) + alpha * J(R_r)`.
"""

import dataclasses
import math
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import torch
import yaml

from groupwise.display import Display
from groupwise.method import Method, Outcome, Responses
from recipe.dipo.display import DiPODisplay
from recipe.dipo.metrics import step_columns, step_metrics
from recipe.dipo.queue import PerplexityQueue
from recipe.dipo.reallocation import GROUP_PERPLEXITY_RULES, Reallocation, reallocate
from recipe.dipo.threshold import Threshold, find_threshold


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclasses.dataclass(frozen=True)
class DiPOConfig:
    """The keys of `algorithm.dipo`; config/dipo_trainer.yaml holds their defaults, with the paper's words.

    Attributes:
        alpha: Weight of the reallocated rewards' objective beside the verified rewards' one; at least 0, and 0 is GRPO.
        queue_batches: Number of most recent training batches, the current one included, that the perplexity queue
            holds; at least 1.
        confidence: Level of the confidence interval that a threshold's two advantages must pass, in (0, 1); None
            takes the point estimates.
        group_perplexity: Which groups have work in a perplexity space and which response is chosen, one of
            GROUP_PERPLEXITY_RULES.

    Raises:
        ValueError: A value is out of its range; the message names the key, the range and the value.
    """

    alpha: float
    queue_batches: int
    confidence: float | None
    group_perplexity: str

    def __post_init__(self) -> None:
        if not _is_number(self.alpha) or self.alpha < 0:
            raise ValueError(f"algorithm.dipo.alpha must be a number of at least 0, but is {self.alpha!r}.")
        batches: Any = self.queue_batches
        if not isinstance(batches, int) or isinstance(batches, bool) or batches < 1:
            raise ValueError(f"algorithm.dipo.queue_batches must be a whole number of at least 1, but is {batches!r}.")
        if self.confidence is not None and not (_is_number(self.confidence) and 0 < self.confidence < 1):
            raise ValueError(
                "algorithm.dipo.confidence must lie strictly between 0 and 1, or be null for the point estimates, "
                f"but is {self.confidence!r}."
            )
        if self.group_perplexity not in GROUP_PERPLEXITY_RULES:
            raise ValueError(
                f"algorithm.dipo.group_perplexity must be one of {', '.join(GROUP_PERPLEXITY_RULES)}, "
                f"but is {self.group_perplexity!r}."
            )


class DiPO(Method):
    """Disentangled perplexity policy optimization."""

    name, Config = "dipo", DiPOConfig
    former_state_file = "dipo_queue.pt"

    def __init__(self, config: DiPOConfig, *, normalize_by_std: bool, updates_per_step: int = 1) -> None:
        super().__init__(config, normalize_by_std=normalize_by_std, updates_per_step=updates_per_step)
        self.queue = PerplexityQueue(config.queue_batches * updates_per_step)

    def observe(self, known: Responses) -> None:
        """Pushes the batch onto the queue."""
        self.queue.push(known.perplexity, known.correct)

    def advantages(self, whole: Responses) -> Outcome:
        """Reallocates one reward in each group without variance that has work in its space."""
        perplexity, correct = self.queue.snapshot()
        threshold = self.find_threshold(perplexity, correct)
        found = self.reallocate(whole, threshold)
        verified = whole.base_advantage(normalize_by_std=self.normalize_by_std)
        rule = self.config.group_perplexity
        return Outcome(
            verified + self.config.alpha * self.base(found.reward, whole.groups).to(verified.dtype),
            step_metrics(whole, threshold, found, rule=rule, queue_size=len(perplexity)),
            step_columns(whole, threshold, found, rule=rule),
        )

    def find_threshold(self, perplexity: torch.Tensor, correct: torch.Tensor) -> Threshold | None:  # 2x (N,)
        """Finds tau* on the queue; a variant of the method may find another."""
        return find_threshold(perplexity, correct, confidence=self.config.confidence)

    def reallocate(self, whole: Responses, threshold: Threshold | None) -> Reallocation:
        """Reallocates by the rule in force; a variant of the method may choose otherwise."""
        columns = (whole.perplexity, whole.correct, whole.reward, whole.groups)
        return reallocate(*columns, threshold, group_perplexity=self.config.group_perplexity)

    @property
    def memory(self) -> int:
        """Those in the queue."""
        return self.config.queue_batches * self.updates_per_step

    def state_dict(self) -> dict[str, Any]:
        """The queue."""
        return self.queue.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the queue."""
        self.queue.load_state_dict(state)

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Those of config/dipo_trainer.yaml."""
        text = (files("recipe.dipo.config") / "dipo_trainer.yaml").read_text(encoding="utf-8")
        return yaml.safe_load(text)["algorithm"]["dipo"]

    @classmethod
    def faults(cls, config: Any) -> Iterator[str]:
        """Dynamic sampling takes away what DiPO works on."""
        if config.algorithm.filter_groups.enable:
            yield (
                "algorithm.filter_groups.enable=true (dynamic sampling) drops exactly the groups that DiPO works on; "
                "set it to false, or algorithm.adv_estimator=grpo."
            )

    @classmethod
    def display(cls) -> Display:
        """Its words and panels."""
        return DiPODisplay(cls.name)
