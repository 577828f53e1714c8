"""The headset page in the window: every step, every control, keys, Escape, closing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractButton, QApplication
from pytestqt.qtbot import QtBot

from app.runtime.requests import (
    EStop,
    HeadsetCapture,
    HeadsetConfirm,
    HeadsetListen,
    HeadsetPanels,
    HeadsetSetUp,
    Restart,
    SetDriving,
    UseLeader,
)
from app.runtime.statuses import ArmStatus, SetUpState
from app.ui import look
from app.ui.action import PLACES, Intent, Place
from app.ui.actions import ACTIONS
from app.ui.headset.addresses import MachineAddress
from app.ui.place import PlaceWidget
from app.ui.settings import SettingsFile
from app.ui.sounds import Sounds
from app.ui.window import MainWindow
from devices.mapping.clutch import MOTIONS
from tests.ui import fake_headset as fake
from tests.ui.fake_headset import ADDRESS
from tests.ui.fake_session import FakeSession

Key = Qt.Key
Shift = Qt.KeyboardModifier.ShiftModifier
None_ = Qt.KeyboardModifier.NoModifier


class Desk:
    """A shown window on its headset page."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.session = FakeSession("/data/wipe")
        self.session.headset = fake.headset()
        places: dict[Place, PlaceWidget] = {place: PlaceWidget() for place in PLACES}
        for place in places.values():
            place.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.window = MainWindow(
            self.session, places, SettingsFile(folder / "w.toml"), Sounds(folder / "sounds")
        )
        self.page = self.window.headset_page
        self.page.addresses = lambda: (MachineAddress("198.51.100.20", "eth0"),)
        qtbot.addWidget(self.window)
        self.window.resize(1280, 800)
        self.window.show()
        qtbot.waitExposed(self.window)
        self.window.activateWindow()
        self.window.perform(Intent("headset_page"))
        qtbot.waitUntil(lambda: QApplication.focusWidget() is self.page)

    def press(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = None_) -> None:
        widget = QApplication.focusWidget() or self.window
        QTest.keyClick(widget, key, modifiers)

    def headset(self, **changes: object) -> None:
        assert self.session.headset is not None
        self.session.headset = msgspec.structs.replace(self.session.headset, **changes)
        self.window.refresh()

    def confirmed(self, **changes: object) -> None:
        made: dict[str, object] = {
            "listening": True,
            "address": ADDRESS,
            "posters": (fake.poster(confirmed=True),),
            "streams": fake.STREAMS,
        }
        self.headset(**(made | changes))
        self.session.asked.clear()

    def frames(self, count: int = 4, **hands: object) -> None:
        for _ in range(count):
            self.session.samples = fake.posted(time.monotonic_ns(), **hands)  # type: ignore[arg-type]
            self.page.tick()

    @property
    def step(self) -> str:
        return self.page.stepper.step


@pytest.fixture
def desk(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Desk]:
    look.dress(qapp)
    made = Desk(qtbot, tmp_path)
    yield made
    made.window.close()
    made.window.deleteLater()


def test_enter_leads_from_nothing_to_driving(desk: Desk) -> None:
    assert desk.step == "port" and desk.page.board.isVisible()
    desk.press(Key.Key_Return)
    assert desk.session.asked == [HeadsetListen(True, 8082)]
    assert desk.step == "who" and desk.page.board.isVisible()
    assert desk.page.board.addresses() == ("198.51.100.20",)
    desk.press(Key.Key_Return)  # nothing to press: the headset must come
    assert len(desk.session.asked) == 1
    desk.headset(posters=(fake.poster(),))
    assert desk.page.posters.isVisible()
    desk.press(Key.Key_Return)
    assert desk.session.asked[1:] == [HeadsetConfirm(ADDRESS), HeadsetSetUp("begin")]
    for step in ("squeeze", "push", "align"):
        assert desk.step == step
        assert desk.session.headset is not None
        desk.session.headset = fake.follow(desk.session.headset)
        desk.window.refresh()
    assert desk.step == "drive"
    desk.press(Key.Key_Return)
    assert desk.session.asked[-1] == UseLeader("headset")
    desk.session.set_station(
        arms=(ArmStatus("left", True, ""), ArmStatus("right", True, "the hand jumped"))
    )
    desk.window.refresh()
    assert "left arm follows" in desk.page.head.title.text()
    assert [card.word.text() for card in desk.page.arms.cards] == ["Follows", "Holds"]
    assert "jumped" in desk.page.arms.cards[1].why.text()
    desk.session.set_station(
        arms=(ArmStatus("left", False, "clutch released"), ArmStatus("right", False, ""))
    )
    desk.frames(grips=(True, False))
    desk.window.refresh()
    assert "afresh" in desk.page.arms.cards[0].why.text()


def test_the_set_up_begins_by_itself_only_after_a_confirmation_here(desk: Desk) -> None:
    desk.confirmed()
    desk.window.refresh()
    assert desk.session.asked == [] and desk.step == "squeeze"
    desk.confirmed(calibration=fake.calibration())
    desk.page.intend(Intent("headset_confirm", ADDRESS))
    desk.window.refresh()
    assert desk.session.asked == [HeadsetConfirm(ADDRESS)], "it has a calibration"


@pytest.mark.parametrize(
    ("key", "modifiers", "state", "request_"),
    [
        (Key.Key_O, None_, {}, HeadsetListen(False, 8082)),
        (Key.Key_B, None_, {}, HeadsetSetUp("begin")),
        (Key.Key_N, None_, {}, HeadsetSetUp("no_trim")),
        (Key.Key_W, None_, {"calibration": fake.calibration()}, HeadsetSetUp("swap")),
        (Key.Key_K, None_, {"calibration": fake.calibration()}, HeadsetSetUp("keep")),
        (Key.Key_V, None_, {"calibration": fake.calibration()}, HeadsetSetUp("push_forward")),
        (Key.Key_A, None_, {"set_up": SetUpState("align", "Do.")}, HeadsetSetUp("align")),
        (Key.Key_T, None_, {"set_up": SetUpState("align", "Do.")}, HeadsetSetUp("finish")),
        (
            Key.Key_Backspace,
            None_,
            {"set_up": SetUpState("push_forward", "Do.")},
            HeadsetSetUp("cancel"),
        ),
        (Key.Key_R, None_, {"capturing": "/tmp/a.tactar"}, HeadsetCapture("")),
        (Key.Key_F4, None_, {"calibration": fake.calibration()}, UseLeader("headset")),
        (Key.Key_X, None_, {}, SetDriving(axes=(False, True, True, True, True, True))),
        (Key.Key_Z, Shift, {}, SetDriving(axes=(True, True, True, True, True, False))),
        (Key.Key_Escape, None_, {}, EStop("Escape key")),
    ],
)
def test_keys_ask_for_what_the_table_says(
    desk: Desk,
    key: Qt.Key,
    modifiers: Qt.KeyboardModifier,
    state: dict[str, object],
    request_: object,
) -> None:
    desk.confirmed(**state)
    desk.press(key, modifiers)
    assert desk.session.asked == [request_]


def test_what_is_chosen_is_asked_for_in_the_palette(desk: Desk) -> None:
    desk.confirmed()
    palette = desk.window.palette_overlay
    for key, typed, request_ in (
        (Key.Key_P, "wrists", HeadsetPanels("wrists")),
        (Key.Key_F3, "translation + pitch", SetDriving(axes=MOTIONS["translation+pitch"])),
        (Key.Key_F3, "both", SetDriving(axes=MOTIONS["translation"])),
        (Key.Key_C, "none", HeadsetConfirm("")),
    ):
        desk.session.asked.clear()
        desk.press(key)
        assert palette.isVisible()
        palette.field.setText(typed)
        desk.press(Key.Key_Return)
        assert desk.session.asked == [request_]
    assert desk.window.ui_state().motion == "both-arms"


def test_every_button_of_the_cards_asks(desk: Desk) -> None:
    desk.confirmed(calibration=fake.calibration(doubt="The app has started anew."))
    page = desk.page
    buttons: list[tuple[QAbstractButton, object]] = [
        (page.calibration.again, HeadsetSetUp("begin")),
        (page.calibration.keep, HeadsetSetUp("keep")),
        (page.calibration.swap, HeadsetSetUp("swap")),
        (page.motion.modes["translation"], SetDriving(axes=MOTIONS["translation"])),
        (page.motion.axes["ry"], SetDriving(axes=MOTIONS["translation+pitch"])),
        (page.panels.buttons["all"], HeadsetPanels("all")),
        (page.close_port, HeadsetListen(False, 8082)),
    ]
    for button, request_ in buttons:
        desk.confirmed(
            calibration=fake.calibration(doubt="The app has started anew."),
            set_up=fake.NOT_RUNNING,
        )
        button.click()
        assert desk.session.asked == [request_], button.text()


def test_the_scale_of_driving_survives_another_motion(desk: Desk) -> None:
    desk.window.perform(Intent("drive_motion", "translation"))
    desk.window.perform(Intent("drive_scale", "down"))
    desk.window.perform(Intent("drive_axis", "ry"))
    asked = [r for r in desk.session.asked if isinstance(r, SetDriving)]
    assert [r.translation_scale for r in asked] == [1.0, 0.75, 0.75]
    assert asked[1].axes == MOTIONS["translation"]
    assert asked[2].axes == MOTIONS["translation+pitch"]
    desk.session.refuse = "The station is busy"
    desk.window.perform(Intent("drive_motion", "6dof"))
    assert desk.window.ui_state().motion == "translation+pitch", "a refusal changes nothing"


def test_the_last_axis_cannot_be_let_go(desk: Desk) -> None:
    for axis in ("x", "y", "z", "rx", "ry"):
        desk.window.perform(Intent("drive_axis", axis))
    desk.session.asked.clear()
    desk.window.perform(Intent("drive_axis", "rz"))
    assert desk.session.asked == []
    assert "must be followed" in desk.window.toast.text()


def test_a_station_that_starts_anew_drives_as_at_first(desk: Desk) -> None:
    desk.window.perform(Intent("drive_motion", "translation"))
    desk.window.perform(Intent("restart_station"))
    assert desk.window.ui_state().motion == "6dof"


def test_a_dead_headset_process_can_be_started(desk: Desk) -> None:
    desk.session.headset = None
    desk.window.refresh()
    assert "not running" in desk.page.head.title.text()
    desk.press(Key.Key_Return)
    assert desk.session.asked == [Restart("headset")]


def test_two_headsets_are_shown_and_one_can_be_taken(desk: Desk) -> None:
    other = "198.51.100.32"
    desk.headset(listening=True, posters=(fake.poster(), fake.poster(other)))
    lines = desk.page.posters.lines()
    assert [line.address.text() for line in lines] == [ADDRESS, other]
    lines[1].button.click()
    assert HeadsetConfirm(other) in desk.session.asked
    desk.confirmed(posters=(fake.poster(confirmed=True), fake.poster(other)))
    assert other in desk.page.foot.refused.text()


def test_a_problem_stays_in_sight_until_the_step_is_done(desk: Desk) -> None:
    desk.confirmed(set_up=SetUpState("push_forward", "Push.", 0.3, "That was 9 cm."))
    assert desk.page.head.problem.isVisible()
    assert desk.page.head.problem.text() == "That was 9 cm."
    assert desk.page.head.progress.isVisible()
    desk.confirmed(set_up=SetUpState("align", "Point.", 0.0))
    assert not desk.page.head.problem.isVisible()


def test_the_picture_shows_hands_or_says_why_not(desk: Desk) -> None:
    desk.page.tick()
    desk.page.tick()
    assert desk.page.picture.empty_words()[0] == "No picture yet"
    desk.confirmed(set_up=SetUpState("squeeze_left", "Squeeze.", 0.3))
    desk.frames(grips=(True, False), triggers=(0.4, 0.0))
    scene = desk.page.picture.scene
    assert scene is not None and scene.ask_grip == "left"
    assert scene.posture.left is not None and scene.posture.left.grip
    assert scene.posture.left.trigger == pytest.approx(0.4)
    desk.page.picture.grab()  # and it can be painted
    desk.session.samples = fake.posted(time.monotonic_ns() - 2_000_000_000)
    desk.page.tick()
    desk.page.tick()
    assert desk.page.picture.scene is None, "old hands are not where the hands are"
    assert "not seen" in desk.page.picture.empty_words()[0]


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_nothing_is_cut_off(desk: Desk, size: tuple[int, int]) -> None:
    desk.confirmed(calibration=fake.calibration(doubt="The app has started anew."), panels="all")
    desk.window.resize(*size)
    QApplication.processEvents()
    desk.window.refresh()
    QApplication.processEvents()
    area = desk.page._side
    inner = area.widget()
    assert inner is not None
    view = area.viewport()
    assert view is not None and inner.minimumSizeHint().width() <= view.width()
    assert desk.page.minimumSizeHint().width() <= desk.page.width()
    assert desk.page.minimumSizeHint().height() <= desk.page.height()


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
@pytest.mark.parametrize("step", ["", "squeeze_left", "push_forward", "align"])
def test_what_the_set_up_needs_is_seen_without_scrolling(
    desk: Desk, size: tuple[int, int], step: str
) -> None:
    counters = {"posts": 7210, "malformed": 3, "refused": 12, "reordered": 1, "jumps": 2}
    desk.confirmed(counters=counters, calibration=fake.calibration(doubt="The app began anew."))
    desk.headset(set_up=SetUpState(step, fake.ASKED.get(step, ""), 0.4, "It was too short."))
    desk.window.resize(*size)
    for _ in range(3):
        QApplication.processEvents()
        desk.window.refresh()
    view = desk.page._side.viewport()
    assert view is not None
    for card in (desk.page.calibration, desk.page.counters, desk.page.streams):
        top = card.mapTo(view, QPoint(0, 0)).y()
        assert top >= 0 and top + card.height() <= view.height(), type(card).__name__
    refused = desk.page.foot.refused
    assert refused.isVisible() and refused.height() >= refused.heightForWidth(refused.width())


def test_streams_and_counters_are_told(desk: Desk) -> None:
    failing = msgspec.structs.replace(fake.STREAMS[0], failed=3)
    counters = {"posts": 1234, "malformed": 2, "refused": 0, "jump": 1, "slow": 0, "faults": 4}
    desk.confirmed(counters=counters)
    desk.headset(streams=(failing, *fake.STREAMS[1:]), delay_p99_ms=3.2)
    assert desk.page.streams.rows()[0] == ("Tool poses  10001", "120 Hz", "1.2 ms", "3")
    texts = desk.page.counters.facts.texts()
    assert texts["Posts"] == "1\u202f234" and texts["Malformed"] == "2"
    assert texts["Jumps"] == "1" and texts["Faults"] == "4" and "Slow" not in texts
    assert desk.page.counters.delays.texts()["Post → command p99"] == "3.2 ms"
    assert "60 Hz" in desk.window.header.headset_text()
    assert "8082" in desk.window.header.headset_text()


def test_leaving_goes_back_to_the_place(desk: Desk) -> None:
    desk.window.go("library")
    desk.press(Key.Key_F2)
    assert desk.page.isVisible() and desk.window.ui_state().page == "headset"
    desk.press(Key.Key_F2)
    assert not desk.page.isVisible() and desk.window.ui_state().place == "library"
    desk.press(Key.Key_F2)
    desk.press(Key.Key_1)
    assert not desk.page.isVisible() and desk.window.ui_state().place == "collect"
    assert desk.window.ui_state().page == ""


def test_keys_of_the_place_below_do_nothing_here(desk: Desk) -> None:
    desk.press(Key.Key_H)  # home, in Collect
    desk.press(Key.Key_Up)
    assert desk.session.asked == []


def test_a_capture_goes_to_a_new_file(desk: Desk, tmp_path: Path) -> None:
    desk.confirmed()
    desk.press(Key.Key_R)
    sheet = desk.window.capture_sheet
    assert sheet.isVisible()
    sheet.open_for(datetime(2026, 11, 24, 15, 0))
    assert sheet.path.text().endswith("headset-20261124-150000.tactar")
    taken = tmp_path / "taken.tactar"
    taken.touch()
    sheet.path.setText(str(taken))
    assert not sheet.done.isEnabled()
    sheet.path.setText(str(tmp_path / "new" / "a.tactar"))
    sheet.done.click()
    assert desk.session.asked == [HeadsetCapture(str(tmp_path / "new" / "a.tactar"))]
    assert desk.window.ui_state().capturing


def test_everything_can_be_reached_with_tab(desk: Desk) -> None:
    desk.confirmed(calibration=fake.calibration(doubt="The app has started anew."))
    seen = set()
    for _ in range(90):
        desk.press(Key.Key_Tab)
        seen.add(QApplication.focusWidget())
    wanted = [b for b in desk.window.findChildren(QAbstractButton) if b.isVisible()]
    missing = [b.text() or b.accessibleName() for b in wanted if b.isEnabled() and b not in seen]
    assert not missing


def test_space_presses_the_button_that_has_the_keyboard(desk: Desk) -> None:
    desk.page.foot.primary.setFocus()
    desk.press(Key.Key_Space)
    assert desk.session.asked == [HeadsetListen(True, 8082)]


def test_every_row_of_the_group_is_on_the_page_or_in_the_palette() -> None:
    rows = [action for action in ACTIONS if action.group == "Headset"]
    assert {row.context for row in rows} == {"everywhere", "headset"}
    assert all(row.key and row.hint for row in rows)
