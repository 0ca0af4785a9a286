"""Where a run's files are found, and what is no run."""

import pytest

from groupwise.errors import GroupwiseError
from groupwise.report.folders import NoMetricsYet, find_run


def test_a_run_of_the_scripts(make_run, steps):
    folder = make_run("dipo", steps(2))
    found = find_run(folder)
    assert (found.metrics, found.events, found.dumps) == (folder / "metrics.jsonl", [], None)
    assert found.settings.config["algorithm.adv_estimator"] == "dipo"


def test_a_run_of_the_demonstration_has_its_configuration_one_level_below(make_run, steps):
    found = find_run(make_run("demo", steps(2), config_in="checkpoints"))
    assert found.settings.config["algorithm.adv_estimator"] == "dipo"


def test_a_file_of_verls_logger_among_other_json_lines(make_run, steps):
    folder = make_run("project", steps(2), file="experiment.jsonl")
    for other in ("experiment.1.jsonl", "12.jsonl", "runs.jsonl"):
        (folder / other).write_text("{}\n")
    # 12.jsonl is a step's rollouts, experiment.1.jsonl a part of the same run.
    assert find_run(folder).metrics == folder / "experiment.jsonl"
    assert find_run(folder / "experiment.jsonl").settings.config is None


def test_a_run_that_has_just_moved_its_metrics_aside(make_run, steps):
    folder = make_run("dipo", steps(2), file="metrics.1.jsonl")
    assert find_run(folder).metrics == folder / "metrics.jsonl"


def test_the_metrics_file_of_a_run_is_the_run(make_run, steps):
    folder = make_run("dipo", steps(2))
    assert find_run(folder / "metrics.jsonl") == find_run(folder)


def test_two_runs_in_a_folder_are_not_guessed_at(make_run, steps):
    folder = make_run("project", steps(2), file="a.jsonl")
    (folder / "b.jsonl").write_text("{}\n")
    with pytest.raises(GroupwiseError, match=r"holds those of 2 \(a\.jsonl, b\.jsonl\)"):
        find_run(folder)


def test_tensorboard_alone(tmp_path):
    file = tmp_path / "events.out.tfevents.1.host.2.0"
    file.write_bytes(b"")
    assert find_run(tmp_path).events == [file]
    assert find_run(file).events == [file]


def test_dumps_are_found_where_the_configuration_says_and_where_the_run_was_copied_to(make_run, steps, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    folder = make_run("dipo", steps(2), config={"trainer.rollout_data_dir": str(tmp_path / "elsewhere")})
    assert find_run(folder).dumps == tmp_path / "elsewhere"
    moved = make_run("moved", steps(2), config={"trainer.rollout_data_dir": "/gone/dumped"})
    (moved / "dumped").mkdir()
    assert find_run(moved).dumps == moved / "dumped"


@pytest.mark.parametrize("content", ["", "notes.txt"])
def test_a_folder_that_is_no_run_and_one_that_may_become_one(tmp_path, content):
    if content:
        (tmp_path / content).write_text("hello")
        with pytest.raises(GroupwiseError, match=r"must be a run's folder, with metrics\.jsonl") as caught:
            find_run(tmp_path)
        assert not isinstance(caught.value, NoMetricsYet)
    else:
        with pytest.raises(NoMetricsYet, match="has logged none yet"):
            find_run(tmp_path)


def test_a_run_that_has_only_started(make_run):
    folder = make_run("dipo")
    (folder / "metrics.jsonl").unlink()
    with pytest.raises(NoMetricsYet):
        find_run(folder)


@pytest.mark.parametrize("name", ["absent", "notes.txt", "runs.jsonl"])
def test_a_path_that_is_no_run(tmp_path, name):
    if name != "absent":
        (tmp_path / name).write_text("{}")
    with pytest.raises(GroupwiseError, match=r"A run must be|A run's metrics must be"):
        find_run(tmp_path / name)
