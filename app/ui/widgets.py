"""Ready parts of the visual system. They take values and emit signals; they hold no device."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QPoint, QRect, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QFont, QIcon, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.ui import look
from app.ui.look import DARK, SIZES, Tone, Type


def set_look(widget: QWidget, **properties: object) -> None:
    """Set style properties ("role", "tone", "selected") and have the style sheet see them."""
    if all(widget.property(name) == value for name, value in properties.items()):
        return
    for name, value in properties.items():
        widget.setProperty(name, value)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)
    widget.update()


class Text(QLabel):
    """A label of the type scale. `role` "soft" or "caption" quiets it, `tone` colours it."""

    def __init__(
        self,
        text: str = "",
        style: Type = "body",
        *,
        role: str = "",
        tone: Tone | None = None,
        wrap: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(text, parent)
        self.setFont(look.font(style))
        self.setWordWrap(wrap)
        self.setTextFormat(Qt.TextFormat.PlainText)
        set_look(self, role=role, tone=tone or "")

    def set_tone(self, tone: Tone | None) -> None:
        set_look(self, tone=tone or "")

    def setText(self, text: str | None) -> None:
        if text != self.text():  # a label that is set each frame must not lay out each frame
            super().setText(text)


class ElidedText(Text):
    """A line that gives way to others: it is cut with an ellipsis, and tells all in its tooltip."""

    def __init__(self, text: str = "", style: Type = "body", *, role: str = "") -> None:
        super().__init__(text, style, role=role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(80)

    def setText(self, text: str | None) -> None:
        super().setText(text)
        self.setToolTip(text)

    def natural_width(self) -> int:
        """Width at which nothing is cut [px]."""
        return self.fontMetrics().horizontalAdvance(self.text()) + 4

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        cut = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), int(self.alignment()), cut)


class Note(Text):
    """A quiet sentence under a field, as high as its lines: a wrapped label in a form is given the
    height of a narrower one, and stands in a hole."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text, "caption", role="caption", wrap=True)

    def setText(self, text: str | None) -> None:
        super().setText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if self.width() > 0:
            self.setFixedHeight(max(self.heightForWidth(self.width()), 1))


class Paragraph(Text):
    """Some lines of text, never half of one: where it is too long, the last ends in an ellipsis.

    Args:
        lines: How many there is room for.
    """

    def __init__(self, text: str = "", style: Type = "body", *, lines: int) -> None:
        super().__init__(text, style, wrap=True)
        self._lines = lines
        self._fit()

    def setFont(self, font: QFont) -> None:
        super().setFont(font)
        if hasattr(self, "_lines"):
            self._fit()

    def _fit(self) -> None:
        self.setFixedHeight(self._lines * self.fontMetrics().lineSpacing() + 2)

    def shown(self) -> tuple[str, ...]:
        """The lines as they are drawn at the present width."""
        metrics, left = self.fontMetrics(), self.text().split()
        found: list[str] = []
        while left and len(found) < self._lines:
            count = 1
            while count < len(left) and (
                metrics.horizontalAdvance(" ".join(left[: count + 1])) <= self.width()
            ):
                count += 1
            last = len(found) == self._lines - 1
            line = " ".join(left if last else left[:count])
            found.append(metrics.elidedText(line, Qt.TextElideMode.ElideRight, self.width()))
            left = [] if last else left[count:]
        return tuple(found)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        metrics = self.fontMetrics()
        for number, line in enumerate(self.shown()):
            painter.drawText(0, metrics.ascent() + number * metrics.lineSpacing(), line)


class SectionTitle(Text):
    """Small quiet heading over a group of controls or readings."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, "caption", role="caption", parent=parent)


class Button(QPushButton):
    """A button. `kind` is "primary" (one a screen), "plain", "quiet" or "danger"."""

    def __init__(
        self,
        text: str,
        *,
        kind: str = "plain",
        icon: str = "",
        hint: str = "",
        large: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(text, parent)
        self._kind = kind
        self._icon = ""
        self.setFont(look.font("title" if large else "strong"))
        self.setToolTip(hint)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        set_look(self, role=kind, size="large" if large else "", tone="")
        side = SIZES.icon_large if large else SIZES.icon
        self.setIconSize(QSize(side, side))
        self.set_icon(icon)

    def set_icon(self, icon: str) -> None:
        """Set the icon by its Phosphor name; "" for none."""
        if icon == self._icon:
            return
        self._icon = icon
        colour = {"primary": DARK.on_bright, "danger": DARK.recording}.get(self._kind, DARK.soft)
        self.setIcon(look.icon(icon, colour) if icon else QIcon())

    def set_tone(self, tone: Tone | None) -> None:
        """Colour of a primary button: the state that pressing it leads to."""
        set_look(self, tone=tone or "")


class Card(QFrame):
    """A surface that groups. Add to `self.body`, a vertical layout."""

    def __init__(
        self, title: str = "", *, padding: int = SIZES.gap, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        set_look(self, role="card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(padding, padding, padding, padding)
        self.body.setSpacing(SIZES.unit)
        if title:
            self.body.addWidget(SectionTitle(title))


class Line(QFrame):
    """A hairline between things."""

    def __init__(self, *, vertical: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_look(self, role="line-v" if vertical else "line")


class Chip(QLabel):
    """A word in a pill: a verdict, a flag, "Simulated"."""

    def __init__(
        self,
        text: str = "",
        tone: Tone | None = None,
        *,
        hint: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(text, parent)
        self.setFont(look.font("caption"))
        self.setToolTip(hint)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
        set_look(self, role="chip", tone=tone or "")

    def show_value(self, text: str, tone: Tone | None = None) -> None:
        if text != self.text():
            self.setText(text)
        set_look(self, tone=tone or "")


class Keycap(QLabel):
    """One key as it is printed on the keyboard."""

    def __init__(self, key: str, parent: QWidget | None = None) -> None:
        super().__init__(key, parent)
        self.setFont(look.font("caption"))
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
        set_look(self, role="keycap")


class EmptyState(QWidget):
    """What a place shows while it has nothing: why, and what to do about it."""

    pressed = pyqtSignal()

    def __init__(
        self,
        icon: str,
        title: str,
        text: str,
        *,
        action: str = "",
        key: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setSpacing(SIZES.gap)
        column.addStretch(2)
        picture = QLabel()
        picture.setPixmap(look.pixmap(icon, 64, DARK.edge))
        self.title = Text(title, "headline")
        self.text = Text("", role="soft", wrap=True)
        self.text.setFixedWidth(520)
        for label in (picture, self.title, self.text):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(label, 0, Qt.AlignmentFlag.AlignHCenter)
        if action:
            row = QHBoxLayout()
            row.setSpacing(SIZES.unit)
            button = Button(action, kind="primary")
            button.clicked.connect(self.pressed)
            row.addStretch()
            row.addWidget(button)
            if key:
                row.addWidget(Keycap(key))
            row.addStretch()
            column.addLayout(row)
        column.addStretch(3)
        self.show_text(text)

    def show_text(self, text: str) -> None:
        """Another explanation."""
        self.text.setText(text)
        # In a column with stretches a wrapped label is given one line only, unless it insists.
        room = QRect(0, 0, self.text.maximumWidth(), 10_000)
        needed = self.text.fontMetrics().boundingRect(room, Qt.TextFlag.TextWordWrap, text)
        self.text.setMinimumHeight(needed.height())


class Banner(QFrame):
    """What is wrong, where, and what to do next. Stays until the cause is gone or dismissed."""

    acted = pyqtSignal()
    dismissed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_look(self, role="banner", tone="fault")
        row = QHBoxLayout(self)
        row.setContentsMargins(SIZES.gap, SIZES.unit, SIZES.unit, SIZES.unit)
        row.setSpacing(SIZES.gap)
        self._picture = QLabel()
        self._picture.setPixmap(look.pixmap("warning-octagon", 24, DARK.fault))
        row.addWidget(self._picture)
        words = QVBoxLayout()
        words.setSpacing(0)
        self._what = Text("", "title")
        self._where = Text("", role="soft", wrap=True)
        words.addWidget(self._what)
        words.addWidget(self._where)
        row.addLayout(words, 1)
        self._button = Button("")
        self._button.setAccessibleName("What to do about it")
        self._button.clicked.connect(self.acted)
        row.addWidget(self._button)
        close = Button("", kind="quiet", icon="x", hint="Hide this message")
        close.setAccessibleName("Hide this message")
        close.clicked.connect(self.dismissed)
        row.addWidget(close)
        self.hide()

    def show_fault(
        self, what: str, where: str = "", action: str = "", tone: Tone = "fault"
    ) -> None:
        """Show a fault. `where` says where and what next; `action` names the button, if any."""
        set_look(self, tone=tone)
        self._picture.setPixmap(look.pixmap("warning-octagon", 24, DARK.tone(tone)))
        self._what.setText(what)
        self._where.setText(where)
        self._where.setVisible(bool(where))
        self._button.setText(action)
        self._button.setVisible(bool(action))
        self.show()

    def what(self) -> str:
        return self._what.text()


TOAST_WIDE = 880
"""What is longer wraps [px]."""

ABOVE_TAKE_BAR = 144  # [px] from the window's lower edge


class Toast(QFrame):
    """A line that says what was just done, with its undo, and goes by itself."""

    undo_pressed = pyqtSignal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.lift = ABOVE_TAKE_BAR
        self.room: Callable[[], QRect | None] = lambda: None
        set_look(self, role="toast", tone="kept")
        row = QHBoxLayout(self)
        row.setContentsMargins(SIZES.gap, SIZES.unit, SIZES.unit, SIZES.unit)
        row.setSpacing(SIZES.gap)
        self._text = Text("", "strong")
        row.addWidget(self._text)
        self._undo = Button("Undo", kind="quiet", icon="arrow-counter-clockwise")
        self._undo.clicked.connect(self.undo_pressed)
        row.addWidget(self._undo)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def say(
        self, text: str, *, tone: Tone = "kept", undo: bool = False, seconds: float = 5.0
    ) -> None:
        """Show `text`; `undo` offers the Undo button."""
        set_look(self, tone=tone)
        self._text.setText(text)
        self._undo.setVisible(undo)
        self.place()
        self.show()
        self.raise_()
        self._timer.start(round(seconds * 1000))

    def text(self) -> str:
        return self._text.text()

    def place(self) -> None:
        """Sit in the room that is kept for it (`room`, in the parent's pixels); without one, low in
        the middle of the parent, above the buttons of a take. What is too long for a line wraps."""
        room, parent = self.room(), self.parentWidget()
        if room is None and parent is not None:
            room = QRect(0, 0, min(TOAST_WIDE, parent.width() - 2 * SIZES.margin), SIZES.control)
            room.moveCenter(QPoint(parent.width() // 2, 0))
            room.moveBottom(parent.height() - self.lift - 1)
            at_bottom = True
        else:
            at_bottom = False
        if room is None:
            return
        wide = self._text.fontMetrics().horizontalAdvance(self._text.text()) + 48
        wide += 0 if self._undo.isHidden() else self._undo.sizeHint().width() + SIZES.gap
        self._text.setWordWrap(wide > room.width())
        self.setFixedWidth(max(160, min(wide, room.width())))
        high = self.heightForWidth(self.width()) if wide > room.width() else 0
        self.setFixedHeight(max(high, SIZES.control))
        box = self.rect()
        box.moveCenter(room.center())
        if at_bottom:
            box.moveBottom(room.bottom())
        self.move(box.topLeft())
