"""BSON documents of the UDP streams to the headset, and what a peer reads out of them.

All positions and rotations are in the calibrated Unity frame [m, wxyz], but for tactile arrows,
which are in the frame of their anchor (`frames.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bson
import numpy as np
import numpy.typing as npt

from devices.errors import WireError
from devices.leader import SIDES, Side
from devices.stream import FloatArray

DEVICE_IDS = (
    "left_gripper_camera_1",
    "left_gripper_camera_2",
    "right_gripper_camera_1",
    "right_gripper_camera_2",
)
"""The anchors that exist in the app. Another id makes it throw, again and again."""

ARROW_SCALE = (0.01, 0.005, 0.005)
"""Diameter of an arrow's ball and the two widths of its shaft [m]: the app's own default."""

HIDDEN_SCALE = (1e-4, 1e-4, 1e-4)
"""Too thin to be seen [m]. The app has no way to remove an arrow."""

MAX_DATAGRAM = 65507
"""The most bytes that one UDP datagram over IPv4 carries."""

ABSENT = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
"""Pose of an arm that is not there: Unity takes no zero quaternion."""

_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture that hangs in the room, or before the eyes.

    A panel is 100 units wide: a scale of 0.002 makes it 0.2 m.

    Attributes:
        id: Names the panel; the app keeps one for each id until Y and B are pressed together.
        image: JPEG or PNG file.
        position: [m], shape (3,), calibrated frame, or the head's.
        rotation: Euler angles as Unity understands them [deg], shape (3,).
        scale: Shape (3,).
        in_head_space: Moves with the head.
        right_eye: Layer of the right eye; matters in head space only.
    """

    id: str
    image: bytes
    position: Sequence[float]
    rotation: Sequence[float] = (0.0, 0.0, 0.0)
    scale: Sequence[float] = (0.002, 0.0015, 0.001)
    in_head_space: bool = False
    right_eye: bool = False


@dataclass(frozen=True, slots=True)
class RobotTold:
    """A robot document as a peer reads it: poses (7,), gripper width [m] and force [N] (2,)."""

    left: FloatArray
    right: FloatArray
    left_gripper: FloatArray
    right_gripper: FloatArray


@dataclass(frozen=True, slots=True)
class ArrowsTold:
    """A tactile or force document: starts and ends (n, 3) [m], scale (3,) [m]."""

    device_id: str
    starts: FloatArray
    ends: FloatArray
    scale: FloatArray


# ------------------------------------------------------------------------------------- writing
def robot_document(
    left: npt.ArrayLike | None,
    right: npt.ArrayLike | None,
    left_gripper: npt.ArrayLike = (0.0, 0.0),
    right_gripper: npt.ArrayLike = (0.0, 0.0),
) -> bytes:
    """UDP 10001. Poses are (x, y, z, qw, qx, qy, qz), None for an arm that is not there; grippers
    are (width [m], force [N])."""
    return bson.encode(
        {
            "leftRobotTCP": _pose(left, "left tool"),
            "rightRobotTCP": _pose(right, "right tool"),
            "leftGripperState": _numbers(left_gripper, (2,), "left gripper"),
            "rightGripperState": _numbers(right_gripper, (2,), "right gripper"),
        }
    )


def tactile_document(
    device_id: str,
    starts: npt.ArrayLike,
    ends: npt.ArrayLike,
    scale: npt.ArrayLike = ARROW_SCALE,
) -> bytes:
    """UDP 10002: `starts` and `ends` [m], shape (n, 3), in the frame of the anchor."""
    _check_device(device_id)
    start_rows, end_rows = _arrows(starts, ends, f"arrows of {device_id}")
    data = bson.encode(
        {
            "device_id": device_id,
            "arrows": [
                {"start": start, "end": end}
                for start, end in zip(start_rows, end_rows, strict=True)
            ],
            "scale": _numbers(scale, (3,), "scale"),
        }
    )
    if len(data) > MAX_DATAGRAM:
        raise WireError(
            f"{len(start_rows)} arrows of {device_id} do not fit into one datagram",
            next_step="Send fewer; a GelSight pad has 63",
        )
    return data


def force_document(
    side: Side, start: npt.ArrayLike, end: npt.ArrayLike, scale: npt.ArrayLike = ARROW_SCALE
) -> bytes:
    """UDP 10005: one arrow [m], calibrated frame. The app takes all but "left" for right."""
    if side not in SIDES:
        raise WireError(f"A force arrow of side {side!r}", allowed=SIDES)
    return bson.encode(
        {
            "device_id": side,
            "arrow": {
                "start": _numbers(start, (3,), "start of the force arrow"),
                "end": _numbers(end, (3,), "end of the force arrow"),
            },
            "scale": _numbers(scale, (3,), "scale"),
        }
    )


def image_document(panels: Sequence[Panel]) -> bytes:
    """UDP 10004, before it is cut: all panels in one document."""
    ids = [panel.id for panel in panels]
    if len(set(ids)) != len(ids):
        raise WireError(f"Two panels have the same id: {', '.join(ids)}")
    return bson.encode({"images": [_panel(panel) for panel in panels]})


def _panel(panel: Panel) -> dict[str, Any]:
    if not panel.id:
        raise WireError("A panel has no id")
    if not panel.image.startswith(_IMAGE_STARTS):
        raise WireError(f"The picture of panel '{panel.id}' is neither JPEG nor PNG")
    return {
        "id": panel.id,
        "inHeadSpace": panel.in_head_space,
        "leftOrRight": panel.right_eye,
        "position": _numbers(panel.position, (3,), f"position of panel '{panel.id}'"),
        "rotation": _numbers(panel.rotation, (3,), f"rotation of panel '{panel.id}'"),
        "scale": _numbers(panel.scale, (3,), f"scale of panel '{panel.id}'"),
        "image": panel.image,
    }


# ------------------------------------------------------------------------------------- reading
def read_robot(data: bytes) -> RobotTold:
    """Raises WireError for what the app could not draw."""
    document = _decoded(data)
    return RobotTold(
        *(_unit_pose(_list(document, name, 7), name) for name in ("leftRobotTCP", "rightRobotTCP")),
        *(_list(document, name, 2) for name in ("leftGripperState", "rightGripperState")),
    )


def read_tactile(data: bytes) -> ArrowsTold:
    """Raises WireError for what the app could not draw."""
    document = _decoded(data)
    device_id = _text(document, "device_id")
    _check_device(device_id)
    arrows = document.get("arrows")
    if not isinstance(arrows, list) or not arrows:
        raise WireError(f"Tactile message of {device_id} has no arrows")
    return _arrows_told(device_id, arrows, document)


def read_force(data: bytes) -> ArrowsTold:
    """Raises WireError for what the app could not draw, and for a side it would guess."""
    document = _decoded(data)
    side = _text(document, "device_id")
    if side not in SIDES:
        raise WireError(f"Force message of {side!r}", allowed=SIDES)
    return _arrows_told(side, [document.get("arrow")], document)


def read_images(data: bytes) -> tuple[Panel, ...]:
    """Raises WireError for what the app could not hang."""
    images = _decoded(data).get("images")
    if not isinstance(images, list):
        raise WireError("Panel message has no list 'images'")
    return tuple(_panel_told(image) for image in images)


def _panel_told(image: object) -> Panel:
    if not isinstance(image, dict):
        raise WireError("A panel is not a document")
    # Other senders name panels by a binary UUID.
    name = image.get("id")
    data = image.get("image")
    if not isinstance(name, str | bytes | bson.Binary) or not isinstance(data, bytes):
        raise WireError("A panel has no id or no picture")
    panel = Panel(
        id=name if isinstance(name, str) else name.hex(),
        image=data,
        position=tuple(_list(image, "position", 3)),
        rotation=tuple(_list(image, "rotation", 3)),
        scale=tuple(_list(image, "scale", 3)),
        in_head_space=_flag(image, "inHeadSpace"),
        right_eye=_flag(image, "leftOrRight"),
    )
    _panel(panel)
    return panel


def _arrows_told(device_id: str, arrows: list[object], document: dict[str, Any]) -> ArrowsTold:
    starts, ends = [], []
    for arrow in arrows:
        if not isinstance(arrow, dict):
            raise WireError(f"An arrow of {device_id} is not a document")
        starts.append(_list(arrow, "start", 3))
        ends.append(_list(arrow, "end", 3))
    return ArrowsTold(device_id, np.array(starts), np.array(ends), _list(document, "scale", 3))


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        return bson.decode(data)
    except bson.errors.BSONError as error:
        raise WireError(f"Not a BSON document: {error}") from error


def _list(document: dict[str, Any], name: str, length: int) -> FloatArray:
    values = document.get(name)
    if not isinstance(values, list) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    ):
        raise WireError(f"'{name}' is not a list of numbers")
    return np.array(_numbers(values, (length,), f"'{name}'"))


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise WireError(f"'{name}' is not a text")
    return value


def _flag(document: dict[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise WireError(f"'{name}' is not true or false")
    return value


# -------------------------------------------------------------------------------------- checks
def _check_device(device_id: str) -> None:
    if device_id not in DEVICE_IDS:
        raise WireError(f"The headset has no anchor {device_id!r}", allowed=DEVICE_IDS)


def _arrows(
    starts: npt.ArrayLike, ends: npt.ArrayLike, what: str
) -> tuple[list[list[float]], list[list[float]]]:
    first = np.asarray(starts, dtype=np.float64)
    second = np.asarray(ends, dtype=np.float64)
    if first.ndim != 2 or first.shape[1] != 3 or first.shape != second.shape or not len(first):
        raise WireError(
            f"{what[0].upper()}{what[1:]} have the shapes {first.shape} and {second.shape}",
            allowed=("(n, 3) twice, n at least 1",),
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise WireError(f"{what[0].upper()}{what[1:]} are not finite")
    return first.tolist(), second.tolist()


def _numbers(values: npt.ArrayLike, shape: tuple[int, ...], what: str) -> list[float]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise WireError(f"The {what} has the shape {array.shape}", allowed=(shape,))
    if not np.isfinite(array).all():
        raise WireError(f"The {what} is not finite: {array.tolist()}")
    numbers: list[float] = array.tolist()
    return numbers


def _pose(values: npt.ArrayLike | None, what: str) -> list[float]:
    return list(ABSENT) if values is None else _unit_pose(values, what).tolist()


def _unit_pose(values: npt.ArrayLike, what: str) -> FloatArray:
    pose = np.array(_numbers(values, (7,), f"pose of {what}"))
    if abs(float(np.linalg.norm(pose[3:])) - 1.0) > 1e-3:
        raise WireError(f"The pose of {what} has no unit quaternion: {pose.tolist()}")
    return pose
