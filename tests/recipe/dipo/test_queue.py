import io
import math

import pytest
import torch

from recipe.dipo.queue import PerplexityQueue

NAN, INF = math.nan, math.inf


def batch(*perplexity: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(perplexity).double(), torch.tensor([value < 2 for value in perplexity], dtype=torch.bool)


def filled(max_batches: int, batches: int) -> PerplexityQueue:
    queue = PerplexityQueue(max_batches)
    for number in range(batches):
        queue.push(*batch(float(number), number + 0.5))
    return queue


class TestPerplexityQueue:
    def test_is_empty_before_the_first_push(self):
        perplexity, correct = PerplexityQueue(2).snapshot()
        assert (perplexity.shape, correct.shape) == ((0,), (0,))
        assert (perplexity.dtype, correct.dtype) == (torch.float64, torch.bool)

    @pytest.mark.parametrize(
        ("max_batches", "expected"), [(1, [2.0, 2.5]), (2, [1.0, 1.5, 2.0, 2.5]), (9, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5])]
    )
    def test_keeps_the_last_batches_the_current_one_included(self, max_batches: int, expected: list[float]):
        perplexity, correct = filled(max_batches, 3).snapshot()
        assert perplexity.tolist() == expected
        assert correct.tolist() == [value < 2 for value in expected]

    def test_shares_no_memory_with_what_was_pushed_or_taken(self):
        queue = PerplexityQueue(1)
        perplexity, correct = batch(1.0, 3.0)
        queue.push(perplexity, correct)
        perplexity.zero_()
        correct.zero_()
        for tensor in queue.snapshot():
            tensor.zero_()
        queue.state_dict()["perplexity"][0].zero_()
        assert queue.snapshot()[0].tolist() == [1.0, 3.0]
        assert queue.snapshot()[1].tolist() == [True, False]

    @pytest.mark.parametrize("max_batches", [0, -1])
    def test_refuses_to_keep_nothing(self, max_batches: int):
        with pytest.raises(ValueError, match="max_batches must be at least 1"):
            PerplexityQueue(max_batches)

    @pytest.mark.parametrize(
        ("perplexity", "correct", "error", "message"),
        [
            (torch.ones(2), torch.ones(3, dtype=torch.bool), ValueError, r"perplexity \(2,\), correct \(3,\)"),
            (torch.ones(2, 1), torch.ones(2, 1, dtype=torch.bool), ValueError, "vectors of one length"),
            (torch.ones(2), torch.ones(2), TypeError, "correct must be torch.bool, but is torch.float32"),
            (torch.tensor([1.0, NAN]), torch.ones(2, dtype=torch.bool), ValueError, "stands in row 1"),
            (torch.tensor([-1.0, 1.0]), torch.ones(2, dtype=torch.bool), ValueError, "stands in row 0"),
            (torch.ones(2, dtype=torch.int64), torch.ones(2, dtype=torch.bool), TypeError, "floating dtype"),
        ],
    )
    def test_refuses_a_malformed_batch(self, perplexity, correct, error: type[Exception], message: str):
        with pytest.raises(error, match=message):
            PerplexityQueue(2).push(perplexity, correct)

    def test_takes_an_infinite_perplexity(self):
        queue = PerplexityQueue(1)
        queue.push(*batch(INF))
        assert queue.snapshot()[0].tolist() == [INF]

    def test_survives_a_checkpoint_that_is_loaded_with_weights_only(self):
        queue = filled(2, 3)
        file = io.BytesIO()
        torch.save(queue.state_dict(), file)
        file.seek(0)
        restored = PerplexityQueue(2)
        restored.load_state_dict(torch.load(file, weights_only=True))
        for found, expected in zip(restored.snapshot(), queue.snapshot(), strict=True):
            assert torch.equal(found, expected)
        restored.push(*batch(9.0))
        # The oldest of the two restored batches leaves.
        assert restored.snapshot()[0].tolist() == [2.0, 2.5, 9.0]

    def test_keeps_the_most_recent_batches_of_a_longer_saved_queue(self):
        restored = PerplexityQueue(1)
        restored.load_state_dict(filled(3, 3).state_dict())
        assert restored.snapshot()[0].tolist() == [2.0, 2.5]

    def test_replaces_what_it_held(self):
        restored = filled(2, 2)
        restored.load_state_dict(PerplexityQueue(2).state_dict())
        assert restored.snapshot()[0].shape == (0,)

    @pytest.mark.parametrize(
        "state",
        [
            {},
            {"perplexity": []},
            {"perplexity": [torch.ones(1)], "correct": []},
            {"perplexity": [torch.tensor([NAN])], "correct": [torch.tensor([True])]},
            {"perplexity": [torch.ones(1)], "correct": [torch.ones(2, dtype=torch.bool)]},
        ],
    )
    def test_refuses_a_malformed_state_and_stays_as_it_was(self, state: dict):
        queue = filled(2, 1)
        with pytest.raises(ValueError, match="perplexity"):
            queue.load_state_dict(state)
        assert queue.snapshot()[0].tolist() == [0.0, 0.5]
