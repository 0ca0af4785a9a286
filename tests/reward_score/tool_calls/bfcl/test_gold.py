"""Ground truths of BFCL rows: what is read, and what no response can be judged against."""

import copy
import json

import pytest

from reward_score.tool_calls.bfcl.gold import CATEGORIES, IRRELEVANCE, OTHER_LANGUAGES, RELEVANCE, read_bfcl_gold
from reward_score.tool_calls.verify import verify_bfcl
from reward_score.verdict import GroundTruthError

PROPERTIES = {"days": {"type": "integer"}, "names": {"type": "array", "items": {"type": "string"}}}
SCHEMA = {"type": "dict", "properties": PROPERTIES, "required": ["days"]}
ROW = {
    "v": 1,
    "category": "multiple",
    "functions": [{"name": "m.f", "parameters": SCHEMA}, {"name": "g", "parameters": {"type": "object"}}],
    "possible_answer": [{"m.f": {"days": [4, ""], "names": [["x"], ""], "unit": ["", "C"]}}],
}


def test_what_a_row_wants():
    gold = read_bfcl_gold(json.dumps(ROW))
    assert (gold.category, gold.offered, len(gold.calls)) == ("multiple", {"m.f", "g"}, 1)
    call = gold.calls[0]
    assert (call.name, call.required, call.needed) == ("m.f", ("days",), {"days"})
    assert [parameter.optional for parameter in call.parameters.values()] == [True, True, True]
    kinds = {name: (one.kind, one.python_type, one.item_type) for name, one in call.parameters.items()}
    # `unit` is not in the schema: nothing can be given for it.
    assert kinds == {"days": ("integer", int, None), "names": ("array", list, str), "unit": (None, None, None)}


def test_text_dict_and_list_of_one_are_the_same_and_a_text_is_read_once():
    text = json.dumps(ROW)
    assert read_bfcl_gold(text) is read_bfcl_gold([text]) is read_bfcl_gold((text,))
    assert read_bfcl_gold(ROW) == read_bfcl_gold([ROW]) == read_bfcl_gold(text)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_is_read(category):
    without = category in IRRELEVANCE + RELEVANCE
    gold = read_bfcl_gold(ROW | {"category": category} | ({"possible_answer": []} if without else {}))
    assert [call.name for call in gold.calls] == ([] if without else ["m.f"])


def test_the_name_of_a_simple_gold_call_does_not_count():
    answer = [{"other": {"days": [4]}}]
    for category in ("simple", "simple_python", "live_simple"):
        assert read_bfcl_gold(ROW | {"category": category, "possible_answer": answer}).calls[0].name == "m.f"


def test_a_schema_without_required_requires_nothing():
    row = copy.deepcopy(ROW)
    del row["functions"][0]["parameters"]["required"]
    gold = read_bfcl_gold(row)
    assert (gold.calls[0].required, gold.calls[0].needed) == ((), frozenset())


def test_functions_that_are_only_offered_need_no_schema():
    row = {"v": 1, "category": "live_irrelevance", "functions": [{"name": "f"}], "possible_answer": []}
    assert read_bfcl_gold(row).offered == {"f"}
    assert read_bfcl_gold(row | {"functions": []}).offered == frozenset()


def put(path, value):
    row = copy.deepcopy(ROW)
    place = row
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return row


FUNCTION = ("functions", 0, "parameters")
ANSWER = ("possible_answer",)
BROKEN = [
    ("", "must be JSON"),
    ("{", "must be JSON"),
    ("[" * 100_000, "must be JSON"),
    (None, "the ground truth must be an object, got None"),
    (7, "the ground truth must be an object, got 7"),
    ("7", "the ground truth must be an object, got 7"),
    ([], "must be one row's, got 0 of them"),
    ([ROW, ROW], "must be one row's, got 2 of them"),
    (put(["v"], 0), "v must be 1, got 0"),
    (put(["v"], 2), "v must be 1, got 2"),
    (put(["category"], None), "category must be one of simple, .*, got None"),
    (put(["category"], "sql"), "category must be one of simple, .*, got 'sql'"),
    (put(["category"], ["simple"]), "category must be one of simple, .*, got"),
    *((put(["category"], name), f"must be one in Python, got {name}") for name in OTHER_LANGUAGES),
    (put(["functions"], None), "functions must be a list, got None"),
    (put(["functions"], [1]), "a function must be an object, got 1"),
    (put(["functions", 0, "name"], None), "a function's name must be a string"),
    (put(FUNCTION, None), "the parameters of m.f must be an object, got None"),
    (put([*FUNCTION, "properties"], None), "the properties of m.f must be an object, got None"),
    (put([*FUNCTION, "required"], "days"), "required must be a list, got 'days'"),
    (put([*FUNCTION, "required"], [1]), "a name in required of m.f must be a string, got 1"),
    (put([*FUNCTION, "properties", "days"], 1), "the schema of m.f's days must be an object"),
    (put([*FUNCTION, "properties", "days", "type"], "number"), "type of m.f's days must be a BFCL type, got 'number'"),
    (put([*FUNCTION, "properties", "days", "type"], None), "type of m.f's days must be a BFCL type, got None"),
    (put([*FUNCTION, "properties", "days", "type"], ["x"]), "type of m.f's days must be a BFCL type, got"),
    (put([*FUNCTION, "properties", "names", "items"], None), "items of m.f's names must be an object, got None"),
    (put([*FUNCTION, "properties", "names", "items"], {}), "type of m.f's names must be a BFCL type, got None"),
    (put(ANSWER, None), "possible_answer must be a list, got None"),
    (put(ANSWER, []), "must hold 1 to 1 calls in multiple, got 0"),
    (put(ANSWER, [{"m.f": {}}, {"g": {}}]), "must hold 1 to 1 calls in multiple, got 2"),
    (put(["category"], "parallel") | {"possible_answer": []}, "must hold 1 to 64 calls in parallel, got 0"),
    (put(["category"], "parallel") | {"possible_answer": [{"m.f": {}}] * 65}, "1 to 64 calls in parallel, got 65"),
    (put(["category"], "simple") | {"functions": []}, "functions must hold one in simple"),
    (put(["category"], "irrelevance"), r"possible_answer must be \[\] in irrelevance"),
    (put(ANSWER, [7]), "a gold call must be an object, got 7"),
    (put(ANSWER, [{}]), "a gold call must have one key"),
    (put(ANSWER, [{"m.f": {}, "g": {}}]), "a gold call must have one key"),
    (put(ANSWER, [{"h": {}}]), "must be of a function offered, of m.f, g, got 'h'"),
    (put(ANSWER, [{"m.f": []}]), "the arguments of m.f must be an object"),
    (put(ANSWER, [{"m.f": {"days": 4}}]), "what is accepted for m.f's days must be a list, got 4"),
]


@pytest.mark.parametrize(("ground_truth", "message"), BROKEN)
def test_a_broken_ground_truth_is_told(ground_truth, message):
    for given in (ground_truth, json.dumps(ground_truth)) if isinstance(ground_truth, dict) else (ground_truth,):
        with pytest.raises(GroundTruthError, match=message) as caught:
            verify_bfcl("<tool_call>", given)
        assert len(str(caught.value)) < 400


def test_a_ground_truth_without_a_version_is_of_the_first():
    unversioned = {key: value for key, value in ROW.items() if key != "v"}
    assert read_bfcl_gold(json.dumps(unversioned)) == read_bfcl_gold(json.dumps(ROW))
