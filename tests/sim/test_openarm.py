"""The robot's description keeps what it promises."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.leader import SIDES, Side
from devices.robots.openarm import OpenArmV2


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return OpenArmV2().spec().compile()


def posed(model: mujoco.MjModel, robot: OpenArmV2, gap: float) -> mujoco.MjData:
    data = mujoco.MjData(model)
    for side in SIDES:
        for name, angle in zip(robot.joint_names[side], robot.home[side], strict=True):
            data.joint(name).qpos[0] = angle
        for name in robot.finger_joints[side]:
            data.joint(name).qpos[0] = robot.finger_sign(side) * robot.gap_to_finger(gap)
    mujoco.mj_forward(model, data)
    return data


@given(st.floats(0.0, math.pi / 4))
def test_gap_and_finger_angle_are_inverse(angle: float) -> None:
    robot = OpenArmV2()
    assert robot.gap_to_finger(robot.finger_to_gap(angle)) == pytest.approx(angle, abs=1e-9)


@given(st.floats(0.0, math.pi / 4), st.floats(1e-6, 0.1))
def test_a_wider_angle_is_a_wider_gap(angle: float, more: float) -> None:
    robot = OpenArmV2()
    assert robot.finger_to_gap(angle + more) > robot.finger_to_gap(angle)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("gap", [0.003, 0.02, 0.05, 0.1])
def test_the_gap_is_the_distance_between_the_pads(
    model: mujoco.MjModel, side: Side, gap: float
) -> None:
    robot = OpenArmV2()
    data = posed(model, robot, gap)
    inner = data.site(f"{side}_inner_pad").xpos
    outer = data.site(f"{side}_outer_pad").xpos
    assert np.linalg.norm(inner - outer) == pytest.approx(gap, abs=1e-9)


@pytest.mark.parametrize("side", SIDES)
def test_frames_are_as_documented(model: mujoco.MjModel, side: Side) -> None:
    robot = OpenArmV2()
    data = posed(model, robot, 0.024)
    tool = data.site(robot.tool_site[side])
    axes = tool.xmat.reshape(3, 3)
    pads = {name: data.site(f"{name}_pad") for name in robot.pad_names if name.startswith(side)}
    middle = np.mean([pad.xpos for pad in pads.values()], axis=0)
    assert np.allclose(middle, tool.xpos, atol=1e-4)
    for pad in pads.values():
        pad_axes = pad.xmat.reshape(3, 3)
        toward = tool.xpos - pad.xpos
        assert np.allclose(pad_axes[:, 2], toward / np.linalg.norm(toward), atol=1e-3)
        assert np.allclose(pad_axes[:, 1], axes[:, 2], atol=1e-6), "rows count up to the tip"
        assert abs(toward @ axes[:, 1]) == pytest.approx(0.012, abs=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_home_is_inside_all_limits(model: mujoco.MjModel, side: Side) -> None:
    robot = OpenArmV2()
    limits = robot.limits[side]
    assert (robot.home[side] > limits.q_min + 0.1).all()
    assert (robot.home[side] < limits.q_max - 0.1).all()
    joints = [model.joint(name) for name in robot.joint_names[side]]
    assert np.allclose(limits.q_min, [joint.range[0] for joint in joints], atol=1e-4)
    assert np.allclose(limits.q_max, [joint.range[1] for joint in joints], atol=1e-4)
    tool = posed(model, robot, robot.home_gap).site(robot.tool_site[side]).xpos
    assert (tool > limits.workspace_min).all() and (tool < limits.workspace_max).all()
    assert limits.gripper_min < robot.home_gap < limits.gripper_max


def test_home_touches_nothing(model: mujoco.MjModel) -> None:
    robot = OpenArmV2()
    assert posed(model, robot, robot.home_gap).ncon == 0


def test_the_arms_mirror_each_other_at_home(model: mujoco.MjModel) -> None:
    robot = OpenArmV2()
    data = posed(model, robot, 0.05)
    left, right = (data.site(robot.tool_site[side]).xpos for side in SIDES)
    assert np.allclose(left, right * [1, -1, 1], atol=1e-6)


def test_gels_meet_first_when_the_gripper_closes(model: mujoco.MjModel) -> None:
    robot = OpenArmV2()
    gels = {f"{pad}_{part}" for pad in robot.pad_names for part in ("gel", "tip")}
    for gap in (robot.gap_min - 2e-4, robot.gap_min - 1e-3):
        data = posed(model, robot, gap)
        assert data.ncon > 0
        touching = {model.geom(g).name for contact in data.contact for g in contact.geom}
        assert touching <= gels
    assert posed(model, robot, robot.gap_min + 2e-4).ncon == 0


def test_descriptions_are_independent_of_each_other() -> None:
    first, second = OpenArmV2().spec(), OpenArmV2().spec()
    first.worldbody.add_site(name="mine")
    assert all(site.name != "mine" for site in second.sites)
