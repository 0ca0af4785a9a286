"""Group-relative advantage, as GRPO has it: what every method starts from.

Deviation from verl's `compute_grpo_outcome_advantage` (verl/trainer/ppo/core_algos.py), which computes in the dtype of
the rewards: here it is float64, and a group without variance gets exactly 0. In float32 the mean of equal rewards
such as 0.1 can differ from them in the last digit, which a standard deviation near 0 then magnifies.
"""

import torch

from groupwise.maths.checks import check_reward, check_vectors
from groupwise.maths.groups import Groups, group_amax, group_sum, number_groups


def group_advantage(
    reward: torch.Tensor,  # (B,)
    group: torch.Tensor | Groups,  # (B,) int64
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
        group: Any id per response, equal within a group, (B,) int64, or the groups numbered.
        epsilon: Added to the standard deviation, in units of reward, at least 0.
        normalize_by_std: Whether to divide.

    Returns:
        Advantages, (B,) of the dtype of `reward`; exactly 0 in a group of several equal rewards.

    Raises:
        TypeError: For a wrong dtype.
        ValueError: For unequal shapes, a reward that is NaN or infinite, or a negative epsilon.
    """
    check_vectors(reward=reward, group=group.number if isinstance(group, Groups) else group)
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
