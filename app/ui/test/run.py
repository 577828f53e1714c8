"""The Run tab: the driven view, two policies, live plots, the plan, and the bar of the rollout."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from app.runtime.requests import SLOTS
from app.session.rollouts import Rollouts
from app.ui.action import UiState
from app.ui.driven_view import DrivenView
from app.ui.look import SIZES
from app.ui.place import SessionPort
from app.ui.test.plan_bar import PlanBar
from app.ui.test.plots import PolicyPlots
from app.ui.test.policy_card import PolicyCard
from app.ui.test.rollout_bar import RolloutBar
from app.ui.test.words import Who
from app.ui.widgets import set_look

PANEL_EVERY = 3  # frames: plots and touch at 20 Hz beside a 60 Hz view
COLUMN_SHARE = 0.30
HINT = "Drag a gripper or hold an arrow key to take over  ·  C grips"
BUTTONS = ("robot.home", "scene.reset", "scene.again", "|", "menu.view", "menu.layers")


class RunTab(QWidget):
    """Parts of the tab, and what they show. Emits `intended(Intent)` and `said(str)`."""

    intended = pyqtSignal(object)
    said = pyqtSignal(str)

    def __init__(self, session: SessionPort, now_ns: Callable[[], int]) -> None:
        super().__init__()
        self._session = session
        self._now_ns = now_ns
        self._frame = 0
        self.driven = DrivenView(session, now_ns, BUTTONS, HINT)
        self.driven.said.connect(self.said)
        self.cards = {slot: PolicyCard(slot) for slot in SLOTS}
        self.plots = PolicyPlots(session)
        self.plan = PlanBar()
        self.bar = RolloutBar()
        for card in self.cards.values():
            card.intended.connect(self.intended)
        self.driven.intended.connect(self.intended)
        self.plan.intended.connect(self.intended)
        self.bar.intended.connect(self.intended)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        upper = QHBoxLayout()
        upper.setSpacing(0)
        upper.addWidget(self.driven, 1)
        self._column = self._panels()
        upper.addWidget(self._column)
        whole.addLayout(upper, 1)
        whole.addWidget(self.plan)
        whole.addWidget(self.bar)

    def _panels(self) -> QScrollArea:
        inner = QWidget()
        set_look(inner, role="wall")
        inner.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(inner)
        column.setContentsMargins(SIZES.unit, SIZES.unit, SIZES.unit, SIZES.unit)
        column.setSpacing(SIZES.unit)
        for card in self.cards.values():
            column.addWidget(card)
        column.addWidget(self.plots, 1)
        area = QScrollArea()
        area.setWidget(inner)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return area

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._column.setFixedWidth(max(372, min(540, round(self.width() * COLUMN_SHARE))))
        for card in self.cards.values():
            card.set_roomy(self.height() > 760)
        self.bar.set_large(self.height() > 800 and self.width() > 1500)

    def tick(self, who: Who) -> None:
        """One frame."""
        self.driven.tick()
        now_ns = self._now_ns()
        self.plots.renew(who.slot, now_ns)
        self._frame += 1
        if self._frame % PANEL_EVERY == 0:
            self.driven.feel(now_ns)
            station = self._session.station
            band = station.force_band if station is not None else None
            self.plots.show_all(self.driven.readings, band, now_ns)

    def refresh(self, state: UiState, who: Who, rollouts: Rollouts, book: str) -> None:
        """New state of everything."""
        self.driven.refresh(state)
        station = self._session.station
        for slot, card in self.cards.items():
            card.refresh(state, self._session.policies.get(slot))
        disturbances = station.perturbations if station is not None else ()
        self.plan.refresh(state, disturbances, rollouts.waiting, book)
        self.bar.refresh(state, who, rollouts, station, self._now_ns())
