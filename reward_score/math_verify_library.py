"""Hugging Face's Math-Verify as a reward function of verl's signature, to compare verifiers with."""

# The library has no stubs, and its hints do not say that None turns an alarm off.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportArgumentType=false

import logging
from typing import Any

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

from reward_score.verdict import GroundTruthError, short

# It warns at every call without its alarms, which the sandbox makes needless.
logging.getLogger("math_verify").setLevel(logging.ERROR)


def compute_score(
    data_source: str, solution_str: str, ground_truth: object, extra_info: Any = None
) -> dict[str, object]:
    """Judges as its README does: the gold in a box, the answer in LaTeX or as an expression; without its own alarms."""
    gold = parse(f"\\boxed{{{ground_truth}}}", [LatexExtractionConfig()], parsing_timeout=None)
    if not gold:
        raise GroundTruthError(f"Math-Verify cannot read the ground truth {short(ground_truth)}")
    answer = parse(solution_str, [LatexExtractionConfig(), ExprExtractionConfig()], parsing_timeout=None)
    if not answer:
        return {"score": 0.0, "reason": "no answer"}
    right = bool(verify(gold, answer, timeout_seconds=None))
    return {"score": float(right), "pred": str(answer[-1]), "reason": "correct" if right else "wrong answer"}
