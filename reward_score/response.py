"""Where in a response the answer may stand."""

THINK_OPEN = "<think>"
THINK_CLOSE = "</think>"


def after_thinking(response: str) -> str | None:
    """Gives the part of a response that answers: what follows the last closed block of thinking.

    Args:
        response: The whole response. Time is linear in its length.

    Returns:
        The text after the last `</think>`, the whole text without one, and None if a `<think>` after that was never
        closed: what a response cut off in its thinking happens to contain is not an answer.
    """
    answer = response[response.rfind(THINK_CLOSE) + len(THINK_CLOSE) :] if THINK_CLOSE in response else response
    return None if THINK_OPEN in answer else answer
