"""Every command that a README or a page names parses: module, file, flags and keys are there.

Python modules read their arguments and are stopped there; scripts run with a `python` that only writes down what it is
asked, and what it was asked is read in its turn; overrides of verl's configuration are composed.
"""

import argparse
import importlib.util
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra import compose, initialize_config_module

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("", "docs", "groupwise", "recipe/*", "reward_score", "data_prep", "verl_cpu", "benchmarks")
PAGES = sorted(page for folder in FOLDERS for page in REPOSITORY.glob(f"{folder}/*.md".lstrip("/")))

CONFIGS = {
    "recipe.dipo.main_dipo": ("recipe.dipo.config", "dipo_trainer"),
    "groupwise.demo.launch": ("recipe.dipo.config", "dipo_trainer"),
    "verl.trainer.main_ppo": ("verl.trainer.config", "ppo_trainer"),
}
"""Modules whose arguments, or those behind their own, are overrides of a configuration."""

FOREIGN = ("ray", "export", "source", "git", "awk", "pip", "uv", "sbatch", "wandb", "pre-commit")
"""Programs that are not ours to check."""


class Command(NamedTuple):
    """A command of a page: what stands in it, with a continued line joined and without its comment."""

    page: str
    text: str


def commands_of(page: str, text: str) -> Iterator[Command]:
    """The commands of a page: lines of code blocks, fenced or indented, and code within a line."""
    fenced = re.findall(r"^```(?:bash)?\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    indented = re.findall(r"(?:^ {4}.*\n)+", prose, flags=re.MULTILINE)
    inline = re.findall(r"`((?:[A-Z_]+=\S+ )*(?:python|bash) [^`]+)`", prose)
    lines = re.sub(r"\s*\\\n\s*", " ", "\n".join([*fenced, *indented, *inline])).splitlines()
    for line in lines:
        said = re.sub(r"(^|\s)#.*", "", line).strip()
        if re.match(r"(?:[A-Z_]+=\S+ )*(?:python|bash|DRY_RUN=1)\s", said):
            yield Command(page, said)


def all_commands() -> list[Command]:
    found = [
        command for page in PAGES for command in commands_of(page.relative_to(REPOSITORY).as_posix(), page.read_text())
    ]
    return list({command.text: command for command in found}.values())


class Parsed(Exception):
    """Raised in place of going on, once the arguments have been read."""


class Checker:
    """Checks commands; what it stands in for is put back by monkeypatch."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.left: list[str] = []
        read = argparse.ArgumentParser.parse_known_args

        def strictly(parser: argparse.ArgumentParser, *given: object) -> None:
            _, left = read(parser, *given)
            if left:
                parser.error(f"unrecognized arguments: {' '.join(left)}")
            raise Parsed

        def loosely(parser: argparse.ArgumentParser, *given: object) -> None:
            _, self.left = read(parser, *given)
            raise Parsed

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", strictly)
        monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", loosely)

    def check(self, text: str) -> None:
        """Reads a command.

        Raises:
            Exception: It cannot be meant so: whatever says so raises what it raises.
        """
        words = [word for word in shlex.split(text) if "..." not in word]
        while re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        program, target, *arguments = words
        if program == "bash":
            self.check_script(target, arguments)
        elif target == "-m":
            self.check_module(arguments[0], arguments[1:])
        else:
            self.read_arguments(str(REPOSITORY / target), arguments)

    def check_module(self, name: str, arguments: list[str]) -> None:
        if name.endswith("."):  # the front of several names, in the head of a table
            return
        spec = importlib.util.find_spec(name)
        assert spec is not None, f"no module {name}"
        if spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
        assert spec is not None, f"{name} has no __main__"
        if name not in CONFIGS:
            self.read_arguments(name, arguments)
            return
        if name == "groupwise.demo.launch":
            self.read_arguments(name, arguments)
            arguments = self.left
        module, config = CONFIGS[name]
        with initialize_config_module(module, version_base=None):
            compose(config, overrides=arguments)

    def read_arguments(self, program: str, arguments: list[str]) -> None:
        """Runs a file or module up to where it has read its arguments; one that is only named is asked for help."""
        self.monkeypatch.setattr(sys, "argv", [program, *(arguments or ["--help"])])
        run = runpy.run_path if program.endswith(".py") else runpy.run_module
        try:
            run(program, run_name="__main__")
        except Parsed:
            return
        except SystemExit as error:
            if not error.code:
                return
            raise AssertionError(f"{program} refuses {arguments}") from error
        raise AssertionError(f"{program} ran, and read no arguments")

    def check_script(self, target: str, arguments: list[str]) -> None:
        script = target.partition("scripts/")[2]
        assert (REPOSITORY / "scripts" / script).is_file(), f"no script {target}"
        if script == "setup.sh":
            self.read_arguments(str(REPOSITORY / "scripts" / "setup_env.py"), arguments or ["cpu"])
            return
        for asked in self.asked_by(script, arguments):
            if asked[1] != "pytest":
                self.check_module(asked[1], asked[2:])
            else:
                missing = [word for word in asked if word.startswith("tests/") and not (REPOSITORY / word).exists()]
                assert missing == [], f"{target} is asked for tests that are not there"

    def copy_scripts(self) -> Path:
        """Copies the scripts, which set nothing up there, into an empty folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        ignored = shutil.ignore_patterns("*.py", "__pycache__")
        shutil.copytree(REPOSITORY / "scripts", self.folder / "scripts", ignore=ignored)
        for name in ("env.sh", "setup.sh"):
            (self.folder / "scripts" / name).write_text("")
        return self.folder

    def asked_by(self, script: str, arguments: list[str]) -> list[list[str]]:
        """What a script asks of python, run in a copy of the scripts that sets nothing up and starts nothing."""
        self.copy_scripts()
        log, programs = self.folder / "asked", self.folder / "bin"
        for made in (programs, self.folder / "outputs" / "cpu_demo"):
            made.mkdir(parents=True)
        for name in ("python", "ruff", "pyright"):
            line = f"printf '%s\\037' \"$@\" >> {log}; echo >> {log}" if name == "python" else "true"
            (programs / name).write_text(f"#!/bin/sh\n{line}\n")
            (programs / name).chmod(0o755)
        ran = subprocess.run(
            ["bash", f"scripts/{script}", *arguments],
            cwd=self.folder,
            env={"PATH": f"{programs}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return [line.split("\037")[:-1] for line in log.read_text().splitlines()]


@pytest.fixture
def checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checker:
    return Checker(tmp_path / "copy", monkeypatch)


def marked(command: Command) -> object:
    slow = "benchmarks/" in command.text or "verl.trainer" in command.text
    return pytest.param(
        command.text, id=f"{command.page}: {command.text}"[:100], marks=pytest.mark.slow if slow else ()
    )


@pytest.mark.parametrize("text", [marked(command) for command in all_commands()])
def test_command_parses(checker: Checker, text: str):
    checker.check(text)


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(file.name for file in (REPOSITORY / "scripts").glob("run_*_*.sh")))
def test_a_dry_run_lacks_only_data_and_model(checker: Checker, script: str):
    if script == "run_cpu_demo.sh":
        pytest.skip("it trains")
    ran = subprocess.run(
        ["bash", f"scripts/{script}"],
        cwd=checker.copy_scripts(),
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "DRY_RUN": "1",
            "HF_HUB_OFFLINE": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "adv_estimator:" in ran.stdout, ran.stderr[-2000:]
    faults = re.findall(r"^- .*\[(\w+)\]$", ran.stdout + ran.stderr, flags=re.MULTILINE)
    assert set(faults) == {"files", "model"}


def test_pages_have_commands():
    found = {(command.page, command.text.split("=")[0].split()[0]) for command in all_commands()}
    assert {page for page, _ in found} >= {"README.md", "CONTRIBUTING.md", "docs/running.md", "data_prep/README.md"}


@pytest.mark.parametrize(
    "text",
    [
        "python -m groupwise.report a b --made-up",
        "python -m groupwise.nowhere a",
        "python -m data_prep.gsm8k --made-up 3",
        "python -m recipe.dipo.main_dipo algorithm.dipo.made_up=1",
        "bash scripts/made_up.sh",
        "bash scripts/setup.sh --made-up",
        "bash scripts/prepare_data.sh made-up",
        "bash scripts/prepare_data.sh math --made-up",
        "bash scripts/evaluate.sh MODEL --made-up",
        "bash scripts/run_qwen7b_dipo.sh algorithm.dipo.made_up=1",
        "bash scripts/train.sh made_up dipo",
        "bash scripts/test.sh --fast tests/made_up",
    ],
)
def test_a_command_that_cannot_be_meant_fails(checker: Checker, text: str):
    with pytest.raises((Exception, SystemExit)):
        checker.check(text)


def test_commands_are_found_where_they_stand():
    page = """
Text with `python -m one a` and `bash scripts/two.sh`, not `python`.

```bash
DRY_RUN=1 bash three.sh   # a remark
python -m four \\
    --key value '#5'
git tag
```

    python five.py
"""
    assert [command.text for command in commands_of("page", page)] == [
        "DRY_RUN=1 bash three.sh",
        "python -m four --key value '#5'",
        "python five.py",
        "python -m one a",
        "bash scripts/two.sh",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_files_that_a_page_names_are_there(page: Path):
    named = re.findall(
        r"`((?:groupwise|recipe|reward_score|data_prep|verl_cpu|scripts|benchmarks|docs|tests)/[\w./]+)`",
        page.read_text(),
    )
    assert [name for name in named if not (REPOSITORY / name).exists() and "NAME" not in name] == []
