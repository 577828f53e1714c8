"""Something that stands firm under the hand, yet can be moved smoothly by a perturbation.

A stage is a very heavy, weightless body tied to a mocap frame. Moving the frame in one step makes
the stage glide there within about half a second, as if somebody had taken hold of it; the forces of
a hand (tens of N) displace it by a fraction of a millimetre. Both poses are part of the physics
state.
"""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

from devices.pose import Pose, quat_from_rotvec, quat_multiply, quat_rotate

_MASS = 400.0  # [kg]
_INERTIA = 20.0  # [kg m^2]
_GLIDE_S = 0.10  # [s] time constant of following the frame


def add_stage(spec: mujoco.MjSpec, name: str, home: Pose) -> mujoco.MjsBody:
    """A stage at `home` (world). Its geoms are the caller's.

    Adds the free joint `<name>_free`, the mocap body `<name>_frame` and the weld `<name>_hold`.
    """
    frame = spec.worldbody.add_body(
        name=f"{name}_frame", mocap=True, pos=home.position, quat=home.quat
    )
    body = spec.worldbody.add_body(name=name, pos=home.position, quat=home.quat, gravcomp=1.0)
    body.add_joint(name=f"{name}_free", type=mujoco.mjtJoint.mjJNT_FREE)
    body.explicitinertial = True
    body.mass = _MASS
    body.inertia = [_INERTIA] * 3
    body.ipos = [0.0, 0.0, 0.0]
    spec.add_equality(
        name=f"{name}_hold",
        type=mujoco.mjtEq.mjEQ_WELD,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        name1=frame.name,
        name2=body.name,
        # anchor, relative pose (identity), torque scale: see mjEQ_WELD
        data=[0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0],
        solref=[_GLIDE_S, 1.0],
        solimp=[0.95, 0.99, 0.001, 0.5, 2.0],
    )
    return body


def pose(data: mujoco.MjData, name: str) -> Pose:
    """`T_world_stage` now."""
    qpos = data.joint(f"{name}_free").qpos
    return Pose(qpos[:3], qpos[3:7])


def place(model: mujoco.MjModel, data: mujoco.MjData, name: str, target: Pose) -> None:
    """Put the stage there at once, at rest. For resets."""
    joint = data.joint(f"{name}_free")
    joint.qpos[:] = target.to_array()
    joint.qvel[:] = 0.0
    send(model, data, name, target)


def send(model: mujoco.MjModel, data: mujoco.MjData, name: str, target: Pose) -> None:
    """Let the stage glide there. For perturbations."""
    index = model.body(f"{name}_frame").mocapid[0]
    data.mocap_pos[index] = target.position
    data.mocap_quat[index] = target.quat


def frame(model: mujoco.MjModel, data: mujoco.MjData, name: str) -> Pose:
    """`T_world_frame`: where the stage has been sent."""
    index = model.body(f"{name}_frame").mocapid[0]
    return Pose(data.mocap_pos[index], data.mocap_quat[index])


def in_stage(stage: Pose, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """World points, shape (n, 3) [m], told in the stage's frame."""
    return (points - stage.position) @ stage.to_matrix()[:3, :3]


def nudge(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    name: str,
    rng: np.random.Generator,
    *,
    aside: float,
    depth: float,
    turn: float,
) -> None:
    """Send the stage somewhere near: a perturbation.

    Args:
        rng: Draws the direction aside, up or down, and the sense of the turn.
        aside: Distance in the horizontal plane [m].
        depth: Distance up or down [m]; somewhere between 0.8 and 1 of it.
        turn: Largest turn about the vertical [rad].
    """
    now = frame(model, data, name)
    heading = rng.uniform(0, 2 * np.pi)
    offset = np.array([aside * np.cos(heading), aside * np.sin(heading), 0.0])
    offset[2] = depth * rng.uniform(0.8, 1.0) * rng.choice([-1.0, 1.0])
    spin = quat_from_rotvec(np.array([0.0, 0.0, rng.uniform(-turn, turn)]))
    send(model, data, name, Pose(now.position + offset, quat_multiply(spin, now.quat)))


def seen_from_above(stage: Pose, seen_z: float) -> Pose:
    """A stage as an eye from above judges it: place and heading as they are, tilt and height not.

    Args:
        stage: The true `T_world_stage`.
        seen_z: The height that the eye believes in [m].
    """
    forward = quat_rotate(stage.quat, np.array([1.0, 0.0, 0.0]))
    heading = np.arctan2(forward[1], forward[0])
    return Pose(
        np.array([stage.position[0], stage.position[1], seen_z]),
        quat_from_rotvec(np.array([0.0, 0.0, heading])),
    )
