"""What a soak must show, from its records, its metrics and its dumps. soak.py says what a soak is."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from soak_events import SENTENCE, AttemptRecord, Check, Event


def check_lineage(attempts: Sequence[AttemptRecord], *, total: int) -> Check:
    """Every step must be trained exactly once in what the final model came from.

    Args:
        attempts: All of them.
        total: The final step.

    Returns:
        The check. What an attempt trained behind the checkpoint of a later one is thrown away.
    """
    faults, kept = [], Counter[int]()
    for place, attempt in enumerate(attempts):
        first = attempt.steps[0] if attempt.steps else attempt.checkpoint + 1
        if first != attempt.checkpoint + 1:
            faults.append(
                f"Attempt {attempt.number} must go on with step {attempt.checkpoint + 1}, but began with {first}."
            )
        if attempt.steps != list(range(first, first + len(attempt.steps))):
            faults.append(f"Attempt {attempt.number} must train one step after another, but logged {attempt.steps}.")
        if attempt.missing:
            faults.append(f"The checkpoint of step {attempt.checkpoint} must be whole, but lacks {attempt.missing}.")
        kept.update(range(first, _kept_until(attempt, attempts[place + 1 :]) + 1))
    lost = [step for step in range(1, total + 1) if not kept[step]]
    again = sorted(step for step, times in kept.items() if times > 1)
    beyond = sorted(step for step in kept if step > total)
    faults += [f"Steps {lost} must be in the final model, but are not."] if lost else []
    faults += [f"Steps {again} must be in the final model once, but are there twice."] if again else []
    faults += [f"Training must end at step {total}, but went on to {beyond}."] if beyond else []
    return Check("every step trained once", faults, f"{len(kept)} of {total} steps in {len(attempts)} attempts")


def _kept_until(attempt: AttemptRecord, later: Sequence[AttemptRecord]) -> int:
    last = attempt.steps[-1] if attempt.steps else attempt.checkpoint
    if not later:
        return last
    # The step that a checkpoint is written in is logged behind it, so a kill in between leaves it unlogged.
    return min(last + 1, *(after.checkpoint for after in later))


def check_redone(attempts: Sequence[AttemptRecord], *, save_every: int) -> Check:
    """A kill must cost no more than the steps since the last checkpoint."""
    redone = {
        attempt.number: max(attempt.steps[-1] - after.checkpoint, 0)
        for attempt, after in pairwise(attempts)
        if attempt.steps
    }
    faults = [
        f"Attempt {number} must lose at most {save_every} steps, but lost {lost}."
        for number, lost in redone.items()
        if lost > save_every
    ]
    return Check("work redone", faults, f"{sum(redone.values())} steps, at most {max(redone.values(), default=0)}")


def check_ends(attempts: Sequence[AttemptRecord]) -> Check:
    """A kill must end the run by itself, in time, with a sentence; the last attempt must come to its end."""
    faults = []
    for attempt in attempts:
        kind = attempt.kill["kind"] if attempt.kill else None
        name = f"Attempt {attempt.number} ({kind or 'not killed'})"
        if attempt.end["hung"]:
            faults.append(f"{name} must end by itself, but hung; it was ended after {attempt.end['seconds']:.0f} s.")
        elif kind is None and attempt is not attempts[-1]:
            faults.append(f"{name} must not end before its time, but did: {attempt.end['error']}")
        elif kind not in (None, "driver") and SENTENCE not in attempt.end["error"]:
            faults.append(f"{name} must end with a sentence, but ended with: {attempt.end['error']}")
        if kind != "driver" and attempt.end["left"]:
            faults.append(f"{name} must leave no process, but left {attempt.end['left']}.")
        if attempt.survivors:
            faults.append(f"{name} must end what was left of the attempt before, but {attempt.survivors} lived on.")
    if attempts and attempts[-1].end["code"] != 0:
        faults.append(f"The last attempt must end with 0, but ended with {attempts[-1].end['code']}.")
    seconds = [attempt.end["seconds"] for attempt in attempts if attempt.kill]
    longest = f"; the run ended {min(seconds):.0f} to {max(seconds):.0f} s after" if seconds else ""
    return Check("each kill ends the run, which resumes", faults, f"{len(seconds)} kills{longest}")


def check_log(steps: Iterable[int], *, total: int) -> Check:
    """The joined metrics must hold each step once.

    Args:
        steps: The steps that `groupwise.record.run_log.read_run` gave.
        total: The final step.

    Returns:
        The check.
    """
    # One by one: of a mapping Counter would take the values for counts.
    found = Counter(iter(steps))
    lost = [step for step in range(1, total + 1) if not found[step]]
    others = sorted(step for step, times in found.items() if times > 1 or not 1 <= step <= total)
    faults = [f"Steps {lost} must have metrics, but have none."] if lost else []
    faults += [f"Steps {others} must not be logged, or once."] if others else []
    return Check("metrics of each step", faults, f"{len(found)} of {total} steps")


def check_data(
    dumped: Mapping[int, Sequence[tuple[str, str]]], expected: Mapping[int, Sequence[str]], *, responses: int
) -> Check:
    """Each step must have trained on the prompts that a dataloader gives which is never interrupted.

    Args:
        dumped: The uid and the prompt of each response, by step.
        expected: The prompts of each step.
        responses: Responses a prompt.

    Returns:
        The check.
    """
    faults, seen = [], dict[str, int]()
    for step, prompts in expected.items():
        groups = Counter(dumped.get(step, ()))
        if not groups:
            faults.append(f"Step {step} must be dumped, but is not.")
            continue
        if sorted(prompt for _, prompt in groups) != sorted(prompts):
            faults.append(f"Step {step} must train on {sorted(prompts)}, but did on {sorted(p for _, p in groups)}.")
        if set(groups.values()) != {responses}:
            faults.append(f"Step {step} must have {responses} responses a prompt, but has {sorted(groups.values())}.")
        twice = sorted({seen[uid] for uid, _ in groups if uid in seen})
        if twice:
            faults.append(f"Step {step} must have groups of its own, but has some of steps {twice}.")
        seen.update((uid, step) for uid, _ in groups)
    return Check("order of the data", faults, f"{len(seen)} groups of {len(expected)} steps")


def check_replay(differences: Mapping[str, list[str] | None], *, total: int) -> Check:
    """The replay must find every decision, with one queue over all attempts.

    Args:
        differences: What `groupwise.replay` found for each step: empty for none, None for not compared.
        total: The final step.

    Returns:
        The check.
    """
    wanted = [str(step) for step in range(1, total + 1)]
    lost = [step for step in wanted if differences.get(step) is None]
    faults = [f"Steps {', '.join(lost)} must be replayed, but were not."] if lost else []
    faults += [
        f"Step {step} must be decided as the replay does, but differs in {', '.join(names)}."
        for step, names in differences.items()
        if names
    ]
    same = sum(names == [] for names in differences.values())
    return Check("queue over all attempts", faults, f"{same} of {total} steps replayed bit for bit")


def check_left(after: Event) -> Check:
    """No process, shared-memory block or vLLM socket may be left; what else is new in the temporary folder is told."""
    faults = [f"Processes {after['processes']} must have ended, but live."] if after["processes"] else []
    faults += [f"Blocks {after['shared_memory']} must be gone, but are there."] if after["shared_memory"] else []
    files = {kind: count for kind, count in after["temporary"].items() if count}
    if sockets := files.get("vLLM's sockets"):
        faults.append(f"vLLM's sockets must be gone from the temporary folder, but {sockets} are there.")
    return Check("nothing left", faults, ", ".join(f"{count} {kind}" for kind, count in files.items()) or "nothing new")
