"""Writes rollout dumps: `<trainer.rollout_data_dir>/groupwise/<step>.parquet`, a row a response.

verl dumps a step's texts after the update, when the decision has long been taken; a recorder keeps the decision until
then. The file holds everything that is needed to take the decision again (`groupwise.replay`), exactly: perplexities
and rewards as the float64 and float32 that were used, rows in the order in which they were seen.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from groupwise.dumps.schema import FOLDER, FORMAT, METADATA_KEY, SCHEMA
from groupwise.files import replacing
from groupwise.hook.rollouts import Rollouts
from groupwise.hook.verdicts import REWARD_ERROR_KEY
from groupwise.method import Method, Outcome, Responses


class Settings(NamedTuple):
    """The settings that a run's decisions follow from."""

    estimator: str
    """verl's `algorithm.adv_estimator`."""
    normalize_by_std: bool
    updates_per_step: int
    """How many times advantages are computed in a step."""
    methods: dict[str, dict[str, Any]]
    """By name the settings of each method, the trained and the observed ones."""

    @classmethod
    def of(cls, estimator: str, methods: Mapping[str, Method], *, normalize_by_std: bool) -> "Settings":
        """Takes the settings from the methods as they were built."""
        updates = {method.updates_per_step for method in methods.values()}
        return cls(
            estimator,
            normalize_by_std,
            updates.pop() if updates else 1,
            {name: dataclasses.asdict(method.config) for name, method in methods.items()},
        )


class Texts(NamedTuple):
    """What verl dumps of K rows, in any order: their keys, decoded prompts and responses, and ground truths."""

    keys: Sequence[str]
    prompts: Sequence[str]
    responses: Sequence[str]
    ground_truths: Sequence[Any]


class Recorder:
    """Keeps the decisions of the running step, one for each of its advantage computations, until they are dumped.

    A restart begins empty: a step that was not dumped is trained again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._columns: list[dict[str, list[Any]]] = []
        self._updates: list[dict[str, Any]] = []

    def add(self, rollouts: Rollouts, responses: Responses, outcomes: Mapping[str, Outcome]) -> None:
        """Adds one advantage computation on B responses, and by name what each method made of them."""
        self._columns.append(self._decided_columns(rollouts, responses, outcomes, update=len(self._updates)))
        self._updates.append({"metrics": {k: v for found in outcomes.values() for k, v in found.metrics.items()}})

    def take(self, step: int, texts: Texts) -> pa.Table:
        """Joins the decisions of a step with texts of at least its responses, and forgets them.

        Returns:
            The table to dump, with the settings and the metrics in its metadata.
        """
        place = {key: row for row, key in enumerate(texts.keys)}
        columns = {name: [value for part in self._columns for value in part[name]] for name in self._columns[0]}
        rows = [place[key] for key in columns["key"]]
        columns["step"] = [step] * len(rows)
        columns["prompt"] = [texts.prompts[row] for row in rows]
        columns["response"] = [texts.responses[row] for row in rows]
        columns["ground_truth"] = [_text(texts.ground_truths[row]) for row in rows]
        decided = {"format": FORMAT, "step": step, **self._settings._asdict(), "updates": self._updates}
        self._columns, self._updates = [], []
        known = {field.name: pa.array(columns.pop(field.name), field.type) for field in SCHEMA}
        return pa.table({**known, **columns}).replace_schema_metadata({METADATA_KEY: json.dumps(decided)})

    def _decided_columns(
        self, rollouts: Rollouts, responses: Responses, outcomes: Mapping[str, Outcome], *, update: int
    ) -> dict[str, list[Any]]:
        settings = self._settings
        base = responses.base_advantage(normalize_by_std=settings.normalize_by_std)
        trained = outcomes.get(settings.estimator)
        observed = {name: found for name, found in outcomes.items() if found is not trained}
        # Other estimators than GRPO have advantages of their own, which nobody computes here.
        is_known = trained is not None or settings.estimator == "grpo"
        unknown: list[Any] = [None] * len(rollouts.keys)
        return {
            "update": [update] * len(rollouts.keys),
            "uid": rollouts.uids,
            "key": rollouts.keys,
            "data_source": rollouts.data_sources,
            "response_length": rollouts.sums.tokens.tolist(),
            "perplexity": _numbers(responses.perplexity, ~responses.perplexity.isnan()),
            "acc": _numbers(responses.correct.double(), ~rollouts.failed),
            "score": responses.reward.double().tolist(),
            "format": [_number(verdict.get("format")) for verdict in rollouts.verdicts],
            "pred": [_text(verdict.get("pred")) for verdict in rollouts.verdicts],
            "reason": [_text(verdict.get("reason")) for verdict in rollouts.verdicts],
            "error": [_text(verdict.get(REWARD_ERROR_KEY)) or "" for verdict in rollouts.verdicts],
            "advantage_before": base.double().tolist() if is_known else unknown,
            "advantage_after": _advantages(trained or Outcome(base)) if is_known else unknown,
            **{f"{name}_advantage": _advantages(found) for name, found in observed.items()},
            **{name: list(values) for found in outcomes.values() for name, values in found.columns.items()},
        }


def _advantages(found: Outcome) -> list[float]:
    return found.per_response().double().tolist()


def _numbers(values: torch.Tensor, is_there: torch.Tensor) -> list[float | None]:
    return [value if there else None for value, there in zip(values.tolist(), is_there.tolist(), strict=True)]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # Half a surrogate pair, which a model's bytes can decode to, has no UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")


def write_dump(folder: Path, table: pa.Table, step: int) -> None:
    """Writes the table of a step into `trainer.rollout_data_dir`, whole or not at all; an earlier one is replaced.

    Raises:
        OSError: It cannot be written.
    """
    with replacing(folder / FOLDER / f"{step}.parquet") as partial:
        pq.write_table(table, partial, compression="zstd")
