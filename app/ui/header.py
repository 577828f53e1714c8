"""The top of the window: menus, what is open, and the emergency stop."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QAction, QMouseEvent
from PyQt6.QtWidgets import QHBoxLayout, QMenu, QMenuBar, QVBoxLayout, QWidget

from app.runtime.statuses import RecorderStatus, StationStatus
from app.ui import look
from app.ui.action import Action, Intent, UiState
from app.ui.actions import ACTIONS, by_id, tooltip
from app.ui.help import key_row
from app.ui.look import SIZES, Tone
from app.ui.state import Mood
from app.ui.widgets import Button, Chip, ElidedText, Line, Text, set_look

MENUS: dict[str, tuple[str, ...]] = {
    "&Take": ("Take",),
    "&Robot": ("Safety", "Robot and scene"),
    "&Headset": ("Headset",),
    "&View": ("View",),
    "&Episode": ("Library", "Playback", "Verdict"),
    "&Dataset": ("Dataset",),
    "&Window": ("Window",),
}
"""Menus, and the groups of the action table in them."""


class Menus(QMenuBar):
    """The menu bar, made from the table. Emits `chosen(Action)`."""

    chosen = pyqtSignal(object)

    def __init__(self, state: Callable[[], UiState], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setNativeMenuBar(False)
        self._state = state
        for title, groups in MENUS.items():
            menu = self.addMenu(title)
            assert menu is not None
            menu.setToolTipsVisible(True)
            self._fill(menu, groups)
            menu.aboutToShow.connect(lambda menu=menu: self._renew(menu))

    def _fill(self, menu: QMenu, groups: tuple[str, ...]) -> None:
        seen: set[Intent] = set()
        for number, group in enumerate(groups):
            if number:
                menu.addSeparator()
            for row in ACTIONS:
                if row.group != group or row.intent in seen:
                    continue
                seen.add(row.intent)
                # The key is only shown (after the tab): keys are dispatched by the table.
                item = QAction(f"{row.title}\t{row.key}", menu)
                item.setData(row)
                item.setToolTip(row.hint)
                item.setCheckable(row.kind == "toggle")
                if row.icon and row.kind != "toggle":
                    item.setIcon(look.icon(row.icon))
                item.triggered.connect(lambda _, row=row: self.chosen.emit(row))
                menu.addAction(item)

    def _renew(self, menu: QMenu) -> None:
        state = self._state()
        for item in menu.actions():
            row = item.data()
            if isinstance(row, Action):
                item.setEnabled(row.enabled(state))
                if row.kind == "toggle":
                    item.setChecked(row.checked(state))


class HeadsetChip(Chip):
    """Says that the port is open. A click opens the page of the headset; F2 does it too."""

    pressed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__("", hint=tooltip(by_id("headset.page")))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.hide()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        self.pressed.emit()


class Header(QWidget):
    """Two rows: menus with search and stop; dataset, scene and task. Emits `asked(Action)`."""

    asked = pyqtSignal(object)

    def __init__(self, state: Callable[[], UiState], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_look(self, role="wall")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._bar(state))
        column.addWidget(Line())
        column.addLayout(self._strip())
        column.addWidget(Line())

    def _bar(self, state: Callable[[], UiState]) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(SIZES.gap, SIZES.hair, SIZES.unit, SIZES.hair)
        row.setSpacing(SIZES.unit)
        row.addWidget(Text("Teledeck", "title"))
        self.menus = Menus(state)
        self.menus.chosen.connect(self.asked)
        row.addWidget(self.menus)
        row.addStretch()
        search = self._button("window.palette", "Search commands", "quiet")
        row.addWidget(search)
        row.addLayout(key_row(by_id("window.palette").key))
        row.addSpacing(SIZES.unit)
        row.addWidget(self._button("window.help", "", "quiet"))
        self._sound = self._button("window.sounds", "", "quiet")
        row.addWidget(self._sound)
        row.addSpacing(SIZES.unit)
        self._stop = self._button("safety.estop", "E-stop", "danger")
        row.addWidget(self._stop)
        row.addLayout(key_row("Esc"))
        return row

    def _strip(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(SIZES.unit, SIZES.hair, SIZES.gap, SIZES.hair)
        row.setSpacing(SIZES.unit)
        self._dataset = self._button("dataset.recent", "No dataset", "quiet", icon="database")
        self._kept = Text("", role="caption")
        self._scene = self._button("scene.load", "No scene", "quiet")
        self._task = ElidedText("", role="soft")
        self._leader = self._button("leader.pick", "No device", "quiet")
        self._mood = Chip("", "idle", hint="What the take and the robot are doing")
        self._headset = HeadsetChip()
        self._headset.pressed.connect(lambda: self.asked.emit(by_id("headset.page")))
        self._simulated = Chip("Simulated", "paused", hint="This robot is a simulation.")
        row.addWidget(self._dataset)
        row.addWidget(self._kept)
        row.addWidget(Line(vertical=True))
        row.addWidget(self._scene)
        row.addWidget(self._task, 1)
        row.addWidget(self._leader)
        row.addWidget(self._headset)
        row.addWidget(self._simulated)
        row.addWidget(self._mood)
        return row

    def _button(self, action_id: str, text: str, kind: str, *, icon: str = "") -> Button:
        action = by_id(action_id)
        button = Button(text, kind=kind, icon=icon or action.icon, hint=tooltip(action))
        button.setAccessibleName(action.title)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.asked.emit(action))
        return button

    def refresh(
        self, state: UiState, station: StationStatus | None, recorder: RecorderStatus | None
    ) -> None:
        """Show what is open and whether the sounds are on."""
        name = recorder.dataset.rstrip("/").rpartition("/")[2] if recorder else ""
        _set(self._dataset, name or "Choose a dataset")
        self._dataset.setAccessibleDescription(recorder.dataset if recorder else "")
        kept = f"{recorder.kept} of {recorder.target} kept" if recorder and recorder.target else ""
        if recorder and name and not recorder.target:
            kept = f"{recorder.kept} kept"
        self._kept.setText(kept)
        _set(self._scene, station.scene.capitalize() if station else "No scene")
        seed = f"   seed {station.seed}" if station else ""
        task = (recorder.task if recorder else "") or (station.instruction if station else "")
        self._task.setText(task + seed)
        _set(self._leader, leader_words(station.leader) if station else "No device")
        self._simulated.setVisible(station is not None and station.simulated)
        self._sound.set_icon("speaker-high" if state.sounds else "speaker-slash")

    def show_mood(self, mood: Mood) -> None:
        """The state in a word, on every place."""
        self._mood.show_value(mood.word, mood.tone)

    def show_headset(self, text: str, tone: Tone | None) -> None:
        """The headset's port, while it is open: never in a quiet colour."""
        self._headset.setVisible(bool(text))
        self._headset.show_value(text, tone)

    def headset_text(self) -> str:
        return self._headset.text() if self._headset.isVisible() else ""

    def show_sound_reason(self, reason: str) -> None:
        """Why no sound can be heard, on the sound button."""
        self._sound.setToolTip(reason or tooltip(by_id("window.sounds")))


LEADER_WORDS = {
    "policy_a": "Policy A",
    "policy_b": "Policy B",
    "window": "Mouse and keyboard",
    "gamepad": "Gamepad",
    "headset": "Headset",
    "scripted": "Scripted operator",
    "scripted-blind": "Scripted operator, without touch",
    "replay": "Replay of an episode",
}


def leader_words(name: str) -> str:
    """A driving device as people call it."""
    return LEADER_WORDS.get(name, name or "No device")


def _set(button: Button, text: str) -> None:
    if button.text() != text:
        button.setText(text)
