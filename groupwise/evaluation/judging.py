"""Judging responses while others are still generated, and writing a set when its last one is judged."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

from groupwise.errors import GroupwiseError
from groupwise.evaluation import responses as files
from groupwise.evaluation.replica import Generated, Response
from groupwise.evaluation.sets import EvaluationSet
from groupwise.hook.verdicts import failure_word
from reward_score import compute_score

STOPPED: Final = "stop"
CUT: Final = "length"
THREADS: Final = 4
"""The verifiers are thread-safe, and wait for worker processes of their own part of the time."""


class Work(NamedTuple):
    """A set to be generated.

    Attributes:
        of: The set.
        prompts: Token ids by the row's number.
        record: What is written beside the responses.
    """

    of: EvaluationSet
    prompts: dict[int, list[int]]
    record: files.Record


def judge(
    each: EvaluationSet,
    row: int,
    prompt: Sequence[int],
    responses: Iterable[Response],
    tokenizer: Any,
    verifier_options: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Decodes and judges the responses to a prompt as the reward manager "groupwise" does.

    Args:
        each: The set.
        row: Number of the prompt's row.
        prompt: Its token ids.
        responses: The responses.
        tokenizer: The model's.
        verifier_options: Options of `reward_score.compute_score`.

    Returns:
        One record for each response, with the fields of SCHEMA.

    Raises:
        GroupwiseError: A response ended neither by itself nor at --max-tokens.
    """
    fields = each.rows[row]
    text = tokenizer.decode(list(prompt))
    records: list[dict[str, Any]] = []
    for sample, response in enumerate(responses):
        if response.finish_reason not in (STOPPED, CUT):
            raise GroupwiseError(
                f"{each.name}: a response must end by itself or at --max-tokens, but vLLM ended one of "
                f"{each.prompt_ids[row]} with {response.finish_reason!r}; see its log."
            )
        solution = tokenizer.decode(response.tokens, skip_special_tokens=True)
        verdict: Mapping[str, Any] = compute_score(
            fields["data_source"],
            solution,
            fields["reward_model"]["ground_truth"],
            fields.get("extra_info"),
            **verifier_options,
        )
        judged = failure_word(verdict["reason"]) is None
        records.append(
            {
                "set": each.name,
                "data_source": fields["data_source"],
                "prompt_id": each.prompt_ids[row],
                "sample": sample,
                "prompt": text,
                "prompt_tokens": len(prompt),
                "response": solution,
                "response_tokens": len(response.tokens),
                "finished": response.finish_reason == STOPPED,
                **{name: float(verdict[name]) if judged else None for name in ("acc", "score", "format")},
                "pred": verdict["pred"],
                "reason": verdict["reason"],
            }
        )
    return records


class Judges:
    """Judges in threads what it is handed; a context manager.

    Args:
        works: The sets.
        output: Where their files go.
        tokenizer: The model's.
        verifier_options: Options of `reward_score.compute_score`.
    """

    def __init__(
        self, works: Sequence[Work], *, output: Path, tokenizer: Any, verifier_options: Mapping[str, Any]
    ) -> None:
        self._works = {work.of.name: work for work in works}
        self._judged: dict[str, dict[int, Future[list[dict[str, Any]]]]] = {name: {} for name in self._works}
        self._output = output
        self._judge = partial(judge, tokenizer=tokenizer, verifier_options=verifier_options)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="judge")
        # Waits for verdicts, so it must not take one of the threads that they come from.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._written: list[Future[None]] = []

    def __enter__(self) -> "Judges":
        return self

    def add(self, generated: Generated) -> None:
        """Takes the responses to a prompt; the last ones of a set cause it to be written.

        Args:
            generated: Whose key is the set's name and the row's number.

        Raises:
            GroupwiseError: A set that was complete before could not be judged.
            OSError: It could not be written.
        """
        name, row = generated.key
        work, judged = self._works[name], self._judged[name]
        judged[row] = self._threads.submit(self._judge, work.of, row, work.prompts[row], generated.responses)
        if len(judged) == len(work.prompts):
            self._written.append(self._writer.submit(self._write, name))
        for written in self._written:
            if written.done():
                written.result()

    def _write(self, name: str) -> None:
        records = [self._judged[name][row].result() for row in sorted(self._judged[name])]
        files.write(self._output, name, records, self._works[name].record)
        del self._judged[name]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._threads.shutdown(wait=kind is None, cancel_futures=kind is not None)
        self._writer.shutdown(wait=kind is None, cancel_futures=kind is not None)
        if kind is None:
            for written in self._written:
                written.result()
