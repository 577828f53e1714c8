"""What a scene asks of MuJoCo's contacts: how hard, how fast, where."""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

from devices.pose import Pose, quat_from_matrix


def normal_force(model: mujoco.MjModel, data: mujoco.MjData, first: str, second: str) -> float:
    """Sum of the normal forces between two geoms at the last step [N]."""
    return float(sum(force for force, _ in normal_forces(model, data, first, second)))


def normal_forces(
    model: mujoco.MjModel, data: mujoco.MjData, first: str, second: str
) -> list[tuple[float, npt.NDArray[np.float64]]]:
    """Normal force [N] and point [m, world] of every contact between two geoms."""
    one, other = model.geom(first).id, model.geom(second).id
    found = []
    geoms = data.contact.geom
    for i in np.flatnonzero(((geoms == one) | (geoms == other)).all(axis=1)):
        address = data.contact.efc_address[i]
        if address >= 0:
            found.append((float(data.efc_force[address]), data.contact.pos[i].copy()))
    return found


def sliding_speed(model: mujoco.MjModel, data: mujoco.MjData, geom: str, body: str) -> float:
    """Speed of a geom's middle relative to a body's [m/s], without the part along the body's z."""
    velocity = np.empty(6)
    mujoco.mj_objectVelocity(
        model, data, mujoco.mjtObj.mjOBJ_GEOM, model.geom(geom).id, velocity, 0
    )
    moving = velocity[3:].copy()
    mujoco.mj_objectVelocity(
        model, data, mujoco.mjtObj.mjOBJ_BODY, model.body(body).id, velocity, 0
    )
    relative = moving - velocity[3:]
    up = data.body(body).xmat.reshape(3, 3)[:, 2]
    return float(np.linalg.norm(relative - up * (relative @ up)))


def site_pose(data: mujoco.MjData, name: str) -> Pose:
    """`T_world_site` of the last step."""
    site = data.site(name)
    return Pose(site.xpos, quat_from_matrix(site.xmat.reshape(3, 3)))
