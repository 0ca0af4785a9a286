"""What decides whether a run may start: `preflight` and `resume`, as checked, frozen dataclasses."""

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from groupwise.config.checked import CURE, check_values, is_number, must
from groupwise.spelling import check_keys


@dataclasses.dataclass(frozen=True)
class PreflightConfig:
    """Which checks are made before Ray starts, the keys of `preflight`."""

    skip: tuple[str, ...]  # names of checks to leave out
    gpu_memory_gib: float | None = must(  # of each GPU; None asks nvidia-smi on the launching machine
        "be a number above 0, or null to ask nvidia-smi",
        lambda size: size is None or (is_number(size) and size > 0),
    )

    def __post_init__(self) -> None:
        check_values(self, "preflight")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, checks: tuple[str, ...]) -> "PreflightConfig":
        """Builds it from the mapping under `preflight`, given the names of all checks that there are.

        Raises:
            ValueError: A key or a check's name is unknown, a key missing, or a value out of range.
        """
        check_keys(values, [field.name for field in dataclasses.fields(cls)], section="preflight", cure=CURE)
        given: Any = values["skip"]
        skip = cast(list[Any], given) if isinstance(given, list) else []
        unknown = [name for name in skip if name not in checks] if isinstance(given, list) else [given]
        if unknown:
            raise ValueError(
                f"preflight.skip must be a list of checks out of {', '.join(checks)}, but has {unknown[0]!r}."
            )
        return cls(skip=tuple(skip), gpu_memory_gib=values["gpu_memory_gib"])


@dataclasses.dataclass(frozen=True)
class ResumeConfig:
    """Whether a run may go on from a checkpoint whose method had other keys, the keys of `resume`."""

    accept_changed_method: bool = must("be true or false", lambda value: isinstance(value, bool))

    def __post_init__(self) -> None:
        check_values(self, "resume")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "ResumeConfig":
        """Builds it from the mapping under `resume`.

        Raises:
            ValueError: The key is unknown or missing, or the value is no truth value.
        """
        check_keys(values, [field.name for field in dataclasses.fields(cls)], section="resume", cure=CURE)
        return cls(accept_changed_method=values["accept_changed_method"])
