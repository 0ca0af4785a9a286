"""One line of a JSON Lines file: a JSON object, or a sentence about what is wrong with it."""

import json
from typing import Final, cast

from reward_score.verdict import one_line, short

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""A longer line is a file that is not JSON Lines: read as one line, it would fill the memory."""


class JsonLineError(ValueError):
    """A line is not one JSON object; the message says what it must be and what was found, not where."""


class RepeatedKeyError(ValueError):
    """An object has a key twice: which of the two values was meant, nothing tells."""


def unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Makes an object of its members, as the decoder's hook; raises RepeatedKeyError if a key stands twice."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen = set[str]()
        key = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise RepeatedKeyError(f"must have each key once in an object, but {short(key)} stands twice: keep one of them")
    return fields


DECODER: Final = json.JSONDecoder(object_pairs_hook=unique_keys)
"""Python's own takes the last of two values of one key without a word."""


def parse_object(line: bytes) -> dict[str, object]:
    """Reads one line, given with its line break unless the file ends in it.

    Raises JsonLineError if it is not UTF-8 or not one JSON object with each key once; where no line break ends it, the
    sentence says that the file may have been cut off.
    """
    cut = "" if line.endswith(b"\n") else " (the file ends in this line, as if its writing was cut off)"
    try:
        value: object = DECODER.decode(line.strip().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise JsonLineError(
            f"must be UTF-8, but byte {error.start + 1} of the line is 0x{error.object[error.start]:02x}{cut}"
        ) from error
    except json.JSONDecodeError as error:
        fault = f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
        raise JsonLineError(f"must be one JSON object, but {fault}{cut}: complete or drop the line") from error
    except RepeatedKeyError as error:
        raise JsonLineError(str(error)) from error
    except (RecursionError, ValueError) as error:
        raise JsonLineError(
            f"must be one JSON object of ordinary depth and numbers, but {one_line(str(error))}"
        ) from error
    if not isinstance(value, dict):
        raise JsonLineError(f"must be one JSON object, got {short(value)}")
    return cast("dict[str, object]", value)
