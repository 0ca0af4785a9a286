"""Checks at the door of the core: one sentence that says what must hold, what was found and what to do."""

import torch

ROWS_NAMED = 5


def name_rows(is_bad: torch.Tensor) -> str:  # (B,) bool
    """Names the rows where `is_bad` holds, for a message: `row 3`, or `rows 0, 1, 2, 3, 4 and 7 more`."""
    rows = is_bad.nonzero().flatten()
    named = ", ".join(str(int(row)) for row in rows[:ROWS_NAMED])
    more = f" and {len(rows) - ROWS_NAMED} more" if len(rows) > ROWS_NAMED else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {named}{more}"


def check_vectors(**vectors: torch.Tensor) -> None:
    """Raises ValueError unless the tensors, named as a message shall name them, are vectors of one length."""
    shapes = {name: tuple(vector.shape) for name, vector in vectors.items()}
    if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) != 1:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"One entry per response is needed in vectors of one length, but the shapes are {found}.")


def check_correct(correct: torch.Tensor) -> None:  # (B,)
    """Raises TypeError unless verdicts are torch.bool: a graded one would become right or wrong in silence."""
    if correct.dtype != torch.bool:
        raise TypeError(f"correct must be torch.bool, but is {correct.dtype}; compare the verdicts first (acc == 1).")


def check_perplexity(perplexity: torch.Tensor) -> None:  # (B,)
    """Raises TypeError for a dtype that is not floating, ValueError for a NaN or negative perplexity."""
    if not perplexity.is_floating_point():
        raise TypeError(f"perplexity must be of a floating dtype, but is {perplexity.dtype}; use sequence_perplexity.")
    is_number = perplexity >= 0
    if not is_number.all():
        raise ValueError(
            "A perplexity must be a number of at least 0, but NaN or a negative value stands in "
            f"{name_rows(~is_number)}; look at the log-probs that it comes from."
        )


def check_reward(name: str, reward: torch.Tensor) -> None:  # (B,)
    """Raises TypeError for a dtype that is not floating, ValueError for a reward that is NaN or infinite."""
    if not reward.is_floating_point():
        raise TypeError(f"{name} must be of a floating dtype, but is {reward.dtype}; convert it with .float().")
    is_finite = reward.isfinite()
    if not is_finite.all():
        raise ValueError(
            f"{name} must be finite, but NaN or infinity stands in {name_rows(~is_finite)}; "
            "look at what the reward function returned there."
        )
