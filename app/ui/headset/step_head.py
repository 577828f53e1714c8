"""What is asked, in large type, and the buttons below the picture."""

from __future__ import annotations

import math

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.ui import look
from app.ui.action import Intent, UiState, key_caps
from app.ui.actions import by_id
from app.ui.collect.take_bar import ProgressLine
from app.ui.headset.guide import Guide, Offer
from app.ui.look import SIZES
from app.ui.widgets import Button, Keycap, Text


class StepHead(QWidget):
    """Number, title, text and progress of the step; what went wrong in the last try."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, SIZES.unit, 0, 0)
        column.setSpacing(SIZES.hair)
        self._large = False
        self._tones: tuple[bool, str] = (False, "")
        self.number = Text("", "title", role="caption")
        self.title = Text("", "display")
        self.text = Text("", "lead", wrap=True)
        self.more = Text("", "body", role="soft", wrap=True)
        self.problem = Text("", "title", tone="armed", wrap=True)
        self.progress = ProgressLine()
        self.progress.setAccessibleName("Progress of this step")
        for part in (self.number, self.title, self.text, self.more):
            column.addWidget(part)
        column.addSpacing(SIZES.hair)
        column.addWidget(self.problem)
        column.addWidget(self.progress)

    def set_large(self, large: bool) -> None:
        self._large = large
        self._set_fonts()

    def _set_fonts(self) -> None:
        self.title.setFont(look.font("poster" if self._large else "display"))
        self.problem.setFont(look.font("headline" if self._large else "title"))

    def show_guide(self, asked: Guide) -> None:
        self.number.setText(f"Step {asked.number} of 6")
        self.title.setText(asked.title)
        self.title.set_tone("kept" if asked.good else None)
        self.text.setText(asked.text)
        self.more.setText(asked.more)
        self.more.setVisible(bool(asked.more))
        self.problem.setText(asked.problem)
        self.problem.setVisible(bool(asked.problem))
        self.problem.set_tone(asked.tone)
        if (asked.good, asked.tone) != self._tones:
            # A change of tone has the style sheet put back the font that it saw first.
            self._tones = (asked.good, asked.tone)
            self._set_fonts()
        measured = math.isfinite(asked.share)
        self.progress.setVisible(measured)
        if measured:
            self.progress.show_value(asked.share, asked.share >= 1.0)


class StepFoot(QWidget):
    """The large button with its key at the right, smaller ones at the left.

    Emits `intended(Intent)`.
    """

    intended = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SIZES.hair)
        # A line of its own: between the buttons there is not always room for it.
        self.refused = Text("", "strong", tone="armed", wrap=True)
        self.refused.hide()
        column.addWidget(self.refused)
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        column.addLayout(row)
        self._others: list[tuple[Button, Keycap]] = []
        for _ in range(3):
            button, cap = Button(""), Keycap("")
            button.setAccessibleName("Another way")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button)
            row.addWidget(cap)
            self._others.append((button, cap))
        row.addStretch(1)
        self.primary = Button("", kind="primary", large=True)
        self.primary.setAccessibleName("Next step")
        self.primary.setMinimumWidth(260)
        self.primary.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        row.addWidget(self.primary)
        self.key = Keycap(key_caps("Return")[0])
        row.addWidget(self.key)
        self._asked: Guide | None = None
        self.primary.clicked.connect(lambda: self._press(-1))
        for number, (button, _) in enumerate(self._others):
            button.clicked.connect(lambda _, number=number: self._press(number))
        self.setMinimumHeight(SIZES.control_large)

    def show_guide(self, asked: Guide, state: UiState) -> None:
        self._asked = asked
        offer = asked.offer
        self.primary.setVisible(offer is not None)
        self.key.setVisible(offer is not None)
        if offer is not None:
            self._dress(self.primary, offer)
        for number, (button, cap) in enumerate(self._others):
            shown = number < len(asked.others)
            button.setVisible(shown)
            keys = ""
            if shown:
                other = asked.others[number]
                self._dress(button, other)
                keys = "".join(key_caps(by_id(other.action).key)) if other.action else ""
                cap.setText(keys)
            cap.setVisible(bool(keys))

    def show_refused(self, addresses: tuple[str, ...], malformed: int = 0) -> None:
        """Others that post to the port, and get no say; posts that could not be read."""
        text = ""
        if addresses:
            verb = "posts" if len(addresses) == 1 else "post"
            text = f"{', '.join(addresses)} {verb} too and is refused."
            if len(addresses) > 1:
                text = f"{', '.join(addresses)} post too and are refused."
        if malformed:
            count = "1 post" if malformed == 1 else f"{malformed} posts"
            text = f"{text} {count} could not be read and changed nothing.".strip()
        self.refused.setText(text)
        self.refused.setVisible(bool(text))

    def _dress(self, button: Button, offer: Offer) -> None:
        if button.text() != offer.title:
            button.setText(offer.title)
            button.setAccessibleName(offer.title)
        button.set_icon(offer.icon)

    def _press(self, number: int) -> None:
        if self._asked is None:
            return
        offer = self._asked.offer if number < 0 else None
        if number >= 0 and number < len(self._asked.others):
            offer = self._asked.others[number]
        if offer is not None:
            intent: Intent = offer.intent
            self.intended.emit(intent)
