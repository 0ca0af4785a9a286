"""Calls made of accepted values: a table with each quirk of BFCL's answers, every entry held to BFCL's rules."""

import pytest

from data_prep.bfcl_rows import accepted_calls
from reward_score.tool_calls.bfcl.checker import find_fault
from reward_score.tool_calls.bfcl.gold import read_bfcl_gold


def gold_of(schema, accepted, *, required=(), category="simple"):
    """The gold of a row with one call of `f`, whose only parameter `x` has this schema; None for no such parameter."""
    properties = {} if schema is None else {"x": schema}
    parameters = {"type": "dict", "properties": properties, "required": list(required)}
    return read_bfcl_gold(
        {"category": category, "functions": [{"name": "f", "parameters": parameters}]}
        | {"possible_answer": [{"f": {"x": accepted}}]}
    )


def kind(name, items=None):
    return {"type": name} | ({"items": {"type": items}} if items else {})


GIVEN = [
    # The schema, what is accepted, and the value that is made of it.
    (kind("string"), ["a", "b"], "a"),
    (kind("integer"), [10], 10),
    (kind("float"), [0.5], 0.5),
    (kind("boolean"), [False], False),
    (kind("integer"), [0], 0),
    (kind("any"), ["a"], "a"),
    # Another type than the schema's, as the first accepted value has it.
    (kind("float"), [0], 0),
    (kind("any"), [5], 5),
    (kind("array", "string"), ["data['sales']"], "data['sales']"),
    (kind("integer"), ["dontcare", 3], "dontcare"),
    # Lists are accepted as wholes; what is in them stays as it is.
    (kind("array", "integer"), [[1, 2]], [1, 2]),
    (kind("array", "integer"), [[]], []),
    (kind("array", "string"), [["a", "b"], ["b", "a"]], ["a", "b"]),
    (kind("array", "array"), [[["a"], ["b", "c"]]], [["a"], ["b", "c"]]),
    (kind("tuple", "float"), [[1.0, 2.0]], [1.0, 2.0]),
    # The first cannot be right: its second item is neither of the schema's type nor of its first item's.
    (kind("array", "integer"), [[1, "a"], [1, 2]], [1, 2]),
    # Dicts hold accepted values of their fields, "" where one may miss.
    (kind("dict"), [{"min": [300], "max": [400, 500]}], {"min": 300, "max": 400}),
    (kind("dict"), [{"note": ["", "hot"], "n": [1]}], {"note": "hot", "n": 1}),
    (kind("dict"), [{"note": [""], "n": [1]}], {"n": 1}),
    (kind("dict"), [{"note": ["", ""], "n": [1]}], {"n": 1}),
    (kind("dict"), [{}], {}),
    (kind("dict"), [{"Alex": [["A of spades", "K of spades"]]}], {"Alex": ["A of spades", "K of spades"]}),
    (kind("dict"), [{"position": [{"lateral": 10.5}]}], {"position": {"lateral": 10.5}}),
    (kind("dict"), [{"on": [False]}], {"on": False}),
    (kind("dict"), [{"n": [None]}], {"n": None}),
    # No value of `n` is right in the first.
    (kind("dict"), [{"n": []}, {"n": [1]}], {"n": 1}),
    (
        kind("array", "dict"),
        [[{"item": ["burgers"], "quantity": [5]}, {"item": ["wings", "wing"], "note": ["", "hot"], "size": [""]}]],
        [{"item": "burgers", "quantity": 5}, {"item": "wings", "note": "hot"}],
    ),
]


@pytest.mark.parametrize("with_optional", [True, False])
@pytest.mark.parametrize(("schema", "accepted", "value"), GIVEN)
def test_an_argument_that_must_be_given(schema, accepted, value, with_optional):
    gold = gold_of(schema, accepted, required=["x"])
    (call,) = accepted_calls(gold, with_optional=with_optional)
    # `repr` tells 0 from False and 1 from 1.0.
    assert (call.name, repr(call.arguments)) == ("f", repr({"x": value}))
    assert find_fault(gold, [call]) is None
    # "" is what makes one optional, not the schema's `required`.
    assert accepted_calls(gold_of(schema, accepted), with_optional=with_optional) == [call]


@pytest.mark.parametrize(
    ("schema", "accepted", "value"),
    [
        (kind("string"), ["", "a"], "a"),
        (kind("string"), ["a", ""], "a"),
        (kind("string"), [""], ""),
        (kind("string"), ["", None], None),
        (kind("string"), ["", True], True),
        (kind("integer"), ["", "dontcare"], "dontcare"),
        (kind("integer"), ["", 0], 0),
        (kind("boolean"), ["", False], False),
        (kind("array", "string"), ["", ["a"]], ["a"]),
        (kind("array", "string"), [[], ""], []),
        (kind("dict"), ["", {"n": [1]}], {"n": 1}),
        (kind("array", "dict"), ["", [{"n": [1]}]], [{"n": 1}]),
    ],
)
def test_an_argument_that_may_be_left_out(schema, accepted, value):
    gold = gold_of(schema, accepted)
    given = accepted_calls(gold, with_optional=True)
    assert repr(given[0].arguments) == repr({"x": value})
    assert find_fault(gold, given) is None
    left_out = accepted_calls(gold, with_optional=False)
    assert left_out[0].arguments == {}
    assert find_fault(gold, left_out) is None
    # Where the schema requires it all the same, it has to be given.
    required = gold_of(schema, accepted, required=["x"])
    assert accepted_calls(required, with_optional=False) == given
    assert find_fault(required, given) is None


@pytest.mark.parametrize("schema", [kind("integer"), kind("dict"), kind("boolean"), kind("array", "dict")])
def test_an_argument_that_only_may_be_left_out(schema):
    gold = gold_of(schema, [""])
    (call,) = accepted_calls(gold, with_optional=False)
    assert call.arguments == {}
    assert find_fault(gold, [call]) is None


@pytest.mark.parametrize("items", ["string", "integer", "dict"])
def test_a_required_list_of_which_nothing_is_told_is_empty(items):
    # BFCL compares [] to "" as to an empty list, so that a row is not unsolvable for this.
    gold = gold_of(kind("array", items), [""], required=["x"])
    (call,) = accepted_calls(gold, with_optional=True)
    assert call.arguments == {"x": []}
    assert find_fault(gold, [call]) is None


@pytest.mark.parametrize(
    ("schema", "accepted", "required", "fault"),
    [
        # live_simple_106-63-0 and live_simple_112-68-0: required, and no value is right.
        (kind("string"), [], ["x"], "missing argument 'x'"),
        (kind("string"), [], [], "missing argument 'x'"),
        # live_multiple_862-181-3: wanted, but the schema does not have it.
        (None, ["a"], [], "unexpected argument 'x'"),
        # live_multiple_964-207-0: required, but the answer does not have it.
        (kind("string"), ["a"], ["x", "y"], "missing argument 'y'"),
        (kind("integer"), [""], ["x"], "argument 'x': type str for integer"),
        (kind("dict"), [{"n": []}], ["x"], "argument 'x': {'n': []} is not among [{'n': []}]"),
    ],
)
@pytest.mark.parametrize("with_optional", [True, False])
def test_what_no_call_satisfies_has_a_fault(schema, accepted, required, fault, with_optional):
    gold = gold_of(schema, accepted, required=required)
    assert find_fault(gold, accepted_calls(gold, with_optional=with_optional)) == fault


def test_an_optional_argument_that_the_schema_lacks_is_never_given():
    gold = gold_of(None, ["", "a"])
    for with_optional in (True, False):
        (call,) = accepted_calls(gold, with_optional=with_optional)
        assert call.arguments == {}
        assert find_fault(gold, [call]) is None


def function(name, **properties):
    return {"name": name, "parameters": {"type": "dict", "properties": properties, "required": []}}


def test_parallel_calls_are_made_in_the_answers_order():
    # First fit would give the first wanted call the second's only value, were they made in the other order.
    gold = read_bfcl_gold(
        {
            "category": "parallel_multiple",
            "functions": [function("f", x=kind("string")), function("g", y=kind("integer"))],
            "possible_answer": [{"f": {"x": ["a", "b"]}}, {"g": {"y": [1, ""]}}, {"f": {"x": ["a"]}}],
        }
    )
    calls = accepted_calls(gold, with_optional=True)
    assert calls == [("f", {"x": "a"}), ("g", {"y": 1}), ("f", {"x": "a"})]
    assert find_fault(gold, calls) is None


def test_the_name_is_the_documented_one_where_bfcl_ignores_the_answers():
    # simple_363: the answer names another function than the one that is offered.
    answer = [{"other": {"x": ["a"]}}]
    offered = [function("f", x=kind("string"))]
    gold = read_bfcl_gold({"category": "simple", "functions": offered, "possible_answer": answer})
    assert accepted_calls(gold, with_optional=True) == [("f", {"x": "a"})]


@pytest.mark.parametrize("category", ["irrelevance", "live_irrelevance", "live_relevance"])
def test_no_particular_calls_are_made_where_none_are_wanted(category):
    gold = read_bfcl_gold({"category": category, "functions": [function("f")], "possible_answer": []})
    assert accepted_calls(gold, with_optional=True) == []
