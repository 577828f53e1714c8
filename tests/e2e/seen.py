"""What somebody before the screen sees of a window, and what they do to it with mouse and keys."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from app.launch import children
from app.runtime.rundir import RunDir
from app.runtime.station_file import StationFile
from app.runtime.supervisor import ChildSpec, Supervisor
from tests.e2e.onlooker import SOCKET


@dataclass(frozen=True, slots=True)
class Item:
    """One text on the screen, with the middle of it [px]."""

    kind: str
    name: str
    text: str
    tip: str
    x: int
    y: int
    enabled: bool
    checked: bool
    focus: bool
    cut: bool = False
    row: int = -1


class Seen:
    """Reads the screen of a run's window."""

    def __init__(self, run: RunDir) -> None:
        self._path = str(run.path / SOCKET)

    def look(self) -> list[Item]:
        """Everything that can be read now; nothing while the window is busy or gone."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(15.0)
            try:
                line.connect(self._path)
                parts = []
                while part := line.recv(1 << 16):
                    parts.append(part)
            except OSError:
                return []
        whole = b"".join(parts)
        return [Item(**item) for item in json.loads(whole)] if whole else []

    def text(self, pattern: str) -> str:
        """The first text on the screen that matches, "" if there is none."""
        found = self.find(pattern)
        return "" if found is None else found.text

    def find(self, pattern: str, *, kind: str = "", name: str = "") -> Item | None:
        """The first item whose text matches `pattern` (and whose accessible name `name`)."""
        for item in self.look():
            if kind and kind not in item.kind:
                continue
            if name and not re.search(name, item.name):
                continue
            if re.search(pattern, item.text):
                return item
        return None

    def wait(self, pattern: str, seconds: float, **more: str) -> Item | None:
        """Wait until something can be read."""
        end = time.monotonic() + seconds
        while (found := self.find(pattern, **more)) is None and time.monotonic() < end:
            time.sleep(0.2)
        return found


class Mouse:
    """The pointer, moved and pressed by the X server."""

    def click(self, item: Item) -> None:
        self.to(item.x, item.y)
        subprocess.run(["xdotool", "click", "1"], check=True)
        time.sleep(0.3)

    def to(self, x: int, y: int) -> None:
        subprocess.run(["xdotool", "mousemove", str(x), str(y)], check=True)
        time.sleep(0.1)

    def down(self) -> None:
        subprocess.run(["xdotool", "mousedown", "1"], check=True)

    def by(self, dx: int, dy: int, steps: int = 12, seconds: float = 0.6) -> None:
        """Move on in small steps, as a hand does."""
        for step in range(steps):
            part = dx * (step + 1) // steps - dx * step // steps
            down = dy * (step + 1) // steps - dy * step // steps
            subprocess.run(
                ["xdotool", "mousemove_relative", "--", str(part), str(down)], check=True
            )
            time.sleep(seconds / steps)

    def up(self) -> None:
        subprocess.run(["xdotool", "mouseup", "1"], check=True)


@contextlib.contextmanager
def seen_window(
    scene: str, dataset: Path, patience_s: float = 120.0
) -> Iterator[tuple[RunDir, Seen]]:
    """The program as `teledeck` starts it, with an onlooker in its window, until it is closed."""
    line = [sys.executable, "-m", "tests.e2e.seen", "--scene", scene, "--dataset", str(dataset)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        with RunDir.join(folder) as run:
            seen = Seen(run)
            if seen.wait("Collect", patience_s) is None:
                raise TimeoutError("no window came up")
            yield run, seen
        subprocess.run(["xdotool", "key", "ctrl+q"], check=True)
        process.wait(timeout=30)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()


def main() -> int:
    """`app.launch.open_window`, but for the module of the window."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scene", required=True)
    parser.add_argument("--dataset", required=True)
    options = parser.parse_args()
    station = StationFile(scene=options.scene)
    about = {"station": msgspec.to_builtins(station), "dataset": options.dataset}
    window = ChildSpec("window", "tests.e2e.onlooker", about, essential=True, answers=False)
    run = RunDir.create()
    with Supervisor(run, (window, *children(station))) as supervisor:
        supervisor.start()
        print(run.path, flush=True)
        supervisor.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
