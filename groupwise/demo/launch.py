"""Launches one run of the demonstration: verl's long output goes to a file, the terminal shows a line a step.

    python -m groupwise.demo.launch --recipe PACKAGE --run-dir DIR [hydra overrides]

DIR gets train.log, metrics.jsonl and memory.json. Ctrl-C or SIGTERM ends verl, Ray and vLLM.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def show_new_steps(metrics_file: Path, progress: tqdm, shown: set[int], *, methods: list[str], trained: str) -> None:
    """Prints a line for each step that was logged since the last call, and adds it to those shown; the file need not
    exist yet."""
    try:
        steps = read_run(metrics_file).steps
    except GroupwiseError:
        # Not there yet, or its first line is half written.
        return
    for step in sorted(steps.keys() - shown):
        shown.add(step)
        line = describe_step(step, progress.total, steps[step], methods=methods, trained=trained)
        progress.write(line, file=sys.stdout)
        progress.update(step - progress.n)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a run's driver as Ctrl-C would, and kills it where it does not end."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(run_dir: Path, overrides: list[str], *, recipe: str, module: str | None = None) -> int:
    """Trains, and shows how it goes.

    Args:
        run_dir: Folder for the log, the metrics and the memory.
        overrides: Hydra's command-line overrides.
        recipe: Package of the recipe, such as recipe.mine.
        module: What trains; None takes the recipe's own.

    Returns:
        The exit code of the run.
    """
    config = compose_config(overrides, recipe=recipe)
    estimator, total = config.algorithm.adv_estimator, config.trainer.total_training_steps
    computed = {"methods": computed_methods(config), "trained": estimator}
    run_dir.mkdir(parents=True, exist_ok=True)
    metrics_file, log_file = run_dir / "metrics.jsonl", run_dir / "train.log"
    command = [sys.executable, "-m", module or main_of(recipe), f"hydra.run.dir={run_dir / 'hydra'}", *overrides]
    environment = {**os.environ, "VERL_FILE_LOGGER_PATH": str(metrics_file.absolute())}
    sys.stdout.write(f"{estimator}: Ray, vLLM and verl start, which takes about a minute; log: {log_file}\n")
    sys.stdout.flush()
    # In a session of its own, so that Ctrl-C reaches Ray's processes through the driver, in order.
    with (
        log_file.open("wb") as log,
        tqdm(total=total, desc=estimator, unit="step", file=sys.stdout, disable=None) as progress,
    ):
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        meter, shown, measured = MemoryMeter(process.pid), set[int](), -MEMORY_SECONDS
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                if time.monotonic() - measured >= MEMORY_SECONDS:
                    meter.measure()
                    measured = time.monotonic()
                show_new_steps(metrics_file, progress, shown, **computed)
                progress.refresh()
        finally:
            if process.poll() is None:
                stop(process)
            # Claiming the run's folder ends what a killed driver left of it.
            with exclusive_run(config.trainer.default_local_dir):
                pass
        show_new_steps(metrics_file, progress, shown, **computed)
    (run_dir / "memory.json").write_text(json.dumps({"peak_bytes": meter.peak_bytes}))
    return process.returncode


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Launch one run of the CPU demonstration.")
    parser.add_argument("--run-dir", type=Path, required=True, help="folder for train.log, metrics.jsonl, memory.json")
    parser.add_argument("--recipe", required=True, help="package of the recipe, which trains and has the settings")
    arguments, overrides = parser.parse_known_args()
    # A shell starts background jobs with SIGINT ignored, and children would inherit that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        code = run(arguments.run_dir, overrides, recipe=arguments.recipe)
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
