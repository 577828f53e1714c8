"""Frames: the vectors, round trips, and what a turn of the hand does to the robot."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import WireError
from devices.pose import (
    Pose,
    matrix_from_quat,
    quat_conjugate,
    quat_from_rotvec,
    quat_multiply,
    quat_rotate,
    rotvec_from_quat,
)
from devices.tactar import frames
from devices.tactar.extrinsics import Extrinsics
from devices.tactar.wire import DEVICE_IDS
from tests.tactar.shared import base, needs_data, points, poses, quats, vectors

VECTORS = vectors()


def same_rotation(a: Any, b: Any, atol: float = 1e-8) -> bool:
    return bool(abs(abs(np.dot(a, b)) - 1.0) < atol)


# ------------------------------------------------------------------------------------- vectors
@needs_data
@pytest.mark.shared_data
@pytest.mark.parametrize("case", VECTORS.get("unity_to_robot", []), ids=str)
def test_controller_to_robot_as_in_the_vectors(case: dict[str, Any]) -> None:
    robot = frames.hand_to_robot(case["unity_pos"], case["unity_quat_wxyz"], base(case["base"]))
    npt.assert_allclose(robot.position, case["robot_pos"], atol=2e-9)
    npt.assert_allclose(robot.quat, case["robot_quat_wxyz"], atol=2e-9)


@needs_data
@pytest.mark.shared_data
@pytest.mark.parametrize("case", VECTORS.get("robot_to_unity", []), ids=str)
def test_tool_to_unity_as_in_the_vectors(case: dict[str, Any]) -> None:
    T_base_world = base(case["base"])
    T_world_base = None if T_base_world is None else T_base_world.inverse()
    tool = Pose(case["robot_pos"], case["robot_quat_wxyz"])
    unity = frames.tool_to_unity(tool, T_world_base)
    npt.assert_allclose(unity[:3], case["unity_pos"], atol=2e-9)
    npt.assert_allclose(unity[3:], case["unity_quat_wxyz"], atol=2e-9)


@needs_data
@pytest.mark.shared_data
def test_anchors_as_in_the_vectors() -> None:
    for pattern, matrix in VECTORS["anchor_to_robot_tcp"].items():
        for side in ("left", "right"):
            device_id = pattern.replace("*", side)
            npt.assert_array_equal(frames.tool_from_anchor(device_id, np.eye(3)).T, matrix)


# ----------------------------------------------------------------------------------- properties
@given(points)
def test_positions_go_there_and_back(point: np.ndarray) -> None:
    npt.assert_array_equal(frames.position_to_unity(frames.position_to_world(point)), point)


@given(points, quats)
def test_hands_go_there_and_back(point: np.ndarray, quat: np.ndarray) -> None:
    position, rotation = frames.hand_to_unity(frames.hand_to_world(point, quat))
    npt.assert_array_equal(position, point)
    assert same_rotation(rotation, quat)


@given(poses)
def test_tools_go_there_and_back(tool: Pose) -> None:
    back = frames.tool_from_unity(frames.tool_to_unity(tool))
    npt.assert_allclose(back.position, tool.position)
    assert same_rotation(back.quat, tool.quat)


@given(poses, poses)
def test_a_tool_is_told_in_the_world_whatever_its_base(tool: Pose, base_pose: Pose) -> None:
    direct = frames.tool_to_unity(base_pose @ tool)
    through = frames.tool_to_unity(tool, Extrinsics.from_pose(base_pose))
    npt.assert_allclose(through[:3], direct[:3], atol=1e-9)
    assert same_rotation(through[3:], direct[3:])


@given(quats, points)
def test_a_turn_is_the_same_turn_in_both_frames(quat: np.ndarray, point: np.ndarray) -> None:
    """Turning, then telling in the world is telling in the world, then turning."""
    in_unity = frames.position_to_world(quat_rotate(quat, point))
    in_world = quat_rotate(frames.rotation_to_world(quat), frames.position_to_world(point))
    npt.assert_allclose(in_unity, in_world, atol=1e-9)


@given(quats, quats, points)
def test_the_references_mapping_gives_the_same_relative_turn(
    start: np.ndarray, now: np.ndarray, point: np.ndarray
) -> None:
    def turn(first: Pose, second: Pose) -> np.ndarray:
        return quat_multiply(second.quat, quat_conjugate(first.quat))

    ours = turn(frames.hand_to_world(point, start), frames.hand_to_world(point, now))
    theirs = turn(frames.hand_to_robot(point, start), frames.hand_to_robot(point, now))
    assert same_rotation(ours, theirs)


@given(quats, quats, poses)
def test_in_a_turned_base_the_relative_turn_is_turned_with_it(
    start: np.ndarray, now: np.ndarray, T_base_world: Pose
) -> None:
    def turn(first: Pose, second: Pose) -> np.ndarray:
        return quat_multiply(second.quat, quat_conjugate(first.quat))

    zero = np.zeros(3)
    world = turn(frames.hand_to_world(zero, start), frames.hand_to_world(zero, now))
    robot = turn(
        frames.hand_to_robot(zero, start, Extrinsics.from_pose(T_base_world)),
        frames.hand_to_robot(zero, now, Extrinsics.from_pose(T_base_world)),
    )
    turned = quat_multiply(quat_multiply(T_base_world.quat, world), T_base_world.inverse().quat)
    assert same_rotation(robot, turned)


@pytest.mark.parametrize(
    ("unity", "world"),
    [((1, 0, 0), (0, 1, 0)), ((0, 1, 0), (0, 0, -1)), ((0, 0, 1), (-1, 0, 0))],
)
def test_axes_of_turns(unity: tuple[float, ...], world: tuple[float, ...]) -> None:
    """Section 1.4 of the notes: the effect of a turn about each of Unity's axes."""
    quat = frames.rotation_to_world(quat_from_rotvec(0.3 * np.array(unity)))
    npt.assert_allclose(rotvec_from_quat(quat), 0.3 * np.array(world), atol=1e-12)


@given(poses, points)
def test_unitys_tool_frame_is_the_robots_with_y_mirrored(tool: Pose, point: np.ndarray) -> None:
    unity = frames.tool_to_unity(tool)
    mirrored = point * np.array([1.0, -1.0, 1.0])
    seen = unity[:3] + quat_rotate(unity[3:], mirrored)
    npt.assert_allclose(seen, frames.position_to_unity(tool.apply(point)), atol=1e-6)


@given(st.sampled_from(DEVICE_IDS), points)
def test_anchors_go_there_and_back(device_id: str, point: np.ndarray) -> None:
    there = frames.anchor_from_tool(device_id, point)
    npt.assert_array_equal(frames.tool_from_anchor(device_id, there), point)


def test_field_planes_lie_beside_the_tool() -> None:
    ahead = np.array([0.0, 0.0, 0.1])
    npt.assert_allclose(frames.tool_from_anchor("left_gripper_camera_1", ahead), [0, -0.1, 0])
    npt.assert_allclose(frames.tool_from_anchor("left_gripper_camera_2", ahead), [0, 0.1, 0])


def test_unknown_anchor_is_refused() -> None:
    with pytest.raises(WireError, match="left_gripper_camera_3"):
        frames.tool_from_anchor("left_gripper_camera_3", np.zeros(3))


# ----------------------------------------------------------------------------------------- trim
angles = st.floats(-math.pi, math.pi)


@given(angles, quats, points)
def test_the_apps_fault_is_undone(theta: float, quat: np.ndarray, delta: np.ndarray) -> None:
    """The app turns displacements by +theta where -theta is right."""
    sent = frames.turned(theta, delta)
    right = frames.turned(-theta, delta)
    npt.assert_allclose(frames.trimmed(sent, 2 * theta), right, atol=1e-9)


@given(angles, angles, st.floats(0.05, 1.0))
def test_a_push_shows_the_trim(theta: float, facing: float, length: float) -> None:
    pushed = frames.turned(facing, np.array([0.0, 0.0, length]))
    sent_delta = frames.turned(theta, pushed)
    sent_quat = quat_multiply(frames.yaw_quat(-theta), frames.yaw_quat(facing))
    trim = frames.trim_of_push(sent_delta, sent_quat)
    assert abs(math.remainder(trim - 2 * theta, 2 * math.pi)) < 1e-9
    along = frames.trimmed(sent_delta, trim)
    assert abs(math.remainder(frames.heading(along) - (facing - theta), 2 * math.pi)) < 1e-9


@given(angles, points)
def test_turned_is_the_yaw_quaternion(theta: float, vector: np.ndarray) -> None:
    by_quat = quat_rotate(frames.yaw_quat(theta), vector)
    npt.assert_allclose(frames.turned(theta, vector), by_quat, atol=1e-9)


# ----------------------------------------------------------------------------------- extrinsics
@needs_data
@pytest.mark.shared_data
@pytest.mark.parametrize("side", ["left", "right"])
def test_published_extrinsics_are_not_quite_rigid(side: str) -> None:
    """Points go through what was measured; the quaternion is a rotation whatever was."""
    measured = base(f"v6_{side}")
    assert measured is not None
    shear = np.abs(measured.matrix[:3, :3] - matrix_from_quat(measured.quat)).max()
    assert 1e-3 < shear < 1e-2
    assert np.linalg.norm(measured.quat) == pytest.approx(1.0)
    point = np.array([0.4, -0.2, 0.3])
    npt.assert_allclose(measured.inverse().point(measured.point(point)), point, atol=1e-12)


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([1.0, 1.0, -1.0, 1.0]),
        np.diag([1.0, 1.0, 1.2, 1.0]),
        np.zeros((4, 4)),
        np.eye(3),
        np.full((4, 4), np.nan),
        np.eye(4) + np.eye(4)[::-1] * 1e-3,
    ],
)
def test_what_is_no_transform_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(WireError, match="transform"):
        Extrinsics.from_matrix(matrix)
