"""A whole station, its window and simulated headsets in one test: real processes, real wire."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PyQt6.QtCore import QSize
from PyQt6.QtWidgets import QApplication, QWidget

from app.launch import Run
from app.runtime.requests import HeadsetListen
from app.runtime.station_file import Cameras, StationFile, Touch
from app.ui.action import Intent
from app.ui.app import make_window
from app.ui.settings import SettingsFile
from app.ui.window import MainWindow
from app.wearer import HEADING, ROBOT
from app.worn import Worn
from devices.leader import Side
from devices.tactar.calibration import Calibration, CalibrationStore, now_iso
from tests.headset.quest import free_base

ADDRESS = "127.0.0.7"
PATIENCE_S = 20.0


class Desk:
    """Station, window and headsets. Use as a context manager.

    Args:
        folder: For everything that is written.
        touch: The section of the station file.
        size: Of the window.
    """

    def __init__(
        self,
        app: QApplication,
        folder: Path,
        *,
        touch: Touch | None = None,
        size: QSize | None = None,
        cameras: Cameras | None = None,
        scene: str = "drawer",
    ) -> None:
        self._app = app
        self._folder = folder
        self._size = size or QSize(1280, 800)
        small = Cameras(width=160, height=120, rate_hz=10.0, detail="minimal")
        station = StationFile(scene=scene, cameras=cameras or small, touch=touch or Touch())
        self._station = station
        self._base = free_base()
        self._run = Run(station, {"folder": str(folder / "kept"), "ports": self._base})
        self._worn = contextlib.ExitStack()
        self._window: MainWindow | None = None

    @property
    def window(self) -> MainWindow:
        assert self._window is not None
        return self._window

    @property
    def session(self) -> Any:
        return self._run.session

    @property
    def port(self) -> int:
        """TCP port that is listened on."""
        assert self.session.headset is not None
        return int(self.session.headset.port)

    def __enter__(self) -> Self:
        self._run.__enter__()
        try:
            settings = SettingsFile(self._folder / "window.toml")
            self._window = make_window(self._run.session, settings, self._folder / "cache")
            self._window.resize(self._size)
            self._window.show()
            self.until(lambda: self.session.headset and self.session.touch and self.session.station)
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
        self._worn.close()
        if self._window is not None:
            self._window.close()
            self._window.deleteLater()
            self._window = None
        self._run.close()

    # ---------------------------------------------------------------------------------- time
    def step(self) -> None:
        """One frame of the window."""
        self._app.processEvents()
        self._run.poll(0.012)
        self.window.step()

    def until(self, true: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Go on until something is true."""
        end = time.monotonic() + patience_s
        while not true():
            assert time.monotonic() < end, (self.words(), self.session.headset, self.session.touch)
            self.step()

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    # --------------------------------------------------------------------------------- window
    def press(self, name: str, argument: str = "") -> None:
        self.window.perform(Intent(name, argument))

    def words(self) -> str:
        """All that is written in the window now, for a person who reads it."""
        found = []
        for part in self.window.findChildren(QWidget):
            text = getattr(part, "text", None)
            if part.isVisible() and callable(text):
                found.append(str(text()))
        return "\n".join(one for one in found if one)

    def signs(self) -> str:
        """What the signs over the view of Collect say of the arms."""
        signs = self.window._places["collect"].signs  # type: ignore[attr-defined]
        return " ".join(signs.words())

    def says(self, *wanted: str) -> None:
        """The window says all of this, now or soon."""
        self.until(lambda: all(one in self.words() for one in wanted))

    def shoot(self, path: Path) -> None:
        """What the window looks like."""
        for _ in range(12):
            self.step()
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.window.grab().save(str(path))

    # -------------------------------------------------------------------------------- headset
    def open_port(self) -> None:
        """Any free port: 8082 may be another's."""
        self.session.request(HeadsetListen(True, 0))
        self.until(lambda: self.session.headset.listening)

    def remember_set_up(self, address: str) -> None:
        """As if this headset had been set up a moment ago, at this start of its app."""
        kept = Calibration(
            headset=address,
            station=self._station.name,
            made=now_iso(),
            swapped=True,
            trim_rad=2 * HEADING,
            residual_rad=0.014,
            yaw_rad=ROBOT - HEADING,
            app_started_s=datetime.now(tz=UTC).timestamp(),
        )
        CalibrationStore(self._folder / "kept").save(kept)

    def wear(self, address: str = ADDRESS) -> Worn:
        """Somebody puts a simulated headset on; it posts until the desk is closed."""
        worn = Worn(
            self._run.session.run.path,
            self._station.scene,
            address=address,
            port=self.port,
            base=self._base,
            grip=0.0,
        )
        self._worn.callback(worn.close)
        self.until(lambda: any(p.address == address for p in self.session.headset.posters))
        return worn

    def drive(self, address: str = ADDRESS) -> Worn:
        """A headset that is set up and drives; its grips are open."""
        self.open_port()
        worn = self.wear(address)
        self.remember_set_up(address)
        self.press("headset_confirm", address)
        self.until(lambda: self.session.headset.calibration)
        if self._doubt():  # the app had started a while before
            self.press("headset_set_up", "keep")
            self.until(lambda: not self._doubt())
        self.press("use_leader", "headset")
        self.until(lambda: self.session.station.leader == "headset")
        return worn

    def _doubt(self) -> str:
        made = self.session.headset.calibration
        return "" if made is None else str(made.doubt)

    def tool(self, side: Side) -> np.ndarray:
        """Where a tool is [m], world frame, shape (3,)."""
        sample = self.session.latest(f"{side}_arm/T_world_tool")
        assert sample is not None
        return np.array(sample.data[:3])

    def stays_let_go(self, side: Side) -> None:
        """An arm has let go of its hand, or does with the station's next status, which may be older
        than the headset's; and does not take hold again."""
        self.until(lambda: not self.follows(side), 1.0)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            assert not self.follows(side)
            self.step()

    def follows(self, side: Side) -> bool:
        return any(
            arm.side == side and arm.clutched and not arm.hold for arm in self.session.station.arms
        )
