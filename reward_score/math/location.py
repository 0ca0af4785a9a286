r"""Where in a response the final answer is looked for, by the convention that its prompt asked for.

- `boxed` (MATH): the last box; an empty one is no answer.
- `answer_line` (DAPO): what stands on the line after the last "Answer:", and on those that this one leaves open.
- `hash` (GSM8K) is `math.final_number.final_line`.

A number or a formula elsewhere is never taken for the answer: that pays truncated reasoning and echoes of the prompt.
Every search goes from the end and is bounded, so its time does not grow with what a response repeats.
"""

import re
from collections import deque
from collections.abc import Iterator

from reward_score.math.latex import matching_brace

MAX_ANSWER_CHARS = 2_000
MAX_BOXES = 20
ANSWER_WINDOW = 8_000
"""Characters at a response's end in which an "Answer:" line counts."""

_BOX = re.compile(r"\\f?boxed\s*(?=\{)|\\fbox\s*(?=\{)")
_BARE_BOX = re.compile(r"\\f?boxed\s+([-+$\\.0-9][^\s$]*|[A-Za-z](?=[\s$.]|\Z))")
_BETWEEN_BOXES = re.compile(r"(?:\\[\])(,; ]|\\text\s*\{|\}|\bor\b|\band\b|\\quad|/|[\s$,;.&])*")
_MAX_GAP = 40
_ANSWER = re.compile(r"answer\W{0,3}\s*:", re.IGNORECASE)
_EMPTY_LINE = re.compile(
    r"[\s*_$`>#:-]{0,100}(?:(?:\\\[|\\\(|\\begin\{(?:align|equation|gather|math|display)\w*\*?\}|```\w*)[\s*$]{0,100})?"
)
_MAX_LINES = 4
_MAX_OPEN_LINES = 64


class TruncatedError(ValueError):
    """The last box of a response is not closed: it was cut off."""


def find_boxed(text: str) -> str | None:
    r"""Finds the answer in the last `\boxed{}` or `\fbox{}`; None if that is empty.

    Boxes that follow one another, with nothing between but commas, "or", "and", are one answer with several members:
    giving two answers is not giving one. More than MAX_ANSWER_CHARS characters are cut, so that the caller sees that
    there are too many. Raises TruncatedError if the last box is not closed.
    """
    boxes = _last_boxes(text)
    if not boxes:
        bare = deque(_BARE_BOX.finditer(text[-ANSWER_WINDOW:]), maxlen=1)
        return bare[0][1].rstrip(".,") if bare else None
    distinct = list(dict.fromkeys(content for _, _, content in reversed(boxes)))
    return " ; ".join(distinct) or None


def _last_boxes(text: str) -> list[tuple[int, int, str]]:
    """The last box and those that lead up to it, the last first: where each begins and ends, and what stands in it."""
    found: list[tuple[int, int, str]] = []
    for place in _boxes_from_the_end(text):
        match = _BOX.match(text, place)
        if match is None:
            continue
        closing = matching_brace(text, match.end(), limit=MAX_ANSWER_CHARS + 2)
        if closing is None:
            if not found and len(text) - match.end() <= MAX_ANSWER_CHARS:
                raise TruncatedError("the last box is not closed")
            too_long = text[match.end() + 1 : match.end() + 2 + MAX_ANSWER_CHARS]
            return found or [(place, len(text), too_long)]
        content = text[match.end() + 1 : closing]
        if not found and not content.strip():
            return [(place, closing + 1, "")]
        # A box around the one found already adds nothing, nor does an empty one.
        if not content.strip() or (found and closing >= found[-1][1]):
            continue
        gap = text[closing + 1 : found[-1][0]] if found else ""
        if len(gap) > _MAX_GAP or not _BETWEEN_BOXES.fullmatch(gap):
            break
        found.append((place, closing + 1, content))
    return found


def _boxes_from_the_end(text: str) -> Iterator[int]:
    places = {command: text.rfind(command) for command in ("\\boxed", "\\fbox")}
    for _ in range(MAX_BOXES):
        command = max(places, key=lambda name: places[name])
        if places[command] < 0:
            return
        yield places[command]
        places[command] = text.rfind(command, 0, places[command])


def find_answer_line(text: str, wanted: int = 1) -> str | None:
    """Finds the answer after the last "Answer:": the rest of that line, or the next line with something on it.

    Lines that are left open, by a brace or an environment, go on until all is closed. Where the ground truth has
    several lines, as many are `wanted`. Markdown and delimiters are taken off.
    """
    window = text[-ANSWER_WINDOW:]
    # Found as fixed strings: a search for the pattern, in any case, takes longer than all that follows.
    end = len(window)
    while (end := max(window.rfind("nswer", 0, end), window.rfind("NSWER", 0, end))) > 0:
        if marker := _ANSWER.match(window, end - 1):
            lines = window[marker.end() :].split("\n")
            for place, line in enumerate(lines[:_MAX_LINES]):
                if not _EMPTY_LINE.fullmatch(line):
                    is_whole = wanted == 1 and "{" not in line
                    return _unboxed((line if is_whole else _closed(lines[place:], wanted))[: MAX_ANSWER_CHARS + 1])
            return None
    return None


def _closed(lines: list[str], wanted: int) -> str:
    """Gives the first lines up to where all is closed, or the first alone where it never is."""
    text = ""
    for number, line in enumerate(lines[: max(_MAX_OPEN_LINES, wanted)], start=1):
        text += line
        if len(text) > MAX_ANSWER_CHARS:
            break
        braces = text.replace("\\{", "").replace("\\}", "")
        is_open = braces.count("{") > braces.count("}") or text.count("\\begin{") > text.count("\\end{")
        if not is_open and (number >= wanted or number == len(lines)):
            return text
        text += "\n"
    return lines[0]


def _unboxed(line: str) -> str:
    r"""Takes a box off that is all there is, as in `Answer: \boxed{34}`."""
    bare = line.strip(" *$_`\t\r.")
    match = _BOX.match(bare)
    if match is None:
        return line.strip(" \t\r")
    closing = matching_brace(bare, match.end())
    return bare[match.end() + 1 : closing] if closing == len(bare) - 1 else line.strip(" \t\r")
