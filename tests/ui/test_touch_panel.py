"""The touch panel: tells what the pads tell, paints only what changed, says why it is empty."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from PyQt6.QtCore import QSize

from app.runtime.requests import GraspBaseline, RezeroTouch
from app.runtime.statuses import PadReading, TouchStatus
from app.ui.action import Intent, UiState
from app.ui.actions import by_id
from app.ui.collect.pad_view import PadView, slip_colour
from app.ui.collect.readings import Readings
from app.ui.collect.touch_panel import TouchPanel, foot_words
from app.ui.commands import Commands, Said
from app.ui.look import DARK
from app.ui.view3d.ar import PadTouch, TouchView
from app.ui.view3d.shot import RobotParts
from devices.robots.openarm import OpenArmV2
from tests.ui.fake_session import FakeSession
from tests.ui.live_session import LiveSession

ROBOT = OpenArmV2()
SIDES = dict(ROBOT.pad_side)


def felt(
    normal: float = 5.0, band: float = math.nan, baseline: float = 0.0, **more: Any
) -> PadTouch:
    moved = np.zeros((63, 3))
    moved[20:40] = [2e-4, -1e-4, 4e-4]
    contact = float(normal > 0.15)
    reading = np.array([normal, 1.0, -0.5, 0.01, 0.3, contact, band, baseline])
    return PadTouch(moved if normal else 0 * moved, reading, "simulated field", **more)


def touch_status(**changes: Any) -> TouchStatus:
    pads = tuple(
        PadReading(pad, "simulated field", 0, 0, 0, 0, 0, False, math.nan, False, 0, 125.0)
        for pad in SIDES
    )
    return msgspec.structs.replace(TouchStatus(0, pads, True, "", False), **changes)


def pixels(view: Any) -> bytes:
    image = view.grab().toImage()
    bits = image.constBits()
    assert bits is not None
    return bytes(bits.asarray(image.sizeInBytes()))


@pytest.fixture
def panel(qtbot: Any) -> TouchPanel:
    made = TouchPanel()
    qtbot.addWidget(made)
    made.set_pads(SIDES)
    made.resize(QSize(280, 190))
    return made


def test_each_pad_and_hand_tells_its_own(panel: TouchPanel) -> None:
    pads = {
        "left_inner": felt(0.0),
        "right_inner": felt(band=1.0, baseline=1.0),
        "right_outer": felt(band=1.0, baseline=1.0),
    }
    panel.show_touch(TouchView(pads=pads))
    assert panel.heads["left"].band == "" and not panel.heads["left"].subtracted
    assert panel.heads["right"].band == "above" and panel.heads["right"].subtracted
    assert "Above band" in panel.heads["right"].accessibleDescription()
    assert panel.foot.text() == "Simulated field"


def test_it_says_why_nothing_is_felt(panel: TouchPanel) -> None:
    panel.show_touch(TouchView(note="Touch is not running: no field is shown", fault=True))
    assert "not running" in panel.alert.text() and not panel.alert.isHidden()
    panel.show_touch(TouchView(pads={"left_inner": felt()}))
    assert panel.foot.text() == "Simulated field" and panel.alert.isHidden()


def test_a_hand_tells_the_force_that_its_band_is_about(panel: TouchPanel) -> None:
    """The wrist's, not the grasp that the pads carry."""
    wrench = {"right": np.array([0.0, 3.0, 4.0, 0.0, 0.0, 0.0])}
    pads = {"right_inner": felt(normal=20.0, band=0.0)}
    panel.show_touch(TouchView(pads=pads, wrench=wrench))
    assert panel.heads["right"].accessibleDescription() == "In band 5.0 N"


def test_a_pad_says_why_it_is_silent_and_when_its_sensor_is_doubtful(panel: TouchPanel) -> None:
    before = pixels(panel.pads["right_inner"])
    panel.show_touch(
        TouchView(
            pads={"right_inner": felt()},
            silent={"left_inner": "Sensor away"},
            doubtful=frozenset({"right_inner"}),
        )
    )
    assert panel.pads["left_inner"].accessibleDescription() == "Sensor away"
    assert panel.pads["right_inner"].accessibleDescription() == "Sensor doubtful"
    assert pixels(panel.pads["right_inner"]) != before


def test_the_same_again_is_not_painted_again(qtbot: Any) -> None:
    view = PadView("Left inner")
    qtbot.addWidget(view)
    asked = []
    view.update = lambda: asked.append(1)  # type: ignore[method-assign,assignment]
    view.show_pad(felt(), False)
    count = len(asked)
    assert count == 1
    for _ in range(5):
        view.show_pad(felt(5.01), False)
    assert len(asked) == count
    view.show_pad(felt(5.5), False)
    assert len(asked) == count + 1


@pytest.mark.parametrize("size", [(120, 52), (140, 66), (230, 130)])
def test_every_number_has_a_place_on_every_size(qtbot: Any, size: tuple[int, int]) -> None:
    """Force, shear, torsion, slip and contact each change the picture by themselves."""
    base = felt()
    seen = set()
    for index, value in ((None, 0.0), (0, 9.0), (1, 4.0), (3, -0.05), (4, 0.95), (5, 0.0)):
        view = PadView("Left inner")
        qtbot.addWidget(view)
        view.resize(*size)
        reading = base.reading.copy()
        if index is not None:
            reading[index] = value
        view.show_pad(PadTouch(base.deformation, reading), False)
        seen.add(pixels(view))
    assert len(seen) == 6


def test_a_gel_with_25_markers_is_painted(qtbot: Any) -> None:
    view = PadView("Left inner")
    qtbot.addWidget(view)
    view.resize(140, 80)
    empty = pixels(view)
    view.show_pad(PadTouch(np.full((25, 3), 3e-4), felt().reading), False)
    assert pixels(view) != empty


def test_stale_is_not_zero(qtbot: Any) -> None:
    pictures = []
    for shown, stale in ((None, True), (felt(0.0), False)):
        view = PadView("Left inner")
        qtbot.addWidget(view)
        view.resize(140, 80)
        view.show_pad(shown, stale)
        pictures.append(pixels(view))
    assert pictures[0] != pictures[1]


def test_slip_warms_up() -> None:
    assert [slip_colour(s) for s in (0.1, 0.6, 0.9)] == [DARK.soft, DARK.armed, DARK.recording]


def test_the_foot_names_lost_markers() -> None:
    words = foot_words({"left_inner": felt(lost=3), "left_outer": felt()})
    assert words == "Simulated field · markers lost: left inner 3"


# ------------------------------------------------------------------------------------ readings
def test_readings_come_from_the_touch_process_alone() -> None:
    """The raw field is there all the time; without the touch process nothing is shown."""
    session = LiveSession()
    session.touch = touch_status()
    parts = RobotParts.of(ROBOT)
    readings = Readings(session)
    now = readings.touch(session.clock.now_ns(), parts)
    assert set(now.pads) == set(SIDES) and not now.note
    assert all(pad.source == "simulated field" for pad in now.pads.values())
    session.touch = None
    for name in list(session.kept):
        if name.endswith(("/deformation", "/reading")):
            del session.kept[name]
    absent = readings.touch(session.clock.now_ns(), parts)
    assert not absent.pads and "not running" in absent.note and absent.fault
    assert session.latest("left_inner_pad/tactile") is not None


def test_a_fault_of_touch_is_told() -> None:
    session = LiveSession()
    session.touch = touch_status(text="The embedding is of another gel.", fault=True)
    now = Readings(session).touch(session.clock.now_ns(), RobotParts.of(ROBOT))
    assert now.note == "The embedding is of another gel." and now.fault and now.pads


# ------------------------------------------------------------------------------------- actions
def test_the_actions_ask_the_touch_process() -> None:
    session = FakeSession()
    session.touch = touch_status()
    told: list[Said] = []
    commands = Commands(session, told.append)
    assert commands.perform(Intent("rezero_touch"))
    assert commands.perform(Intent("subtract_grasp"))
    assert commands.perform(Intent("subtract_grasp"))
    assert session.asked == [RezeroTouch(), GraspBaseline(on=False), GraspBaseline(on=True)]


def test_the_actions_need_the_touch_process() -> None:
    for action in ("touch.rezero", "touch.grasp"):
        assert not by_id(action).enabled(UiState())
        assert by_id(action).enabled(UiState(touch=True))
    assert by_id("touch.grasp").checked(UiState(touch=True, subtract_grasp=True))
