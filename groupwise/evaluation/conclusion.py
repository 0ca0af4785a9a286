"""The report of an evaluation, over every finished set of the same model in its folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from groupwise.errors import GroupwiseError
from groupwise.evaluation import report
from groupwise.evaluation.responses import Record, read_record, read_table
from groupwise.evaluation.set_result import COLUMNS
from groupwise.evaluation.statistics import paired_difference
from groupwise.files import replacing

SUMMARY: Final = "summary"
COMPARISON_SEED: Final = 0


def conclude(output: Path, names: Sequence[str], *, against: Path | None) -> str:
    """Writes summary.json and summary.txt into the folder of an evaluation, and gives the latter's text.

    Those of earlier calls for the model of the sets `names` are reported as well; `against` is the folder of another
    evaluation to compare with.

    Raises:
        GroupwiseError: A file is damaged, or there is nothing to compare.
    """
    records = _records(output)
    model = records[names[0]].settings["model"]
    shown = [name for name, record in records.items() if record.settings["model"] == model]
    table = pa.concat_tables([read_table(output, name, columns=COLUMNS) for name in shown])
    summary = report.summarise(table.to_pandas())
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
    with replacing(output / f"{SUMMARY}.json") as partial:
        partial.write_text(json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    with replacing(output / f"{SUMMARY}.txt") as partial:
        partial.write_text(text)
    return text


def _records(output: Path) -> dict[str, Record]:
    names = sorted(path.stem for path in output.glob("*.parquet"))
    return {name: record for name in names if (record := read_record(output, name)) is not None}


def check_against(folder: Path) -> None:
    """Refuses a folder that there will be nothing to compare with, before anything is generated.

    Raises:
        GroupwiseError: It holds no finished set.
    """
    if not folder.is_dir() or not _records(folder):
        raise GroupwiseError(
            f"--against must be the folder of an evaluation, but {folder} holds no finished set; evaluate the other "
            "model first."
        )


def compare(output: Path, against: Path, names: Sequence[str]) -> dict[str, Any]:
    """Compares the accuracy of two evaluations on the sets `names` of the first, prompt by prompt.

    Returns:
        For each set of both: `difference`, `low` and `high` (null for a single prompt), how many `prompts` it is over,
        how many were left out because one of the two has no verdict on them, and which settings differ.

    Raises:
        GroupwiseError: They have no set in common, or differ in the prompts of one.
    """
    records, others = _records(output), _records(against)
    common = [name for name in names if name in others]
    if not common:
        raise GroupwiseError(
            f"--against must be the folder of another evaluation with one of the sets {', '.join(names)}, but "
            f"{against} has {', '.join(others) or 'none'}; evaluate the other model on them."
        )
    return {
        name: {
            **_difference(name, *(_accuracies(folder, name) for folder in (output, against))),
            "differing_settings": [
                key
                for key, value in records[name].settings.items()
                if key != "model" and value != others[name].settings.get(key)
            ],
        }
        for name in common
    }


def _difference(name: str, ours: dict[str, float], theirs: dict[str, float]) -> dict[str, Any]:
    # NaN where a prompt has no verdict.
    unjudged = {key for values in (ours, theirs) for key, value in values.items() if value != value}
    judged = [{key: value for key, value in values.items() if key not in unjudged} for values in (ours, theirs)]
    try:
        value, *ends = paired_difference(*judged, seed=COMPARISON_SEED)
    except ValueError as error:
        raise GroupwiseError(f"{name}: {error}") from error
    # NaN, of a single prompt, is no JSON.
    low, high = (end if end == end else None for end in ends)
    return {"difference": value, "low": low, "high": high, "prompts": len(judged[0]), "left_out": len(unjudged)}


def _accuracies(folder: Path, name: str) -> dict[str, float]:
    table = read_table(folder, name, columns=("prompt_id", "acc")).to_pandas()
    return table.groupby("prompt_id", sort=False)["acc"].mean().to_dict()


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
