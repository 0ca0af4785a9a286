"""What verl itself says of its configuration: defaults, config classes, registries. The only place that asks for them.

verl builds objects of its config classes from the sections that name one (`_target_`), without checking types; of the
other sections it has nothing but the defaults of its YAML. A test holds each function to verl's own code.
"""

import dataclasses
import functools
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import verl
from omegaconf import OmegaConf

import groupwise.config
from groupwise.config.sections import sections
from groupwise.method import METHODS

PROJECT: Final = Path(__file__).parents[2]
OWN_DEFAULTS: Final = Path(groupwise.config.__file__).parent / "groupwise_trainer.yaml"
VERL: Final = Path(verl.__file__).parent

GENERATED: Final = {
    "dp": "_generated_ppo_trainer.yaml",
    "megatron": "_generated_ppo_megatron_trainer.yaml",
    "torchtitan": "_generated_ppo_torchtitan_trainer.yaml",
    "veomni": "_generated_ppo_veomni_trainer.yaml",
}
"""By `model_engine`, verl's configuration composed from its defaults, as the package brings it."""

BUILT: Final = ("actor_rollout_ref.actor", "actor_rollout_ref.rollout", "actor_rollout_ref.model")
"""Sections from which every run builds objects, so that a key that their class lacks ends the run."""


class Defaults(NamedTuple):
    """The configuration that nobody has changed: verl's, with the framework's keys and the methods' on top."""

    values: dict[Any, Any]  # plain, to be left as they are; interpolations are as they stand in the files
    nulls: frozenset[str]  # full names of the keys that are null, or an interpolation that gives null


def defaults(model_engine: object) -> Defaults:
    """Gives the defaults by the key `model_engine`; an unknown one counts as dp."""
    engine = model_engine if isinstance(model_engine, str) and model_engine in GENERATED else "dp"
    return _defaults(engine, tuple(METHODS))


def own_keys() -> Any:
    """The keys that the framework and the methods add to verl's, or give another default."""
    own = OmegaConf.load(OWN_DEFAULTS)
    del own["defaults"]
    return OmegaConf.merge({"algorithm": sections()}, own)


@functools.cache
def _defaults(engine: str, _methods: tuple[str, ...]) -> Defaults:
    generated = OmegaConf.load(VERL / "trainer" / "config" / GENERATED[engine])
    merged = OmegaConf.merge(generated, own_keys())
    # The generated files leave out what chose them.
    merged["model_engine"] = engine
    values: Any = OmegaConf.to_container(merged)
    resolved: Any = OmegaConf.to_container(merged, resolve=True)
    return Defaults(values, frozenset(key for key, value in walk(resolved) if value is None))


def walk(values: Mapping[Any, Any], section: str = "") -> Iterator[tuple[str, Any]]:
    """Goes through all keys of a plain configuration, sections included, by full names such as trainer.nnodes."""
    for name, value in values.items():
        key = f"{section}.{name}" if section else str(name)
        if name != "_target_":
            yield key, value
        if isinstance(value, Mapping):
            yield from walk(value, key)


@functools.cache
def config_class(target: str) -> type | None:
    """Finds the dataclass that `_target_` names; None where there is no such dataclass."""
    from hydra.utils import get_class

    try:
        found = get_class(target)
    except Exception:  # noqa: BLE001 -- importing what a user names may raise anything, and means that it is no class
        return None
    return found if dataclasses.is_dataclass(found) else None


@functools.cache
def hints(config_class: type) -> dict[str, Any]:
    """Gives the types of a config class's fields, by name."""
    types = typing.get_type_hints(config_class)
    return {field.name: types[field.name] for field in dataclasses.fields(config_class) if field.name != "_target_"}


def estimators() -> list[str]:
    """Names of the advantage estimators that are registered in this process, by verl and its plug-ins."""
    from verl.trainer.ppo import core_algos

    return sorted(str(getattr(name, "value", name)) for name in core_algos.ADV_ESTIMATOR_REGISTRY)


@functools.cache
def _sources() -> str:
    packages = (
        VERL,
        *(PROJECT / name for name in ("groupwise", "recipe", "reward_score", "verl_cpu")),
    )
    files = (file for package in packages for file in sorted(package.rglob("*.py")))
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


@functools.cache
def _is_read(word: str) -> bool:
    return _reads(word, _sources())


def _reads(word: str, text: str) -> bool:
    return re.search(rf"""(?:\.|["']){re.escape(word)}\b""", text) is not None


def unread(words: Iterable[str], *, others: Iterable[Path] = ()) -> list[str]:
    """Picks the names of keys that no code reads as an attribute or as a text: verl's, ours, and others' files."""
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in others if file.is_file()]
    return [word for word in words if not _is_read(word) and not any(_reads(word, text) for text in texts)]
