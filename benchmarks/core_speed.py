"""Times DiPO's own computation against verl's GRPO estimator on the same batch, side by side in one process.

Rounds are interleaved, so that what else the machine does meets both alike; the batch is random, the time of neither
side depends on its values.

    python benchmarks/core_speed.py
    python benchmarks/core_speed.py --responses 2048 --tokens 1024 --rounds 15 --json
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

from groupwise.maths.perplexity import sequence_perplexity
from groupwise.method import Method, Responses, build, compute
from recipe.dipo.threshold import find_threshold


class Batch(NamedTuple):
    """B responses of up to T tokens, in the dtypes that verl gives them."""

    log_probs: torch.Tensor  # (B, T) float32
    response_mask: torch.Tensor  # (B, T) int64
    token_level_rewards: torch.Tensor  # (B, T) float32, the score at the last token
    correct: torch.Tensor  # (B,) bool
    uid: np.ndarray  # (B,) str
    group: torch.Tensor  # (B,) int64


def make_batch(responses: int, tokens: int, group_size: int) -> Batch:
    """Draws a batch: a third of the groups hard, a third easy; wrong responses tend to a higher perplexity."""
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(responses) // group_size
    coin = torch.rand(responses, generator=generator) < 0.5
    correct = (group % 3 == 1) | ((group % 3 == 2) & coin)
    scale = 0.1 + torch.rand(responses, generator=generator) * torch.where(correct, 0.4, 0.6)
    length = torch.randint(1, tokens + 1, (responses,), generator=generator)
    response_mask = (torch.arange(tokens) < length.unsqueeze(-1)).long()
    rewards = torch.zeros(responses, tokens)
    rewards[torch.arange(responses), length - 1] = correct.float()
    return Batch(
        log_probs=-torch.rand(responses, tokens, generator=generator) * scale.unsqueeze(-1),
        response_mask=response_mask,
        token_level_rewards=rewards,
        correct=correct,
        uid=np.array([f"uid-{number}" for number in group.tolist()], dtype=object),
        group=group,
    )


def run_verl(batch: Batch) -> torch.Tensor:
    """verl's GRPO estimator alone."""
    advantage, _ = compute_grpo_outcome_advantage(batch.token_level_rewards, batch.response_mask, batch.uid)
    return advantage


def run_dipo(batch: Batch, method: Method) -> torch.Tensor:
    """The whole of DiPO's computation in a step, from log-probs and token-level rewards to token-level advantages."""
    responses = Responses(
        batch.token_level_rewards.sum(dim=-1),
        batch.correct,
        torch.ones_like(batch.correct),
        batch.group,
        sequence_perplexity(batch.log_probs, batch.response_mask),
        step=1,
    )
    return compute(method, responses).advantage.unsqueeze(-1) * batch.response_mask


def milliseconds(call: Callable[[], object]) -> float:
    """Times one call."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def spread(values: list[float]) -> dict[str, float]:
    """Returns the least, the median and the largest."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def measure(responses: int, tokens: int, group_size: int, rounds: int) -> dict[str, dict[str, float]]:
    """Runs one unmeasured and then `rounds` measured rounds of everything."""
    batch = make_batch(responses, tokens, group_size)
    method = build("dipo")
    times: dict[str, list[float]] = {"find_threshold_ms": [], "dipo_ms": [], "verl_grpo_ms": [], "ratio": []}
    for number in range(rounds + 1):
        dipo = milliseconds(lambda: run_dipo(batch, method))
        verl = milliseconds(lambda: run_verl(batch))
        entries = method.queue.snapshot()
        search = milliseconds(lambda entries=entries: find_threshold(*entries, confidence=0.95))
        if number > 0:
            times["find_threshold_ms"].append(search)
            times["dipo_ms"].append(dipo)
            times["verl_grpo_ms"].append(verl)
            times["ratio"].append(dipo / verl)
    return {name: spread(values) for name, values in times.items()}


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=int, default=8192)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    for name in ("responses", "tokens", "group_size", "rounds", "threads"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, but is {getattr(arguments, name)}.")
    return arguments


def main() -> None:
    """Measures and prints."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    figures = measure(arguments.responses, arguments.tokens, arguments.group_size, arguments.rounds)
    if arguments.json:
        print(json.dumps({"arguments": vars(arguments), "figures": figures}))
        return
    print(f"{arguments.responses} responses x {arguments.tokens} tokens, groups of {arguments.group_size},")
    print(f"{2 * arguments.responses} queue entries, {arguments.threads} thread(s), {arguments.rounds} rounds")
    for name, figure in figures.items():
        print(f"{name:18}" + "".join(f"  {key} {value:9.3f}" for key, value in figure.items()))


if __name__ == "__main__":
    main()
