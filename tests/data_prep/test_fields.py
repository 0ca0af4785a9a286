"""The fields of a record: which name counts, what passes as text or as an answer, and what is told of the rest."""

import pytest

from data_prep.errors import DataError, UnsolvableError
from data_prep.fields import answer_texts, boxed_answer, checked_text, mapping, name_of, optional_text, text_field
from data_prep.records import Record


def record(**fields):
    return Record("file line 3", 2, fields)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"a": "1", "b": "2"}, "a"),
        ({"b": "2"}, "b"),
        ({"a": None, "b": "2"}, "b"),
        ({"a": "", "b": "2"}, "a"),
        ({"b": None}, "b"),
        ({"b": None, "a": None}, "a"),
        ({"c": "3"}, None),
        ({"A": "3"}, None),
        ({}, None),
    ],
)
def test_the_first_name_with_a_value_counts(fields, name):
    assert name_of(record(**fields), "a", "b") == name


def test_text_field_gives_the_text_as_it_is():
    assert text_field(record(a=" x\n"), "a") == " x\n"
    assert text_field(record(b="\N{GRINNING FACE}"), "a", "b") == "\N{GRINNING FACE}"
    assert text_field(record(a=None, b="2"), "a", "b") == "2"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"x": 1, "y": 2}, "must have the field 'a' or 'b', has 'x', 'y'"),
        ({}, "must have the field 'a' or 'b', has none"),
        ({"a": None}, "'a' must be a text that is not empty, got nothing"),
        ({"b": None}, "'b' must be a text that is not empty, got nothing"),
        ({"a": "", "b": "2"}, "'a' must be a text that is not empty, got ''"),
        ({"a": " \n\t"}, r"'a' must be a text that is not empty, got ' \n\t'"),
        ({"a": 5}, "'a' must be a text that is not empty, got 5"),
        ({"a": True}, "'a' must be a text that is not empty, got True"),
        ({"a": ["x"]}, "'a' must be a text that is not empty, got ['x']"),
        ({"a": {"b": "x"}}, "'a' must be a text that is not empty, got {'b': 'x'}"),
        ({"a": b"x"}, "'a' must be a text that is not empty, got b'x'"),
        ({"a": "x\ud800"}, "'a' must be text that UTF-8 can hold, but surrogates not allowed"),
    ],
)
def test_text_field_refuses_the_rest_in_one_sentence(fields, message):
    with pytest.raises(DataError) as error:
        text_field(record(**fields), "a", "b")
    assert str(error.value) == f"file line 3: {message}"


def test_the_sentence_stays_short_whatever_the_record_holds():
    many = {f"{number}{'x' * 1000}": number for number in range(1000)}
    for fields in (many, {"a": ["x" * 10_000] * 1000}, {"a": 10**4000}):
        with pytest.raises(DataError) as error:
            text_field(record(**fields), "a")
        assert len(str(error.value)) < 1000
        assert "\n" not in str(error.value)


def test_checked_text_names_what_it_is():
    assert checked_text("x", "the content", "here") == "x"
    with pytest.raises(DataError, match=r"^here: the content must be a text that is not empty, got nothing$"):
        checked_text(None, "the content", "here")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("27", "27"),
        ("025", "025"),
        ("27.0", "27.0"),
        (r"\frac{1}{2}", r"\frac{1}{2}"),
        (27, "27"),
        (-1, "-1"),
        (0, "0"),
        (10**30, "1" + "0" * 30),
        (27.0, "27"),
        (-1.0, "-1"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (["5"], "5"),
        ([5], "5"),
        ([5.0], "5"),
        ([5, "five", 5.0], "5 five"),
        ('["5", "five"]', "5 five"),
        ('{"any": ["5", 6]}', "5 6"),
        ("[5, 6]", "[5, 6]"),
    ],
)
def test_an_answer_may_be_text_a_number_or_several_that_are_right(value, text):
    assert " ".join(answer_texts(value, "'answer'", "here")) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([["1"]], r"must be a text that is not empty, got \['1'\]"),
        ([None], "must be a text that is not empty, got nothing"),
        (None, "must be a text that is not empty, got nothing"),
        ("", "must be a text that is not empty, got ''"),
        ("  ", "must be a text that is not empty, got '  '"),
        (True, "must be a text that is not empty, got True"),
        ([["1"], "2"], r"must be a text that is not empty, got \['1'\]"),
        ("\udfff", "must be text that UTF-8 can hold"),
    ],
)
def test_an_answer_that_is_something_else_is_refused(value, message):
    with pytest.raises(DataError, match=f"^here: 'answer' {message}"):
        answer_texts(value, "'answer'", "here")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "must be 1 to 64 answers, got 0 of them"),
        (["1"] * 65, "must be 1 to 64 answers, got 65 of them"),
        ({"value": 5}, r"must be \{\"any\": \[...\]\}, got \{'value': 5\}"),
        ('["1", ', "must be JSON, got"),
    ],
)
def test_several_answers_are_as_the_verifiers_take_them(value, message):
    with pytest.raises(DataError, match=f"^here: 'answer': the ground truth {message}"):
        answer_texts(value, "'answer'", "here")


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"so it is $\boxed{5}$.", "5"),
        (r"so it is \boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\fbox{3}", "3"),
        (r"\boxed{1} would be wrong, for then the sum of both would be odd: \boxed{2}", "2"),
        (r"meet in $\boxed{(-2,18)}$ and $\boxed{(8,38)}$.", "(-2,18) ; (8,38)"),
        (r"$\boxed{1}$, $\boxed{2}$ and $\boxed{3}$", "1 ; 2 ; 3"),
        # One value in two forms, a fraction and the decimal of just that size, or one form twice.
        (r"$\boxed{\frac12}$ or $\boxed{0.5}$", "0.5"),
        (r"$\boxed{5}$, \boxed{5}", "5"),
    ],
)
def test_the_answer_is_in_the_last_box(solution, answer):
    assert boxed_answer(solution, "here") == answer


@pytest.mark.parametrize(
    "solution",
    ["5", r"\boxed{}", r"\boxed{ }", r"\boxed{4}, \boxed{ }", r"\boxed{5", r"\boxed{4} no, \boxed{5", "#### 5"],
)
def test_a_solution_without_an_answer_in_its_last_box_has_none(solution):
    message = r"^here: 'solution' must have its answer in a last \\boxed\{\}, got none$"
    with pytest.raises(UnsolvableError, match=message):
        boxed_answer(solution, "here")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"a": "x"}, "x"),
        ({"b": "y"}, "y"),
        ({"a": None, "b": "y"}, "y"),
        ({"a": 5}, "5"),
        ({"a": 0}, "0"),
        ({"a": 5.0}, "5"),
        ({"a": float("nan")}, ""),
        ({"a": ""}, ""),
        ({"a": None}, ""),
        ({"c": "x"}, ""),
        ({}, ""),
    ],
)
def test_optional_text_is_empty_where_there_is_none(fields, text):
    assert optional_text(record(**fields), "a", "b") == text


@pytest.mark.parametrize("value", [True, 5.5, [], ["x"], {}, {"x": 1}, " ", "\ud800"])
def test_optional_text_refuses_what_is_neither_text_nor_a_whole_number(value):
    with pytest.raises(DataError, match=r"^file line 3: 'a' must be "):
        optional_text(record(a=value), "a")


def test_mapping_gives_objects_and_refuses_the_rest():
    assert mapping({"a": 1}, "'reward_model'", "here") == {"a": 1}
    assert mapping({}, "'reward_model'", "here") == {}
    for value, shown in ((None, "nothing"), ("{}", "'{}'"), ([("a", 1)], r"\[\('a', 1\)\]"), (5, "5")):
        with pytest.raises(DataError, match=f"^here: 'reward_model' must be an object, got {shown}$"):
            mapping(value, "'reward_model'", "here")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), [float("nan")]])
def test_a_number_that_is_none_is_no_answer(value):
    with pytest.raises(DataError, match=r"here: 'answer' must be a finite number or text, got (nan|-?inf)"):
        answer_texts(value, "'answer'", "here")
