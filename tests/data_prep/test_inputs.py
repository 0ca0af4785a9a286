"""Where the splits of an input are found: named files, folders, folders as the hub lays them out, names on the hub."""

import json

import pytest

from data_prep import inputs
from data_prep.errors import DataError
from data_prep.hub import HubSet
from data_prep.inputs import TEST, TRAIN, VAL, check_file, find_splits, names_split
from data_prep.records import Record

BOTH = (TRAIN, TEST)


def put(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(json.dumps({"from": name}) + "\n")
    return folder


def find(*names, splits=BOTH, config=None, revision=None):
    return find_splits([str(name) for name in names], splits, config=config, revision=revision)


def names(found):
    return {split: [path.name for path in found[split].origin] for split in found}


@pytest.fixture
def hub(monkeypatch):
    """A hub on which every set has the splits that `held` names; `asked` is what was asked of it."""

    class Hub:
        held = (TRAIN, TEST)

        def __init__(self):
            self.asked = []

        def pinned(self, dataset):
            return dataset._replace(revision=f"commit of {dataset.revision}")

        def load_splits(self, dataset):
            self.asked.append(dataset)
            return {name: lambda name=name: iter([Record(f"{name} row 0", 0, {"from": name})]) for name in self.held}

    made = Hub()
    monkeypatch.setattr(inputs, "pinned", made.pinned)
    monkeypatch.setattr(inputs, "load_splits", made.load_splits)
    return made


def test_exact_names_count_before_shards_and_shards_before_loose_names(tmp_path):
    folder = put(tmp_path / "x", "my_train_set.jsonl", "train.v2.json", "test.jsonl")
    assert names(find(folder)) == {"train": ["my_train_set.jsonl", "train.v2.json"], "test": ["test.jsonl"]}
    put(folder, "train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl")
    assert names(find(folder))["train"] == ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"]
    put(folder, "train.json")
    assert names(find(folder)) == {"train": ["train.json"], "test": ["test.jsonl"]}


def test_a_further_file_beside_the_split_is_not_read(tmp_path):
    # As the authors' folder of GSM8K is: the Socratic variant would double the set.
    folder = put(tmp_path / "x", "train.jsonl", "train_socratic.jsonl", "test.jsonl", "test_socratic.jsonl")
    assert names(find(folder)) == {"train": ["train.jsonl"], "test": ["test.jsonl"]}


def test_one_split_in_two_kinds_of_file_is_an_error(tmp_path):
    folder = put(tmp_path / "x", "train.jsonl", "train.parquet", "test.jsonl")
    with pytest.raises(DataError, match=r"x: must hold each split once, has train\.jsonl, train\.parquet: name one$"):
        find(folder)
    assert names(find(folder / "train.jsonl")) == {"train": ["train.jsonl"]}


def test_shards_are_read_in_their_order_however_they_are_given(tmp_path):
    shards = [f"train-{number:05}-of-00012.jsonl" for number in range(12)]
    folder = put(tmp_path / "x", *reversed(shards), "train-extra.jsonl")
    by_folder = find(folder)
    by_name = find(*(folder / name for name in reversed(shards)))
    assert names(by_folder) == names(by_name) == {"train": shards}
    records = list(by_folder[TRAIN].records())
    assert [record.fields["from"] for record in records] == shards
    assert [record.number for record in records] == list(range(12))
    # The records can be gone through again.
    assert list(by_folder[TRAIN].records()) == records


def test_splits_come_in_the_order_asked_for_and_one_may_lack(tmp_path):
    folder = put(tmp_path / "x", "test.jsonl", "train.jsonl")
    assert list(find(folder)) == [TRAIN, TEST]
    assert list(find(folder / "test.jsonl", folder / "train.jsonl")) == [TRAIN, TEST]
    assert list(find(folder, splits=(TEST, TRAIN))) == [TEST, TRAIN]
    assert list(find(put(tmp_path / "y", "test.jsonl"))) == [TEST]


def test_hidden_files_other_kinds_and_subfolders_are_not_read(tmp_path):
    folder = put(tmp_path / "x", ".train.jsonl", "train.txt", "train.jsonl.bak", "_train.jsonl", "test.jsonl")
    (folder / "train").mkdir()
    assert names(find(folder)) == {"train": ["_train.jsonl"], "test": ["test.jsonl"]}


def test_the_cards_that_are_written_beside_parquet_files_are_not_read_as_data(tmp_path):
    folder = put(tmp_path / "x", "my_train.parquet", "my_train.parquet.json")
    assert names(find(folder)) == {"train": ["my_train.parquet"]}
    assert names(find(folder, splits=(TRAIN,))) == {"train": ["my_train.parquet"]}


def test_where_there_is_one_split_a_file_may_have_any_name(tmp_path):
    folder = put(tmp_path / "x", "problems.jsonl", "more.json")
    assert names(find(folder, splits=(TEST,))) == {"test": ["more.json", "problems.jsonl"]}
    assert names(find(folder / "problems.jsonl", splits=(TEST,))) == {"test": ["problems.jsonl"]}
    # A file named after the split counts before others in a folder, and is no other split's where it is named.
    put(folder, "test.jsonl")
    assert names(find(folder, splits=(TEST,))) == {"test": ["test.jsonl"]}
    assert names(find(folder / "test.jsonl", splits=(TRAIN,))) == {"train": ["test.jsonl"]}


@pytest.mark.parametrize("name", ["problems.jsonl", "trainer.jsonl", "latest.json", "train_test.jsonl", "tests.csv"])
def test_where_there_are_two_a_file_must_name_its_split(tmp_path, name):
    folder = put(tmp_path / "x", name)
    rule = "must be named after its split, train or test: rename the file, or say with --split which one it is$"
    with pytest.raises(DataError, match=f"{name}: {rule}"):
        find(folder / name)
    assert names(find(folder / name, splits=(TEST,))) == {"test": [name]}


@pytest.mark.parametrize(
    "name", ["dev", "validation", "Valid", "VAL", "my-dev-set", "eval", "an_evaluation.v2", "TEST"]
)
@pytest.mark.parametrize("suffix", [".jsonl", ".JSON", ".csv", ".tsv", ".Jsonl.gz", ".ndjson"])
def test_what_else_a_split_is_called_will_do(tmp_path, name, suffix):
    folder = put(tmp_path / "x", f"{name}{suffix}", "Training.jsonl")
    assert names(find(folder)) == {"train": ["Training.jsonl"], "test": [f"{name}{suffix}"]}
    assert names(find(folder / f"{name}{suffix}")) == {"test": [f"{name}{suffix}"]}
    assert names(find(folder, splits=(TRAIN,))) == {"train": ["Training.jsonl"]}


def test_a_set_with_a_test_split_needs_none_to_stand_for_it(tmp_path):
    folder = put(tmp_path / "x", "train.jsonl", "dev.jsonl", "test.jsonl", "train_eval.jsonl")
    assert names(find(folder)) == {"train": ["train.jsonl"], "test": ["test.jsonl"]}
    assert names(find(folder, splits=(VAL,))) == {"val": ["dev.jsonl"]}
    with pytest.raises(DataError, match=r"dev\.jsonl: must be named after its split, train or test"):
        find(folder / "test.jsonl", folder / "dev.jsonl")


@pytest.mark.parametrize(
    ("name", "split", "does"),
    [
        ("train.jsonl", "train", True),
        ("train.parquet", "train", True),
        ("rlla_4k_test.parquet", "test", True),
        ("train-00000-of-00002.parquet", "train", True),
        ("gsm8k.train.json", "train", True),
        ("train_socratic.jsonl", "train", True),
        ("test.jsonl", "train", False),
        ("training.jsonl", "train", True),
        ("TRAIN.csv", "train", True),
        ("trainer.jsonl", "train", False),
        ("train_test.jsonl", "train", False),
        ("latest.jsonl", "test", False),
        ("train.txt", "train", False),
        ("train", "train", False),
        ("train.jsonl.gz", "train", True),
        ("train.gz", "train", False),
    ],
)
def test_names_split(tmp_path, name, split, does):
    assert names_split(tmp_path / name, split) == does


def test_the_folders_name_says_nothing_of_the_split(tmp_path):
    assert not names_split(tmp_path / "train" / "x.jsonl", "train")


def test_a_pattern_gives_the_files_that_fit(tmp_path):
    put(tmp_path / "x", "b-2.jsonl", "a-1.jsonl", "a-1.parquet.json", "notes.txt", "train-1.csv")
    put(tmp_path / "x" / "deep", "c.jsonl")
    assert names(find(tmp_path / "x" / "*", splits=(TRAIN,))) == {"train": ["a-1.jsonl", "b-2.jsonl", "train-1.csv"]}
    assert names(find(tmp_path / "x" / "t*.csv")) == {"train": ["train-1.csv"]}
    assert names(find(tmp_path / "**" / "?.jsonl", splits=(TEST,))) == {"test": ["c.jsonl"]}
    put(tmp_path / "x" / "more", "c.jsonl")
    (split,) = find(tmp_path / "x" / "*" / "c.jsonl", splits=(TEST,)).values()
    assert [path.parent.name for path in split.origin] == ["deep", "more"]
    for pattern, others in (("*.parquet", 0), ("*.txt", 1)):
        with pytest.raises(
            DataError, match=rf"must be a pattern that matches data files, .* matches none \({others} other files\)$"
        ):
            find(tmp_path / "x" / pattern)
    # A name that is there is no pattern.
    put(tmp_path / "y", "train[1].jsonl")
    assert names(find(tmp_path / "y" / "train[1].jsonl")) == {"train": ["train[1].jsonl"]}


def test_a_part_that_is_given_twice_is_an_error(tmp_path):
    one, other = put(tmp_path / "x", "train.jsonl"), put(tmp_path / "y", "train.jsonl")
    with pytest.raises(DataError, match=r"must give each part of a split once, got .*x/train\.jsonl and .*y/train"):
        find(one / "train.jsonl", other / "train.jsonl")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.jsonl", "no file .*absent.jsonl$"),
        ("absent", "no file .*absent$"),
        ("folder", "no file .*folder$"),
        ("train.txt", r"train\.txt: the name must end in \.jsonl, .*\.arrow, or these with \.gz: rename or convert"),
        ("train.gz", "the name must end in"),
    ],
)
def test_files_that_are_not_there_or_of_another_kind_are_named(tmp_path, name, message):
    put(tmp_path, "test.jsonl", "train.txt", "train.gz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=message):
        find(tmp_path / "test.jsonl", tmp_path / name)
    with pytest.raises(DataError, match=message):
        check_file(tmp_path / name)


def test_a_file_that_is_there_passes(tmp_path):
    put(tmp_path, "any.jsonl", "any.json", "any.parquet")
    for path in tmp_path.iterdir():
        check_file(path)


def test_a_missing_file_is_never_taken_for_a_name_on_the_hub(tmp_path, monkeypatch, hub):
    monkeypatch.chdir(tmp_path)
    for name in ("data/train.jsonl", "data/train.parquet", "train", "./data/x", "a/b/c"):
        with pytest.raises(DataError, match=f"no file {name.removeprefix('./')}$"):
            find(name)
    with pytest.raises(DataError, match=r"no file owner/name$"):
        find("owner/name", "owner/other")
    assert hub.asked == []


def test_a_name_is_looked_up_with_its_configuration_and_pinned_revision(hub):
    found = find("owner/name", config="main", revision="v1")
    assert hub.asked == [HubSet("owner/name", "main", "commit of v1")]
    assert {split: found[split].origin for split in found} == dict.fromkeys(BOTH, hub.asked[0])
    assert [record.fields for record in found[TEST].records()] == [{"from": "test"}]


def test_what_is_there_under_a_name_counts_before_the_hub(tmp_path, monkeypatch, hub):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "owner" / "name", "train.jsonl")
    assert names(find("owner/name")) == {"train": ["train.jsonl"]}
    put(tmp_path / "owner", "file")
    with pytest.raises(DataError, match=r"owner/file: the name must end in"):
        find("owner/file")
    assert hub.asked == []


def test_a_folder_whose_names_say_nothing_is_loaded_as_its_readme_says(tmp_path, hub):
    put(tmp_path / "set", "README.md")
    put(tmp_path / "set" / "main", "part.parquet")
    with pytest.raises(DataError, match=r"set: must hold files or folders named after .*, has main/part\.parquet: "):
        find(tmp_path / "set")
    (tmp_path / "set" / "README.md").write_text("---\nconfigs:\n- config_name: main\n---\n")
    found = find(tmp_path / "set", config="main")
    assert [(asked.name, asked.config) for asked in hub.asked] == [(str(tmp_path / "set"), "main")]
    assert list(found) == [TRAIN, TEST]


@pytest.mark.parametrize("held", ["train", "test", "validation", "default"])
def test_the_only_split_of_a_set_on_the_hub_serves_as_the_only_one_wanted(hub, held):
    hub.held = (held,)
    found = find("owner/name", splits=(TEST,))
    assert list(found) == [TEST]
    assert [record.fields for record in found[TEST].records()] == [{"from": held}]


def test_with_several_splits_there_or_wanted_names_count(hub):
    hub.held = ("train", "test", "validation")
    (record,) = find("owner/name", splits=(TEST,))[TEST].records()
    assert record.fields == {"from": "test"}
    hub.held = ("test", "train")
    assert list(find("owner/name")) == [TRAIN, TEST]
    hub.held = ("test",)
    assert list(find("owner/name")) == [TEST]
    hub.held = ("train", "validation")
    (record,) = find("owner/name")[TEST].records()
    assert record.fields == {"from": "validation"}


@pytest.mark.parametrize(
    ("held", "splits", "message"),
    [
        (("all", "default"), BOTH, "must have the splits train, test, has all, default$"),
        (("dev", "validation"), (TEST,), "must have the splits test, has dev, validation$"),
        (("validation", "test"), (TRAIN,), "must have the splits train, has validation, test$"),
    ],
)
def test_a_set_without_the_splits_is_an_error(hub, held, splits, message):
    hub.held = held
    with pytest.raises(DataError, match=rf"^owner/name \(main\) at commit of None: {message}"):
        find("owner/name", splits=splits, config="main")
