"""Pictures of a model: they show it, they rest when it rests, ghosts appear in them."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np
import pytest
from PyQt6.QtGui import QOffscreenSurface, QOpenGLContext
from PyQt6.QtWidgets import QApplication

from app.ui.view3d.painter3d import STILL_SAMPLES, Painter3D, same_pose
from app.ui.view3d.quality import Quality
from app.ui.view3d.shot import Shot, Stage
from app.ui.view3d.viewpoint import Viewpoint

pytestmark = pytest.mark.gl

XML = """
<mujoco>
  <size nuserdata="2"/>
  <visual><headlight ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"/></visual>
  <worldbody>
    <body name="ball"><freejoint/><geom size="0.2" rgba="1 0 0 1"/></body>
  </worldbody>
</mujoco>
"""
STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)
VIEW = Viewpoint(lookat=(0.0, 0.0, 0.0), distance=2.0, azimuth=0.0, elevation=0.0)


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(XML)


@pytest.fixture
def painter(qapp: QApplication, model: mujoco.MjModel) -> Iterator[Painter3D]:
    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    assert context.create()
    assert context.makeCurrent(surface)
    made = Painter3D(Stage(model), Quality("only", scale=0.5, samples=0, shadows=False))
    yield made
    made.close()
    context.doneCurrent()


def state(model: mujoco.MjModel, y: float, memory: float = 0.0) -> np.ndarray:
    data = mujoco.MjData(model)
    data.qpos[1] = y
    data.userdata[0] = memory
    vector = np.empty(mujoco.mj_stateSize(model, STATE))
    mujoco.mj_getState(model, data, vector, STATE)
    return vector


def redness(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., 2].astype(int) - pixels[..., 1]


def test_the_picture_is_the_right_way_up_and_round(painter: Painter3D, model) -> None:  # type: ignore[no-untyped-def]
    frame = painter.paint(Shot(VIEW, 160, 120, state(model, 0.3)))
    assert frame is not None
    assert frame.pixels.shape == (120, 160, 4)
    _, columns = np.nonzero(redness(frame.pixels) > 100)
    x = VIEW.project(np.array([0.0, 0.3, 0.0]), 160, 120)[0]
    assert abs(columns.mean() - x) < 3  # +y is left when one looks along +x
    high = painter.paint(Shot(Viewpoint((0, 0, -0.3), 2.0, 0.0, 0.0), 160, 120, state(model, 0.0)))
    assert high is not None
    rows, _ = np.nonzero(redness(high.pixels) > 100)
    assert rows.mean() < 60


def test_a_resting_picture_is_refined_and_then_left_alone(painter: Painter3D, model) -> None:  # type: ignore[no-untyped-def]
    rest = state(model, 0.0)
    moving = painter.paint(Shot(VIEW, 160, 120, rest))
    frames = [painter.paint(Shot(VIEW, 160, 120, rest)) for _ in range(STILL_SAMPLES + 3)]
    assert moving is not None
    assert all(frame is not None for frame in frames[:STILL_SAMPLES])
    assert frames[STILL_SAMPLES:] == [None] * 3
    best = frames[STILL_SAMPLES - 1]
    assert best is not None
    shades = len(np.unique(best.pixels[..., 2]))
    first = frames[0]
    assert first is not None
    assert shades > len(np.unique(first.pixels[..., 2]))  # edges have become smooth
    assert painter.paint(Shot(VIEW, 160, 120, state(model, 0.1))) is not None


def test_another_size_or_viewpoint_is_a_new_picture(painter: Painter3D, model) -> None:  # type: ignore[no-untyped-def]
    rest = state(model, 0.0)
    for _ in range(STILL_SAMPLES + 1):
        painter.paint(Shot(VIEW, 160, 120, rest))
    assert painter.paint(Shot(VIEW, 160, 120, rest)) is None
    assert painter.paint(Shot(VIEW.orbit(5, 0), 160, 120, rest)) is not None
    larger = painter.paint(Shot(VIEW, 301, 77, rest))
    assert larger is not None
    assert larger.pixels.shape == (77, 301, 4)


def test_scene_memory_counts_as_motion_and_speed_does_not(model: mujoco.MjModel) -> None:
    rest = state(model, 0.0)
    moved = rest.copy()
    moved[0] += 1.0  # time
    assert same_pose(rest, moved, model)
    assert not same_pose(rest, state(model, 0.001), model)
    assert not same_pose(rest, state(model, 0.0, memory=1.0), model)
    assert not same_pose(rest, None, model)


def test_a_start_ghost_shows_only_where_things_have_moved(painter: Painter3D, model) -> None:  # type: ignore[no-untyped-def]
    here, start = state(model, 0.4), state(model, -0.4)
    plain = painter.paint(Shot(VIEW, 160, 120, here))
    ghosted = painter.paint(Shot(VIEW, 160, 120, here, start=start))
    same = painter.paint(Shot(VIEW, 160, 120, here, start=here.copy()))
    assert plain is not None and ghosted is not None and same is not None
    x, y, _ = VIEW.project(np.array([0.0, -0.4, 0.0]), 160, 120)
    there = (round(y), round(x))
    assert np.abs(ghosted.pixels[there].astype(int) - plain.pixels[there]).max() > 10
    assert np.abs(same.pixels[there].astype(int) - plain.pixels[there]).max() < 3
