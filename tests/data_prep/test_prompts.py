"""What is put around a question, word for word, and that it can be taken off again without touching the question."""

import pytest

from data_prep.prompts import MATH_STYLES, bare_question, math_prompt, reference_answer
from reward_score import compute_score

QUESTION = "What is $2+2$?"

# As their publishers have them: the user's turn of BytedTsinghua-SIA/DAPO-Math-17k; verl 0.9.1's
# examples/data_preprocess math_dataset.py and gsm8k.py; `qwen25-math-cot` of Qwen2.5-Math's evaluation/utils.py.
PROMPTS = {
    "dapo": [
        (
            "user",
            "Solve the following math problem step by step. The last line of your response should be of the form "
            "Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n"
            "\n"
            "What is $2+2$?\n"
            "\n"
            'Remember to put your answer on its own line after "Answer:".',
        )
    ],
    "boxed": [
        ("user", "What is $2+2$? Let's think step by step and output the final answer within \\boxed{}."),
    ],
    "gsm8k": [
        ("user", 'What is $2+2$? Let\'s think step by step and output the final answer after "####".'),
    ],
    "qwen_boxed": [
        ("system", "Please reason step by step, and put your final answer within \\boxed{}."),
        ("user", "What is $2+2$?"),
    ],
}


def test_every_style_has_its_words_here():
    assert set(PROMPTS) == set(MATH_STYLES)


@pytest.mark.parametrize("style", PROMPTS)
def test_a_question_is_asked_in_its_publishers_words(style):
    assert [(message["role"], message["content"]) for message in math_prompt(QUESTION, MATH_STYLES[style])] == PROMPTS[
        style
    ]


@pytest.mark.parametrize("style", PROMPTS)
@pytest.mark.parametrize("answer", ["34", "-7", r"\frac{1}{2}", "x = 5", r"\text{(C)}", "(-2,18) ; (8,38)", "1,\n 2"])
def test_an_answer_written_where_the_style_asks_for_it_is_found_there(style, answer):
    number = "hash" in MATH_STYLES[style].answer_format
    if number and not answer.lstrip("-").isdigit():
        return  # after "####" stands a number: of the sets only GSM8K asks so
    written = reference_answer(answer, MATH_STYLES[style].answer_format)
    assert "\n" not in written
    verdict = compute_score("math500", written, answer, {"answer_format": MATH_STYLES[style].answer_format})
    assert (verdict["acc"], verdict["format"]) == (1.0, 1.0)


@pytest.mark.parametrize("style", PROMPTS)
def test_an_answer_written_where_another_style_asks_for_it_lacks_the_form(style):
    for other in PROMPTS:
        asked, given = MATH_STYLES[other].answer_format, MATH_STYLES[style].answer_format
        verdict = compute_score(
            "math500", reference_answer("34", MATH_STYLES[style].answer_format), "34", {"answer_format": asked}
        )
        assert (verdict["format"] == 1.0) == (asked == given)


@pytest.mark.parametrize("style", PROMPTS)
@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        "Find $x$:\n\n\\[x^2 = 4.\\]",
        "Answer: what?",
        "Let's think step by step and output the final answer.",
        "x" * 10_000,
        "\N{GREEK SMALL LETTER PI} < 4?",
    ],
)
def test_what_is_put_around_a_question_comes_off_again(style, question):
    asked = math_prompt(question, MATH_STYLES[style])[-1]["content"]
    assert bare_question(asked) == question
    assert bare_question(f"\n{question} ") == question


# What slime (THUDM/slime, docs: quick start, "Data Format") shows of zhuzilin/dapo-math-17k.
SLIME = (
    "Solve the following math problem step by step. The last line of your response should be of the form "
    "Answer: \\boxed{$Answer} where $Answer is the answer to the problem.\n\nWhat is $2+2$?\n\n"
    'Remember to put your answer on its own line after "Answer:".'
)


def test_the_words_of_slimes_copy_of_dapo_come_off_too():
    assert bare_question(SLIME) == QUESTION


@pytest.mark.parametrize(
    "question",
    [
        # One end only, the words inside, or other words.
        "Solve the following math problem step by step. What is $2+2$?",
        'What is $2+2$?\n\nRemember to put your answer on its own line after "Answer:".',
        PROMPTS["dapo"][0][1] + " Be brief.",
        "Hello! " + PROMPTS["dapo"][0][1],
        PROMPTS["dapo"][0][1].replace("step by step", "slowly"),
        PROMPTS["boxed"][0][1] + " Thanks.",
        "Someone is told: Let's think step by step and output the final answer within \\boxed{}. How many words?",
        "What does the output of the final answer after #### mean?",
        "Please reason step by step, and put your final answer within \\boxed{} for $2+2$.",
    ],
)
def test_a_question_that_only_has_such_words_is_left_alone(question):
    assert bare_question(question) == question


def test_qwens_request_in_the_users_turn_comes_off_too():
    asked = "What is $2+2$?\nPlease reason step by step, and put your final answer within \\boxed{}."
    assert bare_question(asked) == "What is $2+2$?"
