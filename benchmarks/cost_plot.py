"""The figure of cost_growth.py: time against responses and against tokens, beside the limit."""

from pathlib import Path
from typing import Any

from cost_bandwidth import limit_seconds
from cost_growth import FIXED_RESPONSES, FIXED_TOKENS

CURVES = {
    "controller_grpo": ("controller, plain GRPO", "tab:blue", "--"),
    "controller_dipo": ("controller, DiPO", "tab:orange", "--"),
    "dipo": ("DiPO's phase", "tab:orange", "-"),
    "verl_grpo": ("verl's GRPO estimator", "tab:blue", "-"),
}


def sweep(results: dict[str, Any], along: str, fixed: str, value: int) -> list[dict[str, Any]]:
    """Picks a sweep's points, measured with one thread.

    Args:
        results: What was measured.
        along: The field that changes.
        fixed: The field that does not.
        value: Its value.

    Returns:
        The points in ascending order, those held out left out.
    """
    found = [
        point
        for point in results["points"]
        if point[fixed] == value and point["threads"] == 1 and not point["held_out"]
    ]
    return sorted(found, key=lambda point: point[along])


def plot(results: dict[str, Any], file: Path) -> None:
    """Draws the figure.

    Args:
        results: What was measured.
        file: Where the PNG goes; its folder is made.
    """
    # Heavy, and not needed for the table.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    sweeps = (
        ("responses", "tokens", FIXED_TOKENS, f"responses a step, of up to {FIXED_TOKENS:,} tokens"),
        ("tokens", "responses", FIXED_RESPONSES, f"tokens a response at most, {FIXED_RESPONSES:,} responses"),
    )
    for panel, (along, fixed, value, label) in zip(panels, sweeps, strict=True):
        points = sweep(results, along, fixed, value)
        if not points:
            panel.set_axis_off()
            continue
        where = [point[along] for point in points]
        for name, (text, color, style) in CURVES.items():
            found = [[point["seconds"][name][key] for point in points] for key in ("median", "min", "max")]
            panel.plot(where, found[0], style, color=color, marker="o", markersize=3, label=text)
            panel.fill_between(where, found[1], found[2], color=color, alpha=0.15, linewidth=0)
        limits = [limit_seconds(point["responses"], point["tokens"], results["bandwidth"]["1"]) for point in points]
        panel.plot(where, limits, ":", color="black", label="limit: memory bandwidth")
        panel.set(xscale="log", yscale="log", xlabel=label)
        panel.set_xticks(where, [f"{count:,}" for count in where], minor=False)
        panel.minorticks_off()
        panel.grid(alpha=0.3)
        panel.set_ylabel("processor seconds a step, one thread")
        panel.legend(fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130)
