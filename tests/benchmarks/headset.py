"""The headset's way through a whole run: post → command, touch → datagram, jitter, processor time.

`python -m tests.benchmarks.headset [--seconds S] [--json PATH]`

Station, recorder, cameras and the headset's process run and record; a headset on this machine
posts at 60 Hz with both grips squeezed and is sent two arms, four pads and two panels. Where the
run has no touch process, a thread of this program writes the pads' deformation from the tactile
fields (the rows say so); its work then stands in for what touch would cost.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil

from app.launch import Run
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
from devices.ring import Drained, RingReader, RingWriter
from devices.stream import StreamSpec
from devices.tactar.overlay import ANCHORS
from devices.tactar.wire import read_tactile
from tests.benchmarks.far_headset import PINCH_S, FarHeadset, Heard
from tests.benchmarks.report import Row, options, percentiles, tell
from tests.headset.quest import HZ, free_base

_PADS = ("left_inner", "left_outer", "right_inner", "right_outer")
_WARM_S = 5.0
_PINCHES = 6
_ARROWS = tuple(f"headset/arrows_{pad}" for pad in _PADS)
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
            watch(0.5)
            said = run.session.recorder and run.session.recorder.text
            raise RuntimeError(f"{reply}; the recorder says: {said}")

    def watch(duration_s: float) -> None:
        end = time.monotonic() + duration_s
        while time.monotonic() < end:
            run.poll(0.02)

    while run.session.headset is None:
        run.poll(0.05)
    ask(HeadsetListen(True, 0))
    watch(0.5)
    total_s = seconds + _WARM_S + (_PINCHES + 2) * PINCH_S + 20.0
    # A real headset is a machine of its own: see far_headset.
    with FarHeadset(run.session.headset.port, base, total_s, folder) as quest:
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
        quest.act("circle")
        watch(_WARM_S)
        children = [p for p in psutil.Process().children(recursive=True) if p.pid not in quest.pids]
        before = {p.pid: (" ".join(p.cmdline()), sum(p.cpu_times()[:2])) for p in children}
        quest.forget()
        rows_of = Rows(
            run, ("station/input_delay", "station/loop", "headset/left_controller", *_ARROWS)
        )
        begun_ns = time.monotonic_ns()
        told: list[float] = []
        clutched = 0
        for _ in range(max(1, round(seconds))):
            watch(1.0)
            rows_of.drain()
            if run.session.headset is not None:
                told.append(run.session.headset.touch_delay_p99_ms)
            station = run.session.station
            clutched += station is not None and all(arm.clutched for arm in station.arms)
        passed_s = (time.monotonic_ns() - begun_ns) / 1e9
        heard, posted = quest.heard(), quest.posted()
        note = f"both arms clutched in {100 * clutched / max(1, round(seconds)):.0f} % of the looks"
        rows = _posts(rows_of, posted, note)
        note = "deformation by a stand-in thread" if stand_in else "with the touch process"
        rows += _fields(rows_of, heard, note)
        value = float(np.max(told))
        which = f"of the newest 2048 samples, as the headset's process tells, worst look; {note}"
        rows.append(Row("tactile sample -> datagram p99", value, "ms", which))
        rows += _jitter(heard.arrivals)
        rows += _processor(before, passed_s)
        rows_of.close()
        rows += _contacts(run, quest, watch, lambda: ask(Stop()))
    return rows


class Rows:
    """All rows of some streams while it is drained often enough."""

    def __init__(self, run: Run, names: Sequence[str]) -> None:
        self._readers = {name: RingReader(run.session.run.ring(name)) for name in names}
        self._found: dict[str, list[Drained]] = {name: [] for name in names}
        for reader in self._readers.values():
            reader.skip()

    def drain(self) -> None:
        for name, reader in self._readers.items():
            self._found[name].append(reader.drain())

    def __getitem__(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Times (n,) [ns] and rows (n, ...)."""
        found = self._found[name]
        return np.concatenate([one.t_ns for one in found]), np.concatenate(
            [one.data for one in found]
        )

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


def _posts(found: Rows, posted: np.ndarray, note: str) -> list[Row]:
    """From the system call that posts, over the stamp of the headset's process, to the command."""
    arrived, _ = found["headset/left_controller"]
    t_ns, delays = found["station/input_delay"]
    ticks, sections = found["station/loop"]
    rows = percentiles("post received -> command sent", delays.reshape(-1), "ms", note)
    mine = posted[np.searchsorted(posted, arrived[0]) - 1 :]
    unrest = np.abs(np.diff(mine) / 1e6 - 1e3 / HZ)
    on_way = (arrived - mine[: len(arrived)]) / 1e6
    in_order = on_way.min() > 0 and on_way.max() < 1e3
    if not in_order:
        raise RuntimeError("posts and arrivals do not belong together: one was lost")
    rows += percentiles("post sent -> received", on_way, "ms", "stamp of the headset's process")
    # What a tick did until it sent is in its own row.
    at = np.searchsorted(ticks, t_ns)
    known = (at < len(ticks)) & (ticks[np.minimum(at, len(ticks) - 1)] == t_ns)
    sent = t_ns[known] + 1e6 * sections[at[known], :4].sum(axis=1)
    received = sent - 1e6 * delays.reshape(-1)[known]
    which = np.abs(arrived[:, None] - received[None, :]).argmin(axis=0)
    whole = (sent - mine[which]) / 1e6
    rows += percentiles("post sent -> command sent", whole, "ms", "by the headset's own clock")
    rows += percentiles("posts off their 16.7 ms", unrest, "ms", "the simulated headset's own")
    return rows


def _fields(found: Rows, heard: Heard, note: str) -> list[Row]:
    """From the instant of each tactile sample to when the kernel took its datagram in."""
    delays: list[np.ndarray] = []
    lost = 0
    ids = np.array(heard.ids)
    arrivals = heard.arrivals["tactile"]
    for pad in _PADS:
        t_ns, _ = found[f"headset/arrows_{pad}"]
        mine = arrivals[ids == ANCHORS[pad]]
        # A row is written when its datagram has gone: the first arrival after the row before.
        mine = mine[np.searchsorted(mine, t_ns[0]) :][: len(t_ns)]
        lost += len(t_ns) - len(mine)
        delays.append((mine - t_ns[: len(mine)]) / 1e6)
    note = f"all samples, kernel's time of arrival; {note}"
    rows = percentiles("tactile sample -> datagram", np.concatenate(delays), "ms", note)
    return [*rows, Row("tactile datagrams missing", float(lost), "1")]


def _contacts(
    run: Run,
    quest: FarHeadset,
    watch: Callable[[float], None],
    stop: Callable[[], None],
) -> list[Row]:
    """Grippers close and open; from the first field of forces with a contact to its arrows."""
    readers = {pad: RingReader(run.session.run.ring(f"{pad}_pad/tactile")) for pad in _PADS}
    quest.act("pinch")
    watch(PINCH_S)
    quest.keep()
    for reader in readers.values():
        reader.drain()
    fields: dict[str, list[tuple[int, float]]] = {pad: [] for pad in _PADS}
    for _ in range(round(_PINCHES * PINCH_S / 0.2)):
        watch(0.2)
        for pad, reader in readers.items():
            drained = reader.drain()
            loads = np.asarray(drained.data)[..., 0].reshape(len(drained.t_ns), -1).sum(axis=1)
            fields[pad] += zip(drained.t_ns.tolist(), loads.tolist(), strict=True)
    # To decode all of it takes long, and a run that nobody watches for so long ends itself.
    stop()
    sent = [(t_ns, read_tactile(datagram)) for t_ns, datagram in quest.heard().kept]
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


def _jitter(arrivals: Mapping[str, npt.NDArray[np.int64]]) -> list[Row]:
    """Rate and jitter as the headset sees them: interleaved sources are told apart by order."""
    sources = {"robot": 1, "force": 2, "tactile": 4}
    rows = []
    for name, count in sources.items():
        times = arrivals[name]
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
