"""Imports go one way: maths, methods, what meets verl, what surrounds a run. This reads them and holds them to it."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
OURS = frozenset({"groupwise", "recipe", "reward_score", "data_prep", "verl_cpu", "scripts", "benchmarks", "tests"})
NOT_EVEN_VERL = frozenset({"verl", "torch"})


def imported_names(file: Path, root: Path) -> Iterator[str]:
    """Every name that a file imports, absolute and in full: `from a.b import c` gives a.b.c."""
    package = file.relative_to(root).parent.parts
    tree = ast.parse(file.read_text(), filename=str(file))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name for alias in node.names for name in used_names(tree, alias))
        elif isinstance(node, ast.ImportFrom):
            # One dot is the file's own package, each further one the package above.
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func) in ("importlib.import_module", "__import__"):
            yield from (word.value for word in node.args[:1] if isinstance(word, ast.Constant))


def used_names(tree: ast.Module, alias: ast.alias) -> list[str]:
    """What `import a` makes use of: a.b and a.c where the file says so, else a."""
    called = alias.asname or alias.name
    used = {f"{alias.name}.{attr}" for value, attr in attributes_of(tree) if value == called}
    return sorted(used) or [alias.name]


@cache
def attributes_of(tree: ast.Module) -> frozenset[tuple[str, str]]:
    """Of every `a.b` in a file the dotted name a, and b."""
    return frozenset((dotted(node.value), node.attr) for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def dotted(node: ast.expr) -> str:
    """The name that an expression is, dots included; "" where it is no name. ast.unparse takes ten times as long."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def pure_imports(file: str) -> tuple[str, ...] | None:
    """What a file of maths or of a method may import beside torch and the standard library; None of any other."""
    if file.startswith("groupwise/maths/"):
        return ("groupwise.maths.",)
    if file == "groupwise/spelling.py":
        return ()
    if file in ("groupwise/method.py", "groupwise/responses.py", "groupwise/effect.py", "groupwise/registry.py"):
        ours = ("responses", "effect", "registry", "method", "display", "display_rollouts", "spelling")
        return ("groupwise.maths.", *(f"groupwise.{name}." for name in ours))
    if file.startswith("recipe/") and file.endswith("/config/__init__.py"):
        return ("groupwise.config.sections",)
    if file.startswith("recipe/") and not file.endswith("/main_dipo.py"):
        # A method is written against the interface and the maths alone, and keeps its defaults in YAML.
        ours = ("groupwise.maths.", "groupwise.method.", "groupwise.display.", "groupwise.display_rollouts.")
        return (*ours, file.rpartition("/")[0].replace("/", "."), "yaml")
    return None


def is_of_sessions(file: str, name: str) -> bool:
    """A session asks as the data does, and reads and runs calls as the verifier does."""
    parts = (
        "data_prep.tool_prompts.",
        "data_prep.bfcl_evaluated.",
        "reward_score.tool_calls.",
        "reward_score.sandbox.",
        "reward_score.verdict.",
    )
    return file == "groupwise/evaluation/sessions.py" and name.startswith(parts)


def allowed(file: str, name: str) -> bool:
    """The rules of the design, for a file's path and one name that it imports."""
    top = name.partition(".")[0]
    if file in ("groupwise/display.py", "groupwise/display_rollouts.py"):
        # Read wherever something is shown, also where torch would take longer to import than all the rest.
        return top in sys.stdlib_module_names or name.startswith("groupwise.display_rollouts.")
    pure = pure_imports(file)
    if pure is not None:
        return top in (*sys.stdlib_module_names, "torch") or name.startswith(pure)
    if file.startswith("reward_score/"):
        return top not in (OURS - {"reward_score"}) | NOT_EVEN_VERL
    if file.startswith("verl_cpu/"):
        return top not in OURS - {"verl_cpu"}
    if file.startswith("data_prep/"):
        return top not in (OURS - {"data_prep", "reward_score"}) | {"verl"}
    if file.startswith(("groupwise/", "recipe/")):
        if top == "recipe":
            # The framework reaches a method through its registry only; a recipe's entry point is the recipe's.
            return file.startswith("recipe/")
        if top == "reward_score":
            judges = ("reward_score.compute_score", "reward_score.against.find_judge")
            return name in judges or is_of_sessions(file, name)
        if top == "data_prep":
            # The checks before a run validate the data, and nothing else of the recipe prepares or reads any.
            validates = file.startswith("groupwise/preflight/") and name == "data_prep.validate"
            return validates or is_of_sessions(file, name)
        return top not in OURS - {"groupwise", "recipe", "verl_cpu"}
    return True


def find_violations(root: Path) -> list[str]:
    files = [file for top in sorted(OURS) for file in sorted((root / top).rglob("*.py"))]
    return [
        f"{file.relative_to(root)} imports {name}"
        for file in files
        for name in imported_names(file, root)
        if not allowed(file.relative_to(root).as_posix(), name)
    ]


def test_imports_go_one_way():
    assert find_violations(REPOSITORY) == []


def test_the_reader_sees_every_package():
    for package in (
        "groupwise/maths",
        "groupwise/hook",
        "recipe/dipo",
        "recipe/neighbours",
        "reward_score",
        "data_prep",
        "verl_cpu",
    ):
        assert list((REPOSITORY / package).glob("*.py")), f"{package} moved: the rules above look for it there"


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("recipe/dipo/threshold.py", "import numpy"),
        ("recipe/dipo/threshold.py", "from verl import DataProto"),
        ("recipe/dipo/threshold.py", "from groupwise.hook import rollouts"),
        ("recipe/dipo/threshold.py", "from ..neighbours import dace"),
        ("recipe/neighbours/lens.py", "from recipe.dipo.reallocation import reallocate"),
        ("recipe/neighbours/lens.py", "import numpy"),
        ("recipe/neighbours/lens.py", "from groupwise.hook.rollouts import read_rollouts"),
        ("groupwise/maths/groups.py", "from groupwise.method import Responses"),
        ("groupwise/maths/groups.py", "import omegaconf"),
        ("groupwise/method.py", "from groupwise.config import keys"),
        ("groupwise/display.py", "import torch"),
        ("groupwise/display.py", "from groupwise.method import Method"),
        ("groupwise/method.py", "import omegaconf"),
        ("groupwise/hook/trainer.py", "from recipe.dipo.method import DiPO"),
        ("recipe/dipo/threshold.py", "def f():\n    import omegaconf"),
        ("groupwise/hook/reward_manager.py", "from reward_score.arithmetic import verify"),
        ("groupwise/hook/reward_manager.py", "import reward_score"),
        ("groupwise/hook/reward_manager.py", "import reward_score\nreward_score.gsm8k.verify('1')"),
        ("groupwise/hook/trainer.py", "from data_prep import schema"),
        ("groupwise/hook/trainer.py", "from data_prep import validate"),
        ("groupwise/preflight/data.py", "from data_prep import schema"),
        ("groupwise/hook/trainer.py", "import tests"),
        ("reward_score/gsm8k.py", "import torch"),
        ("reward_score/gsm8k.py", "from verl.utils import reward_score"),
        ("reward_score/gsm8k.py", "import groupwise.maths.groups"),
        ("reward_score/gsm8k.py", "import importlib\nimportlib.import_module('torch.nn')"),
        ("data_prep/gsm8k.py", "import verl"),
        ("data_prep/gsm8k.py", "from groupwise.method import Method"),
        ("verl_cpu/patches.py", "import groupwise.hook.register"),
        ("verl_cpu/patches.py", "from reward_score import compute_score"),
    ],
)
def test_a_violation_is_seen(tmp_path: Path, file: str, line: str):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(line + "\n")
    assert len(find_violations(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("recipe/dipo/threshold.py", "import math\nimport torch.nn.functional\nfrom typing import NamedTuple"),
        ("groupwise/maths/advantage.py", "from groupwise.maths.groups import Groups"),
        ("groupwise/maths/advantage.py", "from .groups import Groups"),
        ("groupwise/method.py", "import torch\nfrom groupwise.responses import Outcome"),
        ("recipe/dipo/method.py", "import yaml\nfrom groupwise.method import Method\nfrom recipe.dipo import queue"),
        ("groupwise/display.py", "from typing import NamedTuple"),
        ("recipe/dipo/display.py", "from groupwise.display import Display, Metric"),
        ("recipe/dipo/main_dipo.py", "import verl\nfrom groupwise.launch import watch"),
        ("groupwise/hook/reward_manager.py", "import verl\nimport verl_cpu\nfrom reward_score import compute_score"),
        ("groupwise/hook/reward_manager.py", "import reward_score\nscore = reward_score.compute_score"),
        ("groupwise/preflight/data.py", "from data_prep import validate"),
        ("reward_score/gsm8k.py", "import re\nfrom reward_score.verdict import Verdict\nfrom .numbers import parse"),
        ("data_prep/gsm8k.py", "import pandas\nfrom reward_score import compute_score\nfrom data_prep import schema"),
        ("verl_cpu/patches.py", "import verl\nimport torch\nfrom verl_cpu import platform"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, file: str, line: str):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(line + "\n")
    assert find_violations(tmp_path) == []
