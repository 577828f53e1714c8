"""What lies in the trash, how large it is, and what can be done about it; and the last question
before it is gone."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QWidget

from app.ui import look, words
from app.ui.action import Intent, key_caps
from app.ui.actions import by_id, tooltip
from app.ui.look import DARK, SIZES
from app.ui.sheets import Sheet
from app.ui.widgets import Button, ElidedText, Keycap, Text, set_look

_STAYS = "Their files stay on the disk until they are purged."


class TrashBar(QFrame):
    """Shown over the episodes of the trash. Emits `intended(Intent)`."""

    intended = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_look(self, role="card")
        row = QHBoxLayout(self)
        row.setContentsMargins(SIZES.gap, SIZES.unit, SIZES.unit, SIZES.unit)
        row.setSpacing(SIZES.unit)
        picture = QLabel()
        picture.setPixmap(look.pixmap("trash", 20, DARK.soft))
        row.addWidget(picture)
        self.amount = Text("", "strong")
        row.addWidget(self.amount)
        self.about = ElidedText(_STAYS, role="soft")
        row.addWidget(self.about, 1)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("How far purging is")
        row.addWidget(self.bar, 1)
        self.restore = self._add(row, "library.restore", "plain")
        self.purge = self._add(row, "library.purge", "danger")
        self.stop = Button("Stop", icon="x", hint="What is purged is gone; the rest stays here.")
        self.stop.clicked.connect(lambda: self.intended.emit(Intent("purge_stop")))
        row.addWidget(self.stop)

    def _add(self, row: QHBoxLayout, action_id: str, kind: str) -> Button:
        action = by_id(action_id)
        button = Button(action.title, kind=kind, icon=action.icon, hint=tooltip(action))
        button.clicked.connect(lambda: self.intended.emit(action.intent))
        row.addWidget(button)
        for cap in key_caps(action.key):
            row.addWidget(Keycap(cap))
        return button

    def show_trash(self, count: int, size_bytes: int, selected: bool, left: int, of: int) -> None:
        """What lies there now.

        Args:
            count, size_bytes: Episodes, and what they take on the disk.
            selected: Whether one of them could be restored.
            left, of: How many are still to be purged of how many; 0, 0 while nothing is purged.
        """
        self.amount.setText(f"{words.plural(count, 'episode')}  ·  {words.size(size_bytes)}")
        busy = of > 0
        self.about.setText(_STAYS)
        self.about.setVisible(not busy)
        self.bar.setVisible(busy)
        self.bar.setRange(0, max(of, 1))
        self.bar.setValue(of - left)
        self.stop.setVisible(busy)
        self.restore.setEnabled(selected and not busy)
        self.purge.setEnabled(bool(count) and not busy)


class PurgeSheet(Sheet):
    """Names what will be gone for good. Emits `decided`."""

    decided = pyqtSignal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Purge the trash?", "Purge")
        set_look(self.done, role="danger")

    def first_focus(self) -> QWidget:
        return self.panel  # Enter alone shall not do it

    def open_for(self, count: int, size_bytes: int) -> None:
        """Ask about so many episodes of so many bytes."""
        what = words.plural(count, "episode")
        self.say(
            f"{what}, {words.plural(size_bytes, 'byte')} ({words.size(size_bytes)}), "
            f"{'is' if count == 1 else 'are'} removed from the disk for good. Nothing brings "
            f"{'it' if count == 1 else 'them'} back; what was decided stays in the journal.",
            None,
            possible=True,
        )
        self.done.setText(f"Purge {what}")
        self.open()

    def finish(self) -> None:
        self.dismiss()
        self.decided.emit()
