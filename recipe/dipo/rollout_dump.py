"""Writes rollout dumps: `<trainer.rollout_data_dir>/dipo/<step>.parquet`, a row a response, with what DiPO made of it.

verl dumps a step's texts after the update, when the decision has long been taken; a recorder keeps the decision until
then. The file holds everything that is needed to take the decision again (`recipe.dipo.replay`), exactly: perplexities
and rewards as the float64 and float32 that were used, rows in the order in which they were seen.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from recipe.dipo.dump_schema import FOLDER, FORMAT, METADATA_KEY, SCHEMA
from recipe.dipo.labels import label
from recipe.dipo.rollouts import Rollouts
from recipe.dipo.step import Advantages, Responses, Step
from recipe.dipo.verdicts import REWARD_ERROR_KEY


class Settings(NamedTuple):
    """The settings that a run's decisions follow from.

    Attributes:
        estimator: verl's `algorithm.adv_estimator`.
        applied: Whether the reallocated rewards are trained on; otherwise a baseline is observed.
        alpha: Weight of the reallocated rewards.
        queue_batches: Batches in the queue, one for each advantage computation.
        confidence: Level of the intervals that make a threshold admissible; None: point estimates.
        group_perplexity: The rule in force.
        normalize_by_std: Whether the base estimator divides by the group's standard deviation.
    """

    estimator: str
    applied: bool
    alpha: float
    queue_batches: int
    confidence: float | None
    group_perplexity: str
    normalize_by_std: bool


class Texts(NamedTuple):
    """What verl dumps of K rows, in any order: their keys, decoded prompts and responses, and ground truths."""

    keys: Sequence[str]
    prompts: Sequence[str]
    responses: Sequence[str]
    ground_truths: Sequence[Any]


class Recorder:
    """Keeps the decisions of the running step, one for each of its advantage computations, until they are dumped.

    A restart begins empty: a step that was not dumped is trained again.

    Args:
        settings: The settings that the decisions follow from.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._columns: list[dict[str, list[Any]]] = []
        self._updates: list[dict[str, Any]] = []

    def add(
        self, rollouts: Rollouts, responses: Responses, step: Step, advantages: Advantages, metrics: Mapping[str, float]
    ) -> None:
        """Adds one advantage computation.

        Args:
            rollouts: B responses.
            responses: The same, as they were decided on.
            step: The decision.
            advantages: Those that follow from it.
            metrics: What is logged of it.
        """
        self._columns.append(self._decided_columns(rollouts, responses, step, advantages, update=len(self._updates)))
        self._updates.append(
            {
                "threshold": None if step.threshold is None else step.threshold._asdict(),
                "queue_size": step.queue_size,
                "metrics": dict(metrics),
            }
        )

    def take(self, step: int, texts: Texts) -> pa.Table:
        """Joins the decisions of a step with its texts, and forgets them.

        Args:
            step: Number of the training step.
            texts: Texts of at least the responses that took part.

        Returns:
            The table to dump, of `SCHEMA`, with the settings and the thresholds in its metadata.
        """
        place = {key: row for row, key in enumerate(texts.keys)}
        columns = {name: [value for part in self._columns for value in part[name]] for name in self._columns[0]}
        rows = [place[key] for key in columns["key"]]
        columns["step"] = [step] * len(rows)
        columns["prompt"] = [texts.prompts[row] for row in rows]
        columns["response"] = [texts.responses[row] for row in rows]
        columns["ground_truth"] = [_text(texts.ground_truths[row]) for row in rows]
        settings = self._settings._asdict()
        decided = {
            "format": FORMAT,
            "step": step,
            "estimator": settings.pop("estimator"),
            "applied": settings.pop("applied"),
            "settings": settings,
            "updates": self._updates,
        }
        self._columns, self._updates = [], []
        return pa.table(columns, schema=SCHEMA.with_metadata({METADATA_KEY: json.dumps(decided)}))

    def _decided_columns(
        self, rollouts: Rollouts, responses: Responses, step: Step, advantages: Advantages, *, update: int
    ) -> dict[str, list[Any]]:
        labels = label(responses, step, rule=self._settings.group_perplexity)
        after = advantages.dipo if self._settings.applied else advantages.verified
        # Other estimators than GRPO have advantages of their own, which this recipe does not compute.
        is_known = self._settings.estimator in ("dipo", "grpo")
        unknown: list[Any] = [None] * len(rollouts.keys)
        return {
            "update": [update] * len(rollouts.keys),
            "uid": rollouts.uids,
            "key": rollouts.keys,
            "data_source": rollouts.data_sources,
            "response_length": rollouts.response_mask.sum(dim=-1).tolist(),
            "perplexity": _numbers(responses.perplexity, ~responses.perplexity.isnan()),
            "acc": _numbers(responses.correct.double(), ~responses.failed),
            "score": responses.reward.double().tolist(),
            "format": [_number(verdict.get("format")) for verdict in rollouts.verdicts],
            "pred": [_text(verdict.get("pred")) for verdict in rollouts.verdicts],
            "reason": [_text(verdict.get("reason")) for verdict in rollouts.verdicts],
            "error": [_text(verdict.get(REWARD_ERROR_KEY)) or "" for verdict in rollouts.verdicts],
            **labels._asdict(),
            "reallocated_reward": step.reallocated.double().tolist(),
            "advantage_before": advantages.verified.double().tolist() if is_known else unknown,
            "advantage_after": after.double().tolist() if is_known else unknown,
        }


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
    """Writes the table of a step, whole or not at all; an earlier dump of the step is replaced.

    Args:
        folder: `trainer.rollout_data_dir`.
        table: What `Recorder.take` gave.
        step: Number of the training step.

    Raises:
        OSError: It cannot be written.
    """
    target = folder / FOLDER / f"{step}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial_file = target.with_name(f".{target.name}.partial")
    pq.write_table(table, partial_file, compression="zstd")
    os.replace(partial_file, target)
