"""What is watched, at the top of Test: checkpoints that load themselves must not be a surprise."""

from __future__ import annotations

from PyQt6.QtCore import Qt

from app.runtime.statuses import StationStatus
from app.ui.actions import by_id, tooltip
from app.ui.test.words import short_place
from app.ui.widgets import Button


class Watched(Button):
    """Hidden while nothing is watched."""

    def __init__(self) -> None:
        super().__init__("", kind="quiet", icon="eye")
        self.setAccessibleName("The training that is watched")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.hide()

    def refresh(self, station: StationStatus | None) -> None:
        """Show what the station says."""
        path = "" if station is None else station.watching
        self.setVisible(bool(path))
        if station is not None and path:
            drives = ", lets it drive" if station.watched_drives else ""
            self.setText(f"Watches {short_place(path)}{drives}")
            self.setToolTip(f"{path}\n{tooltip(by_id('policy.watch'))}")
