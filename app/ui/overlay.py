"""What lies over the window for a moment: help, palette, sheets. Never a dialog window.

A dialog would take the keyboard from the window, and with it Escape, the emergency stop.
"""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QApplication, QFrame, QVBoxLayout, QWidget

from app.ui.look import DARK, SIZES
from app.ui.widgets import set_look


class Overlay(QWidget):
    """A shade over the parent with one panel on it. Add to `self.body`.

    The panel keeps the keyboard focus until it closes, then gives it back.
    """

    closed = pyqtSignal()

    def __init__(self, parent: QWidget, *, width: int, top: float | None = None) -> None:
        super().__init__(parent)
        self._width = width
        self._top = top
        self._focus_before: QWidget | None = None
        self.panel = QFrame(self)
        set_look(self.panel, role="popover")
        self.body = QVBoxLayout(self.panel)
        self.body.setContentsMargins(SIZES.margin, SIZES.gap, SIZES.margin, SIZES.margin)
        self.body.setSpacing(SIZES.gap)
        parent.installEventFilter(self)
        self.hide()

    def open(self) -> None:
        """Show over the parent and take the keyboard."""
        if self.isHidden():
            self._focus_before = QApplication.focusWidget()
        self._lay_out()
        self.show()
        self.raise_()
        self.first_focus().setFocus(Qt.FocusReason.PopupFocusReason)

    def first_focus(self) -> QWidget:
        """What gets the keyboard when the overlay opens."""
        return self.panel

    def dismiss(self) -> None:
        """Close, and give the keyboard back."""
        if self.isHidden():
            return
        self.hide()
        # Where nothing had the keyboard before, the window has it: never a hidden text field.
        back = self._focus_before or self.window()
        self._focus_before = None
        if back is not None:
            back.setFocus(Qt.FocusReason.OtherFocusReason)
        self.closed.emit()

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab goes round inside the panel, never behind the shade."""
        if not super().focusNextPrevChild(forward):
            return False
        here = QApplication.focusWidget()
        if here is None or not self.isAncestorOf(here):
            self.first_focus().setFocus(Qt.FocusReason.TabFocusReason)
        return True

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Resize and self.isVisible():
            self._lay_out()
        return False

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Nothing that is pressed here reaches what lies below."""
        if event is not None:
            event.accept()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and not self.panel.geometry().contains(event.pos()):
            self.dismiss()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        shade = QColor(DARK.floor)
        shade.setAlphaF(0.72)
        painter = QPainter(self)
        painter.fillRect(self.rect(), shade)

    def _lay_out(self) -> None:
        parent = self.parentWidget()
        if parent is None:
            return
        self.setGeometry(parent.rect())
        room_x, room_y = self.width() - 2 * SIZES.margin, self.height() - 2 * SIZES.margin
        width = min(self._width, room_x)
        self.panel.setFixedWidth(width)
        height = min(self.panel.sizeHint().height(), room_y)
        layout = self.panel.layout()
        if layout is not None and layout.hasHeightForWidth():
            height = min(layout.heightForWidth(width), room_y)
        y = (self.height() - height) // 2 if self._top is None else round(self.height() * self._top)
        self.panel.setGeometry((self.width() - width) // 2, y, width, height)
