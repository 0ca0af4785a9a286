"""Put a function in another's place, once; needs the standard library alone."""

import functools
from collections.abc import Callable
from typing import Any

_MARK = "_verl_cpu_patch"


def is_patched(function: Callable[..., Any]) -> bool:
    """Whether ``function`` is a replacement."""
    return getattr(function, _MARK, False)


def replaces(owner: Any, name: str) -> Callable[[Callable[..., Any]], None]:
    """Puts a function, which gets the original before its other arguments, in the original's place, once."""
    original = getattr(owner, name)

    def replace(function: Callable[..., Any]) -> None:
        @functools.wraps(original, updated=())
        def replacement(*args: Any, **kwargs: Any) -> Any:
            return function(original, *args, **kwargs)

        if not is_patched(original):
            setattr(replacement, _MARK, True)
            setattr(owner, name, replacement)

    return replace
