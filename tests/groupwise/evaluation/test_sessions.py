"""Sessions with a model that answers the gold, or that is hostile; what is run is run by bfcl-eval."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest

pytest.importorskip("bfcl_eval")

from data_prep.bfcl_files import Source, read_entries
from data_prep.bfcl_rows import make_bfcl_row
from data_prep.errors import UnsolvableError
from data_prep.tool_prompts import HANDLER_REQUEST, TOOL_STYLES, TOOLRL_GO_ON
from groupwise.evaluation import sessions
from groupwise.evaluation.client import Generated
from groupwise.evaluation.sessions import MORE_FUNCTIONS, TOO_LONG, TOO_MANY, Executor, Session
from reward_score import compute_score
from reward_score.tool_calls.bfcl import library

FORMATS = ("hermes", "toolrl")
SHARES = {"multi_turn_base": 30, "multi_turn_miss_func": 60, "multi_turn_miss_param": 60, "multi_turn_long_context": 60}


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with closing(Executor()) as made:
        yield made


def rows_of(category: str, style: str = "hermes", every: int = 1) -> Iterator[dict[str, Any]]:
    source = Source(library.require() / "data" / f"BFCL_v3_{category}.json", "v3", category)
    for number, entry in enumerate(read_entries([source])):
        if number % every == 0:
            try:
                think = TOOL_STYLES[style].think
                yield dict(make_bfcl_row("test", style, think, entry, entry.identity))
            except UnsolvableError:
                assert entry.identity == "bfcl_v3/multi_turn_base_154"


class Model:
    """Answers one text after another, each token a letter, and keeps what it was asked."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.asked: list[list[Mapping[str, str]]] = []

    async def __call__(self, messages: Sequence[Mapping[str, str]], step: int) -> Generated | None:
        assert step == len(self.asked)
        self.asked.append([*messages])
        return Generated([1] * len(self.texts[step]), "stop", self.texts[step])


class Gold(Model):
    """Answers the steps of the row's reference response."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        turns = json.loads(row["extra_info"]["reference_response"])["turns"]
        super().__init__([step["response"] for turn in turns for step in turn])


def play(row: Mapping[str, Any], model: Any, executor: Executor) -> tuple[Generated, dict[str, Any]]:
    found = asyncio.run(Session(row, FORMATS, model, executor).run())
    verdict = compute_score(row["data_source"], found.text, row["reward_model"]["ground_truth"], row["extra_info"])
    return found, {**verdict, **json.loads(found.text)}


def replay(style: str, every: Mapping[str, int], executor: Executor) -> dict[str, list[float]]:
    right: dict[str, list[float]] = {}
    for category, share in every.items():
        for row in rows_of(category, style, share):
            model = Gold(row)
            _, found = play(row, model, executor)
            assert found["reason"] == "correct", row["extra_info"]["id"]
            assert model.asked[0] == row["prompt"]
            right.setdefault(category, []).append(found["acc"])
    return right


@pytest.mark.parametrize("style", TOOL_STYLES)
def test_a_sample_of_gold_sessions_is_right_through_the_whole_chain(style, executor):
    assert {name: len(acc) for name, acc in replay(style, SHARES, executor).items()} == {
        "multi_turn_base": 7, "multi_turn_miss_func": 4, "multi_turn_miss_param": 4, "multi_turn_long_context": 4
    }  # fmt: skip


@pytest.mark.slow
def test_799_of_800_gold_sessions_are_right_through_the_whole_chain(executor):
    right = replay("toolrl", dict.fromkeys(SHARES, 1), executor)
    assert sum(map(sum, right.values())) == 799


def first_row(category: str, style: str = "hermes") -> dict[str, Any]:
    return next(rows_of(category, style))


def test_results_are_told_and_the_turn_goes_on(executor):
    row = first_row("multi_turn_base")
    model = Gold(row)
    _, found = play(row, model, executor)
    # The gold's first turn: cd, mkdir, mv.
    assert found["turns"][0][0]["results"][0] == '{"current_working_directory": "document"}'
    results = "\n".join(f"<tool_response>\n{text}\n</tool_response>" for text in found["turns"][0][0]["results"])
    assert model.asked[1] == [*model.asked[0], {"role": "assistant", "content": model.texts[0]},
                              {"role": "user", "content": results}]  # fmt: skip
    second = json.loads(row["reward_model"]["ground_truth"])["question"][1]
    assert model.asked[2][len(model.asked[1]) :] == [{"role": "assistant", "content": model.texts[1]}, *second]


@pytest.mark.parametrize(("style", "in_system"), [("hermes", True), ("toolrl", True), ("toolrl_handler", False)])
def test_functions_that_were_held_back_come_in_their_turn(style, in_system, executor):
    row = first_row("multi_turn_miss_func", style)
    entry = json.loads(row["reward_model"]["ground_truth"])
    (turn, (missed,)) = next(iter(entry["missed_functions"].items()))
    model = Gold(row)
    _, found = play(row, model, executor)
    before = sum(map(len, found["turns"][: int(turn)]))
    assert missed["description"] not in str(model.asked[before - 1])
    assert MORE_FUNCTIONS in model.asked[before][-1]["content"]
    assert (missed["description"] in model.asked[before][0]["content"]) is in_system
    assert (missed["description"] in model.asked[before][-1]["content"]) is not in_system


def test_toolrls_handler_goes_on_with_its_own_words(executor):
    row = first_row("multi_turn_base", "toolrl_handler")
    model = Gold(row)
    play(row, model, executor)
    assert model.asked[1][1]["content"].endswith(f"<user> {TOOLRL_GO_ON} </user>")
    assert (
        "<obs> You have made the tool call cd(folder='document'). Execution returns: " in model.asked[1][1]["content"]
    )
    assert HANDLER_REQUEST not in str(model.asked)
    assert "Note that the provided function is in Python 3 syntax." in model.asked[0][0]["content"]


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


MATH = {"involved_classes": ["MathAPI"], "functions": library.function_documents(["MathAPI"])}


def with_math(row: dict[str, Any]) -> dict[str, Any]:
    entry = json.loads(row["reward_model"]["ground_truth"]) | MATH
    return row | {"reward_model": {"style": "rule", "ground_truth": json.dumps(entry)}}


class Repeating(Model):
    """Answers the same for ever."""

    async def __call__(self, messages: Sequence[Mapping[str, str]], step: int) -> Generated | None:
        self.texts = self.texts[:1] * (step + 1)
        return await super().__call__(messages, step)


@pytest.mark.parametrize(
    ("response", "reason", "steps"),
    [
        (call("add", a=1, b=2), TOO_MANY, 21),
        (call("power", base=7, exponent=10**9), "calls not run: more than 0.5 s", 1),
        (call("undocumented"), TOO_MANY, 21),
        ("Nothing.", "Model response list is empty for turn 0", 4),
        ("<tool_call>" + call("add", a=1, b=2), "Model response list is empty for turn 0", 4),
        (call("add", a=1, b=2) * 10_000, "Model response list is empty for turn 0", 4),
        (call("add", a="x" * 50_000, b=[[]]), TOO_MANY, 21),
    ],
)
def test_a_hostile_model_ends_its_session_and_hangs_nothing(response, reason, steps, executor, monkeypatch):
    limits = executor._pool._limits
    monkeypatch.setattr(executor._pool, "_limits", limits._replace(cpu_seconds=0.5))
    monkeypatch.setitem(sessions._WHY, sessions.WorkerTimeoutError, "more than 0.5 s")
    model = Repeating([response])
    begun = time.monotonic()
    found, verdict = play(with_math(first_row("multi_turn_base")), model, executor)
    assert (verdict["acc"], len(model.asked)) == (0, steps)
    assert verdict["reason"].startswith(reason)
    assert len(found.token_ids) == steps * len(response)
    assert time.monotonic() - begun < 20
    # The executor goes on with the next one.
    row = first_row("multi_turn_base")
    assert play(row, Gold(row), executor)[1]["acc"] == 1


def test_memory_is_bounded(executor):
    # A number of 10**10 decimals would take four gigabytes.
    row = with_math(first_row("multi_turn_base"))
    model = Model([call("square_root", number=2, precision=10**10), *["Done."] * 4])
    _, verdict = play(row, model, executor)
    assert verdict["turns"][0][0]["results"] == ["Error during execution: "]


def test_a_prompt_that_does_not_fit_ends_the_session_under_its_own_reason(executor):
    row = first_row("multi_turn_base")

    class Short(Gold):
        async def __call__(self, messages: Sequence[Mapping[str, str]], step: int) -> Generated | None:
            return None if step == 3 else await super().__call__(messages, step)

    _, verdict = play(row, Short(row), executor)
    assert (verdict["acc"], verdict["reason"], verdict["ended"]) == (0, TOO_LONG, TOO_LONG)
    assert [len(turn) for turn in verdict["turns"]] == [2, 1]


def test_a_step_that_was_cut_off_is_told(executor):
    row = first_row("multi_turn_base")

    class Cut(Gold):
        async def __call__(self, messages: Sequence[Mapping[str, str]], step: int) -> Generated | None:
            found = await super().__call__(messages, step)
            return found._replace(finish_reason="length") if step == 1 else found

    found, verdict = play(row, Cut(row), executor)
    assert (found.finish_reason, verdict["acc"]) == ("length", 1)
