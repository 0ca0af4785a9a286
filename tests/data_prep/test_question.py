"""Which questions are the same: spelling does not count, every sign of the mathematics does."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.errors import DataError
from data_prep.prompts import MATH_STYLES, math_prompt
from data_prep.question import digest, normalised, prompt_digest, question_digest, question_of, questions_in
from data_prep.schema import make_row, write_parquet


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is $x$?", "What is x?"),
        ("What is $x$?", r"What is \(x\)?"),
        ("Find $$x+1$$.", r"Find \[x+1\]."),
        ("Find  x \n\t now ", "Find x now"),
        ("Findx", "Find x"),
        ("Let $N$ be", "let $n$ BE"),
        (r"\frac{1}{2}", r"\dfrac{1}{2}"),
        (r"\frac{1}{2}", r"\tfrac{1}{2}"),
        (r"\frac12", r"\cfrac12"),
        (r"\left( x \right)", "(x)"),
        (r"1\,000", "1000"),
        (r"a\;b\:c\!d\ e", "abcde"),
        ("a~b", "a b"),
        ("a\N{NO-BREAK SPACE}b", "a b"),
        ("\N{FULLWIDTH DIGIT TWO}\N{FULLWIDTH PLUS SIGN}2", "2+2"),
        ("\N{LATIN SMALL LIGATURE FI}nd", "find"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"),
        ("Stra\N{LATIN SMALL LETTER SHARP S}e", "STRASSE"),
        ("", " "),
    ],
)
def test_spelled_otherwise_it_is_the_same_question(one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x-1", "x+1"),
        ("x<1", "x>1"),
        ("x<1", r"x\le 1"),
        ("x^2", "x2"),
        ("x^2", "x_2"),
        ("1/2", "12"),
        ("1.5", "15"),
        ("f(x)", "fx"),
        ("[0,1]", "(0,1)"),
        ("{1}", "1"),
        (r"\frac{1}{2}", r"\binom{1}{2}"),
        (r"\dfracture", r"\fracture"),
        (r"\leftarrow", "arrow"),
        (r"\rightarrow", "arrow"),
        ("5!", "5"),
        ("5%", "5"),
        ("|x|", "x"),
        ("What is x?", "What is x"),
        ("\N{GREEK SMALL LETTER PI}", "p"),
    ],
)
def test_with_another_sign_it_is_another_question(one, other):
    assert normalised(one) != normalised(other)


def test_a_power_in_unicode_is_no_digit_beside_the_base():
    assert normalised("2\N{SUPERSCRIPT THREE}+1") != normalised("23+1")


def test_normalised_twice_is_normalised_once():
    for question in (
        r"Let $\left(\dfrac{a}{b}\right)$",
        r"\ ( \[ x \] ~",
        "\N{VULGAR FRACTION ONE HALF} I\N{DOUBLE-STRUCK CAPITAL N}",
    ):
        assert normalised(normalised(question)) == normalised(question)


def test_digests_tell_texts_apart_and_have_128_bits():
    numbers = [digest(text) for text in ("", "\N{GREEK SMALL LETTER PI}", *map(str, range(1000)))]
    assert len(set(numbers)) == len(numbers)
    # All of 1,002 numbers of 128 bits are below 2^127 once in 2^1002 times.
    assert 2**127 <= max(numbers) < 2**128
    assert digest("a") == digest("a")


def row(question="What is $2+2$?", *, style="dapo", identity="a"):
    return make_row(
        data_source="math_dapo",
        prompt=math_prompt(question, MATH_STYLES[style]),
        ability="math",
        ground_truth="4",
        reference_response="Answer: 4",
        split="test",
        identity=identity,
        question=question,
    )


def test_the_question_of_a_row_is_its_own_or_what_its_prompt_asks():
    made = row()
    assert question_of(made) == "What is $2+2$?"
    for style in MATH_STYLES:
        prompt = math_prompt("What is $2+2$?", MATH_STYLES[style])
        for extra_info in (None, {}, {"question": ""}, {"question": " "}, {"question": None}, {"question": 5}):
            assert question_of({"prompt": prompt, "extra_info": extra_info}) == "What is $2+2$?"
        assert question_of({"prompt": prompt}) == "What is $2+2$?"
    assert question_of(made | {"extra_info": {"question": "another"}}) == "another"


def test_prompts_that_differ_in_spelling_only_have_one_digest():
    assert prompt_digest(row("What is $2+2$?")) == prompt_digest(row("what  is \\(2+2\\)?"))


def test_prompts_that_ask_another_thing_or_in_another_way_have_other_digests():
    bare = {"prompt": [{"role": "user", "content": "What is $2+2$?"}]}
    made = [bare, row("What is $2-2$?"), *(row(style=style) for style in MATH_STYLES)]
    assert len({prompt_digest(one) for one in made}) == len(made)


def test_messages_do_not_run_into_one_another():
    def conversation(*contents):
        return {"prompt": [{"role": "user", "content": content} for content in contents]}

    assert prompt_digest(conversation("a", "b")) != prompt_digest(conversation("ab"))
    assert prompt_digest(conversation("ab", "c")) != prompt_digest(conversation("a", "bc"))


def test_a_set_knows_the_questions_of_its_files_in_any_spelling(tmp_path):
    path = tmp_path / "test.parquet"
    write_parquet([("one", row()), ("two", row("What is $3+3$?", identity="b"))], path)
    known = questions_in([path])
    assert len(known) == 2
    assert question_digest(r"what is \(2 + 2\)?") in known
    assert question_digest("What is $2-2$?") not in known
    assert questions_in([path, path]) == known


def test_a_set_takes_other_makers_files_in_any_known_prompt(tmp_path):
    rows = [
        {
            "data_source": "x",
            "prompt": math_prompt(f"What is $2+{number}$?", MATH_STYLES[style]),
            "reward_model": {"style": "rule", "ground_truth": "4"},
        }
        for number, style in enumerate(MATH_STYLES)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    known = questions_in([tmp_path / "x.parquet"])
    assert [question_digest(f"What is 2+{number}?") in known for number in range(-1, len(rows) + 1)] == [
        False,
        *[True] * len(rows),
        False,
    ]


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*absent\.parquet"):
        questions_in([tmp_path / "absent.parquet"])
