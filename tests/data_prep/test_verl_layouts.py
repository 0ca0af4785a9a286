"""The data check against verl, file by file: refused if and only if verl stops, or trains on what no file says.

What verl does is what its own dataset, batch, agent loop and template come to, with a model that says one token. It
goes wrong where that ends in an exception; where the model would not see what a message says; where the file's columns
take the place of what is stored of a response; and, by a rule of ours, where nothing is asked, or the model would be
asked once more after an answer of its own.
"""

import asyncio
import datetime
import decimal
import json
import types
from pathlib import Path
from unittest.mock import patch

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from omegaconf import OmegaConf

from data_prep.prompt_length import Rendering
from data_prep.reading import Reading
from data_prep.validate import examine

pytest.importorskip("verl")

PROMPT_LENGTH = 8192


class MisledError(Exception):
    """verl comes to an end, but what it trains on is not what the file says."""


class Model:
    """Answers `A` to every prompt."""

    async def generate(self, **_):
        return types.SimpleNamespace(
            token_ids=[33], log_probs=[0.0], routed_experts=None, num_preempted=None, extra_fields={}
        )


class Store:
    """Stands in for TransferQueue, and keeps what the agent loop puts there."""

    def __init__(self):
        self.fields = []

    async def async_kv_put(self, **_):
        """Takes a state."""

    async def async_kv_batch_put(self, *, fields, **_):
        """Keeps the fields of a prompt's responses."""
        self.fields.append(fields)


class Log:
    """verl logs what goes wrong with a prompt, and goes on without it."""

    def __init__(self):
        self.errors = []

    def error(self, message, exc_info=None):
        """Keeps an exception."""
        self.errors.append(exc_info[1] if exc_info else RuntimeError(message))

    def exception(self, message):
        """Keeps an exception that is told as text."""
        self.errors.append(RuntimeError(message))


def run(files: list[Path], tokenizer, data: dict, judge: str) -> list[tuple]:
    """Runs all rows of some files.

    Args:
        files: The files.
        tokenizer: transformers' tokenizer.
        data: Keys of verl's `data`.
        judge: "function", a reward function that takes any ground truth, or "model", a reward model.

    Returns:
        The messages of each row as verl's dataset gives them, and the text that the model would see.

    Raises:
        Exception: Whatever stops verl.
        MisledError: If what verl stores of a response is not what its agent loop made.
    """
    from verl.trainer.ppo.utils import create_rl_dataset
    from verl.trainer.ppo.v1 import agent_loop_tq
    from verl.utils import tensordict_utils
    from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn

    config = OmegaConf.create({"filter_overlong_prompts": False, "max_prompt_length": PROMPT_LENGTH, **data})
    rows = create_rl_dataset([str(file) for file in files], config, tokenizer, None)
    batch = collate_fn([rows[number] for number in range(len(rows))])
    batch["uid"] = np.array([f"uid{number}" for number in range(len(rows))], dtype=object)
    batch = tensordict_utils.get_tensordict(batch)
    tensordict_utils.assign_non_tensor_data(batch, "global_steps", 1)
    worker = make_worker(agent_loop_tq.AgentLoopWorkerTQ.__ray_metadata__.modified_class, tokenizer, config, judge)
    worker.dataset_cls = RLHFDataset
    store, log = Store(), Log()

    async def generate():
        await worker.generate_sequences(batch)
        await asyncio.gather(*worker.background_tasks)

    with patch.object(agent_loop_tq, "tq", store), patch.object(agent_loop_tq, "logger", log):
        asyncio.run(generate())
    if log.errors:
        raise log.errors[0]
    for fields in store.fields:
        for name in ("prompts", "responses", "response_mask", "rm_scores", "rollout_log_probs"):
            if name in fields and not isinstance(fields[name], torch.Tensor):
                raise MisledError(f"{name} is the file's")
        if any(not isinstance(fields[name][0], types_) for name, types_ in {"num_turns": int, "metrics": dict}.items()):
            raise MisledError("num_turns or metrics is the file's")
    messages = [rows[number]["raw_prompt"] for number in range(len(rows))]
    return list(zip(messages, [tokenizer.decode(fields["prompts"][0]) for fields in store.fields], strict=True))


def make_worker(of_class, tokenizer, data_config, judge):
    """Makes verl's agent loop worker without Ray and without a model."""
    worker = of_class.__new__(of_class)
    rollout = {
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": -1,
        "calculate_log_probs": True,
        "n": 1,
        "val_kwargs": {"n": 1},
        "agent": {"default_agent_loop": "single_turn_agent"},
        "prompt_length": PROMPT_LENGTH,
        "response_length": 8,
    }
    worker.config = OmegaConf.create({"actor_rollout_ref": {"rollout": rollout}, "data": data_config})
    worker.rollout_config = worker.config.actor_rollout_ref.rollout
    worker.llm_client, worker.tokenizer, worker.processor = Model(), tokenizer, None
    worker.hf_model_type, worker.tools, worker.mm_processor_kwargs = "qwen2", [], {}
    worker.distillation_enabled, worker.background_tasks = False, set()
    reward = types.SimpleNamespace(compute_score=types.SimpleNamespace(remote=make_reward(judge)))
    worker.reward_loop_worker_handles = [reward]
    return worker


def make_reward(judge):
    """Reads of a row what verl's reward managers read of it (verl/experimental/reward_loop/reward_manager)."""

    async def reward(data):
        row = data[-1:][0].non_tensor_batch
        if judge == "function":
            row["data_source"], row["reward_model"]["ground_truth"], row.get("extra_info", {})
        return {"reward_score": 1.0, "reward_extra_info": {"acc": 1.0}}

    return reward


# --- layouts

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + (m.content or '') }}"
    "{% if m.tool_calls %}{% for c in m.tool_calls %}{{ c.function.name }}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""Takes any role, and stops at content that is no text."""

ASKED = [{"role": "user", "content": "What is 2+2, and why?"}]
ROW = {
    "data_source": "mine",
    "prompt": ASKED,
    "reward_model": {"style": "rule", "ground_truth": "4"},
    "extra_info": {"index": 0},
}
CALLED = [
    {"role": "user", "content": "Weather in Paris?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": "{}"}}],
    },
    {"role": "tool", "content": "sunny"},
]


def without(*names):
    return {name: value for name, value in ROW.items() if name not in names}


def golden(*golds):
    return [ROW | {"reward_model": {"style": "rule", "ground_truth": gold}} for gold in golds]


def asked(*messages, **fields):
    return [ROW | {"prompt": list(messages), **fields}]


def typed(name, kind, value):
    """A column of a type that Python has no word for."""
    return pa.Table.from_pylist([ROW]).append_column(name, pa.array([value], kind))


def user(content):
    return {"role": "user", "content": content}


PARTS = [{"type": "text", "text": "What is this?"}]
GOOD = {
    "as data_prep has it": [ROW, ROW],
    "DAPO's own style, repeated, its index a text": [
        ROW
        | {
            "data_source": "math_dapo",
            "ability": "MATH",
            "reward_model": {"style": "rule-lighteval/MATH_v2", "ground_truth": "34"},
            "extra_info": {"index": "9a9b6eb4-a1cb-49d1-8c1e-62eaf2f74079"},
        }
    ]
    * 3,
    "style model": [ROW | {"reward_model": {"style": "model", "ground_truth": "4"}}],
    "no style": [ROW | {"reward_model": {"ground_truth": "4"}}],
    "gold a number": golden(4),
    "gold a fraction of a number": golden(4.5),
    "gold a truth value": golden(True),
    "gold a list": golden(["4", "four"]),
    "gold lists of unequal lengths": golden([["4"], ["5", "6"]]),
    "gold an object": golden({"target": ["4", "four"]}),
    "gold nothing": golden(None, "4"),
    "gold an empty text": golden(""),
    "gold a date": golden(datetime.date(2024, 1, 1)),
    "gold a decimal": golden(decimal.Decimal("1.5")),
    "gold bytes": golden(b"4"),
    "no extra_info": [without("extra_info")],
    "extra_info nothing": [ROW | {"extra_info": None}, ROW],
    "extra_info of other fields": [ROW | {"extra_info": {"level": 5.0, "tags": ["a"], "question": None}}],
    "source nothing": [ROW | {"data_source": None}, ROW],
    "source a number": [ROW | {"data_source": 3}],
    "further columns": [ROW | {"id": 7, "solution": "2+2=4", "tags": ["a", "b"], "meta": {"a": [1]}, "response": "4"}],
    "further columns, no use": [ROW | {"input_ids": "x", "uid": "x", "index": "x", "global_steps": 1, "tools": "x"}],
    "list of objects": [ROW | {"choices": [{"a": 1}, {"a": 2}]}],
    "lists of equal lengths": [ROW | {"pairs": [["a", "b"], ["c", "d"]]}],
    "a column of nothing": [ROW | {"note": None}],
    "dates and decimals": [ROW | {"at": datetime.datetime(2024, 1, 1), "price": decimal.Decimal("1.5"), "raw": b"x"}],
    "an agent of verl's": [ROW | {"agent_name": "single_turn_agent"}],
    "a priority": [ROW | {"priority": 1}],
    "tools' arguments": [
        ROW
        | {"extra_info": {"index": 0, "need_tools_kwargs": True, "tools_kwargs": {"calc": {"create_kwargs": {"x": 1}}}}}
    ],
    "no images": [ROW | {"images": []}],
    "images nothing": [ROW | {"images": None, "videos": None}],
    "system": asked({"role": "system", "content": "Think."}, *ASKED),
    "system empty": asked({"role": "system", "content": ""}, *ASKED),
    "system alone": asked({"role": "system", "content": "Say something."}),
    "tool calls, content empty": asked(*CALLED),
    "tool calls, content nothing": asked(CALLED[0], CALLED[1] | {"content": None}, CALLED[2]),
    "a tool that gave nothing": asked(*CALLED[:2], CALLED[2] | {"content": ""}),
    "a conversation": asked(*ASKED, {"role": "assistant", "content": "<think>2</think>\n\nFour."}, user("Why?")),
    "unicode": asked(user("Что \u2028 такое 🧮 é?")),
    "quotes and braces": asked(user('{"a": "b\\n"} {{ x }} {% y %} $\\frac12$ <b>')),
    "one sign": asked(user("?")),
    "a message with a name": asked(user("Who?") | {"name": "Ann"}),
    "large text": typed("title", pa.large_string(), "x"),
    "dictionary": pa.Table.from_pylist([ROW]).set_column(0, "data_source", pa.array(["mine"]).dictionary_encode()),
    "large list": typed("tags", pa.large_list(pa.string()), ["a"]),
    "prompts of large text": pa.table(
        {
            "prompt": pa.array(
                [ASKED], pa.large_list(pa.struct({"role": pa.large_string(), "content": pa.large_string()}))
            ),
            "data_source": pa.array(["mine"], pa.large_string()),
            "reward_model": pa.array([{"ground_truth": "4"}]),
        }
    ),
}
BAD = {
    "prompt a text": [ROW | {"prompt": "What is 2+2?"}],
    "prompt empty": [*asked(), ROW],
    "prompt nothing": [ROW | {"prompt": None}, ROW],
    "prompt of texts": [ROW | {"prompt": ["What is 2+2?"]}],
    "prompt JSON as text": [ROW | {"prompt": json.dumps(ASKED)}],
    "prompt one message": [ROW | {"prompt": ASKED[0]}],
    "ShareGPT": asked({"from": "human", "value": "What is 2+2?"}),
    "no role": asked({"content": "What is 2+2?"}),
    "role nothing": asked({"role": None, "content": "Be brief."}, *ASKED),
    "nothing asked": asked(user("")),
    "nothing asked but by the system": asked({"role": "system", "content": "You help."}, user(" ")),
    "content nothing": [*asked(user(None)), ROW],
    "answered": asked(*ASKED, {"role": "assistant", "content": "4"}),
    "no prompt": [without("prompt")],
    "no data_source": [without("data_source")],
    "no reward_model": [without("reward_model")],
    "reward_model nothing": [ROW | {"reward_model": None}, ROW],
    "reward_model a text": [ROW | {"reward_model": "4"}],
    "reward_model without gold": [ROW | {"reward_model": {"style": "rule"}}],
    "extra_info a text": [ROW | {"extra_info": "{}"}],
    "extra_info a list": [ROW | {"extra_info": [0]}],
    "lists of unequal lengths": [ROW | {"answers": [["a"], ["b", "c"]]}],
    "lists, one of them nothing": [ROW | {"answers": [["a"], None]}],
    "an index of unequal lists": [ROW | {"extra_info": {"index": [[0], [1, 2]]}}],
    "images for a text model": asked(user("<image>What?"), images=[{"bytes": b"x", "path": None}]),
    "an agent that is not known": [ROW | {"agent_name": "my_agent"}],
    "an agent nothing": [ROW | {"agent_name": None}],
    "a priority in words": [ROW | {"priority": "high"}],
    "no rows": pa.Table.from_pylist([ROW]).slice(0, 0),
    "map": typed("m", pa.map_(pa.string(), pa.string()), [("a", "b")]),
    **{
        f"column {name}": [ROW | {name: "x"}]
        for name in (
            *("self", "sampling_params", "trajectory", "trace", "session_id", "output", "validate", "prompts"),
            *("responses", "response_mask", "rm_scores", "rollout_log_probs", "extra_fields", "num_turns", "metrics"),
        )
    },
}
BY_TEMPLATE = {
    # What Qwen3's template makes of it, and one that joins texts whatever the role.
    "parts": (asked(user(PARTS)), False, False),
    "parts of several messages": (asked(user(PARTS), {"role": "system", "content": PARTS}, user(PARTS)), False, False),
    "role human": (asked({"role": "human", "content": "What is 2+2?"}), False, True),
    "role developer": (asked({"role": "developer", "content": "Think hard."}, *ASKED), False, True),
    "system in between": (asked(*ASKED, {"role": "system", "content": "Be brief."}, user("Well?")), True, True),
    "system nothing": (asked({"role": "system", "content": None}, *ASKED), True, True),
    "content a number": (asked({"role": "user", "content": 4}), False, False),
}
JSONS = {
    "lines": (json.dumps(ROW) + "\n" + json.dumps(ROW) + "\n", True),
    "lines, no break at the end, a blank one": (json.dumps(ROW) + "\n\n" + json.dumps(ROW), True),
    "an array": (json.dumps([ROW, ROW]), True),
    "an array over lines": (json.dumps([ROW, ROW], indent=1), True),
    "a byte order mark": ("\ufeff" + json.dumps(ROW) + "\n", True),
    "escapes": (json.dumps(ROW | {"note": "é\u2028"}), True),
    "golds of several kinds": ("\n".join(map(json.dumps, golden("4", 4, ["4"], {"a": "4"}, None))), True),
    "a field that some rows lack": (json.dumps(ROW) + "\n" + json.dumps(without("extra_info")), True),
    "a gold that some rows lack": ("\n".join(map(json.dumps, [ROW, ROW | {"reward_model": {"style": "rule"}}])), False),
    "a reward_model that some rows lack": (json.dumps(ROW) + "\n" + json.dumps(without("reward_model")), False),
    "a prompt that is a text": (json.dumps(ROW) + "\n" + json.dumps(ROW | {"prompt": "Q?"}), False),
    "an object of rows": (json.dumps({"data": [ROW, ROW]}), False),
    "a broken line": (json.dumps(ROW) + "\n{bad\n", False),
    "a line cut off": (json.dumps(ROW) + "\n" + json.dumps(ROW)[:30], False),
    "nothing": ("", False),
    "an empty array": ("[]", False),
    "text": ("hello", False),
    "a taken column": (json.dumps(ROW | {"output": "4"}), False),
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def write(path, rows):
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    pq.write_table(table, path)
    return path


def verl_goes_well(files, tokenizer, *, judge="function", **data):
    """Whether verl does what the files say: no exception, and all that a message says is in its prompt."""
    try:
        prompts = run(files, tokenizer, data, judge)
    except Exception:  # noqa: BLE001 -- whatever it is, verl stops
        return False
    return all(is_said(messages, text) for messages, text in prompts)


def is_said(messages, prompt):
    """Compares letters and digits, since a template may trim, and leaves thinking out of what was said before."""
    if not isinstance(messages, list) or not messages or any(not isinstance(message, dict) for message in messages):
        return False
    seen = "".join(filter(str.isalnum, prompt))
    asking = ""
    for message in messages:
        content = message.get("content")
        text = "".join(part["text"] for part in content) if isinstance(content, list) else str(content or "")
        text = text.rpartition("</think>")[2] if message.get("role") == "assistant" else text
        if "".join(filter(str.isalnum, text)) not in seen:
            return False
        asking += "" if message.get("role") in ("system", "assistant") and len(messages) > 1 else text.strip()
    return bool(asking) and messages[-1].get("role") != "assistant"


def accepted(files, tokenizer, *, judge="function", **data):
    """Whether our check finds no fault, with what the check before a run knows."""
    reading = Reading(
        judge,
        data.get("prompt_key", "prompt"),
        render=Rendering(tokenizer),
        takes_media=lambda: False,
        agents=lambda: frozenset({"single_turn_agent", "tool_agent"}),
    )
    return examine(dict.fromkeys(files, True), reading).faults == []


def hold(files, tokenizer, well, **options):
    assert verl_goes_well(files, tokenizer, **options) is well
    assert accepted(files, tokenizer, **options) is well


def hold_with_both(path, rows, tokenizer, qwen3, chatml):
    """Holds a file with either template, from one copy of it in the cache of `datasets`."""
    hold([write(path, rows)], tokenizer, qwen3)
    tokenizer.chat_template = CHATML
    hold([path], tokenizer, chatml)


@pytest.mark.parametrize("layout", GOOD)
def test_what_verl_trains_on_is_no_fault(tmp_path, qwen_tokenizer, layout):
    hold_with_both(tmp_path / "train.parquet", GOOD[layout], qwen_tokenizer, True, True)


@pytest.mark.parametrize("layout", BAD)
def test_what_verl_stops_or_goes_wrong_on_is_a_fault(tmp_path, qwen_tokenizer, layout):
    hold_with_both(tmp_path / "train.parquet", BAD[layout], qwen_tokenizer, False, False)


@pytest.mark.parametrize("layout", BY_TEMPLATE)
def test_what_a_template_decides(tmp_path, qwen_tokenizer, layout):
    rows, qwen3, chatml = BY_TEMPLATE[layout]
    hold_with_both(tmp_path / "train.parquet", rows, qwen_tokenizer, qwen3, chatml)


@pytest.mark.parametrize("layout", JSONS)
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_json_is_read_as_verl_reads_it(tmp_path, qwen_tokenizer, layout, suffix):
    text, well = JSONS[layout]
    path = tmp_path / f"train.{suffix}"
    path.write_text(text, encoding="utf-8")
    hold([path], qwen_tokenizer, well)


@pytest.mark.parametrize("name", ["train.csv", "train.JSONL", "train", "train.jsonl.gz", "train.parquet.json.txt"])
def test_names_that_verl_does_not_read(tmp_path, qwen_tokenizer, name):
    path = tmp_path / name
    path.write_text(json.dumps(ROW))
    hold([path], qwen_tokenizer, False)


@pytest.mark.parametrize(
    ("rows", "data", "judge", "well"),
    [
        ([without("prompt") | {"question": ASKED}], {"prompt_key": "question"}, "function", True),
        ([ROW], {"prompt_key": "question"}, "function", False),
        ([ROW | {"question": "What?"}], {"prompt_key": "question"}, "function", False),
        ([without("data_source", "reward_model")], {}, "model", True),
        ([without("reward_model")], {}, "model", True),
        ([without("prompt")], {}, "model", False),
        ([ROW | {"extra_info": "x"}], {}, "model", False),
    ],
)
def test_what_the_configuration_decides(tmp_path, qwen_tokenizer, rows, data, judge, well):
    hold([write(tmp_path / "train.parquet", rows)], qwen_tokenizer, well, judge=judge, **data)


@pytest.mark.parametrize(
    ("other", "well"),
    [
        ([ROW | {"note": "x"}], True),
        ([ROW | {"extra_info": {"index": None, "id": "a"}}], True),
        ([ROW | {"extra_info": {"index": "9a9b"}}], False),
        ([ROW | {"extra_info": {"index": 0.5}}], False),
        (golden(4), False),
        (golden(["4"]), False),
        (asked(user(PARTS)), False),
        ([ROW | {"data_source": 3}], False),
        ([without("extra_info")], True),
        (typed("title", pa.large_string(), "x"), True),
    ],
)
def test_files_that_are_read_together(tmp_path, qwen_tokenizer, other, well):
    one, two = write(tmp_path / "one.parquet", [ROW]), write(tmp_path / "two.parquet", other)
    hold([one, two], qwen_tokenizer, well)
    hold([two, one], qwen_tokenizer, well)


def test_a_struct_that_one_file_has_none_of(tmp_path, qwen_tokenizer):
    one = write(tmp_path / "one.parquet", [ROW])
    two = write(tmp_path / "two.parquet", [ROW | {"extra_info": None}])
    hold([one, two], qwen_tokenizer, True)
    # datasets compares the others with the first.
    hold([two, one], qwen_tokenizer, False)


def test_large_texts_of_pandas_beside_others(tmp_path, qwen_tokenizer):
    large = pa.Table.from_pylist([ROW]).set_column(0, "data_source", pa.array(["mine"], pa.large_string()))
    files = [write(tmp_path / "one.parquet", [ROW]), write(tmp_path / "two.parquet", large)]
    # datasets takes neither type for the other.
    hold(files, qwen_tokenizer, False)
    hold(files[1:], qwen_tokenizer, True)


def test_parquet_beside_json(tmp_path, qwen_tokenizer):
    path = tmp_path / "two.jsonl"
    path.write_text(json.dumps(ROW))
    hold([write(tmp_path / "one.parquet", [ROW]), path], qwen_tokenizer, True)
    path.write_text("\n".join(map(json.dumps, golden("4", 4))))
    hold([write(tmp_path / "one.parquet", [ROW]), path], qwen_tokenizer, False)


def test_fields_that_verl_stores_are_all_taken():
    """A column under such a name would take the place of what is stored of a response."""
    from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics, AgentLoopOutput

    from data_prep.reading import TAKEN

    stored = AgentLoopOutput(
        prompt_ids=[1],
        response_ids=[1],
        response_mask=[1],
        response_logprobs=[0.0],
        routed_experts=np.zeros((2, 1, 1)),
        reward_score=1.0,
        num_turns=2,
        metrics=AgentLoopMetrics(),
        extra_fields={"teacher_ids": 1, "teacher_logprobs": 1},
    ).as_dict()
    assert stored.keys() <= TAKEN
