"""Variants of DiPO that only the study runs: what each part of the method is worth.

verl imports the modules named in VERL_USE_EXTERNAL_MODULES in each of its processes; this one then replaces, in the
module that takes a step (recipe/dipo/step.py), the function that the variant named in VERL_STUDY_VARIANT changes. The
recipe itself knows nothing of it.

- `untested`: tau* is the threshold of least error, admissible or not.
- `up`: only hard groups are reallocated.
- `down`: only easy groups are reallocated.
- `random`: in the groups that DiPO reallocates, a response drawn at random takes the place of the one of maximum
  perplexity: the control that shows whether perplexity matters for the choice.
"""

import hashlib
import math
import os
from collections.abc import Callable

import torch

import recipe.dipo.step
from recipe.dipo.core.groups import group_amax, group_sum, number_groups
from recipe.dipo.core.reallocation import GroupKind, classify_groups, reallocate_rewards
from recipe.dipo.core.threshold import Threshold, least_error_threshold

VARIABLE = "VERL_STUDY_VARIANT"


def find_best_threshold(
    perplexity: torch.Tensor,  # (N,)
    correct: torch.Tensor,  # (N,) bool
    *,
    confidence: float | None,
) -> Threshold | None:
    """Finds the threshold of least error among the midpoints of neighbouring perplexities, admissible or not.

    Args:
        perplexity: Perplexities in the queue.
        correct: The verdicts.
        confidence: Not used; in the signature that it replaces.

    Returns:
        The threshold, the smallest of several; None with fewer than two distinct perplexities.
    """
    return least_error_threshold(perplexity, correct, bound=-math.inf)


def reallocate_one_kind(kept: GroupKind) -> Callable[..., torch.Tensor]:
    """Gives a `reallocate_rewards` that leaves the groups of the other kind alone.

    Args:
        kept: HARD or EASY.

    Returns:
        The function, of the same signature.
    """

    def reallocate(perplexity, correct, reward, group, threshold, *, group_perplexity):
        found = reallocate_rewards(perplexity, correct, reward, group, threshold, group_perplexity=group_perplexity)
        return torch.where(classify_groups(correct, reward, group) == kept, found, 0.0)

    return reallocate


def reallocate_at_random(perplexity, correct, reward, group, threshold, *, group_perplexity):
    """Reallocates in the same groups as `reallocate_rewards`, to (or from) a response drawn at random.

    The draw is seeded by the batch's perplexities: a run that is resumed, or replayed, draws the same.

    Returns:
        R_r, (B,) in {0, 1}.
    """
    found = reallocate_rewards(perplexity, correct, reward, group, threshold, group_perplexity=group_perplexity)
    groups = number_groups(group)
    touched = group_amax((found > 0).long(), groups)[groups.number] > 0
    digest = hashlib.sha256(perplexity.double().numpy().tobytes()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    drawn = torch.rand(len(group), generator=generator, dtype=torch.float64)
    chosen = touched & (drawn == group_amax(drawn, groups)[groups.number])
    # A draw of 53 bits is its group's largest alone, but for a chance of 1e-13.
    assert bool((group_sum(chosen.long(), groups) <= 1).all())
    is_hard = classify_groups(correct, reward, group) == GroupKind.HARD
    return torch.where(is_hard, chosen, touched & ~chosen).to(reward.dtype)


VARIANTS: dict[str, tuple[str, Callable[..., object]]] = {
    "untested": ("find_threshold", find_best_threshold),
    "up": ("reallocate_rewards", reallocate_one_kind(GroupKind.HARD)),
    "down": ("reallocate_rewards", reallocate_one_kind(GroupKind.EASY)),
    "random": ("reallocate_rewards", reallocate_at_random),
}


def install(name: str) -> None:
    """Puts a variant in the place of what it changes, in this process.

    Args:
        name: One of VARIANTS.

    Raises:
        ValueError: There is no such variant.
    """
    if name not in VARIANTS:
        raise ValueError(f"{VARIABLE} must be one of {', '.join(VARIANTS)}, but is {name!r}.")
    setattr(recipe.dipo.step, *VARIANTS[name])


if os.environ.get(VARIABLE):
    install(os.environ[VARIABLE])
