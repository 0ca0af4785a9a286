"""The rows of a batch that take part: the last output of each session."""

import pytest

from groupwise.errors import GroupwiseError
from groupwise.hook.sessions import select_final_outputs


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
        with pytest.raises(GroupwiseError, match="uid_session_index"):
            select_final_outputs([key], [False])
