"""What several methods would have made of the same run, one beside the other.

They differ where GRPO gives nothing, in the groups without variance: hard ones (all wrong) and easy ones (all right).
Of a method that gives each token an advantage of its own, a response's is the mean over its tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from rich.table import Table

from groupwise.dumps.reader import Dump, read_dump
from groupwise.errors import GroupwiseError
from groupwise.maths.groups import GroupKind
from groupwise.method import METHODS, Outcome
from groupwise.replay.by_step import TEXTS
from groupwise.replay.run import UNJUDGED, Step, steps_of
from groupwise.replay.settings import Chosen, choose
from groupwise.terminal import plain_table

BASE: Final = "grpo"
"""The base estimator, verl's GRPO, stands beside the methods."""

KINDS: Final = {**{kind.value: kind.name.lower() for kind in GroupKind}, UNJUDGED: "unjudged"}
DEAD: Final = ["hard", "easy"]
"""Groups without variance."""
SIDES: Final = ("sure", "unsure")
SHARE, SIZE = ".0%", ".3f"
COLUMNS: Final = {
    "gradient_share": ("gradient", SHARE),
    "dead_share": ("dead |A|", SHARE),
    "mean_size/hard": ("|A| hard", SIZE),
    "mean_size/easy": ("|A| easy", SIZE),
    "pushed_up/hard": ("up: hard", SHARE),
    "pushed_up/hard/sure": ("sure", SHARE),
    "pushed_up/hard/unsure": ("unsure", SHARE),
    "pushed_up/easy": ("up: easy", SHARE),
    "pushed_up/easy/sure": ("sure", SHARE),
    "pushed_up/easy/unsure": ("unsure", SHARE),
}
NOTES: Final = (
    "gradient: share of responses with an advantage other than 0. dead |A|: share of the summed |advantage| that lies "
    "on groups without variance. |A|: mean |advantage| of a response in hard groups (all wrong) and in easy ones (all "
    "right). up: share of the responses there that would become more likely (advantage above 0), and the same of the "
    "sure and the unsure ones, with a perplexity below and above their group's median."
)
AGREEMENT: Final = (
    "Agreement of the methods that act on groups without variance: share of responses there whose advantages have "
    "equal signs (0 is one too), and Spearman's rank correlation of these advantages (- where one gives all the same)."
)


class Compared(NamedTuple):
    """Several methods on the same responses; all three have a row a response."""

    responses: pd.DataFrame
    """step, update, row in the dump, uid, kind (hard, easy, mixed or unjudged), side (sure, unsure or none)."""
    advantages: pd.DataFrame
    """A column a method, the base estimator first."""
    sizes: pd.DataFrame
    """Mean |advantage| over a response's tokens, likewise."""
    lacking: dict[str, str]
    """By method a sentence on why it was left out."""


def choose_all(first: Dump, settings: Mapping[str, Mapping[str, Any]]) -> tuple[list[Chosen], dict[str, str]]:
    """Builds the methods that settings are given for; by name a sentence for each that cannot be built.

    Raises:
        GroupwiseError: None can be, or there is no method of such a name.
    """
    chosen, refused = list[Chosen](), dict[str, str]()
    for name, given in settings.items():
        try:
            chosen.append(choose(first, given, method=name))
        except GroupwiseError as error:
            refused[name] = f"{name} was left out: {error}"
            if name not in METHODS or len(refused) == len(settings):
                raise
    return chosen, refused


def compare(files: Sequence[Path], chosen: Sequence[Chosen], *, correct_above: float | None) -> Compared:
    """Replays dumps with at least one method each, one dump at a time in memory.

    Raises:
        GroupwiseError: A dump cannot be used.
    """
    methods = {each.method.name: each.method for each in chosen}
    normalize_by_std = chosen[0].method.normalize_by_std
    lacking: dict[str, str] = {}
    parts: list[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]] = []
    dumps = (read_dump(file, without=TEXTS) for file in files)
    for step in steps_of(dumps, correct_above=correct_above):
        base = Outcome(step.batch.responses.base_advantage(normalize_by_std=normalize_by_std))
        found = {BASE: _numbers(base, step)}
        for name, method in methods.items():
            if name not in lacking:
                try:
                    found[name] = _numbers(step.batch.outcome(method), step)
                except (GroupwiseError, ValueError) as error:
                    lacking[name] = f"{method.display()} was left out: {error}"
        values, sizes = (pd.DataFrame({name: both[which] for name, both in found.items()}) for which in (0, 1))
        parts.append((_labels(step), values, sizes))
    responses, advantages, sizes = (pd.concat(each, ignore_index=True) for each in zip(*parts, strict=True))
    kept = [BASE, *(name for name in methods if name not in lacking)]
    return Compared(responses, advantages[kept], sizes[kept], lacking)


def _numbers(outcome: Outcome, step: Step) -> tuple[np.ndarray, np.ndarray]:
    """Advantage and size of each response, 2x (B,) float64."""
    advantage, size = outcome.advantage.double(), outcome.advantage.double().abs()
    if advantage.dim() == 2:
        tokens = step.batch.responses.tokens
        assert tokens is not None  # what an advantage of each token was computed from
        length = tokens.mask.sum(dim=1).clamp(min=1)
        advantage, size = advantage.sum(dim=1) / length, size.sum(dim=1) / length
    return advantage.numpy(), size.numpy()


def _labels(step: Step) -> pd.DataFrame:
    batch, responses = step.batch, step.batch.responses
    perplexity = responses.perplexity.numpy() if responses.has_perplexity else np.full(len(batch.rows), np.nan)
    frame = pd.DataFrame({"step": batch.step, "update": batch.update, "row": batch.rows, "perplexity": perplexity})
    frame["uid"] = step.dump.table["uid"].take(batch.rows).to_pylist()
    frame["kind"] = pd.Series(step.kind.numpy()).map(KINDS)
    median = frame.groupby("uid", sort=False)["perplexity"].transform("median")
    sides = [frame["perplexity"] < median, frame["perplexity"] > median]
    frame["side"] = np.select(sides, SIDES, default="")
    return frame


def figures(compared: Compared) -> dict[str, dict[str, float | None]]:
    """By method the figures of COLUMNS; None where there is no response to take one from."""
    kind, side = compared.responses["kind"], compared.responses["side"]
    is_dead = kind.isin(DEAD)
    found: dict[str, dict[str, float | None]] = {}
    for name in compared.sizes.columns:
        size, is_up = compared.sizes[name], compared.advantages[name] > 0
        total = size.sum()
        own = {"gradient_share": (size > 0).mean(), "dead_share": size[is_dead].sum() / total if total else 0.0}
        own |= {f"mean_size/{each}": size[kind == each].mean() for each in DEAD}
        for each in DEAD:
            own |= {f"pushed_up/{each}/{which}": is_up[(kind == each) & (side == which)].mean() for which in SIDES}
            own[f"pushed_up/{each}"] = is_up[kind == each].mean()
        found[name] = {key: None if np.isnan(value) else float(value) for key, value in own.items()}
    return found


def agreement(compared: Compared) -> dict[str, dict[str, dict[str, float | None]]]:
    """For each pair of methods that act there, `equal_signs` and `rank_correlation`; see AGREEMENT."""
    dead = compared.advantages[compared.responses["kind"].isin(DEAD)]
    dead = dead.loc[:, (dead != 0).any()]
    ranks = dead.corr(method="spearman")
    signs = np.sign(dead)
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for one in dead.columns:
        for other in dead.columns[dead.columns != one]:
            rank = float(ranks.loc[one, other])
            pair = {"equal_signs": float((signs[one] == signs[other]).mean())}
            found.setdefault(one, {})[other] = {**pair, "rank_correlation": None if np.isnan(rank) else rank}
    return found


def tables(compared: Compared) -> Iterator[tuple[list[str], list[list[str]], str]]:
    """The tables, of figures and of agreement: head, rows, and how to read it."""
    rows = [
        [name, *("-" if own[key] is None else format(own[key], form) for key, (_, form) in COLUMNS.items())]
        for name, own in figures(compared).items()
    ]
    yield ["method", *(title for title, _ in COLUMNS.values())], rows, NOTES
    found = agreement(compared)
    # A number stands for a method's name in the head.
    rows = [
        [f"{place} {one}", *(_pair(others[other]) if other in others else "" for other in found)]
        for place, (one, others) in enumerate(found.items(), start=1)
    ]
    yield ["", *map(str, range(1, len(found) + 1))], rows, AGREEMENT


def _pair(pair: Mapping[str, float | None]) -> str:
    rank = pair["rank_correlation"]
    return f"{pair['equal_signs']:.0%} {'-' if rank is None else f'{rank:+.2f}'}"


def describe(compared: Compared) -> list[str | Table]:
    """Words a comparison for the terminal: lines and tables."""
    count = len(compared.responses)
    dead = int(compared.responses["kind"].isin(DEAD).sum())
    parts: list[str | Table] = [f"{count:,} responses, {dead:,} of them in groups without variance", ""]
    for head, rows, note in tables(compared):
        if rows[1:] or note is NOTES:
            found = plain_table(*head)
            for row in rows:
                found.add_row(*row)
            parts += [found, "", note, ""]
    return [*parts, *compared.lacking.values()]


def to_json(compared: Compared, chosen: Sequence[Chosen]) -> dict[str, Any]:
    """Puts a comparison into what `--json` writes."""
    return {
        "settings": {each.method.name: each.settings for each in chosen},
        "responses": len(compared.responses),
        "methods": figures(compared),
        "agreement": agreement(compared),
        "left_out": compared.lacking,
    }
