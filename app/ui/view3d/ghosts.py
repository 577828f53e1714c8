"""See-through shapes in the 3-D picture: commanded grippers, the reference start of a scene."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from app.ui.view3d.shot import Ghost, RobotParts, Shot
from devices.leader import SIDES, Side
from devices.pose import Pose, quat_from_matrix
from devices.stream import FloatArray

# Colours of the see-through shapes, red green blue alpha. The hands' hues are those of
# `app.ui.look.DARK.left_hand` and `.right_hand`; a test holds them equal.
HAND_RGB: dict[Side, tuple[float, float, float]] = {
    "left": (0x6D / 255, 0xB7 / 255, 1.0),
    "right": (1.0, 0xAB / 255, 0x6B / 255),
}
ALPHA = {"resting": 0.16, "hover": 0.34, "held": 0.34}
TINT = 0.5  # of the hand's colour on a gripper under the pointer
APART_M = 0.004
START_RGBA = (0.40, 0.62, 0.58, 0.30)
_UNDER_LIGHT = 0.62  # lamps add to a colour until it clips; this much of it keeps its hue

_STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)
_VISIBLE_GROUPS = 3  # MuJoCo shows geom groups 0, 1, 2 unless told otherwise


@dataclass(frozen=True)
class _Piece:
    """A geom of a gripper."""

    geom: int
    type: int
    size: FloatArray
    dataid: int


class GhostMaker:
    """Adds ghosts to an `MjvScene` after `mjv_updateScene`."""

    def __init__(self, model: mujoco.MjModel, parts: RobotParts | None) -> None:
        self._model = model
        self._parts = parts
        self._start_data: mujoco.MjData | None = None
        self._start_scene: mujoco.MjvScene | None = None
        self._start: FloatArray | None = None
        self._pieces: dict[Side, tuple[_Piece, ...]] = {}
        self._skin: dict[Side, frozenset[int]] = {}
        if parts is not None:
            self._pieces = {side: _gripper(model, parts.tool_body[side]) for side in SIDES}
            self._skin = {side: _below(model, parts.tool_body[side]) for side in SIDES}

    def add(self, scene: mujoco.MjvScene, data: mujoco.MjData, shot: Shot) -> None:
        """Add the ghosts of a shot. `data` is the pose drawn; the fingers are taken from it."""
        for ghost in shot.ghosts:
            self._add_gripper(scene, data, ghost)
        if shot.start is not None:
            self._add_start(scene, data, shot.start)

    def _add_gripper(self, scene: mujoco.MjvScene, data: mujoco.MjData, ghost: Ghost) -> None:
        if self._parts is None:
            return
        site = data.site(self._parts.tool_site[ghost.side])
        tool = Pose(site.xpos, quat_from_matrix(site.xmat.reshape(3, 3)))
        if ghost.look != "resting":
            self._light_up(scene, ghost.side)
        if not apart(ghost.pose, tool):
            return
        shift = (ghost.pose @ tool.inverse()).to_matrix()
        rotation, offset = shift[:3, :3], shift[:3, 3]
        rgba = np.array([*HAND_RGB[ghost.side], ALPHA[ghost.look]], dtype=np.float32)
        rgba[:3] *= _UNDER_LIGHT
        for piece in self._pieces[ghost.side]:
            position = rotation @ data.geom_xpos[piece.geom] + offset
            matrix = rotation @ data.geom_xmat[piece.geom].reshape(3, 3)
            _append(scene, piece.type, piece.size, position, matrix.ravel(), rgba, piece.dataid)

    def _light_up(self, scene: mujoco.MjvScene, side: Side) -> None:
        """Tint the gripper itself: the pointer is on it, or holds it."""
        tint = np.array([*HAND_RGB[side], 1.0], dtype=np.float32)
        for geom in scene.geoms[: scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.objid in self._skin[side]:
                geom.rgba = (1.0 - TINT) * geom.rgba + TINT * tint
                geom.emission = 0.25

    def _add_start(self, scene: mujoco.MjvScene, data: mujoco.MjData, start: FloatArray) -> None:
        model = self._model
        if self._start_data is None or self._start_scene is None:
            self._start_data = mujoco.MjData(model)
            self._start_scene = mujoco.MjvScene(model, 2000)
        if self._start is not start:
            mujoco.mj_setState(model, self._start_data, start, _STATE)
            mujoco.mj_kinematics(model, self._start_data)
            mujoco.mjv_updateScene(
                model,
                self._start_data,
                mujoco.MjvOption(),
                None,
                mujoco.MjvCamera(),
                mujoco.mjtCatBit.mjCAT_DYNAMIC,
                self._start_scene,
            )
            self._start = start
        rgba = np.array(START_RGBA, dtype=np.float32)
        for geom in self._start_scene.geoms[: self._start_scene.ngeom]:
            if geom.objtype != mujoco.mjtObj.mjOBJ_GEOM or _is_there(
                geom.pos, data.geom_xpos[geom.objid]
            ):
                continue
            matrix = np.asarray(geom.mat, dtype=np.float64).ravel()
            _append(scene, geom.type, geom.size, geom.pos, matrix, rgba, geom.dataid)


def _is_there(ghost: FloatArray, real: FloatArray) -> bool:
    """A thing that stands where its ghost does needs no ghost: within 4 mm."""
    return bool(np.linalg.norm(np.asarray(ghost, dtype=np.float64) - real) < 0.004)


def _gripper(model: mujoco.MjModel, body: str) -> tuple[_Piece, ...]:
    """The pieces of a gripper: its collision shapes, which are closed and plain, where it has any.
    The shapes that are seen have screws and slots, and see-through they are a heap of shards."""
    pieces = []
    solid = False
    for geom in sorted(_below(model, body)):
        collides = bool(model.geom_contype[geom] or model.geom_conaffinity[geom])
        seen = model.geom_group[geom] < _VISIBLE_GROUPS and model.geom_rgba[geom][3] > 0.0
        if not (collides or seen):
            continue
        mesh = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH
        # An MjvGeom names a mesh by twice its number; odd numbers are convex hulls.
        dataid = 2 * int(model.geom_dataid[geom]) if mesh else -1
        size = np.array(model.geom_size[geom])
        pieces.append((collides, _Piece(geom, int(model.geom_type[geom]), size, dataid)))
        solid = solid or collides
    return tuple(piece for collides, piece in pieces if collides == solid)


def _below(model: mujoco.MjModel, body: str) -> frozenset[int]:
    """Geoms on a body and on all that hang from it."""
    root = model.body(body).id
    found = []
    for geom in range(model.ngeom):
        owner = int(model.geom_bodyid[geom])
        while owner not in (root, 0):
            owner = int(model.body_parentid[owner])
        if owner == root:
            found.append(geom)
    return frozenset(found)


def apart(a: Pose, b: Pose) -> bool:
    """Whether two grippers would be drawn at visibly different poses: 4 mm or 4 degrees."""
    if float(((a.position - b.position) ** 2).sum()) > APART_M**2:
        return True
    return abs(float(a.quat @ b.quat)) < np.cos(np.deg2rad(2.0))


def _append(
    scene: mujoco.MjvScene,
    kind: int,
    size: FloatArray,
    position: FloatArray,
    matrix: FloatArray,
    rgba: np.ndarray,
    dataid: int,
) -> None:
    if scene.ngeom >= scene.maxgeom:
        return
    geom = scene.geoms[scene.ngeom]
    mujoco.mjv_initGeom(
        geom,
        kind,
        np.asarray(size, dtype=np.float64),
        np.asarray(position, dtype=np.float64),
        np.asarray(matrix, dtype=np.float64),
        rgba,
    )
    geom.dataid = dataid
    geom.category = mujoco.mjtCatBit.mjCAT_DECOR
    geom.emission = 0.3
    geom.specular = 0.0
    scene.ngeom += 1
