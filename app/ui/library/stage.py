"""The 3-D stage of a recorded episode: its own stored model, or one built again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mujoco

from app.ui.view3d.shot import RobotParts, Stage, StageSource
from datasets.dataset import Dataset
from devices import plugins
from devices.errors import TeledeckError
from devices.sim.build import build


def stage_source(
    root: Path, start: Mapping[str, Any]
) -> tuple[StageSource | None, RobotParts | None, str]:
    """How to draw an episode.

    Args:
        root: Folder of its dataset.
        start: Its start document.

    Returns:
        The source, the parts of its robot, and a sentence about what is not as recorded. Source
        and parts are None if there is nothing to draw; then the sentence says why.
    """
    robot_name, scene_name = start.get("robot"), start.get("scene")
    digest = start.get("model")
    if not digest and not (robot_name and scene_name):
        return None, None, "This episode has no 3-D model"
    parts, dresser, note = None, None, ""
    try:
        if robot_name:
            parts = RobotParts.of(plugins.load("robots", str(robot_name))())
        if scene_name:
            dresser = plugins.load("scenes", str(scene_name))()
    except TeledeckError as error:
        note = str(error)
    stored = Dataset.open(root).model_path(str(digest)) if digest else None
    if stored is not None and stored.is_file():

        def load(_: str) -> Stage:
            return Stage(mujoco.MjModel.from_binary_path(str(stored)), dresser, parts)

        return StageSource(("recorded", str(digest)), ("recorded",), load), parts, note
    if parts is None or dresser is None:
        missing = f"Its model {str(digest)[:8]} is not in the dataset" if digest else "No model"
        return None, None, f"{missing}. {note}".strip()

    def rebuild(_: str) -> Stage:
        return Stage(build(str(robot_name), str(scene_name), "reduced"), dresser, parts)

    note = "Model built again: not stored with the dataset"
    key = ("rebuilt", str(robot_name), str(scene_name))
    return StageSource(key, ("rebuilt",), rebuild), parts, note
