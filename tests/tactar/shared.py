"""Vectors and extrinsics that lie outside the repository, and strategies of the wire's values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from devices.pose import Pose, normalized
from devices.tactar.extrinsics import Extrinsics
from devices.tactar.wire import Controller, Post

# Beside the project's root; beside the folder of worktrees where the root is one of those.
_PLACES = [parent / "shared/data/tactar" for parent in Path(__file__).parents[3:5]]
DATA = next((place for place in _PLACES if place.is_dir()), _PLACES[0])
needs_data = pytest.mark.skipif(
    not (DATA / "wire_vectors.json").exists(), reason=f"the vectors are not at {DATA}"
)


def vectors() -> dict[str, Any]:
    path = DATA / "wire_vectors.json"
    loaded: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return loaded


def base(name: str) -> Extrinsics | None:
    """`T_base_world` of a named base of the vectors."""
    if name == "identity":
        return None
    side = name.removeprefix("v6_")
    path = DATA / f"calibration/world_to_{side}_robot_base_transform.json"
    return Extrinsics.from_matrix(json.loads(path.read_text()))


def _rounded(value: float) -> float:
    return float(str(np.float32(value)))


metres = st.floats(-100.0, 100.0, width=32)
points = st.tuples(metres, metres, metres).map(np.array)
quats = (
    st.tuples(*[st.floats(-1.0, 1.0)] * 4)
    .filter(lambda q: float(np.linalg.norm(q)) > 0.1)
    .map(lambda q: normalized(np.array(q)))
)
poses = st.builds(Pose, points, quats)
controllers = st.builds(
    Controller,
    points.map(lambda p: np.array([_rounded(x) for x in p])),
    quats.map(lambda q: np.array([_rounded(x) for x in q])),
    st.floats(0.0, 1.0).map(_rounded),
    st.tuples(*[st.booleans()] * 5),
)
posts = st.builds(
    Post,
    st.floats(0.0, 1e5).map(_rounded),
    controllers,
    controllers,
    st.none()
    | st.tuples(points, quats).map(
        lambda both: np.array([_rounded(x) for x in np.concatenate(both)])
    ),
)
