"""What was felt is in the episode, also when the touch process comes and goes during a take."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np

from app.runtime.child import Child
from app.runtime.requests import Keep, Stop
from app.runtime.rundir import RunDir
from app.runtime.station_file import Touch
from app.runtime.take import may_come_and_go
from app.runtime.touch_pads import TouchProcess, gels_of
from datasets.lock import is_held
from datasets.reader import Episode
from devices.clock import SystemClock
from devices.robots.openarm import OpenArmV2
from tests.runtime.studio import Studio

PAD = "left_inner_pad"


class Fingers:
    """A touch process on a thread of this one."""

    def __init__(self, run: RunDir) -> None:
        self._child = Child("touch", run, {})
        robot = OpenArmV2()
        self._process = TouchProcess(
            self._child, Touch(), dict(robot.pad_side), gels_of(robot, {}), SystemClock()
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            time.sleep(self._process.step())

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        self._process.close()
        self._child.close()


def more(studio: Studio, rows: int) -> None:
    """Let the take grow."""
    assert studio.status is not None
    wanted = studio.status.rows + rows
    studio.until(lambda status: status.rows > wanted)


def test_a_take_outlives_the_touch_process_and_follows_it_when_it_is_back(tmp_path: Path) -> None:
    with Studio(tmp_path) as studio, RunDir.join(studio.supervisor.run.path) as run:
        first = Fingers(run)
        studio.open()
        uid = studio.start()
        more(studio, 1500)
        first.end()
        more(studio, 3000)
        second = Fingers(run)
        more(studio, 3000)
        assert studio.status is not None and not studio.status.fault
        assert studio.status.state == "recording"
        studio.ask(Stop())
        studio.ask(Keep("success"))
        second.end()
        path = studio.dataset.episode_path(uid)
        deadline = time.monotonic() + 10.0
        while (not path.exists() or is_held(path)) and time.monotonic() < deadline:
            time.sleep(0.01)
        with Episode.open(path) as episode:
            felt, raw = episode[f"{PAD}/deformation"], episode[f"{PAD}/tactile"]
            assert 20 < len(felt) < len(raw), "a gap where nobody felt"
            assert set(felt.t_ns.tolist()) <= set(raw.t_ns.tolist()), "the samples' own times"
            steps = np.diff(felt.t_ns)
            assert (steps > 0).all() and steps.max() > 5 * np.median(steps)
            assert felt.t_ns[-1] - felt.t_ns[int(np.argmax(steps)) + 1] > 0, "and then it goes on"
            assert felt.spec.unit == "m" and felt.spec.frame == PAD and felt.spec.kind == "touch"
            reading = episode[f"{PAD}/reading"]
            assert reading.values.shape[1:] == (8,)
            at = int(np.searchsorted(raw.t_ns, reading.t_ns[0]))
            normal = float(np.asarray(raw.values[at], dtype=np.float64)[..., 0].sum())
            np.testing.assert_allclose(reading.values[0, 0], normal, rtol=1e-4, atol=1e-6)
            assert f"{PAD}/markers" in episode and f"{PAD}/pca" not in episode
            gaps = [event.text for event in episode.events if event.kind == "gap"]
            assert any("deformation" in text for text in gaps), gaps


def test_only_guests_may_leave_a_take() -> None:
    for stream in ("left_inner_pad/reading", "headset/left_controller", "policy_a/chunk"):
        assert may_come_and_go(stream)
    for stream in ("left_inner_pad/tactile", "left_arm/q", "front/rgb", "station/loop"):
        assert not may_come_and_go(stream)
