"""Bytes of the Linux joystick interface, read without blocking and re-plugged at any time.

Format and ioctls: Linux kernel documentation, "Linux Joystick support" (joystick-api) and
`include/uapi/linux/joystick.h`; axis and button codes: `input-event-codes.h`; which code is which
control: "Linux Gamepad Specification".
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from devices.clock import NS_PER_S, Clock

_EVENT = struct.Struct("<IhBB")  # time [ms], value, type, number
_BUTTON, _AXIS, _INIT = 0x01, 0x02, 0x80
_FULL = 32767.0
_RESCAN_NS = NS_PER_S // 2

_GET_NAME = 0x80806A13  # JSIOCGNAME(128)
_GET_AXES = 0x80406A32  # JSIOCGAXMAP, 64 bytes
_GET_BUTTONS = 0x84006A34  # JSIOCGBTNMAP, 512 shorts

_AXES = {
    0x00: "left_x",
    0x01: "left_y",
    0x02: "left_trigger",
    0x03: "right_x",
    0x04: "right_y",
    0x05: "right_trigger",
    0x10: "hat_x",
    0x11: "hat_y",
}
_BUTTONS = {
    0x130: "a",
    0x131: "b",
    0x133: "x",
    0x134: "y",
    0x136: "left_bumper",
    0x137: "right_bumper",
    0x13A: "back",
    0x13B: "start",
    0x13C: "guide",
    0x13D: "left_stick",
    0x13E: "right_stick",
}
_TRIGGERS = ("left_trigger", "right_trigger")
BUTTON_NAMES: tuple[str, ...] = tuple(_BUTTONS.values())


@dataclass(frozen=True, slots=True)
class ButtonEdge:
    """A button that went down or up."""

    name: str
    pressed: bool


class Joystick:
    """The first pad in a directory, whenever there is one.

    Args:
        clock: Paces the look for a pad while there is none (twice a second).
        directory: Where pads appear as `js0`, `js1`, ...

    Attributes:
        name: What the pad calls itself, "" while there is none.
        axes: Per axis name, -1 ... 1; triggers 0 ... 1.
        pressed: Names of the buttons that are down and were seen to go down.
    """

    def __init__(self, clock: Clock, directory: Path = Path("/dev/input")) -> None:
        self._clock = clock
        self._directory = directory
        self._fd = -1
        self._path = Path()
        self._next_scan_ns = 0
        self._rest = b""
        self._axis_names: tuple[str, ...] = ()
        self._button_names: tuple[str, ...] = ()
        self._edges: list[ButtonEdge] = []
        self.name = ""
        self.axes: dict[str, float] = {}
        self.pressed: set[str] = set()

    @property
    def plugged(self) -> bool:
        return self._fd >= 0

    @staticmethod
    def found(directory: Path = Path("/dev/input")) -> tuple[Path, ...]:
        """Pads that could be opened, in order."""
        with contextlib.suppress(OSError):
            return tuple(sorted(p for p in directory.iterdir() if p.name.startswith("js")))
        return ()

    def poll(self) -> bool:
        """Take in all that has arrived; False while no pad is plugged in. Never blocks."""
        now_ns = self._clock.now_ns()
        if now_ns >= self._next_scan_ns:
            self._next_scan_ns = now_ns + _RESCAN_NS
            if self.plugged and not self._path.exists():
                self.close()
            if not self.plugged:
                self._open()
        while self.plugged:
            try:
                data = os.read(self._fd, 64 * _EVENT.size)
            except BlockingIOError:
                break
            except OSError as error:
                # ENODEV is how the kernel tells that the pad was pulled; anything else is as final.
                if error.errno == errno.EINTR:
                    continue
                data = b""
            if not data:
                self.close()
                break
            self._take(data)
        return self.plugged

    def edges(self) -> tuple[ButtonEdge, ...]:
        """Button edges since the last call, in order."""
        edges = tuple(self._edges)
        self._edges.clear()
        return edges

    def close(self) -> None:
        """Let go of the pad; its buttons are up from here on. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._rest = b""
        self.name = ""
        self._edges.extend(ButtonEdge(name, False) for name in sorted(self.pressed))
        self.pressed = set()
        self.axes = {}

    def _open(self) -> None:
        for path in self.found(self._directory):
            try:
                self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                # No permission, or gone again; `found` and the doctor tell about it.
                continue
            self._path = path
            self.axes = dict.fromkeys(_AXES.values(), 0.0)
            self.name, self._axis_names, self._button_names = _describe(self._fd)
            return

    def _take(self, data: bytes) -> None:
        data = self._rest + data
        whole = len(data) - len(data) % _EVENT.size
        self._rest = data[whole:]
        for _, value, kind, number in _EVENT.iter_unpack(data[:whole]):
            if kind & ~_INIT == _AXIS and number < len(self._axis_names):
                name = self._axis_names[number]
                share = max(-1.0, value / _FULL)
                self.axes[name] = (share + 1.0) / 2.0 if name in _TRIGGERS else share
            elif kind & ~_INIT == _BUTTON and number < len(self._button_names):
                self._button(self._button_names[number], bool(value), bool(kind & _INIT))

    def _button(self, name: str, down: bool, initial: bool) -> None:
        if down and initial:
            return  # Held while being plugged in: counts only after a real press.
        if down != (name in self.pressed):
            self.pressed ^= {name}
            self._edges.append(ButtonEdge(name, down))


def _describe(fd: int) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Name of the pad and names of its numbered axes and buttons.

    What answers no ioctl (a pipe with recorded bytes) is taken for a pad of the usual layout.
    """
    import fcntl

    name, axes, buttons = bytearray(128), bytearray(64), bytearray(1024)
    try:
        fcntl.ioctl(fd, _GET_NAME, name)
        fcntl.ioctl(fd, _GET_AXES, axes)
        fcntl.ioctl(fd, _GET_BUTTONS, buttons)
    except OSError:
        return "pad without a name", tuple(_AXES.values()), tuple(_BUTTONS.values())
    codes = struct.unpack("<512H", buttons)
    return (
        name.split(b"\0")[0].decode(errors="replace"),
        tuple(_AXES.get(code, f"axis_{code:#x}") for code in axes),
        tuple(_BUTTONS.get(code, f"button_{code:#x}") for code in codes),
    )
