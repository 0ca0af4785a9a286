"""Rewards from verifiable answers: string in, verdict out. The standard library only.

`compute_score` has the signature that verl asks of a reward function. Which source is judged by what is listed here,
one line each; other packages add theirs with `register`.
"""

from collections.abc import Mapping

from reward_score import final_number
from reward_score.registry import UnknownDataSourceError, Verifier, find_verifier, known_sources, register
from reward_score.verdict import Verdict, VerdictDict

__all__ = ["UnknownDataSourceError", "Verdict", "VerdictDict", "Verifier", "compute_score", "known_sources", "register"]

register("openai/gsm8k")(final_number.verify)
register("dipo/arithmetic")(final_number.verify)


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
        **kwargs: Ignored on purpose: verl's reward managers add arguments of their own (`reward_router_address`,
            `sandbox_fusion_url`, ...), different ones by configuration and version, that no verifier here needs.

    Returns:
        `score`, `acc`, `format`, `pred` and `reason`: see `reward_score.verdict.Verdict`.

    Raises:
        UnknownDataSourceError: If no verifier is registered for the data source.
        TypeError: If the response is not a string.
        ValueError: If the ground truth cannot be judged against.
    """
    if not isinstance(solution_str, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are untyped
        raise TypeError(f"solution_str must be the decoded response, a str, got {type(solution_str).__name__}")
    return find_verifier(data_source)(solution_str, ground_truth, extra_info).as_dict()
