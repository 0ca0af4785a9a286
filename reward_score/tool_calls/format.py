"""Whether a response has the form that its prompt asked for, whatever its content.

ToolRL's format reward (verl/utils/reward_score/rlla.py, `customize_format_reward_func`), with any white space, or none,
where it wants one line break: Qwen3's template puts a blank line after the thinking. Several blocks are as good
as one, because that is how Qwen writes several calls. A single block whose content cannot be read still has the form.
"""

from typing import Final, Literal

from reward_score.response import THINK_CLOSE, THINK_OPEN
from reward_score.tool_calls.parser import Reading
from reward_score.verdict import ExtraInfo, GroundTruthError

RESPONSE_OPEN: Final = "<response>"
RESPONSE_CLOSE: Final = "</response>"

Thinking = Literal["asked", "opened", "none"]
Wanted = Literal["calls", "response", "calls and response", "text", "nothing"]

CALLS_WANTED: Final = ("calls", "calls and response")

_THINKING: dict[object, Thinking] = {"asked": "asked", "opened": "opened", "none": "none", True: "asked", False: "none"}


def read_thinking(extra_info: ExtraInfo, default: Thinking) -> Thinking:
    """Reads the row's flag `extra_info["think"]`; the default holds where it is missing, None or "".

    "asked" (also True): the response begins with `<think>` and closes it; "opened": the prompt ends in `<think>`, the
    response closes it; "none" (also False): thinking is not asked for, and does no harm. Raises GroundTruthError if the
    flag is anything else.
    """
    flag = None if extra_info is None else extra_info.get("think")
    if flag is None or flag == "":
        return default
    try:
        return _THINKING[flag]
    except (KeyError, TypeError):
        raise GroundTruthError(
            f"extra_info['think'] must be asked, opened, none or a boolean, got {repr(flag)[:60]}: correct the data"
        ) from None


def has_form(head: str, reading: Reading, wanted: Wanted, thinking: Thinking) -> bool:
    """Says whether a response has the form asked for.

    `head` is the response up to and with the last `</think>`, "" without one. `wanted` is "calls": nothing but calls;
    "response": nothing but `<response>...</response>`; "calls and response": these two in this order; "text": any text
    without a call, or an empty list of calls; "nothing": the thinking alone.
    """
    if not _thinks_well(head, thinking) or reading.outside is None:
        return False
    if wanted == "text" and reading.attempted and not (reading.calls or reading.fault):
        return True
    if (wanted in CALLS_WANTED) is not reading.attempted:
        return False
    *before, last = [text.strip() for text in reading.outside]
    if any(before):
        return False
    if wanted in ("calls", "nothing"):
        return not last
    if wanted == "text":
        return bool(last)
    once = last.count(RESPONSE_OPEN) == last.count(RESPONSE_CLOSE) == 1
    return once and last.startswith(RESPONSE_OPEN) and last.endswith(RESPONSE_CLOSE)


def inner_text(text: str) -> str:
    """Takes the tags of a response off a text, and white space."""
    return text.replace(RESPONSE_OPEN, "").replace(RESPONSE_CLOSE, "").strip()


def _thinks_well(head: str, thinking: Thinking) -> bool:
    if thinking == "asked":
        return head.startswith(THINK_OPEN)
    if thinking == "opened" and not head.endswith(THINK_CLOSE):
        return False
    return THINK_OPEN not in head or head.startswith(THINK_OPEN)
