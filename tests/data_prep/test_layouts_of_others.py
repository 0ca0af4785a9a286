r"""Data as others publish it, in small: what is read, what is refused in a sentence, and what is never told in silence.

Each layout is converted or validated by its command. verl's own RLHFDataset is the oracle: what was written it must
read, with the question asked and the ground truth kept; and what a validation refuses as misleading it reads without a
word, which is why the sentence is needed.
"""

import csv
import gzip
import importlib
import io
import json
import re
import shlex
from typing import NamedTuple

import datasets
import pandas
import pytest
from omegaconf import OmegaConf

from data_prep import inputs
from data_prep.errors import DataError
from data_prep.inputs import Split
from data_prep.records import read_files

pytest.importorskip("verl")

QA = "qa --input INPUT --question-key q --answer-key a --data-source mine --style boxed --split train"
GSM8K = "gsm8k --input INPUT"
MATH = "hendrycks_math --input INPUT"
DAPO = "dapo_math --input INPUT"
EVAL = "math_eval --input math500=INPUT"
VALIDATE = "validate INPUT"
SOLVED = {"problem": "What is 2+3?", "solution": r"It is \boxed{5}."}
README = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: a/part-*
---
"""
ASKED = {"q": "What is 2+3?", "a": 5}


def row(gold="5", question="What is 2+3?", source="lighteval/MATH", **changes):
    """A row of verl's layout as another maker writes it."""
    prompt = [
        {
            "role": "user",
            "content": rf"{question} Let's think step by step and output the final answer within \boxed{{}}.",
        }
    ]
    return {"data_source": source, "prompt": prompt, "reward_model": {"ground_truth": gold}} | changes


def judged(gold, **changes):
    return {"train.parquet": [row(gold, **changes)]}


class Layout(NamedTuple):
    """Files by their names, of which the first is given to a command, and what comes of it."""

    files: dict
    command: str
    golds: list | None = None
    """The ground truths written, or of what was validated well; None where it is refused."""
    says: str = ""
    """What standard error must match."""
    made: str = "train.parquet"
    asks: str = "What is 2+"
    """What every prompt says, of what was written."""


def asks(**fields):
    return {"x.jsonl": [ASKED | fields]}


def answers(answer):
    return {"x.jsonl": [ASKED | {"a": answer}]}


LAYOUTS = {
    # --- silent
    "gold in full-width digits": Layout(judged("\uff15"), VALIDATE, ["\uff15"]),
    "gold with its heading": Layout(
        judged("2+3=5\n#### 5"), VALIDATE, says="'5' is wrong for '2.*: write the answer alone"
    ),
    "gold a sentence": Layout(judged("The answer is 5"), VALIDATE, says="'5' is wrong for 'The answer is 5': write"),
    "gold behind a Chinese heading": Layout(judged("答案\uff1a5"), VALIDATE, says="'5' is wrong for '答案.5': write"),
    "gold a whole reasoning": Layout(
        judged("We add them, thus 5."), VALIDATE, says="the ground truth must be an answer, or"
    ),
    "gold a proof": Layout(judged("proof"), VALIDATE, says="the ground truth must be an answer, got 'proof'"),
    "gold not found": Layout(judged("notfound"), VALIDATE, says="the ground truth must be an answer, got 'notfound'"),
    "gold a boxed solution": Layout(judged(r"We add: \boxed{5}"), VALIDATE, [r"We add: \boxed{5}"]),
    "golds as JSON text": Layout(judged('["5", "five"]'), VALIDATE, ['["5", "five"]']),
    "an answer is led to": Layout(answers("The final answer is: 5."), QA, ["5"]),
    "an answer in tags": Layout(answers("<answer>5</answer>"), QA, ["5"]),
    "an answer with its reason": Layout(answers("5 because 2+3"), QA, says="'a' must be an answer, or a solution"),
    "a solution that speaks of boxes": Layout(answers("2 small boxed presents and 3.\n#### 5"), QA, ["5"]),
    "a dash for an answer": Layout(answers("-"), QA, says=r"none is left of 1: 1 no answer can be right \(.*got '-'\)"),
    "options in a later row only": Layout(
        {"x.jsonl": [ASKED, ASKED | {"options": ["x", "y"]}]}, QA, says="line 2: the field 'options' must be part of"
    ),
    "choices as columns": Layout(asks(A="x", B="y"), QA, says="the field 'A' must be part of the question or be left"),
    "several images": Layout(asks(image_1={"bytes": "x"}, image_2=None), QA, says="the field 'image_1' must be part"),
    "images of nothing": Layout(asks(image_1={"bytes": None}), QA, ["5"]),
    "body of a known set": Layout(
        {"train.jsonl": [SOLVED | {"body": "Ann has 3."}]}, MATH, says="the field 'body' must"
    ),
    "the number of a choice": Layout(
        asks(choices=["x", "y"]),
        QA.replace("-key q", "-key q choices"),
        says="got the number 5, which may count from 0",
    ),
    "a missing shard of a pattern": Layout(
        {"train-*.jsonl": None, "train-00000-of-00002.jsonl": [SOLVED]},
        MATH,
        says="must match all parts of train, has 1 of 2",
    ),
    "a missing split": Layout({".": None, "train.jsonl": [SOLVED]}, MATH, ["5"], says="note: .* has no test split"),
    "a split that is not read": Layout(
        {".": None, "train.jsonl": [SOLVED], "test.jsonl": [SOLVED | {"problem": "W?"}], "dev.jsonl": [SOLVED]},
        MATH,
        ["5"],
        says=r"note: .* has more than is read: dev.jsonl",
    ),
    "contamination where no name tells": Layout(
        {"a.parquet": [row()], "b.parquet": [row()]},
        "validate --train INPUT --val FOLDER/b.parquet",
        says="a.parquet: must ask nothing that .*b.parquet asks",
    ),
    "contamination where one name tells": Layout(
        {"a.parquet": [row()], "aime_test.parquet": [row()]},
        f"{VALIDATE} FOLDER/aime_test.parquet",
        says="a.parquet: must ask nothing that .*aime_test.parquet asks",
    ),
    # --- refused though verl reads it
    "golds of any kind, judged elsewhere": Layout(
        judged({"target": [1, 2]}), f"{VALIDATE} --judged-by function", [{"target": [1, 2]}]
    ),
    "another style": Layout(judged("5", reward_model={"style": "model", "ground_truth": "5"}), VALIDATE, ["5"]),
    "jsonl": Layout({"train.jsonl": [row()]}, VALIDATE, ["5"]),
    "a json array": Layout({"train.json": [row(), row("6", "What is 2+4?")]}, VALIDATE, ["5", "6"]),
    "an empty system prompt": Layout(
        judged("5", prompt=[{"role": "system", "content": ""}, {"role": "user", "content": "Why?"}]), VALIDATE, ["5"]
    ),
    "empty content beside tool calls": Layout(
        judged(
            "5",
            prompt=[
                {"role": "user", "content": "Weather?", "tool_calls": None},
                {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "content": "sunny", "tool_calls": None},
            ],
        ),
        VALIDATE,
        ["5"],
    ),
    "content as a list": Layout(
        judged("5", prompt=[{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]), VALIDATE, ["5"]
    ),
    "level 5.0": Layout({"train.jsonl": [SOLVED | {"level": 5.0}]}, MATH, ["5"]),
    "level of nothing": Layout({"train.parquet": [SOLVED | {"level": float("nan")}]}, MATH, ["5"]),
    "large strings of pandas": Layout({"train.parquet": pandas.DataFrame([row()])}, VALIDATE, ["5"]),
    "large strings of pandas beside our files": Layout(
        {"train.parquet": pandas.DataFrame([row()]), "b.parquet": [row("6", "What is 2+4?")]},
        f"{VALIDATE} --train FOLDER/b.parquet",
        says=r"must have the type large_string .* has string: .*, or write it from pandas as .astype\(object\)",
    ),
    "strings of pandas as objects beside our files": Layout(
        {"train.parquet": pandas.DataFrame([row()]).astype(object), "b.parquet": [row("6", "What is 2+4?")]},
        f"{VALIDATE} --train FOLDER/b.parquet",
        ["5"],
    ),
    "large strings to convert": Layout({"x.parquet": pandas.DataFrame([ASKED])}, QA, ["5"]),
    "no extra_info, own columns": Layout(judged("5", solution="2+3", difficulty=0.5), VALIDATE, ["5"]),
    # --- wrong sentences
    "a folder with a README": Layout(
        {
            ".": None,
            "README.md": README,
            "a/part-1.jsonl": [{"question": "What is 2+3?", "answer": "#### 5"}],
        },
        GSM8K,
        ["5"],
    ),
    "messages of ShareGPT": Layout(
        {"train.parquet": [row(prompt=[{"from": "human", "value": "Why?"}])]},
        VALIDATE,
        says=r"prompt\[0\] must be a message with role and content, got \{'from'",
    ),
    "a question of ShareGPT": Layout(
        {"x.jsonl": [ASKED | {"q": [{"from": "human", "value": "What is 2+3?"}]}]}, QA, ["5"]
    ),
    "a folder to validate": Layout(
        {".": None, "train.parquet": [row()]}, VALIDATE, says="is a folder: name the files in it"
    ),
    "a folder to exclude": Layout(
        {"x.jsonl": [ASKED, ASKED | {"q": "What is 2+4?", "a": 6}], "e/aime.parquet": [row()]},
        f"{QA} --exclude FOLDER/e",
        ["6"],
    ),
    "a jsonl of questions to exclude": Layout(
        {
            "x.jsonl": [ASKED, ASKED | {"q": "What is 2+4?", "a": 6}],
            "e.jsonl": [{"Problem": "What is  2+3?", "Answer": 5}],
        },
        f"{QA} --exclude FOLDER/e.jsonl",
        ["6"],
    ),
    "a table of something else to exclude": Layout(
        asks() | {"e.csv": [{"x": 1}]},
        f"{QA} --exclude FOLDER/e.csv",
        says="line 2: must have the field 'problem' or",
    ),
    "one column is missing everywhere": Layout(
        {"train.jsonl": [{"text": "What?", "answer": "5"}] * 30},
        GSM8K,
        says=r"must have the field 'question', has 'text', 'answer' \(and 29 more records with the same fault\)",
    ),
    "nothing left": Layout(
        answers("Proof."), QA, says=r"none is left of 1: 1 no answer can be right \(.*got 'Proof.'\)"
    ),
    # --- missing
    "equivalent golds of verl's layout": Layout(
        {"train.jsonl": [row(["5", "five"])]}, DAPO, ['{"any": ["5", "five"]}']
    ),
    "golds as JSON text to convert": Layout({"train.jsonl": [row('["5"]')]}, DAPO, ["5"]),
    "equivalent golds of an evaluation set": Layout(
        {"x.jsonl": [{"question": "What is 2+3?", "answer": ["10/2", "5"]}]},
        EVAL,
        ['{"any": ["10/2", "5"]}'],
        made="math500.parquet",
    ),
    "an evaluation set's own name": Layout(
        asks(), f"{QA.replace('train', 'test')} --name my_eval", ["5"], made="my_eval.parquet"
    ),
    "an own name of two files": Layout(
        asks(), f"{QA} --val-share 0.5 --name my_eval", says="--name must be of one file"
    ),
    "a split that no name tells": Layout({"x.jsonl": [SOLVED]}, f"{MATH} --split test", ["5"], made="test.parquet"),
    "an own prompt": Layout(asks(), f"{QA} --template 'Solve {{question}} in \\boxed{{}}.'", ["5"]),
    "an own prompt from a file": Layout(
        asks() | {"prompt.txt": "Solve this.\n\n{question}\n\nEnd with \\boxed{...}."},
        f"{QA} --template @FOLDER/prompt.txt",
        ["5"],
        asks="Solve this.\n\nWhat is 2+3?\n\nEnd with \\boxed{...}.",
    ),
    "an own system message": Layout(asks(), f"{QA} --template {{question}} --system 'In \\boxed{{}}.'", ["5"]),
    "an own prompt without the question": Layout(
        asks(), f"{QA} --template Solve!", says="--template must have {question} once"
    ),
    "an own prompt that asks for no box": Layout(
        asks(),
        f"{QA} --template {{question}}",
        ["5"],
        says=r"note: .* nothing asks for .boxed, where the answer is",
    ),
    "packed, a table, and pandas' index": Layout({"x.csv.gz": [{"": "0", "q": "What is 2+3?", "a": "5"}]}, QA, ["5"]),
}


def put(path, content):
    """Writes records in the kind of file that the name says, or a text as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pandas.DataFrame):
        content.to_parquet(path)
        return path
    if path.suffix == ".parquet":
        datasets.Dataset.from_list(content).to_parquet(path)
        return path
    if isinstance(content, str):
        text = content
    elif ".csv" in path.name:
        written = io.StringIO()
        table = csv.DictWriter(written, list(content[0]))
        table.writeheader()
        table.writerows(content)
        text = written.getvalue()
    else:
        text = json.dumps(content) if path.suffix == ".json" else "".join(json.dumps(one) + "\n" for one in content)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read_by_verl(file, cache):
    """The question and the ground truth of each row, as verl's own dataset gives them."""
    from verl.utils.dataset.rl_dataset import RLHFDataset

    config = OmegaConf.create({"filter_overlong_prompts": False, "max_prompt_length": 64, "cache_dir": str(cache)})
    rows = RLHFDataset(str(file), tokenizer=None, config=config)
    return [(rows[number]["raw_prompt"], rows[number]["reward_model"]["ground_truth"]) for number in range(len(rows))]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_of_others(tmp_path, monkeypatch, capsys, name):
    layout, folder, out = LAYOUTS[name], tmp_path / "in", tmp_path / "out"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for file, content in layout.files.items():
        if content is not None:
            put(folder / file, content)
    given = folder / next(iter(layout.files))
    places = {"INPUT": str(given), "FOLDER/": f"{folder}/"}
    module, *argv = [
        re.sub("INPUT|FOLDER/", lambda found: places[found[0]], word) for word in shlex.split(layout.command)
    ]
    validates = module == "validate"
    code = importlib.import_module(f"data_prep.{module}").main(argv if validates else [*argv, "--output", str(out)])
    err = capsys.readouterr().err
    assert re.search(layout.says, err, re.DOTALL), err
    assert err.count("error: ") <= 2  # the fault of all records, and that nothing is written
    assert (code, "error: " in err) == ((1, True) if layout.golds is None else (0, False))
    if validates and given.is_file():
        seen = read_by_verl(given, tmp_path / "verl")
        assert layout.golds in (None, [gold for _, gold in seen])
    elif layout.golds is None:
        assert not out.exists() or list(out.iterdir()) == []
    else:
        seen = read_by_verl(out / layout.made, tmp_path / "verl")
        assert [gold for _, gold in seen] == layout.golds
        assert all(layout.asks in prompt[-1]["content"] for prompt, _ in seen)
        assert json.loads((out / f"{layout.made}.json").read_text())["licence"].startswith("not stated")


def test_a_licence_is_that_of_the_published_set_or_the_users_to_say(tmp_path, monkeypatch):
    from data_prep import hendrycks_math

    source = put(tmp_path / "train.jsonl", [SOLVED])
    monkeypatch.setattr(hendrycks_math, "asked_input", lambda *_: {"train": Split(lambda: read_files([source]), ())})
    for options, licence in (
        ([], hendrycks_math.LICENCE),
        (["--input", "a/copy"], f"not stated (as published: {hendrycks_math.LICENCE})"),
        (["--input", "a/copy", "--licence", "CC0"], "CC0"),
    ):
        assert hendrycks_math.main([*options, "--output", str(tmp_path / "out")]) == 0
        assert json.loads((tmp_path / "out" / "train.parquet.json").read_text())["licence"] == licence


def test_a_copy_of_a_set_without_its_configuration_is_loaded_as_it_is(monkeypatch):
    asked = []

    def load(dataset):
        asked.append(dataset.config)
        if dataset.config:
            raise DataError("BuilderConfig 'main' not found. Available: ['default']")
        return {"train": list}

    monkeypatch.setattr(inputs, "pinned", lambda dataset: dataset)
    monkeypatch.setattr(inputs, "load_splits", load)
    options = {"revision": None, "default_config": "main"}
    found = inputs.find_splits(["a/copy"], ("train", "test"), config=None, **options)
    assert (asked, found["train"].origin.config) == (["main", None], None)
    with pytest.raises(DataError, match="Available: "):
        inputs.find_splits(["a/copy"], ("train", "test"), config="main", **options)
