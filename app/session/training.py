"""What the training page needs to know: the runs of a queue, their curves, and what can be asked.

No Qt and no torch. Everything is read from the run folders, so a page that is opened later, or in
another window, sees the same. The trainings live in processes of their own and outlast the window.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from app.runtime import priority
from devices.errors import PolicyError
from devices.stream import FloatArray
from policies.safe_folder import read_folder
from policies.training_queue import TrainingQueue
from policies.training_run import BEST, Phase, Place, Plan, RunFolder, Status

CurveName = tuple[str, str, str]
"""Kind ("train" or "hold-out"), stage, and name of a number ("loss")."""

_BREAK_S = 60.0
"""No line of metrics for so long is worth a word [s]."""

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


@dataclass(frozen=True, slots=True)
class Happening:
    """Something of note in a training.

    Attributes:
        step: After how many updates.
        wall_s: When, Unix time [s]; 0 where it is not known.
        text: What.
    """

    step: int
    wall_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Origin:
    """What a checkpoint says about where it came from.

    Attributes:
        step: Updates it has seen.
        data, journal: SHA-256 of what was read, and of the decisions about it.
        episodes, windows: How much that was.
        held_out: Episodes kept for judging.
        code: Version of the program.
        created: ISO 8601, UTC.
    """

    step: int
    data: str
    journal: str
    episodes: int
    windows: int
    held_out: int
    code: str
    created: str


@dataclass(slots=True)
class _Points:
    place: Place = (0, 0)
    points: dict[CurveName, dict[int, float]] = field(default_factory=dict)
    lines: list[tuple[int, float, str, str, float | None]] = field(default_factory=list)
    """Of each line: step, wall clock, kind, stage, loss."""


class TrainingDesk:
    """The page's view of a queue. Cheap to poll: only new lines of metrics are read.

    Args:
        root: Folder of the queue; made when the first training is added.
    """

    def __init__(self, root: Path) -> None:
        self.queue = TrainingQueue(root)
        self.complaints: tuple[str, ...] = ()
        self._curves: dict[str, _Points] = {}
        self._origins: dict[str, tuple[int, Origin]] = {}
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

    def happenings(self, name: str) -> tuple[Happening, ...]:
        """What was of note, oldest first: stages, breaks, better checkpoints. As of `curves`."""
        found: list[Happening] = []
        stage, best, before = "", math.inf, 0.0
        for step, wall_s, kind, now, loss in self._curves.setdefault(name, _Points()).lines:
            if now != stage:
                found.append(Happening(step, wall_s, f"Stage “{now}” began"))
                stage, best = now, math.inf
            elif before and wall_s - before > _BREAK_S:
                away = (wall_s - before) / 60
                found.append(Happening(step, wall_s, f"Went on after {away:.0f} min without news"))
            before = wall_s
            if kind == "hold-out" and loss is not None and loss < best:
                best = loss
                found.append(Happening(step, wall_s, f"Best on the hold-out so far: {loss:.4g}"))
        return tuple(found)

    def origin(self, view: TrainingView) -> Origin | None:
        """Where the best checkpoint of a training came from; None before there is one."""
        if view.checkpoint is None:
            return None
        try:
            at = (view.checkpoint / "policy.json").stat().st_mtime_ns
        except OSError:
            return None  # it is being replaced
        kept = self._origins.get(view.name)
        if kept is None or kept[0] != at:
            try:
                content = read_folder(view.checkpoint, ["policy.json"], 64 << 20)["policy.json"]
                card = msgspec.json.decode(content)
                made = _origin(card)
            except (PolicyError, msgspec.MsgspecError, TypeError, AttributeError, ValueError):
                return None
            kept = self._origins[view.name] = (at, made)
        return kept[1]

    def pace(self, policy: str, device: str, batch: int) -> tuple[float, str] | None:
        """Updates a second of the newest training like this one, and its name; None if none ran."""
        for view in reversed(self.runs()):
            plan = view.plan
            alike = (plan.policy, plan.device, plan.batch) == (policy, device, batch)
            if alike and view.status.steps_per_s:
                return view.status.steps_per_s, view.name
        return None

    def curves(self, name: str) -> Mapping[CurveName, TrainingCurve]:
        """The curves of a training as they are now."""
        folder = self.queue.run(name)
        kept = self._curves.setdefault(name, _Points())
        lines, place = folder.metrics(kept.place)
        if place[0] != kept.place[0]:
            # It went on from a state: what came after that does not count.
            kept.points.clear()
            kept.lines.clear()
        kept.place = place
        for line in lines:
            step = line.get("step")
            if not isinstance(step, int):
                continue
            kept.lines.append(_told(step, line))
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
            command = [sys.executable, "-m", "app.cli", "train", "--queue", str(self.queue.root)]
            self._runner = priority.from_behind(
                lambda: subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"},
                )
            )

    def pause(self, name: str) -> None:
        """Let a training wait where it is; the queue waits with it."""
        self.queue.run(name).command("pause")

    def resume(self, name: str) -> None:
        """Let a paused training go on, or one that was stopped or killed."""
        self.queue.run(name).command("run")
        self.start()

    def cancel(self, name: str) -> None:
        """End a training; what it has learnt stays in its folder, and `again` takes it up."""
        self.queue.cancel(name)

    def again(self, name: str) -> None:
        """Let a training that failed or was cancelled go on from its last state."""
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


def _told(step: int, line: Mapping[str, object]) -> tuple[int, float, str, str, float | None]:
    wall_s, loss = line.get("wall_s"), line.get("loss")
    return (
        step,
        float(wall_s) if isinstance(wall_s, int | float) else 0.0,
        str(line.get("kind")),
        str(line.get("stage")),
        float(loss) if isinstance(loss, int | float) else None,
    )


def _origin(card: Mapping[str, Any]) -> Origin:
    about = card.get("dataset", {})
    return Origin(
        step=int(card.get("step", 0)),
        data=str(about.get("data_sha256", "")),
        journal=str(about.get("journal_sha256", "")),
        episodes=int(about.get("episodes", 0)),
        windows=int(about.get("windows", 0)),
        held_out=len(about.get("held_out", ())),
        code=str(card.get("code", "")),
        created=str(card.get("created", "")),
    )


_LIVE_CAN = frozenset(("pause", "cancel"))
_CAN: Mapping[Phase, frozenset[str]] = {
    "waiting": frozenset(("start", "cancel")),
    "reading": frozenset(("cancel",)),
    "training": _LIVE_CAN,
    "paused": frozenset(("resume", "cancel")),
    "stopped": frozenset(("resume", "cancel")),
    "cancelled": frozenset(("again",)),
    "done": frozenset(),
    "failed": frozenset(("again", "cancel")),
}
