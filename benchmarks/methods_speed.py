"""Times every method's whole computation of a step against verl's GRPO estimator on the same batch.

From log-probs and token-level rewards to token-level advantages, with the perplexities and the measures that every
method logs. Method and estimator take turns, and what is timed is this process on its core, so that what else the
machine does meets both alike and counts for neither.

    python benchmarks/methods_speed.py
    python benchmarks/methods_speed.py --responses 2048 --rounds 3 lens rl_zvp
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from core_speed import Batch, make_batch, run_verl

from groupwise.hook.estimator import Bound, bind, give_advantages
from groupwise.maths.perplexity import sequence_perplexity
from groupwise.method import METHODS, Method, Responses, Tokens, build, compute


def run_method(batch: Batch, method: Method, mask: torch.Tensor, entropies: torch.Tensor) -> torch.Tensor:
    """What the hook does in a step; masks and entropies are at hand there."""
    responses = Responses(
        batch.token_level_rewards.sum(dim=-1),
        batch.correct,
        torch.ones_like(batch.correct),
        batch.group,
        sequence_perplexity(batch.log_probs, mask),
        step=250,
        tokens=Tokens(batch.log_probs, mask, entropies) if method.needs else None,
    )
    with bind(Bound(torch.arange(len(mask)), compute(method, responses).advantage)):
        return give_advantages(batch.token_level_rewards, batch.response_mask)[0]


def milliseconds(call: Callable[[], object]) -> float:
    """The processor time of one call."""
    start = time.process_time()
    call()
    return 1000 * (time.process_time() - start)


def measure(names: list[str], responses: int, tokens: int, rounds: int) -> dict[str, dict[str, float]]:
    """One unmeasured and then `rounds` measured rounds of every method, each beside the estimator."""
    batch = make_batch(responses, tokens, 8)
    mask, entropies = batch.response_mask.bool(), torch.rand(responses, tokens)
    methods = {name: build(name) for name in names}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name, method in methods.items():
            ours = milliseconds(lambda method=method: run_method(batch, method, mask, entropies))
            verls = milliseconds(lambda: run_verl(batch))
            if number > 0:
                times[name].append((ours, verls))
    return {
        name: {
            "method_ms": statistics.median(ours for ours, _ in pairs),
            "verl_ms": statistics.median(verls for _, verls in pairs),
            "ratio": statistics.median(ours / verls for ours, verls in pairs),
            "least": min(ours / verls for ours, verls in pairs),
            "largest": max(ours / verls for ours, verls in pairs),
        }
        for name, pairs in times.items()
    }


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=list(METHODS), help="names; all of them unless given")
    parser.add_argument("--responses", type=int, default=8192)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print("| method | ratio, median (least to largest) | ms, median | verl's, ms |\n| --- | --- | --- | --- |")
    for name, found in measure(arguments.methods, arguments.responses, arguments.tokens, arguments.rounds).items():
        spread = f"{found['ratio']:.2f} ({found['least']:.2f} to {found['largest']:.2f})"
        print(f"| `{name}` | {spread} | {found['method_ms']:.0f} | {found['verl_ms']:.0f} |")


if __name__ == "__main__":
    main()
