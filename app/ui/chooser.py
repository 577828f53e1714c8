"""What the palette offers where an action wants a choice: scenes, devices, datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from app.ui.header import leader_words
from app.ui.palette import Choice
from app.ui.place import SessionPort
from devices import plugins


class Chooser:
    """Answers `choices(name)`.

    Args:
        session: Knows the leaders and perturbations of the running station.
        recent: Datasets used before, newest first.
    """

    def __init__(self, session: SessionPort, recent: Callable[[], Sequence[str]]) -> None:
        self._session = session
        self._recent = recent

    def choices(self, name: str) -> Sequence[Choice]:
        """The choices of a list that an action names. KeyError for one that does not exist."""
        return {
            "scenes": self._scenes,
            "leaders": self._leaders,
            "perturbations": self._perturbations,
            "datasets": self._datasets,
        }[name]()

    def _scenes(self) -> Sequence[Choice]:
        station = self._session.station
        running = station.scene if station is not None else ""
        return [
            Choice(scene, scene.capitalize(), "running now" if scene == running else "")
            for scene in plugins.names("scenes")
        ]

    def _leaders(self) -> Sequence[Choice]:
        station = self._session.station
        if station is None:
            return []
        return [
            Choice(
                name,
                leader_words(name),
                "drives now" if name == station.leader else "",
                "" if said == "ready" else said,
            )
            for name, said in sorted(station.leaders.items())
        ]

    def _perturbations(self) -> Sequence[Choice]:
        station = self._session.station
        names = station.perturbations if station is not None else ()
        return [Choice(name, name.replace("_", " ").capitalize()) for name in names]

    def _datasets(self) -> Sequence[Choice]:
        made = []
        for folder in self._recent():
            path = Path(folder)
            gone = "" if path.is_dir() else "the folder is not there"
            made.append(Choice(folder, path.name, str(path.parent), gone))
        return made
