"""A run of real processes whose policies are scripted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np

from app.launch import children
from app.runtime.requests import SLOTS, Ok, PolicyLoad, PolicyUse, UseLeader
from app.runtime.rundir import RunDir
from app.runtime.station_file import StationFile
from app.runtime.supervisor import ChildSpec, Supervisor
from app.session.session import Session
from devices.stream import FloatArray

PATIENCE_S = 40.0
MODULE = "tests.serving.scripted_worker"


class RealRun:
    """Station, supervisor and session; more children by name.

    Args:
        with_children: What starts.
        memory_mb: Of a policy's process.
        module: Of a policy's process.
        window_on: The dataset of a window, which needs a display; None for no window.
        scene: What the station simulates.
    """

    def __init__(
        self,
        *,
        with_children: Sequence[str] = ("station",),
        memory_mb: int = 3000,
        module: str = MODULE,
        window_on: Path | None = None,
        scene: str = "drawer",
    ) -> None:
        station = StationFile(scene=scene)
        specs = [
            replace(spec, module=module, memory_mb=memory_mb) if spec.name in SLOTS else spec
            for spec in children(station)
            if spec.name in (*with_children, *SLOTS)
        ]
        if window_on is not None:
            shown = {"station": msgspec.to_builtins(station), "dataset": str(window_on)}
            options = {**shown, "screenshots": None}
            specs.append(ChildSpec("window", "app.ui.app", options, answers=False))
            with_children = (*with_children, "window")
        self.supervisor = Supervisor(RunDir.create(), specs)
        self.session = Session(RunDir.join(self.supervisor.run.path))
        self._names = tuple(with_children)

    def __enter__(self) -> Self:
        try:
            self.supervisor.start(*self._names)
            for name in self._names:
                if name not in ("cameras", "window"):
                    self.supervisor.wait_until_answers(name, PATIENCE_S)
            self.until(lambda: self.session.station is not None)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.session.close()
        self.supervisor.close()

    def poll(self, seconds: float = 0.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            self.session.poll(0.01)
            self.supervisor.step(0.0)
            if time.monotonic() >= deadline:
                return

    def until(self, happened: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while not happened():
            assert time.monotonic() < deadline, (self.session.policies, list(self.session.events))
            self.poll(0.02)

    def ask(self, request: object) -> str:
        reply = self.session.request(request)  # type: ignore[arg-type]
        assert isinstance(reply, Ok), reply
        return reply.text

    def phase(self, slot: str) -> str:
        status = self.session.policies.get(slot)
        return "" if status is None else status.phase

    def load(self, path: str) -> str:
        """Load and wait until it is ready or failed; returns its slot."""
        slot = self.ask(PolicyLoad(path))
        statuses = self.session.policies
        self.poll(0.3)  # what the slot held before is not what is asked for
        self.until(
            lambda: (
                slot in statuses
                and statuses[slot].path == path
                and statuses[slot].phase in ("ready", "failed")
            )
        )
        return slot

    def drive(self, path: str) -> str:
        """Load, use, and wait until it drives."""
        slot = self.load(path)
        assert self.phase(slot) == "ready", self.session.policies[slot]
        self.ask(PolicyUse(slot, seed=1))
        self.until(lambda: self.phase(slot) == "driving")
        return slot

    def rest(self) -> None:
        """Nobody drives."""
        self.ask(UseLeader("window"))
        self.until(lambda: all(self.phase(slot) != "driving" for slot in SLOTS))

    def sent(self, since_ns: int = 0) -> tuple[FloatArray, FloatArray]:
        """Times [ns] and joint angles sent to the right arm, of the last seconds."""
        found = self.session.since("right_arm/q_sent", since_ns)
        assert found is not None
        return np.asarray(found.t_ns), np.asarray(found.data)

    def moving(self) -> bool:
        return float(np.abs(np.diff(self.sent()[1][-10:], axis=0)).max()) > 1e-7
