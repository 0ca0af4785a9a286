"""Adapter: verl's advantage phase without its padding, where it would do nothing else.

`PPOTrainer._compute_advantage` pads every field of tokens to the longest response, spreads the advantages over them,
and cuts them to their lengths again. An advantage that is one number a response needs none of that. Where the phase
would do more (`verls_part`), it runs; what it logs by default of the rollout's log-probs is logged here as well.
"""

from collections.abc import Iterable
from typing import Any

import torch
from omegaconf import DictConfig
from verl import DataProto
from verl.trainer.ppo.rollout_corr_helper import compute_offpolicy_metrics
from verl.trainer.ppo.v1.trainer_base import PPOTrainer

from groupwise.hook.batch_store import Batch, Columns, write_tokens
from groupwise.hook.estimator import Bound, spread_over_tokens
from groupwise.maths.blocks import BLOCK_TOKENS
from groupwise.maths.perplexity import sum_rows
from groupwise.method import Method

OF_TOKENS = frozenset({"kl", "k3_kl", "chi2_token"})
"""Those of verl's metrics that are means over tokens; the others are means, or extremes, over responses."""


def verls_part(config: DictConfig, batch: Batch, methods: Iterable[Method], phase: Any) -> str | None:
    """Says why verl's phase must run, for the log; None where it would do nothing but spread advantages.

    `methods` are all that are computed; `phase` is the trainer's method that would run.
    """
    algorithm = config.algorithm
    correction = _correction(algorithm)
    with_tokens = ", ".join(method.name for method in methods if method.needs)
    if not algorithm.jagged_advantages:
        return "algorithm.jagged_advantages=false"
    if isinstance(batch, DataProto):
        return "trainer.use_v1=false holds padded batches"
    if algorithm.use_kl_in_reward:
        return "algorithm.use_kl_in_reward=true changes the rewards"
    if correction is not None and (correction.rollout_is is not None or correction.rollout_rs is not None):
        return "algorithm.rollout_correction weights or rejects tokens"
    if with_tokens:
        return f"needed for each token by {with_tokens}"
    if phase.__func__ is not PPOTrainer._compute_advantage:
        return f"{type(phase.__self__).__name__} has an advantage phase of its own"
    return None


def _correction(algorithm: DictConfig) -> DictConfig | None:
    """The rollout correction, where verl's phase runs it: with its defaults that is for its metrics alone."""
    correction = algorithm.get("rollout_correction")
    return None if correction is None or correction.bypass_mode else correction


def fields_of(config: DictConfig) -> list[str]:
    """The fields that `rollout_metrics` needs, beside those that are read anyway."""
    return ["rollout_log_probs"] if _correction(config.algorithm) is not None else []


def rollout_metrics(columns: Columns) -> dict[str, float]:
    """Computes what verl's phase logs of the rollout's log-probs, `rollout_corr/...`; nothing without those.

    verl's own function, on blocks of rows of like length that fit into the cache; its means are put together by their
    weight.
    """
    lengths, rollout = columns.lengths, columns.rollout_log_probs
    if rollout is None:
        return {}
    # verl multiplies by the mask, and would turn it into floats each time.
    mask = columns.response_mask.float()
    order = lengths.argsort(descending=True)
    # verl refuses a batch without a token, so a block that has none goes with the next one, or with the last.
    has_token = (sum_rows(mask, lengths) > 0)[order]
    stops, stop = list[int](), 0
    while stop < len(order):
        start, stop = stop, stop + max(1, BLOCK_TOKENS // max(1, int(lengths[order[stop]])))
        if bool(has_token[start:stop].any()):
            stops.append(stop)
    if not stops:
        return {}
    fields = [values.split(lengths.tolist()) for values in (columns.old_log_probs, rollout, mask)]
    found: list[tuple[int, int, dict[str, float]]] = []
    for start, stop in zip([0, *stops[:-1]], [*stops[:-1], len(order)], strict=True):
        rows = order[start:stop].tolist()
        padded = [
            torch.nn.utils.rnn.pad_sequence([rows_of[row] for row in rows], batch_first=True) for rows_of in fields
        ]
        found.append((len(rows), int(padded[-1].sum()), compute_offpolicy_metrics(*padded)))
    return {f"rollout_corr/{name}": _together(name, found) for name in found[0][2]}


def _together(name: str, found: list[tuple[int, int, dict[str, float]]]) -> float:
    values = [metrics[name] for _, _, metrics in found]
    if name.endswith(("_max", "_min")):
        return max(values) if name.endswith("_max") else min(values)
    weights = [tokens if name in OF_TOKENS else rows for rows, tokens, _ in found]
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)


def write_advantages(batch: Batch, bound: Bound, columns: Columns) -> Batch:
    """Writes what verl's phase writes: advantages, which are the returns as well.

    Where it compares the rollout's log-probs it also writes the response mask, as it was.
    """
    tokens = spread_over_tokens(bound.of_rows(), columns.response_mask, columns.lengths)
    return write_tokens(batch, columns.lengths, advantages=tokens, returns=tokens)
