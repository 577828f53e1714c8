"""Minimum-jerk strokes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.operators.motion import Stroke, minimum_jerk
from devices.pose import Pose, quat_from_rotvec

coordinates = st.tuples(*[st.floats(-0.5, 0.5)] * 3).map(np.array)
poses = st.builds(
    lambda position, turn: Pose(position, quat_from_rotvec(turn)), coordinates, coordinates
)


@settings(deadline=None)
@given(st.floats(-1, 2), st.floats(-1, 2))
def test_it_only_goes_forward(a: float, b: float) -> None:
    assert minimum_jerk(min(a, b)) <= minimum_jerk(max(a, b)) + 1e-15
    assert minimum_jerk(0) == 0 and minimum_jerk(1) == 1


@settings(deadline=None)  # a busy machine is no fault of the stroke
@given(poses, poses, st.floats(0.05, 0.25))
def test_a_stroke_joins_its_ends_within_its_speed(start: Pose, goal: Pose, speed: float) -> None:
    stroke = Stroke.at_speed(start, goal, speed, 1.0)
    np.testing.assert_allclose(stroke.at(0.0).position, start.position, atol=1e-12)
    np.testing.assert_allclose(stroke.at(stroke.duration_s).position, goal.position, atol=1e-12)
    np.testing.assert_allclose(
        np.abs(stroke.at(stroke.duration_s).quat @ goal.quat), 1.0, atol=1e-9
    )
    times = np.linspace(0, stroke.duration_s, 50)
    path = np.array([stroke.at(t).position for t in times])
    speeds = np.linalg.norm(np.diff(path, axis=0), axis=1) / np.diff(times)
    assert speeds.max() <= speed * 1.001
