"""What the palette offers where an action wants a choice: scenes, devices, datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from app.ui.action import UiState
from app.ui.header import leader_words
from app.ui.headset.motion import AXES, MODES
from app.ui.headset.panels import preset_title, with_off
from app.ui.palette import Choice
from app.ui.place import SessionPort
from devices import plugins


class Chooser:
    """Answers `choices(name)`.

    Args:
        session: Knows the leaders and perturbations of the running station.
        recent: Datasets used before, newest first.
        driving: Tells which axes are followed.
    """

    def __init__(
        self,
        session: SessionPort,
        recent: Callable[[], Sequence[str]],
        driving: Callable[[], UiState] = UiState,
    ) -> None:
        self._session = session
        self._recent = recent
        self._driving = driving

    def choices(self, name: str) -> Sequence[Choice]:
        """The choices of a list that an action names. KeyError for one that does not exist."""
        return {
            "scenes": self._scenes,
            "leaders": self._leaders,
            "perturbations": self._perturbations,
            "datasets": self._datasets,
            "motions": self._motions,
            "posters": self._posters,
            "panels": self._panels,
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

    def _motions(self) -> Sequence[Choice]:
        driving = self._driving()
        named = [
            Choice(mode.name, mode.title, "now" if mode.name == driving.motion else mode.text)
            for mode in MODES
        ]
        free = [
            Choice(axis.name, f"Free: {axis.word.lower()}", "followed" if on else "locked")
            for axis, on in zip(AXES, driving.axes, strict=True)
        ]
        return [*named, *free]

    def _posters(self) -> Sequence[Choice]:
        headset = self._session.headset
        if headset is None:
            return []
        made = [
            Choice(p.address, p.address, f"{p.rate_hz:.0f} posts a second", _taken(p.confirmed))
            for p in headset.posters
        ]
        if headset.address:
            made.append(Choice("-", "None", "nobody drives through the port"))
        return made

    def _panels(self) -> Sequence[Choice]:
        headset = self._session.headset
        if headset is None:
            return []
        return [
            Choice(name, preset_title(name), "now" if name == headset.panels else "")
            for name in with_off(headset.panel_presets)
        ]

    def _datasets(self) -> Sequence[Choice]:
        made = []
        for folder in self._recent():
            path = Path(folder)
            gone = "" if path.is_dir() else "the folder is not there"
            made.append(Choice(folder, path.name, str(path.parent), gone))
        return made


def _taken(confirmed: bool) -> str:
    """Why a poster cannot be confirmed."""
    return "confirmed already" if confirmed else ""
