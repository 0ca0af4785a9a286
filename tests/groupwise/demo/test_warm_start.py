"""The warm start: what it learns from, what makes it train again, what an interruption leaves."""

import json

import pandas
import pytest
import torch
from transformers import AutoModelForCausalLM

from groupwise.demo import demonstrations, sampling, warm_start
from groupwise.demo.tiny_model import build_model, build_tokenizer


def row(a, b):
    return {
        "data_source": "dipo/arithmetic",
        "prompt": [{"role": "user", "content": f"{a}+{b}="}],
        "reward_model": {"style": "rule", "ground_truth": str(a + b)},
        "extra_info": {"difficulty": len(str(max(a, b)))},
    }


def write_data(folder, operands):
    folder.mkdir(exist_ok=True)
    for split in ("train", "val"):
        pandas.DataFrame([row(a, b) for a, b in operands]).to_parquet(folder / f"{split}.parquet")


@pytest.fixture(autouse=True)
def one_thread():
    """Batches this small gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(warm_start, "BATCH_SIZE", 4)
    monkeypatch.setattr(sampling, "GROUP_SIZE", 2)
    monkeypatch.setattr(sampling, "compute_score", lambda source, text, truth: {"acc": float(text == f"#### {truth}")})
    write_data(tmp_path / "data", [(1, 2), (12, 34), (123, 456)])
    return tmp_path / "data" / "train.parquet", tmp_path / "data" / "val.parquet"


@pytest.fixture
def model_dir(tmp_path):
    return tmp_path / "model"


def weights(folder):
    return AutoModelForCausalLM.from_pretrained(folder).state_dict()


def test_training_lowers_the_loss_of_what_it_trains_on():
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, seed=0)
    examples = demonstrations.tokenize(tokenizer, pandas.DataFrame([row(1, 2)]), seed=0)
    batch = demonstrations.collate(examples, tokenizer.pad_token_id)
    before = model(**batch).loss.item()
    warm_start.fine_tune(model, examples, steps=4, seed=0, batch=2, rate=2e-3)
    assert model(**batch).loss.item() < before - 0.5


def test_the_second_call_takes_what_the_first_one_made(data, model_dir, monkeypatch):
    assert warm_start.warm_start(*data, model_dir, steps=2) is True
    monkeypatch.setattr(warm_start, "fine_tune", lambda *_, **__: pytest.fail("trained again"))
    assert warm_start.warm_start(*data, model_dir, steps=2) is False


def test_equal_inputs_give_equal_weights(data, model_dir):
    other = model_dir.with_name("other")
    warm_start.warm_start(*data, model_dir, steps=2)
    warm_start.warm_start(*data, other, steps=2)
    first, second = weights(model_dir), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("change", ["data", "steps", "torch", "incomplete"])
def test_a_change_of_what_determines_the_model_trains_again(data, model_dir, monkeypatch, change):
    warm_start.warm_start(*data, model_dir, steps=2)
    if change == "data":
        write_data(data[0].parent, [(5, 6)])
    if change == "torch":
        monkeypatch.setattr(torch, "__version__", "0.0.0")
    if change == "incomplete":
        (model_dir / warm_start.KEY_FILE).unlink()
    assert warm_start.warm_start(*data, model_dir, steps=3 if change == "steps" else 2) is True


def test_an_interrupted_call_leaves_the_earlier_model_and_the_next_one_clears_up(data, model_dir, monkeypatch):
    warm_start.warm_start(*data, model_dir, steps=2)
    before = weights(model_dir)

    def interrupted(folder):
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            "transformers.Qwen2ForCausalLM.save_pretrained", lambda self, folder: interrupted(folder), raising=True
        )
        with pytest.raises(KeyboardInterrupt):
            warm_start.warm_start(*data, model_dir, steps=3)
    # Another process would have left its own.
    (model_dir.parent / "model.partial-1").mkdir()
    after = weights(model_dir)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert warm_start.warm_start(*data, model_dir, steps=3) is True
    assert sorted(path.name for path in model_dir.parent.iterdir()) == ["data", "model"]


def test_report_of_the_samples(data, model_dir):
    warm_start.warm_start(*data, model_dir, steps=2)
    report = json.loads((model_dir / warm_start.KEY_FILE).read_text())["sampled"]
    # Two steps teach nothing: all three groups are hard.
    assert report["prompts"] == 3
    assert report["accuracy_by_difficulty"] == {"1": 0.0, "2": 0.0, "3": 0.0}
    assert report["group_share"] == {"hard": 1.0, "easy": 0.0, "mixed": 0.0}


def test_summary_of_right_counts(monkeypatch):
    monkeypatch.setattr(sampling, "GROUP_SIZE", 8)
    report = sampling.summarize(["1", "1", "2", "3"], [8.0, 4.0, 2.0, 0.0])
    # 14 of 32 right; digits: 12 of 16, 2 of 8, 0 of 8; one easy, one hard, two mixed of four.
    assert report.accuracy == 14 / 32
    assert report.accuracy_by_difficulty == {"1": 0.75, "2": 0.25, "3": 0.0}
    assert report.group_share == {"hard": 0.25, "easy": 0.25, "mixed": 0.5}
    assert "1-digit 75%, 2-digit 25%, 3-digit 0%" in sampling.describe(report._asdict())


def test_missing_data_is_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "sys.argv", ["warm_start", "--train", "absent", "--sample", "absent", "--output", str(tmp_path)]
    )
    with pytest.raises(SystemExit, match=r"there is no absent; python -m data_prep\.arithmetic writes some"):
        warm_start.main()
