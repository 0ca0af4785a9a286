"""Compares a replay with what the run itself decided, which its dumps hold: bit for bit."""

from typing import Any

from recipe.dipo.replay.run import Replayed

COLUMNS = ("reallocated_reward", "touched", "chosen", "group_kind", "quadrant", "advantage_before", "advantage_after")
"""What a dump says of each response that a replay decides again."""


def find_differences(replayed: Replayed) -> list[str] | None:
    """Compares an update with the decision that its dump holds.

    Args:
        replayed: The update, replayed with the settings of the run.

    Returns:
        The names of what differs: threshold, queue, metrics, and columns of the responses. None where they cannot be
        compared, since the dumps do not hold the batches that the run's queue had, as in the first steps of a folder
        that begins in the middle of a run.
    """
    decided = replayed.dump.decided
    if decided is None or replayed.step is None:
        return None
    if _starts_in_the_middle(replayed, decided["settings"]["queue_batches"]):
        return None
    return [*_differing_numbers(decided, replayed), *_differing_columns(decided, replayed)]


def name_of(replayed: Replayed) -> str:
    """Names an update: its step, and behind a colon the number of a later update of the same step."""
    batch = replayed.batch
    return f"{batch.step}:{batch.update}" if batch.update else f"{batch.step}"


def _starts_in_the_middle(replayed: Replayed, queue_batches: int) -> bool:
    is_whole_run = replayed.history >= replayed.batch.step - 1 + replayed.batch.update
    return replayed.history < queue_batches - 1 and not is_whole_run


def _differing_numbers(decided: dict[str, Any], replayed: Replayed) -> list[str]:
    logged, step = decided["updates"][replayed.batch.update], replayed.step
    assert step is not None  # looked at by the caller
    threshold = None if step.threshold is None else step.threshold._asdict()
    pairs = {
        "threshold": (logged["threshold"], threshold),
        "queue_size": (logged["queue_size"], step.queue_size),
        **{
            name: (logged["metrics"].get(name), replayed.metrics.get(name))
            for name in sorted(logged["metrics"].keys() | replayed.metrics.keys())
        },
    }
    return [name for name, (before, now) in pairs.items() if before != now]


def _differing_columns(decided: dict[str, Any], replayed: Replayed) -> list[str]:
    labels, advantages, step = replayed.labels, replayed.advantages, replayed.step
    assert labels is not None  # looked at by the caller
    assert advantages is not None
    assert step is not None
    is_applied = decided["applied"]
    # Other estimators than GRPO have advantages of their own, which a dump leaves out.
    known = COLUMNS if decided["estimator"] in ("dipo", "grpo") else COLUMNS[:-2]
    now = {
        **labels._asdict(),
        "reallocated_reward": step.reallocated.double().tolist(),
        "advantage_before": advantages.verified.double().tolist(),
        "advantage_after": (advantages.dipo if is_applied else advantages.verified).double().tolist(),
    }
    table = replayed.dump.table.take(replayed.batch.rows)
    return [name for name in COLUMNS if name in known and table[name].to_pylist() != now[name]]
