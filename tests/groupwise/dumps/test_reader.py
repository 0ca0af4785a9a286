"""Dumps are found and read: this recipe's, and those of other runs."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groupwise.dumps import reader
from groupwise.dumps.reader import find_dumps, read_dump
from groupwise.dumps.schema import METADATA_KEY
from groupwise.errors import GroupwiseError

OWN = {"format": 2, "step": 3, "estimator": "dipo", "methods": {}, "updates": []}


def write_own(file, decided=OWN, rows=2, key=METADATA_KEY):
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"uid": ["a"] * rows, "acc": [1.0] * rows})
    pq.write_table(table.replace_schema_metadata({key: json.dumps(decided)}), file)
    return file


def write_lines(file, *rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return file


class TestFind:
    def test_steps_are_in_order_of_numbers(self, tmp_path):
        for step in (10, 9, 1):
            write_own(tmp_path / "groupwise" / f"{step}.parquet")
        assert [file.stem for file in find_dumps([tmp_path])] == ["1", "9", "10"]
        assert find_dumps([tmp_path / "groupwise"]) == find_dumps([tmp_path])

    def test_own_dumps_go_before_verls(self, tmp_path):
        own, verls = write_own(tmp_path / "groupwise" / "1.parquet"), write_lines(tmp_path / "1.jsonl", {"uid": "a"})
        assert find_dumps([tmp_path]) == [own]
        assert find_dumps([verls]) == [verls]
        shutil.rmtree(tmp_path / "groupwise")
        assert find_dumps([tmp_path]) == [verls]

    def test_half_written_files_are_not_dumps(self, tmp_path):
        own = write_own(tmp_path / "groupwise" / "1.parquet")
        write_own(tmp_path / "groupwise" / ".2.parquet")
        (tmp_path / "groupwise" / ".3.parquet.partial").touch()
        assert find_dumps([tmp_path]) == [own]

    def test_no_such_path(self, tmp_path):
        with pytest.raises(GroupwiseError, match=r"there is no .*nowhere; correct the path"):
            find_dumps([tmp_path / "nowhere"])

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(
            GroupwiseError, match=r"must hold dumps .* a run writes them when trainer.rollout_data_dir is set"
        ):
            find_dumps([tmp_path])

    def test_another_kind_of_file(self, tmp_path):
        (tmp_path / "notes.txt").touch()
        with pytest.raises(GroupwiseError, match=r"must end in .parquet or .jsonl, but is notes.txt"):
            find_dumps([tmp_path / "notes.txt"])

    def test_two_runs_at_once(self, tmp_path):
        for run in "ab":
            write_own(tmp_path / run / "groupwise" / "4.parquet")
        with pytest.raises(GroupwiseError, match=r"hold step 4; name the dumps of one run alone"):
            find_dumps([tmp_path / "a", tmp_path / "b"])


class TestReadOwn:
    def test_what_was_decided_comes_along(self, tmp_path):
        dump = read_dump(write_own(tmp_path / "renamed.parquet"))
        assert (dump.step, dump.decided) == (3, OWN)
        assert dump.table.to_pydict() == {"uid": ["a", "a"], "acc": [1.0, 1.0]}

    def test_only_the_columns_that_are_asked_for(self, tmp_path):
        assert read_dump(write_own(tmp_path / "3.parquet"), ["acc", "pred"]).table.column_names == ["acc"]

    def test_a_later_format(self, tmp_path):
        with pytest.raises(
            GroupwiseError, match=r"must be a dump of format 2 or 1, but is of format 3; read it with the version"
        ):
            read_dump(write_own(tmp_path / "3.parquet", OWN | {"format": 3}))

    @pytest.mark.parametrize("content", [b"", b"PAR1 and nothing else", b"\0" * 100])
    def test_what_is_no_parquet(self, tmp_path, content):
        file = tmp_path / "3.parquet"
        file.write_bytes(content)
        with pytest.raises(GroupwiseError, match=r"3.parquet must be a parquet file with rollouts, but cannot be read"):
            read_dump(file)

    def test_metadata_of_another_kind(self, tmp_path):
        with pytest.raises(GroupwiseError, match="cannot be read"):
            read_dump(write_own(tmp_path / "3.parquet", ["format"]))

    def test_what_a_few_kilobytes_expand_to_is_bounded(self, tmp_path, monkeypatch):
        monkeypatch.setattr(reader, "MOST_BYTES", 2**20)
        for step, rows in ((2, 8), (1, 4_000)):
            # A dictionary, as parquet keeps what repeats: 256 MiB of text in some kilobytes.
            uids = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["a" * 2**16])
            table = pa.table({"uid": uids}).replace_schema_metadata({METADATA_KEY: json.dumps(OWN)})
            pq.write_table(table, tmp_path / f"{step}.parquet", store_schema=False)
        assert read_dump(tmp_path / "2.parquet").table.num_rows == 8
        assert (tmp_path / "1.parquet").stat().st_size < 2**17
        with pytest.raises(GroupwiseError, match="must expand to at most 1000 times its size"):
            read_dump(tmp_path / "1.parquet")

    def test_metadata_without_end(self, tmp_path):
        with pytest.raises(GroupwiseError, match="cannot be read"):
            read_dump(write_own(tmp_path / "3.parquet", decided="[" * 100_000))

    def test_no_rows(self, tmp_path):
        with pytest.raises(GroupwiseError, match="must hold a row a response, but is empty"):
            read_dump(write_own(tmp_path / "3.parquet", rows=0))


class TestEarlierVersions:
    """Their folder and metadata key are named after the one method that there was."""

    def test_their_folder_is_found(self, tmp_path):
        old = write_own(tmp_path / "dipo" / "1.parquet")
        assert find_dumps([tmp_path]) == [old]

    def test_a_run_that_today_resumed_has_both_folders(self, tmp_path):
        first, replaced = (write_own(tmp_path / "dipo" / f"{step}.parquet") for step in (1, 2))
        again, third = (write_own(tmp_path / "groupwise" / f"{step}.parquet") for step in (2, 3))
        assert find_dumps([tmp_path]) == [first, again, third]
        assert replaced.is_file()

    def test_format_2_under_the_old_key(self, tmp_path):
        dump = read_dump(write_own(tmp_path / "3.parquet", key=b"dipo"))
        assert (dump.step, dump.decided) == (3, OWN)

    def test_format_1_comes_under_todays_names(self):
        file = Path(__file__).parents[1] / "replay" / "golden" / "grpo" / "3.parquet"
        dump = read_dump(file)
        assert {"dipo_group_kind", "dipo_chosen", "dipo_touched", "perplexity"} < set(dump.table.column_names)
        assert "group_kind" not in dump.table.column_names
        assert (dump.step, dump.decided["estimator"], dump.decided["updates_per_step"]) == (3, "grpo", 1)
        assert dump.decided["normalize_by_std"] is True
        assert dump.decided["methods"] == {
            "dipo": {"alpha": 0.1, "queue_batches": 2, "confidence": 0.95, "group_perplexity": "any"}
        }
        assert read_dump(file, ["uid", "dipo_chosen"]).table.column_names == ["uid", "dipo_chosen"]


class TestReadOthers:
    def test_verls_names_and_keys(self, tmp_path):
        # As verl/trainer/ppo/v1/trainer_base.py, _write_generations, writes it.
        row = {"input": "1+1=", "output": "2", "gts": "2", "score": 1.0, "step": 12, "uid": "some_uid_0_1"}
        dump = read_dump(write_lines(tmp_path / "12.jsonl", row, row | {"uid": "some_uid_1_0"}))
        assert (dump.step, dump.decided) == (12, None)
        assert dump.table.to_pydict() == {
            "prompt": ["1+1="] * 2,
            "response": ["2"] * 2,
            "ground_truth": ["2"] * 2,
            "score": [1.0] * 2,
            "step": [12] * 2,
            "uid": ["some_uid"] * 2,
            "key": ["some_uid_0_1", "some_uid_1_0"],
        }

    def test_a_uid_that_is_no_key_is_the_groups(self, tmp_path):
        # Only if all of them read so: a group is not split by what one id looks like.
        rows = [{"uid": "p_1_0", "step": 1}, {"uid": "0bd4c1f2", "step": 1}]
        assert read_dump(write_lines(tmp_path / "1.jsonl", *rows)).table["uid"].to_pylist() == ["p_1_0", "0bd4c1f2"]

    def test_parquet_of_another_run(self, tmp_path):
        pq.write_table(pa.table({"uid": ["a_0_0"], "output": ["2"]}), tmp_path / "5.parquet")
        dump = read_dump(tmp_path / "5.parquet", ["uid", "response"])
        assert (dump.step, dump.decided) == (5, None)
        assert dump.table.to_pydict() == {"uid": ["a"], "response": ["2"]}

    def test_answers_of_several_types_and_missing_values(self, tmp_path):
        rows = [{"gts": "2", "step": 1}, {"gts": ["2", "3"], "step": 1}, {"step": 1}]
        table = read_dump(write_lines(tmp_path / "1.jsonl", *rows)).table
        assert table["ground_truth"].to_pylist() == ['"2"', '["2", "3"]', None]

    @pytest.mark.parametrize("line", ['{"uid": "b', "[1, 2]\n", "nonsense\n", "[" * 100_000])
    def test_a_line_that_is_no_object(self, tmp_path, line):
        file = write_lines(tmp_path / "1.jsonl", {"uid": "a"}, line)
        with pytest.raises(
            GroupwiseError, match=r"but line 2 is not; a run that was killed leaves its last file incomplete"
        ):
            read_dump(file)

    def test_a_line_beyond_the_bound(self, tmp_path, monkeypatch):
        monkeypatch.setattr("groupwise.json_lines.MAX_LINE_BYTES", 10)
        with pytest.raises(GroupwiseError, match=r"at most 10 bytes, but line 1 is not"):
            read_dump(write_lines(tmp_path / "1.jsonl", {"uid": "a" * 20}))

    def test_several_steps_in_a_file(self, tmp_path):
        with pytest.raises(GroupwiseError, match=r"but has several steps; split it"):
            read_dump(write_lines(tmp_path / "1.jsonl", {"step": 1}, {"step": 2}))

    def test_no_step_at_all(self, tmp_path):
        with pytest.raises(GroupwiseError, match=r"but has neither; split it, or name it <step>.jsonl"):
            read_dump(write_lines(tmp_path / "all.jsonl", {"uid": "a"}))

    def test_a_blank_file(self, tmp_path):
        with pytest.raises(GroupwiseError, match="but is empty"):
            read_dump(write_lines(tmp_path / "1.jsonl", "\n\n"))
