"""Command line: python -m groupwise.preflight -- <a command of verl.trainer.main_ppo, or its overrides>"""

import argparse
import os
import sys
from collections.abc import Sequence

import verl
from hydra.errors import HydraException

from groupwise.errors import GroupwiseError
from groupwise.launch.command_line import explain
from groupwise.preflight import describe, report
from groupwise.preflight.plain import compose_command, examine_plain

DESCRIPTION = """\
Checks a command line of verl's own trainer before it is started: what verl would fail on, after models and engines are
up, or what wastes the run. Nothing is started and no file is changed.
"""
EXAMPLE = """\
  python -m groupwise.preflight --gpu-memory 80 -- python3 -m verl.trainer.main_ppo algorithm.adv_estimator=grpo ...

exit code: 0 if nothing stands in the way, 1 after a sentence for each fault.
"""
SKIP = "--skip {} leaves such checks out."


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what was found and gives the exit code."""
    given = _parser().parse_args(arguments)
    words = given.command[1:] if given.command[:1] == ["--"] else given.command
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    try:
        config = compose_command(words)
        findings = examine_plain(config, elsewhere=given.elsewhere, skip=given.skip, gpu_memory=given.gpu_memory)
    except HydraException as error:
        sys.stderr.write(f"{explain(error, words)}\n")
        return 1
    except GroupwiseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    estimate = [line.replace("preflight.gpu_memory_gib=", "--gpu-memory ") for line in describe(findings.facts)]
    shown = [report(findings, SKIP), *estimate]
    if not findings.faults:
        where = "but for what depends on the machine" if given.elsewhere else "on this machine"
        shown.append(f"Nothing stands in the way of this run, {where} (verl {verl.__version__}).")
    sys.stdout.writelines(f"{text}\n" for text in shown if text)
    return 1 if findings.faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m groupwise.preflight",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--gpu-memory", type=float, metavar="GIB", help="memory of a GPU (default: nvidia-smi's, if there is one)")
    add("--elsewhere", action="store_true", help="leave out this machine: its GPUs, files, model, disk and log-ins")
    names = lambda text: text.split(",")  # noqa: E731
    add("--skip", type=names, default=[], metavar="CHECK,...", help="checks to leave out; a fault names its check")
    add("command", nargs=argparse.REMAINDER, help="the command, or its overrides, behind --")
    return parser


if __name__ == "__main__":
    sys.exit(main())
