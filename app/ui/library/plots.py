"""Plots of an open episode on the common cursor: force, gap, joints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import pyqtgraph as pg
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.session.curves import Curve
from app.session.curves import Plot as PlotName
from app.ui import look
from app.ui.look import DARK, SIZES, blend
from app.ui.steps import Steps
from app.ui.widgets import Text

TITLES: dict[PlotName, str] = {
    "force": "Force  N",
    "gap": "Gripper gap  mm",
    "joints": "Joints  °",
    "progress": "Progress  %",
}


def pen_of(curve: Curve) -> tuple[str, float]:
    """Colour and width of a line: the hand's colour, fading from joint to joint."""
    hands = {"left": DARK.left_hand, "right": DARK.right_hand}
    colour = hands.get(curve.whose, DARK.accent)
    if curve.part == 0:
        return colour, 1.5
    return blend(colour, DARK.panel, 1.0 - 0.09 * (curve.part - 1)), 1.0


class Plot(QWidget):
    """One plot with the cursor. Drag to scrub, wheel to zoom in time. Emits `sought(seconds)`."""

    sought = pyqtSignal(float)

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(Text(title, "caption", role="caption"))
        self.view = pg.PlotWidget(background=DARK.floor, viewBox=_ScrubBox())
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.view.setMinimumHeight(72)
        self.view.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        item = self.view.getPlotItem()
        item.hideButtons()
        item.setMenuEnabled(False)
        item.showGrid(y=True, alpha=0.12)
        for name in ("left", "bottom"):
            axis = item.getAxis(name)
            axis.setPen(QColor(DARK.hairline))
            axis.setTextPen(QColor(DARK.faint))
            axis.setStyle(tickFont=look.font("caption"), tickLength=-3, maxTickLevel=0)
        item.getAxis("left").setWidth(40)
        item.getAxis("bottom").setHeight(18)
        box = item.getViewBox()
        box.setMouseEnabled(x=True, y=False)
        box.setDefaultPadding(0.04)
        box.scrubbed.connect(self.sought)
        self._line = pg.InfiniteLine(pen=pg.mkPen(DARK.text, width=1.2))
        item.addItem(self._line, ignoreBounds=True)
        self._items: list[pg.PlotCurveItem] = []
        column.addWidget(self.view, 1)

    def fill(self, made: Sequence[Curve], length_s: float) -> Iterator[None]:
        """Show other curves, step by step: each takes some milliseconds."""
        item = self.view.getPlotItem()
        for number, curve in enumerate(made):
            if number == len(self._items):
                self._items.append(pg.PlotCurveItem())
                item.addItem(self._items[-1])
            colour, width = pen_of(curve)
            self._items[number].setPen(pg.mkPen(colour, width=width))
            self._items[number].setData(curve.seconds, curve.values)
            yield
        for line in self._items[len(made) :]:
            line.setData([], [])
        box = item.getViewBox()
        box.setLimits(xMin=0, xMax=max(length_s, 0.1), minXRange=0.2)
        item.setXRange(0, max(length_s, 0.1), padding=0)
        box.enableAutoRange(axis="y")
        self._line.setValue(0)
        yield

    def show_cursor(self, seconds: float) -> None:
        self._line.setValue(seconds)


class _ScrubBox(pg.ViewBox):
    """Left drag and click move the cursor instead of the picture."""

    scrubbed = pyqtSignal(float)

    def mouseDragEvent(self, event: QMouseEvent, axis: int | None = None) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            self.scrubbed.emit(float(self.mapToView(event.pos()).x()))
        else:
            super().mouseDragEvent(event, axis)

    def mouseClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.scrubbed.emit(float(self.mapToView(event.pos()).x()))


class Plots(QWidget):
    """The plots side by side, linked in time. Emits `sought(seconds)`."""

    sought = pyqtSignal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SIZES.gap)
        self._plots: dict[PlotName, Plot] = {}
        self._filling = Steps(self)
        for name, title in TITLES.items():
            plot = Plot(title)
            plot.sought.connect(self.sought)
            if self._plots:
                plot.view.setXLink(next(iter(self._plots.values())).view)
            row.addWidget(plot, 1)
            self._plots[name] = plot

    def show_episode(self, found: Mapping[PlotName, Sequence[Curve]], length_s: float) -> None:
        """Show other curves, one a turn of the event loop."""
        for name, plot in self._plots.items():
            plot.setVisible(name in found)
        self._filling.begin(
            chain.from_iterable(
                plot.fill(found.get(name, ()), length_s) for name, plot in self._plots.items()
            )
        )

    def close_down(self) -> None:
        """Have pyqtgraph let go of the menus that it makes for each plot."""
        self._filling.stop()
        for plot in self._plots.values():
            plot.view.close()
            plot.view.deleteLater()

    def show_cursor(self, seconds: float) -> None:
        for plot in self._plots.values():
            if plot.isVisible():
                plot.show_cursor(seconds)
