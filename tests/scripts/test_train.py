"""What a run script starts, seen by a `python` that only says what it was asked."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def start(tmp_path):
    """Starts a copy of a run script by a link from another folder, and gives what it asks of Python."""
    scripts, programs = tmp_path / "project" / "scripts", tmp_path / "programs"
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "setup.sh").write_text(f"echo {programs}\n")
    programs.mkdir()
    (programs / "python").write_text('#!/bin/sh\necho "${NNODES-unset}" "${GPUS_PER_NODE-unset}" "$@"\n')
    (programs / "python").chmod(0o755)
    (tmp_path / "my run.sh").symlink_to(scripts / "run_qwen7b_dipo.sh")

    def start_(**environment: str) -> str:
        return subprocess.run(
            ["bash", tmp_path / "my run.sh", "data.seed=1"],
            env={"PATH": "/usr/bin:/bin", **environment},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()

    return start_


@pytest.mark.parametrize(
    ("environment", "counts"),
    [
        ({}, "unset unset"),
        ({"NNODES": "", "GPUS_PER_NODE": " "}, "unset unset"),
        ({"NNODES": "2 ", "GPUS_PER_NODE": "4"}, "2 4"),
    ],
)
def test_by_a_link_with_counts_as_people_write_them(start, environment, counts):
    asked = "-m recipe.dipo.main_dipo +experiment=qwen7b +experiment/arm=dipo data.seed=1"
    assert start(**environment) == f"{counts} {asked}"
