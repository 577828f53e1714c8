"""Steps of a program that uses a window by hand: checked, pictured, kept; and the robot's side."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from app.runtime.rundir import RunDir
from devices import plugins
from devices.clock import NS_PER_S
from devices.ring import RingReader
from devices.stream import FloatArray

PAUSE_S = 0.4  # a person looks before the next key
_GRAB = """
import sys
from PyQt6.QtWidgets import QApplication
app = QApplication(sys.argv)
sys.exit(not app.primaryScreen().grabWindow(0).save(sys.argv[1]))
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One step and how it went."""

    step: str
    ok: bool
    seen: str
    at_s: float
    picture: str


class Book:
    """Checks steps, prints and keeps them."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._began = time.monotonic()
        self.outcomes: list[Outcome] = []

    def check(
        self, step: str, true: Callable[[], object], seconds: float = 10.0, picture: str = ""
    ) -> bool:
        """Wait until something is true. A text says what was seen, and is true unless empty; a
        pair is whether it is true, and what was seen in both cases."""
        end = time.monotonic() + seconds
        while True:
            found, said = _asked(true), ""
            if isinstance(found, tuple):
                found, said = found
            elif isinstance(found, str):
                said = found
            if found or time.monotonic() >= end:
                break
            time.sleep(0.2)
        name = self.picture(picture) if picture else ""
        ok = bool(found)
        at_s = round(time.monotonic() - self._began, 1)
        self.outcomes.append(Outcome(step, ok, said, at_s, name))
        print(f"{'ok    ' if ok else 'FAILED'} {at_s:6.1f} s  {step}", flush=True)
        if said:
            print(f"                   {said}", flush=True)
        time.sleep(PAUSE_S)
        return ok

    def picture(self, name: str) -> str:
        path = self._out / f"{len(self.outcomes):02}-{name}.png"
        subprocess.run([sys.executable, "-c", _GRAB, str(path)], check=True)
        return path.name

    @property
    def failed(self) -> int:
        return sum(not outcome.ok for outcome in self.outcomes)

    def write(self, about: dict[str, object]) -> None:
        path = self._out / "steps.json"
        told = {**about, "steps": [asdict(outcome) for outcome in self.outcomes]}
        path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


class Robot:
    """What the robot does, from its streams: whether it moves, and how far one tick took it."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self.tool = RingReader(run.ring("right_arm/T_world_tool"))
        self.sent = RingReader(run.ring("right_arm/q_sent"))
        self._limit = plugins.load("robots", "openarm_v2")().limits["right"].qd_max  # [rad/s]

    def way(self, seconds: float) -> float:
        """How far the right tool has got in the last seconds [m], from end to end of its path."""
        rows = self.tool.since(time.monotonic_ns() - round(seconds * NS_PER_S)).data[:, :3]
        return float(np.ptp(rows, axis=0).max()) if len(rows) else 0.0

    def since(self, t_ns: int) -> tuple[FloatArray, float, float]:
        """Since a time: largest step of each joint between two commands [rad], the largest pause
        between commands [ms], and its share of what the speed limits allow."""
        found = self.sent.since(t_ns)
        if len(found.t_ns) < 2:
            return np.zeros(7), float("nan"), float("nan")
        seconds = np.diff(found.t_ns) / NS_PER_S
        steps = np.abs(np.diff(found.data, axis=0))
        share = float((steps / (self._limit * np.maximum(seconds, 0.004)[:, None])).max())
        return steps.max(axis=0), 1e3 * float(seconds.max()), share

    def process_of(self, slot: str) -> int:
        """Process of a policy, as `ps` tells it; 0 if there is none."""
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                line = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            signs = ("app.runtime.policy_process", str(self._run.path), f'"slot": "{slot}"')
            if all(sign in line for sign in signs):
                return int(folder.name)
        return 0

    def close(self) -> None:
        self.tool.close()
        self.sent.close()


def _asked(true: Callable[[], object]) -> object:
    try:
        return true()
    except (OSError, ValueError, KeyError, IndexError):
        return False  # half-written, or not there yet
