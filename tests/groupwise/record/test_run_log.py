"""Reading verl's JSON lines: whole files, files of killed runs, files that hold nothing."""

import itertools
import json

import pytest

from groupwise.errors import GroupwiseError
from groupwise.record.run_log import merge_records, parts_of, read_run


def trained(step, **metrics):
    return json.dumps({"step": step, "data": {"training/global_step": step, **metrics}})


def validated(step, accuracy, source="arithmetic"):
    return json.dumps({"step": step, "data": {f"val-core/{source}/acc/mean@8": accuracy}})


def series(run, metric):
    """The steps that have a metric, and its values there."""
    found = {step: data[metric] for step, data in run.steps.items() if metric in data}
    return list(found), list(found.values())


@pytest.fixture
def write(tmp_path):
    def write(*lines, name="metrics.jsonl", end="\n"):
        (tmp_path / name).write_text("\n".join(lines) + end)
        return tmp_path / "metrics.jsonl"

    return write


def test_series_has_gaps_where_a_metric_is_absent(write):
    run = read_run(write(trained(1, tau=1.5), trained(2), trained(3, tau=1.25)))
    assert series(run, "tau") == ([1, 3], [1.5, 1.25])
    assert series(run, "unknown") == ([], [])
    assert run.skipped == 0


def test_what_is_no_number_is_absent(write):
    # verl's orjson writes NaN as null.
    run = read_run(write(trained(1, nan=None, text="x", nested={"a": 1}, whole=2)))
    assert run.steps[1] == {"training/global_step": 1.0, "whole": 2.0}


@pytest.mark.parametrize(
    "ending", ['{"step": 3, "da', '{"step": 3}', '{"data": {}}', "[1, 2]", "7", '{"step": 3, "data": 4}']
)
def test_a_truncated_last_line_is_counted_and_left_out(write, ending):
    run = read_run(write(trained(1), trained(2), ending, end=""))
    assert sorted(run.steps) == [1, 2]
    assert run.skipped == 1


def test_blank_lines_are_nothing(write):
    assert read_run(write("", trained(1), "", "")).skipped == 0


def test_a_line_cut_in_the_middle_of_a_character_is_left_out(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(trained(1).encode() + b'\n{"step": 2, "data": {"\xe2\x82')
    assert read_run(file).skipped == 1


def test_after_a_resume_the_later_part_wins(write):
    run = read_run(
        write(
            *(trained(step, loss=1.0) for step in (1, 2, 3, 4)),
            validated(2, 0.5),
            trained(3, loss=2.0),
        )
    )
    # Back to 2: the validation joins what step 2 logged, the killed run's 3 and 4 are gone.
    assert series(run, "loss") == ([1, 2, 3], [1.0, 1.0, 2.0])
    assert series(run, "val-core/arithmetic/acc/mean@8") == ([2], [0.5])


def test_a_repeated_step_does_not_keep_what_it_lacks_now(write):
    run = read_run(write(trained(1, tau=1.5), trained(1)))
    assert series(run, "tau") == ([], [])


def test_parts_of_a_resumed_run_are_read_in_order(write):
    write(trained(1, loss=1.0), trained(2, loss=1.0), name="metrics.1.jsonl")
    for number in (2, 10):
        write(trained(number, loss=float(number)), name=f"metrics.{number}.jsonl")
    file = write(trained(11, loss=11.0))
    write(trained(99), name="metrics.old.jsonl")
    assert [part.name for part in parts_of(file)] == [
        "metrics.1.jsonl",
        "metrics.2.jsonl",
        "metrics.10.jsonl",
        "metrics.jsonl",
    ]
    assert series(read_run(file), "loss") == ([1, 2, 10, 11], [1.0, 2.0, 10.0, 11.0])


def test_a_run_that_started_afresh_owes_nothing_to_the_one_before(write):
    write(validated(0, 0.1), trained(1, loss=1.0), trained(2, loss=1.0), name="metrics.1.jsonl")
    run = read_run(write(validated(0, 0.2), trained(1, loss=3.0)))
    assert series(run, "loss") == ([1], [3.0])
    assert series(run, "val-core/arithmetic/acc/mean@8") == ([0], [0.2])


def test_no_file_is_a_sentence(tmp_path):
    with pytest.raises(GroupwiseError, match=r"must be a JSON lines file, but there is no .*absent\.jsonl"):
        read_run(tmp_path / "absent.jsonl")


@pytest.mark.parametrize("content", ["", "\n\n", "not json", '{"step": 1, "da'])
def test_nothing_readable_is_a_sentence(write, content):
    with pytest.raises(GroupwiseError, match=r"must hold a record a step, but none of its lines can be read"):
        read_run(write(content))


def test_a_run_that_just_moved_its_metrics_aside_still_has_them(write):
    file = write(trained(1, loss=1.0), name="metrics.1.jsonl")
    assert not file.exists()
    assert series(read_run(file), "loss") == ([1], [1.0])


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_absent(write, value):
    run = read_run(write(f'{{"step": 1, "data": {{"training/global_step": 1, "loss": {value}}}}}'))
    assert run.steps == {1: {"training/global_step": 1.0}}


@pytest.mark.parametrize("line", ['{"step": 1e999, "data": {}}', "[" * 100_000])
def test_a_line_that_overflows_the_reader_is_left_out(write, line):
    assert read_run(write(trained(1), line)).skipped == 1


def brute_force_merge(records):
    """The rule as it is told: a step drops every later one that is known."""
    steps = {}
    for step, data in records:
        steps = {known: old for known, old in steps.items() if known <= step}
        steps[step] = data if "training/global_step" in data else {**steps.get(step, {}), **data}
    return dict(sorted(steps.items()))


def test_merging_is_what_the_rule_says():
    # Every way in which four records over three steps can follow each other, each with and without training.
    kinds = [(step, is_trained) for step in (1, 2, 3) for is_trained in (False, True)]
    for chosen in itertools.product(kinds, repeat=4):
        records = [
            (step, {"training/global_step": 1.0, "at": float(place)} if is_trained else {f"val{place}": 1.0})
            for place, (step, is_trained) in enumerate(chosen)
        ]
        merged = merge_records(records)
        assert list(merged.items()) == list(brute_force_merge(records).items())
