"""Off-screen cameras."""

from __future__ import annotations

import os
from collections.abc import Iterator

import mujoco
import numpy as np
import numpy.typing as npt
import pytest

from devices.errors import ConfigError, DeviceError
from devices.sim.build import build
from devices.sim.render import (
    CameraRenderer,
    OffscreenContext,
    detail_for,
    is_software,
    make_context,
)

from .conftest import WorldMaker

pytestmark = pytest.mark.gl

needs_gl = pytest.mark.skipif(
    os.environ.get("MUJOCO_GL") not in ("egl", "osmesa") and not os.environ.get("DISPLAY"),
    reason="no off-screen OpenGL: set MUJOCO_GL=egl",
)


@pytest.fixture
def renderer() -> Iterator[CameraRenderer]:
    model = build("openarm_v2", "drawer", "minimal")
    with CameraRenderer(model, 160, 120, "minimal") as renderer:
        yield renderer


def test_software_renderers_are_known_by_name() -> None:
    assert is_software("llvmpipe (LLVM 15.0.6, 256 bits)") and is_software("softpipe")
    assert not is_software("NVIDIA GeForce RTX 4090/PCIe/SSE2")
    assert detail_for("llvmpipe")[0] == "reduced" and "llvmpipe" in detail_for("llvmpipe")[1]
    assert detail_for("Mesa Intel(R) UHD")[0] == "full"


@needs_gl
def test_pictures_are_rgb_with_the_top_row_first(
    renderer: CameraRenderer, make_world: WorldMaker
) -> None:
    state = make_world("drawer").state_vector()
    pictures = renderer.render(state, ["front", "wrist_left", "wrist_right"])
    assert set(pictures) == {"front", "wrist_left", "wrist_right"}
    for picture in pictures.values():
        assert picture.shape == (120, 160, 3) and picture.dtype == np.uint8
        assert not picture.flags.writeable
        assert picture.std() > 10, "something must be seen"
    # The wooden table is below and warm, the room above and cool.
    front = pictures["front"].astype(float)
    warmth = front[..., 0] - front[..., 2]
    assert warmth[-20:].mean() > warmth[:20].mean() + 15
    assert renderer.ms_per_frame > 0
    assert "minimal" in renderer.note and "160 x 120" in renderer.note


@needs_gl
def test_a_picture_is_of_its_state(renderer: CameraRenderer, make_world: WorldMaker) -> None:
    world = make_world("drawer")
    states = [world.state_vector()]
    world.reset(7)
    states.append(world.state_vector())
    first, second = (renderer.render(s, ["front"])["front"] for s in states)
    again = renderer.render(states[0], ["front"])["front"]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


@needs_gl
def test_bad_requests_say_what_would_do(renderer: CameraRenderer, make_world: WorldMaker) -> None:
    state = make_world("drawer").state_vector()
    with pytest.raises(ConfigError, match="front"):
        renderer.render(state, ["back"])
    with pytest.raises(DeviceError, match="state of shape"):
        renderer.render(state[:-1], ["front"])
    renderer.close()
    renderer.close()
    with pytest.raises(DeviceError, match="closed"):
        renderer.render(state, ["front"])


@needs_gl
def test_uploading_piece_by_piece_draws_the_same() -> None:
    model = build("openarm_v2", "drawer", "minimal")
    model.vis.global_.offwidth, model.vis.global_.offheight = 160, 120
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = mujoco.MjvCamera()
    camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera("front").id
    scene = mujoco.MjvScene(model, maxgeom=2000)
    mujoco.mjv_updateScene(
        model, data, mujoco.MjvOption(), None, camera, mujoco.mjtCatBit.mjCAT_ALL.value, scene
    )

    def picture(context: mujoco.MjrContext) -> npt.NDArray[np.uint8]:
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
        drawn = np.empty((120, 160, 3), np.uint8)
        rect = mujoco.MjrRect(0, 0, 160, 120)
        mujoco.mjr_render(rect, scene, context)
        mujoco.mjr_readPixels(drawn, None, rect, context)
        context.free()
        return drawn

    gl = OffscreenContext()
    try:
        whole = picture(mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value))
        before = [np.array(a) for a in (model.mesh_facenum, model.tex_width, model.tex_height)]
        pieces = picture(make_context(model))
        after = (model.mesh_facenum, model.tex_width, model.tex_height, model.mesh_graphadr)
    finally:
        gl.close()
    assert np.array_equal(whole, pieces) and whole.std() > 10
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=False))
