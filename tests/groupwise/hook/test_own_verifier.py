"""A source, a verifier and ten rows that are not ours, from the file to the reward manager."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

from data_prep import validate
from reward_score.__main__ import main as score

HERE = Path(__file__).resolve()
ROOT = HERE.parents[3]
MODULE = "morse_verifiers_of_a_user"
VERIFIER = '''
import os, re
import reward_score

@reward_score.register("morse/*")
def verify(solution_str, ground_truth, extra_info, *, upper=False):
    """The last word in angle brackets is the code of a letter; "hang" hangs as a bad pattern does."""
    if solution_str == "hang":
        re.fullmatch(r"(a+)+b", "a" * 60)
    if not set(ground_truth) <= {".", "-"}:
        raise reward_score.GroundTruthError("must be dots and dashes")
    code = solution_str.rpartition("<")[2].partition(">")[0]
    right = float(code == ground_truth)
    pred = "UPPER" if upper else str(os.getpid() != int(os.environ["SCORING_PROCESS"]))
    return reward_score.Verdict(score=right, acc=right, format=float("<" in solution_str), pred=pred,
                                reason="correct" if right else "wrong answer")
'''
LETTERS = dict(zip("ETIANMSURW", (".", "-", "..", ".-", "-.", "--", "...", "..-", ".-.", ".--"), strict=True))

MANAGER = f"""
import asyncio, os, sys
os.environ["SCORING_PROCESS"] = str(os.getpid())
sys.path.insert(0, {str(HERE.parent)!r})
from test_reward_manager import Tokenizer, make_config, make_session
from groupwise.hook.reward_manager import GroupwiseRewardManager
config = make_config(imports=[sys.argv[1]])
config.reward.reward_kwargs.verifier.upper = True
manager = GroupwiseRewardManager(config, Tokenizer(), None)
for response in ("<..>", "<.>", "hang"):
    session = make_session(response, data_source="morse/letters", gold="..")
    found = asyncio.run(manager.run_single(session))
    extra = found["reward_extra_info"]
    print(found["reward_score"], extra["acc"], extra["pred"], extra["reason"])
"""
FRESH = """
import os, sys
os.environ["SCORING_PROCESS"] = str(os.getpid())
from reward_score import compute_score
for response in ("<..>", "<.>", "hang"):
    verdict = compute_score("morse/letters", response, "..", imports=[sys.argv[1]])
    print(verdict["acc"], verdict["pred"], verdict["reason"])
"""


@pytest.fixture
def own(tmp_path):
    """A folder with the verifier, a file of ten rows, and the environment that finds the module."""
    (tmp_path / f"{MODULE}.py").write_text(VERIFIER)
    rows = [
        {
            "data_source": "morse/letters",
            "prompt": [{"role": "user", "content": f"The code of {letter}, in angle brackets?"}],
            "ability": "telegraphy",
            "reward_model": {"style": "rule", "ground_truth": code},
            "extra_info": {"id": letter, "index": number, "split": "train"},
            "response": f"It is <{code}>." if number % 2 else "It is <->.",
        }
        for number, (letter, code) in enumerate(LETTERS.items())
    ]
    pandas.DataFrame(rows).drop(columns="response").to_parquet(tmp_path / "train.parquet")
    (tmp_path / "responses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(folder, *arguments, installed=False, code=0):
    path = [str(ROOT), *([str(folder / "installed")] if installed else []), str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path), "SCORING_PROCESS": "0"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def install(folder):
    """What pip leaves of a package that names the module as its entry point."""
    metadata = folder / "installed" / "morse-0.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: morse\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text(f"[reward_score.verifiers]\nmorse = {MODULE}\n")


def test_named_by_the_commands(own):
    named = ["--import", MODULE]
    assert "morse/letters" in run(own, "-m", "data_prep.validate", "train.parquet", *named)
    found = run(own, "-m", "reward_score", "responses.jsonl", *named, "--option", "upper=true")
    # Five rows say their code, and the T of the others is a dash.
    assert found.splitlines()[2].split()[:3] == ["morse/letters", "10", "0.5000"]


@pytest.mark.parametrize(("main", "file"), [(validate.main, "train.parquet"), (score, "responses.jsonl")])
def test_without_its_name_and_with_a_wrong_one(own, capsys, main, file):
    wanted = {
        (): "data_source must be one that has a verifier",
        ("--import", "no_such_module"): "'no_such_module' must be a module that can be imported here and registers",
        ("--import", "json"): "'json' must register a verifier with reward_score.register, it registered none",
        ("--import", "json:loads"): "'json:loads' must be a module that can be imported here and registers verifiers",
    }
    for arguments, sentence in wanted.items():
        assert main([str(own / file), *arguments]) == 1
        assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_by_an_installed_package(own):
    install(own)
    assert "morse/letters" in run(own, "-m", "data_prep.validate", "train.parquet", installed=True)
    assert "0.5000" in run(own, "-m", "reward_score", "responses.jsonl", installed=True)
    script = FRESH.replace(", imports=[sys.argv[1]]", "")
    assert run(own, "-c", script, installed=True).startswith("1.0 True correct\n0.0 True wrong answer\n")


@pytest.mark.slow
def test_in_a_fresh_process_and_in_the_reward_manager(own):
    # "True": it judged in another process than the one that scores, where a verdict that hangs can be ended.
    judged = "1.0 True correct\n0.0 True wrong answer\n0.0  timeout: no verdict within 1.8 s\n"
    assert run(own, "-c", FRESH, MODULE).endswith(judged)
    found = run(own, "-c", MANAGER, MODULE)
    assert "1.0 1.0 UPPER correct\n0.0 0.0 UPPER wrong answer\n0.0 0.0  timeout: no verdict within 1.8 s\n" in found
