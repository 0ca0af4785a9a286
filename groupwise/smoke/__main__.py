"""Trains, checkpoints, resumes and evaluates a model of random weights on this machine, and says what works and fits.

    bash scripts/gpu_smoke.sh [+device=cpu] [minutes=10] [out=FOLDER] [key=value ...]

Nothing is downloaded. FOLDER gets smoke.json, which a bug report can have attached, and the logs.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

import groupwise.hook.register  # noqa: F401 -- registers the estimators, which the composition asks for
from groupwise.demo.launch import compose_config
from groupwise.launch import attention
from groupwise.preflight import memory
from groupwise.preflight.facts import Facts
from groupwise.record.run_record import versions
from groupwise.smoke.materials import make_model, make_rows
from groupwise.smoke.stages import Result, Stage, look_at_evaluation, look_at_training, perform

ASSUMED_TOKENS_PER_SECOND: Final = 8_000
"""Of vLLM, for the setting of 0.5 billion parameters in docs/running.md."""

STEPS, RESUMED = 5, 3
"""Steps of a run, and after how many of them it is resumed."""

SHARED: Final = (
    "data.max_response_length=256",
    "reward.custom_reward_function.path=pkg://groupwise.smoke.materials",
    "trainer.val_before_train=false",
    "trainer.test_freq=-1",
    "trainer.logger=[console,file]",
)
GPU: Final = (*SHARED, "data.train_batch_size=16", "actor_rollout_ref.actor.ppo_mini_batch_size=16")
CPU: Final = (
    *SHARED,
    "data.train_batch_size=4",
    "actor_rollout_ref.actor.ppo_mini_batch_size=4",
    "data.max_response_length=16",
    "data.filter_overlong_prompts_workers=1",
    # As on a GPU without flash-attn.
    "actor_rollout_ref.model.use_remove_padding=true",
    "actor_rollout_ref.model.use_fused_kernels=true",
)


class Asked(NamedTuple):
    """The command line."""

    recipe: str
    setting: str
    methods: list[str]  # the last one is resumed and evaluated
    minutes: float
    out: Path
    overrides: list[str]

    @property
    def on_cpu(self) -> bool:
        return "+device=cpu" in self.overrides


def parse(arguments: Sequence[str] | None) -> Asked:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("recipe", "setting", "methods"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("rest", nargs="*", metavar="key=value")
    found = parser.parse_args(arguments)
    given, overrides = {"minutes": "10", "out": "outputs/smoke"}, []
    for word in found.rest:
        key, _, value = word.partition("=")
        if key in given:
            given[key] = value
        else:
            overrides.append("+device=cpu" if word == "device=cpu" else word)
    out = Path(given["out"], time.strftime("%Y-%m-%d_%H-%M-%S")).absolute()
    return Asked(found.recipe, found.setting, found.methods.split(","), float(given["minutes"]), out, overrides)


def plan(asked: Asked) -> tuple[list[Stage], DictConfig]:
    """The stages in their order, and the configuration of the run that is resumed."""
    shared = [
        f"+experiment={asked.setting}",
        *(CPU if asked.on_cpu else GPU),
        f"actor_rollout_ref.model.path={asked.out / 'model'}",
        f"data.train_files={asked.out / 'train.parquet'}",
        f"data.val_files={asked.out / 'val.parquet'}",
    ]
    last, steps, resumed = asked.methods[-1], 2 if asked.on_cpu else STEPS, 1 if asked.on_cpu else RESUMED
    config = compose_config([*shared, *asked.overrides], recipe=asked.recipe)
    responses = config.data.train_batch_size * config.actor_rollout_ref.rollout.n

    def training(name: str, method: str, first: int, until: int, *more: str) -> Stage:
        folder = asked.out / method
        own = (
            f"algorithm.adv_estimator={method}",
            f"trainer.default_local_dir={folder / 'checkpoints'}",
            f"trainer.total_training_steps={until}",
            *more,
        )
        launch = [sys.executable, "-m", "groupwise.demo.launch", "--recipe", asked.recipe, "--run-dir", str(folder)]
        return Stage(
            name,
            [*launch, *shared, *asked.overrides, *own],
            folder / "train.log",
            lambda: look_at_training(folder, first=first, last=until, responses=responses),
        )

    evaluation = asked.out / "evaluation"
    command = [sys.executable, "-m", "groupwise.evaluation", str(asked.out / last / "checkpoints")]
    options = ["--data", str(asked.out / "val.parquet"), "--limit", "8", "--samples", "2", "--temperature", "1"]
    stages = [training(f"train {method}", method, 1, steps, "trainer.save_freq=-1") for method in asked.methods[:-1]]
    stages += [
        training(f"train {last}, checkpoint", last, 1, resumed, f"trainer.save_freq={resumed}"),
        training(f"resume {last}", last, resumed + 1, steps, f"trainer.save_freq={steps}"),
        Stage(
            "evaluate",
            [*command, *options, "--max-tokens", "16" if asked.on_cpu else "256", "--output", str(evaluation)],
            evaluation / "server.log",
            lambda: look_at_evaluation(evaluation),
        ),
    ]
    return stages, config


def estimated(config: DictConfig) -> dict[str, float]:
    """GiB that the checks before a run estimate for each phase; empty without a card, or where they do not know it."""
    attention.fall_back(config)
    facts, card = Facts(config), memory.card_bytes(config)
    if card is None or facts.parameters is None or config.trainer.device == "cpu" or memory.find_unknown(config):
        return {}
    found = memory.estimate(config, facts.hf_config, facts.parameters, card)
    return {"training": found.training / memory.GIB, "rollout": found.rollout / memory.GIB}


def show(results: Sequence[Result], estimate: dict[str, float], *, minutes: float) -> None:
    """Prints the table of verdicts, and the end of each log that tells of a fault."""
    table = Table("stage", "verdict", "seconds", "GPU GiB, peak", "GPU GiB, estimated", "tokens/s", "tokens/s, assumed")
    for each in results:
        rate = each.figures.get("tokens_per_second")
        table.add_row(
            each.name,
            "ok" if each.ok else "FAILED",
            f"{each.seconds:.0f}",
            "-" if each.gpu_peak_gib is None else f"{each.gpu_peak_gib:.1f}",
            f"{max(estimate.values()):.1f}" if estimate and rate else "-",
            f"{rate:,.0f}" if rate else "-",
            f"{ASSUMED_TOKENS_PER_SECOND:,}" if rate and estimate else "-",
        )
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for each in results:
        if each.fault:
            console.print(f"\n{each.name}: {each.fault}", markup=False, highlight=False)
    total = sum(each.seconds for each in results) / 60
    console.print(f"{total:.1f} minutes, of {minutes:g}", highlight=False)


def smoke(asked: Asked) -> bool:
    """Makes what is trained, performs the stages until one fails, and writes what came of them; whether all is well."""
    asked.out.mkdir(parents=True)
    deadline = time.monotonic() + 60 * asked.minutes
    make_model(asked.out / "model", tiny=asked.on_cpu)
    rows = make_rows(asked.out)
    stages, config = plan(asked)
    estimate = estimated(config)
    results: list[Result] = []
    for stage in stages:
        sys.stdout.write(f"\n== {stage.name}\n")
        sys.stdout.flush()
        results.append(perform(stage, deadline))
        if not results[-1].ok:
            break
    ok = len(results) == len(stages) and all(each.ok for each in results)
    told: dict[str, Any] = {
        "ok": ok,
        "versions": versions(),
        "gpus": memory.ask_gpus("name,memory.total,driver_version"),
        "overrides": asked.overrides,
        "rows": rows,
        "attention": config.actor_rollout_ref.model.override_config.get("attn_implementation", "flash_attention_2"),
        "estimated_gib": estimate,
        "assumed_tokens_per_second": ASSUMED_TOKENS_PER_SECOND,
        "stages": [each._asdict() for each in results],
        "left_out": [stage.name for stage in stages[len(results) :]],
    }
    (asked.out / "smoke.json").write_text(json.dumps(told, indent=2) + "\n")
    show(results, estimate, minutes=asked.minutes)
    left_out = f"; left out: {', '.join(told['left_out'])}" if told["left_out"] else ""
    sys.stdout.write(
        f"{'This machine trains' if ok else 'FAILED'}{left_out}. For a bug report: {asked.out}/smoke.json\n"
    )
    return ok


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        sys.exit(0 if smoke(parse(arguments)) else 1)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted.")


if __name__ == "__main__":
    main()
