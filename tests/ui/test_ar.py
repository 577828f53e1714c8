"""The AR layer as geometry: arrows where the taxels are, as long as the force says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.ui.look import DARK
from app.ui.view3d import ar
from app.ui.view3d.ghosts import HAND_RGB
from app.ui.view3d.heat import heat, heat_level
from app.ui.view_actions import LAYERS
from devices.pose import Pose, quat_from_rotvec, quat_rotate
from devices.robots.openarm import OpenArmV2

PAD = OpenArmV2().pads["left_inner"]
fields = arrays(np.float32, (63, 3), elements=st.floats(0, 0.00390625, width=32))


def some_pose(seed: int) -> Pose:
    rng = np.random.default_rng(seed)
    return Pose(rng.normal(size=3), quat_from_rotvec(rng.normal(size=3)))


@given(fields, st.integers(0, 99))
def test_field_arrows_move_with_their_pad(field: np.ndarray, seed: int) -> None:
    pose = some_pose(seed)
    here = ar.field_arrows(Pose.identity(), PAD, field)
    there = ar.field_arrows(pose, PAD, field)
    for a, b in (
        (here.starts, there.starts),
        (here.feet, there.feet),
        (here.ends, there.ends),
    ):
        moved = np.array([pose.apply(point) for point in a])
        np.testing.assert_allclose(moved, b, atol=1e-9)
    np.testing.assert_allclose(here.moved, np.linalg.norm(field, axis=1), 1e-4, 1e-12)


def test_shear_drags_along_the_gel_and_pressure_lifts() -> None:
    moved = np.zeros((7, 9, 3))
    moved[0, 0, 0] = 1e-3
    moved[6, 8, 1] = 1e-3
    moved[3, 4, 2] = 1e-3
    arrows = ar.field_arrows(Pose.identity(), PAD, moved.reshape(63, 3))
    drag = (arrows.ends - arrows.feet).reshape(7, 9, 3)
    lift = (arrows.feet - arrows.starts).reshape(7, 9, 3)
    assert drag[0, 0] == pytest.approx([1e-3 * ar.DRAG_GAIN, 0, 0])
    assert drag[6, 8] == pytest.approx([0, 1e-3 * ar.DRAG_GAIN, 0])
    assert lift[3, 4] == pytest.approx([0, 0, 1e-3 * ar.LIFT_GAIN])
    assert np.count_nonzero(drag) == 2 and np.count_nonzero(lift) == 1
    starts = arrows.starts.reshape(7, 9, 3)
    assert starts[0, 0, 0] < starts[0, 8, 0]
    assert starts[0, 0, 1] < starts[6, 0, 1]


@given(st.integers(0, 99), st.floats(0.4, 200.0))
def test_the_force_arrow_points_along_the_force(seed: int, size: float) -> None:
    tool = some_pose(seed)
    direction = np.random.default_rng(seed).normal(size=3)
    direction /= np.linalg.norm(direction)
    tip = ar.force_tip(tool, np.concatenate([size * direction, np.zeros(3)]))
    assert tip is not None
    arrow = tip - tool.position
    assert np.linalg.norm(arrow) == pytest.approx(min(ar.FORCE_MAX_M, size * ar.FORCE_M_PER_N))
    np.testing.assert_allclose(
        arrow / np.linalg.norm(arrow), quat_rotate(tool.quat, direction), atol=1e-9
    )


def test_a_force_too_small_to_mean_anything_has_no_arrow() -> None:
    assert ar.force_tip(Pose.identity(), np.full(6, 0.01)) is None


@given(st.floats(0.0, 50.0))
def test_every_force_has_one_place_beside_the_band(force: float) -> None:
    word = ar.band_word(force, (2.0, 8.0))
    assert (word == "within") == (2.0 <= force <= 8.0)
    assert (word == "above") == (force > 8.0)
    assert ar.band_word(force, None) == ""


def test_the_box_has_twelve_edges_of_its_size() -> None:
    box = ar.Box(np.zeros(3), np.array([1.0, 2.0, 3.0]))
    edges = ar.box_edges(box)
    assert edges.shape == (12, 2, 3)
    lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    assert sorted(lengths) == [1.0] * 4 + [2.0] * 4 + [3.0] * 4


def test_only_the_faces_that_the_tool_nears_light_up() -> None:
    box = ar.Box(np.zeros(3), np.ones(3))
    assert ar.near_faces(box, np.full(3, 0.5)) == []
    ((face, nearness),) = ar.near_faces(box, np.array([0.5, 0.99, 0.5]))
    assert (face[:, 1] == 1.0).all()
    assert nearness == pytest.approx(0.75)
    (_, outside), *_ = ar.near_faces(box, np.array([0.5, 1.5, 0.5]))
    assert outside == 1.0


def test_layers_are_those_of_the_action_table() -> None:
    assert set(ar.LAYER_NAMES) == set(LAYERS)


def test_ghosts_wear_the_colours_of_the_hands() -> None:
    for side, colour in (("left", DARK.left_hand), ("right", DARK.right_hand)):
        told = [round(255 * c) for c in HAND_RGB[side]]  # type: ignore[index]
        assert "#{:02x}{:02x}{:02x}".format(*told) == colour


@given(st.floats(0, 10), st.floats(0, 10))
def test_more_force_is_never_darker(a: float, b: float) -> None:
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted((a, b))
    assert heat(low, 1.5).astype(float) @ weights <= heat(high, 1.5).astype(float) @ weights + 1.0
    assert 0.0 <= heat_level(a, 1.5) <= 1.0
