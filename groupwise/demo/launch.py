"""Launches one run of the demonstration: verl's long output goes to a file, the terminal shows a line a step.

    python -m groupwise.demo.launch --recipe PACKAGE --run-dir DIR [--runs-after N] [hydra overrides]

From the first second it says what time is left, once it can from what the run's own steps and validations took. DIR
gets train.log, metrics.jsonl and memory.json. Ctrl-C or SIGTERM ends verl, Ray and vLLM.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from tqdm import tqdm

from groupwise.config.methods import computed_methods
from groupwise.demo.memory import MemoryMeter
from groupwise.errors import GroupwiseError
from groupwise.launch.leftovers import exclusive_run
from groupwise.method import display_of
from groupwise.record.run_log import read_run

POLL_SECONDS = 1.0
# Reading the memory maps of some twenty processes takes about 0.2 s of a core.
MEMORY_SECONDS = 5.0
# Ray takes a few seconds to end its workers; after that they are killed.
PATIENCE_SECONDS = 30
SHOWN_LOG_LINES = 25
# Of the demonstration on two cores, until its own are known: from the start to the first record; of one step or
# validation.
START_SECONDS, STEP_SECONDS, VALIDATION_SECONDS = 60.0, 4.0, 15.0


def compose_config(overrides: list[str], *, recipe: str) -> DictConfig:
    """Composes the configuration as the run itself will, from the recipe's `config/<name>_trainer.yaml`."""
    with initialize_config_module(f"{recipe}.config", version_base=None):
        return compose(f"{_name_of(recipe)}_trainer", overrides=overrides)


def main_of(recipe: str) -> str:
    """Names the module that trains."""
    return f"{recipe}.main_{_name_of(recipe)}"


def _name_of(recipe: str) -> str:
    return recipe.rpartition(".")[2]


def describe_step(step: int, total: int, data: dict[str, float], *, methods: list[str], trained: str) -> str:
    """Words a step in a line: what each computed method says of it, and a validation; what is absent is left out."""
    parts = [f"step {step:>{len(str(total))}}/{total}"]
    if "timing_s/step" in data:
        parts.append(f"{data['timing_s/step']:4.1f} s")
    for name in methods:
        said = display_of(name).line(data, applied=name == trained)
        parts += [said if len(methods) == 1 else f"{name}: {said}"] if said else []
    validation = [value for name, value in data.items() if name.startswith("val-core/") and "/acc/mean@" in name]
    if validation:
        parts.append(f"validation {sum(validation) / len(validation):.1%}")
    return "  ".join(parts)


def seconds_left(
    steps: Mapping[int, Mapping[str, float]], trainer: DictConfig, elapsed: float, *, runs_after: int
) -> float:
    """Estimates what time is left of a run, and of as many like it after it.

    `steps` is what was logged so far, step 0 being a validation before the first; `elapsed` the seconds since the
    start, or since the last of them was logged.
    """
    total, every = trainer.total_training_steps, trainer.test_freq

    def measured(name: str, otherwise: float) -> float:
        return median([data[name] for data in steps.values() if name in data] or [otherwise])

    def seconds_after(last: int) -> float:
        validated = [n for n in range(last + 1, total + 1) if every > 0 and (n % every == 0 or n == total)]
        if not trainer.val_before_train:
            validated = [n for n in validated if n > 0]
        step = measured("timing_s/step", STEP_SECONDS)
        return (total - max(last, 0)) * step + len(validated) * measured("timing_s/testing", VALIDATION_SECONDS)

    whole = START_SECONDS + seconds_after(-1)
    return max((seconds_after(max(steps)) if steps else whole) - elapsed, 0) + runs_after * whole


class Shown:
    """What the terminal shows of a run: a line a step, and a bar with the time left. Its metrics need not exist yet."""

    def __init__(self, metrics_file: Path, config: DictConfig, *, runs_after: int) -> None:
        self.metrics_file, self.trainer, self.runs_after = metrics_file, config.trainer, runs_after
        self.trained, self.methods = config.algorithm.adv_estimator, computed_methods(config)
        self.steps: Mapping[int, Mapping[str, float]] = {}
        self.since = time.monotonic()
        total = self.trainer.total_training_steps
        # A log that is no terminal gets the lines alone.
        self.bar = tqdm(total=total, desc=self.trained, unit="step", file=sys.stdout, disable=None)

    def left(self) -> str:
        """The time left in words; nothing where the number of steps is not known."""
        if self.trainer.total_training_steps is None:
            return ""
        seconds = seconds_left(self.steps, self.trainer, time.monotonic() - self.since, runs_after=self.runs_after)
        return f"about {int(seconds) // 60}:{int(seconds) % 60:02} left" + (" in all" if self.runs_after else "")

    def refresh(self) -> None:
        """Prints a line for each step that was logged since the last call."""
        try:
            steps = read_run(self.metrics_file).steps
        except GroupwiseError:
            # Not there yet, or its first line is half written.
            steps = self.steps
        new = sorted(steps.keys() - self.steps.keys())
        if new:
            self.steps, self.since = steps, time.monotonic()
        for step in new:
            line = describe_step(step, self.bar.total, steps[step], methods=self.methods, trained=self.trained)
            self.bar.write(f"{line}  {self.left()}".rstrip(), file=sys.stdout)
            self.bar.update(step - self.bar.n)
        self.bar.set_postfix_str(self.left())
        sys.stdout.flush()


def stop(process: subprocess.Popen[bytes], *, patience: float = PATIENCE_SECONDS) -> None:
    """Ends a process as Ctrl-C would, so that it ends its own, and kills it where it does not end."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(run_dir: Path, overrides: list[str], *, recipe: str, module: str | None = None, runs_after: int = 0) -> int:
    """Trains, shows how it goes, and gives the exit code; log, metrics and memory go into a folder.

    `recipe` is a package, such as recipe.mine; `module` trains, or the recipe's own where it is None.
    """
    config = compose_config(overrides, recipe=recipe)
    run_dir.mkdir(parents=True, exist_ok=True)
    metrics_file, log_file = run_dir / "metrics.jsonl", run_dir / "train.log"
    command = [sys.executable, "-m", module or main_of(recipe), f"hydra.run.dir={run_dir / 'hydra'}", *overrides]
    environment = {**os.environ, "VERL_FILE_LOGGER_PATH": str(metrics_file.absolute())}
    shown = Shown(metrics_file, config, runs_after=runs_after)
    shown.bar.write(
        f"{shown.trained}: Ray, vLLM and verl start, which takes about a minute  {shown.left()}\nlog: {log_file}",
        file=sys.stdout,
    )
    # In a session of its own, so that Ctrl-C reaches Ray's processes through the driver, in order.
    with log_file.open("wb") as log, shown.bar:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        meter, measured = MemoryMeter(process.pid), -MEMORY_SECONDS
        try:
            while process.poll() is None:
                shown.refresh()
                time.sleep(POLL_SECONDS)
                if time.monotonic() - measured >= MEMORY_SECONDS:
                    meter.measure()
                    measured = time.monotonic()
        finally:
            if process.poll() is None:
                stop(process)
            # Claiming the run's folder ends what a killed driver left of it.
            with exclusive_run(config.trainer.default_local_dir):
                pass
        shown.refresh()
    (run_dir / "memory.json").write_text(json.dumps({"peak_bytes": meter.peak_bytes}))
    return process.returncode


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Launch one run of the CPU demonstration.")
    parser.add_argument("--run-dir", type=Path, required=True, help="folder for train.log, metrics.jsonl, memory.json")
    parser.add_argument("--recipe", required=True, help="package of the recipe, which trains and has the settings")
    parser.add_argument("--runs-after", type=int, default=0, help="how many runs like it follow, for the time left")
    arguments, overrides = parser.parse_known_args()
    # A shell starts background jobs with SIGINT ignored, and children would inherit that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        code = run(arguments.run_dir, overrides, recipe=arguments.recipe, runs_after=arguments.runs_after)
    except (HydraException, OmegaConfBaseException) as error:
        sys.exit(f"The configuration cannot be composed: {error}")
    except KeyboardInterrupt:
        sys.exit("Interrupted; Ray and vLLM have ended.")
    if code:
        log_file = arguments.run_dir / "train.log"
        tail = log_file.read_text(errors="replace").splitlines()[-SHOWN_LOG_LINES:]
        sys.exit("\n".join([*tail, "", f"The run ended with exit code {code}; its whole log: {log_file}"]))


if __name__ == "__main__":
    main()
