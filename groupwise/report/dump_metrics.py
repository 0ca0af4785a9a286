"""What rollout dumps tell beside the log, under `dump/`: the spread of perplexities, and verdicts by data source."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from groupwise.dumps.reader import find_dumps, read_dump
from groupwise.errors import GroupwiseError

COLUMNS = ("perplexity", "acc", "score", "format", "data_source")
QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
VERDICTS = {"wrong": 0.0, "correct": 1.0}
DUMPED_SET = "dump/set/"
MOST_DUMPS = 300
"""Dumps of a run that are read: more would not be told apart in a picture of this width."""


def read_dump_metrics(folder: Path) -> tuple[dict[int, dict[str, float]], list[str]]:
    """Reads the dumps in `trainer.rollout_data_dir`, as far as they hold what is asked.

    Returns:
        By step `dump/perplexity/{wrong,correct}/{p10,p50,p90}` and `dump/set/SOURCE/{acc,score,format}`; and a sentence
        for each thing that was left out.
    """
    try:
        files = find_dumps([folder])
    except GroupwiseError as error:
        return {}, [str(error)]
    spread = sorted({round(place) for place in np.linspace(0, len(files) - 1, min(len(files), MOST_DUMPS))})
    notes = []
    if len(spread) < len(files):
        notes.append(f"Of the {len(files)} dumps in {folder}, {len(spread)} were read, evenly spaced.")
    steps: dict[int, dict[str, float]] = {}
    for place in spread:
        try:
            dump = read_dump(files[place], COLUMNS)
        except GroupwiseError as error:
            # The last one of a run that goes on, or of a run that was killed, may be half written.
            notes.append(str(error))
            continue
        steps[dump.step] = dict(_metrics(dump.table))
    return dict(sorted(steps.items())), notes


def _metrics(table: pa.Table) -> Iterator[tuple[str, float]]:
    numbers = {name: _numbers(table, name) for name in ("perplexity", "acc", "score", "format")}
    for verdict, value in VERDICTS.items():
        chosen = numbers["perplexity"][numbers["acc"] == value]
        chosen = chosen[np.isfinite(chosen)]
        if len(chosen):
            for name, quantile in QUANTILES.items():
                yield f"dump/perplexity/{verdict}/{name}", float(np.quantile(chosen, quantile))
    if "data_source" not in table.column_names:
        return
    sources = np.array([str(source) for source in table["data_source"].to_pylist()], dtype=object)
    for source in sorted(set(sources)):
        for name in ("acc", "score", "format"):
            known = numbers[name][sources == source]
            known = known[np.isfinite(known)]
            if len(known):
                yield f"{DUMPED_SET}{source}/{name}", float(known.mean())


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    """(B,) float64, NaN where a response has no such number, or the dump no such column."""
    if name not in table.column_names or not (
        pa.types.is_floating(table[name].type) or pa.types.is_integer(table[name].type)
    ):
        return np.full(table.num_rows, np.nan)
    return table[name].cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
