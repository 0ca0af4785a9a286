"""Rewards from verifiable answers: string in, verdict out.

`compute_score` has the signature that verl asks of a reward function. Which source is judged by what is listed here,
one line each; other packages add theirs with `register`.
"""

import logging
from collections.abc import Mapping
from typing import Any, cast

from reward_score import final_number, math_answer, tool_call
from reward_score.registry import (
    UnknownDataSourceError,
    Verifier,
    find_verifier,
    known_sources,
    register,
    register_format,
)
from reward_score.verdict import (
    UNPARSABLE_GOLD,
    VERIFIER_ERROR,
    GroundTruthError,
    Verdict,
    VerdictDict,
    failed_verdict,
)

__all__ = [
    "GroundTruthError",
    "UnknownDataSourceError",
    "Verdict",
    "VerdictDict",
    "Verifier",
    "compute_score",
    "known_sources",
    "register",
]

logger = logging.getLogger(__name__)
_logged: set[tuple[str, type[Exception]]] = set()

# GSM8K: the number after "####".
register("openai/gsm8k")(math_answer.verify_number)
register("dipo/arithmetic")(final_number.verify)
# MATH: the last box. The names are those that verl's examples and verl's own dispatch use.
register("lighteval/MATH")(math_answer.verify_boxed)
register("DigitalLearningGmbH/MATH-lighteval")(math_answer.verify_boxed)
register("HuggingFaceH4/MATH-500")(math_answer.verify_boxed)
register("hendrycks_math")(math_answer.verify_boxed)
register("math500")(math_answer.verify_boxed)
register("numina_*")(math_answer.verify_boxed)
# DAPO and the sets that are evaluated with it: the last "Answer:" line, else the last box.
register("math_dapo")(math_answer.verify_answer_line)
register("math_dapo_reasoning")(math_answer.verify_answer_line)
register("math")(math_answer.verify_answer_line)
register("DAPO-17k")(math_answer.verify_answer_line)
register("aime*")(math_answer.verify_answer_line)
register("amc*")(math_answer.verify_answer_line)
register("minerva*")(math_answer.verify_answer_line)
register("olympiad*")(math_answer.verify_answer_line)
# Tool calls: ToolRL's rows by their reference answer, BFCL's by its acceptable values.
register("rlla")(tool_call.verify_rlla)
register("bfcl_v3/*")(tool_call.verify_bfcl)
register("bfcl_v4/*")(tool_call.verify_bfcl)
# Any other name, as users give their own data, by what the row says of the form of its answer.
register_format("boxed")(math_answer.verify_boxed)
register_format("answer_line")(math_answer.verify_answer_line)
register_format("hash")(math_answer.verify_boxed)
register_format("calls")(tool_call.verify_bfcl)


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: object,
    extra_info: Mapping[str, object] | None = None,
    **kwargs: object,
) -> VerdictDict:
    """Judges one response.

    Args:
        data_source: Which set the prompt is from; it selects the verifier.
        solution_str: The response as text, of any length and content; it is only ever read.
        ground_truth: The right answer, in the form that the data source's verifier asks for.
        extra_info: The row's `extra_info`, passed on to the verifier.
        **kwargs: Options of the verifier (its keyword-only parameters). Others are ignored on purpose: verl's reward
            managers add arguments of their own (`reward_router_address`, `sandbox_fusion_url`, ...), different ones by
            configuration and version, that no verifier here needs.

    Returns:
        `score`, `acc`, `format`, `pred` and `reason`: see `reward_score.verdict.Verdict`. What could not be judged has
        a reason that begins with "verifier error", "timeout" or "unparsable gold" (`reward_score.verdict.FAILURES`)
        and all zero: verl's own reward managers drop a response whose reward function raises, so an exception would
        not stop a run. The reward manager "dipo" counts these, and stops on too many.

    Raises:
        UnknownDataSourceError: If no verifier is registered for the data source.
        TypeError: If the response is not a string.
    """
    if not isinstance(solution_str, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are untyped
        raise TypeError(f"solution_str must be the decoded response, a str, got {type(solution_str).__name__}")
    verifier, options = find_verifier(data_source, extra_info)
    given = {name: kwargs[name] for name in options & kwargs.keys()}
    if hasattr(ground_truth, "tolist"):
        # pandas hands a column of lists on as numpy arrays, and its scalars as numpy's.
        ground_truth = cast("Any", ground_truth).tolist()
    try:
        verdict = verifier(solution_str, ground_truth, extra_info, **given)
    except GroundTruthError as error:
        verdict = failed_verdict(UNPARSABLE_GOLD, str(error))
    except Exception as error:  # a verifier's bug must neither stop the other responses nor pass for a verdict
        if (data_source, type(error)) not in _logged:
            # Once: a bug that every response meets would fill the log with its traceback.
            _logged.add((data_source, type(error)))
            logger.exception("the verifier of data source %r failed", data_source)
        verdict = failed_verdict(VERIFIER_ERROR, f"{type(error).__name__}: {error}")
    return verdict.as_dict()
