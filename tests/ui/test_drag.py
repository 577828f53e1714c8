"""Picking and dragging a gripper: what is dragged follows the pointer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.ui.view3d import drag
from app.ui.view3d.drag import ARROW_PX, Grip, Step
from app.ui.view3d.viewpoint import Viewpoint
from devices.leader import Side
from devices.pose import Pose, matrix_from_quat, quat_from_rotvec

W, H = 1280.0, 800.0
VIEW = Viewpoint()
step_px = st.floats(-60.0, 60.0)
angles = st.floats(-3.0, 3.0)


@st.composite
def tools(draw: st.DrawFn) -> Pose:
    position = [draw(st.floats(0.2, 0.6)), draw(st.floats(-0.3, 0.3)), draw(st.floats(0.42, 0.7))]
    return Pose(np.array(position), quat_from_rotvec(np.array([draw(angles) for _ in range(3)])))


def moved(tool: Pose, step: Step) -> Pose:
    return Pose(
        tool.position + step.move, (Pose(np.zeros(3), quat_from_rotvec(step.turn)) @ tool).quat
    )


@given(tools(), step_px, step_px)
def test_a_plane_drag_keeps_the_tool_under_the_pointer(tool: Pose, dx: float, dy: float) -> None:
    before = VIEW.project(tool.position, W, H)
    step = drag.plane_step(VIEW, float(before[2]), dx, dy, H)
    after = VIEW.project(tool.position + step.move, W, H)
    assert after == pytest.approx((before[0] + dx, before[1] + dy, before[2]), abs=1e-6)
    assert not step.turn.any()


@given(tools(), step_px)
def test_up_is_away_in_a_depth_drag(tool: Pose, dy: float) -> None:
    before = VIEW.project(tool.position, W, H)
    step = drag.depth_step(VIEW, float(before[2]), dy, H)
    after = VIEW.project(tool.position + step.move, W, H)
    assert np.sign(after[2] - before[2]) == np.sign(-dy) or abs(dy) < 1e-9


@given(tools(), st.sampled_from("xyz"), step_px, step_px)
def test_an_arrow_drag_moves_along_its_axis_only(
    tool: Pose, axis: str, dx: float, dy: float
) -> None:
    part = f"move_{axis}"
    step = drag.axis_step(VIEW, tool, part, (0.0, 0.0), dx, dy, W, H)  # type: ignore[arg-type]
    direction = matrix_from_quat(tool.quat)[:, "xyz".index(axis)]
    assert np.linalg.norm(np.cross(step.move, direction)) < 1e-9
    # The picture of the tool never goes further than the pointer went (perspective: 20 %).
    before, after = (VIEW.project(p, W, H)[:2] for p in (tool.position, tool.position + step.move))
    assert np.linalg.norm(after - before) <= 1.2 * np.hypot(dx, dy) + 1.0


@given(tools(), st.sampled_from("xyz"))
def test_an_arrow_follows_the_pointer_along_its_picture(tool: Pose, axis: str) -> None:
    marks = drag.handles(VIEW, tool, W, H)
    assert marks is not None
    along = marks.tips["xyz".index(axis)] - marks.centre[:2]
    assume(np.linalg.norm(along) > 0.5 * ARROW_PX)
    unit = along / np.linalg.norm(along)
    step = drag.axis_step(VIEW, tool, f"move_{axis}", (0, 0), *(4.0 * unit), W, H)  # type: ignore[arg-type]
    before, after = (VIEW.project(p, W, H)[:2] for p in (tool.position, tool.position + step.move))
    np.testing.assert_allclose(after - before, 4.0 * unit, atol=0.35)


@given(tools(), st.sampled_from("xyz"), st.integers(0, drag.RING_POINTS - 1), step_px, step_px)
def test_a_ring_turns_about_its_axis_only(
    tool: Pose, axis: str, point: int, dx: float, dy: float
) -> None:
    marks = drag.handles(VIEW, tool, W, H)
    assert marks is not None
    at = marks.rings["xyz".index(axis)][point]
    step = drag.axis_step(VIEW, tool, f"turn_{axis}", tuple(at), dx, dy, W, H)  # type: ignore[arg-type]
    direction = matrix_from_quat(tool.quat)[:, "xyz".index(axis)]
    assert not step.move.any()
    assert np.linalg.norm(np.cross(step.turn, direction)) < 1e-9


def test_a_ring_follows_the_pointer() -> None:
    """Pushing the nearest point of a ring to the right carries that point to the right."""
    tool = Pose(np.array([0.4, 0.0, 0.5]), np.array([1.0, 0.0, 0.0, 0.0]))
    marks = drag.handles(VIEW, tool, W, H)
    assert marks is not None
    lowest = marks.rings[2][np.argmax(marks.rings[2][:, 1])]
    step = drag.axis_step(VIEW, tool, "turn_z", tuple(lowest), 5.0, 0.0, W, H)
    # The point that faces us moves right when the tool turns counter-clockwise seen from above.
    assert step.turn[2] > 0


@given(step_px, step_px)
def test_the_trackball_carries_its_front_with_the_pointer(dx: float, dy: float) -> None:
    assume(np.hypot(dx, dy) > 1.0)
    step = drag.trackball_step(VIEW, dx, dy)
    right, up, forward = VIEW.axes
    front = np.cross(step.turn, -forward)
    assert front @ right == pytest.approx(drag.TURN_PER_PX * dx)
    assert front @ up == pytest.approx(-drag.TURN_PER_PX * dy)


@given(tools(), tools())
def test_the_pointer_on_a_gripper_finds_it(left: Pose, right: Pose) -> None:
    hands: dict[Side, Pose] = {"left": left, "right": right}
    for side in hands:
        x, y, _ = VIEW.project(hands[side].position, W, H)
        found = drag.pick(VIEW, hands, x, y, W, H)
        assert found is not None
        assert found.part == "body"
        # The other one may lie at the same place; it may not be farther.
        other = VIEW.project(hands[found.side].position, W, H)
        assert np.hypot(other[0] - x, other[1] - y) < 1e-6


def test_handles_can_be_taken_only_where_they_are_shown() -> None:
    tool = Pose(np.array([0.4, 0.0, 0.5]), quat_from_rotvec(np.array([0.3, 0.2, 0.1])))
    hands: dict[Side, Pose] = {"right": tool}
    marks = drag.handles(VIEW, tool, W, H)
    assert marks is not None
    for axis, (x, y) in enumerate(marks.tips):
        assert drag.pick(VIEW, hands, x, y, W, H, "left") in (None, Grip("right", "body"))
        found = drag.pick(VIEW, hands, x, y, W, H, "right")
        assert found is not None
        assert found.part in (f"move_{'xyz'[axis]}", "body")
    assert drag.pick(VIEW, hands, 5.0, 5.0, W, H, "right") is None


def test_nothing_is_found_behind_the_eye() -> None:
    behind = Pose(VIEW.eye - VIEW.axes[2], np.array([1.0, 0.0, 0.0, 0.0]))
    assert drag.pick(VIEW, {"left": behind}, W / 2, H / 2, W, H, "left") is None


@given(tools(), st.lists(st.tuples(step_px, step_px), min_size=1, max_size=8))
def test_drags_there_and_back_come_home(tool: Pose, path: list[tuple[float, float]]) -> None:
    depth = float(VIEW.project(tool.position, W, H)[2])
    at = tool
    for dx, dy in [*path, *((-x, -y) for x, y in reversed(path))]:
        at = moved(at, drag.plane_step(VIEW, depth, dx, dy, H))
    np.testing.assert_allclose(at.position, tool.position, atol=1e-9)
