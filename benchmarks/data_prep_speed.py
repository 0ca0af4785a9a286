"""How fast raw data becomes parquet, and how time and memory grow with it.

    python benchmarks/data_prep_speed.py --verl-examples VERL/examples/data_preprocess

Each conversion is a command in a process of its own, so that what is measured is what a user waits for. verl's examples
(a checkout's folder, not part of the installed package) convert the same folder, laid out as the hub does it, round by
round in turn with ours.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.records import read_files

ROWS_PER_GROUP = 20_000


class Timing(NamedTuple):
    """A process: wall-clock seconds and peak memory in MiB."""

    seconds: float
    mebibytes: float


LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.call(sys.argv[2:], stdout=open(sys.argv[1], "w"), stderr=subprocess.STDOUT)
print(json.dumps([code, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""
"""Linux counts to a process's peak memory what its parent had when it was forked, so the parent has to be small."""


def timed(*command: str, cache: Path) -> Timing:
    """Runs a command, silently, with an empty cache of Hugging Face's."""
    log = cache / "log"
    with tempfile.TemporaryDirectory(dir=cache) as empty:
        env = {**os.environ, "HF_DATASETS_CACHE": empty}
        told = subprocess.check_output([sys.executable, "-c", LAUNCHER, str(log), *command], env=env, text=True)
    code, seconds, kibibytes = json.loads(told)
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}:\n{log.read_text()[-2000:]}")
    return Timing(seconds, kibibytes / 1024)


def convert(module: str, source: Path, work: Path, *options: str) -> Timing:
    """Runs one of data_prep's converters."""
    command = [sys.executable, "-m", f"data_prep.{module}", "--input", str(source), "--output", str(work / "out")]
    return timed(*command, *options, cache=work)


def spread(values: list[float], form: str) -> str:
    """Minimum, median and maximum."""
    return ", ".join(form.format(value) for value in (min(values), statistics.median(values), max(values)))


def every_set(data: Path, work: Path, rounds: int) -> Iterator[str]:
    """Every real set: its records, and how long its conversion takes."""
    sets = {
        "gsm8k": ("gsm8k", 8792),
        "hendrycks_math": ("math", 1000),
        "dapo_math": ("dapo", 17917),
        "math_eval": ("", 1517),
        "rlla": ("toolrl/rlla_sft.json", 400),
        "bfcl": ("bfcl_v3", 3491),
    }
    yield "| converter | records | seconds: min, median, max | records/s, median | peak MiB |"
    yield "|---|---|---|---|---|"
    for module, (name, records) in sets.items():
        runs = [convert(module, data / name, work) for _ in range(rounds)]
        seconds = [run.seconds for run in runs]
        rate = records / statistics.median(seconds)
        yield (
            f"| `{module}` | {records:,} | {spread(seconds, '{:.2f}')} | {rate:,.0f} |"
            f" {max(run.mebibytes for run in runs):.0f} |"
        )


def hub_layout(folder: Path, config: str, splits: dict[str, list[dict]]) -> Path:
    """Writes records as the hub lays a dataset out."""
    (folder / config).mkdir(parents=True)
    files = [{"split": split, "path": f"{config}/{split}-*"} for split in splits]
    (folder / "README.md").write_text(
        f"---\n{json.dumps({'configs': [{'config_name': config, 'data_files': files}]})}\n---\n"
    )
    for split, records in splits.items():
        pq.write_table(pa.Table.from_pylist(records), folder / config / f"{split}-00000-of-00001.parquet")
    return folder


def real_records(path: Path, *fields: str) -> list[dict]:
    """Some fields of a file's records."""
    return [{field: item.fields[field] for field in fields} for item in read_files([path])]


def beside_verl(data: Path, work: Path, examples: Path, rounds: int, repeats: int) -> Iterator[str]:
    """GSM8K and MATH, converted by verl's example and by ours in turn; the train split repeated `repeats` times."""
    cases = {
        "gsm8k": ("gsm8k.py", "main", ("question", "answer"), data / "gsm8k/train.jsonl", data / "gsm8k/test.jsonl"),
        "hendrycks_math": (
            "math_dataset.py",
            "default",
            ("problem", "solution"),
            data / "math/train_sample1000.jsonl",
            data / "math500/test.jsonl",
        ),
    }
    yield "| set | records | ours, s: min, median, max | verl's, s | verl's / ours |"
    yield "|---|---|---|---|---|"
    for module, (script, config, fields, train, test) in cases.items():
        # verl's example stops at MATH's two empty boxes.
        records = [record for record in real_records(train, *fields) if "\\boxed{}" not in record[fields[1]]]
        many = list(islice(cycle(records), len(records) * repeats))
        held_out = real_records(test, *fields)
        folder = hub_layout(work / f"{module}-{repeats}", config, {"train": many, "test": held_out})
        theirs_command = [str(examples / script), "--local_dataset_path", str(folder), "--local_save_dir"]
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(convert(module, folder, work).seconds)
            theirs.append(timed(sys.executable, *theirs_command, str(work / "theirs"), cache=work).seconds)
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        yield (
            f"| {module} | {len(many) + len(held_out):,} | {spread(ours, '{:.2f}')} | {spread(theirs, '{:.2f}')} |"
            f" {spread(ratios, '{:.2f}')} |"
        )


def many_problems(data: Path, path: Path, count: int) -> Path:
    """DAPO's problems over and over in its authors' layout, each made another one by its number."""
    problems = [
        row["prompt"][0]["content"] for row in pq.read_table(data / "dapo/svs_dapo_math_17k.parquet").to_pylist()
    ]
    rows = (
        {
            "prompt": [{"role": "user", "content": f"{problem} ({number})"}],
            "reward_model": {"ground_truth": str(number), "style": "rule"},
        }
        for number, problem in enumerate(islice(cycle(problems), count))
    )
    writer = None
    while group := list(islice(rows, ROWS_PER_GROUP)):
        table = pa.Table.from_pylist(group)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()
    return path


def growth(data: Path, work: Path, sizes: list[int]) -> Iterator[str]:
    """Time and memory of `dapo_math`, without and with --dedupe (two passes, and what was seen is remembered)."""
    yield "| rows | s | rows/s | peak MiB | s, --dedupe | rows/s | peak MiB |"
    yield "|---|---|---|---|---|---|---|"
    for size in sizes:
        path = many_problems(data, work / "many.parquet", size)
        cells = [f"{size:,}"]
        for option in ("--no-dedupe", "--dedupe"):
            run = convert("dapo_math", path, work, option)
            cells += [f"{run.seconds:.1f}", f"{size / run.seconds:,.0f}", f"{run.mebibytes:.0f}"]
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("DIPO_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=default, help="folder with the raw datasets (default %(default)s)")
    parser.add_argument("--verl-examples", type=Path, help="examples/data_preprocess of a verl checkout")
    parser.add_argument("--rounds", type=int, default=5, help="of every conversion (default %(default)s)")
    parser.add_argument("--repeats", type=int, nargs="+", default=[1, 20], help="of the records that verl converts too")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="rows, for growth")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        print("\n".join(every_set(options.data, work, options.rounds)), flush=True)
        if options.verl_examples is not None:
            for repeats in options.repeats:
                lines = beside_verl(options.data, work, options.verl_examples, options.rounds, repeats)
                print(f"\ntrain split {repeats} times\n")
                print("\n".join(lines), flush=True)
        print()
        for line in growth(options.data, work, options.sizes):
            print(line, flush=True)


if __name__ == "__main__":
    main()
