"""Files of the user's own: each fault of one by verl's own loader, and nothing of it in this process."""

import os
import re
import sys
import time
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from groupwise.preflight import code
from groupwise.preflight.notes import Note

GOOD = "def compute_score(data_source, solution_str, ground_truth, extra_info=None, **others):\n    return 1.0\n"
TOOL = "from verl.tools.base_tool import BaseTool\n\n\nclass Tool(BaseTool):\n    def __init__(self, *args, **kwargs):\n        raise OSError('a service')\n"  # noqa: E501
TOOLS = "tools:\n  - class_name: {}.Tool\n    config: {{type: native}}\n"
ROWS = [{"prompt": []}]


@pytest.fixture
def told(tmp_path, monkeypatch, shipped):
    """Gives what is said of files in this folder, which are written first, with overrides."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def told_(files: dict[str, str], *overrides: str, rows=ROWS) -> list[str]:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return list(code.find_faults(SimpleNamespace(config=shipped("cpu", *overrides), sample=rows)))

    return told_


R, F = "reward.custom_reward_function", "reward.custom_reward_function.path=mine.py"
NAIVE = "reward.reward_manager.name=naive"
T, A = f"{code.MULTI_TURN}.tool_config_path=mine.yaml", "actor_rollout_ref.rollout.agent"

# What the table of configurations, where verl is asked in this process, cannot have.
FAULTS = [
    ({"mine.py": "raise SystemExit(3)"}, (F,), "ends with SystemExit: 3"),
    ({"mine.py": "import os; os._exit(0)"}, (F,), "ends the process that imports it"),
    ({"mine.py": "compute_score = 3"}, (F,), "3 is not a callable object"),
    ({"mine.py": "def compute_score(text): ..."}, (F, NAIVE), "cannot be called as verl does"),
    ({"mine.py": GOOD.replace(", **others", "")}, (F, f"+{R}.reward_kwargs.scale=2"), "unexpected keyword .* 'scale'"),
    ({"mine.py": GOOD.replace(", **others", "")}, (F, "reward.reward_model.enable=true"), "'reward_router_address'"),
    ({"mine.yaml": "tools: ["}, (T,), "mine.yaml ends with ParserError"),
]


@pytest.mark.parametrize(("files", "overrides", "sentence"), FAULTS, ids=[str(case[:2])[:90] for case in FAULTS])
def test_a_fault_is_told(told, files, overrides, sentence):
    (fault,) = [line for line in told(files, *overrides) if not isinstance(line, Note)]
    assert re.search(sentence, fault), fault
    assert fault.endswith(("; correct it, or the keys beside it.", ".")), fault


GOOD_ONES = [
    ({}, ()),
    ({"mine.py": GOOD}, (F, f"+{R}.reward_kwargs.scale=2", "reward.reward_model.enable=true")),
    ({"mine.py": GOOD.replace("def", "async def")}, (F, NAIVE)),
    # Another manager may call it in a way of its own.
    ({"mine.py": "def compute_score(text): ..."}, (F, "reward.reward_manager.name=mine")),
    # A tool's constructor is not called: it may start Ray, or ask a service.
    ({"mine.yaml": TOOLS.format("tool_of_test"), "tool_of_test.py": TOOL}, (T, f"{A}.default_agent_loop=tool_agent")),
]


@pytest.mark.parametrize(("files", "overrides"), GOOD_ONES, ids=[str(case)[:90] for case in GOOD_ONES])
def test_what_verl_loads_is_sound(told, files, overrides):
    assert told(files, *overrides) == []


def test_tools_that_no_row_uses_are_a_note(told):
    files = {"mine.yaml": TOOLS.format("tool_of_test"), "tool_of_test.py": TOOL}
    (note,) = told(files, T)
    assert isinstance(note, Note)
    assert "single_turn_agent, the loop of the rows, does not give to the model" in note
    assert told(files, T, rows=[{"agent_name": "tool_agent"}, {"agent_name": "single_turn_agent"}]) == []


def test_a_file_changes_nothing_here_and_outlives_nothing(told, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(code, "LIMIT_S", 0.3)
    waits = (
        "import os, subprocess, sys, time\nprint('said')\nos.environ['CHANGED'] = '1'\nsys.modules['changed'] = os\n"
    )
    waits += "child = subprocess.Popen(['sleep', '60'])\nopen('pid', 'w').write(str(child.pid))\ntime.sleep(60)\n"
    started = time.monotonic()
    (note,) = told({"mine.py": waits}, F)
    assert time.monotonic() - started < 10
    assert isinstance(note, Note)
    assert "is not loaded after 0 seconds: it waits for something" in note
    assert "CHANGED" not in os.environ
    assert "changed" not in sys.modules
    assert capfd.readouterr().out == ""
    if (tmp_path / "pid").exists():
        for _ in range(50):
            if not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text()}/fd/0"):
                return
            time.sleep(0.1)
        raise AssertionError("what the file started must end with it")


def test_the_keys_are_verls(shipped):
    config = shipped("cpu")
    assert [key for key in code.LOADERS if OmegaConf.select(config, key, default="none") == "none"] == []
