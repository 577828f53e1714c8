"""Deformation and readings: the same numbers from forces and from markers, and states that hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devices.clock import NS_PER_S
from devices.errors import ConfigError
from devices.feel import BandState, Contact, FeelLimits, Gel, Load, SlipWatch
from devices.feel_axes import fit_axes, press
from devices.feel_field import FieldEstimator
from devices.feel_hand import HandFeel, PadFeel
from devices.gelsight import pca
from devices.gelsight.kinds import GELSIGHT_MINI
from devices.robots.openarm import OpenArmV2
from devices.touch import NORMAL, SHEAR_ROWS, MarkerModel, torsion, total_force

PAD = OpenArmV2().pads["left_inner"]
GEL = Gel.of(MarkerModel(PAD))
LIMITS = FeelLimits()
PCA = Path(__file__).parents[3] / "shared/data/tactar/PCA_Transform_GelSight"
fields = arrays(np.float32, (7, 9, 3), elements=st.floats(-0.5, 2, width=32))
seeds = st.integers(0, 10_000)


def some_press(seed: int) -> np.ndarray:
    return np.asarray(press(GEL, np.random.default_rng(seed)))


# ------------------------------------------------------------------------------- deformation
@given(fields)
def test_sums_are_those_of_the_field(field: np.ndarray) -> None:
    _, load = GEL.offsets_and_load(field)
    x, y, z = total_force(field)
    assert load[:3] == pytest.approx([-z, x, y], abs=1e-6)
    assert load.force == pytest.approx(float(np.linalg.norm([x, y, z])))
    assert GEL.load(field) == pytest.approx(load)


@given(seeds)
def test_torsion_is_that_about_the_centre_of_pressure(seed: int) -> None:
    field = some_press(seed)
    turning = torsion(field, PAD)
    if turning is not None:
        assert GEL.load(field).torsion == pytest.approx(turning, abs=1e-9)


@given(fields)
def test_both_ways_move_the_face_alike(field: np.ndarray) -> None:
    """In the plane, a field and the markers that it moves tell the same motion in metres."""
    offsets, _ = GEL.offsets_and_load(field)
    by_force = GEL.deformation_of_field(field, offsets)
    by_marker = GEL.deformation_of_markers(offsets)
    np.testing.assert_array_equal(by_force[:, :2], by_marker[:, :2])
    for moved in (by_force, by_marker):
        assert moved.shape == (63, 3)
        assert (moved[:, 2] >= 0).all() and (moved[:, 2] <= GEL.model.thickness).all()


def test_a_pitch_of_offset_is_a_pitch_on_the_gel() -> None:
    offsets = np.tile([42 / 640, 46 / 480], (63, 1))
    moved = GEL.deformation_of_markers(offsets)
    assert moved[0] == pytest.approx([PAD.pitch[1], PAD.pitch[0], 0.0])


@given(st.floats(-3e-3, 3e-3), st.floats(-3e-3, 3e-3))
def test_pure_shear_presses_nothing_in(x: float, y: float) -> None:
    assert np.abs(GEL.growth(np.tile([x, y], (63, 1)))).max() < 1e-12


@given(st.floats(0.0, 0.5))
def test_spreading_grows_by_the_square(spread: float) -> None:
    grown = GEL.growth(spread * GEL.rest)
    np.testing.assert_allclose(grown, (1 + spread) ** 2 - 1, atol=1e-9)


@settings(deadline=None)
@given(seeds, arrays(bool, 63))
def test_a_lost_marker_has_no_say_in_the_depth(seed: int, seen: np.ndarray) -> None:
    offsets, _ = GEL.offsets_and_load(some_press(seed))
    garbage = offsets.copy()
    garbage[~seen] += 0.4
    a = GEL.deformation_of_markers(offsets, seen)[:, 2]
    b = GEL.deformation_of_markers(garbage, seen)[:, 2]
    np.testing.assert_allclose(a, b)


def test_depth_from_growth_is_scaled_to_the_spring_bed() -> None:
    """The constant is the least-squares fit that its docstring says, within its promised error."""
    grown, depth = [], []
    for seed in range(200):
        field = some_press(seed)
        moved = GEL.deformation_of_field(field, GEL.offsets_and_load(field)[0])
        depth.append(moved[:, 2])
        grown.append(GEL.deformation_of_markers(GEL.offsets_and_load(field)[0])[:, 2])
    a, b = np.concatenate(grown), np.concatenate(depth)
    assert a @ b / (a @ a) == pytest.approx(1.0, abs=0.15)
    assert np.sqrt(np.mean((a - b) ** 2)) < 0.3e-3
    assert np.corrcoef(a, b)[0, 1] > 0.7


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_a_press_is_deepest_near_its_middle_both_ways(seed: int) -> None:
    rng = np.random.default_rng(seed)
    middle = rng.uniform(-0.3, 0.3, 2) * [PAD.width, PAD.height]
    field = np.zeros((7, 9, 3))
    apart = ((PAD.taxel_positions[..., :2] - middle) ** 2).sum(axis=-1)
    field[..., NORMAL] = np.exp(-0.5 * apart / 0.003**2)
    offsets, _ = GEL.offsets_and_load(field)
    for moved in (GEL.deformation_of_field(field, offsets), GEL.deformation_of_markers(offsets)):
        deepest = GEL.rest[int(np.argmax(moved[:, 2]))]
        assert np.linalg.norm(deepest - middle) < 2 * max(PAD.pitch)


# ------------------------------------------------------------------------ markers -> newtons
@pytest.mark.parametrize("lost", [0, 8])
def test_markers_tell_newtons_with_a_known_error(lost: int) -> None:
    rng = np.random.default_rng(1)
    estimator = FieldEstimator(GEL)
    errors = []
    for seed in range(60):
        offsets, load = GEL.offsets_and_load(some_press(seed))
        seen = np.ones(63, dtype=bool)
        seen[rng.choice(63, lost, replace=False)] = False
        noisy = offsets + rng.normal(0, 1e-4, offsets.shape)
        noisy[~seen] = 1e9
        errors.append(np.subtract(GEL.load(estimator.field(noisy, seen)), load))
    normal, shear_x, shear_y, turning = np.sqrt(np.mean(np.square(errors), axis=0))
    assert normal < 3.5, "of 0 to 20 N"
    assert max(shear_x, shear_y) < (0.15 if lost == 0 else 0.6)
    assert turning < 0.01


@pytest.mark.shared_data
@pytest.mark.skipif(not PCA.is_dir(), reason=f"the published PCA is not at {PCA}")
def test_the_published_axes_read_as_forces() -> None:
    embedding = pca.load(PCA, GELSIGHT_MINI)
    reading = fit_axes(GEL, embedding.matrix, embedding.mean, seed=0)
    free = embedding.embed(np.zeros((63, 2)))
    assert reading.read(free) == pytest.approx([0, 0, 0, 0], abs=1e-9)
    errors, truth = [], []
    for seed in range(1000, 1100):  # other fields than those of the fit
        offsets, load = GEL.offsets_and_load(some_press(seed))
        errors.append(np.subtract(reading.read(embedding.embed(offsets)), load))
        truth.append(load)
    error = np.sqrt(np.mean(np.square(errors), axis=0))
    assert error == pytest.approx(reading.error, rel=0.4), "the told error is the true one"
    assert (error[:3] < 0.5 * np.sqrt(np.mean(np.square(truth), axis=0))[:3]).all()


# ------------------------------------------------------------------------------------- states
@given(st.lists(st.floats(0, 1), max_size=60))
def test_contact_changes_only_beyond_its_bars(forces: list[float]) -> None:
    contact = Contact(LIMITS)
    for force in forces:
        before = contact.touching
        onset = contact.update(force)
        assert onset == (contact.touching and not before)
        if LIMITS.free_n <= force < LIMITS.touched_n:
            assert contact.touching == before
        else:
            assert contact.touching == (force >= LIMITS.touched_n)


@given(st.lists(st.floats(0, 12), max_size=60))
def test_the_band_tells_where_a_force_lies(forces: list[float]) -> None:
    band, state = (2.0, 8.0), BandState(LIMITS)
    margin = LIMITS.band_margin * 6.0
    for force in forces:
        told = state.update(force, band)
        if force < LIMITS.unloaded_n:
            assert np.isnan(told)
        elif force > 8.0 + margin:
            assert told == 1.0
        elif LIMITS.loaded_n <= force < 2.0 - margin:
            assert told == -1.0
        elif 2.0 <= force <= 8.0:
            assert told == 0.0
    assert np.isnan(state.update(5.0, None))
    assert np.isnan(state.update(float("nan"), band))


def test_a_force_at_the_edge_of_the_band_does_not_flicker() -> None:
    state = BandState(LIMITS)
    told = {state.update(8.0 + 0.2 * (-1) ** k, (2.0, 8.0)) for k in range(1, 20)}
    assert told == {0.0}


def drag(watch: SlipWatch, edge_follows: bool) -> float:
    """A round contact is dragged along x; its rim follows, or stays where it was half-way."""
    apart = np.linalg.norm(GEL.rest, axis=1)
    pressure = np.exp(-0.5 * (apart / 0.004) ** 2)
    shape = 0.3 + 0.7 * pressure
    told = 0.0
    for k in range(60):
        pull = 0.01 * k  # [mm]
        moved = np.zeros((63, 2))
        moved[:, 0] = 1e-3 * pull * shape
        if not edge_follows:
            rim = pressure < 0.3
            moved[rim, 0] = 1e-3 * min(pull, 0.25) * shape[rim]
        load = Load(10.0, 0.5 * LIMITS.friction * 10.0 * min(1.0, k / 30), 0.0, 0.0)
        told = watch.update(k * 8_000_000, load, pressure, moved)
    return told


def test_edges_that_stay_behind_warn_of_slip() -> None:
    assert drag(SlipWatch(LIMITS), edge_follows=True) == pytest.approx(0.5)
    assert drag(SlipWatch(LIMITS), edge_follows=False) > 0.9


@given(seeds)
def test_slip_is_a_share_and_nothing_without_contact(seed: int) -> None:
    watch = SlipWatch(LIMITS)
    field = some_press(seed)
    offsets, load = GEL.offsets_and_load(field)
    moved = GEL.deformation_of_field(field, offsets)
    assert 0.0 <= watch.update(0, load, field[..., NORMAL].ravel(), moved) <= 1.0
    assert watch.update(1, Load(0.0, 0.0, 0.0, 0.0), np.zeros(63), np.zeros((63, 3))) == 0.0


# --------------------------------------------------------------------------------------- pads
@given(fields)
def test_rezero_makes_now_zero_and_keeps_what_comes(field: np.ndarray) -> None:
    pad = PadFeel(GEL)
    pad.feel_field(0, field)
    before = field.copy()
    pad.rezero()
    now = pad.feel_field(1, field)
    assert np.abs(now.deformation).max() < 1e-9 and not now.contact
    more = field.copy()
    more[3, 4, SHEAR_ROWS] += 1.0
    assert pad.feel_field(2, more).load.shear_y == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(field, before)


def test_there_is_no_zero_of_nothing() -> None:
    with pytest.raises(ConfigError, match="nothing yet"):
        PadFeel(GEL).rezero()


def test_a_hand_with_one_pad_gone_takes_no_baseline() -> None:
    hand, pad = HandFeel(("a", "b")), PadFeel(GEL)
    field = np.zeros((7, 9, 3))
    field[2:5, 2:7, NORMAL] = 1.0
    for k in range(200):
        felt = pad.feel_field(k * NS_PER_S // 100, field)
        hand.update({"a": felt}, 0.02, 5.0, (2.0, 8.0))
    assert not hand.baseline.subtracts("a")
    assert hand.row("a", felt).tolist() == [
        pytest.approx(15.0),
        0.0,
        0.0,
        0.0,
        0.0,
        1.0,
        0.0,
        0.0,
    ]
