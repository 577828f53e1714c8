"""The headset's way through a whole run: post → command, touch → datagram, jitter, processor time.

`python -m tests.benchmarks.headset [--seconds S] [--json PATH]`

Station, recorder, cameras and the headset's process run and record; a headset on this machine
posts at 60 Hz with both grips squeezed and is sent two arms, four pads and two panels. Where the
run has no touch process, a thread of this program writes the pads' deformation from the tactile
fields (the rows say so); its work then stands in for what touch would cost.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from app.launch import Run
from app.runtime import priority
from app.runtime.requests import (
    Arm,
    HeadsetConfirm,
    HeadsetListen,
    HeadsetPanels,
    HeadsetSetUp,
    Ok,
    Request,
    Start,
    Stop,
    UseLeader,
)
from app.runtime.rings import ring_capacity
from app.runtime.rundir import RunDir
from app.runtime.station_file import StationFile
from devices.ring import RingReader, RingWriter
from devices.stream import StreamSpec
from devices.tactar.overlay import ANCHORS
from devices.tactar.wire import read_tactile
from tests.benchmarks.report import Row, options, percentiles, tell
from tests.headset.quest import Quest, free_base
from tests.headset.room import Room

_PADS = ("left_inner", "left_outer", "right_inner", "right_outer")
_WARM_S = 5.0
_PINCH_S, _PINCHES = 3.0, 6
_FREE_N, _TOUCHED_N = 0.05, 0.2
_FREE_NS = 100_000_000
_SEEN_M = 2e-6  # an arrow that has grown by more than rounding


def main() -> None:
    arguments = options(__doc__ or "", 60.0).parse_args()
    rows = measure(arguments.seconds)
    tell(f"Headset, {arguments.seconds:.0f} s while recording", rows, arguments.json)


class StandInTouch:
    """Writes `P_pad/deformation` as soon as a tactile field comes, where no process does."""

    def __init__(self, run: RunDir) -> None:
        self._end = threading.Event()
        self._pads: list[tuple[RingReader, RingWriter]] = []
        for pad in _PADS:
            reader = RingReader(run.ring(f"{pad}_pad/tactile"))
            spec = StreamSpec(
                f"{pad}_pad/deformation", (63, 3), "float32", "m", f"{pad}_pad", 125.0, kind="touch"
            )
            self._pads.append((reader, RingWriter(run.ring(spec.name), spec, ring_capacity(spec))))
        self._thread = threading.Thread(target=self._work, name="stand-in-touch")
        self._thread.start()

    def _work(self) -> None:
        heads = [reader.head for reader, _ in self._pads]
        while not self._end.is_set():
            for k, (reader, writer) in enumerate(self._pads):
                if reader.head != heads[k]:
                    heads[k] = reader.head
                    sample = reader.latest()
                    if sample is not None:
                        cells = sample.data.reshape(63, 3)
                        moved = 1e-3 * cells[:, [2, 1, 0]] + 1e-5
                        writer.publish(sample.t_ns, moved.astype(np.float32))
            time.sleep(0.0005)

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        for reader, writer in self._pads:
            reader.close()
            writer.close()


def measure(seconds: float) -> list[Row]:
    """All rows; takes `seconds` and about twenty more."""
    base = free_base()
    with tempfile.TemporaryDirectory(prefix="td-") as folder:
        options_ = {"folder": str(Path(folder) / "kept"), "ports": base}
        with Run(StationFile(scene="wipe"), options_) as run:
            touch = None
            if "left_inner_pad/deformation" not in run.session.streams():
                touch = StandInTouch(run.session.run)
            try:
                return _measure(run, seconds, Path(folder), base, touch is not None)
            finally:
                if touch is not None:
                    touch.close()


def _measure(run: Run, seconds: float, folder: Path, base: int, stand_in: bool) -> list[Row]:
    def ask(request: Request) -> None:
        reply = run.session.request(request, 10.0)
        if not isinstance(reply, Ok):
            raise RuntimeError(str(reply))

    def watch(duration_s: float) -> None:
        end = time.monotonic() + duration_s
        while time.monotonic() < end:
            run.poll(0.02)

    while run.session.headset is None:
        run.poll(0.05)
    ask(HeadsetListen(True, 0))
    watch(0.5)
    room = Room()
    # A real headset is a machine of its own: the simulated one must not wait for this one's cores,
    # nor for the thread that looks at the run.
    priority.go_first(priority.HEADSET)
    sys.setswitchinterval(0.0003)
    with Quest(room, run.session.headset.port, base) as quest:
        watch(1.0)
        ask(HeadsetConfirm("127.0.0.1"))
        for step in ("begin", "swap", "no_trim", "finish"):
            ask(HeadsetSetUp(step))  # type: ignore[arg-type]
        ask(UseLeader("headset"))
        ask(HeadsetPanels("wrists"))
        run.session.open_dataset(folder / "data", "bench")
        ask(Arm())
        ask(Start("bench"))
        watch(0.5)
        left, right = room.left.grip(), room.right.grip()

        def circle(t: float) -> None:
            way = 0.03 * np.array([np.sin(t), np.cos(t) - 1.0, np.sin(0.7 * t)])
            # A fresh squeeze every three seconds, as after a pause that let go of the clutch.
            held = t % 3.0 > 0.2
            room.left = left.at(left.position + way).grip(held)
            room.right = right.at(right.position - way).grip(held)

        quest.act = circle
        watch(_WARM_S)
        children = psutil.Process().children(recursive=True)
        before = {p.pid: (" ".join(p.cmdline()), sum(p.cpu_times()[:2])) for p in children}
        for heard in quest.heard.values():
            heard.clear()
        begun_ns = time.monotonic_ns()
        kept: list[np.ndarray] = []
        touch_p99: list[float] = []
        clutched = 0
        for _ in range(max(1, round(seconds))):
            since_ns = time.monotonic_ns()
            watch(1.0)
            delays = run.session.since("station/input_delay", since_ns)
            if delays is not None:
                kept.append(np.asarray(delays.data).reshape(-1))
            if run.session.headset is not None:
                touch_p99.append(run.session.headset.touch_delay_p99_ms)
            station = run.session.station
            clutched += station is not None and all(arm.clutched for arm in station.arms)
        passed_s = (time.monotonic_ns() - begun_ns) / 1e9
        rows = percentiles(
            "post received -> command sent",
            np.concatenate(kept),
            "ms",
            f"both arms clutched in {100 * clutched / max(1, round(seconds)):.0f} % of the looks",
        )
        note = "deformation by a stand-in thread" if stand_in else "with the touch process"
        told = "of the newest 2048 samples, median of all looks", "of them, at the worst look"
        for value, which in zip((np.median(touch_p99), np.max(touch_p99)), told, strict=True):
            row = Row("tactile sample -> datagram p99", float(value), "ms", f"{which}; {note}")
            rows.append(row)
        rows += _jitter({name: [t for t, _ in heard] for name, heard in quest.heard.items()})
        rows += _processor(before, passed_s)
        rows += _contacts(run, quest, room, watch)
        ask(Stop())
    return rows


def _contacts(run: Run, quest: Quest, room: Room, watch: Callable[[float], None]) -> list[Row]:
    """Grippers close and open; from the first field of forces with a contact to its arrows."""
    left, right = room.left, room.right

    def pinch(t: float) -> None:
        trigger = float(t % _PINCH_S > 0.5 * _PINCH_S)
        # A pause of the machine lets go of the clutch; each opening begins with a fresh squeeze.
        held = t % _PINCH_S > 0.2
        room.left = replace(left, trigger=trigger).grip(held)
        room.right = replace(right, trigger=trigger).grip(held)

    readers = {pad: RingReader(run.session.run.ring(f"{pad}_pad/tactile")) for pad in _PADS}
    quest.act = pinch
    watch(_PINCH_S)
    quest.heard["tactile"].clear()
    for reader in readers.values():
        reader.drain()
    fields: dict[str, list[tuple[int, float]]] = {pad: [] for pad in _PADS}
    for _ in range(round(_PINCHES * _PINCH_S / 0.2)):
        watch(0.2)
        for pad, reader in readers.items():
            drained = reader.drain()
            loads = np.asarray(drained.data)[..., 0].reshape(len(drained.t_ns), -1).sum(axis=1)
            fields[pad] += zip(drained.t_ns.tolist(), loads.tolist(), strict=True)
    sent = [(t_ns, read_tactile(datagram)) for t_ns, datagram in list(quest.heard["tactile"])]
    delays: list[float] = []
    for pad, samples in fields.items():
        readers[pad].close()
        drawn = [
            (t_ns, float(np.linalg.norm(told.ends - told.starts, axis=1).max()))
            for t_ns, told in sent
            if told.device_id == ANCHORS[pad]
        ]
        delays += first_arrows(samples, drawn)
    if not delays:
        return [Row("contact -> arrow datagram", float("nan"), "ms", "no contact was made")]
    note = f"{len(delays)} contacts; from the first touch sample with {_TOUCHED_N} N to its arrival"
    return percentiles("contact -> arrow datagram", np.array(delays), "ms", note)


def first_arrows(samples: list[tuple[int, float]], drawn: list[tuple[int, float]]) -> list[float]:
    """Delays from each onset of a contact to the first arrows that tell of it [ms].

    Args:
        samples: Time [ns] and normal force [N] of every field of one pad.
        drawn: Arrival [ns] and longest arrow [m] of its datagrams.
    """
    found = []
    free_ns = samples[0][0] if samples else 0
    touched = True  # what is held at first is no onset
    for t_ns, load in samples:
        if load < _FREE_N:
            if touched:
                free_ns, touched = t_ns, False
        elif not touched and load >= _TOUCHED_N:
            touched = True
            if t_ns - free_ns < _FREE_NS:
                continue
            before = max((size for at, size in drawn if free_ns < at < t_ns), default=0.0)
            shown = next((at for at, size in drawn if at >= t_ns and size > before + _SEEN_M), None)
            if shown is not None:
                found.append((shown - t_ns) / 1e6)
    return found


def _jitter(arrivals: Mapping[str, list[int]]) -> list[Row]:
    """Rate and jitter as the headset sees them: interleaved sources are told apart by order."""
    sources = {"robot": 1, "force": 2, "tactile": 4}
    rows = []
    for name, count in sources.items():
        times = np.array(arrivals[name], dtype=np.int64)
        if len(times) < 10 * count:
            rows.append(Row(f"UDP {name} messages", float(len(times)), "1", "too few"))
            continue
        every = np.diff(times[::count]) / 1e6
        rate = len(every) / (times[-1] - times[0]) * 1e9
        off = np.abs(every - np.median(every))
        rows.append(Row(f"UDP {name} rate", float(rate), "Hz", f"each of {count}"))
        rows += percentiles(f"UDP {name} jitter", off, "ms", "interval off its median")
    starts = len(arrivals["panels"])
    rows.append(Row("UDP panels datagrams", float(starts), "1"))
    return rows


def _processor(before: Mapping[int, tuple[str, float]], passed_s: float) -> list[Row]:
    rows, total = [], 0.0
    for pid, (line, used) in before.items():
        try:
            now = sum(psutil.Process(pid).cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
        share = 100.0 * (now - used) / passed_s
        total += share
        name = line.split("-m ")[-1].split(" ")[0].removeprefix("app.runtime.")
        rows.append(Row(f"processor {name}", share, "%", "of one core"))
    return [*rows, Row("processor all", total, "%", "of one core; the fake headset is not in it")]


if __name__ == "__main__":
    main()
