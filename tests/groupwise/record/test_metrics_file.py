"""Metrics written before a resume are kept."""

import pytest
from omegaconf import OmegaConf
from verl.utils.tracking import FileLogger

from groupwise.record.metrics_file import keep_earlier_metrics, metrics_path


@pytest.fixture
def config(monkeypatch, tmp_path):
    monkeypatch.delenv("VERL_FILE_LOGGER_PATH", raising=False)
    monkeypatch.setenv("VERL_FILE_LOGGER_ROOT", str(tmp_path))
    return OmegaConf.create({"trainer": {"project_name": "p", "experiment_name": "e", "logger": ["console", "file"]}})


def test_path_is_the_one_that_verl_writes(config, monkeypatch, tmp_path):
    assert FileLogger("p", "e").filepath == str(metrics_path(config))
    monkeypatch.setenv("VERL_FILE_LOGGER_PATH", str(tmp_path / "named.jsonl"))
    assert FileLogger("p", "e").filepath == str(metrics_path(config))


def test_verl_erases_what_was_there(config):
    # The reason for keep_earlier_metrics: once verl appends, this fails and the module can go.
    FileLogger("p", "e").log({"a": 1}, step=1)
    FileLogger("p", "e").log({"a": 2}, step=2)
    assert len(metrics_path(config).read_text().splitlines()) == 1


def test_every_part_of_a_run_is_kept(config):
    kept = []
    for step in range(3):
        kept.append(keep_earlier_metrics(config))
        FileLogger("p", "e").log({}, step=step)
    folder = metrics_path(config).parent
    assert kept == [None, folder / "e.1.jsonl", folder / "e.2.jsonl"]
    assert [path.read_text() for path in (*kept[1:], metrics_path(config))] == [
        f'{{"step":{step},"data":{{}}}}\n' for step in range(3)
    ]


def test_another_logger_or_an_empty_file_is_left_alone(config):
    metrics_path(config).parent.mkdir()
    metrics_path(config).touch()
    assert keep_earlier_metrics(config) is None
    metrics_path(config).write_text("{}\n")
    config.trainer.logger = "console"
    assert keep_earlier_metrics(config) is None
    assert metrics_path(config).read_text() == "{}\n"
