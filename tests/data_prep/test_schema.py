"""The row and the file that verl reads: what passes, what is refused and in which words, and how files are written."""

import copy

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import schema
from data_prep.errors import DataError
from data_prep.opening import types_of
from data_prep.reading import check_row
from data_prep.schema import SCHEMA, make_row, prove_row, read_rows, write_parquet


def row(index=0, **changes):
    fields = {
        "data_source": "openai/gsm8k",
        "prompt": "2+2?",
        "ability": "math",
        "ground_truth": "4",
        "reference_response": "#### 4",
        "split": "train",
        "index": index,
        "identity": f"x/{index}",
        "question": "2+2?",
    }
    return make_row(**(fields | changes))


def rows(count):
    return [(f"row {index}", row(index)) for index in range(count)]


def broken(path, value):
    """The good row with one field replaced, or dropped where the value is `...`."""
    changed = copy.deepcopy(row())
    *folders, name = path
    place = changed
    for folder in folders:
        place = place[folder]
    if value is ...:
        del place[name]
    else:
        place[name] = value
    return changed


def test_good_row_passes():
    check_row(row(), "here")
    prove_row(row(), "here")
    check_row(row() | {"images": [], "extra_info": {"of": "mine"}}, "here")


def test_conversation_with_system_and_tool_messages_passes():
    roles = ["system", "user", "assistant", "tool"]
    check_row(row() | {"prompt": [{"role": role, "content": "x"} for role in roles]}, "here")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["data_source"], ..., "data_source must be a text that is not empty, got nothing"),
        (["data_source"], 7, "data_source must be a text that is not empty, got 7"),
        (["prompt"], "2+2?", "prompt must be a list of chat messages, got '2\\+2\\?'"),
        (["prompt"], [], "prompt must be a list of chat messages, got \\[\\]"),
        (["prompt", 0], "2+2?", "prompt\\[0\\] must be a message with role and content"),
        (
            ["prompt", 0, "role"],
            "human",
            "prompt\\[0\\].role must be one of system, user, assistant, tool, got 'human'",
        ),
        (["prompt", 0, "role"], "assistant", "the last message must be for the model to answer, .* 'assistant'"),
        (["prompt", 0, "content"], " ", "prompt must ask something, but what it says is empty: "),
        (["prompt", 0, "content"], None, "prompt\\[0\\]: content must be a text or a list of parts, got nothing"),
        (["prompt", 0, "content"], ["a"], "prompt\\[0\\]: each part of content must have a type and a text"),
        (["reward_model"], "4", "reward_model must be a struct, got '4'"),
        (["reward_model", "ground_truth"], ..., "reward_model must have a ground_truth, has style"),
        (["extra_info"], "x", "extra_info must be a struct, got 'x'"),
    ],
)
def test_bad_row_is_refused_in_one_sentence(path, value, message):
    with pytest.raises(DataError, match=f"^here: {message}") as error:
        check_row(broken(path, value), "here")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference_response": "#### 5"}, r"must score 1 against the ground truth '4', got 0 \(wrong answer\)"),
        ({"reference_response": "4"}, r"must score 1 .* got 0 \(no answer\)"),
        ({"reference_response": ""}, r"must score 1 .* got 0 \(no answer\)"),
        ({"ground_truth": "four"}, "the ground truth must be a number, got 'four'"),
        ({"data_source": "gsm"}, "data_source must be one that has a verifier"),
    ],
)
def test_row_that_nothing_can_solve_is_refused(tmp_path, changes, message):
    with pytest.raises(DataError, match=f"^row 3: .*{message}"):
        write_parquet([*rows(3), ("row 3", row(3, **changes))], tmp_path / "train.parquet")
    assert list(tmp_path.iterdir()) == []


def test_file_holds_the_rows_in_the_one_schema(tmp_path):
    path = tmp_path / "new" / "train.parquet"
    assert write_parquet(rows(5), path) == 5
    assert pq.read_schema(path).equals(SCHEMA)
    assert list(read_rows(path)) == [made for _, made in rows(5)]


def test_file_is_written_in_row_groups_and_its_bytes_depend_on_the_rows_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "ROWS_PER_GROUP", 4)
    write_parquet(rows(10), tmp_path / "a.parquet")
    write_parquet(iter(rows(10)), tmp_path / "b.parquet")
    # 10 rows by 4: groups of 4, 4 and 2.
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError, DataError])
def test_interrupted_run_leaves_the_file_that_was_there_and_no_other(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(schema, "ROWS_PER_GROUP", 2)
    path = tmp_path / "train.parquet"
    write_parquet(rows(1), path)
    before = path.read_bytes()

    def interrupted():
        yield from rows(3)
        raise stop

    with pytest.raises(stop):
        write_parquet(interrupted(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_no_rows_is_an_error(tmp_path):
    with pytest.raises(DataError, match="must have at least one row"):
        write_parquet([], tmp_path / "train.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["ability"], ..., "must have exactly the fields"),
        (["more"], 1, "must have exactly the fields"),
        (["extra_info", "difficulty"], ..., "extra_info: must have exactly the fields"),
        (["extra_info", "more"], 1, "extra_info: must have exactly the fields"),
        (["extra_info", "difficulty"], "one", "a row must fit data_prep.schema"),
        (["extra_info", "category"], 3, "a row must fit data_prep.schema"),
        (["extra_info", "category"], None, "a row must fit data_prep.schema"),
        (["extra_info", "question"], "\ud800", "a row must fit data_prep.schema"),
    ],
)
def test_row_outside_the_schema_is_refused_and_not_trimmed(tmp_path, path, value, message):
    with pytest.raises(DataError, match=message):
        write_parquet([("here", broken(path, value))], tmp_path / "train.parquet")


def test_unreadable_files_are_refused_in_one_sentence(tmp_path):
    write_parquet(rows(3), tmp_path / "good.parquet")
    whole = (tmp_path / "good.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.parquet").write_text("not parquet")
    (tmp_path / "nothing.parquet").write_bytes(b"")
    (tmp_path / "pointer.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n")
    pq.write_table(pa.table({"prompt": ["x"]}), tmp_path / "columns.parquet")
    for name, message in {
        "absent": "no such file",
        "cut": "must be a whole parquet file",
        "text": "must be a whole parquet file",
        "nothing": "must be a whole parquet file",
        "pointer": "must be the data, but it is a Git LFS pointer",
        "columns": "lacks data_source, reward_model",
    }.items():
        with pytest.raises(DataError, match=rf"{name}\.parquet: .*{message}") as error:
            list(read_rows(tmp_path / f"{name}.parquet"))
        assert "\n" not in str(error.value)


def test_types_are_told_by_path(tmp_path):
    path = tmp_path / "x.parquet"
    made = {"a": ["x"], "b": [[{"c": 1, "d": None}]], "e": [None]}
    pq.write_table(pa.table(made), path)
    assert types_of(pq.read_schema(path)) == {"a": "string", "b": "list", "b[]": "struct", "b[].c": "int64"}


def test_damaged_pages_are_told_with_the_file(tmp_path):
    path = tmp_path / "x.parquet"
    write_parquet(rows(3), path)
    whole = bytearray(path.read_bytes())
    whole[4:35] = b"\xff" * 31
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"x\.parquet: must be a whole parquet file"):
        list(read_rows(path))
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"x\.parquet: must be a whole parquet file"):
        list(read_rows(path))
