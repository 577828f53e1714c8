"""The main window: keys, places, overlays, states, on a session without processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QLineEdit, QVBoxLayout
from pytestqt.qtbot import QtBot

from app.runtime.requests import Arm, Discard, EStop, Keep, Pause, ResetScene, Start, Stop
from app.runtime.statuses import Event
from app.ui import look
from app.ui.action import PLACES, Context, Intent, Place
from app.ui.actions import ACTIONS
from app.ui.coming import ComingPlace
from app.ui.place import PlaceWidget
from app.ui.settings import SettingsFile
from app.ui.sounds import Sounds
from app.ui.window import MainWindow
from tests.ui.fake_session import FakeSession

Key = Qt.Key


class Probe(PlaceWidget):
    """A place that remembers what it was asked, with a text field in it."""

    def __init__(self, context: Context | None = None) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.field = QLineEdit(self)
        QVBoxLayout(self).addWidget(self.field)
        self.asked: list[tuple[Intent, bool]] = []
        self.context = context

    def perform(self, intent: Intent, on: bool = True) -> bool:
        self.asked.append((intent, on))
        return intent.name in ("drive", "grip", "hand", "view")

    def key_context(self) -> Context | None:
        return self.context

    def enter(self) -> None:
        self.setFocus()


class Desk:
    """A shown window with its session."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.session = FakeSession("/data/wipe")
        self.collect = Probe("view")
        places: dict[Place, PlaceWidget] = {place: ComingPlace(place) for place in PLACES[2:4]}
        places |= {"collect": self.collect, "library": Probe(), "test": Probe()}
        self.settings = SettingsFile(folder / "window.toml")
        self.window = MainWindow(self.session, places, self.settings, Sounds(folder / "sounds"))
        qtbot.addWidget(self.window)
        self.window.resize(1280, 800)
        self.window.show()
        qtbot.waitExposed(self.window)
        self.window.activateWindow()
        self.collect.setFocus()
        qtbot.waitUntil(lambda: QApplication.focusWidget() is self.collect)

    def press(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier(0)) -> None:
        widget = QApplication.focusWidget() or self.window
        QTest.keyClick(widget, key, modifiers)

    @property
    def place(self) -> str:
        return self.window.ui_state().place


@pytest.fixture
def desk(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Desk]:
    look.dress(qapp)
    made = Desk(qtbot, tmp_path)
    yield made
    made.window.close()
    made.window.deleteLater()


def test_a_take_is_done_with_one_key(desk: Desk) -> None:
    for _ in range(4):
        desk.press(Key.Key_Return)
    assert [type(r) for r in desk.session.asked] == [Arm, Start, Stop, Keep]
    assert desk.session.asked[-1] == Keep("success")


def test_failure_pause_and_discard(desk: Desk) -> None:
    desk.session.set_recorder(state="recording")
    desk.press(Key.Key_P)
    desk.press(Key.Key_P)
    desk.press(Key.Key_F)
    assert desk.session.asked == [Pause(True), Pause(False), Stop(), Keep("failure")]
    desk.session.asked.clear()
    desk.session.set_recorder(state="stopped")
    desk.press(Key.Key_Backspace)
    assert desk.session.asked == [Discard()]


def test_places_by_number(desk: Desk) -> None:
    for number, place in enumerate(PLACES):
        desk.press(Key(Key.Key_1 + number))
        assert desk.place == place


@pytest.mark.parametrize("over", ["", "help", "palette", "new_dataset", "text", "menu"])
def test_escape_stops_in_every_context(desk: Desk, qtbot: QtBot, over: str) -> None:
    if over == "text":
        desk.collect.field.setFocus()
    elif over == "menu":
        menu = desk.window.header.menus.actions()[0].menu()
        menu.popup(desk.window.mapToGlobal(QPoint(50, 50)))
        qtbot.waitUntil(menu.isVisible)
        QTest.keyClick(menu, Key.Key_Escape)
        assert desk.session.asked == [EStop("Escape key")]
        menu.close()
        return
    elif over:
        desk.window.perform(Intent(over))
        assert QApplication.focusWidget() is not desk.collect
    desk.press(Key.Key_Escape)
    assert desk.session.asked == [EStop("Escape key")]
    assert not any(o.isVisible() for o in (desk.window.help, desk.window.palette_overlay))


@pytest.mark.parametrize("place", PLACES)
def test_escape_stops_in_every_place(desk: Desk, place: Place) -> None:
    desk.window.go(place)
    desk.press(Key.Key_Escape)
    assert desk.session.asked == [EStop("Escape key")]


def test_after_a_stop_only_a_clear_lets_go(desk: Desk) -> None:
    desk.press(Key.Key_Escape)
    desk.press(Key.Key_Return)
    assert desk.session.station is not None and desk.session.station.phase == "estop"
    desk.window.refresh()
    assert not desk.window.attention.banner.isVisible(), (
        "in Collect the curtain over the view tells it"
    )
    desk.window.go("library")
    desk.window.refresh()
    assert desk.window.attention.banner.isVisible()
    desk.press(Key.Key_E, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert desk.session.station.phase == "holding"
    desk.window.refresh()
    assert not desk.window.attention.banner.isVisible()


def test_hold_keys_begin_and_end(desk: Desk) -> None:
    QTest.keyPress(desk.collect, Key.Key_Up)
    QTest.keyPress(desk.collect, Key.Key_Left)
    QTest.keyRelease(desk.collect, Key.Key_Up)
    QTest.keyRelease(desk.collect, Key.Key_Left)
    told = [(intent.argument, on) for intent, on in desk.collect.asked]
    assert told == [("+x", True), ("+y", True), ("+x", False), ("+y", False)]


def test_held_keys_end_when_the_place_changes(desk: Desk) -> None:
    QTest.keyPress(desk.collect, Key.Key_PageUp)
    desk.window.go("library")
    assert desk.collect.asked[-1] == (Intent("drive", "+z"), False)


def test_letters_belong_to_a_text_field(desk: Desk) -> None:
    desk.collect.field.setFocus()
    QTest.keyClicks(desk.collect.field, "hr1 p?")
    desk.press(Key.Key_Backspace)
    assert desk.collect.field.text() == "hr1 p"
    assert desk.session.asked == [] and desk.place == "collect"
    desk.press(Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    assert desk.window.palette_overlay.isVisible()


def test_help_lists_every_key_of_the_place(desk: Desk) -> None:
    QTest.keyClick(desk.collect, Key.Key_Question, Qt.KeyboardModifier.ShiftModifier)
    assert desk.window.help.isVisible()
    from PyQt6.QtWidgets import QLabel

    shown = {label.text() for label in desk.window.help.findChildren(QLabel)}
    for action in ACTIONS:
        if action.keys and action.context in ("everywhere", "collect", "view"):
            assert action.title in shown
    desk.press(Key.Key_Return)  # belongs to the overlay now
    assert desk.session.asked == []


def test_the_palette_performs_what_it_finds(desk: Desk) -> None:
    desk.press(Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    palette = desk.window.palette_overlay
    QTest.keyClicks(palette.field, "reset")
    assert palette.rows()[0] == "Reset scene"
    desk.press(Key.Key_Down)
    desk.press(Key.Key_Return)
    assert desk.session.asked == [ResetScene(7)]  # the second: the same start
    assert not palette.isVisible()
    assert QApplication.focusWidget() is desk.collect


def test_a_choice_is_asked_for_in_the_palette(desk: Desk) -> None:
    desk.press(Key.Key_D)
    palette = desk.window.palette_overlay
    assert palette.isVisible() and "Scripted operator" in palette.rows()
    QTest.keyClicks(palette.field, "gamepad")
    desk.press(Key.Key_Return)
    assert desk.session.asked == []  # not connected, so it cannot be picked
    palette.field.setText("scripted")
    desk.press(Key.Key_Return)
    assert desk.session.station is not None and desk.session.station.leader == "scripted"


def test_what_is_not_possible_is_said_and_not_done(desk: Desk) -> None:
    desk.session.set_station(phase="estop")
    desk.press(Key.Key_H)
    assert desk.session.asked == []
    assert desk.window.toast.isVisible()


def test_a_refusal_is_shown(desk: Desk) -> None:
    desk.session.refuse = "The disk is full. Make room"
    desk.press(Key.Key_R)
    assert "disk is full" in desk.window.toast.text()


def test_border_and_words_follow_the_take(desk: Desk) -> None:
    border = desk.window.centralWidget()
    assert border is not None
    for state, tone in (("armed", "armed"), ("recording", "recording"), ("stopped", "paused")):
        desk.session.set_recorder(state=state)
        desk.window.refresh()
        assert border.property("tone") == tone
    desk.session.set_recorder(state="idle", kept=1)
    desk.window.refresh()
    assert border.property("tone") == "kept"


def test_a_dead_station_says_why_and_can_be_restarted(desk: Desk) -> None:
    desk.session.happen(Event(0, "fault", "The station ended: no room in /dev/shm"))
    desk.session.station = None
    desk.window.refresh()
    assert desk.window.attention.banner.isVisible()
    assert "no room in /dev/shm" in desk.window.attention.banner.what()
    desk.press(Key.Key_Return)  # the next right thing is to start it again
    desk.window.refresh()
    assert desk.session.station is not None
    assert not desk.window.attention.banner.isVisible()


def test_sounds_say_why_they_are_off(desk: Desk) -> None:
    desk.press(Key.Key_M, Qt.KeyboardModifier.ControlModifier)
    reason = desk.window.sounds.reason
    assert desk.window.toast.text() == (reason or "Sounds off")
    assert desk.settings.load().sounds == bool(reason)


def test_everything_can_be_reached_with_tab(desk: Desk) -> None:
    from PyQt6.QtWidgets import QAbstractButton

    desk.collect.context = None  # Tab belongs to the hands in the 3-D view
    seen = set()
    for _ in range(60):
        desk.press(Key.Key_Tab)
        seen.add(QApplication.focusWidget())
    wanted = [
        button
        for button in desk.window.findChildren(QAbstractButton)
        if button.isVisible() and button.isEnabled()
    ]
    missing = [b.text() or b.accessibleName() for b in wanted if b not in seen]
    assert not missing


def test_every_button_has_a_name(desk: Desk) -> None:
    from PyQt6.QtWidgets import QAbstractButton

    for button in desk.window.findChildren(QAbstractButton):
        if button.objectName().startswith("qt_"):  # Qt's own, for what does not fit a menu bar
            continue
        named = button.text() or button.accessibleName() or button.parent().inherits("QLineEdit")
        assert named, button


def test_the_session_is_followed(desk: Desk, qtbot: QtBot) -> None:
    desk.window.start()
    qtbot.waitUntil(lambda: desk.session.polls > 5)
    assert desk.window.hitches.read().ticks > 0


def test_the_buttons_of_a_gamepad_take_the_steps_of_a_take(desk: Desk) -> None:
    for _ in range(4):
        desk.session.happen(Event(0, "leader", "Pad a", {"pad": "a"}))
        desk.window.refresh()
    assert [type(request) for request in desk.session.asked] == [Arm, Start, Stop, Keep]
    desk.session.asked.clear()
    desk.session.happen(Event(0, "leader", "Pad b", {"pad": "b"}))
    desk.window.refresh()
    assert desk.session.asked == [], "there is no take to discard"


def test_closing_an_overlay_gives_the_keyboard_to_the_window(desk: Desk, qtbot: QtBot) -> None:
    focused = QApplication.focusWidget()
    if focused is not None:
        focused.clearFocus()
    QTest.keyClick(desk.window, Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    field = QApplication.focusWidget()
    assert isinstance(field, QLineEdit)
    desk.window.palette_overlay.dismiss()
    assert QApplication.focusWidget() is not field
