"""Several trainings in a folder, run one at a time in the order in which they were asked for.

The folders of the runs are the queue: `0001-bc`, `0002-rdp`, ... Each keeps its own state on disk,
so whatever kills the runner, the next one goes on with the same training where it was.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from datasets.lock import FileLock, is_held
from devices.errors import ConfigError, PolicyError, TeledeckError
from policies.training_run import CONTROL, PLAN, STATUS, Phase, Plan, RunFolder, Status

LOCK = "queue.lock"
ADDING = "adding.lock"
READY: tuple[Phase, ...] = ("waiting", "stopped")
"""What the runner takes up. What failed waits until somebody says `again`."""

_LOOK_S = 0.2
_ADDING_S = 5.0
_FOLDER = re.compile(r"(\d{4,})-[a-z0-9][a-z0-9_.-]*")


class TrainingQueue:
    """The queue in a folder, for its runner and for whoever watches or fills it."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().absolute()

    def runs(self) -> tuple[RunFolder, ...]:
        """All trainings, in the order of the queue."""
        if not self.root.is_dir():
            return ()
        names = [(_number(path.name), path) for path in self.root.iterdir()]
        found = sorted((n, path) for n, path in names if n and (path / PLAN).exists())
        return tuple(RunFolder(path) for _, path in found)

    def run(self, name: str) -> RunFolder:
        """One training by the name of its folder. Raises ConfigError if there is none."""
        for folder in self.runs():
            if folder.path.name == name:
                return folder
        raise ConfigError(
            f"{self.root} has no training '{name}'",
            allowed=[folder.path.name for folder in self.runs()],
        )

    def add(self, plan: Plan, name: str = "") -> RunFolder:
        """Put a training at the end of the queue.

        Args:
            plan: What to train.
            name: Lower-case words for its folder; by default the policy's name.

        Raises:
            ConfigError: For a name that is no folder name.
        """
        name = name or plan.policy
        if _FOLDER.fullmatch(f"0000-{name}") is None:
            raise ConfigError(
                f"A training cannot be called '{name}'",
                next_step="Use lower-case letters, digits, '-', '_' and '.'",
            )
        # One at a time: a number is seen by the runner only when those before it have their plans.
        with self._adding():
            number = max((_number(path.name) for path in self.root.iterdir()), default=0) + 1
            folder = RunFolder(self.root / f"{number:04}-{name}")
            folder.create(plan)
        return folder

    def next(self) -> RunFolder | None:
        """The first training that could go on, or None."""
        for folder in self.runs():
            if _phase(folder) in READY:
                return folder
        return None

    def work(
        self, train: Callable[[RunFolder], Status], stopping: threading.Event | None = None
    ) -> tuple[RunFolder, ...]:
        """Run trainings until none is ready, or `stopping` is set.

        Args:
            train: Runs one training to its end and returns its status; one that raises or leaves
                the training ready is tried again by this runner only when somebody asked for
                that, and then before those behind it.
            stopping: Looked at between trainings.

        Returns:
            Those that were run.

        Raises:
            PolicyError: If another runner has the queue.
        """
        done: list[RunFolder] = []
        tried: dict[Path, _Mark] = {}
        with self._locked():
            while not (stopping is not None and stopping.is_set()):
                # One at a time, even while the training of a runner that was killed ends.
                while any(f.is_locked() for f in self.runs()):
                    if (stopping or threading.Event()).wait(_LOOK_S):
                        return tuple(done)
                ready = [f for f in self.runs() if _phase(f) in READY]
                left = [f for f in ready if tried.get(f.path) != _mark(f)]
                if not left:
                    break
                first = left[0]
                with contextlib.suppress(TeledeckError):
                    train(first)
                tried[first.path] = _mark(first)
                done.append(first)
        return tuple(done)

    def again(self, name: str) -> None:
        """Let a training that failed or was cancelled go on from its last state.

        Raises:
            ConfigError: If it did neither.
        """
        folder = self.run(name)
        status = folder.status()
        if status.phase not in ("failed", "cancelled"):
            raise ConfigError(
                f"'{name}' is {status.phase}; only what failed or was cancelled is tried again"
            )
        with folder.locked():
            folder.write_status(Status(phase="stopped", step=status.step, steps=status.steps))

    def cancel(self, name: str) -> None:
        """Cancel a training, also one that nobody works on."""
        folder = self.run(name)
        if folder.is_locked():
            folder.command("cancel")
            return
        status = folder.status()
        if status.phase not in ("done", "cancelled"):
            with folder.locked():
                folder.write_status(Status(phase="cancelled", step=status.step, steps=status.steps))

    def is_worked_on(self) -> bool:
        """Whether a runner lives."""
        try:
            return is_held(self.root / LOCK)
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def _adding(self) -> Iterator[None]:
        """Wait for whoever else adds to the queue, a few milliseconds."""
        path = self.root / ADDING
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise ConfigError(
                f"No queue can be made at {self.root}: {(error.strerror or str(error)).lower()}",
                next_step="Choose a folder that you may write to",
            ) from error
        deadline = time.monotonic() + _ADDING_S
        while True:
            try:
                lock = FileLock(path)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise PolicyError(
                        f"Somebody else has been adding to {self.root} for {_ADDING_S:.0f} s",
                        next_step="Try again; if it stays so, end the program that hangs",
                    ) from error
                time.sleep(0.01)
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / LOCK).touch()
        try:
            lock = FileLock(self.root / LOCK)
        except OSError as error:
            raise PolicyError(
                f"The queue {self.root} is worked on already",
                next_step="What is added to it will be trained in turn",
            ) from error
        try:
            yield
        finally:
            lock.release()


def _phase(folder: RunFolder) -> Phase:
    """What it does now; one whose status cannot be read is in nobody's way."""
    try:
        return folder.status().phase
    except PolicyError:
        return "failed"


_Mark = tuple[tuple[int, int] | None, ...]


def _mark(folder: RunFolder) -> _Mark:
    """What was last said about a training; another one after somebody asked for something."""
    marks: list[tuple[int, int] | None] = []
    for name in (STATUS, CONTROL):
        try:
            stat = (folder.path / name).stat()
            marks.append((stat.st_ino, stat.st_mtime_ns))
        except FileNotFoundError:
            marks.append(None)
    return tuple(marks)


def _number(name: str) -> int:
    match = _FOLDER.fullmatch(name)
    return int(match[1]) if match else 0
