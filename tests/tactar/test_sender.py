"""The sender: counts that stay, panels that walk, errors that are counted."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.clock import FakeClock
from devices.errors import DeviceError, WireError
from devices.tactar.sender import PANEL_GAP_NS, Sender
from devices.tactar.stream_meter import StreamMeter
from devices.tactar.wire import (
    Panel,
    PanelReader,
    Ports,
    framed,
    image_document,
    read_force,
    read_images,
    read_robot,
    read_tactile,
)

PAD = "left_gripper_camera_1"
UNIT = np.array([0.1, 0.2, 0.3, 1.0, 0.0, 0.0, 0.0])


class Peer:
    """Four sockets that keep what comes."""

    def __init__(self) -> None:
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
        for each in self.sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            each.bind(("127.0.0.1", 0))
            each.settimeout(2.0)
        self.ports = Ports(*(each.getsockname()[1] for each in self.sockets))
        self.robot, self.tactile, self.panels, self.force = self.sockets

    def close(self) -> None:
        for each in self.sockets:
            each.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def sender(peer: Peer) -> Iterator[Sender]:
    sender = Sender("127.0.0.1", ports=peer.ports)
    yield sender
    sender.close()


def panels(size: int, count: int = 2) -> list[Panel]:
    data = b"\xff\xd8\xff" + bytes(size)
    return [Panel(f"camera {i}", data, (0.2 * i, 0.4, 0.5)) for i in range(count)]


def message(peer: Peer) -> tuple[Panel, ...]:
    reader = PanelReader()
    while True:
        whole = reader.feed(peer.panels.recv(70_000))
        assert reader.faults == []
        if whole is not None:
            return read_images(whole)


def test_each_stream_reaches_its_port(peer: Peer, sender: Sender) -> None:
    assert sender.send_robot(UNIT, None, (0.05, 3.0))
    assert sender.send_tactile(PAD, np.zeros((63, 3)), np.ones((63, 3)))
    assert sender.send_force("right", np.zeros(3), np.ones(3))
    sender.send_panels(panels(5000))
    robot = read_robot(peer.robot.recv(70_000))
    npt.assert_array_equal(robot.left, UNIT)
    npt.assert_array_equal(robot.right, [0, 0, 0, 1, 0, 0, 0])
    assert len(read_tactile(peer.tactile.recv(70_000)).starts) == 63
    assert read_force(peer.force.recv(70_000)).device_id == "right"
    assert [panel.id for panel in message(peer)] == ["camera 0", "camera 1"]
    assert {stream.name: stream.sent for stream in sender.statistics()}["robot"] == 1


def test_arrow_counts_stay_what_they_were_at_first(peer: Peer, sender: Sender) -> None:
    starts = np.arange(30.0).reshape(10, 3)
    for count in (10, 3, 0, 10):
        sender.send_tactile(PAD, starts[:count], starts[:count] + 0.1)
        told = read_tactile(peer.tactile.recv(70_000))
        assert len(told.starts) == 10
        npt.assert_array_equal(told.starts[:count], starts[:count])
        npt.assert_array_equal(told.starts[count:], told.ends[count:])
        if count:
            # The ball of a hidden arrow lies inside one that is shown.
            assert all((end == told.ends[:count]).all(axis=1).any() for end in told.ends[count:])
        else:
            assert told.scale.max() < 1e-3
    with pytest.raises(WireError, match=r"11 arrows.*10 in its first"):
        sender.send_tactile(PAD, np.zeros((11, 3)), np.zeros((11, 3)))
    other = "right_gripper_camera_2"
    sender.send_tactile(other, np.zeros((25, 3)), np.zeros((25, 3)))
    assert len(read_tactile(peer.tactile.recv(70_000)).starts) == 25


def test_a_count_may_be_told_before_the_first_message(peer: Peer) -> None:
    sender = Sender("127.0.0.1", ports=peer.ports, arrow_counts={PAD: 63})
    sender.send_tactile(PAD, np.zeros((0, 3)), np.zeros((0, 3)))
    assert len(read_tactile(peer.tactile.recv(70_000)).starts) == 63
    sender.close()


def test_a_refused_message_does_not_fix_the_count(peer: Peer, sender: Sender) -> None:
    with pytest.raises(WireError):
        sender.send_tactile(PAD, np.full((5, 3), np.nan), np.zeros((5, 3)))
    with pytest.raises(WireError):
        sender.send_tactile(PAD, np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(WireError):
        sender.send_tactile("elbow", np.zeros((5, 3)), np.zeros((5, 3)))
    assert sender.send_tactile(PAD, np.zeros((9, 3)), np.zeros((9, 3)))


def test_nobody_listening_raises_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sender = Sender("127.0.0.1", ports=Ports(port, port, port, port))
    for _ in range(20):
        sender.send_robot(UNIT, UNIT)
        sender.send_force("left", np.zeros(3), np.zeros(3))
    sender.send_panels(panels(3000))
    sender.close()


def test_no_way_to_the_headset_is_counted() -> None:
    sender = Sender("255.255.255.255")  # a broadcast, which the socket may not send
    assert not sender.send_robot(UNIT, UNIT)
    sender.send_panels(panels(3000))
    deadline = time.monotonic() + 5
    while not sender.statistics()[3].failed and time.monotonic() < deadline:
        time.sleep(0.001)
    assert [stream.failed for stream in sender.statistics()] == [1, 0, 0, 1]
    assert "UDP 1000" in sender.last_error
    sender.close()


def test_no_address_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"headset\.local"):
        Sender("headset.local")


def test_panels_walk_and_the_newest_wins(peer: Peer) -> None:
    """On a clock that only sleeping moves: a message takes its gaps, whatever its size."""
    clock = FakeClock()
    sender = Sender("127.0.0.1", clock, peer.ports)
    began = clock.now_ns()
    sender.send_panels(panels(20_000))
    assert len(message(peer)) == 2
    parts = len(framed(image_document(panels(20_000))))
    deadline = time.monotonic() + 5
    while not sender.statistics()[3].sent and time.monotonic() < deadline:
        time.sleep(0.001)
    assert clock.now_ns() - began == (parts - 1) * PANEL_GAP_NS
    sender.close()


def test_what_fingers_feel_does_not_wait_for_panels(peer: Peer, sender: Sender) -> None:
    for i in range(5):
        sender.send_panels(panels(200_000))
        sender.send_tactile(PAD, np.full((2, 3), float(i)), np.zeros((2, 3)))
    # All are there before the first panel message can be: it walks for 70 ms.
    values = [read_tactile(peer.tactile.recv(70_000)).starts[0, 0] for _ in range(5)]
    assert values == [0, 1, 2, 3, 4]
    assert sender.statistics()[3].sent == 0
    assert sender.panels_skipped >= 3


def test_interleaved_streams_arrive_whole(peer: Peer, sender: Sender) -> None:
    sizes = [1400 * k + d for k in range(3) for d in (0, 3, 4, 5)]
    for i, size in enumerate(sizes):
        sender.send_panels(panels(size + 10, count=1))
        sender.send_robot(UNIT, UNIT)
        sender.send_tactile(PAD, np.full((63, 3), float(i)), np.zeros((63, 3)))
        assert len(message(peer)[0].image) == size + 13
        assert read_tactile(peer.tactile.recv(70_000)).starts[0, 0] == i
        read_robot(peer.robot.recv(70_000))


def test_closing_in_the_middle_of_a_message(peer: Peer, sender: Sender) -> None:
    sender.send_panels(panels(400_000))
    sender.close()
    sender.close()
    sender.send_panels(panels(10))
    assert not sender.send_robot(UNIT, UNIT)


# -------------------------------------------------------------------------------------- meter
@given(st.integers(20, 300), st.integers(1, 4))
def test_the_meter_tells_rate_and_no_jitter_of_an_even_stream(rate: int, sources: int) -> None:
    meter = StreamMeter("tactile", 10002)
    period = 1_000_000_000 // rate
    for i in range(rate * 2):
        for source in range(sources):
            meter.note(10**12 + i * period, str(source))
    stats = meter.stats(10**12 + (rate * 2 - 1) * period)
    assert stats.rate_hz == pytest.approx(rate, rel=0.01)
    assert stats.jitter_p99_ms == pytest.approx(0.0, abs=1e-6)
    assert (stats.sent, stats.sources) == (rate * 2 * sources, sources)


def test_the_meter_forgets_and_tells_jitter() -> None:
    meter = StreamMeter("robot", 10001)
    assert meter.stats(0).rate_hz == 0.0
    for i in range(500):
        meter.note(i * 10_000_000 + (2_000_000 if i % 2 else 0))
    assert meter.stats(5_000_000_000).jitter_p99_ms == pytest.approx(4.0, abs=0.1)
    assert meter.stats(60_000_000_000).rate_hz == 0.0
    assert meter.stats(60_000_000_000).sent == 500
