"""A run's dumps, as the trainer writes them."""

from pathlib import Path

import pytest
import torch

from groupwise.dumps.recorder import Recorder, Settings, Texts, write_dump
from groupwise.hook.rollouts import Rollouts
from groupwise.maths.perplexity import LogProbSums
from groupwise.method import Responses, build, compute

GROUPS, SIZE = 12, 4


def make_responses(step: int) -> Responses:
    """Responses of which most right ones are confident; a third of the groups is all wrong, a third all right."""
    generator = torch.Generator().manual_seed(step)
    group = torch.arange(GROUPS).repeat_interleave(SIZE)
    correct = torch.where(group % 3 == 2, torch.rand(len(group), generator=generator) < 0.5, group % 3 == 1)
    perplexity = 1 + torch.rand(len(group), generator=generator, dtype=torch.float64) * torch.where(correct, 1.0, 2.0)
    return Responses(correct.float(), correct, torch.ones_like(correct), group, perplexity, step=step)


def to_rollouts(responses: Responses) -> Rollouts:
    size = len(responses.group)
    uids = [f"p{number}" for number in responses.group.tolist()]
    return Rollouts(
        response_of_row=torch.arange(size),
        rows=torch.arange(size),
        columns=None,
        sums=LogProbSums(torch.zeros(size), torch.ones(size, dtype=torch.int64), torch.zeros(size)),
        group=responses.group,
        reward=responses.reward,
        correct=responses.correct,
        failed=~responses.known,
        failures=(),
        keys=[f"{uid}_{place % SIZE}_0" for place, uid in enumerate(uids)],
        uids=uids,
        data_sources=["math"] * size,
        verdicts=[{"acc": float(right), "reason": "x"} for right in responses.correct.tolist()],
    )


@pytest.fixture
def write_run(tmp_path):
    """Decides a run of several steps as the trainer does, and dumps it; gives its folder and the logged metrics."""

    def write(steps: int = 6, *, estimator: str = "dipo", updates: int = 1, **changes) -> tuple[Path, list[dict]]:
        settings = {"alpha": 0.1, "queue_batches": 2, "confidence": 0.95, "group_perplexity": "any"} | changes
        method, logged = build("dipo", settings, updates_per_step=updates), []
        recorder = Recorder(Settings.of(estimator, {"dipo": method}, normalize_by_std=True))
        for step in range(1, steps + 1):
            for update in range(updates):
                responses = make_responses(100 * step + update)
                rollouts = to_rollouts(responses)
                outcome = compute(method, responses)
                recorder.add(rollouts, responses, {"dipo": outcome})
                logged.append(dict(outcome.metrics))
            texts = Texts(rollouts.keys, *(["text"] * len(rollouts.keys) for _ in range(3)))
            write_dump(tmp_path / "rollouts", recorder.take(step, texts), step)
        return tmp_path / "rollouts", logged

    return write
