"""Bytes ↔ values of the TactAR wire: posts, documents, panel framing. Pure, no sockets.

The tables of the wire are in `docs/tactar-wire.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.tactar.documents import (
    ABSENT,
    ARROW_SCALE,
    DEVICE_IDS,
    HIDDEN_SCALE,
    MAX_DATAGRAM,
    ArrowsTold,
    Panel,
    RobotTold,
    force_document,
    image_document,
    read_force,
    read_images,
    read_robot,
    read_tactile,
    robot_document,
    tactile_document,
)
from devices.tactar.framing import PanelReader, chunk_size, framed
from devices.tactar.posts import (
    BUTTONS,
    MAX_POST_BYTES,
    Buttons,
    Controller,
    Post,
    encode_post,
    parse_post,
)

POST_PORT = 8082
"""TCP. The app cannot be told another."""

POST_PATH = "/unity"
GRIPPER_PATH = "/get_current_gripper_state"


@dataclass(frozen=True, slots=True)
class Ports:
    """UDP ports on the headset. The app cannot be told others; tests can."""

    robot: int = 10001
    tactile: int = 10002
    panels: int = 10004
    force: int = 10005

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Ports `base` + 1, 2, 4, 5."""
        return cls(base + 1, base + 2, base + 4, base + 5)


__all__ = [
    "ABSENT",
    "ARROW_SCALE",
    "BUTTONS",
    "DEVICE_IDS",
    "GRIPPER_PATH",
    "HIDDEN_SCALE",
    "MAX_DATAGRAM",
    "MAX_POST_BYTES",
    "POST_PATH",
    "POST_PORT",
    "ArrowsTold",
    "Buttons",
    "Controller",
    "Panel",
    "PanelReader",
    "Ports",
    "Post",
    "RobotTold",
    "chunk_size",
    "encode_post",
    "force_document",
    "framed",
    "image_document",
    "parse_post",
    "read_force",
    "read_images",
    "read_robot",
    "read_tactile",
    "robot_document",
    "tactile_document",
]
