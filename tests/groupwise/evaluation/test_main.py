"""The command from its arguments to its report: with a stand-in for vLLM, and once with vLLM."""

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data_prep import arithmetic
from groupwise.demo import tiny_model
from groupwise.evaluation import __main__ as command
from groupwise.evaluation.responses import read_begun
from groupwise.launch.leftovers import marked_processes


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    tokenizer = tiny_model.build_tokenizer()
    tokenizer.save_pretrained(folder)
    tiny_model.build_model(tokenizer, seed=0).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sums")
    assert arithmetic.main(["--output", str(folder), "--train-size", "8", "--val-size", "4"]) == 0
    return folder


@pytest.fixture
def evaluate(tmp_path, model, data, stand_in, monkeypatch, capsys) -> Callable[..., tuple[int, str, int]]:
    """Runs the command; gives its exit code, what it printed, and how many responses the stand-in was asked for."""
    # It ends the processes that carry its mark, which in a test are the test runner's own.
    monkeypatch.setattr(command, "exclusive_run", contextlib.nullcontext)
    tokenizer = tiny_model.build_tokenizer()

    def add(request):
        """Answers with the sum, or with 0 where the seed is odd: of two samples, whose seeds follow, one is right."""
        # Without the special tokens around it, and the sign at its end.
        numbers = tokenizer.decode(request["prompt"][1:-3]).split("+")
        answer = 0 if request.get("seed", 0) % 2 else sum(map(int, numbers))
        return tokenizer(f"#### {answer}")["input_ids"], "stop"

    stand_in.complete = add
    stand_in.models[0]["root"] = str(model)
    runs = itertools.count()

    def run(*given: str, files: tuple[str, ...] = ("val",)) -> tuple[int, str, int]:
        stand_in.asked.clear()
        # A request that the run before gave up may arrive during this one, so each has a key of its own.
        key = f"run{next(runs)}"
        monkeypatch.setenv("VLLM_API_KEY", key)
        paths = [str(data / f"{name}.parquet") for name in files]
        arguments = [str(model), "--data", *paths, "--output", str(tmp_path / "out"), "--max-tokens", "12"]
        code = command.main([*arguments, "--endpoint", stand_in.url, *given])
        printed = capsys.readouterr()
        asked = [request for request in stand_in.asked if request["headers"]["Authorization"] == f"Bearer {key}"]
        return code, printed.out + printed.err, len(asked)

    return run


def test_from_a_model_to_its_report_and_again(evaluate, tmp_path, data):
    code, printed, generated = evaluate("-n", "2")
    assert code == 0, printed
    assert generated == 8
    name = f"{data.name}_val"
    table = pd.read_parquet(tmp_path / "out" / f"{name}.parquet")
    assert list(table.groupby("prompt_id")["acc"].sum()) == [1.0] * 4
    assert list(table["sample"]) == [0, 1] * 4
    figures = json.loads((tmp_path / "out" / "summary.json").read_text())["results"]["sets"][name]["figures"]
    # One of two right: mean@2 = pass@1 = 1/2, pass@2 = 1, and the vote is a tie.
    assert {key: figures[key]["value"] for key in ("mean@2", "pass@1", "pass@2", "maj@2")} == {
        **{"mean@2": 0.5, "pass@1": 0.5, "pass@2": 1.0, "maj@2": 0.5}
    }
    assert (tmp_path / "out" / "summary.txt").read_text() in printed

    # Finished sets are not generated again.
    code, printed, generated = evaluate("-n", "2")
    assert (code, generated) == (0, 0)
    assert f"{name}: finished before" in printed

    # A further set alone is generated; the report has both.
    code, printed, generated = evaluate("-n", "2", "--limit", "3", files=("train",))
    assert (code, generated) == (0, 6)
    assert name in printed
    assert f"{data.name}_train" in printed


def test_other_settings_are_refused_until_again_is_given(evaluate):
    assert evaluate("-n", "2")[0] == 0
    code, printed, generated = evaluate("-n", "1", files=("train", "val"))
    assert (code, generated) == (1, 0)
    assert "sampling.samples: 2 there, 1 now); --again" in printed
    code, printed, generated = evaluate("-n", "1", "--again")
    assert (code, generated) == (0, 4)


def test_a_server_that_dies_in_the_middle_loses_nothing(evaluate, stand_in, tmp_path):
    whole, add = tmp_path / "whole", stand_in.complete
    assert evaluate("-n", "2", "--output", str(whole), files=("train",))[0] == 0
    stand_in.complete = lambda request: add(request) if len(stand_in.asked) <= 6 else 503
    code, printed, _ = evaluate("-n", "2", "--concurrency", "1", files=("train", "val"))
    assert code == 1
    assert "refused a request" in printed
    assert "Traceback" not in printed

    # Another sampling is not mixed in; the same goes on, with the same responses as without the death.
    stand_in.complete = add
    code, printed, generated = evaluate("-n", "3", files=("train",))
    assert (code, generated) == (1, 0)
    assert "partial.jsonl holds responses of other settings (sampling.samples: 2 there, 3 now)" in printed
    code, printed, generated = evaluate("-n", "2", files=("train", "val"))
    assert (code, generated) == (0, 24 - 6)
    assert "6 responses are there, and it goes on with the others" in printed
    (name,) = (path.name for path in whole.glob("*.parquet"))
    assert pd.read_parquet(tmp_path / "out" / name).equals(pd.read_parquet(whole / name))
    assert not list((tmp_path / "out").glob("*.jsonl"))


def test_a_model_is_compared_with_another(evaluate, tmp_path):
    assert evaluate("-n", "2")[0] == 0
    others = ["--temperature", "0", "-n", "1", "--output", str(tmp_path / "other")]
    code, printed, _ = evaluate(*others, "--against", str(tmp_path / "out"))
    assert code == 0
    # All right against one of two right, in each prompt.
    assert "+50.0  [+50.0, +50.0]  (differs in sampling)" in printed


def test_overlong_prompts_are_left_out_only_when_asked(evaluate, tmp_path, data):
    lengths = {len(row[0]["content"]) + 3 for row in pd.read_parquet(data / "train.parquet")["prompt"]}
    assert len(lengths) > 1
    code, printed, _ = evaluate("-n", "1", "--max-prompt-length", str(max(lengths) - 1), files=("train",))
    assert code == 1
    assert "leave them out with --skip-overlong" in printed
    code, printed, generated = evaluate(
        "-n", "1", "--max-prompt-length", str(max(lengths) - 1), "--skip-overlong", files=("train",)
    )
    assert code == 0
    assert 0 < generated < 8


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--data", "none.parquet"], "error: --data must name parquet files that exist"),
        (["--max-tokens", "2000"], "error: Prompt and response must fit into the model's 1024 positions"),
        (["--temperature", "0"], "error: At temperature 0"),
        (["--against", "none"], "error: --against must be the folder of an evaluation"),
        (["--apply-chat-template-kwargs", '{"tokenize": false}'], "error: verl must be able to render"),
        (["--endpoint", "http://127.0.0.1:9"], "error: http://127.0.0.1:9 must answer, but does not: Cannot connect"),
        (["--served-model", "big"], "must serve big, but serves tiny; start the server with this model, or say"),
    ],
)
def test_a_mistake_is_one_sentence(evaluate, given, sentence):
    code, printed, _ = evaluate(*given)
    assert code == 1
    assert sentence in printed
    assert "Traceback" not in printed


def test_an_endpoint_whose_context_is_too_small_is_one_sentence(evaluate, stand_in):
    stand_in.models[0]["max_model_len"] = 16
    code, printed, generated = evaluate()
    assert (code, generated) == (1, 0)
    assert "must fit into the 16 tokens that http" in printed


def test_an_output_that_cannot_be_written_is_one_sentence(evaluate, tmp_path):
    (tmp_path / "file").write_text("")
    code, printed, _ = evaluate("--output", str(tmp_path / "file" / "out"))
    assert code == 1
    assert "error: [Errno 20] Not a directory" in printed


def test_an_interruption_says_how_to_go_on(evaluate, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "generate_sets", interrupt)
    code, printed, _ = evaluate()
    assert code == 130
    assert "the same command goes on" in printed


@pytest.mark.slow
@pytest.mark.vllm
def test_vllm_is_killed_restarted_and_reproduces_its_samples(tmp_path, model, data):
    arguments = [sys.executable, "-m", "groupwise.evaluation", str(model), "--max-tokens", "8", "-n", "3", "--data"]
    arguments += [str(data / "val.parquet"), "--concurrency", "1", "--output", str(tmp_path / "out")]
    begun, name = tmp_path / "out" / f"{data.name}_val.partial.jsonl", f"{data.name}_val.parquet"
    killed = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    while not begun.exists() or len(begun.read_text().splitlines()) < 5:
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    kept = len(read_begun(tmp_path / "out", f"{data.name}_val")[1])
    assert 3 <= kept < 12
    # Nothing is left of the server whose parent is gone.
    deadline = time.monotonic() + 20
    while marked_processes(str(tmp_path / "out")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not marked_processes(str(tmp_path / "out"))

    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{kept} responses are there, and it goes on" in done.stderr
    first = pd.read_parquet(tmp_path / "out" / name)
    assert len(first) == 12
    assert first["response"].nunique() > 6
    assert not marked_processes(str(tmp_path / "out"))

    # Half of the prompts by themselves, by two replicas, are sampled as before.
    arguments[-1] = str(tmp_path / "half")
    more = ["--limit", "2", "--concurrency", "8", "--data-parallel-size", "2"]
    done = subprocess.run([*arguments, *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    half = pd.read_parquet(tmp_path / "half" / name)
    assert list(half["response"]) == list(first["response"][:6])
