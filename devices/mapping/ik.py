"""From requested tool poses to joint targets: one small quadratic program a tick for both arms.

Differential inverse kinematics with mink's tasks and the DAQP solver. Each tick moves the joints
by at most one tick's worth of speed towards the targets, keeps joint ranges and distances, and
spends what freedom is left on going back towards the home posture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import daqp
import mink
import mujoco
import numpy as np
from mink.tasks import Task

from devices.leader import Side
from devices.mapping.kinematics import Kinematics, Nearness
from devices.pose import (
    Pose,
    normalized,
    quat_conjugate,
    quat_from_rotvec,
    quat_multiply,
    rotvec_from_quat,
)
from devices.stream import FloatArray


@dataclass(frozen=True, slots=True)
class IkSettings:
    """How the arms follow.

    Attributes:
        margin: Distance kept between watched bodies [m].
        watch: Distance at which a pair starts to slow the approach [m].
        approach_gain: Share of the free distance that one tick may use up [1].
        tool_speed, tool_acceleration: Bounds of the straight approach [m/s], [m/s^2].
        turn_speed, turn_acceleration: The same for rotation [rad/s], [rad/s^2].
        orientation_cost: Weight of 1 rad against 1 m [m/rad].
        posture_cost: Weight of 1 rad away from home against 1 m [m/rad].
        posture_gain: Share of the way home that one tick wants [1].
        damping: Weight of joint motion itself, for singular poses [m^2/rad^2].
        stuck_m, stuck_rad: Error above which an arm that no longer gets closer is reported.
    """

    margin: float = 0.008
    watch: float = 0.06
    approach_gain: float = 0.08
    tool_speed: float = 1.5
    tool_acceleration: float = 8.0
    turn_speed: float = 6.0
    turn_acceleration: float = 40.0
    orientation_cost: float = 0.3
    posture_cost: float = 0.01
    posture_gain: float = 0.02
    damping: float = 2e-5
    stuck_m: float = 0.02
    stuck_rad: float = 0.2


@dataclass(frozen=True, slots=True)
class IkAnswer:
    """Joint targets of one tick.

    Attributes:
        q: Per side [rad]; sides without a target are as they were.
        position_error: Per driven side, from the target to where `q` puts the tool [m].
        rotation_error: The same [rad].
        blocked: Per driven side, why it no longer gets closer ("out of reach", "joint limit",
            "would touch openarm_right_link5"), "" while it follows.
    """

    q: Mapping[Side, FloatArray]
    position_error: Mapping[Side, float]
    rotation_error: Mapping[Side, float]
    blocked: Mapping[Side, str]


class ArmIk:
    """Differential inverse kinematics of a robot's arms.

    Keeps no memory between ticks but scratch arrays: the same call gives the same answer.

    Args:
        kinematics: The robot's light model.
        dt: Length of a tick [s].
        settings: How the arms follow.
    """

    def __init__(
        self, kinematics: Kinematics, dt: float, settings: IkSettings | None = None
    ) -> None:
        self.kinematics = kinematics
        self.dt = dt
        self.settings = settings or IkSettings()
        limits = [kinematics.robot.limits[side] for side in kinematics.sides]
        self._q_min = np.concatenate([limit.q_min for limit in limits])
        self._q_max = np.concatenate([limit.q_max for limit in limits])
        self._step_max = np.concatenate([limit.qd_max for limit in limits]) * dt
        self._brake = 0.3 * np.concatenate([limit.qdd_max for limit in limits])
        self._home = kinematics.stack(kinematics.robot.home)
        self._configuration = mink.Configuration(kinematics.model)
        # mink's configuration brings its own data; sharing it saves one forward pass a tick.
        kinematics.data = self._configuration.data
        cost = self.settings
        self._tasks = {
            side: mink.FrameTask(
                kinematics.robot.tool_site[side],
                "site",
                position_cost=1.0,
                orientation_cost=cost.orientation_cost,
            )
            for side in kinematics.sides
        }
        self._posture = mink.PostureTask(
            kinematics.model, cost=cost.posture_cost, gain=cost.posture_gain
        )
        self._posture.set_target(self._home)
        self._jacobian = np.zeros((3, kinematics.model.nv))
        self._body_of: list[int] = kinematics.model.geom_bodyid.tolist()
        self._own = {side: self._geoms_of(side) for side in kinematics.sides}

    def solve(self, q: FloatArray, targets: Mapping[Side, Pose]) -> IkAnswer:
        """One tick from `q` towards the targets.

        Args:
            q: Whole joint vector that was sent last [rad], shape (nq,).
            targets: `T_world_tool` per driven side; the other arms stay as they are.
        """
        q = np.minimum(np.maximum(q, self._q_min), self._q_max)
        self._configuration.update(q)
        if not targets:
            return IkAnswer(self.kinematics.split(q), {}, {}, {})
        here = self.kinematics.tools(q)
        tasks: list[Task] = [self._posture]
        ways: dict[Side, tuple[FloatArray, FloatArray]] = {}
        for side, target in targets.items():
            ways[side] = line, turn = _way(here[side], target)
            waypoint = _towards(here[side], line, turn, self.settings, self.dt)
            self._tasks[side].set_target(mink.SE3(waypoint))
            tasks.append(self._tasks[side])
        step, near = self._step(q, tasks, targets)
        after = np.minimum(np.maximum(q + step, self._q_min), self._q_max)
        tools = self.kinematics.tools(after)
        errors = {side: _error(tools[side], target) for side, target in targets.items()}
        before = {side: (_length(line), _length(turn)) for side, (line, turn) in ways.items()}
        blocked = {
            side: self._why_stuck(side, after, before[side], errors[side], near) for side in targets
        }
        return IkAnswer(
            self.kinematics.split(after),
            {side: error[0] for side, error in errors.items()},
            {side: error[1] for side, error in errors.items()},
            blocked,
        )

    def towards_posture(
        self, q: FloatArray, goal: FloatArray, speed: float, sides: tuple[Side, ...]
    ) -> FloatArray:
        """One tick from `q` towards the joint vector `goal`, keeping distances.

        Args:
            q, goal: Whole joint vectors [rad], shape (nq,).
            speed: Share of the joint speed limits to use, 0 ... 1.
            sides: Arms that may move.
        """
        q = np.minimum(np.maximum(q, self._q_min), self._q_max)
        self._configuration.update(q)
        task = mink.PostureTask(self.kinematics.model, cost=1.0)
        way = np.abs(goal - q)
        brake = self._brake * self.dt
        reach = np.sqrt(brake**2 + 2 * self._brake * way) - brake
        reach = np.minimum(self._step_max * speed, reach * self.dt)
        # One common factor keeps the straight line in joint space.
        share = float(np.min(np.where(way > 1e-9, reach / np.maximum(way, 1e-9), 1.0)))
        task.set_target(q + (goal - q) * share)
        step, _ = self._step(q, [task], dict.fromkeys(sides))
        return np.clip(q + step, self._q_min, self._q_max)

    def _step(
        self, q: FloatArray, tasks: list[Task], driven: Mapping[Side, object]
    ) -> tuple[FloatArray, list[Nearness]]:
        """Joint motion of one tick [rad], shape (nq,), and the pairs that were watched."""
        rows = [row for task in tasks if (row := task.compute_qp_residual(self._configuration))]
        weights = np.vstack([row[0] for row in rows])
        hessian = weights.T @ weights
        hessian.flat[:: len(q) + 1] += self.settings.damping
        gradient = -(np.concatenate([row[1] for row in rows]) @ weights)
        high = np.minimum(self._step_max, self._q_max - q)
        low = np.maximum(-self._step_max, self._q_min - q)
        for side in self.kinematics.sides:
            if side not in driven:
                high[self.kinematics.columns[side]] = 0.0
                low[self.kinematics.columns[side]] = 0.0
        near = self.kinematics.near(self.settings.watch)
        normals = self._normals(near)
        room = np.array([pair.distance - self.settings.margin for pair in near])
        bounds = np.maximum(self.settings.approach_gain * room, -0.2 * self.settings.margin)
        step = _solve(hessian, gradient, normals, high, low, bounds)
        if step is None:
            # Already too close to back out within one tick's speed: at least get no closer.
            step = _solve(hessian, gradient, normals, high, low, np.maximum(bounds, 0.0))
        if step is None:
            return np.zeros_like(q), near
        # The solver keeps its bounds to 1e-6 only.
        return np.minimum(np.maximum(step, low), high), near

    def _normals(self, near: list[Nearness]) -> FloatArray:
        """Rate at which each pair's distance shrinks per joint motion [m/rad], (n, nq)."""
        model, data, scratch = self.kinematics.model, self.kinematics.data, self._jacobian
        normals = np.zeros((len(near), model.nv))
        for row, pair in zip(normals, near, strict=True):
            start, stop = pair.points[:3], pair.points[3:]
            line = stop - start
            length = _length(line)
            if length < 1e-9:
                continue
            line = line / (length if pair.distance >= 0 else -length)
            first, second = pair.geoms
            body = self._body_of[first]
            if body:
                mujoco.mj_jac(model, data, scratch, None, start, body)
                row += line.dot(scratch)
            body = self._body_of[second]
            if body:
                mujoco.mj_jac(model, data, scratch, None, stop, body)
                row -= line.dot(scratch)
        return normals

    def _why_stuck(
        self,
        side: Side,
        q: FloatArray,
        before: tuple[float, float],
        after: tuple[float, float],
        near: list[Nearness],
    ) -> str:
        limit = self.settings
        far = after[0] > limit.stuck_m or after[1] > limit.stuck_rad
        gain = (before[0] - after[0]) + limit.orientation_cost * (before[1] - after[1])
        if not far or gain > 0.02 * limit.tool_speed * self.dt:
            return ""
        columns = self.kinematics.columns[side]
        names = self.kinematics.robot.joint_names[side]
        own = self._own[side]
        for pair in near:
            if pair.distance < limit.margin * 1.5 and not own.isdisjoint(pair.geoms):
                return f"would touch: {pair.first} and {pair.second} are close"
        at_end = (q[columns] <= self._q_min[columns] + 1e-3) | (
            q[columns] >= self._q_max[columns] - 1e-3
        )
        if after[0] <= limit.stuck_m and at_end.any():
            return f"joint limit of {names[int(np.argmax(at_end))]}"
        return "out of reach"

    def _geoms_of(self, side: Side) -> frozenset[int]:
        """Ids of the geoms that an arm's joints move."""
        model, names = self.kinematics.model, self.kinematics.robot.joint_names[side]
        moved = {int(model.joint(name).bodyid[0]) for name in names}
        for body in range(1, model.nbody):  # children come after parents in MuJoCo
            if int(model.body_parentid[body]) in moved:
                moved.add(body)
        return frozenset(geom for geom, body in enumerate(self._body_of) if body in moved)


def _solve(
    hessian: FloatArray,
    gradient: FloatArray,
    normals: FloatArray,
    high: FloatArray,
    low: FloatArray,
    bounds: FloatArray,
) -> FloatArray | None:
    """min 1/2 x'Hx + g'x with low <= x <= high, normals x <= bounds; None if there is none."""
    count = len(bounds)
    upper = np.concatenate([high, bounds])
    lower = np.concatenate([low, np.full(count, -1e30)])
    sense = np.zeros(len(upper), dtype=np.int32)
    x, _, flag, _ = daqp.solve(hessian, gradient, normals, upper, lower, sense)
    return np.asarray(x, dtype=np.float64) if flag > 0 else None


def _way(pose: Pose, target: Pose) -> tuple[FloatArray, FloatArray]:
    """From a pose to another: line [m] and rotation vector [rad], in world axes, shapes (3,)."""
    turn = rotvec_from_quat(quat_multiply(target.quat, quat_conjugate(pose.quat)))
    return target.position - pose.position, turn


def _length(vector: FloatArray) -> float:
    return math.sqrt(vector.dot(vector))


def _error(pose: Pose, target: Pose) -> tuple[float, float]:
    """Distance [m] and angle [rad] between two poses."""
    line, turn = _way(pose, target)
    return _length(line), _length(turn)


def _towards(
    pose: Pose, line: FloatArray, turn: FloatArray, limit: IkSettings, dt: float
) -> FloatArray:
    """Where the tool should be one tick later: as far along its way as it can brake before its
    end. (qw, qx, qy, qz, x, y, z), shape (7,)."""
    line = line * _share(_length(line), limit.tool_speed, limit.tool_acceleration, dt)
    turn = turn * _share(_length(turn), limit.turn_speed, limit.turn_acceleration, dt)
    waypoint = np.empty(7)
    waypoint[:4] = normalized(quat_multiply(quat_from_rotvec(turn), pose.quat))
    waypoint[4:] = pose.position + line
    return waypoint


def _share(distance: float, speed: float, acceleration: float, dt: float) -> float:
    """Share of `distance` to cover in one tick so that a stop at its end stays possible."""
    if distance < 1e-12:
        return 1.0
    brake = acceleration * dt
    reach = min(speed, math.sqrt(brake**2 + 2 * acceleration * distance) - brake) * dt
    return min(1.0, reach / distance)
