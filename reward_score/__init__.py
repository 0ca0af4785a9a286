"""Rewards from verifiable answers: string in, verdict out.

`compute_score` has the signature that verl asks of a reward function. Which source is judged by what is listed here,
one line each; other packages add theirs with `register`, in a module that is loaded as `reward_score.plugins` says.
"""

import logging
from collections.abc import Iterable
from typing import Any, cast

from reward_score.math import final_number
from reward_score.math.verify import verify_answer_line, verify_boxed, verify_number
from reward_score.plugins import VerifierImportError, find_verifier, known_sources
from reward_score.registry import UnknownDataSourceError, Verifier, judge_here_where, register, register_format
from reward_score.sandbox import guard
from reward_score.sandbox.brief import ends_in_number, is_short_call
from reward_score.tool_calls.evaluated import verify_other_language, verify_session
from reward_score.tool_calls.verify import verify_bfcl, verify_rlla
from reward_score.verdict import ExtraInfo, GroundTruthError, Verdict, VerdictDict

__all__ = [
    "GroundTruthError",
    "UnknownDataSourceError",
    "Verdict",
    "VerdictDict",
    "Verifier",
    "VerifierImportError",
    "compute_score",
    "known_sources",
    "register",
]

logger = logging.getLogger(__name__)
_logged: set[tuple[str, str]] = set()

# What cannot take long is judged in the caller's process, the rest in one that can be killed.
judge_here_where(ends_in_number("hash"), final_number.verify, verify_number)
judge_here_where(ends_in_number("boxed"), verify_boxed)
judge_here_where(ends_in_number("answer_line"), verify_answer_line)
judge_here_where(is_short_call, verify_bfcl, verify_rlla)
# GSM8K: the number after "####".
register("openai/gsm8k")(verify_number)
register("dipo/arithmetic")(final_number.verify)
# MATH: the last box. The names are those that verl's examples and verl's own dispatch use.
register("lighteval/MATH")(verify_boxed)
register("DigitalLearningGmbH/MATH-lighteval")(verify_boxed)
register("HuggingFaceH4/MATH-500")(verify_boxed)
register("hendrycks_math")(verify_boxed)
register("math500")(verify_boxed)
register("numina_*")(verify_boxed)
# DAPO and the sets that are evaluated with it: the last "Answer:" line, else the last box.
register("math_dapo")(verify_answer_line)
register("math_dapo_reasoning")(verify_answer_line)
register("math")(verify_answer_line)
register("DAPO-17k")(verify_answer_line)
register("aime*")(verify_answer_line)
register("amc*")(verify_answer_line)
register("minerva*")(verify_answer_line)
register("olympiad*")(verify_answer_line)
# Tool calls: ToolRL's rows by their reference answer, BFCL's by its acceptable values.
register("rlla")(verify_rlla)
register("bfcl_v3/*")(verify_bfcl)
register("bfcl_v4/*")(verify_bfcl)
register("bfcl_v3/java")(verify_other_language)
register("bfcl_v3/javascript")(verify_other_language)
register("bfcl_v3/multi_turn_*", seconds=10)(verify_session)
# Any other name, as users give their own data, by what the row says of the form of its answer.
register_format("boxed")(verify_boxed)
register_format("answer_line")(verify_answer_line)
register_format("hash")(verify_boxed)
register_format("calls")(verify_bfcl)


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: object,
    extra_info: ExtraInfo = None,
    *,
    imports: Iterable[str] = (),
    **kwargs: object,
) -> VerdictDict:
    """Judges one response.

    `extra_info` is the row's. `imports` are plug-ins with verifiers, loaded at their first mention
    (`reward_score.plugins`). `kwargs` are the verifier's options, its keyword-only parameters; others are ignored on
    purpose, because verl's reward managers add arguments of their own (`reward_router_address`, `sandbox_fusion_url`,
    ...) by configuration and version.

    What could not be judged has a reason that begins with one of `reward_score.verdict.FAILURES` and zeros elsewhere.
    It does not raise: verl's own reward managers drop a response whose reward function raises, so an exception would
    not stop a run. The reward manager of `groupwise` counts these, and stops on too many.

    Raises:
        UnknownDataSourceError: If no verifier is registered for the data source, or a plug-in cannot be loaded.
        TypeError: If the response is not a string.
    """
    if not isinstance(solution_str, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are untyped
        raise TypeError(f"solution_str must be the decoded response, a str, got {type(solution_str).__name__}")
    found = find_verifier(data_source, extra_info, imports)
    given = {name: kwargs[name] for name in found.options & kwargs.keys()}
    if hasattr(ground_truth, "tolist"):
        # pandas hands a column of lists on as numpy arrays, and its scalars as numpy's.
        ground_truth = cast("Any", ground_truth).tolist()
    verdict, trace = guard.judge(data_source, found, (solution_str, ground_truth, extra_info), given)
    kind = verdict["reason"].split(":")[1] if trace else ""
    if trace and (data_source, kind) not in _logged:
        # Once: a bug that every response meets would fill the log with its traceback.
        _logged.add((data_source, kind))
        logger.error("the verifier of data source %r failed: %s", data_source, trace)
    return verdict
