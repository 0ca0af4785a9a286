"""The splits of a folder: by file or folder name, as `datasets` saves and caches them, as the hub's cache has them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.errors import DataError
from data_prep.folders import find_in_folder, label_of
from data_prep.inputs import TEST, TRAIN, VAL, find_splits

BOTH = (TRAIN, TEST)
COMMIT = "740312add88f781978c0658806c59bc2815b9866"


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps({"from": name}) + "\n")
    return root


def found(root, splits=BOTH, config=None):
    files = find_in_folder(root, splits, config)[0]
    return {split: [str(path.relative_to(root)) for path in parts] for split, parts in files.items()}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("train", TRAIN),
        ("gsm8k_Train-v2", TRAIN),
        ("training", TRAIN),
        ("test", TEST),
        ("dev", VAL),
        ("VALIDATION.clean", VAL),
        ("eval", VAL),
        ("train_eval", TRAIN),
        ("test-eval", TEST),
        ("traintest", None),
        ("train-test", None),
        ("test_dev", None),
        ("latest", None),
        ("", None),
    ],
)
def test_a_name_says_one_split_or_none(name, label):
    assert label_of(name) == label


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet", "README.md"], 2),
        (["train/part-1.jsonl", "train/part-2.jsonl", "test/all.csv"], 3),
        (["default/train/0000.parquet", "default/test/0000.parquet"], 2),
        (
            ["main/1.0.0/abc/gsm8k-train.arrow", "main/1.0.0/abc/gsm8k-test.arrow", "main/1.0.0/abc/dataset_info.json"],
            2,
        ),
        (["TRAIN/a/1.json", "TRAIN/b/1.json", "Test/a/1.json"], 3),
        (["notes.json", "data/train.jsonl.gz", "data/validation.jsonl.gz"], 2),
    ],
)
def test_splits_are_found_in_subfolders(tmp_path, names, files):
    put(tmp_path, *names)
    of = found(tmp_path)
    assert list(of) == [TRAIN, TEST]
    assert sorted(of[TRAIN] + of[TEST]) == sorted(name for name in names if "/" in name and "info" not in name)
    assert sum(map(len, of.values())) == files


def test_hidden_folders_are_not_looked_into(tmp_path):
    put(tmp_path, ".cache/train.jsonl", "__pycache__/train.jsonl", "data/train.jsonl")
    assert found(tmp_path) == {TRAIN: ["data/train.jsonl"]}


def test_of_several_sets_one_is_named(tmp_path):
    put(tmp_path, *(f"{config}/{split}.parquet" for config in ("main", "socratic") for split in BOTH))
    rule = "must hold one set, has main, socratic: give the folder of one, or name it with --hub-config$"
    for config in (None, "absent"):
        with pytest.raises(DataError, match=rule):
            found(tmp_path, config=config)
    assert found(tmp_path, config="socratic") == {TRAIN: ["socratic/train.parquet"], TEST: ["socratic/test.parquet"]}
    assert found(tmp_path / "main") == {TRAIN: ["train.parquet"], TEST: ["test.parquet"]}


@pytest.mark.parametrize("given", [".", "snapshots", f"snapshots/{COMMIT}"])
def test_the_hubs_cache_and_a_snapshot_of_it_just_work(tmp_path, given):
    cache = tmp_path / "datasets--openai--gsm8k"
    put(cache / "blobs", "aa", "bb")
    for commit, blob in ((COMMIT, "aa"), ("f" * 40, "bb")):
        folder = cache / "snapshots" / commit / "main"
        folder.mkdir(parents=True)
        for split in BOTH:
            (folder / f"{split}-00000-of-00001.jsonl").symlink_to(f"../../../blobs/{blob}")
    put(cache, "refs/main").joinpath("refs/main").write_text(COMMIT)
    files = find_in_folder(cache / given, BOTH, "main")[0]
    expected = {split: (cache / "snapshots" / COMMIT / "main" / f"{split}-00000-of-00001.jsonl",) for split in BOTH}
    assert files == expected
    (record,) = find_splits([str(cache / given)], BOTH, config=None, revision=None)[TRAIN].records()
    assert record.fields == {"from": "aa"}
    (cache / "refs" / "main").unlink()
    if given != f"snapshots/{COMMIT}":
        with pytest.raises(DataError, match=r"must hold one snapshot, or one that refs/main names, has 2 others: name"):
            found(cache / given)


def test_what_datasets_saves_is_read_as_it_was_saved(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {split: [{"q": f"{split} {n}", "tags": ["a", str(n)]} for n in range(5)] for split in BOTH}
    made = datasets.DatasetDict({split: datasets.Dataset.from_list(rows[split]) for split in BOTH})
    made.save_to_disk(tmp_path / "both", num_shards={"train": 3, "test": 1})
    put(tmp_path / "both" / "train", "cache-1234.arrow")  # what `map` leaves there
    of = find_splits([str(tmp_path / "both")], BOTH, config=None, revision=None)
    assert {split: [record.fields for record in of[split].records()] for split in of} == rows
    made["train"].save_to_disk(tmp_path / "one")
    for splits in ((TEST,), (TRAIN,)):
        of = find_splits([str(tmp_path / "one")], splits, config=None, revision=None)
        assert [record.fields for record in of[splits[0]].records()] == rows[TRAIN]
    # A split that was loaded from files knows its name, also where it is saved alone.
    pq.write_table(pa.Table.from_pylist(rows[TEST]), tmp_path / "test.parquet")
    loaded = datasets.load_dataset("parquet", data_files={"test": str(tmp_path / "test.parquet")}, cache_dir=tmp_path)
    loaded["test"].save_to_disk(tmp_path / "named")
    assert list(find_splits([str(tmp_path / "named")], BOTH, config=None, revision=None)) == [TEST]


@pytest.mark.parametrize("state", ["[]", "{", '{"_data_files": 5}', '{"_data_files": [5], "_split": 7}'])
def test_a_state_that_is_none_is_no_state(tmp_path, state):
    put(tmp_path, "train/data.arrow").joinpath("train/state.json").write_text(state)
    assert found(tmp_path) == {TRAIN: ["train/data.arrow"]}


def test_a_missing_shard_is_told(tmp_path):
    put(tmp_path, "train-00000-of-00003.parquet", "train-00002-of-00003.parquet", "test-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"must hold all parts of train, has 2 of 3: complete the folder, or name the"):
        found(tmp_path)
    assert found(tmp_path, splits=(TEST,)) == {TEST: ["test-00000-of-00001.parquet"]}


def test_shards_without_a_split_are_all_of_the_only_one_wanted(tmp_path):
    put(tmp_path, "a/part-0.jsonl", "a/part-1.jsonl", "b/part-0.jsonl")
    assert found(tmp_path, splits=(TRAIN,)) == {TRAIN: ["a/part-0.jsonl", "a/part-1.jsonl", "b/part-0.jsonl"]}
    assert found(tmp_path) == {}


@pytest.mark.parametrize(
    ("names", "held"),
    [
        ([], "no data files"),
        (["README.md", "x.txt"], "no data files"),
        (["problems.csv", "Answers.JSON"], "Answers.JSON, problems.csv"),
        (["a/b/c.jsonl"], "a/b/c.jsonl"),
        ([f"{number:02}.jsonl" for number in range(12)], ", ".join(f"{n:02}.jsonl" for n in range(10)) + ", ..."),
    ],
)
def test_a_folder_in_which_no_split_is_recognised_says_what_was_looked_for_and_found(tmp_path, names, held):
    put(tmp_path, *names)
    with pytest.raises(DataError) as error:
        find_splits([str(tmp_path)], BOTH, config="main", revision=None)
    assert str(error.value) == (
        f"{tmp_path}: must hold files or folders named after their split, train or test (as train.jsonl,"
        f" test-00000-of-00002.parquet, train/data.csv), has {held}: rename them, or say"
        " with --split which one they are"
    )
