"""What we add to `reward.reward_kwargs`, as a checked, frozen dataclass; groupwise_trainer.yaml has the defaults.

The verifiers' options are checked here, by value too: a verifier that meets an unknown one would fail on every
response, long after the start.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, cast

from groupwise.config.checked import CURE, check_values, is_number, must
from groupwise.spelling import check_keys

SECTION: Final = "reward.reward_kwargs"
KEYS: Final = ("max_resp_len", "overlong_buffer_cfg", "timeout_s", "max_failure_share", "verifier", "imports")
VERIFIER_KEYS: Final = ("scale", "formats", "pure_equivalence")
SCALES: Final = ("toolrl", "unit", "binary")
FORMATS: Final = ("hermes", "toolrl", "json", "llama", "python")


@dataclasses.dataclass(frozen=True)
class RewardConfig:
    """How responses are judged, and how many may stay unjudged.

    Attributes:
        timeout_s: Seconds after which a custom reward function that has not returned counts as failed; above 0.
        max_failure_share: Largest share of responses of training batches or of validations that may stay unjudged,
            in [0, 1]; more of them stop the run.
        scale: How a tool call's score is scaled.
        formats: The tool-call formats that are read.
        pure_equivalence: Whether a math answer of the right value is right however much it leaves to be computed.
        imports: Modules that register verifiers of the user's own (reward_score/README.md, Your own source).
        own_options: Options of those verifiers, whose names and values only they know.
    """

    timeout_s: float = must("be a number of seconds above 0", lambda value: is_number(value) and value > 0)
    max_failure_share: float = must("be a share between 0 and 1", lambda value: is_number(value) and 0 <= value <= 1)
    scale: str = must(f"be one of {', '.join(SCALES)}", lambda value: value in SCALES, key="verifier.scale")
    formats: tuple[str, ...] = must(
        f"list at least one of {', '.join(FORMATS)}, and nothing else",
        lambda names: bool(names) and all(name in FORMATS for name in names),
        key="verifier.formats",
    )
    pure_equivalence: bool = must(
        "be true or false", lambda value: isinstance(value, bool), key="verifier.pure_equivalence"
    )
    imports: tuple[str, ...] = must(
        "be a list of modules' names", lambda names: all(isinstance(name, str) and name for name in names), default=()
    )
    own_options: Mapping[str, object] = dataclasses.field(default_factory=dict[str, object])

    def __post_init__(self) -> None:
        check_values(self, SECTION)

    @property
    def verifier_options(self) -> dict[str, object]:
        """The options as keyword arguments of `reward_score.compute_score`."""
        ours = {"scale": self.scale, "formats": self.formats, "pure_equivalence": self.pure_equivalence}
        return {**ours, **self.own_options, **({"imports": self.imports} if self.imports else {})}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "RewardConfig":
        """Builds it from the mapping under `reward.reward_kwargs`.

        `max_resp_len` and `overlong_buffer_cfg` must be there, but are left to the reward manager, as in verl's `dapo`.

        Raises:
            ValueError: A key is unknown (the message names the nearest one) or missing, or a value out of range.
        """
        values = {"imports": [], **values}
        check_keys(values, KEYS, section=SECTION, cure=CURE)
        imports: Any = values["imports"]
        if not isinstance(imports, list | tuple):  # a text would be read as its letters
            raise ValueError(f"{SECTION}.imports must be a list of modules' names, but is {imports!r}.")
        verifier: Any = values["verifier"]
        if not isinstance(verifier, Mapping):
            raise ValueError(
                f"{SECTION}.verifier must be a mapping with {', '.join(VERIFIER_KEYS)}, but is {verifier!r}."
            )
        options = cast(Mapping[str, Any], verifier)
        own = {key: value for key, value in options.items() if imports and key not in VERIFIER_KEYS}
        check_keys(options.keys() - own.keys(), VERIFIER_KEYS, section=f"{SECTION}.verifier", cure=CURE)
        formats: Any = options["formats"]
        if not isinstance(formats, list | tuple):
            raise ValueError(f"{SECTION}.verifier.formats must be a list of names, but is {formats!r}.")
        return cls(
            timeout_s=values["timeout_s"],
            max_failure_share=values["max_failure_share"],
            scale=options["scale"],
            formats=tuple(cast(list[str], formats)),
            pure_equivalence=options["pure_equivalence"],
            imports=tuple(cast(list[str], imports)),
            own_options=own,
        )
