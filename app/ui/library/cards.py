"""Episodes as cards or rows: the list model and how one item is painted."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from pathlib import Path

from PyQt6.QtCore import QAbstractListModel, QModelIndex, QObject, QRect, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QFontMetrics, QPainter, QPainterPath, QPen, QPixmap
from PyQt6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.ui import look, words
from app.ui.look import DARK, SIZES, Tone
from datasets.library import EpisodeCard

CARD = QSize(248, 240)
ROW_HEIGHT = 56
_PICTURE = QSize(224, 138)

FLAG_TONES: dict[str, Tone] = {
    "recording": "recording",
    "interrupted": "armed",
    "failed": "fault",
    "empty": "fault",
    "gaps": "armed",
    "low rate": "armed",
    "time order": "fault",
    "not finite": "fault",
    "pictures": "fault",
    "unreadable": "fault",
    "derived": "paused",
}
"""Tone of a flag. "unjudged" is absent: the verdict chip says it."""


def verdict_words(card: EpisodeCard) -> tuple[str, Tone, str]:
    """A verdict as word, tone and icon; undecided is not a failure on the screen."""
    if card.deleted:
        return "In the trash", "idle", "trash"
    if not card.judged:
        return "Undecided", "idle", "question"
    if card.verdict == "success":
        return "Success", "kept", "check-circle"
    return "Failure", "recording", "x-circle"


def when(wall_ns: int) -> str:
    """Local date and time, short; "" when unknown."""
    if not wall_ns:
        return ""
    moment = datetime.fromtimestamp(wall_ns / 1e9)
    today = datetime.now().date()
    if moment.date() == today:
        return f"Today {moment:%H:%M}"
    return f"{moment:%d %b %H:%M}" if moment.year == today.year else f"{moment:%d %b %Y}"


class CardModel(QAbstractListModel):
    """The cards on screen."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.cards: list[EpisodeCard] = []

    def show(self, cards: list[EpisodeCard]) -> None:
        """Show these; in place if they are the same episodes, so that the view does not jump."""
        before = self.cards
        if [c.uid for c in cards] == [c.uid for c in before]:
            self.cards = cards
            for row, (old, new) in enumerate(zip(before, cards, strict=True)):
                if old != new:
                    self.dataChanged.emit(self.index(row), self.index(row))
            return
        self.beginResetModel()
        self.cards = cards
        self.endResetModel()

    def row_of(self, uid: str) -> int:
        """The row of an episode, -1 if it is not shown."""
        return next((row for row, card in enumerate(self.cards) if card.uid == uid), -1)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.cards)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        card = self.cards[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{card.number} {card.task}, {verdict_words(card)[0]}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join((card.uid, words.size(card.facts.size_bytes), *card.facts.findings))
        return None


class Thumbnails:
    """Loaded pictures, the most recent few hundred."""

    def __init__(self, most: int = 400) -> None:
        self._most = most
        self._pictures: OrderedDict[Path, QPixmap] = OrderedDict()

    def get(self, path: Path) -> QPixmap:
        picture = self._pictures.get(path)
        if picture is None:
            picture = QPixmap(str(path))
            self._pictures[path] = picture
            while len(self._pictures) > self._most:
                self._pictures.popitem(last=False)
        else:
            self._pictures.move_to_end(path)
        return picture


class CardPainter(QStyledItemDelegate):
    """Paints one episode, as a card of the grid or a row of the list."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.as_rows = False
        self._thumbnails = Thumbnails()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(600, ROW_HEIGHT) if self.as_rows else CARD

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        model = index.model()
        if painter is None or not isinstance(model, CardModel):
            return
        card = model.cards[index.row()]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = (
            option.rect.adjusted(4, 3, -4, -3)
            if self.as_rows
            else option.rect.adjusted(6, 6, -6, -6)
        )
        self._surface(painter, box, option)
        if self.as_rows:
            self._row(painter, box, card)
        else:
            self._card(painter, box, card)
        painter.restore()

    def _surface(self, painter: QPainter, box: QRect, option: QStyleOptionViewItem) -> None:
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        painter.setBrush(QColor(DARK.raised if selected or hovered else DARK.panel))
        edge = DARK.accent if selected else DARK.edge if hovered else DARK.hairline
        painter.setPen(QPen(QColor(edge), 2 if selected else 1))
        painter.drawRoundedRect(QRectF(box).adjusted(1, 1, -1, -1), SIZES.radius, SIZES.radius)

    def _card(self, painter: QPainter, box: QRect, card: EpisodeCard) -> None:
        frame = QRect(box.left() + 6, box.top() + 6, box.width() - 12, _PICTURE.height())
        self._picture(painter, frame, card)
        self._badge(painter, frame, words.clock_time(card.length_s))
        left, right = box.left() + 12, box.right() - 12
        y = frame.bottom() + 8
        word, tone, icon = verdict_words(card)
        self._chip(painter, left, y, word, tone, icon)
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(DARK.faint))
        painter.drawText(QRect(left, y, right - left, 22), _RIGHT, f"#{card.number}")
        painter.setFont(look.font("strong"))
        painter.setPen(QColor(DARK.text))
        metrics = QFontMetrics(painter.font())
        task = metrics.elidedText(card.task or "No task", _ELIDE, right - left)
        painter.drawText(QRect(left, y + 28, right - left, 20), _LEFT, task)
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(DARK.faint))
        painter.drawText(QRect(left, y + 50, right - left, 18), _LEFT, when(card.facts.wall_ns))
        self._flags(painter, right, y + 48, card)

    def _row(self, painter: QPainter, box: QRect, card: EpisodeCard) -> None:
        frame = QRect(box.left() + 4, box.top() + 4, 64, box.height() - 8)
        self._picture(painter, frame, card)
        centre = box.center().y()
        line = QRect(0, box.top(), 0, box.height())
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(DARK.faint))
        line.setLeft(frame.right() + 12)
        line.setWidth(44)
        painter.drawText(line, _LEFT, f"#{card.number}")
        word, tone, icon = verdict_words(card)
        self._chip(painter, frame.right() + 60, centre - 11, word, tone, icon)
        painter.setFont(look.font("strong"))
        painter.setPen(QColor(DARK.text))
        line = QRect(frame.right() + 180, box.top(), max(box.width() - 640, 120), box.height())
        task = QFontMetrics(painter.font()).elidedText(card.task or "No task", _ELIDE, line.width())
        painter.drawText(line, _LEFT, task)
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(DARK.soft))
        right = box.right() - 16
        painter.drawText(
            QRect(right - 130, box.top(), 130, box.height()), _RIGHT, when(card.facts.wall_ns)
        )
        painter.drawText(
            QRect(right - 210, box.top(), 70, box.height()), _RIGHT, words.clock_time(card.length_s)
        )
        self._flags(painter, right - 220, centre - 11, card)

    def _picture(self, painter: QPainter, frame: QRect, card: EpisodeCard) -> None:
        path = QPainterPath()
        path.addRoundedRect(QRectF(frame), SIZES.radius_small, SIZES.radius_small)
        painter.fillPath(path, QColor(DARK.floor))
        picture = self._thumbnails.get(card.thumbnail) if card.thumbnail is not None else QPixmap()
        if picture.isNull():
            side = min(32, frame.height() // 2)
            icon = "image" if card.facts.cameras else "chart-line"
            painter.drawPixmap(
                frame.center().x() - side // 2,
                frame.center().y() - side // 2,
                look.pixmap(icon, side, DARK.edge),
            )
            return
        painter.save()
        painter.setClipPath(path)
        if card.deleted:
            painter.setOpacity(0.4)
        size = picture.size().scaled(frame.size(), Qt.AspectRatioMode.KeepAspectRatioByExpanding)
        target = QRect(0, 0, size.width(), size.height())
        target.moveCenter(frame.center())
        painter.drawPixmap(target, picture)
        painter.restore()

    def _badge(self, painter: QPainter, frame: QRect, text: str) -> None:
        """The length, on the picture."""
        painter.setFont(look.font("caption"))
        width = QFontMetrics(painter.font()).horizontalAdvance(text) + 10
        plate = QRectF(frame.right() - width - 5, frame.bottom() - 25, width, 20)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(14, 17, 21, 210))
        painter.drawRoundedRect(plate, 4, 4)
        painter.setPen(QColor(DARK.text))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)

    def _chip(
        self, painter: QPainter, left: int, top: int, word: str, tone: Tone, icon: str = ""
    ) -> int:
        """A pill; returns its width."""
        painter.setFont(look.font("caption"))
        metrics = QFontMetrics(painter.font())
        inset = 22 if icon else 8
        width = metrics.horizontalAdvance(word) + inset + 8
        colour = DARK.tone(tone)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(look.blend(colour, DARK.panel, 0.16)))
        painter.drawRoundedRect(QRectF(left, top, width, 22), 11, 11)
        if icon:
            painter.drawPixmap(left + 6, top + 4, look.pixmap(icon, 14, colour))
        painter.setPen(QColor(colour))
        painter.drawText(QRectF(left + inset, top, width - inset, 22), _LEFT, word)
        return width

    def _flags(self, painter: QPainter, right: int, top: int, card: EpisodeCard) -> None:
        """Flags from the right to the left; at most two, then how many more."""
        shown = [flag for flag in card.flags if flag in FLAG_TONES]
        more = len(shown) - 2
        metrics = QFontMetrics(look.font("caption"))
        for flag in ([f"+{more}"] if more > 0 else []) + shown[:2][::-1]:
            width = metrics.horizontalAdvance(flag) + 16
            right -= width
            self._chip(painter, right, top, flag, FLAG_TONES.get(flag, "armed"))
            right -= 4


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_ELIDE = Qt.TextElideMode.ElideRight
