"""Perplexity of a response under the policy that its log-probs come from."""

import torch

from groupwise.maths.blocks import row_blocks
from groupwise.maths.checks import name_rows

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
