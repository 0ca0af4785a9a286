"""Where in a response the answer stands: the last turn of a dump that still has its markers."""

import pytest

from reward_score.response import last_turn


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("plain", "plain"),
        (" plain\n", "plain"),
        ("<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n", "A"),
        ("<|im_start|>assistant\nA<|im_end|><|im_start|>assistant\nB", "B"),
        ("A<|im_end|>B<|im_end|>", "A"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|>B", "A"),
        ("A<|endoftext|>", "A<|endoftext|>"),
    ],
)
def test_the_last_turn_is_cut_out_of_a_dump(text, turn):
    assert last_turn(text) == turn
