"""Compares a replay with what the run itself decided, which its dumps hold: bit for bit."""

from typing import Any

from groupwise.method import display_of
from groupwise.replay.run import Replayed


def find_differences(replayed: Replayed, name: str) -> list[str] | None:
    """Compares an update with the decision that its dump holds.

    Args:
        replayed: The update, replayed with the settings of the run.
        name: The method's.

    Returns:
        The names of what differs: metrics, and columns of the responses. None where they cannot be compared, since the
        dumps do not hold the batches that the run's method remembered, as in the first steps of a folder that begins
        in the middle of a run.
    """
    decided = replayed.dump.decided
    if decided is None or replayed.outcome is None:
        return None
    remembered = decided["methods"][name].get("queue_batches", 1) * decided["updates_per_step"]
    if _starts_in_the_middle(replayed, remembered):
        return None
    return [*_differing_metrics(decided, replayed, name), *_differing_columns(decided, replayed, name)]


def name_of(replayed: Replayed) -> str:
    """Names an update: its step, and behind a colon the number of a later update of the same step."""
    batch = replayed.batch
    return f"{batch.step}:{batch.update}" if batch.update else f"{batch.step}"


def _starts_in_the_middle(replayed: Replayed, remembered: int) -> bool:
    is_whole_run = replayed.history >= replayed.batch.step - 1 + replayed.batch.update
    return replayed.history < remembered - 1 and not is_whole_run


def _differing_metrics(decided: dict[str, Any], replayed: Replayed, name: str) -> list[str]:
    assert replayed.outcome is not None  # looked at by the caller
    logged, now = decided["updates"][replayed.batch.update]["metrics"], replayed.outcome.metrics
    before = {key: value for key, value in logged.items() if key.startswith(display_of(name).full(""))}
    # A later version may log more than the run did.
    return [key for key in sorted(before) if before[key] != now.get(key)]


def _differing_columns(decided: dict[str, Any], replayed: Replayed, name: str) -> list[str]:
    outcome = replayed.outcome
    assert outcome is not None  # looked at by the caller
    base = replayed.batch.responses.base_advantage(normalize_by_std=decided["normalize_by_std"])
    now: dict[str, Any] = dict(outcome.columns)
    # Other estimators than GRPO have advantages of their own, which a dump leaves out.
    if decided["estimator"] in (name, "grpo"):
        after = outcome.advantage if decided["estimator"] == name else base
        now |= {"advantage_before": base.double().tolist(), "advantage_after": after.double().tolist()}
    table = replayed.dump.table.take(replayed.batch.rows)
    return [column for column, values in now.items() if table[column].to_pylist() != values]
