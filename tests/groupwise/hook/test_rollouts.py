"""Padding rows, masked tokens and failures, read from the queue."""

import math

import pytest
import torch

from groupwise.errors import GroupwiseError
from groupwise.hook.rollouts import one_text_shares, read_rollouts, to_responses
from groupwise.hook.verdicts import Failure

NAN = math.nan


class TestReadRollouts:
    def test_reads_real_responses_only(self, queue):
        queue.add("a_0_0", log_probs=[-1.0, -3.0], mask=[1, 1], score=1.0, info={"acc": 1.0})
        # verl's padding row copies a real row's verdict; its rewards and log-probs must not be looked at.
        queue.add("pad_0_0", log_probs=[NAN], mask=[0], score=NAN, info={"acc": 1.0})
        queue.add("b_0_0", log_probs=[-2.0, NAN, -4.0], mask=[1, 0, 1], score=-0.5, info={"acc": 0.0})
        queue.add("a_1_0", log_probs=[-5.0], mask=[1], score=0.0, info={"acc": 0.0})
        rollouts = read_rollouts(queue.batch())
        assert rollouts.keys == ["a_0_0", "b_0_0", "a_1_0"]
        assert rollouts.response_of_row.tolist() == [0, -1, 1, 2]
        assert rollouts.group.tolist() == [0, 1, 0]
        assert rollouts.correct.tolist() == [True, False, False]
        assert rollouts.reward.tolist() == [1.0, -0.5, 0.0]
        assert rollouts.sums.tokens.tolist() == [2, 2, 1]
        assert rollouts.sums.total.tolist() == [-4.0, -6.0, -5.0]
        mask = rollouts.padded(rollouts.columns.response_mask)
        assert mask.tolist() == [[True, True, False], [True, False, True], [True, False, False]]
        log_probs = rollouts.padded(rollouts.columns.old_log_probs, torch.tensor([0, 2]))
        assert log_probs.tolist() == [[-1.0, -3.0], [-5.0, 0.0]]

    def test_reads_rows_that_hold_the_same(self, queue):
        # One prompt, whose responses met the same verdict: a TensorDict stacks equal values in another way.
        for session in range(3):
            queue.add(f"a_{session}_0", log_probs=[-1.0], mask=[1], score=0.0, info={"acc": 0.0})
        rollouts = read_rollouts(queue.batch())
        assert rollouts.group.tolist() == [0, 0, 0]
        assert rollouts.uids == ["a"] * 3
        assert read_rollouts(queue.batch(), ["data_source"]).data_sources == ["math"] * 3
        assert rollouts.verdicts == [{"acc": 0.0}] * 3

    def test_data_without_sources(self, queue):
        queue.add("a_0_0", log_probs=[-1.0], mask=[1], score=0.0, info={"acc": 0.0})
        del queue.store["a_0_0"]["data_source"]
        assert read_rollouts(queue.batch(), ["data_source"]).data_sources == [""]

    def test_refuses_a_batch_of_padding_alone(self, queue):
        queue.add("pad_0_0", log_probs=[0.0], mask=[0], score=0.0, info={"acc": 1.0})
        with pytest.raises(GroupwiseError, match="padding rows only"):
            read_rollouts(queue.batch())

    def test_reads_the_reward_where_verl_puts_it_even_on_a_masked_token(self, queue):
        # An agent's last token may be tool output: masked for training, but it carries the reward.
        queue.add("a_0_0", log_probs=[-1.0, NAN], mask=[1, 0], score=1.0, info={"acc": 1.0})
        assert torch.equal(read_rollouts(queue.batch()).reward, torch.tensor([1.0]))

    def test_tells_which_responses_could_not_be_judged(self, queue):
        failed = {"acc": NAN, "reason": "timeout: 3 s", "error": "row 7: timeout"}
        queue.add("a_0_0", log_probs=[-1.0], mask=[1], score=1.0, info={"acc": 1.0, "reason": "correct", "error": ""})
        # An earlier output of a session and a padding row share a failure's info: it is counted once.
        queue.add("a_1_0", log_probs=[-1.0], mask=[1], score=0.0, info=failed)
        queue.add("a_1_1", log_probs=[-1.0], mask=[1], score=0.0, info=failed)
        queue.add("pad_0_0", log_probs=[NAN], mask=[0], score=0.0, info=failed)
        rollouts = read_rollouts(queue.batch())
        assert rollouts.failed.tolist() == [False, True]
        assert rollouts.failures == (Failure("timeout", "row 7: timeout"),)


class TestEntropies:
    def test_are_read_for_methods_that_ask_alone(self, queue):
        queue.add("a_0_0", log_probs=[-1.0, NAN], mask=[1, 0], score=1.0, info={"acc": 1.0})
        queue.add("a_1_0", log_probs=[-2.0], mask=[1], score=0.0, info={"acc": 0.0})
        queue.add_entropies("a_0_0", [0.5, NAN])
        queue.add_entropies("a_1_0", [0.25])
        assert read_rollouts(queue.batch()).columns.entropies is None
        tokens = to_responses(read_rollouts(queue.batch(), ["entropy"]), step=1, needs=["entropies"]).tokens
        assert tokens.entropies[tokens.mask].tolist() == [0.5, 0.25]
        assert tokens.log_probs[tokens.mask].tolist() == [-1.0, -2.0]
        assert to_responses(read_rollouts(queue.batch()), step=1).tokens is None

    def test_where_verl_computes_none_the_key_is_named(self, queue):
        queue.add("a_0_0", log_probs=[-1.0], mask=[1], score=1.0, info={"acc": 1.0})
        with pytest.raises(GroupwiseError, match=r"rollout_correction\.bypass_mode=true leaves out; set it to false"):
            read_rollouts(queue.batch(), ["entropy"])

    def test_that_are_no_numbers_are_refused(self, queue):
        queue.add("a_0_0", log_probs=[-1.0], mask=[1], score=1.0, info={"acc": 1.0})
        queue.add_entropies("a_0_0", [NAN])
        rollouts = read_rollouts(queue.batch(), ["entropy"])
        with pytest.raises(ValueError, match="NaN or infinity stands in row 0"):
            to_responses(rollouts, step=1, needs=["entropies"])


class TestOneTextShares:
    def shares(self, queue, groups: dict[str, list[tuple[list[float], list[int], float]]]) -> dict[str, float]:
        """Of groups of responses, each its log-probs, mask and verdict."""
        for uid, group in groups.items():
            for place, (log_probs, mask, acc) in enumerate(group):
                info = (
                    {"acc": acc} if acc in (0, 1) else {"acc": NAN, "reason": "timeout: 3 s", "error": "row 1: timeout"}
                )
                queue.add(f"{uid}_{place}_0", log_probs=log_probs, mask=mask, score=float(acc == 1), info=info)
        rollouts = read_rollouts(queue.batch())
        return one_text_shares(rollouts, to_responses(rollouts, step=1))

    def test_of_hard_and_easy_groups(self, queue):
        one, again = [-0.1, NAN, -2.0], [-0.14, NAN, -1.95]  # what rounding leaves between two passes
        two = [1, 0, 1]
        groups = {
            "alike": [(one, two, 0), (again, two, 0), (one, two, 0)],
            "other": [(one, two, 0), (one, two, 0), ([-0.1, NAN, -2.5], two, 0)],
            # The mean is the same, and so is the length.
            "swapped": [(one, two, 0), ([-2.0, NAN, -0.1], two, 0)],
            "longer": [(one, two, 0), ([-0.1, -2.0, -1.0, -1.1], [1, 1, 1, 1], 0)],
            "right": [(one, two, 1), (again, two, 1)],
            # Neither counts: with a gradient, and with a response that nobody judged.
            "mixed": [(one, two, 1), (one, two, 0)],
            "unjudged": [(one, two, 0), (one, two, NAN)],
            "single": [(one, two, 0)],
        }
        assert self.shares(queue, groups) == {"groups/one_text_share/hard": 1 / 4, "groups/one_text_share/easy": 1.0}

    def test_absent_where_there_is_no_such_group(self, queue):
        assert self.shares(queue, {"mixed": [([-1.0], [1], 1), ([-1.0], [1], 0)]}) == {}

    def test_responses_without_a_token_are_left_out(self, queue):
        groups = {"empty": [([NAN], [0], 0), ([NAN], [0], 0)], "alike": [([-1.0], [1], 0), ([-1.0], [1], 0)]}
        assert self.shares(queue, groups) == {"groups/one_text_share/hard": 1.0}
