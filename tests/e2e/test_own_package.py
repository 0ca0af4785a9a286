"""The method of groupwise/README.md, in a package of its own: built, installed beside, trained, replayed, reported."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from groupwise.dumps.reader import read_dump

pytestmark = [pytest.mark.slow, pytest.mark.vllm]
README = Path(__file__).parents[2] / "groupwise" / "README.md"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def code_of(language: str) -> str:
    """The first block of a language in the section on a method of one's own."""
    section = README.read_text().split("## Your own method in one file\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)[0]


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """A folder that holds the package, installed from its wheel; the environment itself is left as it is."""
    source, target = tmp_path_factory.mktemp("my_project"), tmp_path_factory.mktemp("site")
    (source / "my_package").mkdir()
    (source / "my_package" / "__init__.py").touch()
    (source / "my_package" / "sure.py").write_text(code_of("python"))
    (source / "pyproject.toml").write_text(code_of("toml"))
    offline = ("--no-index", "--no-deps")
    subprocess.run(
        [*PIP, "wheel", *offline, "--no-build-isolation", "-w", str(source / "dist"), str(source)], check=True
    )
    (wheel,) = (source / "dist").glob("*.whl")
    subprocess.run([*PIP, "install", *offline, "--target", str(target), str(wheel)], check=True)
    return target


@pytest.fixture
def run_module(installed, tmp_path):
    """Runs a module of ours in a process that finds the package; gives what it printed."""

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], env=with_package(installed), cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


def with_package(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def test_the_readmes_method_is_trained_replayed_and_reported(start, installed, run_module, tmp_path):
    rollouts = tmp_path / "rollouts"
    run = start(
        "algorithm.adv_estimator=sure",
        "algorithm.sure.weight=0.25",
        "trainer.total_training_steps=1",
        "trainer.save_freq=1",
        f"trainer.rollout_data_dir={rollouts}",
        **{"PYTHONPATH": with_package(installed)["PYTHONPATH"]},
    )
    assert run.wait() == 0, run.log[-5000:]
    step = run.metrics()[1]
    assert step["sure/surer/mean"] > 0
    # Where all eight responses of a group are wrong, GRPO has no gradient, and how sure they were differs.
    assert step["sure/gradient_share/sure"] > step["sure/gradient_share/grpo"] > 0
    assert step["actor/grad_norm"] > 0
    assert (run.checkpoints / "global_step_1" / "method.pt").is_file()
    assert json.loads((run.checkpoints / "global_step_1" / "method.json").read_text())["algorithm.sure.weight"] == 0.25

    (file,) = rollouts.glob("*/1.parquet")
    dump = read_dump(file)
    assert dump.decided is not None
    assert (dump.decided["estimator"], dump.decided["methods"]["sure"]) == ("sure", {"weight": 0.25})
    replayed = run_module("groupwise.replay", str(rollouts), "--method", "sure", "--json", "replayed.json")
    assert "sure" in replayed
    assert json.loads((tmp_path / "replayed.json").read_text())
    assert "an advantage was moved" in run_module("groupwise.inspect", str(rollouts))
    run_module("groupwise.report", str(run.folder), "-o", "report.html", "--json", "report.json")
    assert [variant["label"] for variant in json.loads((tmp_path / "report.json").read_text())["variants"]] == ["sure"]
    assert "sure" in (tmp_path / "report.html").read_text()


def test_a_mistyped_key_of_the_method_is_refused_by_name(start, installed):
    run = start(
        "algorithm.adv_estimator=sure", "algorithm.sure.wieght=1", PYTHONPATH=with_package(installed)["PYTHONPATH"]
    )
    assert run.wait() == 1
    assert "algorithm.sure.weight" in run.log
