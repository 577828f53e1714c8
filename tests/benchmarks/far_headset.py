"""A headset as far from this machine as one on the same machine can be: for measurements.

A real headset is a computer of its own. It posts when its clock says so, and it does not take the
cores of those whom it measures. So here one process posts: every post is ready before its time and
goes out with one system call, in real time where that is allowed. Another one hears: each datagram
has the time at which the kernel received it (SO_TIMESTAMPNS, socket(7)), however late the process
comes to fetch it. Both are C-speed where it counts, and neither shares an interpreter with anybody.

`python -m tests.benchmarks.far_headset post PORT SECONDS` and `... hear BASE` are started by
`FarHeadset`; they are told what to do line by line.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from devices.clock import NS_PER_S
from devices.tactar.wire import POST_PATH, Ports, encode_post
from tests.headset.quest import HZ
from tests.headset.room import Room

STREAMS = ("robot", "tactile", "panels", "force")
PINCH_S = 3.0
_PERIOD_NS = round(NS_PER_S / HZ)
_STAMP = b"100000.000"  # stands for a post's own time until it is sent
_BEFORE_ALL = 50
_TIMESTAMPNS = 35  # SO_TIMESTAMPNS of asm-generic/socket.h, which `socket` does not name
_RCVBUFFORCE = 33
_ROOM = 1 << 16


@dataclass(frozen=True)
class Heard:
    """What reached the headset.

    Attributes:
        arrivals: Per stream, when the kernel received its datagrams [ns, monotonic].
        ids: Anchor of each tactile datagram.
        kept: Tactile datagrams since "keep", with their arrival.
    """

    arrivals: dict[str, npt.NDArray[np.int64]]
    ids: list[str]
    kept: list[tuple[int, bytes]]


class FarHeadset:
    """Both processes of a headset. Posts at 60 Hz as soon as it is entered.

    Args:
        port: TCP port to post to.
        base: Of the UDP ports.
        seconds: As long as it may have to post [s].
        folder: For what it has heard.
    """

    def __init__(self, port: int, base: int, seconds: float, folder: Path) -> None:
        self._folder = folder
        self._lines = {
            "hear": ("hear", str(base)),
            "post": ("post", str(port), str(seconds)),
        }
        self._running: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        for name, line in self._lines.items():
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", __name__, *line],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        for name in self._running:
            self._answer(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._running.values():
            with contextlib.suppress(OSError):
                process.communicate(timeout=10.0)

    @property
    def pids(self) -> frozenset[int]:
        return frozenset(process.pid for process in self._running.values())

    def act(self, script: str) -> None:
        """What the hands do: "still", "circle" or "pinch"."""
        self._say("post", script)

    def forget(self) -> None:
        """What was heard so far does not count."""
        self._say("hear", "forget")

    def keep(self) -> None:
        """From now on keep tactile datagrams whole."""
        self._say("hear", "keep")

    def posted(self) -> npt.NDArray[np.int64]:
        """When each post so far was sent [ns, monotonic]."""
        path = self._folder / "posted.npy"
        self._say("post", f"save {path}")
        self._answer("post")
        return np.asarray(np.load(path))

    def heard(self) -> Heard:
        path = self._folder / "heard.npz"
        self._say("hear", f"save {path}")
        self._answer("hear")
        with np.load(path) as file:
            ends = np.cumsum(file["kept_size"])
            whole = file["kept"].tobytes()
            kept = [
                (int(t_ns), whole[end - size : end])
                for t_ns, size, end in zip(file["kept_ns"], file["kept_size"], ends, strict=True)
            ]
            return Heard({name: file[name] for name in STREAMS}, file["ids"].tolist(), kept)

    def _say(self, who: str, line: str) -> None:
        pipe = self._running[who].stdin
        assert pipe is not None
        pipe.write(f"{line}\n")
        pipe.flush()

    def _answer(self, who: str) -> None:
        pipe = self._running[who].stdout
        assert pipe is not None
        if not pipe.readline():
            raise RuntimeError(f"The headset that shall {who} has ended")


# ------------------------------------------------------------------------------------- the poster
def _scripts() -> dict[str, Callable[[Room, float], None]]:
    rest = Room()
    left, right = rest.left, rest.right

    def still(room: Room, _: float) -> None:
        room.left, room.right = left, right

    def circle(room: Room, t: float) -> None:
        way = 0.03 * np.array([np.sin(t), np.cos(t) - 1.0, np.sin(0.7 * t)])
        # A fresh squeeze every three seconds, as after a pause that let go of the clutch.
        held = t % 3.0 > 0.2
        room.left = left.at(left.position + way).grip(held)
        room.right = right.at(right.position - way).grip(held)

    def pinch(room: Room, t: float) -> None:
        trigger = float(t % PINCH_S > 0.5 * PINCH_S)
        # A pause of the machine lets go of the clutch; each opening begins with a fresh squeeze.
        held = t % PINCH_S > 0.2
        room.left = replace(left, trigger=trigger).grip(held)
        room.right = replace(right, trigger=trigger).grip(held)

    return {"still": still, "circle": circle, "pinch": pinch}


def _requests(act: Callable[[Room, float], None], seconds: float, port: int) -> list[bytes]:
    """Whole requests, but for the time in them."""
    room = Room()
    found = []
    for k in range(round(seconds * HZ)):
        act(room, k / HZ)
        first, comma, rest = encode_post(room.post()).partition(b",")
        if not first.startswith(b'{"timestamp":'):
            raise RuntimeError("a post does not begin with its time, as the app's do")
        body = b'{"timestamp":' + _STAMP + comma + rest
        head = (
            f"POST {POST_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


def _post(port: int, seconds: float) -> None:
    scripts = {name: _requests(act, seconds, port) for name, act in _scripts().items()}
    posts, at = scripts["still"], 0
    line = socket.create_connection(("127.0.0.1", port))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setblocking(False)
    posted: list[int] = []
    gc.freeze()
    gc.disable()
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_BEFORE_ALL))
    print("ready", flush=True)
    due_ns = begin_ns = time.monotonic_ns()
    while True:
        due_ns += _PERIOD_NS
        request = posts[at % len(posts)].replace(
            _STAMP, b"%.3f" % (100_000.0 + (due_ns - begin_ns) / NS_PER_S), 1
        )
        at += 1
        time.sleep(max(0.0, (due_ns - time.monotonic_ns()) / NS_PER_S))
        posted.append(time.monotonic_ns())
        line.send(request)
        # Halfway to the next post there is time for everything else.
        time.sleep(max(0.0, (due_ns + _PERIOD_NS // 2 - time.monotonic_ns()) / NS_PER_S))
        with contextlib.suppress(BlockingIOError):
            line.recv(_ROOM)
        while select.select([0], [], [], 0.0)[0]:
            word, _, path = _line().partition(" ")
            if not word:
                return
            if word == "save":
                np.save(path, np.array(posted, dtype=np.int64))
                print("saved", flush=True)
            else:
                posts, at = scripts[word], 0


# --------------------------------------------------------------------------------------- the ear
def _hear(base: int) -> None:
    ports = Ports.from_base(base)
    ears: dict[int, str] = {}
    sockets = []
    for name in STREAMS:
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            ear.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 1 << 23)
        except PermissionError:
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        ear.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        ear.bind(("127.0.0.1", getattr(ports, name)))
        ear.setblocking(False)
        ears[ear.fileno()] = name
        sockets.append(ear)
    arrivals: dict[str, list[int]] = {name: [] for name in STREAMS}
    ids: list[str] = []
    kept: list[tuple[int, bytes]] = []
    keeps = False
    print("ready", flush=True)
    while True:
        waits: list[socket.socket | int] = [0, *sockets]
        ready, _, _ = select.select(waits, [], [])
        since_ns = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.monotonic_ns()
        for one in ready:
            if isinstance(one, int):
                continue
            name = ears[one.fileno()]
            with contextlib.suppress(BlockingIOError):
                while True:
                    data, extra, _, _ = one.recvmsg(_ROOM, 64)
                    seconds, rest = struct.unpack("@ll", extra[0][2])
                    t_ns = seconds * NS_PER_S + rest - since_ns
                    arrivals[name].append(t_ns)
                    if name == "tactile":
                        ids.append(_anchor(data))
                        if keeps:
                            kept.append((t_ns, data))
        if 0 not in ready:
            continue
        word, _, path = _line().partition(" ")
        if not word:
            return
        if word == "keep":
            keeps = True
        elif word == "forget":
            ids.clear()
            for times in arrivals.values():
                times.clear()
        else:
            np.savez(
                path,
                ids=np.array(ids, dtype=str),
                kept=np.frombuffer(b"".join(data for _, data in kept), dtype=np.uint8),
                kept_size=np.array([len(data) for _, data in kept], dtype=np.int64),
                kept_ns=np.array([t_ns for t_ns, _ in kept], dtype=np.int64),
                **{name: np.array(times, dtype=np.int64) for name, times in arrivals.items()},  # type: ignore[arg-type]
            )
            print("saved", flush=True)


def _anchor(data: bytes) -> str:
    """Name of the anchor in a tactile message: the first string after the key."""
    begin = data.index(b"device_id\0") + len(b"device_id\0") + 4
    return data[begin : data.index(b"\0", begin)].decode()


def _line() -> str:
    """One line of what it is told, "" when nobody will tell anything more."""
    read = b""
    while not read.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return ""
        read += byte
    return read.decode().strip()


if __name__ == "__main__":
    if sys.argv[1] == "post":
        _post(int(sys.argv[2]), float(sys.argv[3]))
    else:
        _hear(int(sys.argv[2]))
