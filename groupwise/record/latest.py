"""Which checkpoint a run resumes by itself: the one that verl's file of the latest step names.

verl writes that file in place, so that a kill or a full disk can leave it empty, and stops at such a one.
"""

import zipfile
from pathlib import Path

from groupwise.files import replacing

LATEST_FILE = "latest_checkpointed_iteration.txt"


def by_step(folder: Path) -> dict[int, Path]:
    """The folders of checkpoints in a folder by their steps, the lowest first."""
    found = {path.name.removeprefix("global_step_"): path for path in folder.glob("global_step_*")}
    return dict(sorted((int(step), path) for step, path in found.items() if step.isdecimal()))


def latest(folder: Path) -> Path | None:
    """The checkpoint that is named, whether it is there or not; where the file names none, the newest whole one."""
    file = folder / LATEST_FILE
    if not file.is_file():
        return None
    step = file.read_text(errors="replace").strip()
    return folder / f"global_step_{step}" if step.isdecimal() else newest_whole(folder)


def newest_whole(folder: Path) -> Path | None:
    """The checkpoint of the highest step that was saved whole: verl writes data.pt after the workers' parts."""
    whole = [path for path in by_step(folder).values() if zipfile.is_zipfile(path / "data.pt")]
    return whole[-1] if whole else None


def fault(folder: Path) -> str | None:
    """Says that the file names no step, and what a run goes on from; None where it names one, or is not there."""
    file = folder / LATEST_FILE
    text = file.read_text(errors="replace").strip() if file.is_file() else "0"
    if text.isdecimal():
        return None
    checkpoint = newest_whole(folder)
    goes_on = f"goes on from the newest whole checkpoint, {checkpoint}" if checkpoint else "begins anew: none is whole"
    return (
        f"{file} must name the step of the latest checkpoint, but holds {text[:40]!r}, as a kill or a full disk leaves "
        f"it while verl writes it; the run {goes_on}."
    )


def mend(folder: Path) -> str | None:
    """Corrects the file where it names no step, and gives what `fault` says of it."""
    said = fault(folder)
    if said:
        checkpoint = newest_whole(folder)
        if checkpoint:
            with replacing(folder / LATEST_FILE) as partial:
                partial.write_text(checkpoint.name.removeprefix("global_step_"))
        else:
            (folder / LATEST_FILE).unlink()
    return said
