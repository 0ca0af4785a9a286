"""What a method did to a batch, whichever it is: size and sign of its advantages where GRPO has none, in every step.

A bonus that is added before GRPO's division by the standard deviation gives groups without variance advantages of full
size whatever its coefficient; a penalty that is the same for all prefers no response. Both show here.
"""

import torch

from groupwise.maths.groups import GroupKind, group_sum
from groupwise.responses import Responses


def size_and_sign(advantage: torch.Tensor, base: torch.Tensor, whole: Responses, *, label: str) -> dict[str, float]:
    """Measures the advantages of whole groups, on hard and on easy ones; what there is nothing of is absent.

    `advantage_size/<kind>`: mean size. `confidence_correlation/<kind>`: of the advantages with the mean log-probs, both
    less their group's mean: above 0 confident responses gain on unsure ones, below 0 they lose, at 0 all move alike.
    `collapse_rate/<label>`: share of groups without any advantage, and of GRPO for comparison.

    Args:
        advantage: (B,), or (B, T), 0 on masked tokens.
        base: (B,), GRPO's.
        whole: Those B responses.
        label: The method's, see `display.label_of`.
    """
    size, value = advantage.abs(), advantage.double()
    if advantage.dim() == 2:
        assert whole.tokens is not None, "advantages of tokens need tokens: name them in `needs`"
        length = whole.tokens.mask.sum(dim=-1)
        size, value = (values.sum(dim=-1).double() / length for values in (size, advantage))
    found: dict[str, float] = {}
    for kind in (GroupKind.HARD, GroupKind.EASY):
        rows = whole.kind == kind
        if bool(rows.any()):
            found[f"advantage_size/{kind.name.lower()}"] = size[rows].double().mean().item()
            if whole.has_perplexity:
                found[f"confidence_correlation/{kind.name.lower()}"] = _correlation(value, whole, rows)
    for name, sizes in (("grpo", base.abs()), (label, size)):
        moved = group_sum((sizes > 0).long(), whole.groups) > 0
        found[f"collapse_rate/{name}"] = 1 - moved.double().mean().item()
    return found


def _correlation(value: torch.Tensor, whole: Responses, rows: torch.Tensor) -> float:
    sure = (whole.mean_log_prob - whole.group_mean(whole.mean_log_prob))[rows]
    moved = (value - whole.group_mean(value))[rows]
    # What rounding leaves of equal values is no preference.
    if moved.abs().amax() <= 1e-9 * value[rows].abs().amax() or sure.abs().amax() <= 1e-12:
        return 0.0
    return (moved @ sure / (moved.norm() * sure.norm())).item()
