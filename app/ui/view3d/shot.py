"""What the 3-D view is asked to draw, and what comes back. Values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import mujoco
import numpy as np
import numpy.typing as npt

from app.ui.view3d.viewpoint import Viewpoint
from devices.leader import Side
from devices.pose import Pose
from devices.stream import FloatArray
from devices.touch import PadGeometry


class Dresser(Protocol):
    """The part of a scene that shows `data.userdata` in colours and sizes of the model."""

    def dress(self, model: mujoco.MjModel, data: mujoco.MjData) -> None: ...


@dataclass(frozen=True)
class RobotParts:
    """Where tools and pads are in a model.

    Attributes:
        tool_site: Per side, the site of the tool frame.
        tool_body: Per side, the body whose subtree is the gripper.
        pad_site: Per pad, the site of the pad frame.
        pads: Per pad, its geometry.
        pad_side: Per pad, its arm.
    """

    tool_site: Mapping[Side, str]
    tool_body: Mapping[Side, str]
    pad_site: Mapping[str, str]
    pads: Mapping[str, PadGeometry]
    pad_side: Mapping[str, Side]

    @classmethod
    def of(cls, robot: Any) -> RobotParts:
        """From a robot plug-in (`devices.robots`)."""
        return cls(
            tool_site=dict(robot.tool_site),
            tool_body=dict(robot.tool_body),
            pad_site={name: f"{name}_pad" for name in robot.pad_names},
            pads=dict(robot.pads),
            pad_side=dict(robot.pad_side),
        )


@dataclass(frozen=True)
class Stage:
    """A model to draw and what dresses it."""

    model: mujoco.MjModel
    dresser: Dresser | None = None
    parts: RobotParts | None = None


@dataclass(frozen=True)
class StageSource:
    """How to get the stage at each detail level.

    Attributes:
        key: Two sources with the same key make the same stages.
        details: Detail levels, finest first.
        build: Makes a stage of a level. Runs on the drawing thread and may take seconds.
    """

    key: tuple[str, ...]
    details: tuple[str, ...]
    build: Callable[[str], Stage]


GhostLook = Literal["resting", "hover", "held"]


@dataclass(frozen=True)
class Ghost:
    """A see-through gripper at the pose that a hand asks for."""

    side: Side
    pose: Pose
    look: GhostLook = "resting"


@dataclass(frozen=True)
class Shot:
    """One picture to take.

    Attributes:
        width, height: [device px].
        state: `mj_getState` vector (INTEGRATION), or None for the model's first pose.
        ghosts: Grippers to draw see-through.
        start: State vector of the reference start, to be drawn as a ghost, or None.
    """

    viewpoint: Viewpoint
    width: int
    height: int
    state: FloatArray | None = None
    ghosts: tuple[Ghost, ...] = ()
    start: FloatArray | None = None


@dataclass(frozen=True)
class Frame:
    """A picture and where things are in it.

    Attributes:
        pixels: Blue, green, red, 255; shape (height, width, 4), uint8.
        tools, pads: `T_world_tool` per side and `T_world_pad` per pad, as drawn.
        contact_points: [m], shape (n, 3), world frame.
        contact_forces: Normal force [N], shape (n,).
    """

    pixels: npt.NDArray[np.uint8]
    viewpoint: Viewpoint
    tools: Mapping[Side, Pose] = field(default_factory=dict)
    pads: Mapping[str, Pose] = field(default_factory=dict)
    contact_points: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))
    contact_forces: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class DrawingInfo:
    """How the view draws, for the badge and the doctor.

    Attributes:
        renderer: GL_RENDERER, "" until there is a context.
        software: The renderer runs on the CPU.
        detail: Detail level of the model drawn.
        scale: Pixels drawn per pixel shown.
        still: Nothing moves; the picture is refined and then left alone.
        fps: Frames in the last second.
        frame_ms: Time of one frame, middle of the last ones [ms].
        busy: What keeps the view from drawing ("Preparing the scene"), "" while it draws.
        fault: Why it cannot draw, "" while it can.
    """

    renderer: str = ""
    software: bool = False
    detail: str = ""
    scale: float = 1.0
    still: bool = False
    fps: float = 0.0
    frame_ms: float = 0.0
    busy: str = ""
    fault: str = ""
