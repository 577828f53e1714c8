"""The gamepad driver, fed with the kernel's bytes by a simulated pad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.clock import FakeClock
from devices.errors import DeviceError
from devices.leader import LeaderInput, Observation
from devices.leaders.gamepad import GamepadLeader, GamepadSettings
from devices.leaders.joystick import ButtonEdge, Joystick
from tests.driving.simulated_pad import SimulatedPad

TICK = 0.004


class Held:
    """A pad in somebody's hands, read at the control rate."""

    def __init__(self, pad: SimulatedPad, clock: FakeClock, seen: Observation) -> None:
        self.pad, self.clock, self.seen = pad, clock, seen
        self.leader = GamepadLeader(clock, pad.directory, GamepadSettings(expo=0.0))

    def read(self, ticks: int = 1) -> LeaderInput:
        for _ in range(ticks):
            self.clock.advance_s(TICK)
            reading = self.leader.read(self.seen)
        assert reading is not None
        return reading


@pytest.fixture
def held(pad: SimulatedPad, clock: FakeClock, nothing_seen: Observation):  # type: ignore[no-untyped-def]
    pad.plug()
    held = Held(pad, clock, nothing_seen)
    held.leader.connect()
    yield held
    held.leader.close()


def hand(reading: LeaderInput, side: str = "left"):  # type: ignore[no-untyped-def]
    found = reading.hand(side)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_absent_pad_is_named_with_the_next_step(tmp_path, clock, nothing_seen):
    leader = GamepadLeader(clock, tmp_path)
    with pytest.raises(DeviceError, match="Plug one in"):
        leader.connect()
    assert leader.read(nothing_seen) is None
    leader.close()


def test_each_bumper_is_the_clutch_of_its_side(held):
    reading = held.read()
    assert not hand(reading).clutch and not hand(reading, "right").clutch
    held.pad.press("lb")
    reading = held.read()
    assert hand(reading).clutch and not hand(reading, "right").clutch
    held.pad.press("rb")
    held.pad.lift("lb")
    reading = held.read()
    assert not hand(reading).clutch and hand(reading, "right").clutch


@pytest.mark.parametrize(
    ("stick", "share", "axis", "sign"),
    [("ly", -1.0, 0, 1), ("lx", -1.0, 1, 1), ("ry", -1.0, 2, 1), ("ry", 1.0, 2, -1)],
)
def test_full_stick_moves_at_the_declared_speed(held, stick, share, axis, sign):
    held.pad.press("lb")
    before = hand(held.read()).pose.position
    held.pad.push(stick, share)
    after = hand(held.read(100)).pose.position
    expected = np.zeros(3)
    expected[axis] = sign * held.leader.settings.speed * 100 * TICK
    np.testing.assert_allclose(after - before, expected, atol=1e-9)


def test_away_follows_the_view(pad, clock, nothing_seen):
    pad.plug()
    leader = GamepadLeader(clock, pad.directory, GamepadSettings(view_yaw=np.pi / 2))
    leader.connect()
    pad.press("lb")
    pad.push("ly", -1.0)
    for _ in range(10):
        clock.advance_s(TICK)
        reading = leader.read(nothing_seen)
    leader.close()
    x, y, z = hand(reading).pose.position
    assert abs(x) < 1e-9 and y > 0.005 and z == 0.0


@given(share=st.floats(-0.12, 0.12))
def test_the_dead_zone_is_dead(tmp_path_factory, share):
    clock, pad = FakeClock(), SimulatedPad(tmp_path_factory.mktemp("pad"))
    pad.plug()
    leader = GamepadLeader(clock, pad.directory)
    pad.press("lb")
    pad.push("lx", share)
    for _ in range(5):
        clock.advance_s(TICK)
        reading = leader.read(None)  # type: ignore[arg-type]
    leader.close()
    pad.pull()
    assert not hand(reading).pose.position.any()


def test_a_late_loop_does_not_fling_the_hand(held):
    held.pad.press("lb")
    held.pad.push("ly", -1.0)
    before = hand(held.read()).pose.position
    held.clock.advance_s(5.0)
    after = hand(held.read()).pose.position
    assert np.linalg.norm(after - before) <= held.leader.settings.speed * 0.05 + 1e-9


def test_pulling_the_pad_lets_go_at_once_and_plugging_in_needs_a_real_press(held):
    held.pad.press("lb")
    assert hand(held.read()).clutch
    held.pad.pull()
    gone = held.read()
    assert not gone.deadman and not hand(gone).clutch
    assert ButtonEdge("left_bumper", False) in held.leader.buttons()
    held.pad.plug(held=("lb",))
    back = held.read(200)
    assert back.deadman and not hand(back).clutch
    held.pad.lift("lb")
    held.pad.press("lb")
    again = held.read()
    assert hand(again).clutch and again.seq > gone.seq


def test_the_trigger_takes_over_where_the_gripper_is(held):
    held.pad.press("lb")
    held.read()
    held.pad.push("lt", 0.6)  # trigger at 0.8
    closed = hand(held.read()).grip
    assert closed == pytest.approx(0.8, abs=1e-3)
    held.pad.lift("lb")
    held.read()
    held.pad.push("lt", -1.0)
    held.pad.press("lb")
    assert hand(held.read()).grip is None
    held.pad.push("lt", 0.0)
    assert hand(held.read()).grip is None
    held.pad.push("lt", 1.0)
    assert hand(held.read()).grip == pytest.approx(1.0)
    held.pad.push("lt", -1.0)
    assert hand(held.read()).grip == pytest.approx(0.0)


def test_buttons_come_as_edges_in_order(held):
    held.read()
    held.leader.buttons()
    for _ in range(2):
        held.pad.press("a")
        held.pad.lift("a")
    held.pad.press("start")
    held.read()
    assert held.leader.buttons() == (
        ButtonEdge("a", True),
        ButtonEdge("a", False),
        ButtonEdge("a", True),
        ButtonEdge("a", False),
        ButtonEdge("start", True),
    )
    assert held.leader.buttons() == ()


@given(chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=20))
def test_garbage_and_torn_reads_are_harmless(tmp_path_factory, chunks):
    clock, pad = FakeClock(), SimulatedPad(tmp_path_factory.mktemp("pad"))
    pad.plug()
    joystick = Joystick(clock, pad.directory)
    for chunk in chunks:
        pad.raw(chunk)
        assert joystick.poll()
        assert all(-1.0 <= value <= 1.0 for value in joystick.axes.values())
    joystick.close()
    pad.pull()


def test_events_torn_between_reads_are_whole_again(pad, clock):
    pad.plug()
    joystick = Joystick(clock, pad.directory)
    joystick.poll()
    event = bytes.fromhex("00000000") + b"\x01\x00" + b"\x01" + b"\x00"
    for byte in event:
        assert joystick.pressed == set()
        pad.raw(bytes([byte]))
        joystick.poll()
    assert joystick.pressed == {"a"}
    joystick.close()


def test_close_is_idempotent_in_any_state(pad, clock, nothing_seen):
    leader = GamepadLeader(clock, pad.directory)
    leader.close()
    pad.plug()
    leader.connect()
    leader.close()
    leader.close()
