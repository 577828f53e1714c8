"""What the training page needs to know: the runs of a queue, their curves, and what can be asked.

No Qt and no torch. Everything is read from the run folders, so a page that is opened later, or in
another window, sees the same. The trainings live in processes of their own and outlast the window.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from devices.errors import PolicyError
from devices.stream import FloatArray
from policies.training_queue import TrainingQueue
from policies.training_run import BEST, Phase, Place, Plan, RunFolder, Status

CurveName = tuple[str, str, str]
"""Kind ("train" or "hold-out"), stage, and name of a number ("loss")."""

_NO_CURVES = frozenset(("kind", "stage", "step", "wall_s", "elapsed_s", "left_s"))


@dataclass(frozen=True, slots=True)
class TrainingView:
    """One row of the page.

    Attributes:
        name: Of its folder.
        path: The folder.
        plan: What was asked.
        status: What it does now.
        checkpoint: The best one so far, None before there is one.
    """

    name: str
    path: Path
    plan: Plan
    status: Status
    checkpoint: Path | None

    @property
    def share(self) -> float:
        """How much of the budget is spent, 0 to 1."""
        return self.status.step / self.plan.steps

    @property
    def can(self) -> frozenset[str]:
        """What may be asked for now: names of methods of `TrainingDesk`."""
        return _CAN[self.status.phase]


@dataclass(frozen=True, slots=True)
class TrainingCurve:
    """One curve, oldest point first.

    Attributes:
        steps: Updates, shape (n,).
        values: Shape (n,).
    """

    steps: FloatArray
    values: FloatArray


@dataclass(slots=True)
class _Points:
    place: Place = (0, 0)
    points: dict[CurveName, dict[int, float]] = field(default_factory=dict)


class TrainingDesk:
    """The page's view of a queue. Cheap to poll: only new lines of metrics are read.

    Args:
        root: Folder of the queue; made when the first training is added.
    """

    def __init__(self, root: Path) -> None:
        self.queue = TrainingQueue(root)
        self.complaints: tuple[str, ...] = ()
        self._curves: dict[str, _Points] = {}
        self._runner: subprocess.Popen[bytes] | None = None

    # ----------------------------------------------------------------------------------- looking
    def runs(self) -> tuple[TrainingView, ...]:
        """All trainings in the order of the queue; what cannot be read is in `complaints`."""
        views, complaints = [], []
        for folder in self.queue.runs():
            try:
                plan, status = folder.plan(), folder.status()
            except PolicyError as error:
                complaints.append(str(error))
                continue
            best = folder.path / BEST
            views.append(
                TrainingView(
                    folder.path.name, folder.path, plan, status, best if best.exists() else None
                )
            )
        self.complaints = tuple(complaints)
        return tuple(views)

    def curves(self, name: str) -> Mapping[CurveName, TrainingCurve]:
        """The curves of a training as they are now."""
        folder = self.queue.run(name)
        kept = self._curves.setdefault(name, _Points())
        lines, place = folder.metrics(kept.place)
        if place[0] != kept.place[0]:
            kept.points.clear()  # it went on from a state: what came after that does not count
        kept.place = place
        for line in lines:
            step = line.get("step")
            if not isinstance(step, int):
                continue
            for key, value in line.items():
                if key not in _NO_CURVES and isinstance(value, int | float):
                    curve = (str(line.get("kind")), str(line.get("stage")), key)
                    kept.points.setdefault(curve, {})[step] = float(value)
        return {
            curve: TrainingCurve(
                np.fromiter(points.keys(), dtype=np.float64),
                np.fromiter(points.values(), dtype=np.float64),
            )
            for curve, points in kept.points.items()
        }

    @property
    def working(self) -> bool:
        """Whether the queue is worked on, by this window or another."""
        self._reap()
        return self._runner is not None or self.queue.is_worked_on()

    # ------------------------------------------------------------------------------------ asking
    def add(self, plan: Plan, name: str = "") -> RunFolder:
        """Put a training at the end of the queue. Raises ConfigError for a bad name."""
        return self.queue.add(plan, name)

    def start(self) -> None:
        """See to it that the queue is worked on, in a process that outlasts the window."""
        if self.working:
            return
        log = self.queue.root / "runner.log"
        self.queue.root.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as output:
            self._runner = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "train", "--queue", str(self.queue.root)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def pause(self, name: str) -> None:
        """Let a training wait where it is; the queue waits with it."""
        self.queue.run(name).command("pause")

    def resume(self, name: str) -> None:
        """Let a paused training go on, or one that was stopped or killed."""
        self.queue.run(name).command("run")
        self.start()

    def cancel(self, name: str) -> None:
        """End a training for good; what it has learnt stays in its folder."""
        self.queue.cancel(name)

    def again(self, name: str) -> None:
        """Let a training that failed go on from its last state."""
        self.queue.again(name)
        self.start()

    def close(self) -> None:
        """Forget the runner; it goes on."""
        self._reap()
        if self._runner is not None:
            # Nobody waits for it any more; it belongs to the system now.
            self._runner.returncode = 0
            self._runner = None

    def _reap(self) -> None:
        if self._runner is not None and self._runner.poll() is not None:
            self._runner = None


_LIVE_CAN = frozenset(("pause", "cancel"))
_CAN: Mapping[Phase, frozenset[str]] = {
    "waiting": frozenset(("start", "cancel")),
    "reading": frozenset(("cancel",)),
    "training": _LIVE_CAN,
    "paused": frozenset(("resume", "cancel")),
    "stopped": frozenset(("resume", "cancel")),
    "cancelled": frozenset(),
    "done": frozenset(),
    "failed": frozenset(("again", "cancel")),
}
