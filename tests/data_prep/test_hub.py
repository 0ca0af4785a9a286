"""Datasets on the hub: what is asked for, that its commit is kept, and that every failure is one sentence."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import hub
from data_prep.errors import DataError
from data_prep.gsm8k import main
from data_prep.hub import HubSet, download_files, is_on_hub, load_splits, pinned
from data_prep.records import Record
from data_prep.schema import read_rows

COMMIT = "740312add88f781978c0658806c59bc2815b9866"


def record(question, answer=7):
    return {"question": question, "answer": f"Just {answer}.\n#### {answer}"}


SPLITS = {
    "train": [record(f"Train {number}?") for number in range(3)],
    "test": [record(f"Test {number}?") for number in range(2)],
}
FAULT = "error: --input must be local files or a dataset that loads from the hub, "


def run(*options):
    return main(list(map(str, options)))


def card(folder, split):
    return json.loads((folder / f"{split}.parquet.json").read_text("utf-8"))


@pytest.fixture
def _own_cache(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def hub_layout(folder, splits=SPLITS):
    """A download of the hub's dataset: configurations named in README.md, a folder each, shards of parquet in it."""
    configs = []
    for config, prefix in (("main", ""), ("socratic", "Ask yourself: ")):
        (folder / config).mkdir(parents=True)
        files = [{"split": split, "path": f"{config}/{split}-*"} for split in splits]
        configs.append({"config_name": config, "data_files": files})
        for split, records in splits.items():
            half = len(records) // 2
            for shard, part in enumerate((records[:half], records[half:])):
                table = pa.Table.from_pylist([one | {"question": prefix + one["question"]} for one in part])
                pq.write_table(table, folder / config / f"{split}-0000{shard}-of-00002.parquet")
    (folder / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n# GSM8K\n")
    return folder


class FakeHub:
    """What the hub answers: `asked` is what it was asked for, `failures` what it raises instead of an answer."""

    def __init__(self):
        self.asked = []
        self.failures = {}
        self.splits = SPLITS

    def dataset_info(self, name, revision):
        self.asked.append(("dataset_info", name, revision))
        if "dataset_info" in self.failures:
            raise self.failures["dataset_info"]
        return type("DatasetInfo", (), {"sha": COMMIT})

    def load_dataset(self, name, config, *, revision):
        import datasets

        self.asked.append(("load_dataset", name, config, revision))
        if "load_dataset" in self.failures:
            raise self.failures["load_dataset"]
        made = {split: datasets.Dataset.from_list(records) for split, records in self.splits.items()}
        return datasets.DatasetDict(made)

    def snapshot_download(self, name, **options):
        self.asked.append(("snapshot_download", name, options))
        if "snapshot_download" in self.failures:
            raise self.failures["snapshot_download"]
        return "/the/cache"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    huggingface_hub = pytest.importorskip("huggingface_hub")
    made = FakeHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: made)
    monkeypatch.setattr(datasets, "load_dataset", made.load_dataset)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made.snapshot_download)
    monkeypatch.chdir(tmp_path)
    return made


@pytest.mark.usefixtures("_own_cache")
def test_a_download_in_the_hubs_layout_converts_as_the_same_records_in_json_lines(tmp_path):
    assert run("--input", hub_layout(tmp_path / "hub"), "--output", tmp_path / "a") == 0
    (tmp_path / "raw").mkdir()
    for split, records in SPLITS.items():
        lines = "".join(json.dumps(one) + "\n" for one in records)
        (tmp_path / "raw" / f"{split}.jsonl").write_text(lines)
    assert run("--input", tmp_path / "raw", "--output", tmp_path / "b") == 0
    for split, records in SPLITS.items():
        name = f"{split}.parquet"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert len(list(read_rows(tmp_path / "a" / name))) == len(records)
        parts = [f"{tmp_path / 'hub' / 'main' / split}-0000{number}-of-00002.parquet" for number in range(2)]
        assert [source["file"] for source in card(tmp_path / "a", split)["source"]] == parts


@pytest.mark.usefixtures("_own_cache")
def test_the_configuration_that_is_asked_for_is_loaded(tmp_path, capsys):
    folder = hub_layout(tmp_path / "hub")
    assert run("--input", folder, "--output", tmp_path / "a", "--hub-config", "socratic") == 0
    questions = [row["extra_info"]["question"] for row in read_rows(tmp_path / "a" / "test.parquet")]
    assert questions == ["Ask yourself: Test 0?", "Ask yourself: Test 1?"]
    capsys.readouterr()  # bars of `datasets`
    assert run("--input", folder, "--output", tmp_path / "b", "--hub-config", "absent") == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"error: {folder}: must hold one set, has main, socratic: give the folder of one, or name it"
    )
    assert said.count("\n") == 1


@pytest.mark.usefixtures("_own_cache")
def test_a_download_with_one_split_gives_one_file(tmp_path):
    folder = hub_layout(tmp_path / "hub", splits={"train": SPLITS["train"]})
    assert run("--input", folder, "--output", tmp_path / "out") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"train.parquet", "train.parquet.json"}


@pytest.mark.usefixtures("_own_cache")
@pytest.mark.parametrize("damage", ["no data", "a cut file"])
def test_a_folder_that_cannot_be_loaded_is_one_sentence(tmp_path, capsys, damage):
    folder = tmp_path / "hub"
    if damage == "no data":
        folder.mkdir()
    else:
        shard = hub_layout(folder) / "main" / "test-00001-of-00002.parquet"
        shard.write_bytes(shard.read_bytes()[:-100])
    assert run("--input", folder, "--output", tmp_path / "out") == 1
    said = capsys.readouterr().err
    told = {"no data": ": must hold files or folders named", "a cut file": "/main/test-00001-of-00002.parquet: must be"}
    assert said.splitlines()[-1].startswith(f"error: {folder}{told[damage]}")
    assert "Traceback" not in said


def test_a_name_is_looked_up_with_its_configuration_at_the_commit_it_stands_for(fake, tmp_path):
    assert run("--output", tmp_path / "out") == 0
    assert fake.asked == [
        ("dataset_info", "openai/gsm8k", None),
        ("load_dataset", "openai/gsm8k", "main", COMMIT),
    ]
    for split, records in SPLITS.items():
        questions = [row["extra_info"]["question"] for row in read_rows(tmp_path / "out" / f"{split}.parquet")]
        assert questions == [one["question"] for one in records]
        source = {"hub": "openai/gsm8k", "config": "main", "revision": COMMIT}
        assert card(tmp_path / "out", split)["source"] == [source]


def test_the_revision_that_is_asked_for_is_the_one_that_is_pinned(fake, tmp_path):
    options = ["--input", "some/name", "--hub-config", "c", "--hub-revision", "v2", "--output", tmp_path / "out"]
    assert run(*options) == 0
    assert fake.asked == [("dataset_info", "some/name", "v2"), ("load_dataset", "some/name", "c", COMMIT)]


@pytest.mark.parametrize("revision", [None, "v2"])
def test_offline_the_given_revision_stays(fake, tmp_path, revision):
    from huggingface_hub.errors import OfflineModeIsEnabled

    fake.failures["dataset_info"] = OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
    options = ["--hub-revision", revision] if revision else []
    assert run("--output", tmp_path / "out", *options) == 0
    assert fake.asked[-1] == ("load_dataset", "openai/gsm8k", "main", revision)
    assert card(tmp_path / "out", "train")["source"][0]["revision"] == revision


@pytest.mark.parametrize("place", ["dataset_info", "load_dataset"])
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ConnectionError("Couldn't reach\nthe hub"), "Couldn't reach"),
        (FileNotFoundError("Dataset 'some/name' doesn't exist"), "Dataset 'some/name' doesn't exist"),
        (OSError(), "OSError"),
    ],
)
def test_a_hub_that_does_not_answer_is_one_sentence(fake, tmp_path, capsys, place, failure, reason):
    fake.failures[place] = failure
    assert run("--input", "some/name", "--output", tmp_path / "out") == 1
    at = f" at {COMMIT}" if place == "load_dataset" else ""
    assert capsys.readouterr().err == f"{FAULT}some/name (main){at} does not: {reason}\n"


def test_errors_of_the_libraries_are_one_sentence(fake, tmp_path, capsys):
    import httpx
    from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    answer = httpx.Response(404, request=httpx.Request("GET", "https://hub"))
    for place, failure in (
        ("dataset_info", RepositoryNotFoundError("404 Client Error\nagain", response=answer)),
        ("dataset_info", HFValidationError("Repo id must be")),
        ("dataset_info", httpx.ConnectTimeout("timed out")),
        ("load_dataset", DatasetNotFoundError("is gated")),
        ("load_dataset", DatasetGenerationError("An error occurred")),
        ("load_dataset", ValueError("BuilderConfig 'main' not found")),
        ("load_dataset", RuntimeError("Dataset scripts are no longer supported, but found gsm8k.py")),
    ):
        fake.failures = {place: failure}
        assert run("--input", "some/name", "--hub-config", "main", "--output", tmp_path / "out") == 1
        said = capsys.readouterr().err
        assert said.startswith(f"{FAULT}some/name (main)")
        assert said.endswith(f"{str(failure).splitlines()[0]}\n")
        assert said.count("\n") == 1


def test_a_machine_without_a_network_is_told_so_in_one_sentence(monkeypatch, tmp_path, capsys):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    # Port 9 of this machine: nothing listens there, so that the connection is refused at once.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert run("--input", "some/name", "--output", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{FAULT}some/name (main) does not: ")
    assert said.count("\n") == 1


def test_a_name_that_the_hub_cannot_have_is_one_sentence(tmp_path, capsys):
    # Never sent: the hub's own library checks a name first.
    assert run("--input", "some/na--me", "--output", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{FAULT}some/na--me (main) does not: ")
    assert said.count("\n") == 1


def test_another_error_is_not_hidden(fake, tmp_path):
    fake.failures["load_dataset"] = KeyError("a fault of the program")
    with pytest.raises(KeyError):
        run("--output", tmp_path / "out")


def test_the_hubs_bad_record_is_named(fake, tmp_path, capsys):
    fake.splits = {"train": [record("One?"), {"question": "Two?", "answer": "none"}]}
    assert run("--input", "some/name", "--output", tmp_path / "out") == 1
    assert "error: some/name train row 1: 'answer' must end in a line" in capsys.readouterr().err


def test_records_come_numbered_and_as_often_as_they_are_asked_for(fake, monkeypatch):
    monkeypatch.setattr(hub, "ROWS_PER_BATCH", 2)
    splits = load_splits(HubSet("some/name"))
    assert list(splits) == ["train", "test"]
    wanted = [Record(f"some/name train row {number}", number, one) for number, one in enumerate(SPLITS["train"])]
    assert list(splits["train"]()) == wanted
    assert list(splits["train"]()) == wanted
    assert fake.asked == [("load_dataset", "some/name", None, None)]


def test_a_folder_is_not_looked_up(fake, tmp_path):
    assert pinned(HubSet(str(tmp_path), "main")) == HubSet(str(tmp_path), "main", None)
    assert fake.asked == []


def test_files_are_downloaded_by_pattern_and_revision(fake):
    folder = download_files(HubSet("some/name", revision="v3"), ["BFCL_v3_*.json", "possible_answer/*"])
    assert str(folder) == "/the/cache"
    wanted = {
        "repo_type": "dataset",
        "revision": "v3",
        "allow_patterns": ["BFCL_v3_*.json", "possible_answer/*"],
    }
    assert fake.asked == [("snapshot_download", "some/name", wanted)]


def test_files_that_cannot_be_downloaded_are_one_sentence(fake):
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for failure in (ConnectionError("no\nroute"), LocalEntryNotFoundError("no snapshot"), HFValidationError("Repo id")):
        fake.failures["snapshot_download"] = failure
        with pytest.raises(DataError, match="dataset that loads from the hub, some/name does not: ") as error:
            download_files(HubSet("some/name"), ["*"])
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("dataset", "text"),
    [
        (HubSet("a/b"), "a/b"),
        (HubSet("a/b", "c"), "a/b (c)"),
        (HubSet("a/b", revision="v"), "a/b at v"),
        (HubSet("a/b", "c", "v"), "a/b (c) at v"),
    ],
)
def test_a_set_is_named_with_its_configuration_and_revision(dataset, text):
    assert str(dataset) == text


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("openai/gsm8k", True),
        ("a/b.c-d", True),
        ("A1/b_c", True),
        ("gsm8k", False),
        ("./a", False),
        ("../a", False),
        ("/a/b", False),
        ("~/a", False),
        ("a/b/c", False),
        ("a/b c", False),
        ("data/train.jsonl", False),
        ("data/train.json", False),
        ("data/train.parquet", False),
        ("", False),
        ("a/", False),
        ("/", False),
    ],
)
def test_is_on_hub(name, is_one):
    assert is_on_hub([name]) == is_one
