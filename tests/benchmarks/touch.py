"""Touch: from a tactile sample to what is shown of it, the process's share of a core, pictures.

Alone: this program publishes fields of four loaded pads at 125 Hz as a station does, and watches
for what the touch process makes of them. In a run: the simulated station with a scripted operator,
cameras, and a take being recorded; there a sample's age counts from the instant that it stands for.

`python -m tests.benchmarks.touch [--seconds S] [--json PATH]`
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import psutil

from app.launch import Run
from app.runtime.bus import Bus
from app.runtime.requests import Arm, OpenDataset, Start, UseLeader
from app.runtime.rings import ring_capacity
from app.runtime.rundir import RunDir
from app.runtime.station_file import StationFile, Touch
from app.runtime.statuses import TouchStatus
from app.runtime.supervisor import ChildSpec, Supervisor
from devices.clock import NS_PER_S
from devices.feel import Gel
from devices.feel_axes import press
from devices.ring import RingReader, RingWriter
from devices.robots.openarm import OpenArmV2
from devices.stream import StreamSpec
from devices.touch import MarkerModel
from tests.benchmarks.report import Row, options, percentiles, tell

PATIENCE_S = 30.0
_LOOK_S = 0.0001
ROBOT = OpenArmV2()


def main() -> None:
    parser = options(__doc__ or "", 15.0)
    parser.add_argument("--pca", default="", help="folder with an embedding to apply")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for source in ("field", "pictures"):
        touch = Touch(source=source, pca=arguments.pca)  # type: ignore[arg-type]
        rows += _alone(touch, arguments.seconds)
        rows += _in_a_run(touch, arguments.seconds)
    tell(f"Touch, {arguments.seconds:g} s each", rows, arguments.json)


class _Hands:
    """What a station publishes of touch: four loaded pads, gaps and wrenches."""

    def __init__(self, run: RunDir) -> None:
        self._rings: dict[str, RingWriter] = {}
        shapes: dict[str, tuple[int, ...]] = {
            **{f"{pad}_pad/tactile": (7, 9, 3) for pad in ROBOT.pad_names},
            **{f"{side}_gripper/gap": (1,) for side in ROBOT.sides},
            **{f"{side}_arm/wrench": (6,) for side in ROBOT.sides},
        }
        for name, shape in shapes.items():
            spec = StreamSpec(name, shape, "float32", "N", "", 125.0, kind="touch")
            self._rings[name] = RingWriter(run.ring(name), spec, ring_capacity(spec))
        rng = np.random.default_rng(0)
        gel = Gel.of(MarkerModel(ROBOT.pads["left_inner"]))
        grasp = press(gel, rng)
        self._fields = [(grasp + 0.1 * press(gel, rng)).astype(np.float32) for _ in range(64)]
        self._count = 0

    def publish(self) -> int:
        """One moment of everything. Returns its time [ns]."""
        self._count += 1
        t_ns = time.monotonic_ns()
        for name, ring in self._rings.items():
            field = self._fields[self._count % len(self._fields)]
            what = name.rpartition("/")[2]
            data = field if what == "tactile" else np.full(ring.spec.shape, 0.024, np.float32)
            ring.publish(t_ns, data)
        return t_ns

    def close(self) -> None:
        for ring in self._rings.values():
            ring.close()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _reader(run: RunDir, stream: str) -> RingReader:
    deadline = time.monotonic() + PATIENCE_S
    while not run.ring(stream).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{stream} never came")
        time.sleep(0.02)
    return RingReader(run.ring(stream))


def _alone(touch: Touch, seconds: float) -> list[Row]:
    """Only the touch process runs; the last pad that it publishes is watched."""
    station = StationFile(touch=touch)
    spec = ChildSpec(
        "touch", "app.runtime.touch_process", {"station": msgspec.to_builtins(station)}
    )
    run = RunDir.create()
    hands = _Hands(run)
    delays = []
    with Supervisor(run, (spec,)) as supervisor, Bus(run) as bus:
        supervisor.start()
        supervisor.wait_until_answers("touch", PATIENCE_S)
        process = psutil.Process(supervisor.pid("touch"))
        statuses = bus.subscriber("touch")
        pad = ROBOT.pad_names[-1]
        with _reader(run, f"{pad}_pad/deformation") as shown:
            next_s = time.monotonic()
            begin = next_s + 1.0
            began_cpu = 0.0
            while (now := time.monotonic()) < begin + seconds:
                if now >= begin and not began_cpu:
                    began_cpu = _cpu_s(process)
                hands.publish()
                next_s += 1 / 125
                while time.monotonic() < next_s:
                    if shown.backlog:
                        seen_ns = time.monotonic_ns()
                        for t_ns in shown.drain().t_ns.tolist():
                            if now >= begin:
                                delays.append((seen_ns - t_ns) / 1e6)
                    time.sleep(_LOOK_S)
            used = (_cpu_s(process) - began_cpu) / seconds
        rates = _rates(statuses.poll())
    hands.close()
    note = f"{touch.source}, four loaded pads, nothing else runs"
    return [
        *percentiles("sample -> deformation", delays, "ms", note),
        Row("processor", 100 * used, "%", f"of a core; {note}"),
        Row("rate of a pad", min(rates), "Hz", f"slowest; {note}"),
    ]


def _rates(heard: list[object]) -> list[float]:
    status = [one for one in heard if isinstance(one, TouchStatus)][-1]
    return [pad.rate_hz for pad in status.pads]


def _in_a_run(touch: Touch, seconds: float) -> list[Row]:
    """A whole run with a take: the newest sample's age when it can first be drawn."""
    delays: list[float] = []
    raw: list[float] = []
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Run(StationFile(touch=touch)) as run:
        session = run.session
        session.request(OpenDataset(str(Path(folder) / "data"), task="wipe"))
        session.request(UseLeader("scripted"))
        session.request(Arm())
        session.request(Start("wipe"))
        process = psutil.Process(run._supervisor.pid("touch"))
        pad = ROBOT.pad_names[-1]
        with (
            _reader(session.run, f"{pad}_pad/deformation") as shown,
            _reader(session.run, f"{pad}_pad/tactile") as felt,
        ):
            begin = time.monotonic() + 2.0
            began_cpu, next_poll = 0.0, 0.0
            while (now := time.monotonic()) < begin + seconds:
                if now >= next_poll:
                    run.poll()
                    next_poll = now + 0.02
                if now >= begin and not began_cpu:
                    began_cpu = _cpu_s(process)
                for reader, found in ((shown, delays), (felt, raw)):
                    if reader.backlog:
                        seen_ns = time.monotonic_ns()
                        times = reader.drain().t_ns.tolist()
                        if now >= begin:
                            found += [(seen_ns - t_ns) * 1e3 / NS_PER_S for t_ns in times]
                time.sleep(0.0003)
            used = (_cpu_s(process) - began_cpu) / seconds
        if session.touch is not None:
            rates = [one.rate_hz for one in session.touch.pads]
    note = f"{touch.source}, station, cameras and recorder run; load {os.getloadavg()[0]:.1f}"
    return [
        *percentiles("instant of a sample -> its ring", raw, "ms", note),
        *percentiles("instant of a sample -> deformation", delays, "ms", note),
        Row("processor", 100 * used, "%", f"of a core; {note}"),
        Row("rate of a pad", min(rates, default=0.0), "Hz", f"slowest; {note}"),
    ]


if __name__ == "__main__":
    main()
