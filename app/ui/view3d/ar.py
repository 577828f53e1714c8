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
from devices.touch import NORMAL, SHEAR_COLUMNS, SHEAR_ROWS, PadGeometry

FIELD_FULL_N = 1.5  # [N] a taxel at the hot end of the colour scale
FIELD_M_PER_N = 0.012  # [m] of arrow for each newton of shear on a taxel
FIELD_LIFT_M_PER_N = 0.006  # [m] that pressure lifts the arrows off the gel
FORCE_M_PER_N = 0.008  # [m] of arrow for each newton at the wrist
FORCE_MIN_N = 0.3  # below this a force is noise and no arrow is drawn
FORCE_MAX_M = 0.30  # arrows are no longer than this

LAYER_NAMES = ("field", "force", "contacts", "ghosts", "workspace", "start", "chunk")
"""AR layers by the names of the action table."""

Band = tuple[float, float]


@dataclass(frozen=True)
class TouchView:
    """What is felt now.

    Attributes:
        fields: Per pad, (rows, columns, 3) [N] as in `devices.touch`.
        wrench: Per side, force and torque on the tool [N, N m], shape (6,), in the tool frame.
        band: Force that counts as right contact [N], or None.
        stale: Streams whose last sample is too old to be shown as now.
    """

    fields: Mapping[str, npt.NDArray[np.floating]] = field(default_factory=dict)
    wrench: Mapping[Side, FloatArray] = field(default_factory=dict)
    band: Band | None = None
    stale: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Box:
    """The workspace of one arm [m], world frame, shape (3,) each."""

    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class FieldArrows:
    """Arrows of one pad [m], world frame: shape (n, 3) each, and force per taxel [N], (n,)."""

    starts: FloatArray
    ends: FloatArray
    force: FloatArray


def field_arrows(pad: Pose, geometry: PadGeometry, forces: npt.NDArray[np.floating]) -> FieldArrows:
    """The deformation field of a pad, in place: shear drags the arrow along the gel, pressure
    lifts it off the gel.

    Args:
        pad: `T_world_pad`.
        forces: (rows, columns, 3) [N], world on gel, in the pad's frame.
    """
    y, x = np.meshgrid(geometry.row_positions, geometry.column_positions, indexing="ij")
    starts = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    cells = np.asarray(forces, dtype=np.float64).reshape(-1, 3)
    drag = np.stack(
        [
            FIELD_M_PER_N * cells[:, SHEAR_COLUMNS],
            FIELD_M_PER_N * cells[:, SHEAR_ROWS],
            FIELD_LIFT_M_PER_N * cells[:, NORMAL],
        ],
        axis=-1,
    )
    rotation = matrix_from_quat(pad.quat)
    return FieldArrows(
        starts=starts @ rotation.T + pad.position,
        ends=(starts + drag) @ rotation.T + pad.position,
        force=np.linalg.norm(cells, axis=-1),
    )


def pad_force(forces: npt.NDArray[np.floating]) -> FloatArray:
    """Total force on a pad in its frame: shear along x, shear along y, pressure [N], (3,)."""
    total = np.asarray(forces, dtype=np.float64).reshape(-1, 3).sum(axis=0)
    return np.array([total[SHEAR_COLUMNS], total[SHEAR_ROWS], total[NORMAL]])


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
