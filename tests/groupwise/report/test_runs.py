"""A run whole: log, tensorboard, dumps; whatever became of it."""

import json

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from groupwise.errors import GroupwiseError
from groupwise.report.folders import NoMetricsYet
from groupwise.report.runs import load_run


def write_events(folder, steps):
    writer = EventFileWriter(str(folder))
    for step, data in steps.items():
        for name, value in data.items():
            writer.add_event(Event(step=step, summary=Summary(value=[Summary.Value(tag=name, simple_value=value)])))
    writer.close()


def test_a_run(make_run, steps):
    run = load_run(make_run("dipo-1", steps(4)))
    assert (run.name, run.estimator, run.notes, run.has_ended) == ("dipo-1", "dipo", [], False)
    assert run.metrics.steps.tolist() == [0, 1, 2, 3, 4]
    assert run.metrics.at("val-core/math/acc/mean@8") == {0: 0.5, 2: 0.52, 4: 0.54}
    assert run.metrics.trained.tolist() == [False, True, True, True, True]


def test_a_run_has_ended_with_the_last_step_of_its_configuration(make_run, steps):
    assert load_run(make_run("a", steps(4), config={"trainer.total_training_steps": 4})).has_ended
    assert not load_run(make_run("b", steps(3), config={"trainer.total_training_steps": 4})).has_ended
    assert not load_run(make_run("c", steps(4), config={"trainer.total_training_steps": None})).has_ended


def test_a_crash_and_a_resume_do_not_double_steps(make_run, step):
    folder = make_run("dipo", [step(n, loss=1.0) for n in (1, 2, 3, 4)], file="metrics.1.jsonl", end='{"step": 5, "da')
    make_run("dipo", [step(n, loss=2.0) for n in (3, 4)])
    run = load_run(folder)
    assert run.metrics.steps.tolist() == [1, 2, 3, 4]
    assert run.metrics.of("loss").tolist() == [1.0, 1.0, 2.0, 2.0]
    assert run.notes == ["1 line of metrics.jsonl could not be read; a run that was killed leaves one."]
    assert [file.name for file in run.files] == ["metrics.1.jsonl", "metrics.jsonl"]


def test_the_log_wins_and_tensorboard_fills_what_it_lacks(make_run, step):
    folder = make_run("dipo", [step(n, loss=0.1) for n in (3, 4)])
    lost = {n: {"training/global_step": float(n), "loss": 9.0, "extra": 5.0} for n in (1, 2, 3, 4)}
    write_events(folder / "tensorboard", lost)
    run = load_run(folder)
    # 0.1 and not tensorboard's 0.10000000149, nor 9.
    assert run.metrics.of("loss").tolist() == [9.0, 9.0, 0.1, 0.1]
    assert run.metrics.of("extra").tolist() == [5.0] * 4
    assert run.notes == ["Filled in from tensorboard: 2 steps and 1 metrics that the log lacks."]


def test_tensorboard_that_says_the_same_is_not_told(make_run, step):
    folder = make_run("dipo", [step(1)])
    write_events(folder / "tensorboard", {1: {"training/global_step": 1.0, "actor/entropy": 0.5}})
    assert load_run(folder).notes == []


def test_tensorboard_alone(tmp_path):
    write_events(tmp_path / "run", {1: {"training/global_step": 1.0, "actor/entropy": 0.1}})
    run = load_run(tmp_path / "run")
    assert run.metrics.of("actor/entropy")[0] == pytest.approx(0.1, abs=1e-8)
    assert (run.name, run.estimator) == ("run", None)
    assert "tensorboard" in run.notes[0]


def test_dumps_join_the_steps_that_were_logged(make_run, step, tmp_path):
    dumps = tmp_path / "dumped"
    dumps.mkdir()
    for number in (1, 2):
        rows = [{"acc": 1.0, "data_source": "a", "step": number}]
        (dumps / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = load_run(make_run("dipo", [step(1)], config={"trainer.rollout_data_dir": str(dumps)}))
    assert run.metrics.steps.tolist() == [1]
    assert run.metrics.of("dump/set/a/acc").tolist() == [1.0]


@pytest.mark.parametrize("content", ["", '{"step": 1, "da'])
def test_a_run_before_its_first_step_has_no_metrics_yet(make_run, content):
    with pytest.raises(NoMetricsYet, match="the run has logged none yet"):
        load_run(make_run("dipo", end=content))


def test_a_file_that_is_no_log_is_not_waited_for(make_run):
    with pytest.raises(GroupwiseError, match="none of its lines can be read") as caught:
        load_run(make_run("dipo", end="hello\nworld\n"))
    assert not isinstance(caught.value, NoMetricsYet)


def test_an_event_file_without_a_scalar_is_no_metrics_yet(tmp_path):
    write_events(tmp_path / "run", {})
    with pytest.raises(NoMetricsYet):
        load_run(tmp_path / "run")


def test_dumps_that_lie_elsewhere(make_run, steps, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    rows = [{"input": "1+1=", "output": "2", "score": 1.0, "step": 1, "uid": f"a_{place}_0"} for place in range(2)]
    (tmp_path / "elsewhere" / "1.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = load_run(make_run("a", steps(2)), tmp_path / "elsewhere")
    assert run.metrics.at("report/collapse_rate") == {1: 1.0}
