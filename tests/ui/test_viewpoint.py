"""Projection, rays and the motions of the eye."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.view3d.viewpoint import MAX_DISTANCE, MIN_DISTANCE, NEAR, PRESETS, Viewpoint
from app.ui.view_actions import VIEWS

SIZE = (1280.0, 800.0)
small = st.floats(-0.5, 0.5)
pixels = st.floats(-300.0, 300.0)


@st.composite
def viewpoints(draw: st.DrawFn) -> Viewpoint:
    return Viewpoint(
        lookat=(draw(small), draw(small), draw(small)),
        distance=draw(st.floats(0.3, 4.0)),
        azimuth=draw(st.floats(-179.0, 180.0)),
        elevation=draw(st.floats(-88.0, 88.0)),
        fovy=draw(st.floats(20.0, 80.0)),
    )


@given(viewpoints())
def test_axes_are_a_right_handed_frame(view: Viewpoint) -> None:
    right, up, forward = view.axes
    np.testing.assert_allclose(view.axes @ view.axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.cross(right, up), -forward, atol=1e-12)
    assert abs(right[2]) < 1e-12  # the horizon is level


@given(viewpoints())
def test_what_is_looked_at_is_in_the_middle(view: Viewpoint) -> None:
    x, y, depth = view.project(np.array(view.lookat), *SIZE)
    assert (x, y, depth) == pytest.approx((SIZE[0] / 2, SIZE[1] / 2, view.distance))


@given(viewpoints(), st.floats(0, SIZE[0]), st.floats(0, SIZE[1]), st.floats(0.1, 5.0))
def test_a_ray_goes_through_its_pixel(view: Viewpoint, x: float, y: float, far: float) -> None:
    point = view.eye + far * view.ray(x, y, *SIZE)
    assert view.project(point, *SIZE)[:2] == pytest.approx((x, y), abs=1e-6)


@given(viewpoints())
def test_points_behind_the_eye_say_so(view: Viewpoint) -> None:
    behind = view.eye - 0.5 * view.axes[2]
    assert view.project(behind, *SIZE)[2] < NEAR


@given(viewpoints(), pixels, pixels)
def test_orbit_keeps_the_middle_and_the_distance(view: Viewpoint, dx: float, dy: float) -> None:
    turned = view.orbit(dx, dy)
    assert turned.lookat == view.lookat
    assert np.linalg.norm(turned.eye - np.array(turned.lookat)) == pytest.approx(view.distance)
    assert -89.0 <= turned.elevation <= 89.0
    assert -180.0 < turned.azimuth <= 180.0


@given(viewpoints(), pixels, pixels)
def test_pan_carries_the_thing_under_the_pointer(view: Viewpoint, dx: float, dy: float) -> None:
    before = np.array(view.lookat)
    moved = view.pan(dx, dy, SIZE[1])
    x, y, _ = moved.project(before, *SIZE)
    assert (x, y) == pytest.approx((SIZE[0] / 2 + dx, SIZE[1] / 2 + dy), abs=1e-6)


@given(viewpoints(), st.floats(-200.0, 200.0))
def test_zoom_stays_within_reach(view: Viewpoint, notches: float) -> None:
    assert MIN_DISTANCE <= view.zoom(notches).distance <= MAX_DISTANCE
    assert (view.zoom(1.0).distance < view.distance) or view.distance <= MIN_DISTANCE


@given(viewpoints(), viewpoints(), st.floats(0.0, 1.0))
def test_glide_begins_here_ends_there_and_takes_the_short_way(
    a: Viewpoint, b: Viewpoint, s: float
) -> None:
    np.testing.assert_allclose(a.towards(b, 0.0).eye, a.eye, atol=1e-9)
    np.testing.assert_allclose(a.towards(b, 1.0).eye, b.eye, atol=1e-9)
    turn = abs((a.towards(b, s).azimuth - a.azimuth + 180.0) % 360.0 - 180.0)
    assert turn <= 180.0 * s + 1e-6


def test_there_is_a_preset_for_every_view_of_the_action_table() -> None:
    assert set(PRESETS) == set(VIEWS)


def test_mujoco_sees_what_we_project() -> None:
    """MuJoCo's own camera frame of the same free camera agrees with ours."""
    import mujoco

    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><geom size='.1'/></worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    scene, camera = mujoco.MjvScene(model, 10), mujoco.MjvCamera()
    for view in PRESETS.values():
        camera.lookat[:] = view.lookat
        camera.distance, camera.azimuth = view.distance, view.azimuth
        camera.elevation = view.elevation
        mujoco.mjv_updateCamera(model, data, camera, scene)
        eye = (np.array(scene.camera[0].pos) + np.array(scene.camera[1].pos)) / 2
        np.testing.assert_allclose(eye, view.eye, atol=1e-4)
        np.testing.assert_allclose(scene.camera[0].forward, view.axes[2], atol=1e-5)
        np.testing.assert_allclose(scene.camera[0].up, view.axes[1], atol=1e-5)
