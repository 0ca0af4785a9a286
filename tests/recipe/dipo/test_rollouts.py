"""Padding rows, earlier outputs of a session, masked tokens and failures, read from the queue."""

import math

import pytest
import torch

from recipe.dipo.errors import DiPOError
from recipe.dipo.rollouts import read_rollouts, select_final_outputs
from recipe.dipo.verdicts import Failure

NAN = math.nan


class TestSelectFinalOutputs:
    def test_keeps_the_last_output_of_each_session_and_drops_padding(self):
        keys = ["a_0_0", "a_0_2", "pad_0_0", "a_0_1", "a_1_0", "b_0_0"]
        is_padding = [False, False, True, False, False, False]
        # Session a_0 has outputs 0, 1, 2 in rows 0, 3, 1: row 1 is its last. Sessions in order of appearance:
        # a_0 -> response 0 (row 1), a_1 -> response 1 (row 4), b_0 -> response 2 (row 5).
        assert select_final_outputs(keys, is_padding) == ([1, 4, 5], [0, 0, -1, 0, 1, 2])

    def test_index_is_compared_as_a_number(self):
        # As strings "9" > "10".
        rows, _ = select_final_outputs(["a_0_9", "a_0_10"], [False, False])
        assert rows == [1]

    def test_uid_may_hold_underscores(self):
        rows, response_of_row = select_final_outputs(["my_uid_0_0", "my_uid_1_0"], [False, False])
        assert (rows, response_of_row) == ([0, 1], [0, 1])

    @pytest.mark.parametrize("key", ["a", "a_0", "a_0_x", ""])
    def test_refuses_a_key_of_another_form(self, key):
        with pytest.raises(DiPOError, match="uid_session_index"):
            select_final_outputs([key], [False])


class TestReadRollouts:
    def test_reads_real_responses_only(self, queue):
        queue.add("a_0_0", log_probs=[-1.0, -3.0], mask=[1, 1], score=1.0, info={"acc": 1.0})
        # verl's padding row copies a real row's verdict; its rewards and log-probs must not be looked at.
        queue.add("pad_0_0", log_probs=[NAN], mask=[0], score=NAN, info={"acc": 1.0})
        queue.add("b_0_0", log_probs=[-2.0, NAN, -4.0], mask=[1, 0, 1], score=-0.5, info={"acc": 0.0})
        queue.add("a_1_0", log_probs=[-5.0], mask=[1], score=0.0, info={"acc": 0.0})
        rollouts = read_rollouts(queue.batch())
        assert rollouts.rows.tolist() == [0, 2, 3]
        assert rollouts.response_of_row.tolist() == [0, -1, 1, 2]
        assert rollouts.group.tolist() == [0, 1, 0]
        assert rollouts.correct.tolist() == [True, False, False]
        assert rollouts.reward.tolist() == [1.0, -0.5, 0.0]
        assert rollouts.response_mask.tolist() == [[True, True, False], [True, False, True], [True, False, False]]
        assert rollouts.old_log_probs[0].tolist() == [-1.0, -3.0, 0.0]

    def test_refuses_a_batch_of_padding_alone(self, queue):
        queue.add("pad_0_0", log_probs=[0.0], mask=[0], score=0.0, info={"acc": 1.0})
        with pytest.raises(DiPOError, match="padding rows only"):
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
