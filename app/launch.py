"""Starting a run: the processes of a station, for a window or for a script."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from app.runtime.requests import SLOTS
from app.runtime.rundir import RunDir
from app.runtime.station_file import StationFile
from app.runtime.supervisor import ChildSpec, Supervisor
from app.session.session import Session
from devices.errors import DeviceError

START_LIMIT_S = 30.0
POLICY_MEMORY_MB = 6000


def children(
    station: StationFile, headset: Mapping[str, Any] | None = None
) -> tuple[ChildSpec, ...]:
    """The processes without a screen.

    Args:
        station: The station.
        headset: Options of the headset's process: `folder` of its calibrations, `ports`, the base
            of the UDP ports. For tests; a headset knows no other ports.
    """
    options = {"station": msgspec.to_builtins(station)}
    return (
        ChildSpec("station", "app.runtime.station_process", options),
        ChildSpec("recorder", "app.runtime.recorder", options, restarts=3, stop_s=5.0),
        ChildSpec("cameras", "app.runtime.cameras", options, restarts=3),
        ChildSpec("touch", "app.runtime.touch_process", options, restarts=3),
        ChildSpec(
            "headset",
            "app.runtime.headset",
            {**options, "headset": dict(headset or {})},
            restarts=3,
        ),
        *(
            ChildSpec(
                slot,
                "app.runtime.policy_process",
                {**options, "slot": slot},
                auto=False,
                stop_s=1.0,
                memory_mb=POLICY_MEMORY_MB,
            )
            for slot in SLOTS
        ),
    )


class Run:
    """A running station without a window: supervisor and session in this process.

    Use as a context manager. Call `poll` often; it carries the heartbeat and watches the children.
    """

    def __init__(self, station: StationFile, headset: Mapping[str, Any] | None = None) -> None:
        self._supervisor = Supervisor(RunDir.create(), children(station, headset))
        self.session = Session(RunDir.join(self._supervisor.run.path))

    def start(self) -> None:
        """Start the processes without waiting for them."""
        self._supervisor.start()

    def __enter__(self) -> Self:
        try:
            self.start()
            for child in ("station", "recorder"):
                self._supervisor.wait_until_answers(child, START_LIMIT_S)
            session, deadline = self.session, time.monotonic() + START_LIMIT_S
            while session.station is None or session.recorder is None or not self._pictures():
                if time.monotonic() > deadline:
                    raise DeviceError(
                        f"The station did not start within {START_LIMIT_S:.0f} s",
                        next_step=self.last_words() or "Look at 'teledeck doctor'",
                    )
                self.poll(0.05)
        except BaseException:
            self.close()
            raise
        return self

    def poll(self, timeout_s: float = 0.0) -> None:
        """Hear everybody, say that we live. Waits up to `timeout_s` [s].

        Raises:
            DeviceError: When the station has ended.
        """
        self.session.poll(timeout_s)
        self.watch()

    def watch(self) -> None:
        """Look after the children, without hearing what they say.

        Raises:
            DeviceError: When the station has ended.
        """
        self._supervisor.step(0.0)
        if "station" not in self._supervisor.alive:
            raise DeviceError(self.last_words())

    def _pictures(self) -> bool:
        """Whether every camera has shown something; True too when the cameras have ended."""
        if "cameras" not in self._supervisor.alive:
            return True
        camera = self.session.camera
        return camera is not None and bool(camera.cameras)

    def last_words(self) -> str:
        """What the newest crash said, as a sentence; "" if nothing crashed."""
        crashes = self._supervisor.crashes
        return crashes[-1].sentence if crashes else ""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes and leave the run folder. Idempotent."""
        self.session.close()
        self._supervisor.close()


def open_window(
    station: StationFile,
    dataset: Path | None,
    *,
    screenshots: Path | None = None,
    only: str = "",
    headset: Mapping[str, Any] | None = None,
) -> int:
    """Start a station and the window on it; return when the window is closed.

    Args:
        station: The station.
        dataset: Where takes go, and what the Library shows; None for none yet.
        screenshots: Write the pictures of the docs there and close, instead of waiting for a user.
        only: Which pictures, "" for all.
        headset: As for `children`.

    Returns:
        Exit status of the window; 1 if it crashed.
    """
    options = {
        "station": msgspec.to_builtins(station),
        "dataset": None if dataset is None else str(dataset),
        "screenshots": None if screenshots is None else str(screenshots.absolute()),
        "only": only,
    }
    window = ChildSpec("window", "app.ui.app", options, essential=True, answers=False)
    run = RunDir.create()
    with Supervisor(run, (window, *children(station, headset))) as supervisor:
        supervisor.start()
        supervisor.serve()
        crashed = [crash for crash in supervisor.crashes if crash.child == "window"]
    for crash in crashed:
        os.write(2, f"teledeck: {crash.sentence}\n".encode())
    return 1 if crashed else 0
