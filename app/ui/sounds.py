"""Plays the earcons, or says why it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QUrl

from app.ui.earcons import EARCONS, Earcon, wav_bytes


class Sounds(QObject):
    """The four sounds. `reason` is empty when they can be heard, else why not."""

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        """Args: folder: Where the WAV files are kept; made again when missing."""
        super().__init__(parent)
        self.enabled = True
        self._effects: dict[str, Any] = {}
        self.reason = self._prepare(folder)

    def play(self, earcon: Earcon) -> None:
        """Play it now, if sounds are on and can be heard."""
        effect = self._effects.get(earcon)
        if self.enabled and effect is not None:
            effect.play()

    def _prepare(self, folder: Path) -> str:
        try:
            from PyQt6.QtMultimedia import QMediaDevices, QSoundEffect
        except ImportError as error:
            return f"No sound: Qt Multimedia does not load ({error})"
        if QMediaDevices.defaultAudioOutput().isNull():
            return "No sound: this machine has no audio output"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for earcon in EARCONS:
                path = folder / f"{earcon}.wav"
                content = wav_bytes(earcon)
                if not path.is_file() or path.read_bytes() != content:
                    path.write_bytes(content)
                effect = QSoundEffect(self)
                effect.setSource(QUrl.fromLocalFile(str(path)))
                self._effects[earcon] = effect
        except OSError as error:
            self._effects.clear()
            return f"No sound: {folder} cannot be written ({error.strerror})"
        return ""
