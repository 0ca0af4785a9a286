"""What cost_growth.py measured, as Markdown and as the file that is committed."""

import json
from typing import Any

from cost_bandwidth import limit_seconds

PEAKS = ("dipo", "verl_grpo", "controller_grpo", "controller_padded", "controller_dipo")


def table(results: dict[str, Any]) -> str:
    """Puts results into a Markdown table.

    Args:
        results: What `measure` gave.

    Returns:
        A row a point: processor time and ratios as least, median and largest; the ratio of the least to the limit;
        peak memory in MiB.
    """
    lines = [
        "| responses x tokens | DiPO, ms: min, median, max | verl's GRPO, ms | DiPO / GRPO: min, median, max "
        "| limit, ms | DiPO / limit | controller with GRPO, ms | with DiPO, ms | DiPO / GRPO | padded DiPO / GRPO "
        "| peak MiB: DiPO, GRPO, controller with GRPO, padded DiPO, DiPO |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for point in results["points"]:
        seconds, peaks = point["seconds"], point["peak_bytes"]
        bandwidth = results["bandwidth"][str(point["threads"])]
        # The bandwidth is that of its best round, so it is held against the best one.
        limit, dipo = limit_seconds(point["responses"], point["tokens"], bandwidth), seconds["dipo"]
        name = f"{point['responses']:,} x {point['tokens']:,}"
        name += f", {point['threads']} threads" if point["threads"] > 1 else ""
        cells = [
            name,
            milliseconds(seconds["dipo"]),
            milliseconds(seconds["verl_grpo"]),
            ratio(point, "dipo/verl_grpo"),
            f"{1e3 * limit:.1f}",
            f"{dipo['min'] / limit:.1f}",
            milliseconds(seconds["controller_grpo"]),
            milliseconds(seconds["controller_dipo"]),
            ratio(point, "controller_dipo/controller_grpo"),
            ratio(point, "controller_padded/controller_grpo"),
            ", ".join(f"{peaks[name] / 2**20:,.0f}" for name in PEAKS),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def milliseconds(found: dict[str, float]) -> str:
    """Words least, median and largest."""
    return ", ".join(f"{1e3 * found[name]:,.1f}" for name in ("min", "median", "max"))


def ratio(point: dict[str, Any], name: str) -> str:
    """Words a ratio's least, median and largest."""
    return ", ".join(f"{point['ratios'][name][key]:.2f}" for key in ("min", "median", "max"))


def describe_bandwidth(results: dict[str, Any]) -> str:
    """Words the machine and its bandwidth."""
    machine = results["machine"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores, torch {machine['torch']}"]
    for threads, found in results["bandwidth"].items():
        rates = ", ".join(f"{name} {rate / 1e9:.1f}" for name, rate in found.items())
        lines.append(f"memory bandwidth with {threads} thread(s), GB/s: {rates}")
    return "\n".join(lines)


def to_json(results: dict[str, Any]) -> str:
    """Writes results with a line for the machine, one for the bandwidth and one a point."""
    points = ",\n  ".join(json.dumps(point) for point in results["points"])
    head = ",\n ".join(f'"{name}": {json.dumps(results[name])}' for name in ("machine", "bandwidth"))
    return f'{{{head},\n "points": [\n  {points}\n ]}}\n'
