"""All pads of the robot, to be read from two metres: a row for each hand."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.ui import look
from app.ui.collect.pad_view import PadView
from app.ui.look import DARK, SIZES
from app.ui.view3d.ar import PadTouch, TouchView
from app.ui.view3d.ar_painter import BAND_COLOURS
from app.ui.widgets import ElidedText, Text
from devices.leader import Side

BAND_WORDS = {"below": "Below band", "within": "In band", "above": "Above band"}
_BANDS = {"below": "▼", "within": "●", "above": "▲"}  # told by shape as well as by colour


class HandHead(QWidget):
    """Over the pads of a hand: its name, its force band, whether its grasp is subtracted."""

    def __init__(self, side: Side, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._name = f"{side.capitalize()} hand"
        self._colour = DARK.left_hand if side == "left" else DARK.right_hand
        self.band, self.subtracted, self.force = "", False, ""
        self.setAccessibleName(f"Touch of the {side} hand")
        self.setToolTip(
            "Force band of the task: the contact force at this wrist, which is what the held tool "
            "does to the object.\nThe pads' own numbers are the grasp."
        )

    def sizeHint(self) -> QSize:
        return QSize(200, 20)

    def show_hand(self, band: str, subtracted: bool, force: float = math.nan) -> None:
        """What is said of a hand.

        Args:
            band: As in `BAND_WORDS`, "" for none.
            subtracted: The grasp is taken off what is shown.
            force: That the band is about, at the wrist [N]; NaN while unknown.
        """
        told = f"{force:.1f} N" if band and math.isfinite(force) else ""
        if (band, subtracted, told) != (self.band, self.subtracted, self.force):
            self.band, self.subtracted, self.force = band, subtracted, told
            words = [
                f"{BAND_WORDS.get(band, '')} {told}".strip(),
                "grasp subtracted" if subtracted else "",
            ]
            self.setAccessibleDescription(", ".join(word for word in words if word))
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(look.font("strong"))
        metrics = painter.fontMetrics()
        base = (self.height() + metrics.ascent() - metrics.descent()) // 2
        painter.setPen(QColor(self._colour))
        painter.drawText(0, base, self._name)
        right = self.width()
        if self.band:
            words = f"{_BANDS[self.band]} {BAND_WORDS[self.band]}"
            wide = metrics.horizontalAdvance(f"{self._name}   {words}  {self.force}")
            if self.force and wide + (110 if self.subtracted else 0) < self.width():
                words = f"{words}  {self.force}"
            right -= metrics.horizontalAdvance(words)
            painter.setPen(QColor(BAND_COLOURS[self.band]))
            painter.drawText(right, base, words)
            right -= SIZES.unit
        if self.subtracted:
            self._chip(painter, right, metrics.horizontalAdvance(self._name) + SIZES.unit)

    def _chip(self, painter: QPainter, right: int, left: int) -> None:
        painter.setFont(look.font("caption"))
        metrics = painter.fontMetrics()
        words = "Grasp subtracted"
        if metrics.horizontalAdvance(words) + 16 > right - left:
            words = "Minus grasp"
        width = metrics.horizontalAdvance(words) + 16
        box = QRectF(right - width, (self.height() - 18) / 2, width, 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(look.blend(DARK.accent, DARK.panel, 0.18)))
        painter.drawRoundedRect(box, 9, 9)
        painter.setPen(QColor(DARK.accent))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)


class TouchPanel(QWidget):
    """All pads of the robot, the left hand above."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SIZES.hair)
        self.foot = ElidedText("", "caption", role="caption")
        self.alert = Text("", "caption", tone="armed", wrap=True)
        self.alert.hide()
        self._rows: list[QWidget] = []
        self.heads: dict[Side, HandHead] = {}
        self.pads: dict[str, PadView] = {}
        self._sides: dict[str, Side] = {}
        self._column.addWidget(self.foot)
        self._column.addWidget(self.alert)

    def set_pads(self, pads: Mapping[str, Side]) -> None:
        """Which pads there are, with their hands."""
        if dict(pads) == self._sides:
            return
        for old in self._rows:
            old.deleteLater()
        self._rows.clear()
        self.heads.clear()
        self.pads.clear()
        self._sides = dict(pads)
        for at, side in enumerate(sorted(set(pads.values()))):
            row = QWidget()
            lines = QVBoxLayout(row)
            lines.setContentsMargins(0, 0, 0, 0)
            lines.setSpacing(2)
            self.heads[side] = HandHead(side)
            lines.addWidget(self.heads[side])
            # The two jaws of a hand stand side by side, as they do in the gripper.
            jaws = QHBoxLayout()
            jaws.setSpacing(SIZES.unit + SIZES.hair)
            for name, of in pads.items():
                if of == side:
                    self.pads[name] = PadView(name.replace("_", " ").capitalize())
                    jaws.addWidget(self.pads[name], 1)
            lines.addLayout(jaws, 1)
            self._column.insertWidget(at, row, 1)
            self._rows.append(row)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.foot.setVisible(self.height() > 150 and self.alert.isHidden())

    def show_touch(self, touch: TouchView) -> None:
        """What is felt now."""
        for name, view in self.pads.items():
            view.show_pad(
                touch.pads.get(name),
                f"{name}_pad/deformation" in touch.stale,
                touch.silent.get(name, ""),
                name in touch.doubtful,
            )
        for side, head in self.heads.items():
            felt = [p for n, p in touch.pads.items() if self._sides.get(n) == side]
            band = next((pad.band for pad in felt if pad.band), "")
            wrench = touch.wrench.get(side)
            force = math.nan if wrench is None else float(np.linalg.norm(wrench[:3]))
            head.show_hand(band, any(pad.grasp_subtracted for pad in felt), force)
        self.foot.setText(foot_words(touch.pads))
        self.alert.setText(touch.note)
        self.alert.setToolTip(touch.note)
        self.alert.set_tone("fault" if touch.fault else "armed")
        # What is wrong is read whole: it takes the place of where the numbers come from.
        self.alert.setVisible(bool(touch.note))
        self.foot.setVisible(self.height() > 150 and not touch.note)


def foot_words(pads: Mapping[str, PadTouch]) -> str:
    """Where the numbers come from, and which markers are missing."""
    sources = list(dict.fromkeys(pad.source for pad in pads.values() if pad.source))
    words = " · ".join(sources)
    words = words[:1].upper() + words[1:]
    lost = [f"{n.replace('_', ' ')} {p.lost}" for n, p in pads.items() if p.lost]
    return words + (f" · markers lost: {', '.join(lost)}" if lost else "")
