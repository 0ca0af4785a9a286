"""A step in one line: the few of its numbers that matter, for the terminal."""

from collections.abc import Mapping


def describe(metrics: Mapping[str, float], *, applied: bool) -> str:
    """Words the metrics of a step: `hard 31% easy 12% tau 1.42 (err 0.21) up 5 down 2`.

    Args:
        metrics: What the step logs; what is absent is left out.
        applied: Whether the reallocated rewards are trained on; otherwise they are what DiPO would do.

    Returns:
        The line, without an end; empty where the step logs nothing of DiPO.
    """
    parts = [
        f"{kind} {share:.0%}"
        for kind in ("hard", "easy")
        if (share := metrics.get(f"dipo/group_share/{kind}")) is not None
    ]
    tau, error = metrics.get("dipo/threshold/value"), metrics.get("dipo/threshold/error_rate")
    if tau is not None and error is not None:
        parts.append(f"tau {tau:.2f} (err {error:.2f})")
    elif "dipo/threshold/admissible" in metrics:
        parts.append("no tau")
    up, down = metrics.get("dipo/reallocated_total/up"), metrics.get("dipo/reallocated_total/down")
    if up is not None and down is not None:
        parts.append(f"{'' if applied else 'would be '}up {up:.0f} down {down:.0f}")
    return " ".join(parts)
