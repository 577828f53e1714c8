"""Known displacements are found: under noise, blur, covered and missing markers, and in motion."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.gelsight.kinds import GELSIGHT_MINI, KINDS, MCTAC, PICTURE, SensorKind
from devices.gelsight.markers import DotFinder, Refused
from devices.gelsight.pictures import Look, MarkerPictures
from devices.gelsight.tracker import Markers, MarkerTracker
from tests.gelsight.known_fields import FIELDS, fractions, grow, in_pixels, painter, smooth

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)

_SWAP = 0.3  # pitches of error above which a marker must be another one


def seen(answer: Markers | Refused) -> Markers:
    assert isinstance(answer, Markers), answer
    return answer


def zeroed(kind: SensorKind, look: Look | None = None) -> MarkerTracker:
    """A tracker that has seen the gel at rest."""
    tracker = MarkerTracker(kind)
    seen(tracker.track(painter(kind, look).draw(np.zeros((kind.count, 2))), 0))
    return tracker


def errors(markers: Markers, pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Distance of each marker from where it is [px], shape (N,)."""
    return np.asarray(np.hypot(*(markers.offsets * PICTURE - pixels).T))


def rms(values: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from(KINDS),
    make=st.sampled_from(sorted(FIELDS)),
    amplitude=st.floats(0.0, 0.49),
    noise=st.sampled_from([0.0, 2.0, 5.0, 8.0]),
    blur=st.sampled_from([0.0, 1.0, 2.0, 3.0]),
    light=st.sampled_from([0.6, 1.0, 1.2]),
    tilt=st.sampled_from([-0.5, 0.0, 0.5]),
    missing=st.integers(0, 8),
    seed=st.integers(0, 10**6),
)
def test_a_known_field_is_found(
    kind: SensorKind,
    make: str,
    amplitude: float,
    noise: float,
    blur: float,
    light: float,
    tilt: float,
    missing: int,
    seed: int,
) -> None:
    """Half a pixel RMS, and nobody is taken for his neighbour, in one jump from rest."""
    random = np.random.default_rng(seed)
    gone = random.choice(kind.count, min(missing, kind.count // 6), replace=False)
    look = Look(noise=noise, blur=blur, light=light, tilt=tilt)
    pixels = in_pixels(FIELDS[make](kind, random), kind, amplitude)
    tracker = zeroed(kind)
    drawn = MarkerPictures(kind, replace(look, missing=frozenset(gone.tolist())), seed)
    markers = seen(tracker.track(drawn.draw(fractions(pixels)), 1))
    error = errors(markers, pixels)
    assert rms(error[markers.valid]) < 0.5
    assert error[markers.valid].max() < _SWAP * min(kind.pitch)
    assert not markers.valid[gone].any()
    assert markers.lost == (~markers.valid).sum() <= len(gone) + 2


@both
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_motion_is_followed_beyond_half_a_pitch(kind: SensorKind, seed: int) -> None:
    """Step by step a marker goes further than to its neighbour's place and back."""
    random = np.random.default_rng(seed)
    field = FIELDS["shift"](kind, random) + 0.3 * smooth(kind, random)
    tracker = zeroed(kind)
    far = 0.65  # more would take the outer markers out of the region that is searched (0.7)
    for phase in np.linspace(0, 2 * np.pi, 25):
        pixels = in_pixels(field, kind, far / 1.3 * np.sin(phase))
        markers = seen(tracker.track(painter(kind).draw(fractions(pixels)), 0))
        error = errors(markers, pixels)
        assert rms(error[markers.valid]) < 0.5
        assert error[markers.valid].max() < _SWAP * min(kind.pitch)
        assert markers.lost <= kind.count // 5, "at most those that reach the border"


@both
def test_what_is_covered_is_told_and_implied_by_its_neighbours(kind: SensorKind) -> None:
    covered = Look(glare=((330, 240, 60),), occluded=((150, 280, 110, 90),))
    pixels = in_pixels(grow(kind, np.random.default_rng(1)), kind, 0.3)
    tracker = zeroed(kind)
    markers = seen(tracker.track(painter(kind, covered).draw(fractions(pixels)), 0))
    error = errors(markers, pixels)
    assert 0 < markers.lost < kind.count / 3
    assert rms(error[markers.valid]) < 0.5
    assert error[~markers.valid].max() < 0.05 * min(kind.pitch)
    assert np.abs(markers.offsets[~markers.valid]).max() > 0
    after = seen(tracker.track(painter(kind).draw(fractions(pixels)), 1))
    assert after.lost == 0 and rms(errors(after, pixels)) < 0.5


@both
def test_a_dark_time_is_refused_and_survived(kind: SensorKind) -> None:
    tracker = zeroed(kind)
    random = np.random.default_rng(5)
    pixels = in_pixels(smooth(kind, random), kind, 0.4)
    before = seen(tracker.track(painter(kind).draw(fractions(pixels)), 0))
    dark = painter(kind, Look(occluded=((0, 0, 640, 480),))).draw(fractions(pixels))
    for _ in range(3):
        refused = tracker.track(dark, 1)
        assert isinstance(refused, Refused)
        assert f"of {kind.count}" in refused.reason
    back = seen(tracker.track(painter(kind).draw(fractions(-pixels)), 2))
    assert before.lost == back.lost == 0
    assert rms(errors(back, -pixels)) < 0.5


@both
def test_markers_missing_at_rest_are_never_valid_until_the_next_zero(kind: SensorKind) -> None:
    gone = frozenset({0, 7, kind.count - 1})
    tracker = zeroed(kind, Look(missing=gone))
    picture = painter(kind).draw(np.zeros((kind.count, 2)))
    markers = seen(tracker.track(picture, 0))
    assert set(np.flatnonzero(~markers.valid)) == gone
    assert rms(errors(markers, np.zeros((kind.count, 2)))) < 0.5
    tracker.rezero()
    assert seen(tracker.track(picture, 0)).lost == 0


@both
def test_re_zero_makes_the_present_the_rest(kind: SensorKind) -> None:
    tracker = zeroed(kind)
    random = np.random.default_rng(2)
    pixels = in_pixels(smooth(kind, random), kind, 0.25)
    pressed = painter(kind).draw(fractions(pixels))
    assert rms(errors(seen(tracker.track(pressed, 0)), pixels)) < 0.5
    tracker.rezero()
    assert rms(errors(seen(tracker.track(pressed, 1)), 0 * pixels)) < 0.3
    released = seen(tracker.track(painter(kind).draw(0 * pixels), 2))
    assert rms(errors(released, -pixels)) < 0.5


@both
@pytest.mark.parametrize("way", ["upright", "upside_down"])
def test_a_gel_that_is_upside_down_is_told(kind: SensorKind, way: str) -> None:
    tracker = zeroed(kind, Look(upside_down=way == "upside_down"))
    assert tracker.rest is not None
    assert tracker.rest.orientation == way
    assert tracker.rest.off < 1.0 and tracker.rest.residual < 0.5


def test_a_mirrored_picture_is_told_where_the_grid_shows_it() -> None:
    tracker = zeroed(GELSIGHT_MINI, Look(mirrored=True))
    assert tracker.rest is not None and tracker.rest.orientation == "mirrored"


@both
def test_the_light_may_change_without_moving_a_marker(kind: SensorKind) -> None:
    tracker = zeroed(kind)
    for light, tilt in ((0.5, 0.0), (1.2, 0.6), (0.8, -0.8)):
        picture = painter(kind, Look(light=light, tilt=tilt)).draw(np.zeros((kind.count, 2)))
        markers = seen(tracker.track(picture, 0))
        assert markers.lost == 0
        assert rms(errors(markers, np.zeros((kind.count, 2)))) < 0.3


@both
def test_dirt_is_not_taken_for_a_missing_marker(kind: SensorKind) -> None:
    """A dot beside the grid's last marker, and a gap at the row's other end: nobody moves up."""
    tracker = zeroed(kind)
    last = kind.columns * 2 - 1
    gone = last - 2
    picture = painter(kind, Look(missing=frozenset({gone}))).draw(np.zeros((kind.count, 2)))
    x, y = np.rint(kind.rest[last] + [kind.pitch[0] * 0.68, 0]).astype(int)
    cv2.circle(picture, (int(x), int(y)), round(kind.dot) - 1, (30, 30, 30), -1, cv2.LINE_AA)
    markers = seen(tracker.track(picture, 0))
    assert set(np.flatnonzero(~markers.valid)) == {gone}
    assert rms(errors(markers, np.zeros((kind.count, 2)))) < 0.5


@both
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_pictures_of_anything_else_are_refused(kind: SensorKind, seed: int) -> None:
    random = np.random.default_rng(seed)
    tracker = MarkerTracker(kind)
    rough = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    for picture in (
        np.full((480, 640, 3), random.integers(0, 256), np.uint8),
        random.integers(0, 256, (480, 640, 3), dtype=np.uint8),
        np.asarray(cv2.resize(rough, PICTURE), dtype=np.uint8),
    ):
        assert isinstance(tracker.track(picture, 0), Refused)
        assert tracker.rest is None


def test_a_picture_of_another_size_is_refused() -> None:
    refused = DotFinder(MCTAC).find(np.zeros((240, 320, 3), np.uint8))
    assert isinstance(refused, Refused) and "(240, 320, 3)" in refused.reason


@both
def test_a_press_shows_as_growth_and_depth(kind: SensorKind) -> None:
    """Expansion grows every area alike; a shift and a turn grow none."""
    tracker = zeroed(kind)
    random = np.random.default_rng(0)
    spread = 0.04
    for stretch in (spread, -spread):
        pixels = stretch * (kind.rest - kind.rest.mean(axis=0))
        markers = seen(tracker.track(painter(kind).draw(fractions(pixels)), 0))
        assert np.allclose(markers.growth, (1 + stretch) ** 2 - 1, atol=0.02)
        quad = 4 * kind.pitch[0] * kind.pitch[1]
        expected = max(0.0, kind.depth_gain * quad * ((1 + stretch) ** 2 - 1))
        assert np.allclose(markers.depth, expected, atol=kind.depth_gain * quad * 0.02)
        assert (markers.depth >= 0).all()
    pixels = in_pixels(FIELDS["shift"](kind, random), kind, 0.3)
    markers = seen(tracker.track(painter(kind).draw(fractions(pixels)), 0))
    assert np.abs(markers.growth).max() < 0.02
