"""Keeps secrets out of what is written and printed: values of keys that look like one, and tokens of a known form."""

import re
from typing import Any

HIDDEN = "(hidden)"

_SECRET = re.compile(
    r"secret|passw|passphrase|credential|authorization|(?:api|access|account|auth|private|session)[_-]?key|token$",
    re.IGNORECASE,
)
"""As in WANDB_API_KEY, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, AWS_SECRET_ACCESS_KEY, _redis_password; not max_tokens."""
_ASSIGNMENT = re.compile(r"(?<![\w.-])([\w.-]+)(['\"]?[=:] ?)('[^']*'|\"[^\"]*\"|[^{\[,;}\s][^,;}\s]*)")
_IN_ADDRESS = re.compile(r"://[^/@\s]+@")
_HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")


def without_secrets(value: Any) -> Any:
    """Gives containers, as read from a configuration, without the values that look like secrets."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if item not in ("", None, True, False) and _is_secret(key) else without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return _HUB_TOKEN.sub(HIDDEN, _IN_ADDRESS.sub(f"://{HIDDEN}@", value)) if isinstance(value, str) else value


def without_assigned_secrets(text: str) -> str:
    """Gives a word of a command line without the values of keys in it that look like secrets."""
    return without_secrets(
        _ASSIGNMENT.sub(lambda found: f"{found[1]}{found[2]}{HIDDEN}" if _is_secret(found[1]) else found[0], text)
    )


def _is_secret(key: object) -> bool:
    return _SECRET.search(str(key).rpartition(".")[2]) is not None
