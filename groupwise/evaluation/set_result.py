"""The figures of each evaluation set, from the table of the responses.

Chosen here: a response that could not be judged, which its `reason` says, is left out and counted, and so is a prompt
all of whose responses are. `k` is the largest number of judged responses that a prompt has.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd

from groupwise.errors import GroupwiseError
from groupwise.evaluation import bfcl, statistics
from groupwise.hook.verdicts import KINDS, failure_word

COLUMNS: Final = (
    *("set", "data_source", "prompt_id", "sample", "response", "response_tokens"),
    *("finished", "acc", "bfcl", "score", "format", "pred", "reason"),
)
FILLED: Final = ("set", "data_source", "prompt_id", "sample", "response_tokens", "finished", "reason")

MAX_REASONS: Final = 20
OTHER_REASONS: Final = "other reasons"
_DETAIL: Final = re.compile(r"""'[^']*'|"[^"]*\"""")


class Figure(NamedTuple):
    """A mean over prompts."""

    value: float
    means: np.ndarray  # (resamples,) that of each resample; NaN where there is a single prompt
    prompts: int  # how many it is over


class SetResult(NamedTuple):
    """The figures of one evaluation set."""

    name: str
    sources: list[str]  # its data sources, sorted
    prompts: int  # those without a judged response included
    prompts_left_out: int  # prompts without a judged response
    responses: int  # unjudged ones included
    responses_per_prompt: int  # k; 0 where no response was judged
    unjudged: dict[str, int]  # how many could not be judged, by kind
    mean_length_tokens: float  # of all responses
    truncated_share: float  # of the responses that were cut off before their end, in [0, 1]
    format_share: float | None  # of the judged ones in the form that was asked for, in [0, 1]; None without any
    reasons: dict[str, int]  # responses by reason, without its details; the most frequent first
    figures: dict[str, Figure]  # `mean@k`, `pass@1` to `pass@k`, `maj@k`; empty where no response was judged
    categories: dict[str, Figure]  # of each BFCL category the mean of BFCL's own verdict on each prompt
    ours: dict[str, Figure]  # the same of our verdict, `acc`


class _Prompt(NamedTuple):
    source: str
    acc: list[float]
    pred: list[str]
    bfcl: list[float]


def read_sets(table: pd.DataFrame, *, resamples: int, seed: int) -> Iterator[SetResult]:
    """Puts each set into numbers, sorted by name; the same seed gives the same, and each figure draws for itself.

    The table has a row for each response, in any order, with the columns COLUMNS. `acc` is not read where `reason` says
    that the response could not be judged.

    Raises:
        GroupwiseError: The table has no row, lacks a column or a value, holds a response twice, or a judged response
            has no verdict.
    """
    _check(table)
    for name, rows in table.groupby("set", sort=True):
        failures = [failure_word(reason) for reason in rows["reason"]]
        judged = rows[np.array([word is None for word in failures])]
        prompts = _by_prompt(judged)
        found = rows["prompt_id"].nunique()
        yield SetResult(
            name=str(name),
            sources=sorted(set(rows["data_source"])),
            prompts=found,
            prompts_left_out=found - len(prompts),
            responses=len(rows),
            responses_per_prompt=max((len(prompt.acc) for prompt in prompts), default=0),
            unjudged={kind: count for word, kind in KINDS.items() if (count := failures.count(word))},
            mean_length_tokens=float(rows["response_tokens"].mean()),
            truncated_share=float(1 - rows["finished"].mean()),
            format_share=float(judged["format"].mean()) if len(judged) else None,
            reasons=_reasons(rows["reason"]),
            figures=dict(_figures(prompts, resamples, (seed, crc32(str(name).encode())))),
            categories=dict(_categories([prompt._replace(acc=prompt.bfcl) for prompt in prompts], resamples, seed)),
            ours=dict(_categories(prompts, resamples, seed)),
        )


def _check(table: pd.DataFrame) -> None:
    lacking = [column for column in COLUMNS if column not in table.columns]
    if lacking or not len(table):
        found = f"lacks {', '.join(lacking)}" if lacking else "has no row"
        raise GroupwiseError(
            f"An evaluation must have a row for each response, with the columns {', '.join(COLUMNS)}, but {found}; "
            "evaluate again."
        )
    _check_filled(table, FILLED)
    twice = table[table.duplicated(["set", "prompt_id", "sample"])]
    if len(twice):
        first = twice.iloc[0]
        raise GroupwiseError(
            f"Each response must stand in the table once, but {len(twice)} stand there again, such as sample "
            f"{first['sample']} of prompt {first['prompt_id']!r} of {first['set']}; two prompts may have the same id, "
            "or two evaluations were put together."
        )


def _check_filled(rows: pd.DataFrame, columns: Sequence[str]) -> None:
    holed = [column for column in columns if rows[column].isna().any()]
    if holed:
        raise GroupwiseError(
            f"Each response must have a value for {', '.join(columns)}, but {', '.join(holed)} lacks some."
        )


def _by_prompt(judged: pd.DataFrame) -> list[_Prompt]:
    _check_filled(judged, ("format", "pred"))
    wrong = judged[~judged["acc"].isin((0, 1))]
    if len(wrong):
        first = wrong.iloc[0]
        raise GroupwiseError(
            f"A judged response must have a verdict `acc` of 0 or 1, but {len(wrong)} of {first['set']} have none, as "
            f"that of prompt {first['prompt_id']!r} with acc {first['acc']} and reason {first['reason']!r}; the reason "
            f"of one that was not judged must begin with one of: {', '.join(KINDS)}."
        )
    prompts: dict[object, _Prompt] = {}
    columns = (judged[column].tolist() for column in ("prompt_id", "data_source", "acc", "pred", "bfcl"))
    for prompt_id, source, acc, pred, by_bfcl in zip(*columns, strict=True):
        prompt = prompts.setdefault(prompt_id, _Prompt(source, [], [], []))
        if by_bfcl in (0, 1):
            prompt.bfcl.append(float(by_bfcl))
        prompt.acc.append(float(acc))
        prompt.pred.append(pred)
    return list(prompts.values())


def _figures(prompts: list[_Prompt], resamples: int, seed: tuple[int, int]) -> Iterator[tuple[str, Figure]]:
    if not prompts:
        return
    acc = [prompt.acc for prompt in prompts]
    k = max(map(len, acc))
    yield f"mean@{k}", _figure(statistics.mean_per_prompt(acc), resamples, seed)
    for tried in statistics.tries(k):
        yield f"pass@{tried}", _figure(statistics.pass_per_prompt(acc, k=tried), resamples, seed)
    yield f"maj@{k}", _figure(statistics.maj_per_prompt(acc, [prompt.pred for prompt in prompts]), resamples, seed)


def _categories(prompts: list[_Prompt], resamples: int, seed: int) -> Iterator[tuple[str, Figure]]:
    acc: dict[str, list[list[float]]] = {}
    for prompt in prompts:
        if prompt.source.startswith(bfcl.PREFIX) and prompt.acc:
            acc.setdefault(prompt.source.removeprefix(bfcl.PREFIX), []).append(prompt.acc)
    for category, verdicts in sorted(acc.items()):
        yield category, _figure(statistics.mean_per_prompt(verdicts), resamples, (seed, crc32(category.encode())))


def _figure(values: np.ndarray, resamples: int, seed: tuple[int, int]) -> Figure:
    means = statistics.resampled_means(values, resamples=resamples, seed=seed)
    return Figure(float(values.mean()), means, len(values))


def _reasons(reasons: Iterable[str]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for reason, count in Counter(reasons).items():
        counts[_DETAIL.sub("'...'", reason).partition(": ")[0]] += count
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ordered[MAX_REASONS:])
    return dict(ordered[:MAX_REASONS]) | ({OTHER_REASONS: rest} if rest else {})
