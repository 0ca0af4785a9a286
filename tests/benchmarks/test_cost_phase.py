"""What the growth benchmark runs is the recipe's and verl's own computation, and is measured as it says."""

import cost_phase
import pytest
import torch
import transfer_queue
from core_speed import make_batch, run_verl
from transfer_queue.utils.serial_utils import decode

from groupwise.method import build


@pytest.fixture
def batch():
    return make_batch(480, 16, cost_phase.GROUP_SIZE)


@pytest.fixture(autouse=True)
def restore_transfer_queue(monkeypatch):
    """Controllers put their store in the place of the client."""
    for name in ("kv_batch_get", "kv_batch_put"):
        monkeypatch.setattr(transfer_queue, name, getattr(transfer_queue, name))


def run_dipo(batch):
    """Padded again, to be compared with verl's."""
    columns = cost_phase.to_columns(batch)
    tokens = cost_phase.run_dipo(columns, batch.group, batch.correct, build("dipo"))
    return torch.nn.utils.rnn.pad_sequence(tokens.split(columns.lengths.tolist()), batch_first=True)


class TestPhase:
    def test_mixed_groups_are_as_verl_has_them(self, batch):
        mixed = batch.group % 3 == 2
        assert torch.allclose(run_dipo(batch)[mixed], run_verl(batch)[mixed], atol=1e-5)

    def test_some_group_without_variance_gets_a_signal(self, batch):
        constant = batch.group % 3 != 2
        assert bool((run_verl(batch)[constant] == 0).all())
        assert bool((run_dipo(batch)[constant] != 0).any())


class TestController:
    @pytest.mark.parametrize(
        ("estimator", "jagged", "alone"),
        [("dipo", True, run_dipo), ("dipo", False, run_dipo), ("grpo", True, run_verl)],
    )
    def test_it_writes_the_same_advantages(self, batch, estimator, jagged, alone):
        controller = cost_phase.Controller(batch, estimator, jagged=jagged)
        written = decode(controller.compute()["advantages"])
        lengths = batch.response_mask.sum(dim=-1).tolist()
        expected = alone(batch)
        assert [len(row) for row in written.unbind()] == lengths
        for row, values in enumerate(written.unbind()):
            assert torch.allclose(values, expected[row, : lengths[row]], atol=1e-5)

    def test_plain_verl_does_not_observe(self, batch):
        controller = cost_phase.Controller(batch, "grpo")
        controller()
        assert len(controller.trainer.methods["dipo"].queue.snapshot()[0]) == 0
        assert controller.store.written == {}

    def test_dipo_does(self, batch):
        controller = cost_phase.Controller(batch, "dipo")
        controller()
        assert len(controller.trainer.methods["dipo"].queue.snapshot()[0]) == 480

    @pytest.mark.parametrize("jagged", [True, False])
    def test_what_it_reads_and_writes(self, batch, jagged):
        controller = cost_phase.Controller(batch, "dipo", jagged=jagged)
        read, get = [], controller.store.get
        controller.store.get = lambda keys, partition_id, select_fields: (
            read.append(select_fields) or get(keys, partition_id, select_fields)
        )
        written = set(controller.compute())
        needed = ["response_mask", "old_log_probs", "rm_scores", "extra_fields"]
        if jagged:
            assert read == [[*needed, "rollout_log_probs"]]
            assert written == {"advantages", "returns"}
        else:
            assert (read[0], len(read)) == (needed, 2)
            assert written == {"advantages", "returns", "response_mask"}

    def test_only_what_is_wanted_is_made(self):
        assert set(cost_phase.make_calls(16, 4, ["dipo", "controller_padded"])) == {"dipo", "controller_padded"}
