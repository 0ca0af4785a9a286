r"""MATH's and DAPO's conventions: an answer in `\boxed{}`, or on a line "Answer: ...", compared by value.

What decides, in this order: the same text; the same exact number; the same structure with the same members; the same
value of two expressions, computed exactly or to 60 digits; and for what is left math-verify, in a process of its own
under a hard limit (`math.symbolic`).
"""

import re
from functools import lru_cache
from typing import cast

from reward_score.math import final_number, symbolic
from reward_score.math.answer import Answer, shown
from reward_score.math.damage import restore_escapes
from reward_score.math.equivalence import equivalent
from reward_score.math.latex import canonical
from reward_score.math.location import MAX_ANSWER_CHARS, TruncatedError, find_answer_line, find_boxed
from reward_score.math.quantifier import cut_quantifiers
from reward_score.math.question import question_of
from reward_score.math.scalars import Rules
from reward_score.math.structure import read_answer, read_each_sign
from reward_score.response import after_thinking
from reward_score.verdict import (
    CORRECT,
    MAX_PRED_CHARS,
    NO_ANSWER,
    TIMEOUT,
    UNFINISHED_THINKING,
    WRONG_ANSWER,
    ExtraInfo,
    GroundTruthError,
    Verdict,
    failed_verdict,
    read_any,
    shorten,
)

NO_BOX = "no boxed answer"
TRUNCATED_BOX = "truncated box"
TOO_LONG = "too long"
TOO_COMPLEX = "too complex to compare"

_RELATION = re.compile(r"[=<>]|\\[lgn]e")


def verify_boxed(
    solution_str: str, ground_truth: object, extra_info: ExtraInfo = None, /, *, pure_equivalence: bool = False
) -> Verdict:
    r"""Judges a response whose answer is in its last `\boxed{}`; `format` is 1 if that is there and not empty.

    The ground truth is LaTeX, plain text or a number, or several of these (`reward_score.verdict.read_any`). In
    `extra_info` `answer_format` ("boxed", "answer_line" or "hash") says what the prompt asked for if it is something
    else; `question`, the bare question, or `prompt_text`, the last message, is the prompt (`math.question`). With
    `pure_equivalence` an answer of the right value is right however much is left to be computed in it (`17\cdot 23` for
    391), for figures to be compared with those of verifiers that do so. Raises GroundTruthError if no ground truth can
    be read.
    """
    return _verify(solution_str, ground_truth, extra_info, _asked_for(extra_info) or "boxed", pure_equivalence)


def verify_answer_line(
    solution_str: str,
    ground_truth: object,
    extra_info: ExtraInfo = None,
    /,
    *,
    box_instead: bool = True,
    pure_equivalence: bool = False,
) -> Verdict:
    r"""Judges a response whose answer is behind its last "Answer:"; otherwise as `verify_boxed`.

    With `box_instead` the last `\boxed{}` counts where there is no such line, as in verl 0.9.1
    (verl/utils/reward_score/math_dapo.py); `format` is then 0.
    """
    asked = _asked_for(extra_info) or "answer_line"
    return _verify(solution_str, ground_truth, extra_info, asked, pure_equivalence, box_instead=box_instead)


def verify_number(
    solution_str: str, ground_truth: object, extra_info: ExtraInfo = None, /, *, pure_equivalence: bool = False
) -> Verdict:
    """Judges a response to a question of GSM8K: after "####", unless `extra_info` says that the prompt asked otherwise.

    Otherwise as `verify_boxed`; the ground truth must be a number, or several.
    """
    asked = _asked_for(extra_info) or "hash"
    if asked == "hash":
        return final_number.verify(solution_str, ground_truth, extra_info, pure_equivalence=pure_equivalence)
    read_any(ground_truth, final_number.read_ground_truth)
    return _verify(solution_str, ground_truth, extra_info, asked, pure_equivalence)


def _asked_for(extra_info: ExtraInfo) -> str | None:
    asked = (extra_info or {}).get("answer_format")
    if asked in (None, ""):
        return None
    if asked not in ("boxed", "answer_line", "hash"):
        raise GroundTruthError(
            "extra_info.answer_format must be 'boxed', 'answer_line' or 'hash',"
            f" got {str(asked)[:40]!r}: correct the data"
        )
    return cast("str", asked)


def _verify(
    solution_str: str,
    ground_truth: object,
    extra_info: ExtraInfo,
    asked: str,
    pure_equivalence: bool,
    *,
    box_instead: bool = True,
) -> Verdict:
    golds = read_any(ground_truth, _gold_text)
    text = after_thinking(solution_str)
    if text is None:
        return failed_verdict(UNFINISHED_THINKING)
    try:
        found, as_asked = _find(text, asked, box_instead)
    except TruncatedError:
        return failed_verdict(TRUNCATED_BOX)
    if found is None:
        return failed_verdict(NO_BOX if asked == "boxed" else NO_ANSWER)
    if len(found) > MAX_ANSWER_CHARS:
        return failed_verdict(TOO_LONG)
    # A number that is written out has nothing to do with the prompt, unless it is what an equation gives.
    is_number = found.strip(" $").isdecimal() and "=" not in "".join(golds)
    question = "" if is_number else question_of(extra_info)
    try:
        right, pred, reason = _judge(golds, found, question, pure_equivalence)
        if not right and asked == "answer_line" and as_asked:
            lines = max(gold.strip().count("\n") for gold in golds) + 1
            found = find_answer_line(text, lines) if lines > 1 else None
            right, pred, reason = _judge(golds, found, question, pure_equivalence) if found else (right, pred, reason)
    except _TimedOutError as error:
        right, pred, reason = False, str(error), TIMEOUT
    acc = 1.0 if right else 0.0
    return Verdict(score=acc, acc=acc, format=1.0 if as_asked else 0.0, pred=pred, reason=reason)


def _find(text: str, asked: str, box_instead: bool) -> tuple[str | None, bool]:
    if asked == "boxed":
        return find_boxed(text), True
    if asked == "hash":
        return final_number.final_line(text), True
    found = find_answer_line(text)
    return (find_boxed(text), False) if found is None and box_instead else (found, True)


def _gold_text(ground_truth: object) -> str:
    # A number is as good as its text; the reader of numbers knows all their types.
    text = ground_truth if isinstance(ground_truth, str) else str(final_number.read_ground_truth(ground_truth))
    read_gold(text)
    return text


@lru_cache(maxsize=65536)
def read_gold(text: str) -> tuple[Answer, ...]:
    """Reads a ground truth, once for all responses to it; a box around it is taken off.

    Raises GroundTruthError if there is nothing in it, or more than MAX_ANSWER_CHARS characters.
    """
    text = restore_escapes(text)
    try:
        if "box" in text:
            text = find_boxed(text) or ("" if "boxed" in text else text)
    except TruncatedError:
        text = ""
    readings = read_text(text) if len(text) <= MAX_ANSWER_CHARS else ()
    if not readings:
        raise GroundTruthError(f"the ground truth must be an answer, got {text[:80]!r}: drop or correct the row")
    return readings


class _TimedOutError(Exception):
    """A comparison was ended: raised because what is raised is not cached, so that it is tried again."""


@lru_cache(maxsize=16384)
def _judge(golds: tuple[str, ...], found: str, question: str, pure_equivalence: bool) -> tuple[bool, str, str]:
    """Compares what was found with the ground truths; responses to one prompt repeat their answers."""
    answer = read_text(found, each_sign=True)
    if not answer:
        return False, "", NO_ANSWER
    pred = shorten(shown(answer[0]), MAX_PRED_CHARS)
    comparisons = symbolic.SymbolicComparisons()
    rules = Rules(comparisons.settle, pure_equivalence, question)
    if any(equivalent(read_gold(gold), answer, rules) for gold in golds):
        return True, pred, CORRECT
    if comparisons.timed_out:
        raise _TimedOutError(pred)
    return False, pred, f"{WRONG_ANSWER}: {TOO_COMPLEX}" if comparisons.refused else WRONG_ANSWER


def read_text(text: str, *, each_sign: bool = False) -> tuple[Answer, ...]:
    """Gives the readings of an answer, the likeliest first; none if there is nothing in it.

    With `each_sign` several signs `\\pm` may be independent as well as all upper or all lower: a ground truth is not
    read in two ways.
    """
    if "\n" in text:
        text = _on_one_line(text)
    spelled = canonical(text)
    if not spelled.strip():
        return ()
    cut = cut_quantifiers(text)
    if cut is None:
        return read_answer(spelled) + (read_each_sign(spelled) if each_sign and "\\pm" in spelled else ())
    names = tuple(Answer("scalar", name) for name in sorted(cut.names))
    domain = " ".join(sorted(cut.domain))
    inner = read_answer(canonical(cut.text))
    return *(Answer("quantified", spelled, (one, *names), domain) for one in inner), *read_answer(spelled)


def _on_one_line(text: str) -> str:
    """Makes a list of lines that each hold an equation or a condition."""
    lines = [line for line in text.split("\n") if line.strip()]
    if "\\begin" in text or not all(_RELATION.search(line) for line in lines):
        return " ".join(lines)
    return " ; ".join(line.strip(" \t\r,;$") for line in lines)
