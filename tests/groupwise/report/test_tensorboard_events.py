"""Tensorboard's events, written by tensorboard's own writer and read against its own reader."""

import itertools
import math

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from groupwise.record.run_log import merge_records
from groupwise.report.tensorboard_events import adds_to, read_events

SECONDS = itertools.count(1_700_000_000)


@pytest.fixture
def write(tmp_path):
    def write(*records):
        """One start of a run: its (step, metrics), an event a scalar as torch's SummaryWriter writes them."""
        second = next(SECONDS)
        folder = tmp_path / str(second)
        writer = EventFileWriter(str(folder))
        for step, data in records:
            for name, value in data.items():
                summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
                writer.add_event(Event(step=step, summary=summary, wall_time=second))
        writer.close()
        (file,) = folder.iterdir()
        return file.rename(tmp_path / f"events.out.tfevents.{second}.host.1.0")

    return write


def trained(step, **metrics):
    return step, {"training/global_step": float(step), **metrics}


def test_scalars_are_those_of_tensorboards_own_reader(write):
    file = write((0, {"val": 0.25}), trained(1, loss=0.1), trained(2, loss=-3e7))
    own = EventAccumulator(str(file)).Reload()
    expected = {(event.step, tag): event.value for tag in own.Tags()["scalars"] for event in own.Scalars(tag)}
    found = {(step, tag): value for step, data in read_events([file]) for tag, value in data.items()}
    assert found == expected
    assert len(found) == 5


def test_of_several_starts_the_later_wins_from_its_first_step_on(write):
    first = write(*(trained(step, loss=1.0) for step in (1, 2, 3, 4)))
    second = write((2, {"val": 0.5}), trained(3, loss=2.0))
    steps = merge_records(read_events([second, first]))
    assert {step: data["loss"] for step, data in steps.items()} == {1: 1.0, 2: 1.0, 3: 2.0}
    assert steps[2]["val"] == 0.5


def test_a_step_that_a_file_holds_twice_is_two_records(write):
    records = list(read_events([write(trained(1, loss=1.0, lost=1.0), trained(1, loss=2.0))]))
    assert [data["loss"] for _, data in records] == [1.0, 2.0]
    assert "lost" not in merge_records(records)[1]


@pytest.mark.parametrize("cut", [1, 5, 13, 30])
def test_a_half_written_event_ends_its_file(write, cut):
    file = write(trained(1, loss=1.0), trained(2, loss=2.0))
    file.write_bytes(file.read_bytes()[:-cut])
    steps = merge_records(read_events([file]))
    assert steps[1] == {"training/global_step": 1.0, "loss": 1.0}
    assert "loss" not in steps[2]


def test_what_is_not_finite_is_absent(write):
    steps = merge_records(read_events([write(trained(1, a=math.nan, b=math.inf, c=1.0))]))
    assert steps == {1: {"training/global_step": 1.0, "c": 1.0}}


@pytest.mark.parametrize("content", [b"", b"not an event file at all, but long enough to hold a length"])
def test_a_file_that_holds_no_event(tmp_path, content):
    file = tmp_path / "events.out.tfevents.1.host.1.0"
    file.write_bytes(content)
    assert list(read_events([file])) == []


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({1: ["loss"], 2: ["loss"]}, False),
        ({2: ["loss"]}, True),
        ({1: ["loss"]}, True),
        ({1: [], 2: []}, True),
        ({1: ["loss"], 2: ["loss"], 5: ["loss"]}, True),
    ],
    ids=["all is known", "an earlier step", "a later step", "another metric", "a gap in what is known"],
)
def test_whether_events_add_something(write, known, expected):
    file = write(trained(1, loss=1.0), trained(2, loss=2.0))
    steps = {step: dict.fromkeys(["training/global_step", *names], 1.0) for step, names in known.items()}
    assert adds_to([file], steps) is expected


@pytest.mark.parametrize("shape", [[10**10], [2**40, 2**40], [0], [-1], [1, 1], []])
def test_a_tensor_is_read_where_it_is_of_one_number_whatever_shape_it_states(tmp_path, shape):
    dims = [TensorShapeProto.Dim(size=size) for size in shape]
    tensor = TensorProto(dtype=1, float_val=[0.5], tensor_shape=TensorShapeProto(dim=dims))
    writer = EventFileWriter(str(tmp_path))
    writer.add_event(Event(step=1, summary=Summary(value=[Summary.Value(tag="loss", tensor=tensor)])))
    writer.close()
    (file,) = tmp_path.iterdir()
    assert list(read_events([file])) == ([(1, {"loss": 0.5})] if math.prod(shape) == 1 else [])
