"""Compares a run of verl's GRPO with a run of DiPO: a table, comparison.json and one picture.

python -m groupwise.demo.compare --grpo grpo/metrics.jsonl --dipo dipo/metrics.jsonl --output DIR
"""

import argparse
import json
import sys
from pathlib import Path

from groupwise.demo.plot import draw
from groupwise.demo.summary import CAVEAT, read_peak_memory, summarize, table
from groupwise.errors import GroupwiseError
from groupwise.record.run_log import read_run


def compare(grpo_file: Path, dipo_file: Path, output: Path) -> str:
    """Writes comparison.json and comparison.png.

    Args:
        grpo_file: Metrics of the run with `adv_estimator=grpo`.
        dipo_file: Metrics of the run with `adv_estimator=dipo`.
        output: Folder to write to.

    Returns:
        What to show in the terminal: the table, and where both files are.

    Raises:
        GroupwiseError: A file is missing or holds no record.
    """
    grpo_run, dipo_run = read_run(grpo_file), read_run(dipo_file)
    grpo = summarize(grpo_run, applies_dipo=False, memory=read_peak_memory(grpo_file))
    dipo = summarize(dipo_run, applies_dipo=True, memory=read_peak_memory(dipo_file))
    output.mkdir(parents=True, exist_ok=True)
    numbers, picture = output / "comparison.json", output / "comparison.png"
    numbers.write_text(json.dumps({"grpo": grpo._asdict(), "dipo": dipo._asdict(), "caveat": CAVEAT}, indent=2) + "\n")
    draw(grpo_run, dipo_run, picture)
    notes = [
        f"{run.skipped} unreadable line(s) of {file} were left out; a run that was killed leaves one."
        for run, file in ((grpo_run, grpo_file), (dipo_run, dipo_file))
        if run.skipped
    ]
    if grpo.last_step != dipo.last_step:
        notes.append(f"The runs differ in length: GRPO has {grpo.last_step} steps, DiPO {dipo.last_step}.")
    return "\n".join([table(grpo, dipo), *notes, "", f"table:   {numbers}", f"picture: {picture}"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Compare a run of verl's GRPO with a run of DiPO.")
    parser.add_argument("--grpo", type=Path, required=True, help="metrics of the run with adv_estimator=grpo")
    parser.add_argument("--dipo", type=Path, required=True, help="metrics of the run with adv_estimator=dipo")
    parser.add_argument("--output", type=Path, required=True, help="folder for comparison.json and comparison.png")
    arguments = parser.parse_args()
    try:
        sys.stdout.write(f"{compare(arguments.grpo, arguments.dipo, arguments.output)}\n")
    except GroupwiseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
