"""What must hold before Ray starts: every fault of a configuration at once, each as a sentence with its cure.

Nothing here starts a process on a GPU, places anything, or changes a file. What is certain is a fault, and stops the
run; what is only likely, or only worth knowing, is a note (`notes.Note`), and is told.
"""

import re
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from verl.utils.device import auto_set_device

from groupwise.config import PreflightConfig
from groupwise.launch.paths import make_absolute
from groupwise.preflight import (
    attention,
    batch,
    code,
    data,
    disk,
    environment,
    files,
    hardware,
    loggers,
    mend,
    method,
    model,
    resume,
    reward_keys,
    tokenizer,
    trainer,
    verl_rules,
    versions,
)
from groupwise.preflight.facts import Facts
from groupwise.preflight.notes import Note

RECKONING = ("cluster", "batch", "attention", "memory", "disk", "verl")
"""Checks that compute with numbers of every section: they are left out while one of these is refused."""


class Fault(NamedTuple):
    """A reason why a run may not start, or what is told as a note."""

    check: str  # that found it, for preflight.skip
    sentence: str  # what must hold, what was found, what to do


class Findings(NamedTuple):
    """What the checks found, and what from."""

    faults: list[Fault]  # why the run may not start
    notes: list[Fault]  # what its user should know, and may leave as it is
    facts: Facts


VALUES = "values"

CHECKS: dict[str, Callable[[Facts], Iterable[str]]] = {
    # Made before the others, which rest on it (`examine`).
    VALUES: lambda facts: (),
    "versions": lambda facts: versions.find_faults(hardware.kind(), facts.config.actor_rollout_ref.rollout.name),
    "registrations": lambda facts: versions.find_registration_faults(),
    "environment": lambda facts: environment.find_faults(facts.config.trainer.device),
    "cluster": lambda facts: environment.find_cluster_faults(facts.config),
    "estimator": lambda facts: method.find_estimator_faults(facts.config.algorithm.adv_estimator),
    "method": lambda facts: method.find_faults(facts.config),
    "reward": lambda facts: reward_keys.find_faults(facts.config),
    "trainer": lambda facts: trainer.find_faults(facts.config),
    "device": lambda facts: hardware.find_device_faults(facts.config),
    "files": lambda facts: files.find_faults(facts.config),
    "model": lambda facts: model.find_faults(facts.config, facts.hf_config, facts.model_fault),
    "batch": lambda facts: batch.find_faults(facts.config, facts.hf_config, facts.train_rows),
    "attention": attention.find_faults,
    "tokenizer": lambda facts: tokenizer.find_faults(facts.config, facts.tokenizer, facts.sample, facts.hf_config),
    "memory": lambda facts: hardware.find_memory_faults(facts),
    "disk": lambda facts: disk.find_faults(facts),
    "loggers": lambda facts: loggers.find_faults(facts.config),
    "resume": lambda facts: resume.find_faults(facts),
    "code": lambda facts: code.find_faults(facts),
    "data": lambda facts: data.find_faults(facts),
    "verl": lambda facts: verl_rules.find_faults(
        facts.config, has_model=facts.hf_config is not None and facts.tokenizer is not None
    ),
    "cpu": lambda facts: hardware.find_cpu_faults(facts.config),
}
"""All checks, in the order in which their faults are told; the slow ones come last."""


def examine(config: DictConfig, *, leave_out: Iterable[str] = (), is_plain: bool = False) -> Findings:
    """Looks for everything that would stop or spoil a run, but for checks of preflight.skip and of `leave_out`.

    `is_plain` says that verl's own trainer runs it.
    """
    mended = mend.mend(config)
    found = [Fault(VALUES, sentence) for sentence in mended.sentences]
    try:
        options = PreflightConfig.from_mapping(OmegaConf.to_container(mended.config.preflight), checks=tuple(CHECKS))
    except ValueError as error:
        found.append(Fault("preflight", str(error)))
        options = PreflightConfig(skip=(), gpu_memory_gib=None)
        mended.config.preflight.gpu_memory_gib = None
    make_absolute(mended.config)
    auto_set_device(mended.config)
    facts = Facts(mended.config, is_plain=is_plain)
    left_out = {*options.skip, *leave_out, *(() if mended.is_reckonable else RECKONING)}
    for name in CHECKS:
        if name not in left_out:
            found += _ask(name, facts)
    told = [fault for fault in found if fault.check not in left_out and not _is_told(fault, mended.refused)]
    return Findings(
        [fault for fault in told if not isinstance(fault.sentence, Note)],
        [fault for fault in told if isinstance(fault.sentence, Note)],
        facts,
    )


def _is_told(fault: Fault, refused: list[str]) -> bool:
    """Whether it speaks of a key whose value was refused already: the checks have seen its default instead."""
    return fault.check != VALUES and any(
        re.search(rf"(?<![\w.]){re.escape(key)}(?![\w])", fault.sentence) for key in refused
    )


def find_faults(config: DictConfig, *, leave_out: Iterable[str] = ()) -> list[Fault]:
    """Looks for everything that would stop a run of this configuration: the faults of `examine`."""
    return examine(config, leave_out=leave_out).faults


def _ask(name: str, facts: Facts) -> list[Fault]:
    """Makes one check; what it found before it broke is kept, and that it broke is a fault of its own."""
    found: list[Fault] = []
    try:
        found.extend(Fault(name, sentence) for sentence in CHECKS[name](facts))
    except Exception as error:  # noqa: BLE001 -- a check that breaks must not take what the others found with it
        frame = traceback.extract_tb(error.__traceback__)[-1]
        found.append(
            Fault(
                name,
                f"The check {name} must come to an end, but broke with {type(error).__name__}: {str(error)[:300]} "
                f"({Path(frame.filename).name}, line {frame.lineno}); correct the values that it names, or leave the "
                "check out: it is a fault of the check's own.",
            )
        )
    return found


def report(findings: Findings, skip: str = "preflight.skip=[{}] leaves such checks out.") -> str:
    """Words the findings for the user who launched the run; "" where nothing was found. `skip` says how to go on."""
    lines = [f"Note: {note.sentence} [{note.check}]" for note in findings.notes]
    if findings.faults:
        checks = ",".join(dict.fromkeys(fault.check for fault in findings.faults))
        lines += [
            "This run cannot start:",
            *(f"- {fault.sentence} [{fault.check}]" for fault in findings.faults),
            f"The name behind a fault is its check's; {skip.format(checks)}",
        ]
    return "\n".join(lines)


def describe(facts: Facts) -> list[str]:
    """Tells what a dry run shows beside the configuration: the estimate of the GPU's memory, and what was left out."""
    skipped = [str(name) for name in facts.config.preflight.skip]
    left_out = [f"Left out by preflight.skip: {', '.join(skipped)}"] if skipped else []
    try:
        return [*hardware.describe_memory(facts), *left_out]
    except Exception as error:  # noqa: BLE001 -- the check of the memory has said so, and a table is no reason to end
        return [f"GPU memory: not estimated: {type(error).__name__}", *left_out]


def left_to_the_start(config: DictConfig) -> tuple[str, ...]:
    """Names the checks that a login node cannot make: of GPUs, where it has none, and of a cluster of several nodes."""
    try:
        needs_gpus = bool(list(hardware.find_device_faults(config)))
        needs_cluster = config.trainer.nnodes != 1
    except (OmegaConfBaseException, AttributeError):
        return ()  # which the checks tell
    return (*(("device", "cpu") if needs_gpus else ()), *(("cluster",) if needs_cluster else ()))
