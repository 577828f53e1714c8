"""Ink goes only under the felt, only while rubbing, only at the right force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import devices.sim.scenes.wipe as wipe
from devices.pose import Pose
from devices.sim.scene import Touch
from devices.sim.scenes import contact, stage
from devices.sim.scenes.handwriting import write
from devices.sim.scenes.perturbation import BEGUN
from devices.sim.world import World
from tests.scenes.conftest import MakeWorld

LOW, HIGH = wipe.Wipe.force_band or (0.0, 0.0)


@pytest.fixture
def rubbed(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, no_touch: Touch):
    """A board under the felt, and `rub(force, speed)` for one call of `advance`."""
    world = make_world("wipe", 0)
    _under_the_felt(world)

    def rub(force: float, speed: float) -> None:
        monkeypatch.setattr(contact, "normal_force", lambda *_: force)
        monkeypatch.setattr(contact, "sliding_speed", lambda *_: speed)
        world.scene.advance(world.model, world.data, no_touch)

    return world, rub


def _under_the_felt(world: World) -> None:
    marks = world.scene.observe(world.model, world.data)["ink"][:, :2]
    spot = np.array([*marks[np.argmin(np.linalg.norm(marks, axis=1))], 0.0])
    face = world.data.site("eraser_face").xpos
    stage.place(world.model, world.data, "board", Pose(face - spot, np.array([1.0, 0, 0, 0])))


def ink(world: World) -> np.ndarray:
    return world.scene.observe(world.model, world.data)["ink"][:, 2]


calm = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@calm
@given(st.lists(st.tuples(st.floats(0, HIGH), st.floats(0, 0.3)), max_size=12))
def test_progress_never_falls_while_nobody_presses_too_hard(rubbed, strokes) -> None:
    world, rub = rubbed
    before = world.scene.progress(world.model, world.data)
    for force, speed in strokes:
        rub(force, speed)
        now = world.scene.progress(world.model, world.data)
        assert now >= before
        before = now


@calm
@given(st.floats(0, LOW, exclude_max=True), st.floats(0, 0.3))
def test_too_light_leaves_everything(rubbed, force, speed) -> None:
    world, rub = rubbed
    before = world.data.userdata.copy()
    rub(force, speed)
    np.testing.assert_array_equal(world.data.userdata, before)


@calm
@given(st.floats(LOW, HIGH))
def test_pressing_without_rubbing_leaves_everything(rubbed, force) -> None:
    world, rub = rubbed
    before = world.data.userdata.copy()
    rub(force, 0.0)
    np.testing.assert_array_equal(world.data.userdata, before)


@calm
@given(st.floats(HIGH, 80, exclude_min=True), st.floats(0.01, 0.3))
def test_too_hard_cleans_nothing(rubbed, force, speed) -> None:
    world, rub = rubbed
    before = ink(world)
    rub(force, speed)
    assert (ink(world) >= before).all()


def test_only_marks_under_the_felt_go_and_enough_rubbing_takes_them_all(rubbed) -> None:
    world, rub = rubbed
    for _ in range(100):
        rub((LOW + HIGH) / 2, 0.1)
    left = ink(world)
    assert set(np.unique(left)) == {0.0, 1.0}
    assert 0.0 < world.scene.progress(world.model, world.data) < 1.0


def test_smeared_ink_takes_longer(rubbed) -> None:
    world, rub = rubbed
    for _ in range(20):
        rub(HIGH * 2, 0.1)
    smeared = ink(world) > 1.0
    assert smeared.any()
    for _ in range(38):  # enough for fresh ink: 30 mm of rubbing
        rub(HIGH / 2, 0.1)
    assert (ink(world)[smeared] > 0.0).all()
    assert not world.scene.success(world.model, world.data)


@calm
@given(st.integers(0, 2**31 - 1))
def test_writing_fits_the_board_and_its_marks(seed) -> None:
    marks = write(np.random.default_rng(seed), wipe._WORD, wipe._MARK_PITCH, wipe._MARKS)
    assert 60 <= len(marks) <= wipe._MARKS
    assert np.abs(marks[:, 0]).max() < wipe._HALF[1] and np.abs(marks[:, 1]).max() < wipe._HALF[0]
    again = write(np.random.default_rng(seed), wipe._WORD, wipe._MARK_PITCH, wipe._MARKS)
    np.testing.assert_array_equal(marks, again)


@pytest.mark.parametrize("seed", range(8))
def test_a_board_that_was_begun_has_bits_left_that_are_not_done(
    make_world: MakeWorld, seed: int
) -> None:
    world = make_world("wipe", seed)
    world.perturb(BEGUN)
    left = ink(world)
    assert set(np.unique(left > 0.0)) == {False, True}
    assert left.max() <= 1.0
    assert 0.2 < world.scene.progress(world.model, world.data) < 1.0
