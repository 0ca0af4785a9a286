"""The same rollouts out of verl's two stores: TransferQueue, and the DataProto of the trainer before V1."""

import inspect

import pytest
import torch
from transfer_queue.storage.bootstrap import simple_storage_bootstrap

from groupwise.hook.batch_store import ACTORS, keys_of, read_columns
from groupwise.hook.rollouts import read_rollouts


@pytest.fixture
def filled(queue):
    for uid, session, acc in (("a", 0, 1.0), ("b", 0, 0.0), ("a", 1, 0.0)):
        info = {"acc": acc, "reason": "correct" if acc else "wrong", "error": ""}
        masks = [1] * (session + 1 + (uid == "b"))
        queue.add(f"{uid}_{session}_0", log_probs=[-1.5] * len(masks), mask=masks, score=acc, info=info)
    return queue


def test_both_stores_give_the_same_rollouts(filled, to_proto):
    ours, before = (read_rollouts(batch, ["data_source"]) for batch in (filled.batch(), to_proto(filled)))
    # The columns are padded in the one and not in the other.
    assert torch.equal(*(rollouts.padded(rollouts.columns.old_log_probs) for rollouts in (ours, before)))
    assert torch.equal(*(torch.stack(rollouts.sums[:2]) for rollouts in (ours, before)))
    for name, value in ours._asdict().items():
        if name not in ("columns", "sums"):
            other = getattr(before, name)
            assert torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other, name
    assert before.verdicts[1] == {"acc": 0.0, "reason": "wrong", "error": ""}


def test_sessions_of_a_prompt_are_numbered_as_they_come(filled, to_proto):
    assert keys_of(to_proto(filled)) == (["a_0_0", "b_0_0", "a_1_0"], [False] * 3)


def test_a_batch_without_verdicts_or_sources(filled, to_proto):
    batch = to_proto(filled)
    batch.meta_info = {}
    del batch.non_tensor_batch["data_source"]
    columns = read_columns(batch)
    assert (columns.verdicts, columns.data_sources) == ([{}] * 3, [""] * 3)


def test_the_stores_actors_bear_its_name():
    assert f'"name": f"{ACTORS}StorageUnit#' in inspect.getsource(simple_storage_bootstrap)
