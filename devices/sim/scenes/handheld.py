"""Tools that a hand already holds: a handle between the pads, on a springy mount.

A tool taken up by pure friction would be lost at the first careless opening of the gripper, and a
tool welded to the hand would not be felt. So the handle hangs between the pads on springs: closed
pads carry most of the load by friction and feel it as shear; open pads leave it to the springs.
"""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

from devices.leader import Side
from devices.pose import matrix_from_quat, quat_from_matrix

# The ready pose of the hands points forward and 10 degrees down; tools are level in that pose.
READY_PITCH = np.radians(10.0)

# Half size of every handle [m]: forward, across (between the pads), up. Pads are parallel at a gap
# of 24 mm.
HANDLE = (0.011, 0.0125, 0.015)

_STIFFNESS = 1800.0  # [N/m] 5 N move an ungripped tool by 3 mm
_DAMPING = 28.0  # [N s/m] about critical for 0.1 kg


def mount(spec: mujoco.MjSpec, side: Side, name: str, tilt_stiffness: float) -> mujoco.MjsBody:
    """Hang a tool body between the pads of one hand.

    Args:
        spec: Holds the robot with its `<side>_tool` site.
        side: The hand.
        name: Name of the body; its joints are `<name>_x`, `_y`, `_z`, `_roll`, `_pitch`.
        tilt_stiffness: Of the two tilting joints [N m/rad].

    Returns:
        The body: origin between the pads, x forward, y left and z up when the hand is at its
        ready pose. It has the handle's geoms already.
    """
    site = spec.site(f"{side}_tool")
    hand = site.parent
    body = hand.add_body(name=name, pos=site.pos, quat=_level_in_hand(site.quat))
    for axis, vector in zip("xyz", np.eye(3), strict=True):
        body.add_joint(
            name=f"{name}_{axis}",
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=vector,
            stiffness=[_STIFFNESS, 0.0, 0.0],
            damping=[_DAMPING, 0.0, 0.0],
            armature=0.02,
        )
    for axis, vector in zip(("roll", "pitch"), np.eye(3), strict=False):
        body.add_joint(
            name=f"{name}_{axis}",
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=vector,
            stiffness=[tilt_stiffness, 0.0, 0.0],
            damping=[0.05, 0.0, 0.0],
            armature=2e-4,
        )
    return body


def add_handle(body: mujoco.MjsBody, material: str, mass: float = 0.02) -> None:
    """The block that the pads close on, at the body's origin."""
    body.add_geom(
        name=f"{body.name}_handle",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=HANDLE,
        material=material,
        mass=mass,
        friction=[1.0, 0.006, 0.0002],
        condim=4,
    )


def _level_in_hand(tool_quat: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rotation of level axes in the hand's body, given its tool site's quaternion there.

    The tool site looks along the approach (z) with the closing direction y and, in the ready pose,
    x down.
    """
    cosine, sine = np.cos(READY_PITCH), np.sin(READY_PITCH)
    forward = np.array([sine * -1.0, 0.0, cosine])  # in the tool frame: against x (up) by the pitch
    up = np.array([-cosine, 0.0, -sine])
    left = np.cross(up, forward)
    return quat_from_matrix(matrix_from_quat(tool_quat) @ np.column_stack([forward, left, up]))
