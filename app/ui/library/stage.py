"""The 3-D stage of a recorded episode: its own stored model, or one built again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mujoco

from app.ui.view3d.shot import Dresser, RobotParts, Stage, StageSource
from datasets.dataset import Dataset
from devices import plugins
from devices.errors import TeledeckError
from devices.sim.build import build


class Stages:
    """Makes stages of episodes; looks each plug-in up only once."""

    def __init__(self) -> None:
        self._parts: dict[str, RobotParts] = {}
        self._dressers: dict[str, Dresser] = {}

    def source(
        self, dataset: Dataset, start: Mapping[str, Any]
    ) -> tuple[StageSource | None, RobotParts | None, str]:
        """How to draw an episode.

        Args:
            dataset: Where it lies.
            start: Its start document.

        Returns:
            The source, the parts of its robot, and a sentence about what is not as recorded. The
            source is None if there is nothing to draw; then the sentence says why.
        """
        robot, scene = str(start.get("robot") or ""), str(start.get("scene") or "")
        digest = str(start.get("model") or "")
        parts, dresser, note = None, None, ""
        try:
            parts = self._robot(robot) if robot else None
            dresser = self._scene(scene) if scene else None
        except TeledeckError as error:
            note = str(error)
        stored = dataset.model_path(digest) if digest else None
        if stored is not None and stored.is_file():

            def load(_: str) -> Stage:
                return Stage(mujoco.MjModel.from_binary_path(str(stored)), dresser, parts)

            return StageSource(("recorded", digest), ("recorded",), load), parts, note
        if parts is None or dresser is None:
            missing = f"Its model {digest[:8]} is not in the dataset" if digest else "No 3-D model"
            return None, parts, f"{missing}. {note}".strip()

        def rebuild(_: str) -> Stage:
            return Stage(build(robot, scene, "reduced"), dresser, parts)

        source = StageSource(("rebuilt", robot, scene), ("rebuilt",), rebuild)
        return source, parts, "3-D model built again: not stored with the dataset"

    def _robot(self, name: str) -> RobotParts:
        if name not in self._parts:
            self._parts[name] = RobotParts.of(plugins.load("robots", name)())
        return self._parts[name]

    def _scene(self, name: str) -> Dresser:
        if name not in self._dressers:
            self._dressers[name] = plugins.load("scenes", name)()
        return self._dressers[name]
