"""What rollout dumps tell beside the log, under `dump/`: the spread of perplexities, and verdicts by data source."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from groupwise.dumps.reader import find_dumps, read_evenly
from groupwise.errors import GroupwiseError
from groupwise.report.columns import DUMPED_COLLAPSE

COMPONENTS = ("acc", "score", "format")
COLUMNS = (*COMPONENTS, "perplexity", "data_source", "uid")
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
    notes: list[str] = []
    dumps = read_evenly(files, MOST_DUMPS, COLUMNS, notes)
    steps = {dump.step: dict(_metrics(dump.table)) for dump in dumps}
    return dict(sorted(steps.items())), notes


def _metrics(table: pa.Table) -> Iterator[tuple[str, float]]:
    frame = table.to_pandas().reindex(columns=list(COLUMNS))
    for name in (*COMPONENTS, "perplexity"):
        known = is_numeric_dtype(frame[name]) and not is_bool_dtype(frame[name])
        frame[name] = frame[name].astype(float).where(np.isfinite) if known else np.nan
    for verdict, value in VERDICTS.items():
        chosen = frame.loc[frame["acc"] == value, "perplexity"]
        for name, quantile in QUANTILES.items():
            if chosen.notna().any():
                yield f"dump/perplexity/{verdict}/{name}", float(chosen.quantile(quantile))
    if frame["uid"].notna().all() and frame["score"].notna().all():
        yield DUMPED_COLLAPSE, float((frame.groupby("uid")["score"].nunique() == 1).mean())
    if "data_source" in table.column_names:
        means = frame.groupby(frame["data_source"].astype(str))[list(COMPONENTS)].mean()
        for source, row in means.iterrows():
            yield from ((f"{DUMPED_SET}{source}/{name}", float(mean)) for name, mean in row.dropna().items())
