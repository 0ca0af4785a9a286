r"""What is asked of a model besides the question: one place for every prompt style of the math sets.

The verifier looks for the answer where the style asks for it (`answer_format`), so a style is one line here and
nowhere else. Sources: `boxed` and `gsm8k` verl's examples/data_preprocess (math_dataset.py, gsm8k.py); `qwen_boxed`
Qwen2.5-Math's evaluation/utils.py, `qwen25-math-cot`; `dapo` the prompt of BytedTsinghua-SIA/DAPO-Math-17k.
"""

import argparse
import sys
from pathlib import Path
from typing import Final, NamedTuple, cast

from data_prep.errors import DataError, short
from data_prep.schema import REFERENCE_ANSWERS, Message


class MathStyle(NamedTuple):
    """A way of asking a question whose answer is a value.

    `before` and `after` stand around the question, behind a system message ("" for none); `answer_format` is where the
    answer stands: "boxed", "answer_line" or "hash" (`reward_score`).
    """

    name: str
    before: str
    after: str
    system: str
    answer_format: str


_STYLES: Final = (
    MathStyle(
        "boxed",
        before="",
        after=r" Let's think step by step and output the final answer within \boxed{}.",
        system="",
        answer_format="boxed",
    ),
    MathStyle(
        "qwen_boxed",
        before="",
        after="",
        system=r"Please reason step by step, and put your final answer within \boxed{}.",
        answer_format="boxed",
    ),
    MathStyle(
        "dapo",
        before="Solve the following math problem step by step. The last line of your response should be of the form"
        " Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n",
        after='\n\nRemember to put your answer on its own line after "Answer:".',
        system="",
        answer_format="answer_line",
    ),
    MathStyle(
        "gsm8k",
        before="",
        after=' Let\'s think step by step and output the final answer after "####".',
        system="",
        answer_format="hash",
    ),
)
MATH_STYLES: Final = {style.name: style for style in _STYLES}

OTHERS_PROMPTS: Final = (
    # slime's copy of DAPO's problems, zhuzilin/dapo-math-17k
    (
        "Solve the following math problem step by step. The last line of your response should be of the form"
        r" Answer: \boxed{$Answer} where $Answer is the answer to the problem."
        "\n\n",
        MATH_STYLES["dapo"].after,
    ),
    # Qwen2.5-Math's `qwen-boxed`, which has it in the user's turn
    ("", "\n" + MATH_STYLES["qwen_boxed"].system),
)
"""What copies of the sets put before and after a question, besides MATH_STYLES."""


def asked_style(options: argparse.Namespace, name: str) -> MathStyle:
    """Returns one of MATH_STYLES, or "own" as `--template` and `--system` ask, with the answer where that has it."""
    template, system = cast("str | None", options.template), cast("str | None", options.system)
    if template is None and system is None:
        return MATH_STYLES[name]
    _, before, after, known, answer_format = MATH_STYLES[name]
    if template is not None:
        try:
            text = Path(template[1:]).read_text("utf-8") if template.startswith("@") else template
        except UnicodeDecodeError as error:
            raise DataError(f"--template {template} must be UTF-8, but {error.reason}") from error
        before, mark, after = text.partition("{question}")
        if not mark or "{question}" in after:
            raise DataError(f"--template must have {{question}} once, got {short(text)}")
    system = known if system is None else system
    place = _PLACES[answer_format]
    if place not in f"{before}{after}{system}":
        sys.stderr.write(f"note: in --template and --system nothing asks for {place}, where the answer is looked for\n")
    return MathStyle("own", before, after, system, answer_format)


_PLACES: Final = {"boxed": r"\boxed", "answer_line": "Answer:", "hash": "####"}


def math_prompt(question: str, style: MathStyle) -> list[Message]:
    """Asks a bare question in a style, as chat messages."""
    user: Message = {"role": "user", "content": f"{style.before}{question}{style.after}"}
    return [{"role": "system", "content": style.system}, user] if style.system else [user]


def reference_answer(answer: str, answer_format: str) -> str:
    """Writes an answer where it is asked for: the end of a right response, on one line."""
    return REFERENCE_ANSWERS[answer_format] % " ".join(answer.split())


def bare_question(content: str) -> str:
    """Takes off what a style puts around a question, if anything, and white space."""
    around = [(style.before, style.after) for style in MATH_STYLES.values()]
    for before, after in (*around, *OTHERS_PROMPTS):
        if before + after and content.startswith(before) and content.endswith(after):
            return content[len(before) : len(content) - len(after)].strip()
    return content.strip()
