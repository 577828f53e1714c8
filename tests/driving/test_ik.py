"""Promises of the inverse kinematics, on the real robot's light model."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from devices.errors import ConfigError
from devices.leader import SIDES, Side
from devices.mapping.ik import ArmIk, IkAnswer
from devices.mapping.kinematics import Kinematics
from devices.pose import Pose, quat_from_rotvec
from devices.robots.openarm import OpenArmV2

DT = 1 / 250
FOUND = (Phase.explicit, Phase.reuse, Phase.generate)  # walks are too long to be shrunk
offsets = st.lists(st.floats(-0.35, 0.35), min_size=14, max_size=14).map(np.array)
anywhere = st.builds(
    lambda p, r: Pose(np.array(p), quat_from_rotvec(np.array(r))),
    st.tuples(st.floats(-1.0, 1.5), st.floats(-1.0, 1.0), st.floats(-0.5, 2.0)),
    st.tuples(*[st.floats(-3.0, 3.0)] * 3),
)


@pytest.fixture(scope="module")
def ik(kinematics: Kinematics) -> ArmIk:
    return ArmIk(kinematics, DT)


def ranges(ik: ArmIk) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    limits = [ik.kinematics.robot.limits[side] for side in SIDES]
    return (
        np.concatenate([limit.q_min for limit in limits]),
        np.concatenate([limit.q_max for limit in limits]),
        np.concatenate([limit.qd_max for limit in limits]),
    )


def follow(ik: ArmIk, q: np.ndarray, targets: dict[Side, Pose], ticks: int):  # type: ignore[no-untyped-def]
    """Walk towards the targets, checking joint range, speed and distance at every tick."""
    low, high, speed = ranges(ik)
    # Where a pair starts closer than the margin, it may at least come no closer.
    floor = min(ik.kinematics.clearance(q)[0], ik.settings.margin) - 1.5e-3
    answer = None
    for _ in range(ticks):
        answer = ik.solve(q, targets)
        after = ik.kinematics.stack(answer.q)
        assert np.isfinite(after).all()
        assert (after >= low).all() and (after <= high).all()
        assert (np.abs(after - q) <= speed * DT + 1e-9).all()
        assert ik.kinematics.clearance(after)[0] >= floor
        q = after
    assert isinstance(answer, IkAnswer)
    return q, answer


def home(ik: ArmIk) -> np.ndarray:
    return ik.kinematics.stack(ik.kinematics.robot.home)


@settings(max_examples=20, phases=FOUND)
@given(offset=offsets)
def test_reachable_targets_are_reached(ik, offset):
    low, high, _ = ranges(ik)
    goal = np.clip(home(ik) + offset, low + 0.05, high - 0.05)
    assume(ik.kinematics.clearance(goal)[0] > ik.settings.margin + 0.005)
    targets = ik.kinematics.tools(goal)
    _, answer = follow(ik, home(ik), targets, 350)
    for side in SIDES:
        assert answer.position_error[side] < 1e-3 and answer.rotation_error[side] < 5e-3
        assert answer.blocked[side] == ""


@settings(max_examples=20, phases=FOUND)
@given(left=anywhere, right=anywhere)
def test_hostile_targets_keep_range_speed_and_distance(ik, left, right):
    follow(ik, home(ik), {"left": left, "right": right}, 250)


@settings(max_examples=10, phases=FOUND)
@given(position=st.tuples(st.floats(0.2, 0.5), st.floats(-0.1, 0.1), st.floats(0.45, 0.9)))
def test_hands_sent_to_one_point_stay_apart(ik, position):
    quat = ik.kinematics.tools(home(ik))["left"].quat
    target = Pose(np.array(position), quat)
    q, _ = follow(ik, home(ik), {"left": target, "right": target}, 300)
    assert ik.kinematics.clearance(q)[0] >= ik.settings.margin - 1.5e-3


def test_out_of_reach_is_said_and_the_arm_comes_to_rest(ik):
    far = Pose(np.array([2.0, 0.3, 0.8]), ik.kinematics.tools(home(ik))["left"].quat)
    q, answer = follow(ik, home(ik), {"left": far}, 500)
    assert answer.blocked["left"]
    again, _ = follow(ik, q, {"left": far}, 50)
    assert np.max(np.abs(again - q)) < 0.02


def test_a_parked_arm_does_not_move(ik):
    start = home(ik)
    target = ik.kinematics.tools(start)["left"]
    target = Pose(target.position + np.array([0.05, 0.0, 0.05]), target.quat)
    q, answer = follow(ik, start, {"left": target}, 100)
    right = ik.kinematics.columns["right"]
    assert np.array_equal(q[right], start[right]) and "right" not in answer.blocked
    still = ik.solve(q, {})
    assert np.array_equal(ik.kinematics.stack(still.q), q)


def test_the_same_question_has_the_same_answer(ik):
    target = ik.kinematics.tools(home(ik))["left"]
    target = Pose(target.position + np.array([0.02, 0.0, 0.0]), target.quat)
    first = ik.solve(home(ik), {"left": target})
    ik.solve(home(ik) + 0.1, {"right": target})
    second = ik.solve(home(ik), {"left": target})
    assert np.array_equal(first.q["left"], second.q["left"])


@settings(max_examples=15, phases=FOUND)
@given(offset=offsets)
def test_posture_motion_reaches_home(ik, offset):
    low, high, _ = ranges(ik)
    q = np.clip(home(ik) + offset, low, high)
    for _ in range(600):
        q = ik.towards_posture(q, home(ik), 0.4, SIDES)
    assert np.max(np.abs(q - home(ik))) < 2e-3


@pytest.fixture(scope="module")
def full_model(robot: OpenArmV2) -> mujoco.MjModel:
    return robot.spec().compile()


@settings(max_examples=20)
@given(offset=offsets)
def test_the_light_model_puts_the_tools_where_the_full_model_does(
    robot, kinematics, full_model, offset
):
    model, data = full_model, mujoco.MjData(full_model)
    q = kinematics.stack(robot.home) + offset
    for name, value in zip(kinematics.joint_names, q, strict=True):
        data.qpos[model.joint(name).qposadr[0]] = value
    mujoco.mj_kinematics(model, data)
    for side, pose in kinematics.tools(q).items():
        site = data.site(robot.tool_site[side])
        np.testing.assert_allclose(pose.position, site.xpos, atol=1e-9)
        np.testing.assert_allclose(pose.to_matrix()[:3, :3], site.xmat.reshape(3, 3), atol=1e-7)


def test_a_name_that_the_model_has_not_is_told(robot):
    class Misnamed(OpenArmV2):
        def __init__(self) -> None:
            super().__init__()
            self.joint_names = {**self.joint_names, "right": ("elbow",)}

    with pytest.raises(ConfigError, match="names elbow"):
        Kinematics(Misnamed())
