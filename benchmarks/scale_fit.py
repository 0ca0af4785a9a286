"""Growth of what cost_growth.py measured, fitted, and checked at the points that it holds out."""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls


class Growth(NamedTuple):
    """A quantity of a step, `constant + per_response B + per_token B T`."""

    constant: float
    per_response: float
    per_token: float

    def at(self, responses: float, tokens: float) -> float:
        """Evaluates it."""
        return self.constant + self.per_response * responses + self.per_token * responses * tokens


def fit(points: list[dict[str, Any]], values: list[float]) -> Growth:
    """Fits a growth, none of its terms negative, by least squares of the relative errors.

    Args:
        points: With `responses` and `tokens`.
        values: What was measured at each, above 0.

    Returns:
        The growth.

    Raises:
        ValueError: There are fewer points than terms.
    """
    if len(points) < 3:
        raise ValueError(f"A fit of three terms needs at least three points, but there are {len(points)}.")
    terms = np.array([[1.0, point["responses"], point["responses"] * point["tokens"]] for point in points])
    weighted = terms / np.array(values)[:, None]
    # Columns of one size: they differ by nine orders of magnitude.
    scale = weighted.max(axis=0)
    found, _ = nnls(weighted / scale, np.ones(len(points)))
    return Growth(*(float(value) for value in found / scale))


def fit_all(results: dict[str, Any], key: str) -> dict[str, Growth]:
    """Fits each measurement to the points that are not held out.

    Args:
        results: What cost_growth.py wrote.
        key: "seconds" or "peak_bytes".

    Returns:
        Growth by measurement.
    """
    points = fitted_points(results)
    return {name: fit(points, [value_at(point, key, name) for point in points]) for name in points[0][key]}


def fitted_points(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Picks the points with one thread that are not held out."""
    return [point for point in results["points"] if point["threads"] == 1 and not point["held_out"]]


def value_at(point: dict[str, Any], key: str, name: str) -> float:
    """Reads a measurement: the median of its seconds, or its peak, of at least a MiB (a page more or less says
    nothing)."""
    value = point[key][name]
    return value["median"] if key == "seconds" else max(value, 2**20)


def check_table(results: dict[str, Any]) -> str:
    """Compares the fit with the points that are held out.

    Args:
        results: What cost_growth.py wrote.

    Returns:
        A Markdown table.
    """
    lines = ["| held out | measurement | predicted | measured | error |", "|---|---|---|---|---|"]
    held_out = [point for point in results["points"] if point["threads"] == 1 and point["held_out"]]
    for key, unit, size in (("seconds", "ms", 1e-3), ("peak_bytes", "MiB", 2**20)):
        growths = fit_all(results, key)
        for point in held_out:
            for name, growth in growths.items():
                predicted = growth.at(point["responses"], point["tokens"])
                measured = value_at(point, key, name)
                lines.append(
                    f"| {point['responses']:,} x {point['tokens']:,} | {name}, {unit} | {predicted / size:,.1f} "
                    f"| {measured / size:,.1f} | {predicted / measured - 1:+.0%} |"
                )
    return "\n".join(lines)
