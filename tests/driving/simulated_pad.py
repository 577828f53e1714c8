"""A simulated gamepad, below the driver: a pipe in a temporary folder that carries the bytes which
the kernel's joystick interface would carry."""

from __future__ import annotations

import os
import struct
from pathlib import Path

AXES = {"lx": 0, "ly": 1, "lt": 2, "rx": 3, "ry": 4, "rt": 5, "hx": 6, "hy": 7}
BUTTONS = {"a": 0, "b": 1, "x": 2, "y": 3, "lb": 4, "rb": 5, "back": 6, "start": 7}


class SimulatedPad:
    """Plug it in, press, push, pull it out.

    Args:
        directory: Where the pad appears as `js0`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._path = directory / "js0"
        self._fd = -1

    def plug(self, held: tuple[str, ...] = ()) -> None:
        """Appear, and tell the state of all controls as the kernel does on opening."""
        os.mkfifo(self._path)
        self._fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        for name, number in BUTTONS.items():
            self._event(int(name in held), 0x81, number)
        for name, number in AXES.items():
            self._event(-32767 if name in ("lt", "rt") else 0, 0x82, number)

    def pull(self) -> None:
        """Vanish. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._path.unlink()
            self._fd = -1

    def press(self, name: str) -> None:
        self._event(1, 0x01, BUTTONS[name])

    def lift(self, name: str) -> None:
        self._event(0, 0x01, BUTTONS[name])

    def push(self, name: str, share: float) -> None:
        """Move an axis to -1 ... 1."""
        self._event(round(share * 32767), 0x02, AXES[name])

    def raw(self, data: bytes) -> None:
        """Any bytes at all."""
        os.write(self._fd, data)

    def _event(self, value: int, kind: int, number: int) -> None:
        self.raw(struct.pack("<IhBB", 0, value, kind, number))
