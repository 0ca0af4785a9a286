"""Perplexity of a response under the policy that its log-probs come from."""

from typing import NamedTuple

import torch

from groupwise.maths.blocks import row_blocks
from groupwise.maths.checks import name_rows

# A log-prob is at most 0. Rounding can lift one by about 1e-4 (logit minus logsumexp, float32); probabilities, logits
# or negated log-probs that were passed by mistake lie far above this.
POSITIVE_LOG_PROB_SLACK = 1e-2


class LogProbSums(NamedTuple):
    """All that a perplexity needs of B responses."""

    total: torch.Tensor  # (B,) float64, nats of the tokens under the mask; NaN or infinite if one of them is
    tokens: torch.Tensor  # (B,) int64, how many those are
    highest: torch.Tensor  # (B,), the highest log-prob where one is suspiciously high, otherwise 0

    def select(self, rows: torch.Tensor) -> "LogProbSums":
        """Those of a mask, (B,) bool, or of places."""
        return LogProbSums(*(values[rows] for values in self))


def sum_log_probs(
    log_probs: torch.Tensor,  # (N,)
    response_mask: torch.Tensor,  # (N,)
    lengths: torch.Tensor,  # (B,) int64
) -> LogProbSums:
    """Sums the log-probs under the mask of each response, in float64 and in the order of the tokens.

    The sum thus depends on nothing but the response: neither on padding nor on where in a batch it stands.

    Args:
        log_probs: Of all N tokens of B responses, one response after the other. Where the mask is 0 they are ignored.
        response_mask: 1 (or True) for tokens that the policy generated, 0 for padding and tool output.
        lengths: Tokens of each response, masked ones included.

    Raises:
        ValueError: The mask holds anything but 0 and 1.
    """
    sums = LogProbSums(
        torch.empty(len(lengths), dtype=torch.float64), lengths.clone(), log_probs.new_zeros(len(lengths))
    )
    for rows, tokens in row_blocks(lengths):
        is_token, kept, length = _is_token(response_mask[tokens], rows), log_probs[tokens], lengths[rows]
        if not bool(is_token.all()):
            # Not a product: 0 * NaN is NaN.
            kept = torch.where(is_token, kept, 0.0)
            sums.tokens[rows] = _sum_rows(is_token.float(), length).long()
        sums.total[rows] = _sum_rows(kept.double(), length)
        # The highest of each row takes four times as long as its sum.
        if kept.numel() > 0 and float(kept.max()) > POSITIVE_LOG_PROB_SLACK:
            sums.highest[rows] = torch.segment_reduce(kept, "max", lengths=length, unsafe=True)
    return sums


def _is_token(mask: torch.Tensor, rows: slice) -> torch.Tensor:
    is_token = mask.bool()
    if mask.dtype != torch.bool and not torch.equal(is_token.to(mask.dtype), mask):
        raise ValueError(
            "response_mask must hold only 0 and 1, but has other values (or NaN) "
            f"between rows {rows.start} and {rows.stop - 1}; pass a mask, not weights."
        )
    return is_token


def sum_rows(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # (N,), (B,) int64 -> (B,)
    """Sums the values of each response, in their dtype and one after the other; 0 for a response of no tokens."""
    total = values.new_empty(len(lengths))
    for rows, tokens in row_blocks(lengths):
        total[rows] = _sum_rows(values[tokens], lengths[rows])
    return total


def _sum_rows(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    # `unsafe` leaves out a check that the lengths add up, which is made by how blocks are cut.
    return torch.segment_reduce(values, "sum", lengths=lengths, unsafe=True)


def perplexity_of(sums: LogProbSums) -> torch.Tensor:
    """Computes `exp(-total / tokens)`, (B,) float64: infinity below a mean log-prob of about -709.8.

    Raises:
        ValueError: A response has no token, one whose log-prob is NaN or infinite, or one whose log-prob is positive;
            the message names the rows.
    """
    if (is_empty := sums.tokens == 0).any():
        raise ValueError(
            f"Every response needs a token under the mask, but there is none in {name_rows(is_empty)} "
            f"(of {len(sums.tokens)}); drop padding rows first."
        )
    # A float64 sum of finite float32 values cannot overflow, so it is finite exactly if every term is.
    if (is_broken := ~sums.total.isfinite()).any():
        raise ValueError(
            f"Log-probs under the mask must be finite, but NaN or infinity stands in {name_rows(is_broken)}; "
            "look for a numerical failure of the policy."
        )
    if (is_positive := sums.highest > POSITIVE_LOG_PROB_SLACK).any():
        raise ValueError(
            f"A log-prob is at most 0, but up to {sums.highest.max().item():.4g} stands under the mask in "
            f"{name_rows(is_positive)}; pass log-probs in nats, neither negated nor exponentiated."
        )
    return torch.exp(-sums.total / sums.tokens)


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
    sums = LogProbSums(
        torch.empty(responses, dtype=torch.float64),
        torch.empty(responses, dtype=torch.int64),
        log_probs.new_empty(responses),
    )
    # In torch's own order of a padded row: twice as fast as `sum_log_probs`, from which it may differ in the last bit.
    for rows, _ in row_blocks(torch.full((responses,), tokens)):
        is_token = _is_token(response_mask[rows], rows)
        kept = log_probs[rows] * is_token.view(torch.uint8)
        if not bool(kept.sum().isfinite()):
            # 0 * NaN is NaN. Selecting takes twice as long as the product, so it is kept for where that matters.
            kept = torch.where(is_token, log_probs[rows], 0.0)
        sums.total[rows], sums.highest[rows] = kept.sum(dim=-1, dtype=torch.float64), kept.amax(dim=-1)
        # A sum over bool is made in int64, at twice the time.
        sums.tokens[rows] = is_token.view(torch.uint8).sum(dim=-1, dtype=torch.int32).long()
    return perplexity_of(sums)
