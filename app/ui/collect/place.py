"""The Collect place: 3-D view, cameras, touch, plots, and the bar of the take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import (
    QApplication,
    QGridLayout,
    QHBoxLayout,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.runtime.messages import RecorderStatus, StationStatus
from app.session.hand_drive import MOTIONS, HandDrive
from app.ui.action import Context, Intent, UiState
from app.ui.collect.camera_tile import CameraTile
from app.ui.collect.curtain import Curtain, notice_for
from app.ui.collect.hand_signs import HandSigns
from app.ui.collect.loop_bar import LoopBar
from app.ui.collect.readings import CAMERAS, Readings, RobotFacts
from app.ui.collect.take_bar import TakeBar
from app.ui.collect.touch_panel import TouchPanel
from app.ui.collect.trace_plot import Line, TracePlot
from app.ui.collect.view_tools import ViewTools
from app.ui.look import DARK, SIZES
from app.ui.place import PlaceWidget, SessionPort
from app.ui.view3d.ar import LAYER_NAMES
from app.ui.view3d.drag import Step
from app.ui.view3d.scene_view import SceneView
from app.ui.view3d.shot import Stage, StageSource
from app.ui.widgets import Card, set_look
from devices import plugins
from devices.clock import NS_PER_S
from devices.errors import TeledeckError
from devices.leader import Side
from devices.sim.build import build
from devices.sim.detail import DETAILS, Detail
from devices.stream import FloatArray

DEFAULT_LAYERS = frozenset({"field", "force", "contacts", "ghosts", "workspace"})
MOUSE_NS = NS_PER_S // 120  # the station hears the mouse no more often than this
PANEL_EVERY = 3  # frames: cameras, touch and plots at 20 Hz beside a 60 Hz view
START_AFTER_NS = NS_PER_S // 2  # a scene has settled this long after its reset
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
        self._readings = Readings(session)
        self._facts: RobotFacts | None = None
        self._model_key: tuple[str, str] | None = None
        self._seed: int | None = None
        self._reset_ns = 0
        self._start: FloatArray | None = None
        self._ever = False
        self._frame = 0
        self._last_sent_ns = 0
        self._layers = DEFAULT_LAYERS
        self._layers_before = DEFAULT_LAYERS
        self.hands = HandDrive(self._measured_grip)
        self._build()

    # ------------------------------------------------------------------------------- building
    def _build(self) -> None:
        self.view = SceneView()
        self.view.set_layers(self._layers)
        self.view.grabbed.connect(self._grab)
        self.view.stepped.connect(self._step_hand)
        self.view.released.connect(self._release_hand)
        self.view.installEventFilter(self)
        self.signs = HandSigns(self.view)
        self.signs.move(12, 12)
        self.tools = ViewTools(self.view)
        self.tools.show_layers(self._layers)
        self.curtain = Curtain(self.view)
        self.take_bar = TakeBar()
        for part in (self.curtain, self.tools, self.take_bar):
            part.intended.connect(self._pass_on)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        upper = QHBoxLayout()
        upper.setSpacing(0)
        upper.addWidget(self.view, 1)
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

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if watched is self.view and event is not None:
            if event.type() == QEvent.Type.Resize:
                self.curtain.setGeometry(self.view.rect())
                self.tools.adjustSize()
                self.tools.move(self.view.width() - self.tools.width() - 12, 12)
            elif event.type() == QEvent.Type.FocusOut:
                self._let_go_of_all()
        return False

    # ------------------------------------------------------------------------------ the place
    def enter(self) -> None:
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)

    def leave(self) -> None:
        self._let_go_of_all()

    def key_context(self) -> Context | None:
        # The window's own idea of focus: without a window manager no window is ever "active".
        window = self.window()
        here = None if window is None else window.focusWidget()
        return "view" if here in (None, window, self.view) else None

    def describe(self, state: UiState) -> UiState:
        touch = self._session.touch
        return replace(
            state,
            touch=touch is not None,
            subtract_grasp=touch is not None and touch.baseline_on,
        )

    def layers(self) -> frozenset[str]:
        return self._layers

    def close_down(self) -> None:
        self._let_go_of_all()
        self.view.close_view()

    def perform(self, intent: Intent, on: bool = True) -> bool:
        match intent.name:
            case "drive" if intent.argument in MOTIONS:
                self._hold_key(intent.argument, on)
            case "grip":
                self.hands.toggle_grip(self._now_ns())
                self._send()
            case "hand":
                self._let_go_of_all()
                self.view.set_driven(self.hands.other())
            case "view":
                self.view.look_from(intent.argument)
            case "layer":
                self._switch_layer(intent.argument)
            case "next_panel":
                self.take_bar.primary.setFocus(Qt.FocusReason.TabFocusReason)
            case _:
                return False
        return True

    def tick(self) -> None:
        now_ns = self._now_ns()
        self._follow_station(now_ns)
        self._readings.renew(now_ns)
        if self._facts is not None:
            self.view.set_state(self._readings.state, self._readings.asked(now_ns))
        self._send()
        self._frame += 1
        if self._frame % PANEL_EVERY == 0:
            self._show_panels(now_ns)

    def refresh(self, state: UiState) -> None:
        station: StationStatus | None = self._session.station
        recorder: RecorderStatus | None = self._session.recorder
        self.take_bar.refresh(state, station, recorder)
        self.tools.refresh(state)
        self.loop_bar.show_budget(station.loop if station is not None else None)
        if station is not None:
            self.signs.show_arms(station.arms, self.hands.side, station.leader == "window")
        notice = notice_for(station, self._ever)
        self.signs.setVisible(notice is None)
        self.curtain.show_notice(notice)
        self.tools.setVisible(notice is None or notice.shade < 0.5)

    # -------------------------------------------------------------------------------- reading
    def _follow_station(self, now_ns: int) -> None:
        """Notice another scene, another seed, and motions that somebody else makes."""
        station = self._session.station
        if station is None:
            return
        self._ever = True
        key = self._session.model_key
        if key is not None and key != self._model_key:
            self._use_scene(*key)
        if station.seed != self._seed:
            self._seed = station.seed
            self._reset_ns = now_ns
            self._start = None
            self.hands.forget_grips()
        if station.phase in ("homing", "estop", "stopped"):
            self.hands.forget_grips()
        if station.phase in ("estop", "stopped"):
            self._let_go_of_all()
        if (
            self._start is None
            and self._readings.state is not None
            and station.phase in ("holding", "driving")
            and now_ns - self._reset_ns > START_AFTER_NS
        ):
            self._start = self._readings.state.copy()
            self.view.set_start(self._start)

    def _use_scene(self, robot: str, scene: str) -> None:
        try:
            self._facts = facts = RobotFacts.named(robot)
            dresser = plugins.load("scenes", scene)()
        except TeledeckError as error:
            self.said.emit(f"The view cannot show this scene: {error}")
            return
        finally:
            self._model_key = (robot, scene)
        parts = facts.parts

        def stage(detail: str) -> Stage:
            return Stage(build(robot, scene, _detail(detail)), dresser, parts)

        self._readings.clear()
        self._start = None
        self.view.set_stage(StageSource((robot, scene), DETAILS, stage), parts)
        self.view.set_boxes(facts.boxes)
        self.view.set_driven(self.hands.side)
        self.touch_panel.set_pads(parts.pad_side)

    def _show_panels(self, now_ns: int) -> None:
        readings, station = self._readings, self._session.station
        if self._facts is not None:
            touch = readings.touch(now_ns, self._facts.parts)
            self.view.set_touch(touch)
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

    # -------------------------------------------------------------------------------- driving
    def _grab(self, side: Side) -> None:
        self.hands.grab(side)
        self.view.set_driven(side)
        station = self._session.station
        if station is not None and station.leader != "window":
            self.said.emit("Another device drives now; press D to choose mouse and keyboard")
        self._send()

    def _step_hand(self, step: Step) -> None:
        self.hands.fine = False  # Shift means depth while dragging
        self.hands.move(step.move)
        self.hands.turn(step.turn)
        if self._now_ns() - self._last_sent_ns >= MOUSE_NS:
            self._send()

    def _release_hand(self) -> None:
        self.hands.let_go()
        self._send()

    def _hold_key(self, motion: str, on: bool) -> None:
        held = QApplication.keyboardModifiers()
        self.hands.fine = bool(held & Qt.KeyboardModifier.ShiftModifier)
        self.hands.hold(motion, on)
        self._send()

    def _let_go_of_all(self) -> None:
        self.view.let_go()
        self.hands.release_all()
        self._send()

    def _send(self) -> None:
        """Tell the station what the hands do, if there is anything to tell."""
        now_ns = self._now_ns()
        reading = self.hands.read(now_ns)
        if reading is not None:
            self._session.drive(reading)
            self._last_sent_ns = now_ns

    def _measured_grip(self, side: Side) -> float | None:
        if self._facts is None:
            return None
        return self._readings.closed(side, self._facts.gap_range[side])

    # ---------------------------------------------------------------------------------- small
    def _switch_layer(self, name: str) -> None:
        if name == "all":
            if self._layers:
                self._layers_before, self._layers = self._layers, frozenset()
            else:
                self._layers = self._layers_before
        elif name in LAYER_NAMES:
            self._layers = self._layers ^ {name}
        self.view.set_layers(self._layers)
        self.tools.show_layers(self._layers)

    def _pass_on(self, intent: Intent) -> None:
        self.intended.emit(intent)
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)


def _side(name: str) -> Side:
    return "left" if name == "left" else "right"


def _detail(name: str) -> Detail:
    return next(detail for detail in DETAILS if detail == name)
