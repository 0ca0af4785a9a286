"""The report of an evaluation, over every finished set of the same model in its folder."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from groupwise.errors import GroupwiseError
from groupwise.evaluation import report
from groupwise.evaluation.responses import Record, read_record, read_table
from groupwise.evaluation.set_result import COLUMNS
from groupwise.evaluation.statistics import paired_difference

SUMMARY: Final = "summary"
COMPARISON_SEED: Final = 0


def conclude(output: Path, names: Sequence[str], *, against: Path | None) -> str:
    """Writes summary.json and summary.txt.

    Args:
        output: Folder of the evaluation.
        names: The sets that were asked for; those of earlier calls for the same model are reported as well.
        against: Folder of another evaluation to compare with, None for none.

    Returns:
        The text of summary.txt.

    Raises:
        GroupwiseError: A file is damaged, or there is nothing to compare.
    """
    records = _records(output)
    model = records[names[0]].settings["model"]
    shown = [name for name, record in records.items() if record.settings["model"] == model]
    table = pa.concat_tables([read_table(output, name, columns=COLUMNS) for name in shown]).to_pandas()
    summary = report.summarise(table)
    text = f"{model['path']}\n\n{report.render(summary).rstrip()}\n"
    comparison: dict[str, Any] = {}
    if against is not None:
        comparison = compare(output, against, shown)
        text += f"\n{_render(comparison, against)}\n"
    whole = {
        "model": model,
        "settings": {name: records[name].settings for name in shown},
        "versions": {name: records[name].versions for name in shown},
        "results": summary,
        "against": {"folder": str(against), "sets": comparison} if against else None,
    }
    _write(output / f"{SUMMARY}.json", json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    _write(output / f"{SUMMARY}.txt", text)
    return text


def _records(output: Path) -> dict[str, Record]:
    names = sorted(path.stem for path in output.glob("*.parquet"))
    found = {name: read_record(output, name) for name in names}
    return {name: record for name, record in found.items() if record is not None}


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def check_against(folder: Path) -> None:
    """Refuses a folder that there will be nothing to compare with, before anything is generated.

    Args:
        folder: Of another evaluation.

    Raises:
        GroupwiseError: It holds no finished set.
    """
    if not folder.is_dir() or not _records(folder):
        raise GroupwiseError(
            f"--against must be the folder of an evaluation, but {folder} holds no finished set; evaluate the other "
            "model first."
        )


def compare(output: Path, against: Path, names: Sequence[str]) -> dict[str, Any]:
    """Compares the accuracy of two evaluations, prompt by prompt.

    Args:
        output: Folder of the one.
        against: Folder of the other.
        names: Sets of the one.

    Returns:
        For each set of both: `difference`, `low` and `high` (null for a single prompt), how many `prompts` it is over,
        how many were left out because one of the two has no verdict on them, and which settings differ.

    Raises:
        GroupwiseError: They have no set in common, or differ in the prompts of one.
    """
    others = _records(against)
    common = [name for name in names if name in others]
    if not common:
        raise GroupwiseError(
            f"--against must be the folder of another evaluation with one of the sets {', '.join(names)}, but "
            f"{against} has {', '.join(others) or 'none'}; evaluate the other model on them."
        )
    records = _records(output)
    return {name: _compare(name, output, against, records[name], others[name]) for name in common}


def _compare(name: str, output: Path, against: Path, record: Record, other: Record) -> dict[str, Any]:
    ours, theirs = _accuracies(output, name), _accuracies(against, name)
    unjudged = {key for values in (ours, theirs) for key, value in values.items() if value is None}
    try:
        interval = paired_difference(
            {key: value for key, value in ours.items() if key not in unjudged},
            {key: value for key, value in theirs.items() if key not in unjudged},
            seed=COMPARISON_SEED,
        )
    except ValueError as error:
        raise GroupwiseError(f"{name}: {error}") from error
    differing = [key for key in record.settings if key != "model" and record.settings[key] != other.settings.get(key)]
    return {
        "difference": interval.value,
        # NaN, of a single prompt, is no JSON.
        "low": interval.low if interval.low == interval.low else None,
        "high": interval.high if interval.high == interval.high else None,
        "prompts": len(ours.keys() - unjudged),
        "left_out": len(unjudged),
        "differing_settings": differing,
    }


def _accuracies(folder: Path, name: str) -> dict[str, float | None]:
    table = read_table(folder, name, columns=("prompt_id", "acc")).to_pandas()
    means = table.groupby("prompt_id", sort=False)["acc"].mean()
    return {key: None if value != value else float(value) for key, value in means.items()}


def _render(comparison: Mapping[str, Any], against: Path) -> str:
    width = max(map(len, comparison))
    lines = [f"difference of the mean accuracy from {against}, in points, over the same prompts, 95% interval:"]
    for name, each in comparison.items():
        bounds = "" if each["low"] is None else f"  [{100 * each['low']:+.1f}, {100 * each['high']:+.1f}]"
        notes = [f"{each['left_out']} prompts left out without a verdict"] if each["left_out"] else []
        notes += [f"differs in {', '.join(each['differing_settings'])}"] if each["differing_settings"] else []
        note = f"  ({'; '.join(notes)})" if notes else ""
        lines.append(f"{name:<{width}}  {100 * each['difference']:+5.1f}{bounds}{note}")
    return "\n".join(lines)
