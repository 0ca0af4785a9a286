"""One start of a soak's training: watches it, kills a process of it at a random time, and sees how it ends."""

import os
import signal
import subprocess
import time
from typing import Any

import psutil
from soak_course import Course, Record, last_sentence, latest_checkpoint, missing_parts
from soak_machine import alive, is_alive, memory, victims

from groupwise.record.run_log import read_record

POLL_SECONDS = 1.0
SAMPLE_SECONDS = 10.0
KILL_PATIENCE = 180.0
"""Seconds in which a run must end that lost a process. Its watch takes up to 70 to give a lost actor up."""
STALL_PATIENCE = 900.0
"""Seconds without a step, the start included, after which a run that was left alone is taken to hang."""


class Attempt:
    """One start, from the command to its end.

    Args:
        course: What is the same for all.
        number: Of the attempt.
        record: Where its events go.
        must_save: Whether it is left alone until it has saved a checkpoint. Asked for where the attempt before was
            killed without one: on a slow machine the run would otherwise never get on.
        left: Processes that the attempt before left.

    Attributes:
        steps: The steps that it has logged.
    """

    def __init__(
        self, course: Course, number: int, record: Record, *, must_save: bool, left: list[psutil.Process]
    ) -> None:
        self.course, self.number, self.must_save, self.left = course, number, must_save, left
        self._record = record
        self._place = str(course.checkpoints)
        self._checkpoint = latest_checkpoint(course.checkpoints)
        self._earlier = self._identity()
        self.steps: list[int] = []
        self._progress = self._sampled = time.monotonic()
        self._kill_at = float("inf")
        self._killed: float | None = None

    def _identity(self) -> tuple[int, int] | None:
        if not self.course.metrics.is_file():
            return None
        status = self.course.metrics.stat()
        # An empty one is not moved aside but written anew.
        return (status.st_dev, status.st_ino) if status.st_size else None

    def _add(self, event: str, **data: Any) -> None:
        self._record.add(event, attempt=self.number, **data)

    @property
    def saved(self) -> bool:
        """Whether it has saved a checkpoint."""
        return latest_checkpoint(self.course.checkpoints) > self._checkpoint

    def run(self) -> dict[str, Any]:
        """Starts the training and stays with it until it has ended.

        Returns:
            The event of its end.
        """
        missing = missing_parts(self.course.checkpoints, self._checkpoint)
        log_file = self.course.folder / f"train.{self.number}.log"
        environment = {**os.environ, "VERL_FILE_LOGGER_PATH": str(self.course.metrics.absolute())}
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                self.course.command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self._add("start", checkpoint=self._checkpoint, missing=missing, pid=process.pid)
        hung = self._watch(process)
        self.read_steps()
        end = {
            "code": process.returncode,
            "seconds": round(time.monotonic() - (self._killed or self._progress), 1),
            "steps": self.steps,
            "error": "" if process.returncode == 0 else last_sentence(log_file.read_text(errors="replace")),
            "hung": hung,
            "left": [each.pid for each in alive(self._place)],
        }
        self._add("end", **end)
        return end

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """Returns once it has ended, with whether it had to be made to."""
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                self._sample(process.pid)
                self.read_steps()
                self._kill(process)
                if self._is_late():
                    return True
            return False
        finally:
            # Also where the soak itself is interrupted. What it leaves is ended by the next start in the folder.
            if process.poll() is None:
                process.kill()
                process.wait()

    def read_steps(self) -> None:
        """Looks which steps it has logged; the first one sets the time of its kill."""
        if self._identity() in (None, self._earlier):
            return
        records = map(read_record, self.course.metrics.read_text(errors="replace").splitlines())
        steps = [record[0] for record in records if record is not None]
        if steps and not self.steps:
            low, high = self.course.minutes
            self._kill_at = time.monotonic() + 60 * self.course.random.uniform(low, high)
            survivors = [each.pid for each in self.left if is_alive(each)]
            self._add("resume", first=steps[0], survivors=survivors)
        if len(steps) > len(self.steps):
            self.steps, self._progress = steps, time.monotonic()

    def _sample(self, driver: int) -> None:
        if time.monotonic() - self._sampled < SAMPLE_SECONDS:
            return
        self._sampled = time.monotonic()
        sizes = memory(self._place, driver)
        if self._killed is None and self.steps:
            total, controller = round(sum(sizes.values()), 1), sizes.get("controller", 0.0)
            self._add("sample", trained=len(self.steps), total=total, controller=controller, kinds=sizes)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        if self._killed is not None or time.monotonic() < self._kill_at or process.poll() is not None:
            return
        if self.steps[-1] >= self.course.kill_until or (self.must_save and not self.saved):
            return
        taken = self.course.deck.take(lambda kind: victims(self._place, kind, process.pid))
        if taken is None:
            return
        kind, found = taken
        pid = self.course.random.choice(found)
        self._add("kill", kind=kind, pid=pid, step=self.steps[-1])
        self._killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)

    def _is_late(self) -> bool:
        now = time.monotonic()
        if self._killed is not None:
            return now - self._killed > KILL_PATIENCE
        return now - self._progress > STALL_PATIENCE
