"""Loggers that cannot start: unknown, not installed, not logged in, or without a place to write."""

import functools
import importlib.machinery
import importlib.util
import re

import pytest
from verl.utils.tracking import Tracking

from groupwise.preflight import loggers
from groupwise.preflight.loggers import PACKAGES, find_faults


@pytest.fixture
def compose_with(shipped):
    """Gives the configuration that this file starts from, with overrides."""
    return functools.partial(shipped, "cpu")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder and a home of the test's own, and no variable that a logger reads."""
    for name in ("API_KEY", "MODE", "BASE_URL", "IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    for name in ("NETRC", "VERL_FILE_LOGGER_PATH", "VERL_FILE_LOGGER_ROOT", "TENSORBOARD_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Modules that are found; all, unless a test takes some away."""
    found = set(PACKAGES.values())
    spec = importlib.machinery.ModuleSpec("any", None)
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda name: spec if name in found else None)
    return found


def test_every_package_belongs_to_a_logger_of_verl():
    # console and file need none.
    assert set(PACKAGES) == set(Tracking.supported_backend) - {"console", "file"}


@pytest.mark.parametrize(
    "names",
    ["console", "[console, file]", "[tensorboard]", "[mlflow, swanlab, clearml, trackio, rl_insight]", "[]", "null"],
)
def test_loggers_that_can_start_are_sound(compose_with, names):
    assert list(find_faults(compose_with(f"trainer.logger={names}"))) == []


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("wnadb", "must name loggers of verl, any of wandb, .* but names 'wnadb'"),
        ("[console, csv]", "but names 'csv'"),
        ("[console, 3]", "but names 3"),
    ],
)
def test_an_unknown_logger_is_a_fault(compose_with, names, sentence):
    (fault,) = find_faults(compose_with(f"trainer.logger={names}"))
    assert re.search(sentence, fault), fault


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package_is_a_fault(compose_with, installed, name):
    installed.remove(PACKAGES[name])
    (fault,) = find_faults(compose_with(f"trainer.logger=[console, {name}, {name}]"))
    assert fault.startswith(f"The logger {name} of trainer.logger needs the package {PACKAGES[name]}")


class TestWandb:
    WANDB = "trainer.logger=[console, wandb]"

    @pytest.mark.parametrize("name", ["wandb", "tracking"])
    def test_without_a_log_in_is_a_fault(self, compose_with, name):
        (fault,) = find_faults(compose_with(f"trainer.logger={name}"))
        assert "needs a log-in" in fault
        assert "WANDB_MODE=offline" in fault

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("WANDB_API_KEY", "a key"),
            ("WANDB_MODE", "offline"),
            ("WANDB_MODE", "disabled"),
            ("WANDB_IDENTITY_TOKEN_FILE", "token"),
        ],
    )
    def test_a_key_or_a_mode_without_one_is_sound(self, compose_with, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        assert list(find_faults(compose_with(self.WANDB))) == []

    @pytest.mark.parametrize(("name", "value"), [("WANDB_API_KEY", ""), ("WANDB_MODE", "online")])
    def test_an_empty_key_or_another_mode_is_none(self, compose_with, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        assert len(list(find_faults(compose_with(self.WANDB)))) == 1

    def test_a_key_for_rays_workers_alone_is_sound(self, compose_with):
        key = "ray_kwargs.ray_init.runtime_env.env_vars.WANDB_API_KEY=key"
        assert list(find_faults(compose_with(self.WANDB, key))) == []

    @pytest.mark.parametrize(
        ("host", "url", "faults"),
        [
            ("api.wandb.ai", None, 0),
            ("example.org", None, 1),
            ("example.org", "https://example.org:8080/wandb", 0),
            ("api.wandb.ai", "https://example.org", 1),
        ],
    )
    def test_a_log_in_counts_for_its_host(self, compose_with, place, monkeypatch, host, url, faults):
        (place / ".netrc").write_text(f"machine {host}\n  login user\n  password {'0' * 40}\n")
        if url:
            monkeypatch.setenv("WANDB_BASE_URL", url)
        assert len(list(find_faults(compose_with(self.WANDB)))) == faults

    def test_a_netrc_elsewhere_is_read_and_a_broken_one_is_none(self, compose_with, place, monkeypatch):
        (place / "named").write_text("machine api.wandb.ai login user password 0\n")
        monkeypatch.setenv("NETRC", str(place / "named"))
        assert list(find_faults(compose_with(self.WANDB))) == []
        (place / "named").write_text("no such word")
        assert len(list(find_faults(compose_with(self.WANDB)))) == 1


class TestPlaces:
    @pytest.mark.parametrize(
        ("logger", "variable", "value"),
        [
            ("file", "VERL_FILE_LOGGER_PATH", "metrics.jsonl"),
            # An earlier run's file is overwritten, or kept by groupwise.record.metrics_file.
            ("file", "VERL_FILE_LOGGER_PATH", "a_file"),
            ("file", "VERL_FILE_LOGGER_ROOT", "not/yet"),
            # main_dipo makes the checkpoint folder before verl opens the file.
            ("file", "VERL_FILE_LOGGER_PATH", "checkpoints/run/metrics.jsonl"),
            ("tensorboard", "TENSORBOARD_DIR", "not/yet"),
            ("tensorboard", "TENSORBOARD_DIR", "."),
        ],
    )
    def test_a_place_to_write_is_sound(self, compose_with, place, monkeypatch, logger, variable, value):
        (place / "a_file").touch()
        monkeypatch.setenv(variable, value)
        overrides = (f"trainer.logger={logger}", "trainer.default_local_dir=checkpoints/run")
        assert list(find_faults(compose_with(*overrides))) == []

    @pytest.mark.parametrize(
        ("logger", "variable", "value", "reason"),
        [
            ("file", "VERL_FILE_LOGGER_PATH", ".", "it is a folder; set VERL_FILE_LOGGER_PATH"),
            ("file", "VERL_FILE_LOGGER_PATH", "a_file/metrics.jsonl", "would lie in .*a_file, which is a file"),
            ("file", "VERL_FILE_LOGGER_ROOT", "a_file", "would lie in .*a_file, which is a file"),
            ("file", "VERL_FILE_LOGGER_PATH", "not/yet/m.jsonl", "would lie in a folder that is not there"),
            ("tensorboard", "TENSORBOARD_DIR", "a_file", "it is a file; set TENSORBOARD_DIR"),
            ("tensorboard", "TENSORBOARD_DIR", "a_file/logs", "would lie in .*a_file, which is a file"),
        ],
    )
    def test_a_file_in_the_way_is_a_fault(self, compose_with, place, monkeypatch, logger, variable, value, reason):
        (place / "a_file").touch()
        monkeypatch.setenv(variable, value)
        (fault,) = find_faults(compose_with(f"trainer.logger={logger}"))
        assert re.search(reason, fault), fault

    @pytest.mark.parametrize("logger", ["file", "tensorboard"])
    def test_a_folder_that_may_not_be_written_is_a_fault(self, compose_with, place, monkeypatch, logger):
        # The permissions themselves do not hold back the super-user, who may run the tests.
        monkeypatch.setattr(loggers.os, "access", lambda path, mode: path != place)
        (fault,) = find_faults(compose_with(f"trainer.logger={logger}"))
        assert f"refused by the permissions of {place}" in fault

    @pytest.mark.parametrize(("logger", "found"), [("file", "a_file/metrics.jsonl"), ("tensorboard", "a_file/tensorb")])
    def test_without_a_variable_the_checkpoint_folder_counts(self, compose_with, place, logger, found):
        (place / "a_file").touch()
        assert list(find_faults(compose_with(f"trainer.logger={logger}"))) == []
        (fault,) = find_faults(compose_with(f"trainer.logger={logger}", "trainer.default_local_dir=a_file"))
        assert found in fault
