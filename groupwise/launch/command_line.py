"""What Hydra refuses on a command line, in a sentence: its own say what went wrong and not what was meant."""

import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException

from groupwise.preflight.verl_schema import defaults, walk
from groupwise.registry import METHODS
from groupwise.spelling import did_you_mean, nearest_key

ADDED: Final = re.compile(r"\+(?=[A-Za-z_]\w*(\.[\w-]+)+=)")
"""The + of a key in a section; groups, such as +device=cpu, have no dot."""

KEY: Final = re.compile(r"Could not (?:override|delete from config\.) '([^']+)'")

PATH: Final = re.compile(r"(\+{0,2}[\w.]+)=((?:~|[^\[{(\"'=/]*/).*)", re.DOTALL)
"""A key with a path, neither quoted nor in a list."""


def run(main: Callable[[], None]) -> None:
    """Runs a function of `hydra.main` and ends with a sentence where Hydra refuses the command line or its folder."""
    sys.argv[1:] = [ease(argument) for argument in sys.argv[1:]]
    # So that Hydra raises what it would print; processes that are started later need not know.
    given = os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    try:
        main()
    except HydraException as error:
        if is_of_the_run(error):
            raise
        sys.exit(explain(error, sys.argv[1:]))
    except OSError as error:
        if is_of_the_run(error):
            raise
        sys.exit(
            f"The working directory {working_directory()} must be writable, since Hydra makes a folder for each start "
            f"in its folder outputs, but: {error}; start the run from another folder, or set hydra.run.dir=FOLDER."
        )
    finally:
        if given == "1":
            os.environ.pop("HYDRA_FULL_ERROR", None)


def ease(argument: str) -> str:
    """Makes an argument readable for Hydra where only its form is in the way.

    The + of a key becomes ++, so that it is set also where the defaults have it, as scripts for plain verl add it; a
    path with ~, letters beyond ASCII or signs that mean something to Hydra is quoted.
    """
    argument = ADDED.sub("++", argument) if ADDED.match(argument) else argument
    found = PATH.fullmatch(argument)
    if found and not _is_readable(argument):
        text = found[2].replace('"', '\\"')
        quoted = f'{found[1]}="{text}"'
        return quoted if _is_readable(quoted) else argument
    return argument


def _is_readable(argument: str) -> bool:
    try:
        # A comma makes a sweep over several values, which a run is not.
        return not OverridesParser.create().parse_override(argument).is_sweep_override()
    except HydraException:
        return False


def is_of_the_run(error: BaseException) -> bool:
    """Says whether an exception comes out of the run itself, and not out of what Hydra does before it."""
    return any(frame.name == "main" for frame in traceback.extract_tb(error.__traceback__))


def working_directory() -> str:
    """The working directory; a word where it is not there any more."""
    try:
        return os.getcwd()
    except OSError:
        return "(removed)"


def explain(error: HydraException, arguments: Sequence[str]) -> str:
    """Puts Hydra's refusal of a command line into a sentence."""
    if isinstance(error, OverrideParseException):
        return _explain_grammar(error.override, str(error))
    if isinstance(error, MissingConfigException) and error.options is not None:
        return _explain_group(error)
    message = str(error)
    found = KEY.search(message)
    if "No match in the defaults list" in message and found:
        return f"{found[1]} must be added to the defaults with a +, but is given without; write +{found[1]}=NAME."
    if isinstance(error, ConfigCompositionException) and found:
        return _explain_key(found[1], arguments)
    lines = [line.strip() for text in (message, str(error.__cause__ or "")) for line in text.splitlines()]
    told = " ".join(dict.fromkeys(line for line in lines if line and not line.startswith(("full_key", "object_type"))))
    return f"Hydra must be able to read the command line, but says: {told}"


def _explain_key(key: str, arguments: Sequence[str]) -> str:
    engine = next((word.partition("=")[2] for word in arguments if word.startswith("model_engine=")), None)
    known = [name for name, _ in walk(defaults(engine).values)]
    if key in known:
        return (
            f"{key} must be in a section that is there, but one around it was taken out or set to something else on "
            "the same command line; leave that out."
        )
    # What another method's key is called says nothing in a method's section, and much in none.
    methods = [f"algorithm.{name}" for name in METHODS]
    near = nearest_key(key, known, closed=methods)
    section, word = key.rpartition(".")[0], (near or "").rpartition(".")[2]
    having = [name for name in METHODS if f"algorithm.{name}.{word}" in known]
    if section in methods:
        names = ", ".join(name for name in known if name.startswith(f"{section}.")) or "none"
        cure = f"did you mean {near}?" if near else f"its section has {names}."
    else:
        if section == "algorithm" and len(having) > 1:
            near = f"algorithm.NAME.{word}, with NAME one of {', '.join(having)}"
        cure = f"did you mean {near}?" if near else "look it up in docs/keys.md and verl's configuration."
        cure = f"{cure} (+{key}=... adds one.)"
    return f"{key} must be a key that the configuration has, but there is none of that name; {cure}"


def _explain_group(error: MissingConfigException) -> str:
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    cure = did_you_mean(name, error.options or (), "choose one of these.")
    return f"{group or 'The configuration'} must be one of {', '.join(error.options or ())}, but is {name}; {cure}"


def _explain_grammar(override: str, message: str) -> str:
    key, equals, value = override.partition("=")
    if not equals:
        return f"{override!r} must be a key with its value, key=value, but has no =; write it as one word."
    reason = next((line.strip() for line in message.splitlines() if line.strip()), "it cannot be read")
    quoted = shlex.quote(f"{key}={chr(34)}{value.strip(chr(34))}{chr(34)}")
    return (
        f"{override} must be readable by Hydra's grammar, but: {reason}; close its brackets and quotes, or quote a "
        f"value with special characters twice, for the shell and for Hydra: {quoted}"
    )
