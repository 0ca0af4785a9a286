"""The comparison of two runs in numbers: what the table shows and comparison.json holds."""

import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from groupwise.errors import GroupwiseError
from groupwise.record.run_log import RunLog

MISSING = "not logged"
CAVEAT = "One seed: an illustration, not evidence."


class Summary(NamedTuple):
    """A run in numbers. Everything that its log lacks is None.

    Attributes:
        last_step: Last training step.
        validation_kind: Such as "mean@8".
        validation_before: Accuracy at step 0, in [0, 1].
        validation_after: Accuracy at the last validation after step 0, in [0, 1].
        zero_advantage_share: Share of responses without an advantage, mean over the steps.
        reallocated_up: Hard groups in which a reward was reallocated, over the whole run.
        reallocated_down: The same for easy groups.
        steps_with_reallocation: Steps in which any group was touched.
        entropy_first: Entropy of the policy in the first step, nats per token.
        entropy_last: The same in the last step.
        seconds_per_step: Median of the training steps; verl times validation apart.
        peak_memory_gib: Of all processes of the run together.
    """

    last_step: int
    validation_kind: str
    validation_before: float | None
    validation_after: float | None
    zero_advantage_share: float | None
    reallocated_up: int | None
    reallocated_down: int | None
    steps_with_reallocation: int | None
    entropy_first: float | None
    entropy_last: float | None
    seconds_per_step: float | None
    peak_memory_gib: float | None


def reallocations(run: RunLog) -> tuple[list[int], list[float], list[float]]:
    """Picks how many groups were reallocated.

    Args:
        run: A run with DiPO's metrics.

    Returns:
        The steps, and the groups touched in each: hard ones (reward given) and easy ones (reward taken).
    """
    steps, (up, down) = run.together("dipo/reallocated_total/up", "dipo/reallocated_total/down")
    return steps, up, down


def summarize(run: RunLog, *, applies_dipo: bool, memory: float | None) -> Summary:
    """Puts a run into numbers.

    Args:
        run: Its log.
        applies_dipo: Whether it trained with DiPO; a GRPO run logs what DiPO would have done, and did none of it.
        memory: Peak memory in bytes, None where it was not measured.

    Returns:
        The numbers.
    """
    kind, validated, accuracy = run.validation()
    share = run.series(f"dipo/gradient_share/{'dipo' if applies_dipo else 'grpo'}")[1]
    entropy = run.series("actor/entropy")[1]
    seconds = run.series("timing_s/step")[1]
    touched, up, down = reallocations(run)
    if not applies_dipo:
        touched, up, down = [0], [0.0], [0.0]
    logged = bool(touched)
    return Summary(
        last_step=max(run.steps),
        validation_kind=kind,
        validation_before=accuracy[0] if validated and validated[0] == 0 else None,
        validation_after=accuracy[-1] if validated and validated[-1] > 0 else None,
        zero_advantage_share=1 - statistics.fmean(share) if share else None,
        reallocated_up=int(sum(up)) if logged else None,
        reallocated_down=int(sum(down)) if logged else None,
        steps_with_reallocation=sum(u + d > 0 for u, d in zip(up, down, strict=True)) if logged else None,
        entropy_first=entropy[0] if entropy else None,
        entropy_last=entropy[-1] if entropy else None,
        seconds_per_step=statistics.median(seconds) if seconds else None,
        peak_memory_gib=memory / 2**30 if memory is not None else None,
    )


def read_peak_memory(metrics_file: Path) -> float | None:
    """Reads memory.json beside a run's metrics.

    Args:
        metrics_file: The run's metrics.

    Returns:
        Bytes, None where the launcher did not measure.

    Raises:
        GroupwiseError: The file holds no such number.
    """
    file = metrics_file.with_name("memory.json")
    if not file.is_file():
        return None
    try:
        return float(json.loads(file.read_text())["peak_bytes"])
    except (ValueError, KeyError, TypeError):
        raise GroupwiseError(
            f"{file} must hold a number `peak_bytes`, but does not; delete it, or run again."
        ) from None


def _format(value: float | None, pattern: str) -> str:
    return MISSING if value is None else pattern.format(value)


def _arrow(first: float | None, last: float | None, pattern: str) -> str:
    if first is None and last is None:
        return MISSING
    return f"{_format(first, pattern)} → {_format(last, pattern)}"


def _change(summary: Summary) -> str:
    if summary.validation_before is None or summary.validation_after is None:
        return MISSING
    return f"{(summary.validation_after - summary.validation_before) * 100:+.1f} points"


def _reallocated(summary: Summary) -> str:
    if summary.reallocated_up is None:
        return MISSING
    if not summary.steps_with_reallocation:
        return "none"
    return f"{summary.reallocated_up} up, {summary.reallocated_down} down"


def rows(grpo: Summary, dipo: Summary) -> list[tuple[str, str, str]]:
    """Words the table.

    Args:
        grpo: The run with `adv_estimator=grpo`.
        dipo: The run with `adv_estimator=dipo`.

    Returns:
        Label, GRPO's cell and DiPO's cell of each row.
    """
    kind = dipo.validation_kind

    def row(label: str, cell: Any) -> tuple[str, str, str]:
        return label, cell(grpo), cell(dipo)

    return [
        row("training steps", lambda s: str(s.last_step)),
        row(f"validation accuracy, {kind}", lambda s: _arrow(s.validation_before, s.validation_after, "{:.1%}")),
        row("  change", _change),
        row("responses without advantage", lambda s: _format(s.zero_advantage_share, "{:.1%}")),
        row("groups reallocated", _reallocated),
        row(
            "  in steps",
            lambda s: MISSING if s.steps_with_reallocation is None else f"{s.steps_with_reallocation} of {s.last_step}",
        ),
        row("entropy, nats per token", lambda s: _arrow(s.entropy_first, s.entropy_last, "{:.3f}")),
        row("seconds per step, median", lambda s: _format(s.seconds_per_step, "{:.1f}")),
        row("peak memory, GiB", lambda s: _format(s.peak_memory_gib, "{:.1f}")),
    ]


def table(grpo: Summary, dipo: Summary) -> str:
    """Sets the table in plain text.

    Args:
        grpo: The run with `adv_estimator=grpo`.
        dipo: The run with `adv_estimator=dipo`.

    Returns:
        The lines of the table, the caveat included.
    """
    body = [("", "GRPO", "DiPO"), *rows(grpo, dipo)]
    widths = [max(len(line[column]) for line in body) for column in range(3)]
    lines = [f"{a:<{widths[0]}}   {b:>{widths[1]}}   {c:>{widths[2]}}" for a, b, c in body]
    rule = "─" * len(lines[0])
    return "\n".join([rule, lines[0], rule, *lines[1:], rule, CAVEAT])
