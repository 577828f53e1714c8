"""What the window remembers between runs: recent datasets and a few switches."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

RECENT = 12


@dataclass(frozen=True, slots=True)
class Settings:
    """Remembered choices. Losing them costs nothing but convenience.

    Attributes:
        recent: Dataset folders, newest first.
        sounds: Sounds are on.
        auto_advance: In the Library, a verdict opens the next episode.
        layout: "grid" or "list" in the Library.
    """

    recent: tuple[str, ...] = ()
    sounds: bool = True
    auto_advance: bool = False
    layout: str = "grid"

    def with_recent(self, folder: Path | str) -> Settings:
        """With `folder` at the head of the recent datasets."""
        name = str(folder)
        rest = tuple(other for other in self.recent if other != name)
        return replace(self, recent=(name, *rest)[:RECENT])


class SettingsFile:
    """Reads and writes `Settings` at one path; None remembers nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> Settings:
        """The stored settings. A missing or spoilt file gives the defaults: nothing is lost."""
        if self._path is None:
            return Settings()
        try:
            fields = tomllib.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
            return Settings()
        return _checked(fields)

    def save(self, settings: Settings) -> None:
        """Write them. Raises OSError; the caller says so once and goes on."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.draft")
        fields = {
            "recent": list(settings.recent),
            "sounds": settings.sounds,
            "auto_advance": settings.auto_advance,
            "layout": settings.layout,
        }
        draft.write_text(tomli_w.dumps(fields), encoding="utf-8")
        draft.replace(self._path)


def _checked(fields: dict[str, Any]) -> Settings:
    """Settings from a file that anybody may have edited: what does not fit is left out."""
    made = Settings()
    recent = fields.get("recent")
    if isinstance(recent, list):
        made = replace(made, recent=tuple(str(item) for item in recent[:RECENT]))
    for name in ("sounds", "auto_advance"):
        if isinstance(fields.get(name), bool):
            made = replace(made, **{name: fields[name]})
    if fields.get("layout") in ("grid", "list"):
        made = replace(made, layout=fields["layout"])
    return made
