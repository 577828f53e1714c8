"""The simulated world: robot and scene in one MuJoCo model, stepped in real time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import mujoco
import numpy as np
import numpy.typing as npt

from devices.clock import NS_PER_S, Clock
from devices.errors import DeviceError
from devices.follower import ArmLimits, RobotCommand
from devices.leader import Observation, Side
from devices.pose import Pose, quat_from_matrix
from devices.sim.build import build_for
from devices.sim.scene import Scene, Touch
from devices.sim.tactile import TouchingRobot, TouchReader
from devices.stream import FloatArray, Sample, StreamSpec

STATE = mujoco.mjtState.mjSTATE_INTEGRATION

STATE_EVERY = 2  # steps
TOUCH_EVERY = 8
PROGRESS_EVERY = 40
_FACTOR_WINDOW_NS = NS_PER_S
_PAUSE_NS = 50_000_000  # commands further apart than this tell no speed


class Robot(TouchingRobot, Protocol):
    """What the world must know about a robot."""

    name: str
    joint_names: Mapping[Side, tuple[str, ...]]
    finger_joint: Mapping[Side, str]
    finger_joints: Mapping[Side, tuple[str, ...]]
    actuators: Mapping[Side, tuple[str, ...]]
    home: Mapping[Side, FloatArray]
    home_gap: float
    limits: Mapping[Side, ArmLimits]

    def spec(self) -> mujoco.MjSpec: ...
    def finger_to_gap(self, angle: float) -> float: ...
    def gap_to_finger(self, gap: float) -> float: ...
    def finger_sign(self, side: Side) -> float: ...


_OF_JOINTS = ("_arm/q", "_arm/qd", "_arm/tau", "_gripper/gap")


class World:
    """Steps physics, takes commands, and tells everything that the contracts table promises.

    Samples describe the instant *before* the step in which they are taken: joint angles, frames
    and contact forces of one sample time belong together (MuJoCo computes frames and forces of a
    state while leaving it).

    Args:
        robot: The robot, a `teledeck.robots` plug-in.
        scene: The furniture and task, a `teledeck.scenes` plug-in.
        seed: Seed of the first reset.
        clock: Gives the epoch: simulated time zero is the clock's time at reset.
        model: A model already built for exactly this robot and scene (any detail level).
    """

    def __init__(
        self,
        robot: Robot,
        scene: Scene,
        *,
        seed: int,
        clock: Clock,
        model: mujoco.MjModel | None = None,
    ) -> None:
        self.robot = robot
        self.scene = scene
        self.model = model if model is not None else build_for(robot, scene, "minimal")
        self.data = mujoco.MjData(self.model)
        self.dt_ns = round(self.model.opt.timestep * NS_PER_S)
        self._clock = clock
        self._reader = TouchReader(self.model, robot)
        self._sides = tuple(robot.sides)
        self._wire()
        self.specs: tuple[StreamSpec, ...] = self._all_specs()
        self._seq: dict[str, int] = dict.fromkeys((spec.name for spec in self.specs), 0)
        self._samples: list[Sample] = []
        self._last_t_ns = clock.now_ns() - self.dt_ns
        self.listen(None)
        self.reset(seed)

    def _wire(self) -> None:
        """Addresses of joints, actuators and sites in MuJoCo's arrays."""
        model, robot = self.model, self.robot
        self._qadr: dict[Side, npt.NDArray[np.intp]] = {}
        self._vadr: dict[Side, npt.NDArray[np.intp]] = {}
        self._ctrl: dict[Side, npt.NDArray[np.intp]] = {}
        self._finger: dict[Side, int] = {}
        self._lead_s: dict[Side, FloatArray] = {}
        self._tool: dict[Side, int] = {}
        for side in self._sides:
            joints = [model.joint(name).id for name in robot.joint_names[side]]
            self._qadr[side] = model.jnt_qposadr[joints].astype(np.intp)
            self._vadr[side] = model.jnt_dofadr[joints].astype(np.intp)
            self._ctrl[side] = np.array([model.actuator(n).id for n in robot.actuators[side]])
            self._finger[side] = int(model.joint(robot.finger_joint[side]).qposadr[0])
            self._tool[side] = model.site(robot.tool_site[side]).id
            servos = self._ctrl[side][:-1]
            # kv / kp [s]: how far a servo that damps motion trails a steadily moving target.
            self._lead_s[side] = (
                -model.actuator_biasprm[servos, 2] / model.actuator_gainprm[servos, 0]
            )
        self._state_size = mujoco.mj_stateSize(model, STATE)

    def listen(self, streams: Collection[str] | None) -> None:
        """Tell these streams only, None for all. What nobody hears is not computed: without a
        pad's stream `observation` has no field of any pad."""
        self._heard = frozenset(self._seq if streams is None else streams)
        self._tells_joints = any(name.endswith(_OF_JOINTS) for name in self._heard)
        self._tells_state = "sim/state" in self._heard
        self._tells_scene = any(stream.startswith("scene/") for stream in self._heard)
        self._feels_pads = any("_pad/" in stream for stream in self._heard)

    # -------------------------------------------------------------------- life
    def reset(self, seed: int) -> None:
        """Arms at home, objects where `seed` puts them. Stamps go on from now."""
        self.seed = seed
        self._rng = np.random.default_rng(seed)
        robot, data = self.robot, self.data
        mujoco.mj_resetData(self.model, data)
        for side in self._sides:
            data.qpos[self._qadr[side]] = robot.home[side]
            angle = robot.finger_sign(side) * robot.gap_to_finger(robot.home_gap)
            for name in robot.finger_joints[side]:
                data.joint(name).qpos[0] = angle
            data.ctrl[self._ctrl[side][:-1]] = robot.home[side]
            data.ctrl[self._ctrl[side][-1]] = angle
        mujoco.mj_forward(self.model, data)
        self.scene.reset(self.model, data, self._rng)
        mujoco.mj_forward(self.model, data)
        self._touch = self._reader.read(data)
        self._restart_time()

    def _restart_time(self) -> None:
        self._sent: dict[Side, tuple[int, FloatArray]] = {}
        now = max(self._clock.now_ns(), self._last_t_ns + self.dt_ns)
        self._epoch_ns = now - self.steps * self.dt_ns
        self._pace: deque[tuple[int, int]] = deque([(self._clock.now_ns(), self.steps)])

    @property
    def steps(self) -> int:
        """Physics steps since reset; it lives in the physics state as its time."""
        return round(self.data.time * NS_PER_S / self.dt_ns)

    @property
    def t_ns(self) -> int:
        """The instant that the present state stands for [ns, monotonic]."""
        return self._epoch_ns + self.steps * self.dt_ns

    @property
    def touch_due_ns(self) -> int:
        """The instant that the next touch sample will tell of [ns, monotonic]."""
        return self._epoch_ns + -(-self.steps // TOUCH_EVERY) * TOUCH_EVERY * self.dt_ns

    # ----------------------------------------------------------------- command
    def command(self, command: RobotCommand) -> None:
        """Set the targets of the sides that the command names.

        The servos get position and speed, as real motor drivers do; the speed follows from the
        command before. Without it the arm trails a moving target by the servo's kv / kp, 70 ms.

        Raises:
            DeviceError: For a target of the wrong shape, or that is not finite; nothing moves then.
        """
        checked = []
        for side in self._sides:
            arm = command.arm(side)
            if arm is None:
                continue
            index = self._ctrl[side]
            if arm.q.shape != (len(index) - 1,):
                raise DeviceError(
                    f"The {side} arm was sent {arm.q.shape} joint targets",
                    allowed=[(len(index) - 1,)],
                )
            if not (np.isfinite(arm.q).all() and np.isfinite(arm.gripper)):
                raise DeviceError(
                    f"The {side} arm was sent a target that is not finite",
                    next_step="Commands must pass the guard first",
                )
            checked.append((side, arm))
        for side, arm in checked:
            index = self._ctrl[side]
            self.data.ctrl[index[:-1]] = arm.q + self._lead_s[side] * self._speed(side, command)
            angle = self.robot.gap_to_finger(arm.gripper)
            self.data.ctrl[index[-1]] = self.robot.finger_sign(side) * angle

    def _speed(self, side: Side, command: RobotCommand) -> FloatArray:
        """Speed of the target since the last command [rad/s]; zero after a pause."""
        arm = command.arm(side)
        assert arm is not None
        before = self._sent.get(side)
        self._sent[side] = (command.t_ns, arm.q)
        if before is None or not 0 < command.t_ns - before[0] <= _PAUSE_NS:
            return np.zeros_like(arm.q)
        return (arm.q - before[1]) * (NS_PER_S / (command.t_ns - before[0]))

    def perturb(self, name: str) -> None:
        """Disturb the task. Raises ConfigError for a name the scene does not know."""
        self.scene.perturb(name, self.model, self.data, self._rng)

    # -------------------------------------------------------------------- time
    def step(self, n: int = 1, felt: Callable[[], None] | None = None) -> None:
        """`n` physics steps, with the samples that fall due on the way.

        Args:
            felt: Called as soon as a touch sample can be collected, before the scene goes on.
        """
        model, data = self.model, self.data
        steps = self.steps
        for k in range(steps, steps + n):
            if k % STATE_EVERY:
                mujoco.mj_step(model, data)
                continue
            t_ns = self._epoch_ns + k * self.dt_ns
            before = self.state_vector() if self._tells_state else None
            joints = self._joints() if self._tells_joints else None
            mujoco.mj_step(model, data)
            self._tell_state(t_ns, before, joints)
            if k % TOUCH_EVERY == 0:
                self._touch = self._reader.read(data, pads=self._feels_pads)
                self._tell_touch(t_ns)
                if felt is not None:
                    felt()
                self.scene.advance(model, data, self._touch)
            if k % PROGRESS_EVERY == 0 and self._tells_scene:
                done = [self.scene.progress(model, data), float(self.scene.success(model, data))]
                self._tell("scene/progress", t_ns, np.array(done))
                self._tell("scene/glance", t_ns, self.scene.glance(model, data))
        if data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:
            raise DeviceError(
                f"The simulation of scene '{self.scene.name}' became unstable",
                next_step="Reset the scene",
            )

    def advance_to(
        self, now_ns: int, max_steps: int, felt: Callable[[], None] | None = None
    ) -> int:
        """Make every step whose instant has come by `now_ns`, but not more than `max_steps`.

        A step tells of the instant at its begin; to wait until it is over would make what is felt a
        whole step older. So the present state is up to one step ahead of `now_ns`.

        Args:
            now_ns: [ns, monotonic].
            max_steps: Steps at once.
            felt: As for `step`.

        Returns:
            How far the epoch moved because the machine could not keep up [ns], 0 when it did.
        """
        due = max(0, (now_ns - self.t_ns) // self.dt_ns + 1)
        steps = min(due, max_steps)
        self.step(int(steps), felt)
        slipped = int(due - steps) * self.dt_ns
        self._epoch_ns += slipped
        self._pace.append((now_ns, self.steps))
        while len(self._pace) > 2 and now_ns - self._pace[0][0] > _FACTOR_WINDOW_NS:
            self._pace.popleft()
        return slipped

    @property
    def realtime_factor(self) -> float:
        """Simulated time per real time over the last second of `advance_to`; 1 when fresh."""
        (t0, steps0), (t1, steps1) = self._pace[0], self._pace[-1]
        return 1.0 if t1 <= t0 else (steps1 - steps0) * self.dt_ns / (t1 - t0)

    # ------------------------------------------------------------------- state
    def state_vector(self) -> FloatArray:
        """The full physics state (`mj_getState` INTEGRATION), shape (state_size,).

        From this vector and the commands that follow, stepping repeats bit by bit.
        """
        state = np.empty(self._state_size)
        mujoco.mj_getState(self.model, self.data, state, STATE)
        return state

    def set_state_vector(self, state: FloatArray) -> None:
        """Bring back a state. The world's stamps go on from now.

        Raises:
            DeviceError: For a vector of another model.
        """
        if np.shape(state) != (self._state_size,):
            raise DeviceError(
                f"A state of shape {np.shape(state)} does not fit scene '{self.scene.name}'",
                allowed=[(self._state_size,)],
            )
        mujoco.mj_setState(self.model, self.data, np.asarray(state, dtype=np.float64), STATE)
        warm = self.data.qacc_warmstart.copy()
        mujoco.mj_forward(self.model, self.data)
        self.data.qacc_warmstart[:] = warm
        self._touch = self._reader.read(self.data)
        self._restart_time()

    # ----------------------------------------------------------------- telling
    def collect(self) -> list[Sample]:
        """All samples since the last call, oldest first within a stream. Data is read-only."""
        samples, self._samples = self._samples, []
        return samples

    def observation(self, t_ns: int) -> Observation:
        """What a leader inside the station may look at; tool poses and gaps of this moment, touch
        of the last touch sample."""
        data, touch = self.data, self._touch
        return Observation(
            t_ns=t_ns,
            tool={side: self._tool_pose(side) for side in self._sides},
            gripper={side: self._gap(data.qpos, side) for side in self._sides},
            tactile=touch.field,
            wrench=touch.wrench,
            scene=self.scene.observe(self.model, data),
            progress=self.scene.progress(self.model, data),
        )

    def felt(self, t_ns: int) -> Observation:
        """The part of `observation` that a hand elsewhere needs: time and touch. Where the tools
        are and what the scene knows takes longer than all else that is done for such a hand."""
        return Observation(
            t_ns=t_ns, tool={}, gripper={}, tactile=self._touch.field, wrench=self._touch.wrench
        )

    @property
    def touch(self) -> Touch:
        """The last touch sample."""
        return self._touch

    def _tool_pose(self, side: Side) -> Pose:
        site = self._tool[side]
        return Pose(
            self.data.site_xpos[site], quat_from_matrix(self.data.site_xmat[site].reshape(3, 3))
        )

    def _gap(self, qpos: FloatArray, side: Side) -> float:
        return self.robot.finger_to_gap(self.robot.finger_sign(side) * qpos[self._finger[side]])

    def _tell(self, stream: str, t_ns: int, data: npt.NDArray[Any]) -> None:
        if stream not in self._heard:
            return
        data.setflags(write=False)
        seq = self._seq[stream]
        self._seq[stream] = seq + 1
        self._last_t_ns = t_ns
        self._samples.append(Sample(stream, seq, t_ns, data))

    def _joints(self) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """Joint angles, speeds and gap of each side now; copies."""
        qpos, qvel = self.data.qpos, self.data.qvel
        return [
            (
                qpos.take(self._qadr[side]),
                qvel.take(self._vadr[side]),
                np.array([self._gap(qpos, side)]),
            )
            for side in self._sides
        ]

    def _tell_state(
        self,
        t_ns: int,
        state: FloatArray | None,
        joints: Sequence[tuple[FloatArray, FloatArray, FloatArray]] | None,
    ) -> None:
        positions, rotations = self.data.site_xpos, self.data.site_xmat
        torque = self.data.qfrc_actuator
        for index, side in enumerate(self._sides):
            if f"{side}_arm/T_world_tool" in self._heard:
                pose = np.empty(7)
                site = self._tool[side]
                pose[:3] = positions[site]
                mujoco.mju_mat2Quat(pose[3:], rotations[site])
                self._tell(f"{side}_arm/T_world_tool", t_ns, pose)
            if joints is not None:
                q, qd, gap = joints[index]
                self._tell(f"{side}_arm/q", t_ns, q)
                self._tell(f"{side}_arm/qd", t_ns, qd)
                self._tell(f"{side}_arm/tau", t_ns, torque.take(self._vadr[side]))
                self._tell(f"{side}_gripper/gap", t_ns, gap)
        if state is not None:
            self._tell("sim/state", t_ns, state)

    def _tell_touch(self, t_ns: int) -> None:
        touch = self._touch
        for side in self._sides:
            self._tell(f"{side}_arm/wrench", t_ns, touch.wrench[side])
        if not self._feels_pads:
            return
        for pad in self.robot.pad_names:
            self._tell(f"{pad}_pad/tactile", t_ns, touch.field[pad].astype(np.float32))
            self._tell(f"{pad}_pad/pose", t_ns, touch.pad_pose[pad])

    def _all_specs(self) -> tuple[StreamSpec, ...]:
        """The rows of the contracts table that the world fills."""
        rate = NS_PER_S / self.dt_ns
        state_hz, touch_hz = rate / STATE_EVERY, rate / TOUCH_EVERY
        specs = []
        for side in self._sides:
            joints = (len(self.robot.joint_names[side]),)
            for name, unit in (("q", "rad"), ("qd", "rad/s"), ("tau", "N m")):
                specs.append(
                    StreamSpec(f"{side}_arm/{name}", joints, "float64", unit, "joint", state_hz)
                )
            specs += [
                StreamSpec(
                    f"{side}_arm/T_world_tool", (7,), "float64", "m,wxyz", "world", state_hz
                ),
                StreamSpec(f"{side}_gripper/gap", (1,), "float64", "m", "", state_hz),
                StreamSpec(
                    f"{side}_arm/wrench",
                    (6,),
                    "float64",
                    "N,N m",
                    f"{side}_tool",
                    touch_hz,
                    kind="touch",
                ),
            ]
        for pad in self.robot.pad_names:
            field = (self.robot.pads[pad].rows, self.robot.pads[pad].columns, 3)
            specs += [
                StreamSpec(
                    f"{pad}_pad/tactile",
                    field,
                    "float32",
                    "N",
                    f"{pad}_pad",
                    touch_hz,
                    kind="touch",
                ),
                StreamSpec(
                    f"{pad}_pad/pose", (7,), "float64", "m,wxyz", "world", touch_hz, kind="touch"
                ),
            ]
        specs += [
            StreamSpec(
                "sim/state", (self._state_size,), "float64", "mixed", "", state_hz, kind="scene"
            ),
            StreamSpec(
                "scene/progress", (2,), "float64", "1", "", rate / PROGRESS_EVERY, kind="scene"
            ),
            StreamSpec(
                "scene/glance",
                self.scene.glance(self.model, self.data).shape,
                "float64",
                "mixed",
                "world",
                rate / PROGRESS_EVERY,
                kind="scene",
            ),
        ]
        return tuple(specs)
