"""A whole session as a new user has it, with real key presses in the real window.

`python -m tests.e2e.by_hand [--out DIR]`

Starts `teledeck` under a virtual display, opens the drawer and wipes the board by holding arrow
keys (the eyes are the recorded streams, the hands are xdotool), keeps both takes, discards a third,
quits, starts again, finds the two in the Library and plays one. Prints what it saw; pictures go to
DIR. Exit status 1 when any step does not come true.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mujoco
import numpy as np

from app.runtime.bus import Bus
from app.runtime.rundir import RunDir, default_base
from app.runtime.statuses import RecorderStatus
from app.virtual_display import virtual_display
from datasets.dataset import Dataset
from datasets.library import Library
from devices import plugins
from devices.ring import RingReader
from devices.sim.build import build
from devices.sim.world import STATE
from devices.stream import FloatArray

_KEYS = {0: ("Up", "Down"), 1: ("Left", "Right"), 2: ("Prior", "Next")}  # + and - along x, y, z
_SPEED = 0.10  # [m/s] of a held key
_GRAB = """
import sys
from PyQt6.QtWidgets import QApplication
app = QApplication(sys.argv)
sys.exit(not app.primaryScreen().grabWindow(0).save(sys.argv[1]))
"""


class Hands:
    """Keys, held and pressed as a person does."""

    def __init__(self) -> None:
        self._held: set[str] = set()

    def press(self, *keys: str) -> None:
        subprocess.run(["xdotool", "key", *keys], check=True)

    def type(self, text: str) -> None:
        subprocess.run(["xdotool", "type", text], check=True)

    def hold(self, keys: set[str]) -> None:
        """Hold exactly these keys from now on."""
        up, down = self._held - keys, keys - self._held
        command = [word for key in up for word in ("keyup", key)]
        command += [word for key in down for word in ("keydown", key)]
        if command:
            subprocess.run(["xdotool", *command], check=True)
        self._held = set(keys)


class Eyes:
    """What a person sees on the screen, read from the streams behind it."""

    def __init__(self, run: RunDir, scene: str) -> None:
        self._run = run
        self._rings = {
            name: RingReader(run.ring(name))
            for name in ("sim/state", "right_arm/T_world_tool", "right_arm/wrench")
        }
        self._scene = plugins.load("scenes", scene)()
        self._model = build("openarm_v2", scene, "reduced")
        self._data = mujoco.MjData(self._model)
        self._bus = Bus(run)
        self._status = self._bus.subscriber("recorder")
        self.recorder: RecorderStatus | None = None

    @property
    def tool(self) -> FloatArray:
        """Position of the right tool [m], shape (3,), world."""
        sample = self._rings["right_arm/T_world_tool"].latest()
        assert sample is not None
        return np.array(sample.data[:3])

    @property
    def force(self) -> float:
        """Force at the right wrist [N]."""
        sample = self._rings["right_arm/wrench"].latest()
        assert sample is not None
        return float(np.linalg.norm(sample.data[:3]))

    def look(self) -> dict[str, FloatArray]:
        """Where things are."""
        sample = self._rings["sim/state"].latest()
        assert sample is not None
        mujoco.mj_setState(self._model, self._data, np.array(sample.data), STATE)
        mujoco.mj_forward(self._model, self._data)
        return dict(self._scene.observe(self._model, self._data))

    def progress(self) -> float:
        self.look()
        return float(self._scene.progress(self._model, self._data))

    def take_state(self) -> str:
        for message in self._status.poll(0.1):
            if isinstance(message, RecorderStatus):
                self.recorder = message
        return "" if self.recorder is None else self.recorder.state

    def close(self) -> None:
        for ring in self._rings.values():
            ring.close()
        self._bus.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(tempfile.mkdtemp(prefix="by-hand-")))
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    dataset = out / "takes"
    steps = Steps(out)
    with virtual_display(1280, 800):
        with window("drawer", dataset) as run:
            steps.drawer(run)
        with window("wipe", dataset) as run:
            steps.wipe(run)
            steps.discard(run)
        with window("wipe", dataset) as run:
            steps.library(run)
    steps.check("two takes kept as successes", lambda: _verdicts(dataset) == ["success"] * 2)
    print(f"\n{steps.failed} of {steps.count} steps failed; pictures in {out}")
    return int(steps.failed > 0)


@contextlib.contextmanager
def window(scene: str, dataset: Path, *more: str) -> Iterator[RunDir]:
    """The program, from the command (with `more` of it) to the closed window."""
    home = default_base()
    before = set(home.glob("teledeck-*/*"))
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "--scene", scene, "--dataset", str(dataset), *more]
    )
    try:
        began = time.monotonic()
        folder: list[Path] = []
        while time.monotonic() - began < 30 and not folder:
            time.sleep(0.2)
            folder = [
                path
                for path in set(home.glob("teledeck-*/*")) - before
                if (path / "rings" / "front.rgb.ring").exists()
            ]
        with RunDir.join(folder[0]) as run:
            time.sleep(4.0)
            yield run
        subprocess.run(["xdotool", "key", "ctrl+q"], check=True)
        process.wait(timeout=20)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=20)


class Steps:
    """What the user does, and whether it came true."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.hands = Hands()
        self.count = self.failed = 0

    def check(self, what: str, true: Callable[[], bool], seconds: float = 5.0) -> None:
        deadline = time.monotonic() + seconds
        while not (done := true()) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.count += 1
        self.failed += not done
        print(f"{'ok  ' if done else 'FAIL'} {what}", flush=True)
        time.sleep(0.3)  # a person has to see it before the next key

    def picture(self, name: str) -> None:
        path = self._out / f"{name}.png"
        subprocess.run([sys.executable, "-c", _GRAB, str(path)], check=True)

    # ---------------------------------------------------------------------------------- takes
    def begin(self, eyes: Eyes) -> None:
        self.hands.press("Return")
        self.check("Enter gets ready", lambda: eyes.take_state() == "armed")
        self.hands.press("Return")
        self.check("Enter records", lambda: eyes.take_state() == "recording")

    def keep(self, eyes: Eyes, name: str) -> None:
        self.picture(f"{name}-done")
        self.hands.press("Return")
        self.check("Enter ends the take", lambda: eyes.take_state() == "stopped")
        kept = eyes.recorder.kept if eyes.recorder is not None else 0
        self.hands.press("Return")
        self.check(
            "Enter keeps it",
            lambda: (
                eyes.take_state() == "idle"
                and eyes.recorder is not None
                and eyes.recorder.kept == kept + 1
            ),
        )

    def drawer(self, run: RunDir) -> None:
        eyes = Eyes(run, "drawer")
        self.begin(eyes)
        for _ in range(3):
            into = _turned(eyes.look()["handle"], np.array([1.0, 0.0, 0.0]))
            handle = eyes.look()["handle"][:3]
            self.go(eyes, handle - 0.08 * into)
            self.go(eyes, handle)
            self.picture("drawer-reached")
            self.hands.press("space")
            time.sleep(1.2)
            self.go(eyes, eyes.tool - 0.1 * into, seconds=4.0)
            self.hands.press("space")
            time.sleep(1.0)
            self.go(eyes, eyes.tool - 0.05 * into, seconds=2.0)
            if eyes.progress() >= 0.99:
                break
        self.check(f"the drawer is open ({eyes.progress():.0%})", lambda: eyes.progress() >= 0.95)
        self.keep(eyes, "drawer")
        eyes.close()

    def wipe(self, run: RunDir) -> None:
        eyes = Eyes(run, "wipe")
        self.begin(eyes)
        self.hands.press("space")
        time.sleep(1.2)
        for _ in range(3):
            if eyes.progress() >= 0.97:
                break
            self._wipe_lanes(eyes)
        self.check(f"the board is clean ({eyes.progress():.0%})", lambda: eyes.progress() >= 0.95)
        self.keep(eyes, "wipe")
        eyes.close()

    def _wipe_lanes(self, eyes: Eyes) -> None:
        seen = eyes.look()
        board, ink = seen["surface"], seen["ink"]
        left = ink[ink[:, 2] > 0.02, :2]
        low, high = left.min(axis=0), left.max(axis=0)
        count = max(1, int(np.ceil((high[0] - low[0]) / 0.024)))
        offset = seen["tip"][:2] - eyes.tool[:2]
        path = []
        for lane in range(count):
            x = (low[0] + high[0]) / 2 + (lane - (count - 1) / 2) * 0.024
            ends = [low[1] - 0.012, high[1] + 0.012]
            for y in ends if lane % 2 == 0 else ends[::-1]:
                path.append(board[:3] + _turned(board, np.array([x, y, 0.0])))
        self.go(eyes, np.array([*(path[0][:2] - offset), eyes.tool[2]]))
        while eyes.force < 3.0:
            self.nudge("Next", 0.04)
        for corner in path:
            self.slide(eyes, corner[:2] - offset)
        self.picture("wipe-lanes")
        self.nudge("Prior", 0.5)

    def discard(self, run: RunDir) -> None:
        eyes = Eyes(run, "wipe")
        self.begin(eyes)
        time.sleep(1.5)
        self.hands.press("BackSpace")
        self.check("Backspace discards", lambda: eyes.take_state() == "idle")
        eyes.close()

    def library(self, run: RunDir) -> None:
        self.hands.press("2")
        time.sleep(2.5)
        self.picture("library")
        self.hands.press("Return")
        time.sleep(3.0)
        self.picture("library-playing")
        self.hands.press("space", "l", "l")
        time.sleep(1.5)
        self.picture("library-paused")

    # -------------------------------------------------------------------------------- motions
    def nudge(self, key: str, seconds: float) -> None:
        self.hands.hold({key})
        time.sleep(seconds)
        self.hands.hold(set())
        time.sleep(0.12)

    def go(self, eyes: Eyes, goal: FloatArray, seconds: float = 12.0) -> None:
        """Hold arrow keys until the tool is at `goal` [m], shape (3,)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            error = goal - eyes.tool
            if np.abs(error).max() < 0.004:
                break
            keys = {_KEYS[i][int(error[i] < 0)] for i in range(3) if abs(error[i]) > 0.015}
            if keys:
                self.hands.hold(keys)
                time.sleep(0.03)
                continue
            self.hands.hold(set())
            time.sleep(0.15)  # the arm arrives before the eye judges the last centimetre
            error = goal - eyes.tool
            worst = int(np.argmax(np.abs(error)))
            if abs(error[worst]) > 0.003:
                self.nudge(_KEYS[worst][int(error[worst] < 0)], abs(error[worst]) / _SPEED)
        self.hands.hold(set())
        time.sleep(0.15)

    def slide(self, eyes: Eyes, goal: FloatArray, seconds: float = 10.0) -> None:
        """Slide over a surface to `goal` [m], shape (2,), minding the force."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            error = goal - eyes.tool[:2]
            far = np.abs(error).max()
            if far < 0.006:
                break
            keys = {
                _KEYS[i][int(error[i] < 0)]
                for i in range(2)
                if abs(error[i]) > 0.004 and abs(error[i]) > 0.25 * far
            }
            force = eyes.force
            if force < 3.5:
                keys.add("Next")
            elif force > 6.0:
                keys.add("Prior")
            self.hands.hold(keys)
            time.sleep(0.02)
            self.hands.hold(keys - {"Next", "Prior"})
            time.sleep(0.02)
        self.hands.hold(set())


def _turned(pose: FloatArray, vector: FloatArray) -> FloatArray:
    """A vector in a frame (7,), told in world axes."""
    turned = np.zeros(3)
    mujoco.mju_rotVecQuat(turned, vector, np.array(pose[3:7]))
    return turned


def _verdicts(dataset: Path) -> list[str]:
    library = Library(Dataset.open(dataset))
    return sorted(card.verdict for card in library.cards() if not card.deleted)


if __name__ == "__main__":
    sys.exit(main())
