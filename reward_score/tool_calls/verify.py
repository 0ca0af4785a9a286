"""Tool calls: BFCL's single-turn Python rows and ToolRL's data, right or wrong and by degrees.

What a response calls is read by `tool_calls.parser`, judged by `tool_calls.bfcl.checker` or
`tool_calls.rlla`, and its form by `tool_calls.format`; here the parts are put together.

On BFCL rows `acc` is BFCL's verdict on the calls that were read. What BFCL says of rows without wanted calls would pay
for what is no answer. Here a row that wants none takes neither a call that is attempted and cannot be read nor an
answer that says nothing for abstention (see `tool_calls.abstention`); and a row that wants any call asks for a few, all
of functions that are offered. Unfinished thinking is wrong on every row. `rules` "bfcl" gives BFCL's own verdict
instead, for comparison with published figures: no call is abstention, any call is relevant, and calls are read as
ToolRL's handler reads them where the prompt is that handler's.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple

from reward_score.response import THINK_CLOSE, after_thinking
from reward_score.tool_calls import rlla
from reward_score.tool_calls.abstention import find_attempt, says_something
from reward_score.tool_calls.bfcl import checker
from reward_score.tool_calls.bfcl.gold import IRRELEVANCE, RELEVANCE, BfclGold, read_bfcl_gold
from reward_score.tool_calls.bfcl.value import show
from reward_score.tool_calls.format import CALLS_WANTED, Thinking, Wanted, has_form, inner_text, read_thinking
from reward_score.tool_calls.json import Call, print_calls
from reward_score.tool_calls.parser import HANDLER_STYLE, Reading, parse_calls, read_last_block
from reward_score.tool_calls.score import BEST, WORST, scale_score
from reward_score.verdict import (
    CORRECT,
    MAX_REASON_CHARS,
    UNFINISHED_THINKING,
    UNPARSABLE,
    ExtraInfo,
    Verdict,
    one_line,
)

NO_CALL: Final = "no call"
CALL_NOT_WANTED: Final = "call not wanted"
NO_RESPONSE: Final = "no response"

OURS: Final = "ours"
RULES: Final = (OURS, "bfcl")

MOST_RELEVANT_CALLS: Final = 8
"""On a row that wants any call; as many as BFCL's rows want at most."""


class Judgement(NamedTuple):
    """Whether the calls are right, how right in [-3, 3], and why."""

    right: bool
    correct: float
    reason: str


def judgement(fault: str | None, correct: float = WORST) -> Judgement:
    """Judges by what is wrong, None if nothing is."""
    if fault is None:
        return Judgement(True, BEST, CORRECT)
    # Nearly all fit as they are, and making them fit takes as long as all the rest.
    fits = len(fault) <= MAX_REASON_CHARS and fault.isprintable()
    return Judgement(False, correct, fault if fits else one_line(fault))


def verdict_of(judged: Judgement, form: float, pred: str, scale: str) -> Verdict:
    """Puts a verdict together; `form` is 1.0 if the response has the form that was asked for, else 0.0."""
    acc = float(judged.right)
    score = scale_score(scale, judged.correct, form, acc)
    return Verdict(score=score, acc=acc, format=form, pred=pred, reason=judged.reason)


def verify_bfcl(
    solution_str: str,
    ground_truth: object,
    extra_info: ExtraInfo = None,
    /,
    *,
    scale: str = "toolrl",
    formats: Iterable[str] = ("hermes", "toolrl"),
    rules: str = OURS,
) -> Verdict:
    """Judges a response to a single-turn BFCL row with functions in Python; time is linear in it.

    In `extra_info`, `think` is by default "none" (`tool_calls.format.read_thinking`), and with `prompt_style` "toolrl"
    a text for an answer has to stand in `<response>` to have the right form. `scale`: see
    `tool_calls.score.scale_score`; `formats`: see `tool_calls.parser`; `rules`: "ours" or "bfcl"; ValueError if one is
    not known. `pred` is the calls as JSON, sorted; "[]" without a call, "" for what cannot be read.
    """
    gold = read_bfcl_gold(ground_truth)
    thinking = read_thinking(extra_info, "none")
    wanted: Wanted = "calls"
    if gold.category in IRRELEVANCE:
        style = None if extra_info is None else extra_info.get("prompt_style")
        wanted = "response" if style in ("toolrl", HANDLER_STYLE) else "text"
    verdict = _verify(solution_str, partial(_judge_bfcl, gold), wanted, gold.offered, thinking, scale, formats)
    if check_rules(rules) == OURS:
        return verdict
    _, reading = read_response(solution_str, thinking, formats)
    judged = _judge_as_bfcl(gold, calls_for_bfcl(solution_str, extra_info, reading))
    return verdict_of(judged, verdict.format, verdict.pred, scale)


def verify_rlla(
    solution_str: str,
    ground_truth: object,
    extra_info: ExtraInfo = None,
    /,
    *,
    scale: str = "toolrl",
    formats: Iterable[str] = ("hermes", "toolrl"),
) -> Verdict:
    """Judges a response to a row of ToolRL's data (`tool_calls.rlla`), with the options of `verify_bfcl`.

    `think` is by default "asked". `acc` is 1 if the calls are those of the reference answer, or if neither has one and
    the response says something.
    """
    gold = rlla.read_rlla_gold(ground_truth)
    thinking = read_thinking(extra_info, "asked")
    return _verify(solution_str, partial(_judge_rlla, gold), gold.wanted, (), thinking, scale, formats)


def _verify(
    solution_str: str,
    judge: Callable[[Reading], Judgement],
    wanted: Wanted,
    offered: Collection[str],
    thinking: Thinking,
    scale: str,
    formats: Iterable[str],
) -> Verdict:
    head, reading = read_response(solution_str, thinking, formats)
    if reading is not None and not reading.attempted and wanted not in CALLS_WANTED:
        attempt = find_attempt("".join(reading.outside or ()), offered)
        reading = Reading((), True, attempt, None) if attempt else reading
    if reading is None:
        return verdict_of(judgement(UNFINISHED_THINKING), 0.0, "", scale)
    form = float(has_form(head, reading, wanted, thinking))
    return verdict_of(judge(reading), form, "" if reading.fault else print_calls(reading.calls), scale)


def check_rules(rules: str) -> str:
    """Returns the option `rules`; ValueError if it is not one of RULES."""
    if rules not in RULES:
        raise ValueError(f"rules must be one of {', '.join(RULES)}, got {rules!r}: correct the option")
    return rules


def read_response(text: str, thinking: Thinking, formats: Iterable[str]) -> tuple[str, Reading | None]:
    """Reads the calls that follow the thinking, which is given too; None where the thinking is not finished."""
    response = text.strip()
    close = response.rfind(THINK_CLOSE)
    head = response[: close + len(THINK_CLOSE)] if close >= 0 else ""
    answer = after_thinking(response[len(head) :]) if head or thinking != "opened" else None
    if answer is None:
        parse_calls("", formats)  # an unknown format is told whatever the response
        return "", None
    return head, parse_calls(answer, formats)


def _judge_bfcl(gold: BfclGold, reading: Reading) -> Judgement:
    if gold.category in IRRELEVANCE:
        return _judge_abstention(reading, silent=False)
    if unfit := find_unfit(reading):
        return judgement(unfit)
    if gold.category in RELEVANCE:
        return judgement(_find_irrelevant(gold, reading.calls))
    fault = checker.find_fault(gold, reading.calls)
    return judgement(fault) if fault is None else judgement(fault, checker.grade(gold, reading.calls))


def _judge_as_bfcl(gold: BfclGold, calls: Sequence[Call]) -> Judgement:
    if gold.category in IRRELEVANCE:
        return judgement(CALL_NOT_WANTED if calls else None)
    if gold.category in RELEVANCE:
        return judgement(None if calls else NO_CALL)
    return judgement(checker.find_fault(gold, calls))


def calls_for_bfcl(response: str, extra_info: ExtraInfo, reading: Reading | None) -> Sequence[Call]:
    """Returns the calls that BFCL's verdict is on: as ToolRL's handler reads them where the prompt is that handler's.

    Elsewhere those of a reading, none where one of them cannot be read, as BFCL's own handlers of v3 have it.
    """
    if extra_info is not None and extra_info.get("prompt_style") == HANDLER_STYLE:
        return read_last_block(response) or ()
    return reading.calls if reading is not None else ()


def _judge_rlla(gold: rlla.RllaGold, reading: Reading) -> Judgement:
    if not gold.calls:
        return _judge_abstention(reading, silent=gold.wanted == "nothing")
    if unfit := find_unfit(reading):
        return judgement(unfit)
    correct, fault = rlla.grade(gold, reading.calls)
    return judgement(fault, correct)


def _judge_abstention(reading: Reading, *, silent: bool) -> Judgement:
    unfit = find_unfit(reading)
    if unfit != NO_CALL:
        return judgement(unfit or CALL_NOT_WANTED)
    # Tags around nothing are an explicit empty list.
    answers = silent or reading.attempted or says_something(inner_text(" ".join(reading.outside or ())))
    return judgement(None if answers else NO_RESPONSE)


def _find_irrelevant(gold: BfclGold, calls: Sequence[Call]) -> str | None:
    for call in calls:
        if call.name not in gold.offered:
            return f"unknown function {show(call.name)}"
    if len(calls) > MOST_RELEVANT_CALLS:
        return f"wrong number of calls: {len(calls)} for at most {MOST_RELEVANT_CALLS}"
    seen: set[str] = set()
    for call in calls:
        if print_calls([call]) in seen:
            return f"a call that stands twice, of {show(call.name)}"
        seen.add(print_calls([call]))
    return None


def find_unfit(reading: Reading | None) -> str | None:
    """Says why a response makes no call that can be judged; None where it makes one."""
    if reading is None:
        return UNFINISHED_THINKING
    if reading.fault:
        return f"{UNPARSABLE}: {reading.fault}"
    return None if reading.calls else NO_CALL
