"""The tactile field is the contact force: nothing lost, nothing moved."""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devices.follower import ArmCommand, RobotCommand
from devices.pose import quat_rotate
from devices.robots.openarm import OpenArmV2
from devices.sim.patch import PatchSampler
from devices.sim.tactile import GEL_SPREAD, SpreadTable, TouchReader
from devices.touch import PadGeometry, center_of_pressure, torsion, total_force

PAD = PadGeometry(rows=7, columns=9, height=0.018, width=0.024)
COLUMNS = SpreadTable(PAD.column_positions, GEL_SPREAD)
ROWS = SpreadTable(PAD.row_positions, GEL_SPREAD)

PLACE = st.tuples(st.floats(-0.01, 0.01), st.floats(-0.007, 0.007))


@given(st.floats(-0.02, 0.02))
def test_spreading_keeps_the_force_and_its_place(point: float) -> None:
    weights = COLUMNS.weights(np.array([point]))[0]
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    inside = float(np.clip(point, COLUMNS.low, COLUMNS.high))
    assert weights @ PAD.column_positions == pytest.approx(inside, abs=1e-12)


@given(
    st.tuples(PLACE, PLACE),
    st.floats(0.004, 0.01),
    st.floats(0, 3),
    st.lists(st.floats(0.01, 9), min_size=4, max_size=4),
)
def test_a_patch_keeps_the_center_of_pressure_and_stays_inside(
    corner: tuple[tuple[float, float], tuple[float, float]],
    size: float,
    turn: float,
    load: list[float],
) -> None:
    square = size * np.array([[-1.0, -0.5], [1, -0.5], [1, 0.5], [-1, 0.5]])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = square @ rotation.T + corner[0]
    push = np.array(load)
    center = push @ points / push.sum()
    places, shares = PatchSampler().samples(points[[2, 0, 3, 1]], center)
    assert shares.sum() == pytest.approx(1.0)
    assert np.allclose(shares @ places, center, atol=1e-12)
    within = (places - corner[0]) @ rotation
    assert (np.abs(within) <= size * np.array([1.0, 0.5]) + 1e-12).all()


@given(PLACE, PLACE, st.floats(0, 9), st.floats(0, 9))
def test_a_line_keeps_its_center_too(
    a: tuple[float, float], b: tuple[float, float], fa: float, fb: float
) -> None:
    assume(fa + fb > 1e-3)
    points, load = np.array([a, b]), np.array([fa, fb])
    center = load @ points / load.sum()
    places, shares = PatchSampler().samples(points, center)
    assert np.allclose(shares @ places, center, atol=1e-12)


def bench(shape: str, weight: float) -> tuple[mujoco.MjModel, mujoco.MjData, OpenArmV2]:
    """The robot grasping something that stands before the right hand at home."""
    robot = OpenArmV2()
    spec = robot.spec()
    model = spec.compile()
    data = mujoco.MjData(model)
    for side in robot.sides:
        for name, angle in zip(robot.joint_names[side], robot.home[side], strict=True):
            data.joint(name).qpos[0] = angle
    mujoco.mj_kinematics(model, data)
    tool = data.site("right_tool")
    body = spec.worldbody.add_body(name="thing", pos=tool.xpos)
    body.quat = data.body("openarm_right_ee_base_link").xquat
    body.add_freejoint()
    kind = {
        "box": (mujoco.mjtGeom.mjGEOM_BOX, [0.03, 0.015, 0.012]),
        "ball": (mujoco.mjtGeom.mjGEOM_SPHERE, [0.015, 0, 0]),
        "rod": (mujoco.mjtGeom.mjGEOM_CYLINDER, [0.013, 0.03, 0]),
        "egg": (mujoco.mjtGeom.mjGEOM_ELLIPSOID, [0.02, 0.014, 0.012]),
    }[shape]
    across = [np.sqrt(0.5), 0, np.sqrt(0.5), 0] if shape == "rod" else [1, 0, 0, 0]
    body.add_geom(name="thing", type=kind[0], size=kind[1], mass=weight / 9.81, quat=across)
    model = spec.compile()
    data = mujoco.MjData(model)
    for side in robot.sides:
        for i, (name, angle) in enumerate(
            zip(robot.joint_names[side], robot.home[side], strict=True)
        ):
            data.joint(name).qpos[0] = angle
            data.actuator(robot.actuators[side][i]).ctrl[0] = angle
        for name in robot.finger_joints[side]:
            data.joint(name).qpos[0] = robot.finger_sign(side) * robot.gap_to_finger(0.032)
        close = robot.finger_sign(side) * robot.gap_to_finger(0.02)
        data.actuator(robot.actuators[side][7]).ctrl[0] = close
    return model, data, robot


def told_by_mujoco(
    model: mujoco.MjModel, data: mujoco.MjData, pad: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Force and moment about the pad's origin by mj_contactForce, in the pad's frame."""
    gels = {model.geom(f"{pad}_gel").id, model.geom(f"{pad}_tip").id}
    site = data.site(f"{pad}_pad")
    axes = site.xmat.reshape(3, 3)
    force, moment = np.zeros(3), np.zeros(3)
    for index, contact in enumerate(data.contact):
        for sign, geom in ((-1, contact.geom1), (1, contact.geom2)):
            if geom in gels:
                wrench = np.zeros(6)
                mujoco.mj_contactForce(model, data, index, wrench)
                push = sign * axes.T @ (contact.frame.reshape(3, 3).T @ wrench[:3])
                where = axes.T @ (contact.pos - site.xpos)
                force, moment = force + push, moment + np.cross([*where[:2], 0.0], push)
    return force, moment


@pytest.mark.parametrize("shape", ["box", "ball", "rod", "egg"])
def test_the_field_sums_to_mujocos_contact_force(shape: str) -> None:
    model, data, robot = bench(shape, weight=1.5)
    reader = TouchReader(model, robot)
    compared = 0
    for step in range(700):
        mujoco.mj_step(model, data)
        if step % 8:
            continue
        touch = reader.read(data)
        for pad in ("right_inner", "right_outer"):
            force, moment = told_by_mujoco(model, data, pad)
            felt = total_force(touch.field[pad])
            assert np.allclose(felt, force, rtol=1e-9, atol=1e-9)
            if -force[2] < 0.5:
                continue
            compared += 1
            center = center_of_pressure(touch.field[pad], robot.pads[pad])
            assert center is not None
            expected = np.array([-moment[1], moment[0]]) / force[2]
            # Taxels cannot tell places beyond the middles of the outermost ones.
            expected = np.clip(expected, [COLUMNS.low, ROWS.low], [COLUMNS.high, ROWS.high])
            assert np.allclose(center, expected, atol=1e-6)
    assert compared > 40, "the grasp must have held"
    assert data.body("thing").xpos[2] > 0.45, "the thing must not have fallen"


def test_torsion_survives_the_spreading() -> None:
    model, data, robot = bench("rod", weight=2.0)
    reader = TouchReader(model, robot)
    for _ in range(500):
        mujoco.mj_step(model, data)
    data.body("thing").xfrc_applied[3:] = data.site("right_tool").xmat.reshape(3, 3)[:, 1] * 0.05
    for _ in range(100):
        mujoco.mj_step(model, data)
    touch = reader.read(data)
    turned = 0.0
    for pad in ("right_inner", "right_outer"):
        force, moment = told_by_mujoco(model, data, pad)
        center = center_of_pressure(touch.field[pad], robot.pads[pad])
        assert center is not None
        about_center = moment[2] - (center[0] * force[1] - center[1] * force[0])
        felt = torsion(touch.field[pad], robot.pads[pad])
        assert felt == pytest.approx(about_center, abs=1e-6)
        turned += abs(about_center)
    assert turned > 0.02


def test_the_wrist_feels_the_weight_of_what_is_held_and_not_its_own() -> None:
    model, data, robot = bench("box", weight=2.0)
    reader = TouchReader(model, robot)
    free = reader.read(data)
    assert all((free.wrench[side] == 0).all() for side in robot.sides)
    for _ in range(1500):
        mujoco.mj_step(model, data)
    wrench = reader.read(data).wrench["right"]
    axes = data.site("right_tool").xmat.reshape(3, 3)
    assert np.allclose(axes @ wrench[:3], [0, 0, -2.0], atol=0.05)


def test_pressing_with_the_closed_tip_is_felt() -> None:
    robot = OpenArmV2()
    spec = robot.spec()
    model = spec.compile()
    data = mujoco.MjData(model)
    for name, angle in zip(robot.joint_names["right"], robot.home["right"], strict=True):
        data.joint(name).qpos[0] = angle
    for name in robot.finger_joints["right"]:
        data.joint(name).qpos[0] = robot.finger_sign("right") * robot.gap_to_finger(robot.gap_min)
    mujoco.mj_kinematics(model, data)
    tool = data.site("right_tool")
    approach = tool.xmat.reshape(3, 3)[:, 2].copy()
    wall = spec.worldbody.add_body(name="wall", pos=tool.xpos + approach * 0.0300)
    wall.quat = data.body("openarm_right_ee_base_link").xquat
    wall.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.1, 0.1, 0.02])
    qpos = data.qpos.copy()
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    for i, angle in enumerate(robot.home["right"]):
        data.actuator(robot.actuators["right"][i]).ctrl[0] = angle
    finger = robot.finger_sign("right") * robot.gap_to_finger(robot.gap_min)
    data.actuator(robot.actuators["right"][7]).ctrl[0] = finger
    for _ in range(200):
        mujoco.mj_step(model, data)
    reader = TouchReader(model, robot)
    touch = reader.read(data)
    approach = data.site("right_tool").xmat.reshape(3, 3)[:, 2]
    felt = np.zeros(3)
    for pad in ("right_inner", "right_outer"):
        felt += quat_rotate(touch.pad_pose[pad][3:], total_force(touch.field[pad]))
    assert felt @ approach < -1.0
    assert felt @ approach == pytest.approx(touch.wrench["right"][2], rel=1e-6)


def test_pyramidal_cones_are_refused() -> None:
    robot = OpenArmV2()
    spec = robot.spec()
    spec.option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    with pytest.raises(ValueError, match="elliptic"):
        TouchReader(spec.compile(), robot)


def test_commands_reach_the_gripper(make_world) -> None:  # type: ignore[no-untyped-def]
    world = make_world()
    world.command(RobotCommand(0, right=ArmCommand(world.robot.home["right"], 0.03)))
    world.step(1200)
    assert world.observation(0).gripper["right"] == pytest.approx(0.03, abs=5e-4)
    assert world.observation(0).gripper["left"] == pytest.approx(0.06, abs=5e-4)
