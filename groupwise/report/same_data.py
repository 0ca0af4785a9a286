"""Refuses to compare runs of different data."""

from collections.abc import Sequence

from groupwise.errors import GroupwiseError
from groupwise.report.runs import Run

MEANING = {"train_files": "training", "val_files": "validation"}
SHOWN = 3
SHOWN_HASH = len("sha256:") + 12


def data_fault(runs: Sequence[Run]) -> str | None:
    """Says that two runs had different data.

    Args:
        runs: All runs; what is unknown is taken to agree.

    Returns:
        The first difference, naming both runs and their files; None where there is none.
    """
    known = [(run.path, run.data) for run in runs if run.data is not None]
    for key, meaning in MEANING.items():
        for path, data in known[1:]:
            first, other = known[0][1][key], data[key]
            # A name and a hash say nothing about each other.
            if first != other and _are_hashes(first) == _are_hashes(other):
                files = f"{_shown(first, other)} and {_shown(other, first)}"
                return f"{known[0][0]} and {path} have different {meaning} data ({files})"
    return None


def check_same_data(runs: Sequence[Run]) -> None:
    """Refuses runs of different data.

    Args:
        runs: All runs.

    Raises:
        GroupwiseError: Two of them had different training or validation files.
    """
    fault = data_fault(runs)
    if fault is not None:
        raise GroupwiseError(
            f"Runs that are compared must have the same data, but {fault}; report on them apart, or go on with "
            "--different-data, which the page will say."
        )


def _are_hashes(files: frozenset[str]) -> bool:
    return all(file.startswith("sha256:") for file in files)


def _shown(files: frozenset[str], others: frozenset[str]) -> str:
    """The files that the other run has not, shortened."""
    only = sorted(files - others) or ["nothing more"]
    shown = [file[:SHOWN_HASH] if file.startswith("sha256:") else file for file in only[:SHOWN]]
    return ", ".join(shown) + (", ..." if len(only) > SHOWN else "")
