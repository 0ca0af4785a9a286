"""Where in a response the answer may stand."""

import re

THINK_OPEN = "<think>"
THINK_CLOSE = "</think>"

_END_OF_TURN = re.compile(r"(?:<\|[a-z_]{1,20}\|>|</s>)\Z")
_LONGEST_TOKEN = 24
_MOST_ENDS = 8


def after_thinking(response: str) -> str | None:
    """Gives the part of a response that answers: what follows the last closed block of thinking.

    Args:
        response: The whole response. Time is linear in its length.

    Returns:
        The text after the last `</think>`, the whole text without one, and None if a `<think>` after that was never
        closed: what a response cut off in its thinking happens to contain is not an answer. The tokens that end a turn
        (`<|im_end|>`, `</s>`) are taken off, as verl's decoding does and other dumps do not.
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
