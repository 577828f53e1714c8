"""What the AR layer shows, as points and colours in the world. No Qt, no OpenGL.

The same values can go to a headset, so that both show the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from devices.leader import Side
from devices.pose import Pose, matrix_from_quat, quat_rotate
from devices.stream import FloatArray
from devices.touch import PadGeometry

DEFORMATION_FULL_M = 0.0015  # [m] a marker at the hot end of the colour scale has moved so far
DRAG_GAIN = 8.0  # arrows along the gel are this much longer than the gel is dragged
LIFT_GAIN = 5.0  # arrows stand off the gel by this much more than it is pressed in
STILL_M = 4e-6  # [m] a marker that has moved less is at rest
FORCE_M_PER_N = 0.008  # [m] of arrow for each newton at the wrist
FORCE_MIN_N = 0.3  # below this a force is noise and no arrow is drawn
FORCE_MAX_M = 0.30  # arrows are no longer than this

LAYER_NAMES = ("field", "force", "contacts", "ghosts", "workspace", "start", "chunk")
"""AR layers by the names of the action table."""

Band = tuple[float, float]


@dataclass(frozen=True)
class PadTouch:
    """What one pad feels now.

    Attributes:
        deformation: Of the gel's face [m], pad frame, shape (63, 3): dx, dy, pressed in by dz.
        reading: The numbers of `devices.feel.READING`, shape (8,).
        source: What tells it, in words ("simulated field").
        lost: Markers that its camera does not see.
    """

    deformation: npt.NDArray[np.floating]
    reading: FloatArray
    source: str = ""
    lost: int = 0

    @property
    def force(self) -> float:
        """Size of the whole force on the pad [N]."""
        return float(np.linalg.norm(self.reading[:3]))

    @property
    def contact(self) -> bool:
        return bool(self.reading[5] > 0.5)

    @property
    def band(self) -> str:
        """As `band_word`, "" where nothing can be said."""
        state = float(self.reading[6])
        return "" if np.isnan(state) else ("below", "within", "above")[int(state) + 1]

    @property
    def grasp_subtracted(self) -> bool:
        return bool(self.reading[7] > 0.5)


@dataclass(frozen=True)
class TouchView:
    """What is felt now.

    Attributes:
        pads: Per pad that tells something.
        wrench: Per side, force and torque on the tool [N, N m], shape (6,), in the tool frame.
        band: Force that counts as right contact [N], or None.
        stale: Streams whose last sample is too old to be shown as now.
        bands: Per side, where its force lies: "below", "within", "above".
        silent: Per pad that tells nothing, why, in a word or two.
        doubtful: Pads that tell something, but whose sensor is not as it should be.
        note: What is wrong, as a sentence; "" when all is well.
        fault: Whether that is a fault.
    """

    pads: Mapping[str, PadTouch] = field(default_factory=dict)
    wrench: Mapping[Side, FloatArray] = field(default_factory=dict)
    band: Band | None = None
    stale: frozenset[str] = frozenset()
    bands: Mapping[Side, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    note: str = ""
    fault: bool = False


@dataclass(frozen=True)
class Box:
    """The workspace of one arm [m], world frame, shape (3,) each."""

    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class FieldArrows:
    """Arrows of one pad [m], world frame, shape (63, 3) each.

    Attributes:
        starts: The markers at rest, on the gel.
        feet: Where each stands off the gel as far as it is pressed in, above its start.
        ends: The heads: `feet`, dragged along the gel.
        moved: How far each marker has really moved [m], shape (63,).
    """

    starts: FloatArray
    feet: FloatArray
    ends: FloatArray
    moved: FloatArray


def field_arrows(
    pad: Pose, geometry: PadGeometry, deformation: npt.NDArray[np.floating]
) -> FieldArrows:
    """The deformation field of a pad, in place: shear drags an arrow along the gel, pressure lifts
    it off along the pad's normal.

    Args:
        pad: `T_world_pad`.
        deformation: (63, 3) [m], pad frame; (25, 3) for a gel with 5 x 5 markers.
    """
    if len(deformation) != geometry.rows * geometry.columns:  # a gel with fewer markers
        side = round(len(deformation) ** 0.5)
        geometry = PadGeometry(side, side, geometry.height, geometry.width)
    starts = geometry.taxel_positions.reshape(-1, 3)
    moved = np.asarray(deformation, dtype=np.float64)
    lift = np.zeros_like(starts)
    lift[:, 2] = LIFT_GAIN * moved[:, 2]
    drag = np.zeros_like(starts)
    drag[:, :2] = DRAG_GAIN * moved[:, :2]
    turned = matrix_from_quat(pad.quat).T
    return FieldArrows(
        starts=starts @ turned + pad.position,
        feet=(starts + lift) @ turned + pad.position,
        ends=(starts + lift + drag) @ turned + pad.position,
        moved=np.sqrt((moved * moved).sum(axis=-1)),
    )


def force_tip(tool: Pose, wrench: FloatArray) -> FloatArray | None:
    """End of the force arrow at a tool [m], world frame (3,), or None for a force not worth one."""
    force = np.asarray(wrench, dtype=np.float64)[:3]
    size = float(np.linalg.norm(force))
    if size < FORCE_MIN_N:
        return None
    length = min(FORCE_MAX_M, FORCE_M_PER_N * size)
    return tool.position + quat_rotate(tool.quat, force) * (length / size)


def band_word(force: float, band: Band | None) -> str:
    """Where a force lies: "free" (no contact), "below", "within", "above", or "" without a band."""
    if band is None:
        return ""
    if force < FORCE_MIN_N:
        return "free"
    if force < band[0]:
        return "below"
    return "within" if force <= band[1] else "above"


def box_edges(box: Box) -> FloatArray:
    """The 12 edges of a box [m], shape (12, 2, 3)."""
    corners = np.array([[(box.low, box.high)[(i >> k) & 1][k] for k in range(3)] for i in range(8)])
    pairs = [(i, i | 1 << k) for i in range(8) for k in range(3) if not i >> k & 1]
    return corners[np.array(pairs)]


def near_faces(box: Box, point: FloatArray, within: float = 0.04) -> list[tuple[FloatArray, float]]:
    """Faces of the box that a point comes near.

    Returns:
        Per face its four corners [m], shape (4, 3), and how near: 0 at `within`, 1 at the face.
    """
    found = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for limit, distance in (
            (box.low[axis], point[axis] - box.low[axis]),
            (box.high[axis], box.high[axis] - point[axis]),
        ):
            if distance >= within:
                continue
            face = np.zeros((4, 3))
            face[:, axis] = limit
            face[:, u] = box.low[u], box.high[u], box.high[u], box.low[u]
            face[:, v] = box.low[v], box.low[v], box.high[v], box.high[v]
            found.append((face, float(np.clip(1.0 - distance / within, 0.0, 1.0))))
    return found
