"""Evaluates a checkpoint or a model: `bash scripts/evaluate.sh CHECKPOINT_OR_MODEL [options]`.

A set whose files stand in the output folder and were made with the same settings is not generated again, nor is a
response of one that was interrupted.
"""

import signal
import sys
from collections.abc import Sequence

from groupwise.errors import GroupwiseError
from groupwise.evaluation import checkpoint, options
from groupwise.evaluation.client import KEPT
from groupwise.evaluation.conclusion import check_against, conclude
from groupwise.evaluation.evaluate import generate_sets
from groupwise.launch.leftovers import exclusive_run


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 1 after a sentence on what is wrong, 130 after Ctrl-C."""
    try:
        _evaluate(options.parse(argv))
    except KeyboardInterrupt:
        sys.stderr.write(f"\nInterrupted; {KEPT}\n")
        return 128 + signal.SIGINT
    except (GroupwiseError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _evaluate(given: options.Options) -> None:
    source = checkpoint.find(given.model)
    output = (given.output or source.output).expanduser()
    output.mkdir(parents=True, exist_ok=True)
    if given.against is not None:
        check_against(given.against)
    with exclusive_run(output):
        names = generate_sets(given, source, output)
        text = conclude(output, names, against=given.against)
    sys.stdout.write(f"{text}\nresponses and figures: {output}\n")


if __name__ == "__main__":
    sys.exit(main())
