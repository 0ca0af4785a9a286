"""Other verifiers by name, to judge the same responses: `reward_score --against`, `groupwise.audit --held-out`.

A name is that of a data source with a verifier, `math_verify` (Hugging Face's Math-Verify), `verl` (verl's own dispatch
by data source), or "package.module:function", a reward function of verl's signature. All judge in the sandbox.
"""

import importlib.util
from collections.abc import Callable
from typing import Final

from reward_score import compute_score, plugins
from reward_score.registry import Registered, UnknownDataSourceError
from reward_score.rescore.rows import infer_data_source
from reward_score.sandbox import guard
from reward_score.verdict import VERIFIER_ERROR, ExtraInfo, VerdictDict, failed_verdict

Judge = Callable[[str, str, object, str, ExtraInfo], VerdictDict]
"""Judges by data source ("" where none is known), response, ground truth, prompt and extra_info."""

FUNCTIONS: Final = {
    "math_verify": "reward_score.math_verify_library:compute_score",
    "verl": "verl.utils.reward_score:default_compute_score",
}
SECONDS: Final = 5.0
"""For a verdict of another's verifier."""


def find_judge(name: str) -> Judge:
    """Finds a verifier by its name, see above; "" is the one of each row's data source.

    Raises UnknownDataSourceError if there is none of that name; the message says what there is.
    """
    target = FUNCTIONS.get(name, name)
    module, colon, _ = target.partition(":")
    if colon:
        return _by_function(module, target)
    if name and not plugins.has_verifier(name, None):
        raise _unknown(f"there is none of the name {name!r}")
    return _by_source(name)


def _by_source(name: str) -> Judge:
    def judge(data_source: str, response: str, ground_truth: object, prompt: str, extra_info: ExtraInfo) -> VerdictDict:
        source = name or data_source
        if not name and not plugins.has_verifier(source, extra_info):
            inferred = infer_data_source(prompt, ground_truth)
            if inferred is None:
                why = f"{data_source!r} has no verifier, and neither ground truth nor prompt tell which"
                return failed_verdict(VERIFIER_ERROR, why).as_dict()
            source = inferred.data_source
        return compute_score(source, response, ground_truth, extra_info)

    return judge


def _by_function(module: str, target: str) -> Judge:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise _unknown(f"there is no module {module!r}")
    needs = f"module {module} {spec.origin or ''}".rstrip()
    found = Registered(
        plugins.judge_by_function, frozenset(), None, SECONDS, needs, "reward_score.plugins:judge_by_function"
    )

    def judge(data_source: str, response: str, ground_truth: object, prompt: str, extra_info: ExtraInfo) -> VerdictDict:
        options: dict[str, object] = {"function": target, "data_source": data_source}
        return guard.judge(target, found, (response, ground_truth, extra_info), options)[0]

    return judge


def _unknown(found: str) -> UnknownDataSourceError:
    known = ", ".join([*FUNCTIONS, *plugins.known_sources()])
    return UnknownDataSourceError(f"a verifier must be package.module:function or one of {known}, but {found}")
