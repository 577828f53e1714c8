"""A whole sensor on a simulated camera: forces in, markers out, troubles told."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from devices.clock import FakeClock
from devices.errors import ConfigError, DeviceError
from devices.gelsight.basis import simulated_loads
from devices.gelsight.gel import Gel
from devices.gelsight.kinds import GELSIGHT_MINI, KINDS, PICTURE, SensorKind
from devices.gelsight.pictures import Look, MarkerPictures
from devices.gelsight.sensor import MarkerSensor
from devices.gelsight.simulated_camera import SimulatedCamera
from devices.touch import NORMAL

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


class Bench:
    """A gel that is pressed by hand, on a clock that is moved by hand."""

    def __init__(self, kind: SensorKind, look: Look | None = None, rate_hz: float = 50.0) -> None:
        self.clock = FakeClock()
        self.field: npt.NDArray[np.float64] | None = np.zeros((7, 9, 3))
        self.camera = SimulatedCamera(
            kind, self._newest, self.clock, identity="left_inner", rate_hz=rate_hz, look=look
        )
        self.sensor = MarkerSensor(self.camera)

    def _newest(self) -> tuple[int, npt.NDArray[np.float64]] | None:
        return None if self.field is None else (self.clock.now_ns(), self.field)


@both
def test_forces_come_out_as_the_models_markers(kind: SensorKind) -> None:
    bench, gel = Bench(kind), Gel(kind)
    assert bench.sensor.poll() is not None
    for field in simulated_loads(10, seed=4):
        bench.clock.advance_s(0.05)
        bench.field = field
        markers = bench.sensor.poll()
        assert markers is not None and markers.t_ns == bench.clock.now_ns()
        error = (markers.offsets - gel.offsets(field)) * PICTURE
        assert np.sqrt((error[markers.valid] ** 2).sum(axis=1).mean()) < 0.5
    assert bench.sensor.simulated and bench.sensor.identity == "left_inner"


@both
def test_a_press_grows_where_it_presses(kind: SensorKind) -> None:
    bench = Bench(kind)
    bench.sensor.poll()
    x, y = np.meshgrid(np.arange(9) - 4, np.arange(7) - 3)
    press = np.zeros((7, 9, 3))
    press[..., NORMAL] = np.exp(-(x**2 + y**2) / 4)
    growths = []
    for newtons in (2.0, 6.0, 12.0):
        bench.clock.advance_s(0.05)
        bench.field = press * newtons / press.sum()
        markers = bench.sensor.poll()
        assert markers is not None
        assert int(np.argmax(markers.growth)) == kind.count // 2
        growths.append(float(markers.growth.max()))
    assert growths == sorted(growths) and growths[0] > 0


def test_pictures_come_at_the_cameras_rate_and_no_field_is_drawn_twice() -> None:
    bench = Bench(GELSIGHT_MINI, rate_hz=50.0)
    count = 0
    for _ in range(200):  # a second
        count += bench.sensor.poll() is not None
        bench.clock.advance_s(0.005)
    assert count == pytest.approx(50, abs=2)
    assert bench.sensor.state.rate_hz == pytest.approx(50, rel=0.05)
    bench.field = None
    bench.clock.advance_s(0.05)
    assert bench.sensor.poll() is None


def test_refusals_are_counted_and_told() -> None:
    bench = Bench(GELSIGHT_MINI)
    assert bench.sensor.poll() is not None and bench.sensor.state.notice == ""
    bench.camera.look_like(Look(occluded=((0, 0, 640, 480),)))
    bench.clock.advance_s(0.05)
    assert bench.sensor.poll() is None
    state = bench.sensor.state
    assert (state.pictures, state.refused, state.connected) == (2, 1, True)
    assert "of 63" in state.why_refused and state.why_refused in state.notice
    bench.camera.look_like(Look(missing=frozenset({5, 6})))
    bench.clock.advance_s(0.05)
    assert bench.sensor.poll() is not None
    assert bench.sensor.state.lost == 2 and bench.sensor.state.notice == ""


@both
def test_a_gel_that_is_upside_down_is_told_and_mended_by_re_zero(kind: SensorKind) -> None:
    bench = Bench(kind, Look(upside_down=True))
    assert bench.sensor.poll() is not None
    assert bench.sensor.state.orientation == "upside_down"
    assert "half a turn" in bench.sensor.state.notice
    bench.camera.look_like(Look())
    bench.sensor.rezero()
    bench.clock.advance_s(0.05)
    assert bench.sensor.poll() is not None
    assert bench.sensor.state.orientation == "upright" and bench.sensor.state.notice == ""


def test_a_gel_zeroed_under_load_is_told() -> None:
    bench = Bench(GELSIGHT_MINI)
    bench.field = 12 * simulated_loads(1, seed=1)[0]
    bench.field *= 15 / bench.field[..., NORMAL].sum()
    assert bench.sensor.poll() is not None
    assert "not at rest" in bench.sensor.state.notice


def test_a_pulled_plug_is_told_and_mends_itself() -> None:
    bench = Bench(GELSIGHT_MINI)
    assert bench.sensor.poll() is not None
    bench.camera.plugged_in = False
    bench.clock.advance_s(0.05)
    with pytest.raises(DeviceError, match="Plug it in again"):
        bench.sensor.poll()
    assert not bench.sensor.state.connected
    bench.camera.plugged_in = True
    assert bench.sensor.poll() is not None and bench.sensor.state.connected
    bench.sensor.close()
    assert not bench.sensor.state.connected


@both
def test_pictures_repeat_with_their_seed_and_differ_without(kind: SensorKind) -> None:
    rest = np.zeros((kind.count, 2))
    one, same, other = (MarkerPictures(kind, seed=seed) for seed in (1, 1, 2))
    first, again = one.draw(rest), same.draw(rest)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, one.draw(rest))  # the noise lives
    assert not np.array_equal(first, other.draw(rest))
    assert first.shape == (480, 640, 3) and first.dtype == np.uint8


@both
def test_turned_and_mirrored_pictures_are_just_that(kind: SensorKind) -> None:
    offsets = 0.01 * np.random.default_rng(0).normal(size=(kind.count, 2))
    plain = MarkerPictures(kind, Look(noise=0)).draw(offsets)
    turned = MarkerPictures(kind, Look(noise=0, upside_down=True)).draw(offsets)
    mirrored = MarkerPictures(kind, Look(noise=0, mirrored=True)).draw(offsets)
    assert np.array_equal(turned, plain[::-1, ::-1])
    assert np.array_equal(mirrored, plain[:, ::-1])


def test_pictures_of_another_gel_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(63, 2\)"):
        MarkerPictures(GELSIGHT_MINI).draw(np.zeros((25, 2)))
    with pytest.raises(ConfigError, match=r"\[63\]"):
        MarkerPictures(GELSIGHT_MINI, Look(missing=frozenset({63})))


@both
def test_markers_that_leave_the_picture_are_drawn_as_far_as_they_are_in_it(
    kind: SensorKind,
) -> None:
    for way in ((-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (0.45, 0.0), (0.0, 0.31)):
        MarkerPictures(kind).draw(np.tile(way, (kind.count, 1)))
