"""The touch process on rings: its streams, times, answers, and what happens when inputs go."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.rollout.touch import RolloutTouch
from app.runtime.child import Child
from app.runtime.requests import GraspBaseline, Ok, Refused, Reply, Request, RezeroTouch, Shutdown
from app.runtime.rundir import RunDir
from app.runtime.station_file import Touch
from app.runtime.touch_pads import TouchProcess, gels_of
from devices.clock import FakeClock
from devices.errors import ConfigError
from devices.feel_axes import press
from devices.gelsight import basis
from devices.gelsight.kinds import GELSIGHT_MINI
from devices.ring import RingReader, RingWriter
from devices.robots.openarm import OpenArmV2
from devices.stream import Sample, StreamSpec
from devices.touch import NORMAL

ROBOT = OpenArmV2()
PADS = ROBOT.pad_names
STEP_S = 1 / 125


class Rig:
    """A run with the station's touch rings and a touch process, stepped by the test."""

    def __init__(self, base: Path) -> None:
        self.clock = FakeClock()
        self.run = RunDir.create(base)
        self.child = Child("touch", self.run, {})
        self.process: TouchProcess | None = None
        self.rings: dict[str, RingWriter] = {}
        self.open_rings()

    def open_rings(self) -> None:
        shapes: dict[str, tuple[tuple[int, ...], str]] = {
            **{f"{pad}_pad/tactile": ((7, 9, 3), "float32") for pad in PADS},
            **{f"{side}_gripper/gap": ((1,), "float64") for side in ROBOT.sides},
            **{f"{side}_arm/wrench": ((6,), "float64") for side in ROBOT.sides},
        }
        for name, (shape, dtype) in shapes.items():
            spec = StreamSpec(name, shape, dtype, "N", "", 125.0, kind="touch")
            self.rings[name] = RingWriter(self.run.ring(name), spec, 64)

    def start(self, **touch: object) -> TouchProcess:
        config = Touch(**touch)  # type: ignore[arg-type]
        gels = gels_of(ROBOT, config.sensors)
        self.process = TouchProcess(self.child, config, dict(ROBOT.pad_side), gels, self.clock)
        self.process.step()
        return self.process

    def feel(self, field: np.ndarray, gap: float = 0.024, seconds: float = STEP_S) -> None:
        assert self.process is not None
        for _ in range(max(1, round(seconds / STEP_S))):
            self.clock.advance_s(STEP_S)
            now = self.clock.now_ns()
            for name, ring in self.rings.items():
                data = {"tactile": field, "gap": [gap], "wrench": [0.0, 0.0, 4.0, 0, 0, 0]}
                ring.publish(now, data[name.rpartition("/")[2]])
            self.process.step()

    def reader(self, stream: str) -> RingReader:
        return RingReader(self.run.ring(stream))

    def ask(self, request: Request) -> Reply:
        """Without a socket: as the server hands it on."""
        assert self.process is not None
        try:
            return self.process._answer(request)
        except ConfigError as error:
            return Refused(str(error))

    def close(self) -> None:
        if self.process is not None:
            self.process.close()
        for ring in self.rings.values():
            ring.close()
        self.child.close()
        self.run.leave()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def grasp(newtons: float = 20.0) -> np.ndarray:
    field = np.zeros((7, 9, 3), dtype=np.float32)
    field[2:5, 2:7, NORMAL] = newtons / 15
    return field


def test_every_sample_is_felt_with_its_own_time(rig: Rig) -> None:
    process = rig.start()
    gel = gels_of(ROBOT, {})["left_inner"]
    rng = np.random.default_rng(0)
    fields = [press(gel, rng).astype(np.float32) for _ in range(20)]
    for field in fields:
        rig.feel(field)
    for pad in PADS:
        with (
            rig.reader(f"{pad}_pad/tactile") as raw,
            rig.reader(f"{pad}_pad/markers") as markers,
            rig.reader(f"{pad}_pad/deformation") as moved,
            rig.reader(f"{pad}_pad/reading") as reading,
        ):
            a, b, c, d = (one.drain() for one in (raw, markers, moved, reading))
            for told in (b, c, d):
                np.testing.assert_array_equal(told.t_ns, a.t_ns)
            np.testing.assert_array_equal(a.data[-1], fields[-1], "the raw stream is untouched")
            offsets, load = gel.offsets_and_load(fields[-1])
            np.testing.assert_allclose(b.data[-1], offsets, atol=1e-6)
            assert d.data[-1][:4] == pytest.approx(list(load), abs=1e-5)
            assert (c.data[..., 2] >= 0).all()
    status = process.status(rig.clock.now_ns())
    assert {one.pad for one in status.pads} == set(PADS) and not status.fault
    assert all(one.source == "simulated field" for one in status.pads)
    assert all(one.rate_hz == pytest.approx(125, rel=0.02) for one in status.pads)
    assert "none" in status.text, "that there is no embedding is said"
    assert not (rig.run.ring("left_inner_pad/pca")).exists(), "no stream instead of zeros"


def test_a_held_grasp_is_subtracted_from_what_is_shown_alone(rig: Rig) -> None:
    rig.start()
    rig.feel(grasp(), seconds=1.0)
    with (
        rig.reader("left_inner_pad/deformation") as moved,
        rig.reader("left_inner_pad/markers") as markers,
        rig.reader("left_inner_pad/reading") as reading,
    ):
        shown, raw, row = moved.latest(), markers.latest(), reading.latest()
        assert shown is not None and raw is not None and row is not None
        assert np.abs(shown.data).max() < 1e-9 and row.data[7] == 1.0
        assert np.abs(raw.data).max() > 1e-3 and row.data[0] == pytest.approx(20.0, abs=1e-4)
        assert isinstance(rig.ask(GraspBaseline(on=False)), Ok)
        rig.feel(grasp())
        shown = moved.latest()
        assert shown is not None and np.abs(shown.data).max() > 1e-4
        rig.ask(GraspBaseline(on=True))
        rig.feel(grasp(), seconds=1.0)
        rig.feel(np.zeros((7, 9, 3), dtype=np.float32), gap=0.06, seconds=0.7)
        row = reading.latest()
        assert row is not None and row.data[7] == 0.0


def test_rezero_answers_and_names_unknown_pads(rig: Rig) -> None:
    rig.start()
    refused = rig.ask(RezeroTouch("left_inner"))
    assert isinstance(refused, Refused) and "nothing yet" in refused.why
    rig.feel(grasp(), seconds=0.1)
    assert isinstance(rig.ask(RezeroTouch("left_inner")), Ok)
    rig.feel(grasp())
    for pad, expected in (("left_inner", 0.0), ("left_outer", 20.0)):
        with rig.reader(f"{pad}_pad/reading") as reading:
            row = reading.latest()
            assert row is not None and row.data[0] == pytest.approx(expected, abs=1e-4)
    refused = rig.ask(RezeroTouch("tail"))
    assert isinstance(refused, Refused) and "left_inner" in refused.why
    assert isinstance(rig.ask(Shutdown()), Ok) and rig.child.stopping.is_set()


def test_a_station_that_is_gone_leaves_a_gap_and_one_that_comes_back_is_felt(rig: Rig) -> None:
    process = rig.start()
    rig.feel(grasp(), seconds=1.0)
    for ring in rig.rings.values():
        ring.close()
    rig.clock.advance_s(1.0)
    process.step()
    status = process.status(rig.clock.now_ns())
    assert all(one.text == "No fresh data" and math.isnan(one.normal_n) for one in status.pads)
    assert all(one.rate_hz == 0.0 and not one.contact for one in status.pads)
    rig.open_rings()
    rig.clock.advance_s(0.3)
    process.step()
    rig.feel(grasp(5.0), seconds=0.1)
    with rig.reader("left_inner_pad/reading") as reading:
        row = reading.latest()
        assert row is not None and row.data[0] == pytest.approx(5.0, abs=1e-4)
        assert row.data[7] == 0.0, "a baseline from before does not count"


def test_a_wrong_embedding_is_told_and_gives_no_stream(rig: Rig, tmp_path: Path) -> None:
    np.save(tmp_path / "pca_transform_matrix.npy", np.eye(50, 15))
    np.save(tmp_path / "pca_mean_matrix.npy", np.zeros(50))
    process = rig.start(pca=str(tmp_path))
    rig.feel(grasp())
    status = process.status(rig.clock.now_ns())
    assert status.fault and "126" in status.text
    assert not rig.run.ring("left_inner_pad/pca").exists()
    with rig.reader("left_inner_pad/reading") as reading:
        assert reading.head == 1, "all else goes on"


def test_an_embedding_is_published_and_read_as_force(rig: Rig, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns, _ = np.linalg.qr(rng.normal(size=(126, 15)))
    mean = 1e-3 * rng.normal(size=126)
    np.save(tmp_path / "pca_transform_matrix.npy", columns)
    np.save(tmp_path / "pca_mean_matrix.npy", mean)
    process = rig.start(pca=str(tmp_path))
    rig.feel(grasp())
    with rig.reader("left_inner_pad/pca") as told, rig.reader("left_inner_pad/markers") as markers:
        a, b = told.latest(), markers.latest()
        assert a is not None and b is not None
        np.testing.assert_allclose(a.data, (b.data.ravel() - mean) @ columns, atol=1e-5)
    pad = process.status(rig.clock.now_ns()).pads[0]
    assert pad.axes is not None and pad.axes_error is not None


def test_a_pad_that_the_robot_lacks_is_refused(rig: Rig) -> None:
    with pytest.raises(ConfigError, match="left_inner"):
        rig.start(sensors={"tail": "GelSight_X"})


def test_an_absent_sensor_is_told_and_the_other_pads_go_on(rig: Rig) -> None:
    process = rig.start(sensors={"left_inner": "GelSight_Mini_none-such"})
    deadline = time.monotonic() + 10.0
    while not process.ports["left_inner"].fault and time.monotonic() < deadline:
        time.sleep(0.01)
        process.step()
    rig.feel(grasp())
    status = process.status(rig.clock.now_ns())
    pads = {one.pad: one for one in status.pads}
    assert status.fault and "none-such" in pads["left_inner"].text
    assert math.isnan(pads["left_inner"].normal_n)
    assert pads["left_outer"].normal_n == pytest.approx(20.0, abs=1e-4)
    with rig.reader("left_inner_pad/deformation") as moved:
        assert moved.head == 0, "a gap, not zeros"


def test_pictures_tell_what_the_field_says(rig: Rig) -> None:
    """Simulated pad → picture → markers → field → reading, on threads of their own."""
    process = rig.start(source="pictures", rate_hz=120.0)
    free = np.zeros((7, 9, 3), dtype=np.float32)
    field = grasp(12.0)
    field[2:5, 2:7, 2] = 3.0 / 15

    def until(count: int, felt: np.ndarray) -> None:
        with rig.reader("right_inner_pad/reading") as reading:
            wanted, deadline = reading.head + count, time.monotonic() + 20.0
            while reading.head < wanted and time.monotonic() < deadline:
                rig.feel(felt)
                time.sleep(0.005)
            assert reading.head >= wanted

    until(4, free)
    until(6, field)
    status = process.status(rig.clock.now_ns())
    pad = {one.pad: one for one in status.pads}["right_inner"]
    assert pad.source == "simulated camera" and not status.fault
    assert pad.normal_n == pytest.approx(12.0, abs=4.0)
    assert pad.shear_x_n == pytest.approx(3.0, abs=0.6)
    with (
        rig.reader("right_inner_pad/tactile") as raw,
        rig.reader("right_inner_pad/markers") as seen,
    ):
        times = set(raw.drain().t_ns.tolist())
        assert set(seen.drain().t_ns.tolist()[-3:]) <= times, "pictures have the field's time"


def test_a_rollout_is_told_what_the_process_tells(rig: Rig) -> None:
    """The same fields, gaps and forces; bit by bit, grasp baseline and band included."""
    rig.start(pca=str(basis.path_of(GELSIGHT_MINI)))
    told = RolloutTouch(ROBOT, None, basis.own(GELSIGHT_MINI))
    found: dict[str, list[np.ndarray]] = {spec.name: [] for spec in told.specs}
    rng = np.random.default_rng(1)
    gel = gels_of(ROBOT, {})["left_inner"]
    for number in range(60):
        field = grasp(8.0) + (press(gel, rng).astype(np.float32) if number > 40 else 0.0)
        rig.feel(field)
        moment = {"tactile": field, "gap": np.array([0.024]), "wrench": np.array([0, 0, 4.0])}
        samples = [
            Sample(name, number, rig.clock.now_ns(), moment[name.rpartition("/")[2]])
            for name in rig.rings
        ]
        for sample in told.feel(samples):
            found[sample.stream].append(sample.data)
            assert sample.t_ns == rig.clock.now_ns() and sample.seq == number
    for name, rows in found.items():
        with rig.reader(name) as reader:
            there = reader.drain().data
        np.testing.assert_array_equal(np.stack(rows)[-len(there) :], there, err_msg=name)
    assert len(there) >= 50
    told.reset()
    assert told.feel([]) == []
