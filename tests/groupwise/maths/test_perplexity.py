import math

import pytest
import torch

from groupwise.maths.blocks import BLOCK_TOKENS
from groupwise.maths.perplexity import perplexity_of, sequence_perplexity, sum_log_probs

NAN, INF = math.nan, math.inf


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values)


class TestSequencePerplexity:
    def test_is_exp_of_the_mean_negative_log_prob_under_the_mask(self):
        # Means over the kept tokens: -(ln 2 + ln 8) / 2 = -ln 4, and -ln 3.
        log_probs = rows([-math.log(2), -math.log(8), NAN], [INF, -math.log(3), -INF])
        perplexity = sequence_perplexity(log_probs, torch.tensor([[1, 1, 0], [0, 1, 0]]))
        assert perplexity.dtype == torch.float64
        torch.testing.assert_close(perplexity, torch.tensor([4.0, 3.0]).double(), rtol=1e-6, atol=0)

    @pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.int64, torch.float32])
    def test_takes_a_mask_of_any_dtype(self, dtype: torch.dtype):
        perplexity = sequence_perplexity(rows([0.0, NAN, 0.0]), torch.tensor([[1, 0, 1]]).to(dtype))
        assert perplexity.tolist() == [1.0]

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
    def test_accumulates_in_float64(self, dtype: torch.dtype):
        # 100,000 times -2**-4, exact in every dtype; a bfloat16 sum would get stuck at -2**5 or so.
        log_probs = torch.full((1, 100_000), -(2.0**-4), dtype=dtype)
        perplexity = sequence_perplexity(log_probs, torch.ones(1, 100_000))
        assert perplexity.item() == pytest.approx(math.exp(2.0**-4), rel=1e-12)

    def test_equals_a_row_by_row_computation_over_several_blocks(self):
        generator = torch.Generator().manual_seed(0)
        tokens = 64
        responses = 2 * BLOCK_TOKENS // tokens + 3
        log_probs = -torch.rand(responses, tokens, generator=generator)
        mask = torch.rand(responses, tokens, generator=generator) < 0.5
        mask[:, 0] = True
        expected = [math.exp(-row[kept].double().mean().item()) for row, kept in zip(log_probs, mask, strict=True)]
        found = sequence_perplexity(log_probs.masked_fill(~mask, NAN), mask)
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)

    def test_is_infinite_beyond_float64(self):
        # exp(1000) > 1.8e308; exp(700) is about 1e304.
        perplexity = sequence_perplexity(rows([-1000.0], [-700.0]), torch.ones(2, 1))
        assert perplexity[0] == INF
        assert perplexity[1].isfinite()

    def test_of_no_responses_is_empty(self):
        assert sequence_perplexity(torch.empty(0, 5), torch.empty(0, 5)).shape == (0,)

    def test_leaves_its_inputs_alone(self):
        log_probs, mask = rows([-1.0, -2.0]), torch.tensor([[1, 0]])
        sequence_perplexity(log_probs, mask)
        assert log_probs.tolist() == [[-1.0, -2.0]]
        assert mask.tolist() == [[1, 0]]

    def test_lets_rounding_of_a_log_prob_above_zero_pass(self):
        assert sequence_perplexity(rows([1e-6]), torch.ones(1, 1)).item() == pytest.approx(1.0, abs=1e-5)

    @pytest.mark.parametrize(
        ("log_probs", "mask", "message"),
        [
            (rows([-1.0], [-1.0], [-1.0]), [[1], [0], [0]], r"none in rows 1, 2 \(of 3\); drop padding rows"),
            (rows([-1.0], [NAN]), [[1], [1]], "must be finite, but NaN or infinity stands in row 1;"),
            (
                rows([-1.0, -INF], [-1.0, -1.0]),
                [[1, 1], [1, 1]],
                "must be finite, but NaN or infinity stands in row 0;",
            ),
            (rows([INF, -INF]), [[1, 1]], "must be finite, but NaN or infinity stands in row 0;"),
            (rows([-1.0], [0.5]), [[1], [1]], r"at most 0, but up to 0\.5 stands under the mask in row 1;"),
            (rows([-1.0, -1.0]), [[1, 2]], "only 0 and 1, but has other values"),
            (rows([-1.0, -1.0]), [[1.0, 0.5]], "only 0 and 1, but has other values"),
            (rows([-1.0, -1.0]), [[1.0, NAN]], "only 0 and 1, but has other values"),
            (rows([-1.0, -1.0]), [[1]], r"shapes are \(1, 2\) and \(1, 1\)"),
            (torch.empty(2, 0), torch.empty(2, 0).tolist(), "all 2 rows have length 0"),
        ],
    )
    def test_refuses_what_is_not_log_probs_and_a_mask(self, log_probs: torch.Tensor, mask: list, message: str):
        with pytest.raises(ValueError, match=message):
            sequence_perplexity(log_probs, torch.tensor(mask))

    def test_refuses_vectors(self):
        with pytest.raises(ValueError, match="responses, tokens"):
            sequence_perplexity(torch.zeros(3), torch.ones(3))

    def test_refuses_integers(self):
        with pytest.raises(TypeError, match=r"floating dtype, but is torch\.int64"):
            sequence_perplexity(torch.tensor([[-1]]), torch.ones(1, 1))

    def test_names_only_the_first_rows(self):
        with pytest.raises(ValueError, match=r"none in rows 0, 1, 2, 3, 4 and 7 more \(of 12\)"):
            sequence_perplexity(torch.zeros(12, 1), torch.zeros(12, 1))


class TestSums:
    """Of tokens as they are read, one response after the other."""

    def test_are_those_of_padded_rows(self):
        generator = torch.Generator().manual_seed(0)
        lengths = torch.randint(1, 3000, (200,), generator=generator)
        log_probs = -torch.rand(int(lengths.sum()), generator=generator)
        mask = torch.rand(len(log_probs), generator=generator) < 0.7
        # The first token of each response is there; what is masked may be anything.
        mask[lengths.cumsum(0) - lengths] = True
        log_probs[~mask] = NAN
        padded = [
            torch.nn.utils.rnn.pad_sequence(values.split(lengths.tolist()), batch_first=True)
            for values in (log_probs, mask)
        ]
        sums = sum_log_probs(log_probs, mask, lengths)
        assert sums.tokens.tolist() == padded[1].sum(dim=-1).tolist()
        torch.testing.assert_close(perplexity_of(sums), sequence_perplexity(*padded), rtol=1e-14, atol=0)

    def test_depend_on_the_response_alone(self):
        one, other = -torch.rand(1000), -torch.rand(70_000)
        lengths = torch.tensor([1000, 70_000, 0, 1000])
        total = sum_log_probs(torch.cat([one, other, one]), torch.ones(72_000, dtype=torch.bool), lengths).total
        assert total[0] == total[3]
        assert total[2] == 0

    @pytest.mark.parametrize(("value", "says"), [(0.7, "up to 0.7 .* row 1;"), (NAN, "finite, .* row 1;")])
    def test_a_value_that_is_no_log_prob_is_told_with_its_row(self, value, says):
        sums = sum_log_probs(torch.tensor([-1.0, -1.0, value, -1.0]), torch.ones(4), torch.tensor([2, 1, 1]))
        with pytest.raises(ValueError, match=says):
            perplexity_of(sums)
        # Not asked for, it is not told.
        assert perplexity_of(sums.select(torch.tensor([0, 2]))).tolist() == pytest.approx([math.e, math.e])
