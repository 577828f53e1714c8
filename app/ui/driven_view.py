"""The 3-D view with a robot in it that one can take by the hand, as Collect and Test have it."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtWidgets import QApplication, QVBoxLayout, QWidget

from app.runtime.requests import SLOTS
from app.runtime.statuses import StationStatus
from app.session.hand_drive import MOTIONS, HandDrive
from app.ui.action import Intent, UiState
from app.ui.collect.curtain import Curtain, notice_for
from app.ui.collect.hand_signs import HINT, HandSigns
from app.ui.collect.prediction import predicted
from app.ui.collect.readings import Readings, RobotFacts
from app.ui.collect.view_tools import ViewTools
from app.ui.place import SessionPort
from app.ui.view3d.ar import LAYER_NAMES, TouchView
from app.ui.view3d.drag import Step
from app.ui.view3d.scene_view import SceneView
from app.ui.view3d.shot import Stage, StageSource
from devices import plugins
from devices.clock import NS_PER_S
from devices.errors import TeledeckError
from devices.leader import Side
from devices.sim.build import build
from devices.sim.detail import DETAILS, Detail
from devices.stream import FloatArray

DEFAULT_LAYERS = frozenset({"field", "force", "contacts", "ghosts", "workspace", "chunk"})
MOUSE_NS = NS_PER_S // 120  # the station hears the mouse no more often than this
START_AFTER_NS = NS_PER_S // 2  # a scene has settled this long after its reset


class DrivenView(QWidget):
    """Follows the streams of a session and sends what mouse and keys do with the hands.

    Call `tick` once a frame, `refresh` with each new state.

    Args:
        session: Whom to show and drive.
        now_ns: The session's clock.
        buttons: Of the tools over the view, as `ViewTools` takes them.
        hint: How to drive, shown until somebody does.

    Signals:
        intended: An `Intent` of one of its buttons.
        said: A sentence for the user.
        dressed: Another scene is shown: its `RobotFacts`.
    """

    intended = pyqtSignal(object)
    said = pyqtSignal(str)
    dressed = pyqtSignal(object)

    def __init__(
        self,
        session: SessionPort,
        now_ns: Callable[[], int],
        buttons: tuple[str, ...] | None = None,
        hint: str = HINT,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._now_ns = now_ns
        self.readings = Readings(session)
        self.facts: RobotFacts | None = None
        self._model_key: tuple[str, str] | None = None
        self._seed: int | None = None
        self._reset_ns = 0
        self._start: FloatArray | None = None
        self._ever = False
        self._last_sent_ns = 0
        self.layers = DEFAULT_LAYERS
        self._layers_before = DEFAULT_LAYERS
        self.hands = HandDrive(self._measured_grip)
        self.view = SceneView()
        self.view.set_layers(self.layers)
        self.view.grabbed.connect(self._grab)
        self.view.stepped.connect(self._step_hand)
        self.view.released.connect(self._release_hand)
        self.view.installEventFilter(self)
        self.signs = HandSigns(self.view, hint)
        self.signs.move(12, 12)
        self.tools = ViewTools(self.view) if buttons is None else ViewTools(self.view, buttons)
        self.tools.show_layers(self.layers)
        self.curtain = Curtain(self.view)
        for part in (self.curtain, self.tools):
            part.intended.connect(self.intended)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.view)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if watched is self.view and event is not None:
            if event.type() == QEvent.Type.Resize:
                self.curtain.setGeometry(self.view.rect())
                self.tools.adjustSize()
                self.tools.move(self.view.width() - self.tools.width() - 12, 12)
            elif event.type() == QEvent.Type.FocusOut:
                self.let_go_of_all()
        return False

    # ------------------------------------------------------------------------------ the place
    def take_keyboard(self) -> None:
        """Keys drive the hands from now on."""
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)

    def has_keyboard(self) -> bool:
        """Whether keys drive: the view has the focus, or nothing has."""
        # The window's own idea of focus: without a window manager no window is ever "active".
        window = self.window()
        here = None if window is None else window.focusWidget()
        return here in (None, window, self.view)

    def close_down(self) -> None:
        """End the drawing thread. Idempotent."""
        self.let_go_of_all()
        self.view.close_view()

    def perform(self, intent: Intent, on: bool = True) -> bool:
        """Hands, camera and layers. False for any other intent."""
        match intent.name:
            case "drive" if intent.argument in MOTIONS:
                self._hold_key(intent.argument, on)
            case "grip":
                self.hands.toggle_grip(self._now_ns())
                self._send()
            case "hand":
                self.let_go_of_all()
                self.view.set_driven(self.hands.other())
            case "view":
                self.view.look_from(intent.argument)
            case "layer":
                self._switch_layer(intent.argument)
            case _:
                return False
        return True

    def tick(self) -> None:
        """One frame: follow the station, draw the newest state, send what the hands do."""
        now_ns = self._now_ns()
        self._follow_station(now_ns)
        self.readings.renew(now_ns)
        self.view.set_paths(predicted(self._session, now_ns))
        if self.facts is not None:
            self.view.set_state(self.readings.state, self.readings.asked(now_ns))
        self._send()

    def feel(self, now_ns: int) -> TouchView | None:
        """Show what is felt now in the view, and return it; None before there is a robot."""
        if self.facts is None:
            return None
        touch = self.readings.touch(now_ns, self.facts.parts)
        self.view.set_touch(touch)
        return touch

    def refresh(self, state: UiState) -> None:
        """New state of station and window."""
        station: StationStatus | None = self._session.station
        self.tools.refresh(state)
        if station is not None:
            headset = self._session.headset if station.leader == "headset" else None
            holds = headset.holds if headset is not None else None
            self.signs.show_arms(station.arms, self.hands.side, _by_mouse(station), holds)
        notice = notice_for(station, self._ever)
        self.signs.setVisible(notice is None)
        self.curtain.show_notice(notice)
        self.tools.setVisible(notice is None or notice.shade < 0.5)

    def let_go_of_all(self) -> None:
        """Let go of hands and keys: focus lost, place left, emergency stop."""
        self.view.let_go()
        self.hands.release_all()
        self._send()

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
        # What a policy did with the jaws since is not what the hand asked for last.
        moved = station.phase in ("homing", "estop", "stopped")
        if moved or (station.leader in SLOTS and not self.hands.engaged):
            self.hands.forget_grips()
        if station.phase in ("estop", "stopped"):
            self.let_go_of_all()
        if (
            self._start is None
            and self.readings.state is not None
            and station.phase in ("holding", "driving")
            and now_ns - self._reset_ns > START_AFTER_NS
        ):
            self._start = self.readings.state.copy()
            self.view.set_start(self._start)

    def _use_scene(self, robot: str, scene: str) -> None:
        try:
            self.facts = facts = RobotFacts.named(robot)
            dresser = plugins.load("scenes", scene)()
        except TeledeckError as error:
            self.said.emit(f"The view cannot show this scene: {error}")
            return
        finally:
            self._model_key = (robot, scene)
        parts = facts.parts

        def stage(detail: str) -> Stage:
            return Stage(build(robot, scene, _detail(detail)), dresser, parts)

        self.readings.clear()
        self._start = None
        self.view.set_stage(StageSource((robot, scene), DETAILS, stage), parts)
        self.view.set_boxes(facts.boxes)
        self.view.set_driven(self.hands.side)
        self.dressed.emit(facts)

    # -------------------------------------------------------------------------------- driving
    def _grab(self, side: Side) -> None:
        self.hands.grab(side)
        self.view.set_driven(side)
        station = self._session.station
        if station is not None and not _by_mouse(station):
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

    def _send(self) -> None:
        """Tell the station what the hands do, if there is anything to tell."""
        now_ns = self._now_ns()
        reading = self.hands.read(now_ns)
        if reading is not None:
            self._session.drive(reading)
            self._last_sent_ns = now_ns

    def _measured_grip(self, side: Side) -> float | None:
        if self.facts is None:
            return None
        return self.readings.closed(side, self.facts.gap_range[side])

    # ---------------------------------------------------------------------------------- small
    def _switch_layer(self, name: str) -> None:
        if name == "all":
            if self.layers:
                self._layers_before, self.layers = self.layers, frozenset()
            else:
                self.layers = self._layers_before
        elif name in LAYER_NAMES:
            self.layers = self.layers ^ {name}
        self.view.set_layers(self.layers)
        self.tools.show_layers(self.layers)


def _by_mouse(station: StationStatus) -> bool:
    """Whether mouse and keys drive, or take over when they are used."""
    return station.leader in ("window", *SLOTS)


def _detail(name: str) -> Detail:
    return next(detail for detail in DETAILS if detail == name)
