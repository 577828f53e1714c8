"""The main window: five places, one header, one status bar, and what lies over them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from PyQt6.QtCore import QPoint, QRect, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QResizeEvent
from PyQt6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.ui import state as states
from app.ui.action import PLACES, Action, Context, Intent, Place, UiState
from app.ui.actions import ACTIONS, by_id
from app.ui.attention import Attention
from app.ui.chooser import Chooser
from app.ui.commands import Commands, Said
from app.ui.header import Header
from app.ui.headset.chip import headset_chip
from app.ui.headset.page import HeadsetPage
from app.ui.help import HelpOverlay
from app.ui.hitch import HitchProbe
from app.ui.keys import KeyDispatcher
from app.ui.look import SIZES
from app.ui.next_step import next_step
from app.ui.overlay import Overlay
from app.ui.palette import CommandPalette
from app.ui.place import PlaceWidget, SessionPort
from app.ui.rail import Rail
from app.ui.settings import Settings, SettingsFile
from app.ui.sheets import CaptureSheet, DatasetSheet, TaskSheet
from app.ui.sounds import Sounds
from app.ui.statusbar import StatusBar
from app.ui.widgets import ABOVE_TAKE_BAR, Toast, set_look

FRAME_MS = 16
REFRESH_EVERY = 3  # frames: texts at 20 Hz read as steadily as at 60
LIFT = {"test": 208}  # [px]: the bar of a rollout has a row of failures over it


class MainWindow(QMainWindow):
    """The window of a session.

    Args:
        session: Whom it shows and asks.
        places: What fills each place.
        settings: What is remembered between runs.
        sounds: The four earcons.

    Signals:
        closing: The window is about to go.
    """

    closing = pyqtSignal()

    def __init__(
        self,
        session: SessionPort,
        places: Mapping[Place, PlaceWidget],
        settings: SettingsFile,
        sounds: Sounds,
    ) -> None:
        super().__init__()
        self.session = session
        self._places = dict(places)
        self._settings_file = settings
        self.settings: Settings = settings.load()
        self.sounds = sounds
        sounds.setParent(self)
        sounds.enabled = self.settings.sounds
        self._place: Place = "collect"
        self._page = ""
        self._frame = 0
        self._last_fault = ""
        self._events_seen = session.events_seen
        self._had_station = False
        self._was_covered = False
        self.hitches = HitchProbe(FRAME_MS * 1_000_000)
        self.commands = Commands(session, self.say)
        self.setWindowTitle("Teledeck")
        self.setMinimumSize(1024, 680)
        self._build()
        self._keys = KeyDispatcher(self, self._key_context, self._covered, self._act)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.step)
        self.go("collect")
        self.refresh()

    def _build(self) -> None:
        root = QWidget()
        root.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        set_look(root, role="frame", tone="idle")
        self.setCentralWidget(root)
        frame = QVBoxLayout(root)
        edge = SIZES.border
        frame.setContentsMargins(edge, edge, edge, edge)
        frame.setSpacing(0)
        self.header = Header(self.ui_state)
        self.header.asked.connect(lambda action: self._act(action, True))
        self.header.show_sound_reason(self.sounds.reason)
        frame.addWidget(self.header)
        middle = QHBoxLayout()
        middle.setSpacing(0)
        frame.addLayout(middle, 1)
        self.rail = Rail()
        self.rail.picked.connect(self.go)
        self.rail.headset_asked.connect(lambda: self.perform(Intent("headset_page")))
        middle.addWidget(self.rail)
        column = QVBoxLayout()
        column.setSpacing(0)
        middle.addLayout(column, 1)
        self.status = StatusBar()
        self.attention = Attention(root, self.header, self.status, self.sounds)
        self.attention.acted.connect(self.perform)
        self.attention.dismissed.connect(lambda: self.perform(Intent("dismiss")))
        column.addWidget(self.attention)
        self._stack = QStackedWidget()
        set_look(self._stack, role="floor")
        for place in PLACES:
            widget = self._places[place]
            widget.intended.connect(self.perform)
            widget.said.connect(lambda text: self.say(Said(text)))
            widget.undoable.connect(lambda text: self.say(Said(text, "kept", undo=True)))
            self._stack.addWidget(widget)
        self.headset_page = HeadsetPage(self.session)
        self.headset_page.intended.connect(self.perform)
        self.headset_page.left.connect(self.leave_page)
        self._stack.addWidget(self.headset_page)
        column.addWidget(self._stack, 1)
        frame.addWidget(self.status)
        self.toast = Toast(root)
        self.toast.room = self._toast_room
        self.toast.undo_pressed.connect(lambda: self.perform(Intent("undo")))
        self.chooser = Chooser(self.session, lambda: self.settings.recent, self.ui_state)
        self.help = HelpOverlay(root)
        self.palette_overlay = CommandPalette(root, self.chooser.choices)
        self.palette_overlay.chosen.connect(self.perform)
        self.task_sheet = TaskSheet(root)
        self.task_sheet.decided.connect(self.commands.set_task)
        self.dataset_sheet = DatasetSheet(root)
        self.dataset_sheet.decided.connect(lambda path: self.open_dataset(Path(path)))
        self.capture_sheet = CaptureSheet(root)
        self.capture_sheet.decided.connect(
            lambda path: self.perform(Intent("headset_capture", path))
        )
        self._overlays: list[Overlay] = [
            self.help,
            self.palette_overlay,
            self.task_sheet,
            self.dataset_sheet,
            self.capture_sheet,
        ]

    # ------------------------------------------------------------------------------- running
    def start(self) -> None:
        """Begin to follow the session, about 60 times a second."""
        self._timer.start(FRAME_MS)

    def step(self) -> None:
        """One frame: hear the session, let the place draw, renew the texts now and then."""
        self.hitches.tick(time.monotonic_ns())
        self.session.poll()
        if self._page:
            self.headset_page.tick()
        else:
            self._places[self._place].tick()
        self._frame += 1
        if self._frame % REFRESH_EVERY == 0:
            self.refresh()

    def refresh(self) -> None:
        """Show the newest statuses everywhere."""
        station, recorder = self.session.station, self.session.recorder
        covered = self._covered()
        if covered and not self._was_covered:
            self.toast.hide()  # what was said before shall not lie over what was opened now
        self._was_covered = covered
        self._hear_events()
        self._had_station = self._had_station or station is not None
        state = self.ui_state()
        self.header.refresh(state, station, recorder)
        self.status.show_station(station)
        self.status.show_recorder(recorder)
        self.status.show_cameras(self.session.camera)
        self.header.show_headset(*headset_chip(self.session.headset))
        self.status.show_headset(self.session.headset)
        if self._frame % 60 == 0:
            hitches = self.hitches.read()
            self.status.show_screen(hitches.max_ms, hitches.p99_ms)
        if recorder is not None:
            self.attention.show_kept(recorder.kept)
        if self._had_station:
            self.attention.show_mood(self._places[self._place].mood(states.mood(station, recorder)))
            # In Collect the curtain over the view tells an emergency stop; once is enough.
            stopped = station is not None and station.phase == "estop"
            told = stopped and self._place == "collect" and not self._page
            fault = None if told else states.fault(station, recorder, self._last_fault)
            self.attention.show_fault(fault)
        if self._page:
            self.headset_page.refresh(state)
        else:
            self._places[self._place].refresh(state)

    def ui_state(self) -> UiState:
        """What decides which actions are possible now."""
        station, recorder, library, headset = (
            self.session.station,
            self.session.recorder,
            self.session.library,
            self.session.headset,
        )
        calibration = headset.calibration if headset else None
        driving = self.commands.headset
        base = UiState(
            place=self._place,
            station=station.phase if station else "",
            recorder=recorder.state if recorder else "",
            practice=self.commands.practice,
            leader=station.leader if station else "",
            dataset=library is not None or bool(recorder and recorder.dataset),
            sounds=self.settings.sounds and not self.sounds.reason,
            layers=self._places["collect"].layers(),
            page=self._page,
            headset=headset is not None,
            listening=headset is not None and headset.listening,
            confirmed=bool(headset and headset.address),
            set_up=headset.set_up.step if headset else "",
            calibrated=calibration is not None,
            swapped=calibration is not None and calibration.swapped,
            capturing=bool(headset and headset.capturing),
            axes=driving.axes,
            motion=driving.motion,
        )
        return self._places[self._place].describe(base)

    def _hear_events(self) -> None:
        fresh = self.session.events_seen - self._events_seen
        self._events_seen = self.session.events_seen
        if fresh <= 0:
            return
        for event in list(self.session.events)[-fresh:]:
            if event.kind == "leader" and "pad" in event.data:
                self._press_pad(str(event.data["pad"]))
            if event.kind == "fault":
                self._last_fault = event.text
                self.sounds.play("fault")
                if "estop" not in event.data:
                    self.say(Said(event.text, "fault"))

    def _press_pad(self, button: str) -> None:
        """A button of the gamepad that drives went down: its row of the table, if possible now."""
        for action in ACTIONS:
            if self._place == "test" and action.group == "Take" and action.id != "take.next":
                continue  # in a rollout the bar of Test decides about the take
            if action.pad.lower() == button and action.enabled(self.ui_state()):
                self.perform(action.intent)

    def say(self, said: Said) -> None:
        """A line at the bottom for some seconds."""
        self.toast.say(said.text, tone=said.tone, undo=said.undo)

    def _toast_room(self) -> QRect | None:
        """Where it covers nothing that matters; None: low in the middle."""
        if not self._page:
            return None
        room = self.headset_page.free_room()
        return room.translated(self.headset_page.mapTo(self.toast.parentWidget(), QPoint()))

    # -------------------------------------------------------------------------------- actions
    def _key_context(self) -> Context:
        if self._page:
            return "headset"
        nearer = self._places[self._place].key_context()
        return nearer if nearer is not None else self.ui_state().context

    def _covered(self) -> bool:
        return (
            any(overlay.isVisible() for overlay in self._overlays)
            or self._places[self._place].covered()
        )

    def _act(self, action: Action, on: bool) -> None:
        """Do what a row of the table says, if it is possible now."""
        if not on:
            self._places[self._place].perform(action.intent, False)
            return
        state = self.ui_state()
        if not action.enabled(state):
            self.say(Said(f"{action.title}: not possible now"))
            return
        if action.choices:
            self.palette_overlay.open_for(state, action)
            return
        self.perform(action.intent)

    def perform(self, intent: Intent) -> None:
        """Do what the user wants: the window's own business, the place's, or the station's."""
        handler = {
            "go": lambda: self.go(intent.argument),
            "estop": self._estop,
            "help": lambda: self._toggle(self.help),
            "palette": lambda: self._toggle(self.palette_overlay),
            "sounds": self._switch_sounds,
            "dismiss": self.attention.dismiss,
            "full_screen": self._full_screen,
            "quit": self.close,
            "take_next": self._take_next,
            "take_task": self._open_task_sheet,
            "new_dataset": lambda: self._open_dataset_sheet(new=True),
            "open_dataset": lambda: self._open_dataset_sheet(new=False),
            "switch_dataset": lambda: self._switch_dataset(intent.argument),
            "next_panel": lambda: self.focusNextChild(),
            "undo": self._undo,
            "headset_page": self._toggle_page,
            "headset_next": self._headset_next,
            "open_moment": lambda: self._open_moment(intent.argument),
            "replay_episode": lambda: self._replay(intent.argument),
        }.get(intent.name)
        if intent == Intent("headset_capture") and not self.ui_state().capturing:
            handler = self._open_capture_sheet
        if handler is not None:
            handler()
        elif not self._places[self._place].perform(intent):
            self.commands.perform(intent)
        self.refresh()

    def _open_moment(self, where: str) -> None:
        """An episode and a moment of it, "uid seconds", in the Library."""
        uid, _, seconds = where.partition(" ")
        self.go("library")
        self._places["library"].open_moment(uid, float(seconds or 0.0))

    def _replay(self, path: str) -> None:
        if self.commands.replay(Path(path)):
            self.go("collect")

    def go(self, place: str) -> None:
        """Show a place."""
        if place not in PLACES:
            raise ValueError(f"no place {place!r}; places: {', '.join(PLACES)}")
        self._close_overlays()
        if hasattr(self, "_keys"):
            self._keys.release_all()
        if place != self._place or self._page:
            self._places[self._place].leave()
        self._place = place
        self._page = ""
        self._stack.setCurrentWidget(self._places[place])
        self.rail.show_place(place)
        self.toast.lift = LIFT.get(place, ABOVE_TAKE_BAR)
        self._places[place].enter()

    def open_page(self) -> None:
        """Show the page of the headset over the place."""
        self._close_overlays()
        self._keys.release_all()
        self._places[self._place].leave()
        self._page = "headset"
        self._stack.setCurrentWidget(self.headset_page)
        self.rail.show_place("")
        self.headset_page.enter()

    def leave_page(self) -> None:
        """Back to the place below."""
        if self._page:
            self.go(self._place)
            self.refresh()

    def _toggle_page(self) -> None:
        if self._page:
            self.leave_page()
        else:
            self.open_page()

    def _headset_next(self) -> None:
        intent = self.headset_page.next_intent() if self._page else None
        if intent is not None:
            self.headset_page.intend(intent)

    def _open_capture_sheet(self) -> None:
        self.capture_sheet.open_for(datetime.now())

    def open_dataset(self, folder: Path) -> None:
        """Open or create a dataset, for the takes and for the Library."""
        if self.commands.open_dataset(folder):
            self._remember(self.settings.with_recent(folder))
            for place in self._places.values():
                place.dataset_changed()

    def _estop(self) -> None:
        self._close_overlays()
        self.commands.perform(Intent("estop"))

    def _take_next(self) -> None:
        if self._place == "test" and self._places["test"].perform(Intent("take_next")):
            return
        step = next_step(self.ui_state())
        if step.intent is not None:
            self.perform(step.intent)

    def _toggle(self, overlay: Overlay) -> None:
        if overlay.isVisible():
            overlay.dismiss()
            return
        self._close_overlays()
        if overlay is self.help:
            self.help.open_for(self.ui_state())
        else:
            self.palette_overlay.open_for(self.ui_state())

    def _close_overlays(self) -> None:
        for overlay in self._overlays:
            overlay.dismiss()
        self._places[self._place].uncover()

    def _open_task_sheet(self) -> None:
        recorder = self.session.recorder
        if recorder is not None:
            self.task_sheet.open_with(recorder.task, "", recorder.target)

    def _open_dataset_sheet(self, *, new: bool) -> None:
        recent = self.settings.recent
        parent = Path(recent[0]).parent if recent else Path.home() / "Teledeck"
        folder = parent / "my-dataset" if new else Path(recent[0]) if recent else parent
        self.dataset_sheet.open_for(new=new, folder=folder)

    def _switch_dataset(self, folder: str) -> None:
        if folder:
            self.open_dataset(Path(folder))
        elif self.settings.recent:
            self.palette_overlay.open_for(self.ui_state(), by_id("dataset.recent"))
        else:
            self._open_dataset_sheet(new=True)

    def _switch_sounds(self) -> None:
        if self.sounds.reason:
            self.say(Said(self.sounds.reason))
            return
        self.sounds.enabled = not self.sounds.enabled
        self._remember(replace(self.settings, sounds=self.sounds.enabled))
        self.say(Said("Sounds on" if self.sounds.enabled else "Sounds off"))

    def _full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _undo(self) -> None:
        if not self._places[self._place].perform(Intent("undo")):
            self._places["library"].perform(Intent("undo"))

    def _remember(self, settings: Settings) -> None:
        self.settings = settings
        try:
            self._settings_file.save(settings)
        except OSError as error:
            self.say(Said(f"Settings cannot be saved: {error.strerror or error}", "armed"))

    # ---------------------------------------------------------------------------------- window
    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.toast.place()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        self._timer.stop()
        self._keys.release_all()
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self._keys)
        for place in self._places.values():
            place.close_down()
        self.closing.emit()
        super().closeEvent(event)
