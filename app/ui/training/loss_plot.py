"""Curves of one training: losses over updates, and the learning rate below."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.session.training import CurveName, TrainingCurve
from app.ui import look
from app.ui.look import DARK, SIZES, blend
from app.ui.widgets import Button, Text
from devices.stream import FloatArray

TRAIN, HELD = DARK.part_1, DARK.part_5
LOG_FROM = 8.0
"""A curve that spans more than this factor is drawn on a log scale, until somebody says no."""
_SMOOTH = 0.85


def smoothed(values: FloatArray) -> FloatArray:
    """Exponential mean of a curve, without the pull of its beginning; shape (n,).

    Each point knows only what came before it, so that a curve never changes behind one's back.
    """
    out = np.empty(len(values))
    mean = 0.0
    for n, value in enumerate(values):
        mean = _SMOOTH * mean + (1 - _SMOOTH) * value
        out[n] = mean / (1 - _SMOOTH ** (n + 1))
    return out


def wants_log(curves: Mapping[CurveName, TrainingCurve]) -> bool:
    """Whether losses span so much that a linear scale would hide the end."""
    values = [c.values for (_, _, name), c in curves.items() if name == "loss" and len(c.values)]
    if not values:
        return False
    whole = np.concatenate(values)
    return bool((whole > 0).all() and whole.max() > LOG_FROM * whole.min())


class LossPlot(QWidget):
    """Draws only when something is new.

    Attributes:
        draws: How often it was drawn.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.draws = 0
        self._drawn: object = None
        self._curves: Mapping[CurveName, TrainingCurve] = {}
        self._log: bool | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SIZES.hair)
        column.addLayout(self._legend())
        self.losses = _plot(140)
        self.rate = _plot(56)
        self.rate.getPlotItem().getAxis("left").setTickDensity(0.4)  # there is room for two
        self.rate.setMaximumHeight(76)
        self.rate.getPlotItem().setXLink(self.losses.getPlotItem())
        self.losses.getPlotItem().getAxis("bottom").setStyle(showValues=False)
        column.addWidget(self.losses, 1)
        column.addWidget(Text("Learning rate, over updates", "caption", role="caption"))
        column.addWidget(self.rate)
        self._items: list[tuple[pg.PlotItem, pg.GraphicsObject]] = []
        self._steps = 0

    def _legend(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SIZES.gap)
        row.addWidget(Text("Loss", "strong"))
        for colour, text in ((TRAIN, "training (faint: as it came)"), (HELD, "hold-out")):
            mark = Text(f"<span style='color:{colour}'>●</span>  {text}", role="soft")
            mark.setTextFormat(Qt.TextFormat.RichText)
            row.addWidget(mark)
        row.addStretch(1)
        self.log_scale = Button("Log scale", kind="quiet", hint="Or a linear one")
        self.log_scale.setCheckable(True)
        self.log_scale.clicked.connect(self._set_log)
        row.addWidget(self.log_scale)
        return row

    def _set_log(self, on: bool) -> None:
        self._log = on
        self._drawn = None
        self.show_curves(self._curves, self._steps)

    def forget(self) -> None:
        """Another run: whether it is drawn on a log scale is open again."""
        self._log = None
        self._drawn = None

    def show_curves(self, curves: Mapping[CurveName, TrainingCurve], steps: int) -> None:
        """Show these, if there is a point that was not there before.

        Args:
            curves: As `TrainingDesk.curves` tells them.
            steps: The whole budget of updates.
        """
        key = (steps, *((n, len(c.steps), float(c.steps[-1])) for n, c in curves.items()))
        if key == self._drawn:
            return
        self._drawn, self._curves, self._steps = key, curves, steps
        self.draws += 1
        log = wants_log(curves) if self._log is None else self._log
        positive = all((c.values > 0).all() for (_, _, name), c in curves.items() if name == "loss")
        self.log_scale.setEnabled(bool(curves) and positive)
        self.log_scale.setChecked(log and positive)
        for owner, drawn in self._items:
            owner.removeItem(drawn)
        self._items.clear()
        top, low = self.losses.getPlotItem(), self.rate.getPlotItem()
        top.setLogMode(y=log and positive)
        for (kind, _, name), curve in curves.items():
            if name == "loss" and kind == "train":
                faint = pg.mkPen(blend(TRAIN, DARK.floor, 0.38), width=1)
                self._draw(top, curve.steps, curve.values, pen=faint)
                self._draw(top, curve.steps, smoothed(curve.values), pen=pg.mkPen(TRAIN, width=2))
            elif name == "loss":
                self._draw(
                    top,
                    curve.steps,
                    curve.values,
                    pen=pg.mkPen(HELD, width=2),
                    symbol="o",
                    symbolSize=5,
                    symbolBrush=HELD,
                    symbolPen=None,
                )
                self._best(top, curve)
            elif name == "lr":
                self._draw(low, curve.steps, curve.values, pen=pg.mkPen(DARK.soft, width=1.5))
        self._stages(curves)
        for item in (top, low):
            item.setXRange(0, max(steps, 1), padding=0.01)
            item.enableAutoRange(axis="y")

    def _draw(self, item: pg.PlotItem, x: FloatArray, y: FloatArray, **how: object) -> None:
        line = pg.PlotDataItem(x, y, **how)
        item.addItem(line)
        self._items.append((item, line))

    def _best(self, item: pg.PlotItem, curve: TrainingCurve) -> None:
        """A ring around the best point of the hold-out."""
        at = int(np.argmin(curve.values))
        self._draw(
            item,
            curve.steps[at : at + 1],
            curve.values[at : at + 1],
            pen=None,
            symbol="o",
            symbolSize=12,
            symbolBrush=None,
            symbolPen=pg.mkPen(DARK.text, width=1.5),
        )

    def _stages(self, curves: Mapping[CurveName, TrainingCurve]) -> None:
        """A line where a stage begins, with its name."""
        begins: dict[str, float] = {}
        for (kind, stage, name), curve in curves.items():
            if kind == "train" and name == "loss":
                begins[stage] = float(curve.steps[0])
        if len(begins) < 2:
            return
        for number, (stage, step) in enumerate(sorted(begins.items(), key=lambda each: each[1])):
            line = pg.InfiniteLine(
                0 if number == 0 else step,
                pen=pg.mkPen(DARK.edge, width=1, style=Qt.PenStyle.DashLine),
                label=stage,
                labelOpts={"position": 0.94, "color": DARK.soft, "anchors": [(0, 0.5), (0, 0.5)]},
            )
            self.losses.getPlotItem().addItem(line, ignoreBounds=True)
            self._items.append((self.losses.getPlotItem(), line))

    def close_down(self) -> None:
        """Have pyqtgraph let go of the menus that it makes for each plot. Idempotent."""
        for view in (self.losses, self.rate):
            if view.plotItem is not None:  # None once it was closed
                view.close()
                view.deleteLater()


class _LossAxis(pg.AxisItem):
    """On a log scale only 1, 2 and 5 of each decade are written: the others would overlap."""

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        written = []
        for value in values:
            text = f"{10.0**value:.3g}"
            written.append(text if f"{10.0**value:e}"[0] in "125" else "")
        return written


def _plot(height: int) -> pg.PlotWidget:
    view = pg.PlotWidget(background=DARK.floor, axisItems={"left": _LossAxis("left")})
    view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    view.setMinimumHeight(height)
    view.setFrameShape(pg.PlotWidget.Shape.NoFrame)
    item = view.getPlotItem()
    item.hideButtons()
    item.setMenuEnabled(False)
    item.showGrid(y=True, alpha=0.12)
    for name in ("left", "bottom"):
        axis = item.getAxis(name)
        axis.setPen(QColor(DARK.hairline))
        axis.setTextPen(QColor(DARK.faint))
        axis.setStyle(tickFont=look.font("caption"), tickLength=-3, maxTickLevel=0)
        axis.enableAutoSIPrefix(False)
    item.getAxis("left").setWidth(56)
    item.getAxis("bottom").setHeight(18)
    item.getViewBox().setMouseEnabled(x=False, y=False)
    item.getViewBox().setDefaultPadding(0.06)
    return view
