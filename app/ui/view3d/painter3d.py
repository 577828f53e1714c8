"""One MuJoCo picture: physics state in, pixels out. Needs a current OpenGL context."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import mujoco
import numpy as np
import numpy.typing as npt

from app.ui.view3d.ghosts import GhostMaker
from app.ui.view3d.quality import Quality
from app.ui.view3d.shot import Frame, Shot, Stage
from devices.leader import Side
from devices.pose import Pose, quat_from_matrix
from devices.sim.render import make_context
from devices.stream import FloatArray

MAX_GEOMS = 4000
_STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)

# Offsets of the samples of a still picture [px]: a Halton sequence in bases 2 and 3, so that any
# number of first samples covers the pixel evenly.
_JITTER = (
    (0.0, 0.0),
    (-0.25, 0.167),
    (0.25, -0.167),
    (-0.375, -0.389),
    (0.125, 0.389),
    (-0.125, -0.056),
    (0.375, 0.278),
    (-0.438, -0.278),
)
STILL_SAMPLES = len(_JITTER)


@dataclass
class _Still:
    """A picture that is being refined because nothing moves: the sum of its samples."""

    count: int
    total: npt.NDArray[np.uint16] | None

    def add(self, sample: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Take in one more sample and give the mean of all."""
        if self.total is None or self.total.shape != sample.shape:
            self.total, self.count = sample.astype(np.uint16), 1
            return sample
        self.total += sample
        self.count += 1
        return (self.total // self.count).astype(np.uint8)


class Painter3D:
    """Draws shots of one stage at one quality. Made, used and freed on one thread."""

    def __init__(self, stage: Stage, quality: Quality) -> None:
        model = stage.model
        self._stage = stage
        self._quality = quality
        self._data = mujoco.MjData(model)
        mujoco.mj_resetData(model, self._data)
        model.vis.quality.offsamples = quality.samples
        if not quality.shadows:
            model.vis.quality.shadowsize = 0
        model.vis.global_.offwidth, model.vis.global_.offheight = 16, 16
        self._context = make_context(model)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(model, MAX_GEOMS)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = int(quality.shadows)
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        self._ghosts = GhostMaker(model, stage.parts)
        self._size = (0, 0)
        self._flat = np.empty((1, 1, 3), np.uint8)
        self._still: _Still | None = None
        self._last: Shot | None = None

    def close(self) -> None:
        """Free what OpenGL holds. The context must be current."""
        self._context.free()

    @property
    def quality(self) -> Quality:
        return self._quality

    @property
    def refining(self) -> bool:
        """Whether the last picture was one of a thing at rest."""
        return self._still is not None

    def rescale(self, quality: Quality) -> None:
        """Another resolution; detail, samples and shadows need a new painter."""
        self._quality = quality
        self._last = None

    def paint(self, shot: Shot) -> Frame | None:
        """Draw a shot, or None when the last picture already is as good as it gets.

        While nothing moves, each call adds one sample between the pixels in full resolution, so
        that a resting picture is sharp and smooth even where moving ones cannot afford it.
        """
        rests = self._rests(shot)
        if not rests:
            self._still = None
            self._pose(shot)
        elif self._still is None:
            self._still = _Still(0, None)
        elif self._still.count >= STILL_SAMPLES:
            return None
        self._last = shot
        if self._still is None:
            self._draw(shot, _JITTER[0], self._quality.scale)
            return self._frame(shot, self._flat)
        self._draw(shot, _JITTER[self._still.count], 1.0)
        return self._frame(shot, self._still.add(self._flat))

    # --------------------------------------------------------------------------------- inside
    def _rests(self, shot: Shot) -> bool:
        last = self._last
        if last is None:
            return False
        return (
            (shot.viewpoint, shot.width, shot.height) == (last.viewpoint, last.width, last.height)
            and same_pose(shot.state, last.state, self._stage.model)
            and shot.start is last.start
            and len(shot.ghosts) == len(last.ghosts)
            and all(
                a.look == b.look
                and np.allclose(a.pose.to_array(), b.pose.to_array(), rtol=0.0, atol=2e-4)
                for a, b in zip(shot.ghosts, last.ghosts, strict=True)
            )
        )

    def _pose(self, shot: Shot) -> None:
        model, data = self._stage.model, self._data
        if shot.state is not None:
            mujoco.mj_setState(model, data, shot.state, _STATE)
        mujoco.mj_forwardSkip(model, data, mujoco.mjtStage.mjSTAGE_NONE, 1)
        if self._stage.dresser is not None:
            self._stage.dresser.dress(model, data)

    def _draw(self, shot: Shot, jitter: tuple[float, float], scale: float) -> None:
        model, scene, view = self._stage.model, self._scene, shot.viewpoint
        width = max(16, round(shot.width * scale))
        height = max(16, round(shot.height * scale))
        if (width, height) != self._size:
            mujoco.mjr_resizeOffscreen(width, height, self._context)
            self._size = (width, height)
            self._flat = np.empty((height, width, 3), np.uint8)
        model.vis.global_.fovy = view.fovy
        self._camera.lookat[:] = view.lookat
        self._camera.distance = view.distance
        self._camera.azimuth = view.azimuth
        self._camera.elevation = view.elevation
        mujoco.mjv_updateScene(
            model,
            self._data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            scene,
        )
        self._ghosts.add(scene, self._data, shot)
        for camera in scene.camera:
            pixel = (camera.frustum_top - camera.frustum_bottom) / height
            camera.frustum_center += jitter[0] * pixel
            camera.frustum_top += jitter[1] * pixel
            camera.frustum_bottom += jitter[1] * pixel
        rect = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(rect, scene, self._context)
        mujoco.mjr_readPixels(self._flat, None, rect, self._context)

    def _frame(self, shot: Shot, rgb: npt.NDArray[np.uint8]) -> Frame:
        pixels = cv2.cvtColor(cv2.flip(rgb, 0), cv2.COLOR_RGB2BGRA)
        if pixels.shape[:2] != (shot.height, shot.width):
            pixels = cv2.resize(pixels, (shot.width, shot.height), interpolation=cv2.INTER_LINEAR)
        tools: dict[Side, Pose] = {}
        pads: dict[str, Pose] = {}
        if self._stage.parts is not None:
            parts = self._stage.parts
            tools = {side: self._site(name) for side, name in parts.tool_site.items()}
            pads = {pad: self._site(name) for pad, name in parts.pad_site.items()}
        points, forces = self._contacts()
        return Frame(
            pixels=np.ascontiguousarray(pixels, dtype=np.uint8),
            viewpoint=shot.viewpoint,
            tools=tools,
            pads=pads,
            contact_points=points,
            contact_forces=forces,
        )

    def _site(self, name: str) -> Pose:
        site = self._data.site(name)
        return Pose(site.xpos, quat_from_matrix(site.xmat.reshape(3, 3)))

    def _contacts(self) -> tuple[FloatArray, FloatArray]:
        """Contact points [m] (n, 3) and their normal forces [N] (n,), pressing ones only."""
        data = self._data
        active = np.flatnonzero(data.contact.efc_address >= 0) if data.ncon else np.zeros(0, int)
        wrench = np.zeros(6)
        points, forces = [], []
        for index in active:
            mujoco.mj_contactForce(self._stage.model, data, int(index), wrench)
            if wrench[0] > 0.02:
                points.append(np.array(data.contact.pos[index]))
                forces.append(float(wrench[0]))
        return np.array(points).reshape(-1, 3), np.array(forces)


def same_pose(
    a: FloatArray | None, b: FloatArray | None, model: mujoco.MjModel, tolerance: float = 2e-4
) -> bool:
    """Whether two state vectors would look the same: positions within `tolerance` [m, rad] and
    the same scene memory (userdata). Speeds, controls and time do not count."""
    if a is None or b is None:
        return a is b
    # Parts come in the order of their mjtState bits: qpos right after time.
    positions = slice(1, 1 + model.nq)
    if np.abs(a[positions] - b[positions]).max(initial=0.0) > tolerance:
        return False
    if not model.nuserdata:
        return True
    at = sum(
        mujoco.mj_stateSize(model, 1 << bit)
        for bit in range(int(mujoco.mjtState.mjSTATE_USERDATA).bit_length() - 1)
        if (1 << bit) & _STATE
    )
    memory = slice(at, at + model.nuserdata)
    return bool(np.array_equal(a[memory], b[memory]))
