"""Picking and dragging a gripper in the picture: pixels in, metres and radians out. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.ui.view3d.viewpoint import NEAR, Viewpoint
from devices.leader import Side
from devices.pose import Pose, matrix_from_quat
from devices.stream import FloatArray

Part = Literal["body", "move_x", "move_y", "move_z", "turn_x", "turn_y", "turn_z"]

BODY_PX = 44.0  # within this of the tool, the gripper itself is meant
ARROW_PX = 86.0  # length of the arrows of the handles
ARROW_GRAB_PX = 11.0  # distance to the tip of an arrow that still grabs it
RING_PX = 60.0  # radius of the rings
RING_GRAB_PX = 6.0
RING_POINTS = 48
TURN_PER_PX = np.deg2rad(0.4)
WHEEL_STEP = 0.01  # [m] along the line of sight for one notch while dragging

_AXIS = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True)
class Handles:
    """The handles of one gripper as they lie in the picture.

    Attributes:
        centre: Tool origin, x, y [px] and depth [m].
        tips: Ends of the three arrows [px], shape (3, 2).
        rings: Points of the three rings [px], shape (3, RING_POINTS, 2).
        reach: Length of the arrows [m].
    """

    centre: FloatArray
    tips: FloatArray
    rings: FloatArray
    reach: float


@dataclass(frozen=True)
class Grip:
    """What the pointer is on."""

    side: Side
    part: Part


@dataclass(frozen=True)
class Step:
    """A motion of the hand: `move` [m] and `turn` (rotation vector [rad]), world axes, (3,)."""

    move: FloatArray
    turn: FloatArray


def handles(viewpoint: Viewpoint, tool: Pose, width: float, height: float) -> Handles | None:
    """Handles of the size of the picture, or None where the tool is behind the eye."""
    centre = viewpoint.project(tool.position, width, height)
    if centre[2] < NEAR:
        return None
    scale = viewpoint.metres_per_pixel(float(centre[2]), height)
    axes = matrix_from_quat(tool.quat).T  # rows: x, y, z of the tool in the world
    tips = viewpoint.project(tool.position + ARROW_PX * scale * axes, width, height)[:, :2]
    angles = np.linspace(0.0, 2.0 * np.pi, RING_POINTS, endpoint=False)
    rings = []
    for axis in range(3):
        u, v = axes[(axis + 1) % 3], axes[(axis + 2) % 3]
        circle = np.outer(np.cos(angles), u) + np.outer(np.sin(angles), v)
        points = viewpoint.project(tool.position + RING_PX * scale * circle, width, height)
        rings.append(points[:, :2])
    return Handles(centre=centre, tips=tips, rings=np.array(rings), reach=ARROW_PX * scale)


def pick(
    viewpoint: Viewpoint,
    tools: Mapping[Side, Pose],
    x: float,
    y: float,
    width: float,
    height: float,
    open_side: Side | None = None,
) -> Grip | None:
    """What is under the pointer.

    Args:
        tools: `T_world_tool` per side.
        x, y: The pointer [px].
        open_side: The hand whose handles are shown; those of the other cannot be grabbed.

    Returns:
        Arrow tips win over the body, the body over rings; of two grippers the nearer to the pointer
        wins.
    """
    at = np.array([x, y])
    best: tuple[float, Grip] | None = None
    for side, tool in tools.items():
        marks = handles(viewpoint, tool, width, height)
        if marks is None:
            continue
        found = _part(marks, at, with_handles=side == open_side)
        if found is None:
            continue
        rank, part = found
        if best is None or rank < best[0]:
            best = (rank, Grip(side, part))
    return None if best is None else best[1]


def _part(marks: Handles, at: FloatArray, *, with_handles: bool) -> tuple[float, Part] | None:
    """The part at a point and its rank: the distance [px], after arrows and body by steps."""
    far = float(np.linalg.norm(marks.centre[:2] - at))
    if with_handles:
        to_tips = np.linalg.norm(marks.tips - at, axis=1)
        axis = int(np.argmin(to_tips))
        # An arrow that points at the viewer has its tip on the body; there the body is meant.
        short = np.linalg.norm(marks.tips[axis] - marks.centre[:2]) < 0.35 * ARROW_PX
        if to_tips[axis] <= ARROW_GRAB_PX and not short:
            return float(to_tips[axis]), _named("move", axis)
    if far <= BODY_PX:
        return 1e3 + far, "body"
    if with_handles:
        to_rings = np.linalg.norm(marks.rings - at, axis=2).min(axis=1)
        axis = int(np.argmin(to_rings))
        if to_rings[axis] <= RING_GRAB_PX:
            return 2e3 + float(to_rings[axis]), _named("turn", axis)
    return None


def _named(what: Literal["move", "turn"], axis: int) -> Part:
    names: dict[tuple[str, int], Part] = {
        ("move", 0): "move_x",
        ("move", 1): "move_y",
        ("move", 2): "move_z",
        ("turn", 0): "turn_x",
        ("turn", 1): "turn_y",
        ("turn", 2): "turn_z",
    }
    return names[what, axis]


# ------------------------------------------------------------------------------------------ steps
def plane_step(viewpoint: Viewpoint, depth: float, dx: float, dy: float, height: float) -> Step:
    """Follow the pointer in the plane across the line of sight at `depth` [m]."""
    scale = viewpoint.metres_per_pixel(depth, height)
    right, up, _ = viewpoint.axes
    return Step(scale * (dx * right - dy * up), np.zeros(3))


def depth_step(viewpoint: Viewpoint, depth: float, dy: float, height: float) -> Step:
    """Up is away from the eye, down comes nearer."""
    scale = viewpoint.metres_per_pixel(depth, height)
    return Step(-dy * scale * viewpoint.axes[2], np.zeros(3))


def wheel_step(viewpoint: Viewpoint, notches: float) -> Step:
    """A notch forward pushes the hand away from the eye by 1 cm."""
    return Step(WHEEL_STEP * notches * viewpoint.axes[2], np.zeros(3))


def trackball_step(viewpoint: Viewpoint, dx: float, dy: float) -> Step:
    """Turn as if the pointer rolled a ball that one looks at from the front."""
    right, up, _ = viewpoint.axes
    return Step(np.zeros(3), TURN_PER_PX * (dx * up + dy * right))


def axis_step(
    viewpoint: Viewpoint,
    tool: Pose,
    part: Part,
    at: tuple[float, float],
    dx: float,
    dy: float,
    width: float,
    height: float,
) -> Step:
    """Move along or turn about an axis of the tool by a pointer motion.

    Args:
        at: Where the drag began [px]; a ring follows the pointer along its tangent there.
        dx, dy: Pointer motion [px].
    """
    axis = matrix_from_quat(tool.quat)[:, _AXIS[part[-1]]]
    centre = viewpoint.project(tool.position, width, height)
    focal = viewpoint.focal(height) / float(centre[2])  # [px/m] across the line of sight
    if part.startswith("move"):
        on_screen = _screen_rate(viewpoint, tool.position, axis, width, height)
        amount = _along(on_screen, dx, dy, floor=0.3 * focal)
        return Step(amount * axis, np.zeros(3))
    radius = RING_PX / focal
    arm = _nearest_on_ring(viewpoint, tool, axis, radius, at, width, height)
    on_screen = _screen_rate(viewpoint, tool.position + arm, np.cross(axis, arm), width, height)
    amount = _along(on_screen, dx, dy, floor=0.3 * RING_PX)
    return Step(np.zeros(3), amount * axis)


def _screen_rate(
    viewpoint: Viewpoint, point: FloatArray, direction: FloatArray, width: float, height: float
) -> FloatArray:
    """How the picture of `point` moves [px] for a unit step along `direction`, shape (2,)."""
    small = 1e-5
    ends = viewpoint.project(
        np.array([point - small * direction, point + small * direction]), width, height
    )
    return (ends[1, :2] - ends[0, :2]) / (2.0 * small)


def _along(rate: FloatArray, dx: float, dy: float, floor: float) -> float:
    """The amount whose motion in the picture follows the pointer best. An axis that points at the
    viewer hardly moves in the picture; `floor` keeps it from running away."""
    length = float(np.linalg.norm(rate))
    if length < 1e-9:
        return 0.0
    return float(np.dot(rate / length, (dx, dy))) / max(length, floor)


def _nearest_on_ring(
    viewpoint: Viewpoint,
    tool: Pose,
    axis: FloatArray,
    radius: float,
    at: tuple[float, float],
    width: float,
    height: float,
) -> FloatArray:
    """From the tool to the point of a ring that is drawn nearest to `at`, shape (3,) [m]."""
    helper = np.eye(3)[int(np.argmin(np.abs(axis)))]
    u = np.cross(axis, helper)
    u /= np.linalg.norm(u)
    v = np.cross(axis, u)
    angles = np.linspace(0.0, 2.0 * np.pi, RING_POINTS, endpoint=False)
    arms = radius * (np.outer(np.cos(angles), u) + np.outer(np.sin(angles), v))
    drawn = viewpoint.project(tool.position + arms, width, height)[:, :2]
    return arms[int(np.argmin(np.linalg.norm(drawn - np.array(at), axis=1)))]
