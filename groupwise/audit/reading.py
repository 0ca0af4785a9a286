"""Rollout dumps as one table, with a held-out verifier's verdicts on a part of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from groupwise.dumps.reader import find_dumps, read_evenly
from groupwise.errors import GroupwiseError
from reward_score.against import find_judge

COLUMNS: Final = (
    *("step", "uid", "data_source", "prompt", "response", "ground_truth", "score", "acc", "response_length"),
)
MOST_DUMPS: Final = 60
"""Dumps that are read, evenly spaced: a sign that lasts is in many of them."""
MOST_HELD: Final = 64
"""Responses of a step that the held-out verifier judges."""
UNJUDGED: Final = ("verifier error", "timeout", "unparsable gold")


def read_rollouts(paths: Sequence[Path]) -> tuple[pd.DataFrame, list[str]]:
    """Reads dumps into the table that `signs.look` takes, `held` being NaN, and says what was left out.

    Raises:
        GroupwiseError: There is no dump, or none with responses to look at.
    """
    notes: list[str] = []
    dumps = read_evenly(find_dumps(paths), MOST_DUMPS, COLUMNS, notes)
    frames = [dump.table.to_pandas().assign(step=dump.step) for dump in dumps]
    if not frames:
        raise GroupwiseError(f"The dumps must hold responses, but none could be read: {notes[-1]}")
    frame = pd.concat(frames, ignore_index=True)
    missing = [name for name in ("prompt", "response") if name not in frame]
    if missing:
        raise GroupwiseError(
            "A dump must have the columns prompt and response (verl: input, output), but has no "
            f"{' and no '.join(missing)}; its columns are {', '.join(map(str, frame.columns))}."
        )
    return _completed(frame), notes


def _completed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.reindex(columns=[*frame.columns, *(name for name in COLUMNS if name not in frame)])
    for name in ("prompt", "response", "data_source"):
        frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
    known = frame["ground_truth"].map(lambda gold: isinstance(gold, list) or bool(pd.notna(gold)))
    frame["ground_truth"] = frame["ground_truth"].astype(object).where(known, None).map(str, na_action="ignore")
    for name in ("score", "acc", "response_length"):
        frame[name] = pd.to_numeric(frame[name], errors="coerce").astype(float).where(np.isfinite)
    least, most = frame["score"].min(), frame["score"].max()
    middle = (least + most) / 2 if least < most else 0.0
    by_score = (frame["score"] > middle).astype(float).where(frame["score"].notna())
    return frame.assign(
        group=frame["uid"].where(frame["uid"].notna(), frame["prompt"]).astype(str) + frame["step"].map("@{}".format),
        right=frame["acc"].where(frame["acc"].isin([0.0, 1.0])) if frame["acc"].notna().any() else by_score,
        length=frame["response_length"] if frame["response_length"].notna().all() else frame["response"].str.len(),
        held=np.nan,
    )


def hold_out(frame: pd.DataFrame, name: str, data_source: str) -> tuple[pd.DataFrame, list[str]]:
    """Has a verifier judge up to `MOST_HELD` responses of each step: the table with `held`, and sentences on them.

    `name` is one that `reward_score.find_judge` knows, "" for the verifier of the data source; `data_source` that of
    all rows, "" for what they say, else what their prompts tell.
    """
    judge = find_judge(name)
    drawn = frame.groupby("step").sample(frac=1.0, random_state=0).groupby("step").head(MOST_HELD)
    held: dict[Any, float] = {}
    faults: dict[str, int] = {}
    for row in drawn.itertuples():
        verdict = judge(data_source or row.data_source, row.response, row.ground_truth, row.prompt, None)
        if verdict["reason"].startswith(UNJUDGED):
            faults[verdict["reason"]] = faults.get(verdict["reason"], 0) + 1
        else:
            held[row.Index] = verdict["acc"]
    notes = [f"The held-out verifier judged {len(held):,} responses, up to {MOST_HELD} a step."]
    if faults:
        most = max(faults, key=lambda reason: faults[reason])
        notes.append(f"{sum(faults.values()):,} responses it could not judge, most often: {most}")
    return frame.assign(held=pd.Series(held, dtype=float).reindex(frame.index)), notes
