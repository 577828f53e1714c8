"""What the headset is told lies where it belongs, whatever frame the app was aligned to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import plugins
from devices.errors import ConfigError
from devices.pose import Pose, quat_from_rotvec
from devices.tactar.calibration import Calibration
from devices.tactar.frames import position_to_world, tool_from_anchor, tool_from_unity
from devices.tactar.overlay import (
    ANCHORS,
    GEL_M_PER_N,
    PRESETS,
    RAMP_MIDDLE_M,
    SIDE_OF,
    force_arrow,
    pad_arrows,
    panel_pose,
    preset,
    tool_in_headset,
    tool_pose,
)

ONE = Calibration("a", "b", "2026-03-01T10:00:00+00:00", True, 0.4, 0.02, -1.0, 0.0)
vectors = st.tuples(*[st.floats(-1, 1)] * 3).map(np.array)
poses = st.tuples(vectors, vectors).map(lambda pair: Pose(pair[0], quat_from_rotvec(pair[1])))
angles = st.floats(-np.pi, np.pi)
REST = np.array([[0.0, 0.0], [0.005, -0.003]])


@given(tool=poses, yaw=angles)
def test_a_tool_comes_back_as_it_was(tool: Pose, yaw: float) -> None:
    calibration = dataclasses.replace(ONE, yaw_rad=yaw)
    sent = tool_pose(tool_in_headset(tool, calibration))
    back = calibration.T_world_headset @ tool_from_unity(sent)
    np.testing.assert_allclose(back.position, tool.position, atol=1e-9)
    assert abs(float(back.quat @ tool.quat)) == pytest.approx(1.0, abs=1e-9)


@given(
    pad=poses, field=st.lists(vectors, min_size=2, max_size=2), name=st.sampled_from(list(ANCHORS))
)
def test_arrows_stand_on_their_pad(pad: Pose, field: list[np.ndarray], name: str) -> None:
    """The app turns an anchor's points into the tool's; there they must lie on the pad."""
    deformation = 1e-3 * np.array(field)
    sent = pad_arrows(ANCHORS[name], REST, deformation, pad, (2.0, 6.0))
    starts = tool_from_anchor(ANCHORS[name], sent[:, :3])
    ends = tool_from_anchor(ANCHORS[name], sent[:, 3:])
    gain = RAMP_MIDDLE_M / (4.0 * GEL_M_PER_N)
    for k in range(2):
        rest = np.array([*REST[k], 0.0])
        np.testing.assert_allclose(starts[k], pad.apply(rest), atol=1e-6)
        np.testing.assert_allclose(ends[k], pad.apply(rest + gain * deformation[k]), atol=1e-6)


def test_pads_and_anchors_are_those_of_the_robot() -> None:
    robot = plugins.load("robots", "openarm_v2")()
    assert set(ANCHORS) == set(robot.pad_names)
    assert dict(robot.pad_side) == SIDE_OF
    assert len(set(ANCHORS.values())) == 4


def test_a_field_of_another_size_or_of_nonsense_is_refused() -> None:
    with pytest.raises(ConfigError, match="shape"):
        pad_arrows("left_gripper_camera_1", REST, np.zeros((3, 3)), Pose.identity(), None)
    with pytest.raises(ConfigError, match="finite"):
        nan = np.full((2, 3), np.nan)
        pad_arrows("left_gripper_camera_1", REST, nan, Pose.identity(), None)


@given(tool=poses, yaw=angles, force=vectors.filter(lambda f: np.linalg.norm(f) > 0.2))
def test_a_force_points_where_it_points(tool: Pose, yaw: float, force: np.ndarray) -> None:
    calibration = dataclasses.replace(ONE, yaw_rad=yaw)
    wrench = np.concatenate([3.0 * force, np.zeros(3)])
    arrow = force_arrow(tool_in_headset(tool, calibration), wrench, (2.0, 6.0))
    world = calibration.T_world_headset
    start = world.apply(position_to_world(arrow.start))
    end = world.apply(position_to_world(arrow.end))
    np.testing.assert_allclose(start, tool.position, atol=1e-9)
    expected = tool.apply(3.0 * force) - tool.position
    np.testing.assert_allclose(end - start, RAMP_MIDDLE_M / 4.0 * expected, atol=1e-9)


def test_the_middle_of_the_band_is_the_middle_of_the_colours() -> None:
    for band in ((2.0, 6.0), (10.0, 20.0)):
        wrench = np.array([sum(band) / 2, 0, 0, 0, 0, 0.0])
        arrow = force_arrow(Pose.identity(), wrench, band)
        assert np.linalg.norm(arrow.end - arrow.start) == pytest.approx(0.1)


@pytest.mark.parametrize("wrench", [np.zeros(6), np.full(6, np.nan), np.full(6, 0.1)])
def test_no_force_no_arrow(wrench: np.ndarray) -> None:
    arrow = force_arrow(Pose.identity(), wrench, None)
    assert not arrow.visible
    np.testing.assert_array_equal(arrow.start, arrow.end)


@given(yaw=angles, name=st.sampled_from(list(PRESETS)))
def test_panels_keep_their_place_in_the_room(yaw: float, name: str) -> None:
    calibration = dataclasses.replace(ONE, yaw_rad=yaw)
    for place in preset(name):
        position, rotation = panel_pose(place, calibration)
        there = calibration.T_world_headset.apply(position_to_world(position))
        np.testing.assert_allclose(there, position_to_world(place.position), atol=1e-9)
        # The panel turns with the frame: its own heading less the frame's is what was asked.
        turned = np.deg2rad(rotation[1] - place.rotation[1]) - yaw
        assert np.cos(turned) == pytest.approx(1.0)


def test_unknown_panels_are_refused() -> None:
    with pytest.raises(ConfigError, match="wrists"):
        preset("everywhere")
