"""The bar over an open episode: which one it is, what was decided, and what may be decided."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.ui.action import key_caps
from app.ui.actions import by_id, tooltip
from app.ui.library.cards import FLAG_TONES
from app.ui.look import SIZES, Tone
from app.ui.widgets import Button, Chip, ElidedText, Keycap, Line, Text


class VerdictBar(QWidget):
    """Emits `intended(Intent)`."""

    intended = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SIZES.unit)
        row.addWidget(self._button("player.close", "All episodes", "quiet"))
        row.addWidget(Line(vertical=True))
        names = QVBoxLayout()
        names.setSpacing(0)
        head = QHBoxLayout()
        head.setSpacing(SIZES.unit)
        self.number = Text("", "title", role="caption")
        self.task = ElidedText("", "title")
        self.verdict = Chip("")
        head.addWidget(self.number)
        head.addWidget(self.task, 1)
        head.addWidget(self.verdict)
        self._flags = [Chip("") for _ in range(3)]
        for chip in self._flags:
            head.addWidget(chip)
        head.addStretch()
        names.addLayout(head)
        self.facts = Text("", "caption", role="caption")
        names.addWidget(self.facts)
        row.addLayout(names, 1)
        self.pace = Text("", "caption", role="soft")
        row.addWidget(self.pace)
        row.addSpacing(SIZES.unit)
        row.addWidget(self._button("player.before", "", "quiet"))
        row.addWidget(self._button("player.next", "", "quiet"))
        row.addWidget(Line(vertical=True))
        self.success = self._button("player.success", "Success", "plain")
        self.failure = self._button("player.failure", "Failure", "plain")
        for button, action_id in (
            (self.success, "player.success"),
            (self.failure, "player.failure"),
        ):
            button.setCheckable(True)
            row.addWidget(button)
            for cap in key_caps(by_id(action_id).key):
                row.addWidget(Keycap(cap))
        row.addWidget(self._button("player.relabel", "", "quiet"))
        row.addWidget(self._button("player.delete", "", "quiet"))
        self._when = ""
        self._note = ""

    def show_episode(self, number: str, task: str, verdict: str, tone: Tone, when: str) -> None:
        self.number.setText(number)
        self.task.setText(task)
        self.task.setMaximumWidth(self.task.natural_width())
        self.verdict.show_value(verdict, tone)
        self.success.setChecked(verdict == "Success")
        self.failure.setChecked(verdict == "Failure")
        self._when = when
        self._show_facts()

    def show_flags(self, flags: Sequence[str], findings: Sequence[str]) -> None:
        """The first three flags as chips; all findings as their tooltip."""
        shown = [flag for flag in flags if flag in FLAG_TONES]
        for number, chip in enumerate(self._flags):
            chip.setVisible(number < len(shown))
            if number < len(shown):
                chip.show_value(shown[number], FLAG_TONES[shown[number]])
                chip.setToolTip("\n".join(findings))

    def show_note(self, note: str) -> None:
        """What is not as recorded, e.g. a model that was built again."""
        self._note = note
        self._show_facts()

    def show_pace(self, left: int, total: int, median_s: float | None) -> None:
        """How many are undecided and how fast decisions go."""
        pace = f" · {median_s:.1f} s each" if median_s is not None else ""
        self.pace.setText(f"{left} of {total} undecided{pace}")

    def _show_facts(self) -> None:
        self.facts.setText(" · ".join(part for part in (self._when, self._note) if part))

    def _button(self, action_id: str, text: str, kind: str) -> Button:
        action = by_id(action_id)
        button = Button(text, kind=kind, icon=action.icon, hint=tooltip(action))
        button.setAccessibleName(action.title)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.intended.emit(action.intent))
        return button
