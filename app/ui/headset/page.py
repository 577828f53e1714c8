"""The page of the headset: one step at a time, large; the details beside it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable

from PyQt6.QtCore import QRect, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.runtime.statuses import HeadsetStatus
from app.ui.action import Intent, UiState
from app.ui.actions import by_id, tooltip
from app.ui.headset.addresses import MachineAddress, machine_addresses
from app.ui.headset.arms import ArmBoard
from app.ui.headset.cards import CalibrationCard, CountersCard, MotionCard, StreamsCard, TitledCard
from app.ui.headset.guide import Guide, guide, refused_posters
from app.ui.headset.panels import PanelsCard
from app.ui.headset.picture import LivePicture, Scene
from app.ui.headset.plan import Eyes, Posture, PushWatch, controller_of
from app.ui.headset.port_board import PortBoard
from app.ui.headset.posters import PosterList
from app.ui.headset.step_head import StepFoot, StepHead
from app.ui.headset.stepper import Stepper
from app.ui.look import SIZES
from app.ui.place import SessionPort
from app.ui.widgets import Button, Chip, Keycap, Text, set_look
from devices.clock import NS_PER_S
from devices.leader import SIDES, Side

PICTURE_EVERY = 2  # frames: 30 Hz is calm, and half the work of 60
TRAIL_NS = NS_PER_S
FRESH_NS = NS_PER_S // 2  # older samples are no longer where the hands are


class HeadsetPage(QWidget):
    """Reads the session's statuses and streams; emits intents.

    Args:
        session: Whom to show.
        now_ns: The session's clock.
        addresses: This machine's addresses.

    Attributes:
        addresses: As given.
        guide: What is asked now.

    Signals:
        intended: An `Intent` of the user.
        left: The user wants back to the place below.
    """

    intended = pyqtSignal(object)
    left = pyqtSignal()

    def __init__(
        self,
        session: SessionPort,
        now_ns: Callable[[], int] = time.monotonic_ns,
        addresses: Callable[[], Iterable[MachineAddress]] = machine_addresses,
    ) -> None:
        super().__init__()
        self._session = session
        self._now_ns = now_ns
        self.addresses = addresses
        self._eyes = Eyes()
        self._watch = PushWatch()
        self._trails: dict[Side, deque[tuple[int, tuple[float, float, float]]]] = {
            side: deque(maxlen=90) for side in SIDES
        }
        self._frame = 0
        self._shown_step = ""
        self._begin_next = False
        self.guide: Guide = guide(None, None)
        self._build()

    # ------------------------------------------------------------------------------- building
    def _build(self) -> None:
        set_look(self, role="floor")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(SIZES.margin, SIZES.gap, SIZES.margin, SIZES.gap)
        whole.setSpacing(SIZES.gap)
        whole.addLayout(self._top())
        self.stepper = Stepper()
        whole.addWidget(self.stepper)
        middle = QHBoxLayout()
        middle.setSpacing(SIZES.margin)
        whole.addLayout(middle, 1)
        middle.addLayout(self._main(), 1)
        self._side = self._cards()
        middle.addWidget(self._side)

    def _top(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self._title = Text("Headset", "headline")
        row.addWidget(self._title)
        row.addSpacing(SIZES.unit)
        self.simulated = Chip(
            "Simulated headset", "paused", hint="A program posts in place of a headset."
        )
        self.port = Chip("", hint="Anybody in this network can post to an open port.")
        row.addWidget(self.simulated)
        row.addWidget(self.port)
        row.addStretch()
        self.close_port = Button("Close the port", icon="broadcast", hint="Nobody can post then.")
        self.close_port.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.close_port.clicked.connect(lambda: self.intended.emit(Intent("headset_listen", "off")))
        row.addWidget(self.close_port)
        self._close_key = Keycap(by_id("headset.listen").key)
        row.addWidget(self._close_key)
        row.addSpacing(SIZES.unit)
        action = by_id("headset.page")
        self.leave = Button("Leave", icon="x", hint=tooltip(action))
        self.leave.setAccessibleName("Leave the headset page")
        self.leave.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.leave.clicked.connect(self.left)
        row.addWidget(self.leave)
        row.addWidget(Keycap(action.key))
        return row

    def _main(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(SIZES.gap)
        self.head = StepHead()
        column.addWidget(self.head)
        stage = QHBoxLayout()
        stage.setSpacing(SIZES.gap)
        self.board = PortBoard()
        self.posters = PosterList()
        self.posters.intended.connect(self.intend)
        self.arms = ArmBoard()
        self._boards = (self.board, self.posters, self.arms)
        for part in self._boards:
            part.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
            stage.addWidget(part, 4)
        self.picture = LivePicture()
        stage.addWidget(self.picture, 5)
        column.addLayout(stage, 1)
        self.foot = StepFoot()
        self.foot.intended.connect(self.intend)
        column.addWidget(self.foot)
        return column

    def _cards(self) -> QScrollArea:
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        page = QWidget()
        set_look(page, role="clear")
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, SIZES.unit, 0)
        column.setSpacing(10)
        self.calibration = CalibrationCard()
        self.motion = MotionCard()
        self.panels = PanelsCard()
        self.streams = StreamsCard()
        self.counters = CountersCard()
        # What is looked at while the headset is set up stands first: in a low window the last
        # ones are below the fold.
        cards: tuple[TitledCard, ...] = (
            self.calibration,
            self.counters,
            self.streams,
            self.motion,
            self.panels,
        )
        for card in cards:
            card.intended.connect(self.intend)
            column.addWidget(card)
        column.addStretch()
        area.setWidget(page)
        return area

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        large = self.width() > 1500 and self.height() > 800
        self._side.setFixedWidth(420 if large else 368)
        self.head.set_large(large)
        for card in (self.panels, self.streams):
            card.set_compact(not large)

    def free_room(self) -> QRect:
        """Where a passing line covers nothing: in the row of the title, left of its buttons."""
        shown = [part for part in (self.simulated, self.port) if part.isVisible()]
        left = (shown[-1] if shown else self._title).geometry().right() + SIZES.gap
        button = self.close_port if self.close_port.isVisible() else self.leave
        right = button.geometry().left() - SIZES.gap
        row = self.leave.geometry()
        return QRect(left, row.top() - SIZES.unit, right - left, row.height() + 2 * SIZES.unit)

    # ------------------------------------------------------------------------------- the page
    def enter(self) -> None:
        """The page has come on screen."""
        self._forget_hands()
        self._shown_step = ""
        self.board.show_addresses(tuple(self.addresses()))
        # The page itself has the keyboard, so that Enter and the letters are its steps.
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    def next_intent(self) -> Intent | None:
        """What the large button asks for."""
        return self.guide.offer.intent if self.guide.offer is not None else None

    def refresh(self, state: UiState) -> None:
        """New statuses; about 20 times a second while on screen."""
        headset, station = self._session.headset, self._session.station
        self.guide = asked = guide(headset, station)
        if asked.step != self._shown_step:
            self._shown_step = asked.step
            self._forget_hands()
        self.stepper.show_step(asked.step, done=asked.calm)
        self.head.show_guide(asked)
        self.foot.show_guide(asked, state)
        self._show_boards(asked)
        self.simulated.setVisible(headset is not None and headset.simulated)
        open_ = headset is not None and headset.listening
        self.port.setVisible(open_)
        self.close_port.setVisible(open_)
        self._close_key.setVisible(open_)
        if headset is not None and headset.listening:
            self.port.show_value(f"Port {headset.port} open", "armed")
        self.calibration.show_calibration(
            headset.calibration if headset is not None else None, state
        )
        self.motion.show_motion(state)
        self.panels.show_panels(
            headset.panel_presets if headset is not None else (),
            headset.panels if headset is not None else "",
        )
        self.streams.show_streams(headset.streams if headset is not None else ())
        self.counters.show_headset(headset, state)
        self._begin_by_itself(asked)

    def tick(self) -> None:
        """One frame while on screen."""
        self._frame += 1
        if self._frame % PICTURE_EVERY == 0:
            self._show_picture()

    # --------------------------------------------------------------------------------- inside
    def _show_boards(self, asked: Guide) -> None:
        headset, station = self._session.headset, self._session.station
        nobody = headset is None or not headset.posters
        self.board.setVisible(asked.step == "port" or (asked.step == "who" and nobody))
        self.posters.setVisible(asked.step == "who" and not nobody)
        self.arms.setVisible(asked.step == "drive" and station is not None)
        if headset is not None:
            self.posters.show_posters(headset.posters, headset.address)
            self.board.show_port(headset.port, listening=headset.listening)
        if station is not None:
            posture = self._posture(self._now_ns())
            held = {side for side in SIDES if (hand := posture.hand(side)) and hand.grip}
            self.arms.show_arms(
                station.arms,
                driving=station.leader == "headset",
                grips=frozenset(held),
                holds=headset.holds if headset is not None else None,
            )
        others = refused_posters(headset) if headset is not None else ()
        malformed = headset.counters.get("malformed", 0) if headset is not None else 0
        self.foot.show_refused(tuple(p.address for p in others), malformed)

    def _show_picture(self) -> None:
        now_ns = self._now_ns()
        posture = self._posture(now_ns)
        headset = self._session.headset
        calibration = headset.calibration if headset is not None else None
        raw = self.guide.step in ("port", "who", "squeeze", "push")
        trim = 0.0 if calibration is None or raw else calibration.trim_rad
        frame = self._eyes.follow(posture, now_ns, trim)
        if frame is None or posture.empty:
            self.picture.show_empty(*self._why_empty())
            self._forget_hands()
            return
        pushing = self.guide.step == "push"
        if pushing:
            self._watch.see(posture, now_ns)
        trails: dict[Side, tuple[tuple[float, float, float], ...]] = {}
        for side in SIDES:
            trail, hand = self._trails[side], posture.hand(side)
            if hand is not None:
                trail.append((now_ns, frame.point(hand.position)))
            while trail and now_ns - trail[0][0] > TRAIL_NS:
                trail.popleft()
            trails[side] = () if pushing else tuple(point for _, point in trail)
        self.picture.show_scene(
            Scene(
                frame,
                posture,
                trails,
                self._watch.push() if pushing else None,
                "left" if self.guide.step == "squeeze" and self.guide.offer is None else None,
                self.guide.step == "align",
                _found(headset) if self.guide.step == "align" else None,
            )
        )

    def _posture(self, now_ns: int) -> Posture:
        found = []
        for name in ("headset/head", "headset/left_controller", "headset/right_controller"):
            one = controller_of(self._session.latest(name))
            fresh = one is not None and now_ns - one.t_ns < FRESH_NS
            found.append(one if fresh else None)
        return Posture(*found)

    def _why_empty(self) -> tuple[str, str]:
        headset = self._session.headset
        if headset is None or not headset.listening:
            return "No picture yet", "Head and hands appear here as soon as the headset posts."
        if not headset.posters:
            return "Nothing is posted yet", "Start the app in the headset and type an address."
        if not headset.address:
            return "Confirm a headset", "Its head and hands appear here then."
        return "The hands are not seen", "Put the headset on and take both controllers."

    def _forget_hands(self) -> None:
        self._watch.forget()
        self._eyes.forget()
        for trail in self._trails.values():
            trail.clear()

    def intend(self, intent: Intent) -> None:
        """Do what a button of the page asks for; the large one also answers to Enter."""
        if intent == Intent("headset_set_up", "again"):
            self._watch.forget()
        self._begin_next = intent.name == "headset_confirm" and intent.argument != "-"
        self.intended.emit(intent)

    def _begin_by_itself(self, asked: Guide) -> None:
        """After a headset was confirmed here, the set-up begins without another press."""
        offer = asked.offer
        if not self._begin_next or asked.step == "who":
            return
        self._begin_next = False
        if offer is not None and asked.step == "squeeze" and not asked.problem:
            self.intended.emit(offer.intent)


def _found(headset: HeadsetStatus | None) -> tuple[float, float] | None:
    """Turn and spread [rad] that the push has told, None before it has."""
    if headset is None or not math.isfinite(headset.set_up.trim_rad):
        return None
    return headset.set_up.trim_rad, headset.set_up.residual_rad
