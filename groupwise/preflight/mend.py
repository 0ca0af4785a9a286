"""The first check: sections, keys, types and ranges, against verl's defaults and config classes.

The other checks compute with what they get. They are given a copy of the configuration in which whatever is refused
here has its default again, so that one wrong value neither breaks them nor hides what they would have found.
"""

import copy
import pickle
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from groupwise.config.methods import computed_methods
from groupwise.launch.paths import expanded
from groupwise.method import METHODS
from groupwise.preflight import hints, verl_schema
from groupwise.preflight.notes import Note
from groupwise.preflight.values import CODE_PATHS, DECLARED, FREE, RANGES
from groupwise.spelling import did_you_mean, nearest_key

ABSENT = object()
"""Stands for a default that there is not."""

ABSENT_TOLD = 3
"""Keys taken out of a section that are told one by one; of more the first and a count."""


class Mended(NamedTuple):
    """A configuration that others can compute with."""

    config: DictConfig  # a copy with defaults in place of what was refused; the user's interpolations are resolved
    sentences: list[str]  # what was found, notes among it
    refused: list[str]  # full names of the keys and sections that got their default
    is_reckonable: bool
    """Whether no number, truth value or section is among those: what is computed from defaults would be told of a run
    that nobody asked for."""


class _Section(NamedTuple):
    """A section on the way through the configuration."""

    name: str  # in full
    default: dict[Any, Any] | None  # None where it has none
    config_class: type | None  # of verl or a method
    nulls: frozenset[str]  # full names of the keys that are null by default
    is_built: bool = False  # whether every run makes an object of the class, which refuses other keys

    def key(self, name: object) -> str:
        return f"{self.name}.{name}" if self.name else str(name)

    def default_of(self, name: object) -> Any:
        return ABSENT if self.default is None else self.default.get(name, ABSENT)

    @property
    def fields(self) -> dict[str, Any]:
        return verl_schema.hints(self.config_class) if self.config_class is not None else {}

    def hint(self, name: str) -> Any:
        """The type of a key: as declared, else as in the class, else that of its default."""
        default, key, fields = self.default_of(name), self.key(name), self.fields
        if key in DECLARED:
            return DECLARED[key]
        if is_method(key):
            return METHODS[name].Config
        if name in fields:
            # Some of verl's fields are null by default, whatever their type says.
            return fields[name] | None if key in self.nulls else fields[name]
        is_open = default is ABSENT or default is None or _is_open(default)
        return Any if is_open else type(default)

    def allows_null(self, name: str) -> bool:
        """Whether the class or a declaration says that a section may be null."""
        return (self.key(name) in DECLARED or name in self.fields) and hints.fits(None, self.hint(name))


def is_method(key: str) -> bool:
    """Whether it is the section of a method, whose unknown keys the check of the method refuses."""
    section, _, name = key.partition(".")
    return section == "algorithm" and name in METHODS


def _is_open(value: object) -> bool:
    """Whether a plain value stands for one of any type: an interpolation that is no part of a text, or ???."""
    return isinstance(value, str) and (value.startswith("${") or value == "???")


def mend(config: DictConfig) -> Mended:
    """Checks every section and value of a composed configuration, and leaves it as it is."""
    values: Any = OmegaConf.to_container(config)
    default = verl_schema.defaults(values.get("model_engine"))
    # A tenth of the time that deepcopy takes.
    walk = _Walk(pickle.loads(pickle.dumps(config)))
    walk.go(_Section("", default.values, None, default.nulls), values, walk.made)
    walk.resolve()
    walk.tell_unread(default.values)
    return Mended(walk.made, walk.sentences, walk.refused, walk.is_reckonable)


class _Walk:
    """One walk through a configuration as plain dicts, beside the copy in which it puts right what it refuses."""

    def __init__(self, made: DictConfig) -> None:
        OmegaConf.set_readonly(made, False)
        OmegaConf.set_struct(made, False)
        self.made = made
        self.sentences: list[str] = []
        self.refused: list[str] = []
        self.is_reckonable = True
        self.unknown: list[str] = []
        self.interpolated: list[tuple[_Section, DictConfig, Any, str]] = []

    def refuse(self, section: _Section, node: DictConfig, name: Any, sentence: str) -> None:
        """Tells of a value and puts its default in its place; without one the key is taken out."""
        self.sentences.append(sentence)
        self.refused.append(section.key(name))
        default = section.default_of(name)
        self.is_reckonable &= isinstance(default, str | list) and section.key(name) not in RANGES
        if default is not ABSENT:
            node[name] = copy.deepcopy(default)
        elif node._get_node(name) is not None:  # `in` denies what cannot be resolved
            del node[name]

    def go(self, section: _Section, values: dict[Any, Any], node: DictConfig) -> None:
        """Checks a section, with those in it."""
        absent = [name for name in section.default or () if name not in values and name != "_target_"]
        for name in absent[:ABSENT_TOLD]:
            key = section.key(name)
            more = f" (and {len(absent) - 1} more of {section.name})" if len(absent) > ABSENT_TOLD else ""
            sentence = f"{key}{more} must be there, but was taken out; leave out what takes it out, or set {key}."
            self.refuse(section, node, name, sentence)
            if more:
                break
        for name in absent:
            node[name] = copy.deepcopy(section.default_of(name))
        for name in list(values):
            if name != "_target_" and (section.default_of(name) is not ABSENT or self._is_known(section, node, name)):
                self._go_on(section, values, node, name)

    def _go_on(self, section: _Section, values: dict[Any, Any], node: DictConfig, name: Any) -> None:
        default, value, key = section.default_of(name), values[name], section.key(name)
        if value == default and type(value) is type(default) and not isinstance(value, dict):
            # An interpolation of the defaults' own stands for another key, which is checked by itself.
            return
        is_free = isinstance(value, dict) and default is ABSENT and FREE.fullmatch(key) is not None
        if "${" in str(value) and (is_free or not isinstance(value, dict)):
            self.interpolated.append((section, node, name, value))
        elif isinstance(value, dict) and (isinstance(default, dict) or default is ABSENT):
            if not is_free:
                inner: Any = node._get_node(name)
                self.go(self._inner(section, name, default, value, inner), value, inner)
        elif isinstance(default, dict) and default and value is None and section.allows_null(name):
            # What verl reads as the section's default.
            node[name] = copy.deepcopy(default)
        elif isinstance(default, dict) and default:
            self.refuse(section, node, name, _tell_section(key, default, value))
        else:
            self.check(section, node, name, value)

    def _inner(self, section: _Section, name: Any, default: Any, value: dict[Any, Any], node: DictConfig) -> _Section:
        key = section.key(name)
        usual = default.get("_target_") if isinstance(default, dict) else None
        target = value.get("_target_", usual)
        found = verl_schema.config_class(target) if isinstance(target, str) else None
        if target is not None and found is None:
            self.refuse(
                _Section(key, default if isinstance(default, dict) else None, None, section.nulls),
                node,
                "_target_",
                f"{key}._target_ must name a config class of verl's, but is {target!r}; leave it out.",
            )
            found = verl_schema.config_class(usual) if usual else None
        # With another class than usual, the section's usual keys are none of its own.
        usual = default if isinstance(default, dict) and target in (usual, None) else None
        is_built = target is not None and key.startswith(verl_schema.BUILT)
        return _Section(key, usual, found or hints.config_class(section.hint(name)), section.nulls, is_built)

    def _is_known(self, section: _Section, node: DictConfig, name: Any) -> bool:
        """Whether a key without a default may be there; otherwise it is told, at once or in the end."""
        key = section.key(name)
        is_free = FREE.fullmatch(key) or FREE.fullmatch(section.name) or is_method(section.name)
        is_built = section.is_built and section.config_class is not None
        if name in section.fields or section.default == {} or (is_free and not is_built):
            return True
        if section.is_built and section.config_class is not None:
            near = did_you_mean(name, [*section.fields, *(section.default or ())], "leave it out.", cutoff=0.65)
            self.sentences.append(
                f"{section.name} must have keys of verl's {section.config_class.__name__} alone, which refuses others, "
                f"but has {name!r}; {near}"
            )
            del node[name]
        else:
            self.unknown.append(key)
        return False

    def check(self, section: _Section, node: DictConfig, name: Any, value: object, *, source: str = "") -> None:
        """Checks a value against its type and range."""
        key, hint, limits = section.key(name), section.hint(name), RANGES.get(section.key(name))
        is_typed = hints.fits(value, hint)
        if is_typed and (limits is None or value is None or limits.holds(value)):
            return
        cure = "set it to one" if limits is None else limits.cure
        if isinstance(value, str) and not is_typed and _is_number(value) and not source:
            cure = "leave out the quotes, which make it text"
        shown = f"{'null' if value is None else repr(value)[:100]}{source}"
        words = hints.describe(hint, limits.words if limits is not None else "")
        self.refuse(section, node, name, f"{key} must be {words}, but is {shown}; {cure}.")

    def resolve(self) -> None:
        """Resolves the user's own interpolations, each once, and checks what they give."""
        for section, node, name, text in self.interpolated:
            key, told = section.key(name), len(self.refused)
            try:
                found = node[name]
                plain = OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
            except (OmegaConfBaseException, ValueError) as error:
                self.refuse(
                    section,
                    node,
                    name,
                    f"{key} must have a value, but {text} cannot be resolved: {str(error).splitlines()[0]}; correct "
                    f"what it names, or set {key} itself.",
                )
            else:
                self.check(section, node, name, plain, source=f", from {text}")
                if len(self.refused) == told:
                    node[name] = plain

    def tell_unread(self, default: dict[str, Any]) -> None:
        """Tells of keys that neither verl's code nor this project's reads."""
        names = {key: key.rpartition(".")[2] for key in self.unknown}
        if not names:
            return
        code = [expanded(path) for key in CODE_PATHS if (path := OmegaConf.select(self.made, key))]
        unread = verl_schema.unread(names.values(), others=code)
        # Settings of methods that this run does not compute are not what was meant.
        idle = set(METHODS) - set(computed_methods(self.made))
        known = [
            key
            for key, _ in verl_schema.walk(default)
            if not (key.startswith("algorithm.") and key.split(".")[1] in idle)
        ]
        for key, name in names.items():
            if name in unread:
                near = nearest_key(key, known)
                hint = f"did you mean {near}?" if near else "leave it out, unless code of your own reads it."
                self.sentences.append(
                    Note(f"{key} is read by nothing in verl or this recipe, and changes nothing; {hint}")
                )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _tell_section(key: str, default: dict[Any, Any], value: object) -> str:
    names = [str(name) for name in default if name != "_target_"]
    listed = f"{', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"
    shown = "null" if value is None else repr(value)[:100]
    return (
        f"{key} must be a section with the keys {listed}, but is {shown}; leave {key}={shown} out, and set single keys."
    )
