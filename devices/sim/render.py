"""Simulated cameras: pictures of the world's state, drawn off screen."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from devices.errors import ConfigError, DeviceError
from devices.sim.detail import QUALITY, Detail
from devices.stream import FloatArray

STATE = mujoco.mjtState.mjSTATE_INTEGRATION
SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swrast", "software", "swiftshader")
_MS_WINDOW = 30  # frames


def is_software(renderer: str) -> bool:
    """Whether an OpenGL renderer string names a software rasteriser."""
    return any(word in renderer.lower() for word in SOFTWARE_RENDERERS)


def detail_for(renderer: str) -> tuple[Detail, str]:
    """Detail level that suits an OpenGL renderer, and a sentence that says so."""
    if is_software(renderer):
        return "reduced", (
            f"No GPU ({renderer}): robots are drawn with fewer triangles, without shadows and "
            "without smoothed edges, so that the pictures stay fluid."
        )
    return "full", f"Drawn in full detail on {renderer}."


class OffscreenContext:
    """An OpenGL context without a window. Usable on the thread that made it.

    Raises:
        DeviceError: When this machine can draw nothing off screen.
    """

    def __init__(self) -> None:
        try:
            context_type = mujoco.GLContext
            self._context: Any = context_type(64, 64)
            self._context.make_current()
            from OpenGL import GL

            told = GL.glGetString(GL.GL_RENDERER)
        except Exception as error:
            raise DeviceError(
                f"This machine cannot draw off screen: {type(error).__name__}: {error}",
                next_step="Install Mesa's EGL (apt-get install libegl1 libgl1-mesa-dri) and set "
                "MUJOCO_GL=egl before the program starts",
            ) from error
        self.renderer: str = told.decode() if isinstance(told, bytes) else str(told)

    def close(self) -> None:
        """Free the context. Idempotent."""
        if self._context is not None:
            self._context.free()
            self._context = None


def gl_renderer() -> str:
    """Name of this machine's off-screen OpenGL renderer. Raises DeviceError when there is none."""
    context = OffscreenContext()
    try:
        return context.renderer
    finally:
        context.close()


def make_context(model: mujoco.MjModel) -> mujoco.MjrContext:
    """MuJoCo's OpenGL objects of a model, in the context that is current.

    MuJoCo's own constructor holds Python's lock until everything is uploaded, up to a quarter of a
    second in which a window hangs. Uploading meshes and textures one by one does not; so it is
    first told of meshes without faces and textures of one pixel.
    """
    faces, hulls = model.mesh_facenum.copy(), model.mesh_graphadr.copy()
    widths, heights = model.tex_width.copy(), model.tex_height.copy()
    model.mesh_facenum[:], model.mesh_graphadr[:] = 0, -1
    model.tex_width[:], model.tex_height[:] = 1, np.where(heights == 6 * widths, 6, 1)
    try:
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
    finally:
        model.mesh_facenum[:], model.mesh_graphadr[:] = faces, hulls
        model.tex_width[:], model.tex_height[:] = widths, heights
    for mesh in range(model.nmesh):
        mujoco.mjr_uploadMesh(model, context, mesh)
    for texture in range(model.ntex):
        mujoco.mjr_uploadTexture(model, context, texture)
    return context


class CameraRenderer:
    """Draws named cameras of a model from physics states. Lives on one thread.

    Args:
        model: From `devices.sim.build.build`, at the same detail level.
        width, height: Size of the pictures [px].
        detail: The level the model was built at; sets shadows and multisampling.
        dress: `Scene.dress`, which shows ink, cuts and cracks of a state.

    Attributes:
        renderer: What OpenGL says it is.
        note: A sentence on how pictures are drawn here, for the screen and the episode.
        detail: The level in use.

    Raises:
        DeviceError: When this machine can draw nothing off screen, or not at this size.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        width: int,
        height: int,
        detail: Detail,
        *,
        dress: Callable[[mujoco.MjModel, mujoco.MjData], None] | None = None,
    ) -> None:
        self.width, self.height, self.detail = width, height, detail
        self._model = model
        self._data = mujoco.MjData(model)
        self._dress = dress
        self._size = mujoco.mj_stateSize(model, STATE)
        self._gl = OffscreenContext()
        self.renderer = self._gl.renderer
        quality = QUALITY[detail]
        self.note = (
            f"{width} x {height} at {detail} detail on {self.renderer}"
            f"{'' if quality.shadows else ', no shadows'}"
            f"{'' if quality.samples else ', no multisampling'}"
        )
        if is_software(self.renderer) and detail == "full":
            self.note += " (no GPU: choose detail 'reduced' for fluid pictures)"
        visual = model.vis.global_
        # Exactly as large as the pictures: clearing a larger buffer takes time for nothing.
        visual.offwidth, visual.offheight = width, height
        model.vis.quality.offsamples = quality.samples
        self._view = mujoco.MjvScene(model, maxgeom=2000)
        self._view.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = quality.shadows
        self._view.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = quality.shadows
        self._option = mujoco.MjvOption()
        self._option.sitegroup[:] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._context: mujoco.MjrContext | None = make_context(model)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._ms: deque[float] = deque(maxlen=_MS_WINDOW)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the model's cameras."""
        return tuple(self._model.camera(i).name for i in range(self._model.ncam))

    @property
    def ms_per_frame(self) -> float:
        """Median time of one picture of the last few [ms]; NaN before the first."""
        return float(np.median(self._ms)) if self._ms else float("nan")

    def render(self, state: FloatArray, cameras: Iterable[str]) -> dict[str, npt.NDArray[np.uint8]]:
        """Pictures of one physics state.

        Args:
            state: `World.state_vector()`, shape (state_size,).
            cameras: Names of cameras.

        Returns:
            Per camera RGB, shape (height, width, 3), top row first, read-only.

        Raises:
            ConfigError: For an unknown camera.
            DeviceError: For a state of another model, or after `close`.
        """
        self._pose(state)
        return {name: self._draw(name) for name in cameras}

    def _pose(self, state: FloatArray) -> None:
        if np.shape(state) != (self._size,):
            raise DeviceError(
                f"A state of shape {np.shape(state)} does not fit this model",
                allowed=[(self._size,)],
            )
        model, data = self._model, self._data
        mujoco.mj_setState(model, data, np.asarray(state, dtype=np.float64), STATE)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_camlight(model, data)
        if self._dress is not None:
            self._dress(model, data)

    def _draw(self, name: str) -> npt.NDArray[np.uint8]:
        if self._context is None:
            raise DeviceError("This camera renderer is closed")
        start = time.perf_counter()
        camera = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, name)
        if camera < 0:
            raise ConfigError(f"Unknown camera '{name}'", allowed=self.cameras)
        self._camera.fixedcamid = camera
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._view,
        )
        mujoco.mjr_render(self._rect, self._view, self._context)
        picture = np.empty((self.height, self.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(picture, None, self._rect, self._context)
        picture = np.ascontiguousarray(picture[::-1])
        picture.flags.writeable = False
        self._ms.append((time.perf_counter() - start) * 1e3)
        return picture

    def close(self) -> None:
        """Free all OpenGL resources. Idempotent, callable in any state."""
        if self._context is not None:
            self._context.free()
            self._context = None
        self._gl.close()

    def __enter__(self) -> CameraRenderer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
