"""Perplexity of a response, and the queue of (perplexity, verdict) pairs of recent steps that a threshold is set on.

Chosen here, where the paper's notes are silent: a perplexity beyond float64 is infinity, which counts as high.
"""

from collections import deque
from typing import Any, cast

import torch

from recipe.dipo.core.blocks import row_blocks
from recipe.dipo.core.checks import check_correct, check_perplexity, check_vectors, name_rows

# A log-prob is at most 0. Rounding can lift one by about 1e-4 (logit minus logsumexp, float32); probabilities, logits
# or negated log-probs that were passed by mistake lie far above this.
POSITIVE_LOG_PROB_SLACK = 1e-2


def sequence_perplexity(log_probs: torch.Tensor, response_mask: torch.Tensor) -> torch.Tensor:  # 2x (B, T) -> (B,)
    """Computes the perplexity of each response under the policy that its log-probs come from.

    `P_i = exp(-(1/T_i) sum_t log pi_old(o_{i,t} | q, o_{i,<t}))`, the sum over the T_i tokens under the mask,
    accumulated in float64 whatever the dtype of `log_probs`. Below a mean log-prob of about -709.8 it is infinity.

    Paper: arXiv:2604.13902, the perplexity of its method section.

    Args:
        log_probs: Log-probs of the sampled tokens in nats, (B, T) of a floating dtype. Where the mask is 0 they are
            ignored and may be anything, NaN included. Positive ones within rounding (0.01) count as they are.
        response_mask: 1 (or True) for tokens that the policy generated, 0 for padding and tool output, (B, T).

    Returns:
        Perplexities, (B,) float64.

    Raises:
        TypeError: If `log_probs` is not of a floating dtype.
        ValueError: If the shapes differ, if the mask holds anything but 0 and 1, or if a row has no token, a token
            whose log-prob is NaN or infinite, or one whose log-prob is positive; the message names the rows.
    """
    if log_probs.dim() != 2 or log_probs.shape != response_mask.shape:
        raise ValueError(
            "log_probs and response_mask must both be (responses, tokens), but their shapes are "
            f"{tuple(log_probs.shape)} and {tuple(response_mask.shape)}; pass the two fields of one batch."
        )
    if not log_probs.is_floating_point():
        raise TypeError(f"log_probs must be of a floating dtype, but is {log_probs.dtype}; pass log-probs in nats.")
    responses, tokens = log_probs.shape
    if responses > 0 and tokens == 0:
        raise ValueError(f"Every response needs a token under the mask, but all {responses} rows have length 0.")
    total_B = torch.empty(responses, dtype=torch.float64)
    length_B = torch.empty(responses, dtype=torch.int64)
    highest_B = torch.empty(responses, dtype=log_probs.dtype)
    for block in row_blocks(responses, tokens):
        mask = response_mask[block]
        is_token = mask.bool()
        if mask.dtype != torch.bool and not torch.equal(is_token.to(mask.dtype), mask):
            raise ValueError(
                "response_mask must hold only 0 and 1, but has other values (or NaN) "
                f"between rows {block.start} and {block.stop - 1}; pass a mask, not weights."
            )
        total_B[block], highest_B[block] = _sum_and_highest(log_probs[block], is_token)
        # A sum over bool is made in int64, at twice the time.
        length_B[block] = is_token.view(torch.uint8).sum(dim=-1, dtype=torch.int32)
    _check_rows(total_B, length_B, highest_B)
    return torch.exp(-total_B / length_B)


def _sum_and_highest(log_probs: torch.Tensor, is_token: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums the log-probs of each row's tokens in float64, and finds the highest; 0 stands for what is masked."""
    kept = log_probs * is_token.view(torch.uint8)
    total = kept.sum(dim=-1, dtype=torch.float64)
    if not total.isfinite().all():
        # 0 * NaN is NaN. Selecting takes twice as long as the product, so it is kept for where that matters.
        kept = torch.where(is_token, log_probs, 0.0)
        total = kept.sum(dim=-1, dtype=torch.float64)
    return total, kept.amax(dim=-1)


def _check_rows(total_B: torch.Tensor, length_B: torch.Tensor, highest_B: torch.Tensor) -> None:
    """Raises ValueError for rows without tokens and for log-probs that cannot be log-probs."""
    if (is_empty := length_B == 0).any():
        raise ValueError(
            f"Every response needs a token under the mask, but there is none in {name_rows(is_empty)} "
            f"(of {len(length_B)}); drop padding rows first."
        )
    # A float64 sum of finite float32 values cannot overflow, so it is finite exactly if every term is.
    if (is_broken := ~total_B.isfinite()).any():
        raise ValueError(
            f"Log-probs under the mask must be finite, but NaN or infinity stands in {name_rows(is_broken)}; "
            "look for a numerical failure of the policy."
        )
    if (is_positive := highest_B > POSITIVE_LOG_PROB_SLACK).any():
        raise ValueError(
            f"A log-prob is at most 0, but up to {highest_B.max().item():.4g} stands under the mask in "
            f"{name_rows(is_positive)}; pass log-probs in nats, neither negated nor exponentiated."
        )


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
