"""The Collect place: 3-D view, cameras, touch, plots, and the bar of the take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.runtime.statuses import RecorderStatus, StationStatus
from app.ui.action import Context, Intent, UiState
from app.ui.collect.camera_tile import CameraTile
from app.ui.collect.loop_bar import LoopBar
from app.ui.collect.readings import CAMERAS, RobotFacts
from app.ui.collect.take_bar import TakeBar
from app.ui.collect.touch_panel import TouchPanel
from app.ui.collect.trace_plot import Line, TracePlot
from app.ui.driven_view import DrivenView
from app.ui.look import DARK, SIZES
from app.ui.place import PlaceWidget, SessionPort
from app.ui.widgets import Card, set_look
from devices.leader import Side

PANEL_EVERY = 3  # frames: cameras, touch and plots at 20 Hz beside a 60 Hz view
COLUMN_SHARE = 0.27  # of the width goes to cameras, touch and plots
CAMERA_WORDS = {"front": "Front", "wrist_left": "Left wrist", "wrist_right": "Right wrist"}


class CollectPlace(PlaceWidget):
    """Drives a session: reads its streams once a frame, sends what the hands do.

    Args:
        session: Whom to show and drive.
        now_ns: The session's clock.
    """

    def __init__(self, session: SessionPort, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__()
        self._session = session
        self._now_ns = now_ns
        self._frame = 0
        self._build()

    # ------------------------------------------------------------------------------- building
    def _build(self) -> None:
        self.driven = DrivenView(self._session, self._now_ns)
        self.driven.said.connect(self.said)
        self.driven.dressed.connect(self._dress)
        self.view, self.hands = self.driven.view, self.driven.hands
        self.curtain, self.tools, self.signs = (
            self.driven.curtain,
            self.driven.tools,
            self.driven.signs,
        )
        self.take_bar = TakeBar()
        for part in (self.driven, self.take_bar):
            part.intended.connect(self._pass_on)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        upper = QHBoxLayout()
        upper.setSpacing(0)
        upper.addWidget(self.driven, 1)
        self._column = self._panels()
        upper.addWidget(self._column)
        whole.addLayout(upper, 1)
        whole.addWidget(self.take_bar)

    def _panels(self) -> QWidget:
        side = QWidget()
        set_look(side, role="wall")
        side.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(side)
        column.setContentsMargins(SIZES.unit, SIZES.unit, SIZES.unit, SIZES.unit)
        column.setSpacing(SIZES.unit)
        self.cameras = {name: CameraTile(CAMERA_WORDS[name]) for name in CAMERAS}
        tiles = QGridLayout()
        tiles.setSpacing(SIZES.unit)
        tiles.addWidget(self.cameras["front"], 0, 0, 2, 1)
        tiles.addWidget(self.cameras["wrist_left"], 0, 1)
        tiles.addWidget(self.cameras["wrist_right"], 1, 1)
        tiles.setColumnStretch(0, 2)
        tiles.setColumnStretch(1, 1)
        self._tiles = QWidget()
        self._tiles.setLayout(tiles)
        tiles.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._tiles)
        touch = Card(padding=12)
        touch.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.touch_panel = TouchPanel()
        touch.body.addWidget(self.touch_panel)
        column.addWidget(touch, 8)
        plots = Card(padding=12)
        self.force_plot = TracePlot("Force at the wrists", "N", top=10.0)
        self.gap_plot = TracePlot("Gripper gap", "mm", top=100.0, digits=0)
        self.progress_plot = TracePlot("Progress", "%", top=100.0, digits=0)
        for plot in (self.force_plot, self.gap_plot, self.progress_plot):
            plots.body.addWidget(plot)
        column.addWidget(plots, 4)
        loop = Card(padding=12)
        self.loop_bar = LoopBar()
        loop.body.addWidget(self.loop_bar)
        column.addWidget(loop)
        return side

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        width = max(308, min(480, round(self.width() * COLUMN_SHARE)))
        self._column.setFixedWidth(width)
        inner = width - 3 * SIZES.unit
        self._tiles.setFixedHeight(round(inner * 2 / 3 * 3 / 4))
        # The bar of the take tells the progress too; a low window has better use for the room.
        self.progress_plot.setVisible(self.height() > 760)
        self.take_bar.set_large(self.height() > 860 and self.width() > 1500)

    # ------------------------------------------------------------------------------ the place
    def enter(self) -> None:
        self.driven.take_keyboard()

    def leave(self) -> None:
        self.driven.let_go_of_all()

    def key_context(self) -> Context | None:
        return "view" if self.driven.has_keyboard() else None

    def describe(self, state: UiState) -> UiState:
        touch = self._session.touch
        return replace(
            state,
            touch=touch is not None,
            subtract_grasp=touch is not None and touch.baseline_on,
        )

    def layers(self) -> frozenset[str]:
        return self.driven.layers

    def close_down(self) -> None:
        self.driven.close_down()

    def perform(self, intent: Intent, on: bool = True) -> bool:
        if intent.name == "next_panel":
            self.take_bar.primary.setFocus(Qt.FocusReason.TabFocusReason)
            return True
        return self.driven.perform(intent, on)

    def tick(self) -> None:
        self.driven.tick()
        self._frame += 1
        if self._frame % PANEL_EVERY == 0:
            self._show_panels(self._now_ns())

    def refresh(self, state: UiState) -> None:
        station: StationStatus | None = self._session.station
        recorder: RecorderStatus | None = self._session.recorder
        self.take_bar.refresh(state, station, recorder)
        self.loop_bar.show_budget(station.loop if station is not None else None)
        self.driven.refresh(state)

    # -------------------------------------------------------------------------------- reading
    def _dress(self, facts: RobotFacts) -> None:
        self.touch_panel.set_pads(facts.parts.pad_side)

    def _show_panels(self, now_ns: int) -> None:
        readings, station = self.driven.readings, self._session.station
        touch = self.driven.feel(now_ns)
        if touch is not None:
            self.touch_panel.show_touch(touch)
        rates = self._camera_rates()
        for name, tile in self.cameras.items():
            tile.show_picture(readings.picture(name, now_ns), rates.get(f"{name}/rgb"))
        which = (self._frame // PANEL_EVERY) % 2
        band = station.force_band if station is not None else None
        hands = (("left", DARK.left_hand), ("right", DARK.right_hand))
        if which == 0:  # each plot at 10 Hz, in turns
            self.force_plot.show_lines(
                [Line(*readings.force[_side(s)].curve(now_ns), colour) for s, colour in hands],
                band,
            )
        else:
            self.gap_plot.show_lines(
                [Line(*readings.gap[_side(s)].curve(now_ns), colour) for s, colour in hands]
            )
            self.progress_plot.show_lines([Line(*readings.progress.curve(now_ns), DARK.accent)])

    def _camera_rates(self) -> dict[str, float]:
        camera = self._session.camera
        return {} if camera is None else {health.name: health.rate_hz for health in camera.cameras}

    def _pass_on(self, intent: Intent) -> None:
        self.intended.emit(intent)
        self.driven.take_keyboard()


def _side(name: str) -> Side:
    return "left" if name == "left" else "right"
