"""Who posts: one line for each, with rate and age, and a button to confirm it."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.runtime.statuses import Poster
from app.ui import look
from app.ui.action import Intent
from app.ui.collect.take_bar import ProgressLine
from app.ui.headset.guide import SILENT_MS
from app.ui.look import DARK, SIZES, Tone
from app.ui.widgets import Button, Card, Chip, Text, set_look

FAST_M_S = 0.5
"""A headset or controller that is waved like this fills the bar of its line."""


def poster_words(poster: Poster, confirmed: str) -> tuple[str, Tone | None]:
    """What to say of somebody who posts, while `confirmed` ("" for nobody) is listened to."""
    if poster.address == confirmed:
        return "Confirmed", "kept"
    if confirmed:
        return "Refused", "armed"
    return "Not confirmed", None


class PosterLine(Card):
    """One poster. Emits `intended(Intent)`, and `chosen(address)` when it is clicked."""

    intended = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__(padding=12)
        self._address = ""
        row = QHBoxLayout()
        row.setSpacing(SIZES.gap)
        self._icon = QLabel()
        self._icon.setPixmap(look.pixmap("headset", 28, DARK.soft))
        row.addWidget(self._icon)
        words = QVBoxLayout()
        words.setSpacing(0)
        self.address = Text("", "title")
        self.address.setFont(look.font("title", mono=True))
        self.rate = Text("", role="soft")
        words.addWidget(self.address)
        words.addWidget(self.rate)
        words.addSpacing(SIZES.hair)
        self.moves = ProgressLine()
        self.moves.setAccessibleName("How fast it is moved")
        self.moves.setToolTip("Fills while this headset or a controller of it is moved")
        words.addWidget(self.moves)
        row.addLayout(words, 1)
        self.chip = Chip("")
        row.addWidget(self.chip)
        self.button = Button("Confirm")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self._press)
        row.addWidget(self.button)
        self.body.addLayout(row)

    def show_poster(self, poster: Poster, confirmed: str, *, chosen: bool) -> None:
        self._address = poster.address
        self.address.setText(poster.address)
        silent = poster.age_ms > SILENT_MS
        self.rate.setText(
            f"silent for {poster.age_ms / 1000:.0f} s"
            if silent
            else f"{poster.rate_hz:.0f} Hz · {poster.age_ms:.0f} ms ago"
        )
        self.rate.set_tone("armed" if silent else None)
        self.moves.show_value(0.0 if silent else min(1.0, poster.speed_m_s / FAST_M_S), False)
        self.chip.show_value(*poster_words(poster, confirmed))
        self.chip.setVisible(bool(confirmed))
        mine = poster.address == confirmed
        self.button.setText("Forget" if mine else "Take this one" if confirmed else "Confirm")
        self.button.setAccessibleName(f"{self.button.text()} {poster.address}")
        set_look(self, selected="true" if chosen else "false")

    def _press(self) -> None:
        forget = self.button.text() == "Forget"
        self.intended.emit(Intent("headset_confirm", "-" if forget else self._address))


class PosterList(QWidget):
    """All who post. Emits `intended(Intent)`."""

    intended = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SIZES.unit)
        self._column.addStretch()
        self._lines: list[PosterLine] = []

    def show_posters(self, posters: tuple[Poster, ...], confirmed: str) -> None:
        while len(self._lines) < len(posters):
            line = PosterLine()
            line.intended.connect(self.intended)
            self._column.insertWidget(len(self._lines), line)
            self._lines.append(line)
        for number, line in enumerate(self._lines):
            line.setVisible(number < len(posters))
            if number < len(posters):
                poster = posters[number]
                line.show_poster(poster, confirmed, chosen=poster.address == confirmed)

    def lines(self) -> list[PosterLine]:
        return [line for line in self._lines if not line.isHidden()]
