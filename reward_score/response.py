"""Where in a response the answer may stand."""

import re

THINK_OPEN = "<think>"
THINK_CLOSE = "</think>"

_END_OF_TURN = re.compile(r"(?:<\|[a-z_]{1,20}\|>|</s>)\Z")
_LONGEST_TOKEN = 24
_MOST_ENDS = 8

# ToolRL's two templates, in the order in which a response that holds both would be cut.
_TURNS = (("<|im_start|>assistant", "<|im_end|>"), ("<|start_header_id|>assistant<|end_header_id|>", "<|eot_id|>"))


def last_turn(text: str) -> str:
    """Gives the assistant's last turn of a text that still holds the chat template's markers, as some dumps do.

    As ToolRL does it (verl/utils/reward_score/rlla.py, `compute_score`): what follows the last `<|im_start|>assistant`
    and precedes the next `<|im_end|>`, or Llama 3's markers likewise, stripped. Not for responses in training, where a
    policy that spells a marker out would choose what of its response counts. Time is linear in the text's length.
    """
    for start, end in _TURNS:
        text = text[text.rfind(start) + len(start) :] if start in text else text
        text = text[: text.find(end)] if end in text else text
    return text.strip()


def after_thinking(response: str) -> str | None:
    """Gives the part of a response that answers: the text after the last `</think>`, or all of it without one.

    None if a `<think>` after that was never closed: what a response cut off in its thinking happens to contain is not
    an answer. The tokens that end a turn (`<|im_end|>`, `</s>`) are taken off, as verl's decoding does and other dumps
    do not. Time is linear in the response's length.
    """
    answer = response[response.rfind(THINK_CLOSE) + len(THINK_CLOSE) :] if THINK_CLOSE in response else response
    if THINK_OPEN in answer:
        return None
    return _without_ends(answer) if answer.endswith(">") or answer[-1:].isspace() else answer


def _without_ends(answer: str) -> str:
    for _ in range(_MOST_ENDS):
        bare = answer.rstrip()
        end = _END_OF_TURN.search(bare[-_LONGEST_TOKEN:]) if bare.endswith(">") else None
        if end is None:
            break
        answer = bare[: len(bare) - (end.end() - end.start())].rstrip()
    return answer
