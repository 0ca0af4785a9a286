"""Every regular expression of the packages that read responses, ground truths and data, found in their source.

What is compiled or used in place is read from the syntax tree, so that none is forgotten; a text that is put together
is computed in its module, with "x" for what only a function knows.
"""

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

try:
    from re import _constants as constants  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # before Python 3.11
    import sre_constants as constants
    import sre_parse as parser

__all__ = ["Pattern", "all_patterns", "constants", "parser", "parts"]

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("reward_score", "data_prep", "groupwise", "recipe/dipo")
METHODS = ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")
BY_PLACE = {
    "compile": ("flags",),
    "split": ("", "", "flags"),
    "sub": ("", "", "", "flags"),
    "subn": ("", "", "", "flags"),
}


class Pattern(NamedTuple):
    """A regular expression: where it stands, what it is, and the ways in which it is used."""

    place: str
    name: str
    text: str
    flags: int
    uses: frozenset[str]


def all_patterns(packages: tuple[str, ...] = PACKAGES) -> list[Pattern]:
    """Gives every pattern in the source of the packages."""
    files = [file for package in packages for file in sorted((REPOSITORY / package).rglob("*.py"))]
    trees = {file: ast.parse(file.read_text()) for file in files}
    uses = _uses_of_names(trees)
    return [pattern for file, tree in trees.items() for pattern in _patterns_of(file, tree, uses)]


def _uses_of_names(trees: dict[Path, ast.Module]) -> dict[tuple[Path, str], set[str]]:
    """How each name is used: its methods, or "search", the most costly, where it is handed on."""
    uses: defaultdict[tuple[Path, str], set[str]] = defaultdict(set)
    files = {".".join(file.relative_to(REPOSITORY).with_suffix("").parts): file for file in trees}
    for file, tree in trees.items():
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        origin = {alias.name: files[node.module] for node in imports if node.module in files for alias in node.names}
        owners = {id(node.value): node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                uses[origin.get(node.id, file), node.id].add(owners.get(id(node), "search"))
    return uses


def _patterns_of(file: Path, tree: ast.Module, uses: dict[tuple[Path, str], set[str]]) -> Iterator[Pattern]:
    named = {id(node.value): _target(node) for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign)}
    owners = {id(node.value): node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        method = node.func.attr
        if ast.unparse(node.func.value) != "re" or method not in (*METHODS, "compile"):
            continue
        name = named.get(id(node), "") if method == "compile" else ""
        used = (
            uses.get((file, name), {"search"})
            if name
            else {owners.get(id(node), "search")}
            if method == "compile"
            else {method}
        )
        place = f"{file.relative_to(REPOSITORY)}:{node.lineno}"
        yield Pattern(
            place,
            name,
            _text(node.args[0], file),
            _flags(node, file),
            frozenset(used & set(METHODS)) or frozenset({"search"}),
        )


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def _text(node: ast.expr, file: Path) -> str:
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.FormattedValue) else part for part in node.values)
        return "".join(_text(part, file) for part in parts)
    try:
        found = _value(node, file)
    except NameError:
        return "x"
    return found.decode("latin-1") if isinstance(found, bytes) else str(found)


def _flags(node: ast.Call, file: Path) -> int:
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    given = [keyword.value for keyword in node.keywords if keyword.arg == "flags"]
    places = BY_PLACE.get(method, ("", "flags"))
    given += [value for name, value in zip(places, node.args[1:], strict=False) if name == "flags"]
    return int(_value(given[0], file)) if given else 0


def _value(node: ast.expr, file: Path) -> Any:
    """Computes what stands in a module, without loading it where that is a literal."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        names = {**vars(_module(file)), "re": re}
        return eval(compile(ast.Expression(node), str(file), "eval"), names)


@lru_cache
def _module(file: Path) -> ModuleType:
    parts = file.relative_to(REPOSITORY).with_suffix("").parts
    return importlib.import_module(".".join(part for part in parts if part != "__init__"))


def parts(pattern: Pattern) -> set[str]:
    """Gives what a pattern is made of: its literals, a character or two of each class, and its alternatives."""
    found: set[str] = set()
    _collect(parser.parse(pattern.text, pattern.flags), found)
    return found


def _collect(items: Any, found: set[str]) -> None:
    run = ""
    for kind, value in items:
        if kind is constants.LITERAL:
            run += chr(value)
            continue
        found.add(run)
        run = ""
        if kind is constants.IN:
            for name, member in value:
                if name is constants.LITERAL:
                    found.add(chr(member))
                elif name is constants.RANGE:
                    found.update(map(chr, member))
        elif kind is constants.BRANCH:
            for branch in value[1]:
                _collect(branch, found)
        elif isinstance(value, tuple) and value and isinstance(value[-1], parser.SubPattern):
            _collect(value[-1], found)
    found.add(run)
