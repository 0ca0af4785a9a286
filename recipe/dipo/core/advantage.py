"""Group-relative advantage, and DiPO's: the sum of that of the verified and that of the reallocated rewards.

Deviation from verl's `compute_grpo_outcome_advantage` (verl/trainer/ppo/core_algos.py), which computes in the dtype of
the rewards: here it is float64, and a group without variance gets exactly 0. In float32 the mean of equal rewards
such as 0.1 can differ from them in the last digit, which a standard deviation near 0 then magnifies.
"""

import math

import torch

from recipe.dipo.core.checks import check_reward, check_vectors
from recipe.dipo.core.groups import group_amax, group_sum, number_groups


def group_advantage(
    reward: torch.Tensor,  # (B,)
    group: torch.Tensor,  # (B,) int64
    *,
    epsilon: float,
    normalize_by_std: bool,
) -> torch.Tensor:  # (B,)
    """Computes the advantage of each response over its group, as GRPO does.

    `A_i = (R_i - mean) / (std + epsilon)` with the unbiased standard deviation (n - 1); without the division if not
    `normalize_by_std`. A group with a single response has, by verl's rule, mean 0 and std 1.

    Paper: arXiv:2402.03300 (GRPO), outcome supervision; without the division arXiv:2503.20783 (Dr. GRPO).

    Args:
        reward: Rewards, (B,) of a floating dtype.
        group: Any id per response, equal within a group, (B,) int64.
        epsilon: Added to the standard deviation, in units of reward, at least 0.
        normalize_by_std: Whether to divide.

    Returns:
        Advantages, (B,) of the dtype of `reward`; exactly 0 in a group of several equal rewards.

    Raises:
        TypeError: For a wrong dtype.
        ValueError: For unequal shapes, a reward that is NaN or infinite, or a negative epsilon.
    """
    check_vectors(reward=reward, group=group)
    check_reward("reward", reward)
    if not epsilon >= 0:
        raise ValueError(f"epsilon must be at least 0, but is {epsilon}; verl uses 1e-6.")
    groups = number_groups(group)
    values = reward.double()
    is_single = groups.size == 1
    is_constant = ~is_single & (group_amax(values, groups) == -group_amax(-values, groups))
    mean = (group_sum(values, groups) / groups.size).masked_fill(is_single, 0.0)
    advantage = (values - mean[groups.number]).masked_fill(is_constant[groups.number], 0.0)
    if normalize_by_std:
        # The divisor 1 keeps 0/0 out of groups that are 0 or undivided whatever their divisor.
        variance = group_sum(advantage.square(), groups) / (groups.size - 1).clamp(min=1)
        std = variance.sqrt().masked_fill(is_single | is_constant, 1.0)
        advantage = advantage / (std + epsilon)[groups.number]
    return advantage.to(reward.dtype)


def dipo_advantage(
    reward: torch.Tensor,  # (B,)
    reallocated: torch.Tensor,  # (B,)
    group: torch.Tensor,  # (B,) int64
    *,
    alpha: float,
    epsilon: float,
    normalize_by_std: bool,
) -> torch.Tensor:  # (B,)
    """Computes `A = A(R) + alpha * A(R_r)`; alpha = 0 gives `group_advantage(reward)`.

    The two terms act on disjoint groups and the clipped surrogate is positively homogeneous in the advantage, so one
    update with A has the objective `J(R) + alpha * J(R_r)`.

    Paper: arXiv:2604.13902, the objective of its method section.

    Args:
        reward: Verified rewards R, (B,) of a floating dtype.
        reallocated: Reallocated rewards R_r, see `reallocate_rewards`, (B,) of a floating dtype.
        group: Any id per response, equal within a group, (B,) int64.
        alpha: Weight of the reallocated rewards, at least 0; the paper uses 0.1.
        epsilon: Added to the standard deviation, in units of reward, at least 0.
        normalize_by_std: Whether to divide by the standard deviation.

    Returns:
        Advantages, (B,) of the dtype of `reward`.

    Raises:
        TypeError: For a wrong dtype.
        ValueError: For unequal shapes, a reward that is NaN or infinite, an alpha that is negative or not finite, or
            a negative epsilon.
    """
    check_vectors(reward=reward, reallocated=reallocated, group=group)
    check_reward("reallocated", reallocated)
    if not (alpha >= 0 and math.isfinite(alpha)):
        raise ValueError(f"alpha must be a finite number of at least 0, but is {alpha}; 0 is GRPO.")
    verified = group_advantage(reward, group, epsilon=epsilon, normalize_by_std=normalize_by_std)
    added = group_advantage(reallocated, group, epsilon=epsilon, normalize_by_std=normalize_by_std)
    return verified + alpha * added.to(verified.dtype)
