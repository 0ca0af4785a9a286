"""Variants of DiPO that only the study runs: what each part of the method is worth.

verl imports the modules named in VERL_USE_EXTERNAL_MODULES in each of its processes; this one then puts the variant
named in VERL_STUDY_VARIANT in DiPO's place. The recipe itself knows nothing of it.

- `untested`: tau* is the threshold of least error, admissible or not.
- `up`: only hard groups are reallocated.
- `down`: only easy groups are reallocated.
- `random`: in the groups that DiPO reallocates, a response drawn at random takes the place of the one of maximum
  perplexity: the control that shows whether perplexity matters for the choice.
"""

import hashlib
import math
import os

import torch

from groupwise.maths.groups import GroupKind, group_amax, group_sum
from groupwise.method import METHODS, Responses
from recipe.dipo.method import DiPO
from recipe.dipo.reallocation import Reallocation
from recipe.dipo.threshold import Threshold, least_error_threshold

VARIABLE = "VERL_STUDY_VARIANT"


class Untested(DiPO):
    """Takes the threshold of least error, admissible or not."""

    def find_threshold(self, perplexity: torch.Tensor, correct: torch.Tensor) -> Threshold | None:
        """Gives the smallest of several; None with fewer than two distinct perplexities."""
        return least_error_threshold(perplexity, correct, bound=-math.inf)


class OneKind(DiPO):
    """Leaves the groups of the other kind alone."""

    kept: GroupKind

    def reallocate(self, whole: Responses, threshold: Threshold | None) -> Reallocation:
        """Takes back what DiPO reallocates in groups that are not of the kind `kept`."""
        found = super().reallocate(whole, threshold)
        is_kept = found.kind == self.kept
        return found._replace(reward=torch.where(is_kept, found.reward, 0.0), chosen=found.chosen & is_kept)


class Up(OneKind):
    """Only hard groups."""

    kept = GroupKind.HARD


class Down(OneKind):
    """Only easy groups."""

    kept = GroupKind.EASY


class Random(DiPO):
    """Draws the response at random."""

    def reallocate(self, whole: Responses, threshold: Threshold | None) -> Reallocation:
        """Reallocates in the same groups, to (or from) a response drawn at random.

        The draw is seeded by the batch's perplexities: a run that is resumed, or replayed, draws the same.
        """
        found = super().reallocate(whole, threshold)
        groups = whole.groups
        touched = group_amax(found.chosen.long(), groups)[groups.number] > 0
        digest = hashlib.sha256(whole.perplexity.double().numpy().tobytes()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        drawn = torch.rand(len(touched), generator=generator, dtype=torch.float64)
        chosen = touched & (drawn == group_amax(drawn, groups)[groups.number])
        # A draw of 53 bits is its group's largest alone, but for a chance of 1e-13.
        assert bool((group_sum(chosen.long(), groups) <= 1).all())
        is_rewarded = torch.where(found.kind == GroupKind.HARD, chosen, touched & ~chosen)
        return found._replace(reward=is_rewarded.to(found.reward.dtype), chosen=chosen)


VARIANTS: dict[str, type[DiPO]] = {"untested": Untested, "up": Up, "down": Down, "random": Random}


def install(name: str) -> None:
    """Puts a variant in DiPO's place, in this process.

    Args:
        name: One of VARIANTS.

    Raises:
        ValueError: There is no such variant.
    """
    if name not in VARIANTS:
        raise ValueError(f"{VARIABLE} must be one of {', '.join(VARIANTS)}, but is {name!r}.")
    METHODS.register(VARIANTS[name])


if os.environ.get(VARIABLE):
    install(os.environ[VARIABLE])
