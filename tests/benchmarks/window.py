"""The real window on a real run: first picture, hitches of its event loop, the loop beside it.

`python -m tests.benchmarks.window [--scene NAME ...] [--size WxH] [--seconds S] [--json PATH]`

The scripted operator drives while the window is measured, a take is recorded, and then an episode
is opened and played.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.launch import Run
from app.runtime import priority
from app.runtime.loop_meter import SECTIONS
from app.runtime.requests import UseLeader
from app.runtime.station_file import StationFile
from app.virtual_display import virtual_display
from devices.ring import RingReader
from tests.benchmarks.report import Row, options, percentiles, tell

_PERIOD_MS = 10


def main() -> None:
    parser = options(__doc__ or "", 12.0)
    parser.add_argument("--scene", nargs="+", default=["wipe", "drawer"])
    parser.add_argument("--size", default="1280x800", help="of the window, default 1280x800")
    arguments = parser.parse_args()
    with virtual_display():
        rows = [row for scene in arguments.scene for row in _scene(arguments, scene)]
    tell(f"Window, {arguments.size}", rows, arguments.json)


def _scene(arguments: argparse.Namespace, scene: str) -> list[Row]:
    from PyQt6.QtCore import QEventLoop, QTimer
    from PyQt6.QtWidgets import QApplication

    from app.ui.action import Intent
    from app.ui.app import make_application, make_window, settle_memory
    from app.ui.collect.place import CollectPlace

    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else make_application()
    began = time.monotonic()
    run = Run(StationFile(scene=scene))
    # Children inherit core and niceness, and the window of an earlier scene had its own.
    priority.from_behind(run.start)
    priority.go_first(priority.WINDOW)
    window = make_window(run.session)
    width, height = map(int, arguments.size.split("x"))
    window.resize(width, height)
    window.show()
    window.start()
    priority.keep_apart("window")
    late: list[float] = []
    last = [time.monotonic()]

    def probe() -> None:
        now = time.monotonic()
        late.append(max(0.0, 1e3 * (now - last[0]) - _PERIOD_MS))
        last[0] = now

    watcher, timer = QTimer(), QTimer()
    watcher.timeout.connect(run.watch)
    watcher.start(100)
    timer.setTimerType(timer.timerType().PreciseTimer)
    timer.timeout.connect(probe)
    timer.start(_PERIOD_MS)

    def turn(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not until():
            # Sleeps as the real loop does; the probe wakes it, whatever else happens.
            app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

    view = window.findChild(CollectPlace).view
    turn(30.0, lambda: view.info.fps > 0 or view.info.still)
    rows = [Row("command to first picture", time.monotonic() - began, "s", scene)]
    rows += percentiles("event loop late while starting", late, "ms", scene)
    with tempfile.TemporaryDirectory() as folder:
        window.open_dataset(Path(folder) / "takes")
        turn(3.0)
        settle_memory()
        turn(0.2)

        def phase(name: str, seconds: float, *begin: Intent) -> list[float]:
            """Measure one use of the window, from what begins it on; gives the rates of the 3-D
            view [Hz]."""
            late.clear()
            with RingReader(run.session.run.ring("station/loop")) as ring:
                ring.skip()
                ticks: list[npt.NDArray[np.float64]] = []
                fps: list[float] = []
                rates: list[float] = []
                for intent in begin:
                    window.perform(intent)
                for _ in range(round(seconds)):
                    turn(1.0)
                    ticks.append(ring.drain().data)
                    if view.info.fps > 0:
                        fps.append(view.info.fps)
                    camera = run.session.camera
                    if camera is not None:
                        rates += [one.rate_hz for one in camera.cameras]
            note = f"{scene}, {name}"
            rows.extend(percentiles("event loop late", late, "ms", note))
            lateness = np.concatenate(ticks)[:, SECTIONS.index("lateness")]
            rows.extend(percentiles("control loop late, window open", lateness, "ms", note))
            if rates:
                rows.append(Row("each camera", float(np.nanmean(rates)), "Hz", note))
            return fps

        run.session.request(UseLeader("scripted"))
        for name, begin in (
            ("driving", ()),
            ("ready", (Intent("take_arm"),)),
            ("recording", (Intent("take_start"),)),
        ):
            fps = phase(name, 1.0 if name == "ready" else arguments.seconds, *begin)
            how = f"{view.info.detail} detail at {100 * view.info.scale:.0f} % resolution"
            rate = float(np.median(fps)) if fps else 0.0
            rows.append(Row("3-D view", rate, "Hz", f"{scene}, {name}, {how}"))
        phase("keeping", 1.0, Intent("take_success"))
        phase("entering the Library", 2.0, Intent("go", "library"))
        phase("Library playing", arguments.seconds / 2, Intent("library_open"))
        window.close()
        turn(0.5)
    timer.stop()
    watcher.stop()
    run.close()
    return rows


if __name__ == "__main__":
    main()
