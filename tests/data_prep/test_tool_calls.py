"""Users' own tool calls: every public layout gives the same row, right calls are right, and others are not."""

import json
from copy import deepcopy

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import validate
from data_prep.schema import read_rows
from data_prep.tool_calls import main
from data_prep.tool_schema import as_schema
from reward_score import compute_score

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a place.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where."},
            "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
        },
        "required": ["city"],
    },
}
TIME = {"name": "time.now", "description": "", "parameters": {"type": "object", "properties": {}}}
ASKED = "What is the weather in New York for 3 days?"
CALL = {"name": "get_weather", "arguments": {"city": "New York", "days": 3}}
SORRY = "I cannot do that."


def openai(asked, calls, tools=(WEATHER, TIME), *, as_text=True, key="function"):
    made = [
        {
            "id": f"c{n}",
            "type": "function",
            "function": call | ({"arguments": json.dumps(call["arguments"])} if as_text else {}),
        }
        for n, call in enumerate(calls)
    ]
    answer = (
        {"role": "assistant", "content": None, "tool_calls": made} if calls else {"role": "assistant", "content": SORRY}
    )
    messages = [{"role": "user", "content": asked}, answer]
    messages += [{"role": "tool", "content": "21"}, {"role": "assistant", "content": "It is 21."}] if calls else []
    return {"messages": messages, "tools": [{"type": "function", key: tool} for tool in tools]}


def openai_functions(asked, calls):
    record = openai(asked, calls)
    if calls:
        (call,) = record["messages"][1].pop("tool_calls")
        record["messages"][1]["function_call"] = call["function"]
    record["functions"] = [tool["function"] for tool in record.pop("tools")]
    return record


def xlam(asked, calls):
    tools = [
        {
            "name": "get_weather",
            "description": "The weather of a place.",
            "parameters": {
                "city": {"type": "str", "description": "Where."},
                "days": {"type": "int, optional", "description": ""},
                "unit": {"type": "str", "default": "c", "description": ""},
            },
        },
        {"name": "time.now", "description": "", "parameters": {}},
    ]
    return {"id": 0, "query": asked, "answers": json.dumps(calls), "tools": json.dumps(tools)}


def xlam_lists(asked, calls):
    return {"query": asked, "answers": calls, "tools": [WEATHER, TIME]}


def hermes(asked, calls, *, write=json.dumps, column=True):
    tools = json.dumps([{"type": "function", "function": tool} for tool in (WEATHER, TIME)])
    blocks = "\n".join(f"<tool_call>\n{write(call)}\n</tool_call>" for call in calls)
    turns = [
        {
            "from": "system",
            "value": f"You are a function calling AI within <tools> </tools> tags: <tools> {tools} </tools>",
        },
        {"from": "human", "value": asked},
        {"from": "gpt", "value": blocks or SORRY},
    ]
    return {"conversations": turns} | ({"tools": tools} if column else {})


def sharegpt(asked, calls):
    value = json.dumps(calls[0] if len(calls) == 1 else calls)
    answer = {"from": "function_call", "value": value} if calls else {"from": "gpt", "value": SORRY}
    more = [{"from": "observation", "value": "21"}, {"from": "gpt", "value": "It is 21."}] if calls else []
    turns = [{"from": "human", "value": asked}, answer, *more]
    return {"conversations": turns, "tools": json.dumps([WEATHER, TIME]), "system": ""}


def glaive(asked, calls):
    tools = "\n".join(json.dumps(tool, indent=4) for tool in (WEATHER, TIME))
    said = SORRY
    if calls:
        said = "<functioncall> " + json.dumps({"name": calls[0]["name"]})[:-1]
        said += f""", "arguments": '{json.dumps(calls[0]["arguments"])}'}}"""
    chat = f"USER: {asked}\n\n\nASSISTANT: {said} <|endoftext|>\n\n\n"
    chat += 'FUNCTION RESPONSE: {"t": 21}\n\n\nASSISTANT: It is 21. <|endoftext|>' if calls else ""
    system = "SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\n"
    return {"system": system + tools, "chat": chat}


def toolace(asked, calls):
    said = [f"{call['name']}({', '.join(f'{k}={v!r}' for k, v in call['arguments'].items())})" for call in calls]
    turns = [
        {"from": "user", "value": asked},
        {"from": "assistant", "value": f"[{', '.join(said)}]" if calls else SORRY},
    ]
    return {"system": f"You may invoke:\n{json.dumps([WEATHER, TIME])}. Be brief.", "conversations": turns}


SINGLE = {
    "openai": openai,
    "openai objects": lambda asked, calls: openai(asked, calls, as_text=False),
    "openai text": lambda asked, calls: openai(asked, calls) | {"tools": json.dumps(openai(asked, calls)["tools"])},
    "openai texts": lambda asked, calls: openai(asked, calls) | {"tools": [json.dumps(t) for t in (WEATHER, TIME)]},
    "openai all text": lambda asked, calls: {k: json.dumps(v) for k, v in openai(asked, calls).items()},
    "functions": openai_functions,
    "xlam": xlam,
    "lists": xlam_lists,
    "hermes": hermes,
    "hermes in Python": lambda asked, calls: hermes(asked, calls, write=repr),
    "hermes without column": lambda asked, calls: hermes(asked, calls, column=False),
    "sharegpt": sharegpt,
    "glaive": glaive,
    "toolace": toolace,
}
SEVERAL = [name for name in SINGLE if name not in ("functions", "glaive")]


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def run(source, output, *options):
    return main(
        ["--input", str(source), "--output", str(output), "--data-source", "mine", "--split", "train", *options]
    )


def convert(tmp_path, *records, options=()):
    assert run(write(tmp_path / "x.jsonl", *records), tmp_path / "out", *options) == 0
    return list(read_rows(tmp_path / "out" / "train.parquet"))


def says(*calls):
    return "\n".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls)


def judge(row, response):
    return compute_score(row["data_source"], response, row["reward_model"]["ground_truth"], row["extra_info"])["acc"]


def changed(**arguments):
    return {"name": CALL["name"], "arguments": CALL["arguments"] | arguments}


WRONG = {
    "nothing": SORRY,
    "another value": says(changed(days=4)),
    "another type": says(changed(days="3")),
    "another city": says(changed(city="York")),
    "an argument too few": says({"name": "get_weather", "arguments": {"city": "New York"}}),
    "an unknown argument": says(changed(country="US")),
    "a value that is not the default": says(changed(unit="f")),
    "another function": says({"name": "time.now", "arguments": {}}),
    "an unknown function": says(CALL | {"name": "weather"}),
    "twice": says(CALL, CALL),
    "one more": says(CALL, {"name": "time.now", "arguments": {}}),
    "broken": says(CALL)[:-30],
}


@pytest.mark.parametrize("layout", SINGLE)
def test_every_layout_gives_a_row_that_only_the_right_call_solves(tmp_path, layout):
    (row,) = convert(tmp_path, SINGLE[layout](ASKED, [deepcopy(CALL)]))
    assert (row["data_source"], row["ability"], row["extra_info"]["category"]) == ("mine", "tool", "multiple")
    system, user = row["prompt"]
    assert (user["role"], user["content"]) == ("user", ASKED)
    assert system["role"] == "system"
    assert all(
        part in system["content"] for part in ('"name": "get_weather"', '"name": "time.now"', '"description": "Where."')
    )
    assert judge(row, says(CALL)) == judge(row, says(changed(city="new york"))) == 1.0
    assert judge(row, says(changed(unit="c"))) == 1.0
    assert {name: judge(row, response) for name, response in WRONG.items()} == dict.fromkeys(WRONG, 0.0)
    assert validate.main([str(tmp_path / "out" / "train.parquet")]) == 0


@pytest.mark.parametrize("layout", SINGLE)
def test_a_row_whose_answer_is_no_call_wants_none(tmp_path, layout):
    (row,) = convert(tmp_path, SINGLE[layout]("Tell me a joke.", []))
    assert row["extra_info"]["category"] == "irrelevance"
    assert judge(row, "Why did the chicken cross the road?") == 1.0
    assert judge(row, says(CALL)) == judge(row, "<tool_call>") == 0.0


@pytest.mark.parametrize("layout", SEVERAL)
def test_several_calls_are_all_wanted_in_any_order(tmp_path, layout):
    calls = [
        deepcopy(CALL),
        {"name": "get_weather", "arguments": {"city": "Rome"}},
        {"name": "time.now", "arguments": {}},
    ]
    (row,) = convert(tmp_path, SINGLE[layout]("Well?", deepcopy(calls)))
    assert row["extra_info"]["category"] == "parallel_multiple"
    assert judge(row, says(*calls)) == judge(row, says(*reversed(calls))) == 1.0
    for number in range(3):
        assert judge(row, says(*calls[:number], *calls[number + 1 :])) == 0.0
    assert judge(row, says(*calls[:2], calls[1])) == 0.0


VALUES = [
    ("string", "New York"), ("string", ""), ("integer", 5), ("number", 5), ("number", 2.5), ("integer", 5.0),
    ("boolean", True), ("boolean", False), ("array", []), ("array", [1, 2]), ("array", ["a", "b"]), ("array", [2.5, 1]),
    ("array", [1, 2.5]), ("array", [[1, 2], [3]]), ("array", [{"a": 1}, {"a": 2}]), ("array", [True, "x"]),
    ("object", {}), ("object", {"a": 1, "b": {"c": [1, {"d": None}]}}), ("string", 5), ("integer", "5"),
    ("string", {"a": 1}), ("object", "x"), ("string", ["a"]), ("array", "a"), ("array", [None, 1]), ("any", 5),
    ("any", [{"a": "x"}]), (None, {"a": ["x"]}), (["string", "null"], "x"), (["integer", "string"], "7"),
    ("null", None), ("float", 3), ("dict", {"k": 1}), ("List[int]", [1, 2]), ("Dict[str, Any]", {"k": "v"}),
    ("Optional[str]", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=repr)
@pytest.mark.parametrize("required", [True, False])
def test_a_value_of_any_type_is_right_and_its_neighbours_are_not(tmp_path, kind, value, required):
    schema = {} if kind is None else {"type": kind}
    parameters = {"type": "object", "properties": {"x": schema}, "required": ["x"] if required else []}
    tool = {"name": "f", "description": "d", "parameters": parameters}
    call = {"name": "f", "arguments": {"x": value}}
    (row,) = convert(tmp_path, {"query": "?", "tools": [tool], "answers": [call]})
    assert judge(row, says(call)) == 1.0
    assert judge(row, says({"name": "f", "arguments": {"x": "other"}})) == 0.0
    assert judge(row, says({"name": "f", "arguments": {"x": [7, 7, 7]}})) == 0.0
    assert judge(row, says({"name": "f", "arguments": {"x": {"zz": 1}}})) == 0.0
    # An argument that is null and not required is one that is not given.
    assert judge(row, says({"name": "f", "arguments": {}})) == float(value is None and not required)


def test_a_tool_that_is_offered_twice_alike_is_offered_once(tmp_path):
    (row,) = convert(tmp_path, {"query": "?", "tools": [WEATHER, TIME, deepcopy(WEATHER)], "answers": [CALL]})
    assert row["prompt"][0]["content"].count('"get_weather"') == 1
    assert judge(row, says(CALL)) == 1.0


def test_null_that_fills_a_tables_columns_up_is_no_argument(tmp_path):
    tools = [TIME, WEATHER]
    records = [
        {
            "query": "a?",
            "tools": json.dumps(tools),
            "answers": [{"name": "time.now", "arguments": {"city": None, "z": None}}],
        },
        {
            "query": "b?",
            "tools": json.dumps(tools),
            "answers": [{"name": "get_weather", "arguments": {"city": "Rome", "z": None}}],
        },
    ]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "x.parquet")
    assert run(tmp_path / "x.parquet", tmp_path / "out") == 0
    first, second = read_rows(tmp_path / "out" / "train.parquet")
    assert judge(first, says({"name": "time.now", "arguments": {}})) == 1.0
    assert judge(second, says({"name": "get_weather", "arguments": {"city": "Rome"}})) == 1.0
    assert judge(second, says({"name": "get_weather", "arguments": {"city": "Rome", "z": None}})) == 0.0


BAD = {"query": "?", "tools": [WEATHER], "answers": [CALL]}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "x"}, "must have messages, conversations, or a query and its answers, beside tools, has 'text'"),
        (BAD | {"answers": "[{"}, "'answers' must be JSON, but "),
        (
            BAD | {"answers": '[{"name": "get_weather", "arguments": {"city": "a", "city": "b"}}]'},
            "must have each key once",
        ),
        (BAD | {"answers": [{"name": "f", "arguments": {}}]}, "a call must be of a tool that is offered, got 'f'"),
        (BAD | {"answers": [{"arguments": {}}]}, "a call's name must be a text that is not empty, got nothing"),
        (BAD | {"answers": [CALL | {"arguments": [1]}]}, "the arguments of get_weather must be an object, got [1]"),
        (BAD | {"answers": [CALL | {"arguments": "{"}]}, "the arguments of get_weather must be JSON, but "),
        (BAD | {"answers": [5]}, "a call must be an object, got 5"),
        (BAD | {"answers": None}, "'answers' must be a list, got nothing"),
        (BAD | {"answers": "[get_weather(city=]"}, "'answers' must be JSON, but "),
        (
            BAD | {"answers": "[get weather(city='Rome')]"},
            "'answers' must be JSON or calls in Python's syntax, got ",
        ),
        (
            BAD | {"tools": [WEATHER, WEATHER | {"description": ""}]},
            "a tool must be offered once, got two different ones named",
        ),
        (BAD | {"tools": [{"description": "x"}]}, "a tool's name must be a text that is not empty, got nothing"),
        (BAD | {"tools": [{"name": "f", "parameters": "x"}]}, "the parameters of f must be JSON, but "),
        (
            BAD | {"tools": [{"name": "f", "parameters": {"type": "object", "properties": [1]}}]},
            "the properties of f must",
        ),
        (BAD | {"query": ""}, "'query' must be a text that is not empty, got ''"),
        (
            {"messages": [], "tools": [WEATHER]},
            "must have an answer by the assistant, with or without calls, got none",
        ),
        ({"messages": [{"role": "x"}], "tools": []}, "a message's role must be one of system, "),
        (
            {"messages": [{"role": "assistant", "content": "x"}], "tools": []},
            "the message before the answer must be the",
        ),
        ({"messages": [{"role": "user", "content": 5}], "tools": []}, "a message's content must be a text, got 5"),
        ({"messages": "x", "tools": []}, "'messages' must be JSON, but Expecting value: 'x'"),
        ({"messages": 5, "tools": []}, "'messages' must be a list, got 5"),
        (BAD | {"answers": [CALL] * 65}, "possible_answer must hold 1 to 64 calls"),
    ],
)
def test_what_cannot_be_read_is_a_fault_with_file_and_line(tmp_path, capsys, record, message):
    source = write(tmp_path / "x.jsonl", BAD, record)
    assert run(source, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {source} line 2: ")
    assert message in said
    assert list((tmp_path / "out").iterdir()) == []
    assert run(source, tmp_path / "out", "--skip-bad") == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"city": "Rome", "country": "IT"}, "get_weather has no parameter 'country'"),
        ({"days": 3}, "get_weather requires city"),
    ],
)
def test_calls_that_do_not_fit_what_is_offered_are_dropped_with_the_reason(tmp_path, capsys, arguments, reason):
    convert(tmp_path, BAD, BAD | {"answers": [CALL | {"arguments": arguments}]})
    said = capsys.readouterr().out
    assert "1 dropped: no answer can be right" in said
    assert reason in said


def test_what_was_said_before_stays_in_the_prompt_and_what_came_after_does_not(tmp_path):
    record = openai(ASKED, [deepcopy(CALL)])
    before = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hi!"},
    ]
    record["messages"] = [*before, *record["messages"]]
    (row,) = convert(tmp_path, record)
    assert [message["role"] for message in row["prompt"]] == ["system", "user", "assistant", "user"]
    assert row["prompt"][0]["content"].startswith("Be brief.\n\n# Tools")
    assert "21" not in json.dumps(row["prompt"])


@pytest.mark.parametrize(("style", "think"), [("hermes", "none"), ("hermes", "opened"), ("toolrl", "asked")])
def test_styles_and_thinking_are_as_with_bfcl(tmp_path, style, think):
    rows = convert(
        tmp_path,
        openai(ASKED, [deepcopy(CALL)]),
        openai("Joke?", []),
        options=("--prompt-style", style, "--think", think),
    )
    for row in rows:
        assert (row["extra_info"]["think"], row["extra_info"]["prompt_style"]) == (think, style)
        assert judge(row, row["extra_info"]["reference_response"]) == 1.0


def test_xlams_table_of_types_is_shown_as_a_schema():
    table = {
        "a": {"type": "str", "description": "x"},
        "b": {"type": "List[int], optional"},
        "c": {"type": "float", "default": 2},
        "d": {"type": "Dict[str, int]"},
        "e": {"type": "Union[int, str]"},
        "f": {"type": "Optional[bool]"},
    }
    assert as_schema(table) == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": "x"},
            "b": {"type": "array", "items": {"type": "integer"}},
            "c": {"type": "number", "default": 2},
            "d": {"type": "object"},
            "e": {},
            "f": {"type": "boolean"},
        },
        "required": ["a", "d", "e"],
    }
