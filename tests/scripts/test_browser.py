"""The browser of the tests: where it is looked for, and how set-up comes by one; stand-ins for browser, apt and pip."""

import os
from pathlib import Path

import pytest
from setup_browser import answers, find_browser, provide_browser, why_none

WORKS = "echo Chromium 1.2"
FAILS = "echo 'install the snap instead' >&2; exit 1"


def program(file: Path, script: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on PATH, `bin`, and nobody's cache; its user is root."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "timeout").symlink_to("/usr/bin/timeout")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DIPO_BROWSER", raising=False)
    monkeypatch.delenv("PLAYWRIGHT_BROWSERS_PATH", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


# Looking for one


@pytest.mark.parametrize("name", ["chromium", "google-chrome-stable", "microsoft-edge"])
def test_a_browser_on_path_is_found(machine: Path, name: str):
    assert find_browser() is None
    there = program(machine / "bin" / name, WORKS)
    assert find_browser() == str(there)


def test_a_shim_that_does_not_run_is_passed_over(machine: Path):
    program(machine / "bin" / "chromium", FAILS)
    chrome = program(machine / "bin" / "google-chrome", WORKS)
    assert find_browser() == str(chrome)
    chrome.unlink()
    assert find_browser() is None


def test_the_variable_rules(machine: Path, monkeypatch: pytest.MonkeyPatch):
    program(machine / "bin" / "chromium", WORKS)
    own = program(machine / "own" / "browser", WORKS)
    monkeypatch.setenv("DIPO_BROWSER", str(own))
    assert find_browser() == str(own)
    own.unlink()
    # Not the one on PATH: it was not meant.
    assert find_browser() is None
    assert str(own) in why_none()


@pytest.mark.parametrize(
    ("folder", "shell"),
    [
        ("chromium_headless_shell-{}", "chrome-headless-shell-linux64/chrome-headless-shell"),
        ("chromium_headless_shell-{}", "chrome-linux/headless_shell"),
        ("chromium-{}", "chrome-linux64/chrome"),
    ],
)
def test_the_newest_of_playwrights_own_is_found(machine: Path, folder: str, shell: str):
    cache = machine / "home" / ".cache" / "ms-playwright"
    program(cache / folder.format(999) / shell, WORKS)
    newest = program(cache / folder.format(1255) / shell, WORKS)
    assert find_browser() == str(newest)


def test_playwrights_folder_may_be_elsewhere(machine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(machine / "elsewhere"))
    shell = program(machine / "elsewhere" / "chromium_headless_shell-7" / "chrome-linux" / "headless_shell", WORKS)
    assert find_browser() == str(shell)


def test_a_browser_is_what_answers(machine: Path):
    assert answers(str(program(machine / "b", WORKS)))
    assert not answers(str(machine / "missing"))
    assert not answers(str(machine))


# Coming by one


def environment(machine: Path, playwright: str) -> Path:
    program(machine / "environment" / "bin" / "python", f'echo "$@" >> {machine}/asked; {playwright}')
    return machine / "environment"


def apt(machine: Path, on_install: str) -> None:
    script = f'echo "$@" >> {machine}/asked; case "$*" in *install*) {on_install} ;; esac'
    program(machine / "bin" / "apt-get", script)


def brings(file: Path, script: str = WORKS) -> str:
    return f"/bin/mkdir -p {file.parent}; printf '#!/bin/sh\\n%s\\n' \"{script}\" > {file}; /bin/chmod +x {file}"


def asked(machine: Path) -> list[str]:
    """The packages and browsers that were asked for."""
    file = machine / "asked"
    return [line.split()[-1] for line in file.read_text().splitlines()] if file.exists() else []


def test_nothing_is_done_where_there_is_one(machine: Path, capfd: pytest.CaptureFixture[str]):
    program(machine / "bin" / "chromium", WORKS)
    apt(machine, FAILS)
    provide_browser(environment(machine, FAILS))
    assert capfd.readouterr() == ("", "")
    assert asked(machine) == []


def test_root_gets_it_from_apt(machine: Path, capfd: pytest.CaptureFixture[str]):
    apt(machine, brings(machine / "bin" / "chromium"))
    provide_browser(environment(machine, FAILS))
    assert find_browser() == str(machine / "bin" / "chromium")
    assert asked(machine) == ["update", "chromium"]
    assert capfd.readouterr().err.splitlines() == [
        "setup: installing Chromium, for the tests of pages (a minute, once)"
    ]


@pytest.mark.parametrize("on_install", [FAILS, "exit 0"], ids=["no package", "a shim"])
def test_playwrights_own_comes_where_apts_does_not_run(machine: Path, on_install: str):
    apt(machine, on_install)
    program(machine / "bin" / "chromium", FAILS)
    shell = machine / "home" / ".cache" / "ms-playwright" / "chromium_headless_shell-1" / "l" / "headless_shell"
    provide_browser(environment(machine, brings(shell)))
    assert find_browser() == str(shell)
    assert "install --with-deps --only-shell chromium" in (machine / "asked").read_text()


def test_a_user_without_rights_never_calls_apt(machine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    apt(machine, FAILS)
    shell = machine / "home" / ".cache" / "ms-playwright" / "chromium_headless_shell-1" / "l" / "headless_shell"
    provide_browser(environment(machine, brings(shell)))
    assert (machine / "asked").read_text() == "-m playwright install --only-shell chromium\n"


def test_what_does_not_work_is_said_and_not_tried_again(machine: Path, capfd: pytest.CaptureFixture[str]):
    apt(machine, FAILS)
    prefix = environment(machine, FAILS)
    provide_browser(prefix)
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[1].startswith("setup: the tests of pages will be skipped: none of chromium, ")
    assert said[1].endswith(f"What was tried is in {prefix}/setup.log.")
    assert "install the snap instead" in (prefix / "setup.log").read_text()
    before = asked(machine)
    provide_browser(prefix)
    assert capfd.readouterr().err.splitlines() == said[1:]
    assert asked(machine) == before
    program(machine / "bin" / "chromium", WORKS)
    provide_browser(prefix)
    assert capfd.readouterr().err == ""


def test_a_variable_that_names_nothing_is_for_its_user_to_mend(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("DIPO_BROWSER", "/nowhere/chromium")
    apt(machine, brings(machine / "bin" / "chromium"))
    provide_browser(environment(machine, FAILS))
    assert "DIPO_BROWSER must name a Chromium that runs, but /nowhere/chromium" in capfd.readouterr().err
    assert asked(machine) == []
