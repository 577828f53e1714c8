"""The Collect place on a live world: what the hands do goes out, what is felt comes in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.runtime.requests import EStop
from app.ui import look
from app.ui.action import Intent, UiState
from app.ui.actions import ACTIONS, by_id
from app.ui.collect.curtain import notice_for
from app.ui.collect.place import CollectPlace
from app.ui.state import mood
from devices.leader import Side
from tests.ui.fake_session import station
from tests.ui.live_session import LiveSession

pytestmark = [pytest.mark.gl, pytest.mark.window]


@pytest.fixture(scope="module")
def session() -> LiveSession:
    return LiveSession()


@pytest.fixture
def place(qtbot: QtBot, session: LiveSession) -> Iterator[CollectPlace]:
    session.driven.clear()
    session.station = station(scene="drawer")
    made = CollectPlace(session, session.clock.now_ns)
    made.resize(1100, 640)
    made.show()
    frame(made, session)
    qtbot.waitUntil(lambda: bool(made.view.tools), timeout=60_000)
    yield made
    made.close_down()
    made.close()
    made.deleteLater()


def frame(place: CollectPlace, session: LiveSession, seconds: float = 0.02) -> None:
    """One frame of the window."""
    session.run(seconds)
    place.tick()
    place.refresh(UiState(station="holding", recorder="idle", dataset=True, leader="window"))


def pixel(place: CollectPlace, side: Side) -> QPoint:
    view = place.view
    x, y, _ = view.viewpoint.project(view.tools[side].position, view.width(), view.height())
    return QPoint(round(x), round(y))


def mouse(place: CollectPlace, kind: QMouseEvent.Type, at: QPoint, *, held: bool) -> None:
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    button = none if kind == QMouseEvent.Type.MouseMove else left
    event = QMouseEvent(
        kind,
        QPointF(at),
        QPointF(place.view.mapToGlobal(at)),
        button,
        left if held else none,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(place.view, event)


def test_dragging_a_gripper_drives_that_hand_and_letting_go_stops(
    place: CollectPlace, session: LiveSession
) -> None:
    at = pixel(place, "left")
    mouse(place, QMouseEvent.Type.MouseButtonPress, at, held=True)
    for step in range(1, 11):
        mouse(place, QMouseEvent.Type.MouseMove, at + QPoint(4 * step, 0), held=True)
        frame(place, session)
    held = session.driven[-1]
    assert held.right is None
    assert held.left is not None and held.left.clutch
    # The view looks along +x: right in the picture is -y in the world.
    assert held.left.pose.position[1] < -0.02
    mouse(place, QMouseEvent.Type.MouseButtonRelease, at + QPoint(40, 0), held=False)
    frame(place, session)
    last = session.driven[-1].left
    assert last is not None and not last.clutch
    count = len(session.driven)
    frame(place, session)
    assert len(session.driven) == count


def test_dragging_beside_the_grippers_moves_the_eye_and_no_hand(
    place: CollectPlace, session: LiveSession
) -> None:
    before = place.view.viewpoint
    mouse(place, QMouseEvent.Type.MouseButtonPress, QPoint(12, 12), held=True)
    mouse(place, QMouseEvent.Type.MouseMove, QPoint(60, 30), held=True)
    mouse(place, QMouseEvent.Type.MouseButtonRelease, QPoint(60, 30), held=False)
    assert place.view.viewpoint != before
    assert session.driven == []


def test_every_driving_row_of_the_table_is_known_here(
    place: CollectPlace, session: LiveSession
) -> None:
    for action in ACTIONS:
        if action.group == "Driving":
            assert place.perform(action.intent, True), action.id
            place.perform(action.intent, False)
        elif action.intent.name in ("view", "layer"):
            assert place.perform(action.intent), action.id
    assert not place.perform(Intent("take_arm"))


def test_a_held_key_drives_until_released(place: CollectPlace, session: LiveSession) -> None:
    forward = by_id("drive.forward").intent
    place.perform(forward, True)
    for _ in range(10):
        frame(place, session)
    place.perform(forward, False)
    frame(place, session)
    xs = [r.right.pose.position[0] for r in session.driven if r.right is not None]
    assert xs == sorted(xs)
    assert xs[-1] > 0.005
    assert session.driven[-1].right is not None and not session.driven[-1].right.clutch


@pytest.mark.parametrize("phase", ["estop", "stopped"])
def test_a_stop_takes_the_hands_off(place: CollectPlace, session: LiveSession, phase: str) -> None:
    place.perform(Intent("drive", "+x"), True)
    frame(place, session)
    assert place.hands.engaged
    session.set_station(phase=phase)
    frame(place, session)
    assert not place.hands.engaged
    assert place.curtain.isVisible()
    session.set_station(phase="holding")
    frame(place, session)
    assert not place.curtain.isVisible()


def test_leaving_the_place_or_the_focus_lets_go(place: CollectPlace, session: LiveSession) -> None:
    place.perform(Intent("drive", "+x"), True)
    place.leave()
    assert not place.hands.engaged


def test_the_jaws_are_forgotten_when_the_scene_is_reset(
    place: CollectPlace, session: LiveSession
) -> None:
    place.perform(Intent("grip", "toggle"))
    assert place.hands.grip("right") is not None
    session.set_station(seed=99)
    frame(place, session)
    assert place.hands.grip("right") is None


def test_touch_that_stopped_coming_is_not_shown_as_nothing(
    place: CollectPlace, session: LiveSession
) -> None:
    frame(place, session)
    assert place.driven.facts is not None
    now = place.driven.readings.touch(session.clock.now_ns(), place.driven.facts.parts)
    assert set(now.pads) == set(place.driven.facts.parts.pad_site)
    assert not now.stale
    session.clock.advance_s(1.0)
    later = place.driven.readings.touch(session.clock.now_ns(), place.driven.facts.parts)
    assert not later.pads and not later.wrench
    assert "left_inner_pad/deformation" in later.stale


def test_a_camera_that_stopped_is_told(place: CollectPlace, session: LiveSession) -> None:
    session.tell("front/rgb", np.full((48, 64, 3), 90, dtype=np.uint8))
    tile = place.cameras["front"]
    now = session.clock.now_ns()
    tile.show_picture(place.driven.readings.picture("front", now), 30.0)
    fresh = tile.grab().toImage()
    session.clock.advance_s(3.0)
    tile.show_picture(place.driven.readings.picture("front", session.clock.now_ns()), 30.0)
    assert tile.grab().toImage() != fresh


def test_layers_switch_alone_and_all_together(place: CollectPlace) -> None:
    before = place.layers()
    place.perform(Intent("layer", "field"))
    assert place.layers() == before - {"field"}
    place.perform(Intent("layer", "field"))
    place.perform(Intent("layer", "all"))
    assert place.layers() == frozenset()
    place.perform(Intent("layer", "all"))
    assert place.layers() == before


def test_buttons_ask_and_do_not_act(
    place: CollectPlace, session: LiveSession, qtbot: QtBot
) -> None:
    asked: list[Intent] = []
    place.intended.connect(asked.append)
    frame(place, session)
    place.take_bar.primary.click()
    place.take_bar.stop.click()
    assert asked == [Intent("take_arm"), Intent("estop")]
    assert not any(isinstance(request, EStop) for request in session.asked)


def test_every_notice_says_what_to_do_and_has_a_picture(qapp: QApplication) -> None:
    phases = [None, *(station(phase=p) for p in ("starting", "estop", "stopped"))]
    for status in phases:
        for ever in (False, True):
            notice = notice_for(status, ever)
            assert notice is not None
            assert notice.text.endswith(".")
            assert not look.pixmap(notice.icon, 32).isNull()
            if notice.tone in ("fault", "recording"):
                assert by_id(notice.action)
    assert notice_for(station(phase="holding"), True) is None
    assert mood(station(), None).tone == "fault"
