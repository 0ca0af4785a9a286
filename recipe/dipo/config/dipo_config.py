"""`algorithm.dipo` as a checked, frozen dataclass.

Hydra merges a mistyped key of an overlay without a word, and verl reads its configuration with defaults at the call
site; both hide a run that is not the run that was meant. Hence: no defaults here (dipo_trainer.yaml holds the only
ones), every key required, every other key refused by name.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from recipe.dipo.config.keys import check_keys
from recipe.dipo.core.reallocation import GROUP_PERPLEXITY_RULES


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


@dataclasses.dataclass(frozen=True)
class DiPOConfig:
    """Hyper-parameters of DiPO (arXiv 2604.13902), the keys of `algorithm.dipo`.

    Attributes:
        alpha: Weight of the reallocated rewards' objective beside the verified rewards' one; at least 0.
        queue_batches: Number of most recent training batches, the current one included, that the perplexity queue
            holds; at least 1.
        confidence: Level of the confidence interval that a threshold's two advantages must pass, in (0, 1); None
            takes the point estimates.
        group_perplexity: Which reading of "a group lies in a perplexity space" is used: any, median, mean or max.

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
        if not _is_count(self.queue_batches):
            raise ValueError(
                f"algorithm.dipo.queue_batches must be a whole number of at least 1, but is {self.queue_batches!r}."
            )
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

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "DiPOConfig":
        """Builds the configuration from the mapping under `algorithm.dipo`.

        Args:
            values: The keys and values, as Hydra composed them.

        Returns:
            The checked configuration.

        Raises:
            ValueError: A key is unknown (the message names the nearest one) or missing, or a value out of range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        check_keys(values, known, section="algorithm.dipo")
        return cls(**{key: values[key] for key in known})
