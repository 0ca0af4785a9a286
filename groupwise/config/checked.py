"""Fields of a section's dataclass that say what they must be.

Not pydantic's: its refusals say neither a key's full name nor what to do, so that each would need a validator too.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Final

CURE: Final = "start from a configuration that builds on groupwise_trainer, which holds the defaults."
"""What to do where a key is missing."""


def is_number(value: object) -> bool:
    """Whether it is a finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def must(words: str, holds: Callable[[Any], bool], *, key: str | None = None, **options: Any) -> Any:
    """A field with what follows "must" in a refusal, and its key in the section where it is not the field's name."""
    return dataclasses.field(metadata={"words": words, "holds": holds, "key": key}, **options)


def check_values(settings: Any, section: str) -> None:
    """Checks the fields made by `must`.

    Raises:
        ValueError: A value is out of its range; the message names the key, the range and the value.
    """
    for field in dataclasses.fields(settings):
        value, rule = getattr(settings, field.name), field.metadata
        if rule and not rule["holds"](value):
            shown: Any = list(value) if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            raise ValueError(f"{section}.{rule['key'] or field.name} must {rule['words']}, but is {shown!r}.")
