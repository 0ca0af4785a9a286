"""From a response to its record, judged as in training."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from groupwise.evaluation import bfcl
from groupwise.evaluation.client import Generated
from groupwise.evaluation.options import Sampling
from groupwise.evaluation.responses import Record
from groupwise.evaluation.sets import EvaluationSet
from groupwise.hook.verdicts import failure_word
from reward_score import compute_score

STOPPED: Final = "stop"


class Work(NamedTuple):
    """A set to be generated.

    Attributes:
        of: The set.
        prompts: Token ids by the row's number.
        sampling: How it is sampled.
        record: What is written beside the responses.
    """

    of: EvaluationSet
    prompts: dict[int, list[int]]
    sampling: Sampling
    record: Record


def judge(
    work: Work, row: int, sample: int, response: Generated, *, tokenizer: Any, verifier_options: Mapping[str, Any]
) -> dict[str, Any]:
    """Decodes and judges a response as the reward manager "groupwise" does, into a record with SCHEMA's fields."""
    fields, prompt = work.of.rows[row], work.prompts[row]
    solution = response.text
    if solution is None:
        solution = tokenizer.decode(response.token_ids, skip_special_tokens=True)
    source = fields["data_source"]
    asked = (source, solution, fields["reward_model"]["ground_truth"], fields.get("extra_info"))
    verdict: Mapping[str, Any] = compute_score(*asked, **verifier_options)
    judged = failure_word(verdict["reason"]) is None
    by_bfcl = compute_score(*asked, **verifier_options, rules="bfcl") if source.startswith(bfcl.PREFIX) else None
    return {
        "set": work.of.name,
        "data_source": source,
        "prompt_id": work.of.prompt_ids[row],
        "sample": sample,
        "prompt": tokenizer.decode(prompt),
        "prompt_tokens": len(prompt),
        "response": solution,
        "response_tokens": len(response.token_ids),
        "finished": response.finish_reason == STOPPED,
        **{name: float(verdict[name]) if judged else None for name in ("acc", "score", "format")},
        "bfcl": by_bfcl["acc"] if by_bfcl and failure_word(by_bfcl["reason"]) is None else None,
        "pred": verdict["pred"],
        "reason": verdict["reason"],
    }
