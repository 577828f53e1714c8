"""A run with a synthetic station, synthetic cameras and the real recorder, for tests."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.runtime.bus import Bus
from app.runtime.requests import Arm, Ok, OpenDataset, Refused, Request, Start
from app.runtime.rundir import RunDir
from app.runtime.statuses import RecorderStatus, TakeState
from app.runtime.supervisor import ChildSpec, Supervisor
from datasets.dataset import Dataset

PATIENCE_S = 20.0
USUAL = ("front", "wrist_left", "wrist_right")  # of cameras that are not named
SMALL = {"names": ["front", "wrist"], "width": 96, "height": 64, "rate_hz": 30.0}


class Studio:
    """Starts everything, and asks the recorder.

    Args:
        base: A folder for everything that the test leaves.
        cameras: Options of the synthetic cameras.
        station: Options of the synthetic station.
        run_base: Where the run folder goes; default as in production.
        recorder: Options of the recorder.
    """

    def __init__(
        self,
        base: Path,
        cameras: dict[str, Any] | None = None,
        station: dict[str, Any] | None = None,
        run_base: Path | None = None,
        recorder: dict[str, Any] | None = None,
    ) -> None:
        self.base = base
        self.supervisor = Supervisor(
            RunDir.create(run_base),
            [
                ChildSpec("station", "tests.runtime.synthetic_station", station or {}),
                ChildSpec("cameras", "app.runtime.synthetic_cameras", cameras or SMALL),
                ChildSpec("recorder", "app.runtime.recorder", recorder or {}, restarts=3),
            ],
            crash_dir=base / "crashes",
        )
        self.bus = Bus(self.supervisor.run)
        self._cameras = [f"{name}/rgb" for name in (cameras or SMALL).get("names", USUAL)]
        self._recorder = self.bus.client("recorder")
        self._statuses = self.bus.subscriber("recorder")
        self.status: RecorderStatus | None = None

    @property
    def dataset(self) -> Dataset:
        return Dataset.open(self.base / "data")

    def __enter__(self) -> Self:
        try:
            self.supervisor.start()
            for child in self.supervisor.alive:
                self.supervisor.wait_until_answers(child, PATIENCE_S)
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
        self.bus.close()
        self.supervisor.close()

    def ask(self, request: Request) -> Ok:
        """The answer, which must not be a refusal."""
        reply = self._recorder.request(request, PATIENCE_S)
        assert isinstance(reply, Ok), reply
        return reply

    def refused(self, request: Request) -> str:
        """Why the request was refused, which it must be."""
        reply = self._recorder.request(request, PATIENCE_S)
        assert isinstance(reply, Refused), reply
        return reply.why

    def open(self, **more: Any) -> None:
        """Open the dataset, once all streams are there."""
        deadline = time.monotonic() + PATIENCE_S
        while not all(self.supervisor.run.ring(name).exists() for name in self._cameras):
            assert time.monotonic() < deadline, "the cameras never came"
            self.supervisor.step(0.02)
        self.ask(OpenDataset(str(self.base / "data"), "wipe", "ada", **more))
        wanted = len(self.supervisor.run.rings())
        self.until(lambda status: len(status.streams) == wanted > 8)

    def start(self, *, practice: bool = False, rows: int = 200) -> str:
        """Arm and start a take; returns its uid once it has some rows."""
        self.ask(Arm())
        uid = self.ask(Start("wipe", practice=practice)).uid
        self.until(lambda status: status.rows > rows)
        return uid

    def until(
        self, happened: Callable[[RecorderStatus], bool], patience_s: float = PATIENCE_S
    ) -> RecorderStatus:
        """The first status that fits."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            self.supervisor.step(0.0)
            for status in self._statuses.poll(0.05):
                if isinstance(status, RecorderStatus):
                    self.status = status
                    if happened(status):
                        return status
        raise AssertionError(f"The recorder never got there; it says {self.status}")

    def until_after(self, t_ns: int, state: TakeState) -> RecorderStatus:
        """The first status in `state` from after `t_ns` [ns, monotonic]."""
        return self.until(lambda status: status.state == state and status.t_ns > t_ns)

    def kill(self, child: str) -> None:
        os.kill(self.supervisor.pid(child), signal.SIGKILL)
