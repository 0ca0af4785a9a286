"""GSM8K: the real files whole, the hub's layout, and every bad input by file, line and what was expected."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import gsm8k
from data_prep.gsm8k import main
from data_prep.schema import check_parquet, read_rows

GOOD = {"question": "How many?", "answer": "Half of 2,469 rounded is <<2468/2=1234>>1234.\n#### 1,234"}


def write(path, *lines):
    path.write_bytes(
        b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines) + b"\n"
    )
    return path


def run(inputs, output):
    return main(["--input", *map(str, inputs), "--output", str(output)])


@pytest.mark.parametrize("as_files", [False, True])
def test_the_real_files_convert_whole(shared_data, tmp_path, as_files):
    folder = shared_data / "gsm8k"
    assert run([folder / "train.jsonl", folder / "test.jsonl"] if as_files else [folder], tmp_path) == 0
    assert check_parquet(tmp_path / "train.parquet", judged_here=True) == 7473
    assert check_parquet(tmp_path / "test.parquet", judged_here=True) == 1319


def test_rows_equal_what_verls_example_makes(shared_data, tmp_path):
    run([shared_data / "gsm8k" / "test.jsonl"], tmp_path)
    raw = [json.loads(line) for line in (shared_data / "gsm8k" / "test.jsonl").read_text("utf-8").splitlines()]
    for index, (record, row) in enumerate(zip(raw, read_rows(tmp_path / "test.parquet"), strict=True)):
        # The expression, the instruction and the layout of examples/data_preprocess/gsm8k.py.
        gold = re.search(r"#### (\-?[0-9\.\,]+)", record["answer"])[1].replace(",", "")
        asked = record["question"] + ' Let\'s think step by step and output the final answer after "####".'
        assert row["data_source"] == "openai/gsm8k"
        assert row["prompt"] == [{"role": "user", "content": asked}]
        assert row["ability"] == "math"
        assert row["reward_model"] == {"style": "rule", "ground_truth": gold}
        assert (row["extra_info"]["split"], row["extra_info"]["index"]) == ("test", index)


def test_one_record(tmp_path):
    # Byte order mark, Windows line end and blank lines are no fault.
    lines = ["\N{ZERO WIDTH NO-BREAK SPACE}".encode() + json.dumps(GOOD).encode() + b"\r", b"", b"  "]
    assert run([write(tmp_path / "test.jsonl", *lines)], tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["test.parquet"]
    (row,) = read_rows(tmp_path / "out" / "test.parquet")
    assert row["reward_model"]["ground_truth"] == "1234"
    assert row["extra_info"] == {
        "split": "test",
        "index": 0,
        "id": "openai/gsm8k/test/0",
        "category": "",
        "difficulty": 0,
        "question": "How many?",
        "reference_response": GOOD["answer"],
    }


def test_same_input_gives_same_bytes(tmp_path):
    source = write(tmp_path / "train.jsonl", GOOD, GOOD)
    outputs = [tmp_path / "a", tmp_path / "b"]
    assert [run([source], output) for output in outputs] == [0, 0]
    assert len({(output / "train.parquet").read_bytes() for output in outputs}) == 1


DEEP = b'{"question": ' + b"[" * 100_000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (json.dumps(GOOD).encode()[:-20], "must be one JSON object, but Unterminated string"),
        (b'{"question": 1,', "must be one JSON object, but Expecting property name"),
        (b"[1, 2]", r"must be one JSON object, got \[1, 2\]"),
        (b"null", "must be one JSON object, got None"),
        (b'"text"', "must be one JSON object, got 'text'"),
        (DEEP, "must be one JSON object"),
        (b'{"question": ' + b"1" * 5000 + b"}", "must be one JSON object of ordinary depth and numbers"),
        (b'{"question": "caf\xe9"}', "must be UTF-8, but byte 18 of the line is 0xe9"),
        ({"question": "x"}, "must have the field 'answer', has 'question'"),
        ({"answer": "#### 1"}, "must have the field 'question', has 'answer'"),
        ({}, "must have the field 'question', has none"),
        (GOOD | {"question": 5}, "'question' must be a text that is not empty, got 5"),
        (GOOD | {"question": " "}, "'question' must be a text that is not empty, got ' '"),
        (GOOD | {"answer": None}, "'answer' must be a text that is not empty, got None"),
        (GOOD | {"answer": ["#### 1"]}, "'answer' must be a text that is not empty"),
        (GOOD | {"question": "\ud800"}, "'question' must be text that UTF-8 can hold"),
        (GOOD | {"answer": "1234"}, "'answer' must end in a line '#### NUMBER', got"),
        (GOOD | {"answer": "#### twelve"}, "'answer' must end in a line '#### NUMBER', got"),
        (GOOD | {"answer": "#### 12 or 13"}, "'answer' must end in a line '#### NUMBER', got"),
        (GOOD | {"answer": "#### 12,3,4"}, "extra_info.reference_response must score 1"),
    ],
)
def test_bad_line_is_named_with_what_was_expected(tmp_path, capsys, line, message):
    source = write(tmp_path / "train.jsonl", GOOD, line, GOOD)
    assert run([source], tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert re.search(rf"error: {re.escape(str(source))} line 2: {message}", said)
    assert "Traceback" not in said
    assert said.endswith("\n")
    assert len(said.splitlines()[-1]) < 400
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["absent.jsonl"], "no file .*absent.jsonl"),
        (["empty/train.jsonl"], "train.jsonl: must hold one JSON object a line, it is empty"),
        (["blank/train.jsonl"], "train.jsonl: must hold one JSON object a line, it is empty"),
        (["dev.jsonl"], "must be named after its split, train or test"),
        (["train.jsonl", "other/train.jsonl"], "must give each split once"),
        (["train.jsonl", "other"], "no file .*other"),
        (["binary/train.jsonl"], "line 1: must be UTF-8"),
    ],
)
def test_bad_files_are_named(tmp_path, capsys, names, message):
    for folder in ("empty", "blank", "other", "binary"):
        (tmp_path / folder).mkdir()
    (tmp_path / "empty" / "train.jsonl").write_bytes(b"")
    (tmp_path / "blank" / "train.jsonl").write_bytes(b"\n \n")
    (tmp_path / "binary" / "train.jsonl").write_bytes(bytes(range(128, 256)))
    for name in ("train.jsonl", "dev.jsonl", "other/train.jsonl"):
        write(tmp_path / name, GOOD)
    assert run([tmp_path / name for name in names], tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert "Traceback" not in said


@pytest.fixture
def _own_cache(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def hub_layout(folder, splits=("train", "test")):
    """A download of the hub's dataset: configurations named in README.md, one parquet file a split."""
    (folder / "main").mkdir(parents=True)
    files = [{"split": split, "path": f"main/{split}-*"} for split in splits]
    head = json.dumps({"configs": [{"config_name": "main", "data_files": files}]})
    (folder / "README.md").write_text(f"---\n{head}\n---\n# GSM8K\n")
    for split in splits:
        table = pa.table({name: [value, value] for name, value in GOOD.items()})
        pq.write_table(table, folder / "main" / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.mark.usefixtures("_own_cache")
def test_a_download_in_the_hubs_layout_converts_as_the_same_records_in_json_lines(tmp_path):
    assert run([hub_layout(tmp_path / "hub")], tmp_path / "a") == 0
    (tmp_path / "raw").mkdir()
    for split in ("train", "test"):
        write(tmp_path / "raw" / f"{split}.jsonl", GOOD, GOOD)
    assert run([tmp_path / "raw"], tmp_path / "b") == 0
    for name in ("train.parquet", "test.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.usefixtures("_own_cache")
def test_a_dataset_without_a_split_is_an_error(tmp_path, capsys):
    assert run([hub_layout(tmp_path / "hub", splits=("train",))], tmp_path / "out") == 1
    assert "must have the splits train, test, lacks test" in capsys.readouterr().err


@pytest.mark.usefixtures("_own_cache")
def test_a_folder_without_data_is_an_error(tmp_path, capsys):
    (tmp_path / "none").mkdir()
    assert run([tmp_path / "none"], tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "must be local files or a dataset that loads from the hub" in said
    assert "Traceback" not in said


def test_a_name_is_looked_up_on_the_hub(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    asked = []

    def load_dataset(name, config):
        asked.append((name, config))
        return datasets.DatasetDict({split: datasets.Dataset.from_list([GOOD]) for split in ("train", "test")})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.chdir(tmp_path)
    assert main(["--output", str(tmp_path / "out")]) == 0
    assert asked == [("openai/gsm8k", "main")]
    assert check_parquet(tmp_path / "out" / "test.parquet", judged_here=True) == 1


@pytest.mark.parametrize(
    "failure", [ConnectionError("Couldn't reach\nthe hub"), ValueError("BuilderConfig"), OSError()]
)
def test_a_hub_that_does_not_answer_is_one_sentence(tmp_path, monkeypatch, capsys, failure):
    datasets = pytest.importorskip("datasets")

    def load_dataset(name, config):
        raise failure

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert run(["some/name"], tmp_path) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: --input must be local files or a dataset that loads from the hub, some/name (main)")
    assert said.count("\n") == 1


def test_the_hubs_bad_record_is_named(tmp_path, monkeypatch, capsys):
    datasets = pytest.importorskip("datasets")
    records = datasets.Dataset.from_list([GOOD, GOOD | {"answer": "none"}])
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: {"train": records, "test": records})
    assert run(["some/name"], tmp_path) == 1
    assert "some/name train row 1: 'answer' must end in a line" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("openai/gsm8k", True),
        ("a/b.c-d", True),
        ("gsm8k", False),
        ("./a", False),
        ("/a/b", False),
        ("a/b/c", False),
        ("data/train.jsonl", False),
        ("", False),
        ("a/", False),
    ],
)
def test_is_hub_name(name, is_one):
    assert gsm8k.is_hub_name(name) == is_one
