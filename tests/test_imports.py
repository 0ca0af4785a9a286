"""Imports go one way: torch, the core, the adapters, main_dipo. This reads them and holds the packages to it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
OURS = frozenset({"recipe", "reward_score", "data_prep", "verl_cpu", "scripts", "benchmarks", "tests"})
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
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            yield from (word.value for word in node.args[:1] if isinstance(word, ast.Constant))


def used_names(tree: ast.Module, alias: ast.alias) -> list[str]:
    """What `import a` makes use of: a.b and a.c where the file says so, else a."""
    called = alias.asname or alias.name
    used = {
        f"{alias.name}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == called
    }
    return sorted(used) or [alias.name]


def allowed(file: str, name: str) -> bool:
    """The rules of the design, for a file's path and one name that it imports."""
    top = name.partition(".")[0]
    if file.startswith("recipe/dipo/core/"):
        return top in sys.stdlib_module_names or top == "torch" or name.startswith("recipe.dipo.core")
    if file.startswith("reward_score/"):
        return top not in (OURS - {"reward_score"}) | NOT_EVEN_VERL
    if file.startswith("verl_cpu/"):
        return top not in OURS - {"verl_cpu"}
    if file.startswith("data_prep/"):
        return top not in (OURS - {"data_prep", "reward_score"}) | {"verl"}
    if file.startswith("recipe/"):
        if top == "reward_score":
            return name == "reward_score.compute_score"
        if top == "data_prep":
            # The check before a run validates the data, and nothing else of the recipe prepares or reads any.
            return file == "recipe/dipo/preflight/data.py" and name in (
                "data_prep.validate",
                "data_prep.validate.find_faults",
            )
        return top not in OURS - {"recipe", "verl_cpu"}
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
    for package in ("recipe/dipo/core", "recipe/dipo", "reward_score", "data_prep", "verl_cpu"):
        assert list((REPOSITORY / package).glob("*.py")), f"{package} moved: the rules above look for it there"


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("recipe/dipo/core/threshold.py", "import numpy"),
        ("recipe/dipo/core/threshold.py", "from verl import DataProto"),
        ("recipe/dipo/core/threshold.py", "from recipe.dipo import metrics"),
        ("recipe/dipo/core/threshold.py", "from ..config import DiPOConfig"),
        ("recipe/dipo/core/threshold.py", "def f():\n    import omegaconf"),
        ("recipe/dipo/reward_manager.py", "from reward_score.arithmetic import verify"),
        ("recipe/dipo/reward_manager.py", "import reward_score"),
        ("recipe/dipo/reward_manager.py", "import reward_score\nreward_score.gsm8k.verify('1')"),
        ("recipe/dipo/trainer.py", "from data_prep import schema"),
        ("recipe/dipo/trainer.py", "from data_prep import validate"),
        ("recipe/dipo/preflight/data.py", "from data_prep import schema"),
        ("recipe/dipo/trainer.py", "import tests"),
        ("reward_score/gsm8k.py", "import torch"),
        ("reward_score/gsm8k.py", "from verl.utils import reward_score"),
        ("reward_score/gsm8k.py", "import recipe.dipo.core"),
        ("reward_score/gsm8k.py", "import importlib\nimportlib.import_module('torch.nn')"),
        ("data_prep/gsm8k.py", "import verl"),
        ("data_prep/gsm8k.py", "from recipe.dipo.config import DiPOConfig"),
        ("verl_cpu/patches.py", "import recipe.dipo.register"),
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
        ("recipe/dipo/core/threshold.py", "import math\nimport torch.nn.functional\nfrom typing import NamedTuple"),
        ("recipe/dipo/core/advantage.py", "from recipe.dipo.core.threshold import Threshold"),
        ("recipe/dipo/core/advantage.py", "from .threshold import Threshold"),
        ("recipe/dipo/reward_manager.py", "import verl\nimport verl_cpu\nfrom reward_score import compute_score"),
        ("recipe/dipo/reward_manager.py", "import reward_score\nscore = reward_score.compute_score"),
        ("recipe/dipo/preflight/data.py", "from data_prep import validate"),
        ("reward_score/gsm8k.py", "import re\nfrom reward_score.verdict import Verdict\nfrom .numbers import parse"),
        ("data_prep/gsm8k.py", "import pandas\nfrom reward_score import compute_score\nfrom data_prep import schema"),
        ("verl_cpu/patches.py", "import verl\nimport torch\nfrom verl_cpu import platform"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, file: str, line: str):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(line + "\n")
    assert find_violations(tmp_path) == []
