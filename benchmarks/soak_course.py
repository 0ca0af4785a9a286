"""What the attempts of a soak share: its settings, its record, and what lies in its folder."""

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from soak_events import SENTENCE

PARTS = ("actor", "data.pt", "method.pt", "method.json")
"""What a whole checkpoint of this recipe has."""


class Deck:
    """Kinds of processes in a random order, so that each is killed once before any is killed again.

    Args:
        kinds: The kinds.
        draw: What shuffles.
    """

    def __init__(self, kinds: Sequence[str], draw: random.Random) -> None:
        self._kinds, self._random, self._cards = kinds, draw, list[str]()

    def take(self, find: Callable[[str], list[int]]) -> tuple[str, list[int]] | None:
        """Takes the first kind of which there is a process.

        Args:
            find: Lists the processes of a kind.

        Returns:
            The kind and its processes; None where there is none; ask again later.
        """
        if not self._cards:
            self._cards = self._random.sample(self._kinds, len(self._kinds))
        for kind in self._cards:
            if found := find(kind):
                self._cards.remove(kind)
                return kind, found
        # What is left has no process: the next look begins with all kinds again.
        self._cards = []
        return None


class Course(NamedTuple):
    """What is the same for all attempts.

    Attributes:
        command: Starts the training.
        folder: Of the soak; the run's metrics and `checkpoints` lie in it.
        kill_until: No process is killed once this step was trained.
        minutes: Least and most between an attempt's first step and its kill.
        deck: Kinds of processes to kill.
        random: What draws the times, and one of several processes of a kind.
    """

    command: list[str]
    folder: Path
    kill_until: int
    minutes: tuple[float, float]
    deck: Deck
    random: random.Random

    @property
    def checkpoints(self) -> Path:
        """The run's folder of checkpoints."""
        return (self.folder / "checkpoints").absolute()

    @property
    def metrics(self) -> Path:
        """The run's metrics."""
        return self.folder / "metrics.jsonl"


class Record:
    """Adds a line to a JSON lines file for each event."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def add(self, event: str, **data: Any) -> None:
        """Adds one, with the time."""
        line = json.dumps({"event": event, "time": round(time.time(), 1), **data})
        with self.file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def read(self) -> list[dict[str, Any]]:
        """All so far."""
        return [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]


def latest_checkpoint(folder: Path) -> int:
    """The step of the checkpoint that a run would resume, 0 for none: verl names it when it is whole."""
    tracker = folder / "latest_checkpointed_iteration.txt"
    # Empty for the moment in which it is written.
    return int(tracker.read_text() or 0) if tracker.is_file() else 0


def missing_parts(folder: Path, step: int) -> list[str]:
    """Lists what the checkpoint of a step lacks."""
    return [name for name in PARTS if not (folder / f"global_step_{step}" / name).exists()] if step else []


def last_sentence(log: str) -> str:
    """The line that says why a run ended: that of the recipe where there is one, else the last."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    told = [line for line in lines if SENTENCE in line]
    return (told or lines or ["(no output)"])[-1][:500]
