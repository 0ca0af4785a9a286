"""What decides whether a run may start: `preflight` and `resume`, as checked, frozen dataclasses."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, cast

from groupwise.config.keys import check_keys


@dataclasses.dataclass(frozen=True)
class PreflightConfig:
    """Which checks are made before Ray starts, the keys of `preflight`.

    Attributes:
        skip: Names of checks to leave out, such as memory.
        gpu_memory_gib: Memory of a GPU in GiB, above 0; None asks nvidia-smi on the launching machine.

    Raises:
        ValueError: A value is out of its range; the message names the key, the range and the value.
    """

    skip: tuple[str, ...]
    gpu_memory_gib: float | None

    def __post_init__(self) -> None:
        memory: Any = self.gpu_memory_gib
        is_number = isinstance(memory, int | float) and not isinstance(memory, bool) and math.isfinite(memory)
        if memory is not None and not (is_number and memory > 0):
            raise ValueError(
                f"preflight.gpu_memory_gib must be a number above 0, or null to ask nvidia-smi, but is {memory!r}."
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, checks: tuple[str, ...]) -> "PreflightConfig":
        """Builds the configuration from the mapping under `preflight`.

        Args:
            values: The keys and values, as plain containers.
            checks: Names of all checks that there are.

        Returns:
            The checked configuration.

        Raises:
            ValueError: A key or a check's name is unknown, a key missing, or a value out of range.
        """
        check_keys(values, [field.name for field in dataclasses.fields(cls)], section="preflight")
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
    """Whether a run may go on from a checkpoint of another method, the keys of `resume`.

    Attributes:
        accept_changed_method: Resume although keys of the method differ from those the checkpoint was trained with.

    Raises:
        ValueError: The value is no truth value.
    """

    accept_changed_method: bool

    def __post_init__(self) -> None:
        value: Any = self.accept_changed_method
        if not isinstance(value, bool):
            raise ValueError(f"resume.accept_changed_method must be true or false, but is {value!r}.")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "ResumeConfig":
        """Builds the configuration from the mapping under `resume`.

        Args:
            values: The keys and values, as plain containers.

        Returns:
            The checked configuration.

        Raises:
            ValueError: The key is unknown or missing, or the value is no truth value.
        """
        check_keys(values, [field.name for field in dataclasses.fields(cls)], section="resume")
        return cls(accept_changed_method=values["accept_changed_method"])
