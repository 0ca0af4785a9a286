"""Dumps with every kind of group, made by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groupwise.dumps.schema import FOLDER, FORMAT, METADATA_KEY

SETTINGS = {"alpha": 0.1, "queue_batches": 2, "confidence": 0.95, "group_perplexity": "any"}
TAU = 1.5


def quadrant(acc: float, perplexity: float) -> str:
    return f"{'correct' if acc else 'error'}_{'low' if perplexity < TAU else 'high'}"


def group(
    uid: str,
    kind: str,
    perplexities: list[float],
    *,
    acc: list[float] | None = None,
    chosen: int | None = None,
    texts: list[str] | None = None,
    source: str = "math",
    prompt: str = "",
    **changes: Any,
) -> list[dict[str, Any]]:
    """Rows of a group; verdicts, quadrants and R_r follow from its kind, and `chosen` is a place in it."""
    size = len(perplexities)
    acc = acc or [float(kind == "easy")] * size
    texts = texts or [f"response {place} of {uid}" for place in range(size)]
    touched = chosen is not None
    rows = []
    for place, perplexity in enumerate(perplexities):
        is_chosen = place == chosen
        given = float(touched and is_chosen == (kind == "hard"))
        rows.append(
            {
                "update": 0,
                "uid": uid,
                "key": f"{uid}_{place}_0",
                "data_source": source,
                "prompt": prompt or f"prompt of {uid}",
                "response": texts[place],
                "ground_truth": "4",
                "response_length": 10 + place,
                "perplexity": perplexity,
                "acc": acc[place],
                "score": acc[place],
                "format": 1.0,
                "pred": "5",
                "reason": "right" if acc[place] else "mismatch",
                "error": "",
                "dipo_group_kind": kind,
                "dipo_group_perplexity": perplexities[chosen] if chosen is not None else None,
                "dipo_quadrant": quadrant(acc[place], perplexity),
                "dipo_reallocated_reward": given,
                "dipo_touched": touched,
                "dipo_chosen": is_chosen,
                "advantage_before": 0.0,
                "advantage_after": 0.25 if given else (-0.05 if touched else 0.0),
                **changes,
            }
        )
    return rows


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., list[dict[str, Any]]]:
    """The function `group`."""
    return group


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    """Writes a dump: `write(folder, step, rows, threshold=TAU, estimator="dipo")`."""

    def written(
        folder: Path,
        step: int,
        rows: list[dict[str, Any]],
        *,
        threshold: float | None = TAU,
        estimator: str = "dipo",
        methods: dict[str, Any] | None = None,
    ) -> Path:
        metrics = {"dipo/threshold/admissible": float(threshold is not None)}
        decided = {
            "format": FORMAT,
            "step": step,
            "estimator": estimator,
            "normalize_by_std": True,
            "updates_per_step": 1,
            "methods": methods or {"dipo": SETTINGS},
            "updates": [{"metrics": metrics if threshold is None else {**metrics, "dipo/threshold/value": threshold}}],
        }
        table = pa.Table.from_pylist([{**row, "step": step} for row in rows])
        file = folder / FOLDER / f"{step}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(decided)}), file)
        return file

    return written


@pytest.fixture(scope="session")
def make_run(write: Callable[..., Path]) -> Callable[[Path], None]:
    """Writes a run of two steps: hard up, easy down, mixed and hard left alone in the first, hard up in the second."""

    def made(folder: Path) -> None:
        write(
            folder,
            1,
            [
                *group("h1", "hard", [1.1, 1.4, 2.0], chosen=1),
                *group("e1", "easy", [1.2, 1.9], chosen=1, source="gsm8k"),
                *group("m1", "mixed", [1.3, 1.8], acc=[1.0, 0.0]),
                *group("h2", "hard", [1.7, 2.5]),
            ],
        )
        write(folder, 2, group("h3", "hard", [1.05, 3.0], chosen=0))

    return made


@pytest.fixture
def run(tmp_path: Path, make_run: Callable[[Path], None]) -> Path:
    """The folder of that run."""
    make_run(tmp_path / "rollouts")
    return tmp_path / "rollouts"
