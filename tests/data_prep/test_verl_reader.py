"""verl's own dataset reads what data_prep writes, all sets beside each other, with a real chat template."""

from functools import cache

import datasets
import pytest
from omegaconf import OmegaConf

from data_prep import arithmetic, bfcl, dapo_math, gsm8k, hendrycks_math, math_eval, rlla
from data_prep.prompt_length import load_tokenizer, make_measure
from data_prep.schema import read_rows
from data_prep.validate import main as validate

pytest.importorskip("verl")


EVALUATED = ("aime24", "amc23", "math500", "minerva", "olympiadbench")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture(scope="module")
def convert(shared_data, tmp_path_factory):
    """Gives the files of a real set by the name of its folder, converted when first asked for."""
    folder = tmp_path_factory.mktemp("prepared")
    runs = {
        "gsm8k": (gsm8k, "gsm8k", ()),
        "math": (hendrycks_math, "math", ()),
        "eval": (math_eval, "", ()),
        "dapo": (dapo_math, "dapo", ("--exclude", *(f"{folder}/eval/{name}.parquet" for name in EVALUATED))),
        "rlla": (rlla, "toolrl/rlla_sft.json", ()),
        "bfcl": (bfcl, "bfcl_v3", ()),
    }

    @cache
    def converted(name):
        module, source, options = runs[name]
        assert module.main(["--input", str(shared_data / source), "--output", str(folder / name), *options]) == 0
        return sorted((folder / name).glob("*.parquet"))

    return converted


@pytest.fixture
def prepared(convert):
    """The files of every real set, converted."""
    return [file for name in ("gsm8k", "math", "eval", "dapo", "rlla", "bfcl") for file in convert(name)]


def load(files, tokenizer, **options):
    from verl.trainer.ppo.utils import create_rl_dataset

    config = OmegaConf.create({"filter_overlong_prompts_workers": None, "return_raw_chat": True, **options})
    return create_rl_dataset([str(file) for file in files], config, tokenizer, None)


def test_all_sets_load_as_one_dataset(prepared, qwen_tokenizer):
    assert len(prepared) == 13  # GSM8K 2, MATH 1, five evaluation sets, DAPO 1, ToolRL 2, BFCL 2
    loaded = load(prepared, qwen_tokenizer, filter_overlong_prompts=False)
    expected = [row for file in prepared for row in read_rows(file)]
    assert len(loaded) == len(expected)
    for number in range(0, len(expected), 97):
        item, row = loaded[number], expected[number]
        assert item["raw_prompt"] == row["prompt"]
        assert {name: item[name] for name in ("data_source", "ability", "reward_model", "extra_info")} == {
            name: row[name] for name in ("data_source", "ability", "reward_model", "extra_info")
        }
        assert item["index"] == row["extra_info"]["index"]


def test_all_sets_validate_clean(prepared, capsys):
    assert validate(list(map(str, prepared))) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "openai/gsm8k" in said.out


@pytest.mark.parametrize("limit", [1500, 4000])
def test_verl_keeps_the_prompts_that_validate_says_fit(convert, qwen_tokenizer, tmp_path, limit):
    qwen_tokenizer.save_pretrained(tmp_path / "tokenizer")
    measure = make_measure(load_tokenizer(str(tmp_path / "tokenizer")))
    (file,) = (file for file in convert("bfcl") if file.stem == "val")
    rows = list(read_rows(file))
    fit = [row["extra_info"]["id"] for row in rows if measure(row["prompt"]) <= limit]
    loaded = load([file], qwen_tokenizer, filter_overlong_prompts=True, max_prompt_length=limit)
    assert 0 < len(fit) < len(rows)
    assert [loaded[number]["extra_info"]["id"] for number in range(len(loaded))] == fit


def test_the_length_of_a_prompt_is_that_of_its_rendered_text(qwen_tokenizer, tmp_path):
    assert arithmetic.main(["--output", str(tmp_path), "--train-size", "20", "--val-size", "1"]) == 0
    qwen_tokenizer.save_pretrained(tmp_path / "tokenizer")
    measure = make_measure(load_tokenizer(str(tmp_path / "tokenizer")))
    for row in read_rows(tmp_path / "train.parquet"):
        question = row["prompt"][0]["content"]
        # A byte each for "user", a line break, the question, a line break, "assistant", a line break; three signs.
        assert measure(row["prompt"]) == 4 + 1 + len(question) + 1 + 9 + 1 + 3
