"""The command from its arguments to its report: with a stand-in for vLLM, and once with vLLM."""

import contextlib
import json
import os
import signal
import string
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data_prep import arithmetic
from groupwise.demo import tiny_model
from groupwise.evaluation import __main__ as command
from groupwise.launch.leftovers import marked_processes

ENGINE = """
    import json
    from pathlib import Path

    from groupwise.evaluation.replica import Generated, Response

    FOLDER = Path(__file__).parent


    class Adder:
        "Answers a prompt's first sample with its sum and the others with 0; keeps what it was asked."

        def __init__(self, **arguments):
            self.capacity, self.waiting = 8, []
            self.ids = json.loads((FOLDER / "ids.json").read_text())
            self.keep(f"started with {sorted(arguments)}")

        def keep(self, line):
            with (FOLDER / "generated.txt").open("a") as file:
                file.write(line + "\\n")

        def add(self, request):
            self.waiting.append(request)

        def busy(self):
            return bool(self.waiting)

        def step(self):
            request = self.waiting.pop(0)
            self.keep(f"{request.key[0]} {request.key[1]}")
            letters = {number: letter for letter, number in self.ids.items()}
            # Without the special tokens around it, and the sign at its end.
            sum_of = "".join(letters[number] for number in request.prompt[1:-3])
            answers = [sum(map(int, sum_of.split("+")))] + [0] * (request.samples - 1)
            return [Generated(request.key, [Response(self.encode(f"#### {answer}"), "stop") for answer in answers])]

        def encode(self, text):
            return [self.ids[letter] for letter in text]

        def close(self):
            pass
"""


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
def evaluate(tmp_path, model, data, monkeypatch, capsys) -> Callable[..., tuple[int, str, list[str]]]:
    """Runs the command; gives its exit code, what it printed, and what the stand-in generated."""
    (tmp_path / "stand_in_adder.py").write_text(textwrap.dedent(ENGINE))
    # A token a byte, so that the stand-in needs no tokenizer, whose import takes longer than all the rest.
    tokenizer = tiny_model.build_tokenizer()
    letters = {letter: tokenizer(letter)["input_ids"][0] for letter in string.digits + "+=# "}
    (tmp_path / "ids.json").write_text(json.dumps(letters))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    # It ends the processes that carry its mark, which in a test are the test runner's own.
    monkeypatch.setattr(command, "exclusive_run", contextlib.nullcontext)
    import stand_in_adder

    generated = tmp_path / "generated.txt"

    def run(*given: str, files: tuple[str, ...] = ("val",)) -> tuple[int, str, list[str]]:
        generated.write_text("")
        paths = [str(data / f"{name}.parquet") for name in files]
        arguments = [str(model), "--data", *paths, "--output", str(tmp_path / "out"), "--max-tokens", "12", *given]
        code = command.main(arguments, build=stand_in_adder.Adder)
        printed = capsys.readouterr()
        return code, printed.out + printed.err, generated.read_text().splitlines()

    yield run
    del sys.modules["stand_in_adder"]


def test_from_a_model_to_its_report_and_again(evaluate, tmp_path, data):
    code, printed, generated = evaluate("-n", "2")
    assert code == 0, printed
    assert len(generated) == 5
    name = f"{data.name}_val"
    table = pd.read_parquet(tmp_path / "out" / f"{name}.parquet")
    assert list(table["acc"]) == [1.0, 0.0] * 4
    figures = json.loads((tmp_path / "out" / "summary.json").read_text())["results"]["sets"][name]["figures"]
    # One of two right: mean@2 = pass@1 = 1/2, pass@2 = 1, and the vote is a tie.
    assert {key: figures[key]["value"] for key in ("mean@2", "pass@1", "pass@2", "maj@2")} == {
        **{"mean@2": 0.5, "pass@1": 0.5, "pass@2": 1.0, "maj@2": 0.5}
    }
    assert (tmp_path / "out" / "summary.txt").read_text() in printed

    # Finished sets are not generated again, and no engine is started for them.
    code, printed, generated = evaluate("-n", "2")
    assert (code, generated) == (0, [])
    assert f"{name}: finished before" in printed

    # A further set alone is generated; the report has both.
    code, printed, generated = evaluate("-n", "2", "--limit", "3", files=("train",))
    assert (code, len(generated)) == (0, 4)
    assert name in printed
    assert f"{data.name}_train" in printed


def test_other_settings_are_refused_until_again_is_given(evaluate):
    assert evaluate("-n", "2")[0] == 0
    code, printed, generated = evaluate("-n", "1", files=("train", "val"))
    assert (code, generated) == (1, [])
    assert "sampling.samples: 2 there, 1 now); --again" in printed
    code, printed, generated = evaluate("-n", "1", "--again")
    assert (code, len(generated)) == (0, 5)


def test_two_engines_share_a_set(evaluate):
    code, printed, generated = evaluate("-n", "2", "--gpus", "2", files=("train",))
    assert code == 0, printed
    assert sum(line.startswith("started") for line in generated) == 2
    assert len({line for line in generated if not line.startswith("started")}) == 8


def test_a_model_is_compared_with_another(evaluate, tmp_path):
    assert evaluate("-n", "2")[0] == 0
    code, printed, _ = evaluate("-n", "1", "--output", str(tmp_path / "other"), "--against", str(tmp_path / "out"))
    assert code == 0
    # All right against one of two right, in each prompt.
    assert "+50.0  [+50.0, +50.0]  (differs in sampling)" in printed


def test_overlong_prompts_are_left_out_only_when_asked(evaluate, tmp_path, data):
    lengths = {len(row[0]["content"]) + 3 for row in pd.read_parquet(data / "train.parquet")["prompt"]}
    assert len(lengths) > 1
    code, printed, _ = evaluate("--max-prompt-length", str(max(lengths) - 1), files=("train",))
    assert code == 1
    assert "leave them out with --skip-overlong" in printed
    code, printed, generated = evaluate(
        "--max-prompt-length", str(max(lengths) - 1), "--skip-overlong", files=("train",)
    )
    assert code == 0
    assert 1 < len(generated) < 9


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--data", "none.parquet"], "error: --data must name parquet files that exist"),
        (["--max-tokens", "2000"], "error: Prompt and response must fit into the model's 1024 positions"),
        (["--temperature", "0"], "error: At temperature 0"),
        (["--against", "none"], "error: --against must be the folder of an evaluation"),
        (["--apply-chat-template-kwargs", '{"tokenize": false}'], "error: verl must be able to render"),
    ],
)
def test_a_mistake_is_one_sentence(evaluate, given, sentence):
    code, printed, _ = evaluate(*given)
    assert code == 1
    assert sentence in printed
    assert "Traceback" not in printed


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
    arguments += [str(data / "val.parquet"), "--output", str(tmp_path / "out")]
    killed = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    while not (tmp_path / "out" / "engine_0.log").exists():
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()

    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first = pd.read_parquet(tmp_path / "out" / f"{data.name}_val.parquet")
    assert len(first) == 12
    assert first["response"].nunique() > 6
    assert not marked_processes(str(tmp_path / "out"))

    # Half of the prompts by themselves are sampled as before.
    arguments[-1] = str(tmp_path / "half")
    done = subprocess.run([*arguments, "--limit", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    half = pd.read_parquet(tmp_path / "half" / f"{data.name}_val.parquet")
    assert list(half["response"]) == list(first["response"][:6])
    assert os.path.exists(tmp_path / "half" / "summary.json")
