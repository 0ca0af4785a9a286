"""The controller's load on paper: bytes through TransferQueue, seconds and memory, for a step of any size.

Time and memory of the advantage phase come from what cost_growth.py measured, fitted by `a + b B + c B T` with B
responses padded to T tokens; the points held out there say how far that holds. Bytes come from scale_fields.py.
Everything else is an assumption, named in what is printed.

    python benchmarks/scale_model.py
    python benchmarks/scale_model.py --prompts 512 --samples 16 --tokens 8192 --gpus 64
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from cost_growth import RESULTS
from scale_fields import FIELDS, Field, Load, bytes_of, framing_bytes, listing_bytes
from scale_fit import check_table, fit_all

POLL_SECONDS = 2.0
"""verl's replay buffer looks that often whether a batch is complete."""

SCALARS = 20
"""Bytes of a response that DiPO would need if the workers summed: float64 log-prob, int32 count, float32 reward, int32
verdict."""


class Cluster(NamedTuple):
    """What is assumed of the cluster.

    Attributes:
        gpus: Number of GPUs.
        parameters: Of the model.
        generation: Tokens a second that a GPU generates.
        flops: Of a GPU in training, after utilisation.
        network: Bytes a second that reach the controller.
        memory: Bytes of the controller's node.
    """

    gpus: int
    parameters: float
    generation: float
    flops: float
    network: float
    memory: float

    def step_seconds(self, generated: float) -> float:
        """Estimates a step without the controller: generation, and 10 x parameters x tokens of training."""
        return (generated / self.generation + 10 * self.parameters * generated / self.flops) / self.gpus

    def generation_seconds(self, generated: float) -> float:
        """Estimates its generation."""
        return generated / self.generation / self.gpus


def bytes_table(load: Load) -> str:
    """Lists what each field moves.

    Args:
        load: The step.

    Returns:
        A Markdown table, with sums by who moves it.
    """
    lines = ["| phase | field | bytes a token | bytes a response beside | GB a step |", "|---|---|---|---|---|"]
    for field in FIELDS:
        per_token = f"{field.response_token}" + (f", of prompts {field.prompt_token}" if field.prompt_token else "")
        lines.append(
            f"| {field.phase} | `{field.name}` | {per_token} | {framing_bytes(field):.0f} "
            f"| {bytes_of(field, load) / 1e9:,.1f} |"
        )
    for name, by_dipo in (("with verl's GRPO", False), ("with DiPO", True)):
        lines.append(f"| **{name}** | | {per_token_of(by_dipo)} | | **{moved_bytes(load, by_dipo) / 1e9:,.1f}** |")
    return "\n".join(lines)


def fields_of(by_dipo: bool) -> list[Field]:
    """Picks the fields that move with DiPO, or with verl's GRPO."""
    return [field for field in FIELDS if field.by_dipo in (None, by_dipo)]


def per_token_of(by_dipo: bool) -> int:
    """Sums their bytes for a token of a response."""
    return sum(field.response_token for field in fields_of(by_dipo))


def moved_bytes(load: Load, by_dipo: bool) -> float:
    """Sums their bytes in a step."""
    return sum(bytes_of(field, load) for field in fields_of(by_dipo))


def summary(results: dict[str, Any], load: Load, cluster: Cluster) -> dict[str, float]:
    """Computes the controller's load.

    Args:
        results: What cost_growth.py wrote.
        load: The step.
        cluster: The cluster.

    Returns:
        Seconds, bytes and limits by what they are.
    """
    seconds, peaks = fit_all(results, "seconds"), fit_all(results, "peak_bytes")
    here = (load.responses, load.tokens)
    step = cluster.step_seconds(load.generated)
    polls = cluster.generation_seconds(load.generated) / POLL_SECONDS
    verl_wire = moved_bytes(load, by_dipo=False) / cluster.network
    dipo_wire = moved_bytes(load, by_dipo=True) / cluster.network
    verl_cpu, dipo_cpu = (seconds[f"controller_{name}"].at(*here) for name in ("grpo", "dipo"))
    memory = {name: peaks[f"controller_{name}"].at(*here) for name in ("grpo", "dipo")}
    verl_whole, dipo_whole = verl_wire + verl_cpu, dipo_wire + dipo_cpu
    return {
        "step without the controller, s": step,
        "verl: bytes on the wire, s": verl_wire,
        "verl: advantage phase in the controller, s": verl_cpu,
        "verl: listings while it waits, GB": polls / 2 * load.responses * listing_bytes() / 1e9,
        "DiPO: bytes on the wire, s": dipo_wire,
        "DiPO: advantage phase in the controller, s": dipo_cpu,
        "of that DiPO's own computation, s": seconds["dipo"].at(*here),
        "at memory bandwidth it would be, s": load.generated * bandwidth_seconds(results),
        "DiPO's step less verl's, % of verl's": 100 * (dipo_whole - verl_whole) / (step + verl_whole),
        "controller in all with verl's GRPO, % of a step": 100 * verl_whole / (step + verl_whole),
        "controller in all with DiPO, % of a step": 100 * dipo_whole / (step + dipo_whole),
        "peak memory of the advantage phase, plain GRPO, GiB": memory["grpo"] / 2**30,
        "peak memory of the advantage phase, DiPO, GiB": memory["dipo"] / 2**30,
        "responses at which the memory is full, DiPO": load.responses * cluster.memory / memory["dipo"],
        "GPUs at which the controller is 10% of a step, verl's GRPO": step * cluster.gpus / (9 * verl_whole),
        "GPUs at which the controller is 10% of a step, DiPO": step * cluster.gpus / (9 * dipo_whole),
        "DiPO would read with sums made in the workers, GB": load.responses * SCALARS / 1e9,
    }


def bandwidth_seconds(results: dict[str, Any]) -> float:
    """Computes the limit for a token: one read of log-prob and mask, one write of an advantage."""
    found = results["bandwidth"]["1"]
    return 12 / found["read"] + 4 / found["write"]


def read_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=64, help="responses to a prompt")
    parser.add_argument("--tokens", type=int, default=32_768, help="of the longest response")
    parser.add_argument("--fill", type=float, default=0.5, help="mean length over that; 0.5 in the growth runs")
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--gpus", type=int, default=1000)
    parser.add_argument("--parameters", type=float, default=7.6e9)
    parser.add_argument("--generation", type=float, default=5000, help="tokens a second a GPU")
    parser.add_argument("--tflops", type=float, default=0.4 * 989, help="of a GPU in training, after utilisation")
    parser.add_argument("--network-gbit", type=float, default=100, help="that reach the controller")
    parser.add_argument("--memory-gib", type=float, default=2048, help="of the controller's node")
    parser.add_argument("--results", type=Path, default=RESULTS, help="what cost_growth.py wrote")
    return parser.parse_args()


def main() -> None:
    """Prints the model."""
    asked = read_arguments()
    if not asked.results.is_file():
        sys.exit(f"The model is fitted to measurements, but there is no {asked.results}; run cost_growth.py first.")
    results = json.loads(asked.results.read_text(encoding="utf-8"))
    load = Load(asked.prompts * asked.samples, asked.tokens, asked.fill, asked.prompt_tokens)
    cluster = Cluster(
        asked.gpus,
        asked.parameters,
        asked.generation,
        asked.tflops * 1e12,
        asked.network_gbit / 8 * 1e9,
        asked.memory_gib * 2**30,
    )
    print(f"{load.responses:,} responses of up to {load.tokens:,} tokens, {load.fill:.0%} of that on average,")
    print(f"{load.generated / 1e9:,.2f} billion generated tokens a step; {cluster}\n")
    print(f"{bytes_table(load)}\n\n| | |\n|---|---|")
    for name, value in summary(results, load, cluster).items():
        print(f"| {name} | {value:,.{0 if value >= 1000 else 2}f} |")
    print(f"\n{check_table(results)}")


if __name__ == "__main__":
    main()
