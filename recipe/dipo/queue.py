"""The queue of (perplexity, verdict) pairs of recent steps that a threshold is set on.

Chosen here, where the paper's notes are silent: a perplexity beyond float64 is infinity, which counts as high.
"""

from collections import deque
from typing import Any, cast

import torch

from groupwise.maths.checks import check_correct, check_perplexity, check_vectors


class PerplexityQueue:
    """The (perplexity, verdict) pairs of the most recent batches, the current one included.

    A restart begins with an empty queue unless `state_dict` was saved and is loaded; until it is full again the
    threshold is then set on fewer entries.

    Args:
        max_batches: How many batches are kept; the paper keeps 2.

    Raises:
        ValueError: If `max_batches` is below 1.
    """

    def __init__(self, max_batches: int) -> None:
        if max_batches < 1:
            raise ValueError(f"max_batches must be at least 1, the current batch itself, but is {max_batches}.")
        self._batches: deque[tuple[torch.Tensor, torch.Tensor]] = deque(maxlen=max_batches)

    def push(self, perplexity: torch.Tensor, correct: torch.Tensor) -> None:  # (B,), (B,) bool
        """Adds a batch, as a copy, and drops the oldest one if there are then too many.

        Args:
            perplexity: Perplexities of the batch, (B,) of a floating dtype.
            correct: The verifier's verdicts, (B,) bool.

        Raises:
            TypeError: For a wrong dtype.
            ValueError: For unequal shapes, or a NaN or negative perplexity.
        """
        check_vectors(perplexity=perplexity, correct=correct)
        check_correct(correct)
        check_perplexity(perplexity)
        self._batches.append((perplexity.detach().to("cpu", torch.float64, copy=True), correct.to("cpu", copy=True)))

    def snapshot(self) -> tuple[torch.Tensor, torch.Tensor]:  # -> (N,), (N,) bool
        """Returns all entries, oldest batch first.

        Returns:
            Perplexities, (N,) float64, and verdicts, (N,) bool; of length 0 before the first push.
        """
        perplexity = [torch.empty(0, dtype=torch.float64), *(batch[0] for batch in self._batches)]
        correct = [torch.empty(0, dtype=torch.bool), *(batch[1] for batch in self._batches)]
        return torch.cat(perplexity), torch.cat(correct)

    def state_dict(self) -> dict[str, Any]:
        """Returns the entries as plain tensors, which `torch.load(..., weights_only=True)` accepts.

        Returns:
            `perplexity` and `correct`: lists with a tensor (B,) per batch, oldest first.
        """
        return {
            "perplexity": [perplexity.clone() for perplexity, _ in self._batches],
            "correct": [correct.clone() for _, correct in self._batches],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Replaces the entries by saved ones; of a longer queue than this one the most recent batches are kept.

        Args:
            state: What `state_dict` returned.

        Raises:
            TypeError: For a wrong dtype.
            ValueError: For a state of another form, or a batch that `push` refuses; the queue is then as it was.
        """
        if set(state) != {"perplexity", "correct"} or len(state["perplexity"]) != len(state["correct"]):
            raise ValueError(
                "A saved queue must hold the lists perplexity and correct, one tensor per batch in each, but has "
                f"{ {name: len(value) for name, value in state.items()} }; delete the saved queue to start empty."
            )
        maxlen = cast(int, self._batches.maxlen)
        loaded = PerplexityQueue(maxlen)
        for perplexity, correct in zip(state["perplexity"], state["correct"], strict=True):
            loaded.push(perplexity, correct)
        self._batches = loaded._batches
