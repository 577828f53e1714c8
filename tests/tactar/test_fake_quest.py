"""The fake headset: what it posts, what it finds, and both ends of the wire together."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli import main
from app.fake_quest import complaints, device, line
from devices.errors import ConfigError, DeviceError, StorageError
from devices.pose import quat_conjugate, quat_multiply
from devices.tactar import motions
from devices.tactar.fake_quest import FakeQuest, in_background
from devices.tactar.frames import trim_of_push, trimmed, turned, yaw_quat
from devices.tactar.headset_app import HeadsetApp
from devices.tactar.listener import Listener
from devices.tactar.motions import Hands
from devices.tactar.order import PostOrder
from devices.tactar.sender import Sender
from devices.tactar.session_file import SessionHeader, SessionWriter
from devices.tactar.wire import (
    Controller,
    Panel,
    Ports,
    Post,
    encode_post,
    force_document,
    framed,
    image_document,
    parse_post,
    robot_document,
    tactile_document,
)
from devices.tactar.wire_checker import WireChecker
from tests.tactar.shared import points, quats

HERE = "127.0.0.1"
PAD = "left_gripper_camera_1"
ANY = Ports(0, 0, 0, 0)
JPEG = b"\xff\xd8\xff" + bytes(3000)
angles = st.floats(-math.pi, math.pi)


# ----------------------------------------------------------------------------------- the app
@given(angles, points, points, points, quats)
def test_the_apps_fault_is_what_the_trim_undoes(
    theta: float, offset: np.ndarray, first: np.ndarray, second: np.ndarray, quat: np.ndarray
) -> None:
    app = HeadsetApp(heading=theta, offset=tuple(offset))
    sent = [
        app.post(Hands(Controller(place, quat), motions.hand("left")), 0.0).left
        for place in (first, second)
    ]
    # Swapped: the wire's left hand is the operator's right.
    delta = sent[1].position - sent[0].position
    npt.assert_allclose(delta, turned(2 * theta, second - first), atol=1e-8)
    npt.assert_allclose(trimmed(delta, 2 * theta), second - first, atol=1e-8)
    assert abs(np.dot(sent[0].quat, quat)) == pytest.approx(1.0)


@given(angles)
def test_a_push_of_the_fake_headset_shows_its_trim(theta: float) -> None:
    app = HeadsetApp(heading=theta)
    before, after = (app.post(motions.push(t), t).left for t in (0.0, 1.0))
    trim = trim_of_push(after.position - before.position, before.quat)
    assert abs(math.remainder(trim - 2 * theta, 2 * math.pi)) < 1e-6


def test_a_patched_app_needs_no_trim() -> None:
    app = HeadsetApp(heading=1.0, offset=(1.0, 2.0, 3.0), patched=True, swapped=False)
    post = app.post(motions.push(1.0), 0.0)
    npt.assert_allclose(post.right.position, motions.push(1.0).right.position, atol=1e-12)


def test_recentring_makes_hands_jump_and_turn() -> None:
    app = HeadsetApp(swapped=False)
    before = app.post(motions.still(0.0), 0.0).right
    app.recentre(math.pi / 2, (0.5, 0.0, 0.0))
    after = app.post(motions.still(0.0), 0.0).right
    assert np.linalg.norm(after.position - before.position) > 0.3
    turn = quat_multiply(after.quat, quat_conjugate(before.quat))
    assert abs(np.dot(turn, yaw_quat(-math.pi / 2))) == pytest.approx(1.0)


def test_a_lost_hand_stands_still_and_its_buttons_go_on() -> None:
    app = HeadsetApp(swapped=False)
    app.lose("right")
    posts = [app.post(motions.circle(t), t) for t in (0.0, 1.0, 2.0)]
    npt.assert_array_equal(posts[0].right.position, posts[2].right.position)
    assert not posts[0].right.grip
    assert posts[2].right.grip
    assert np.linalg.norm(posts[0].left.position - posts[1].left.position) > 0.05
    app.find("right")
    found = app.post(motions.circle(2.0), 2.0)
    assert np.linalg.norm(found.right.position - posts[0].right.position) > 0.05


def test_timestamps_are_float32() -> None:
    stamp = HeadsetApp().post(motions.still(0.0), 12345.678901).timestamp
    assert stamp == float(np.float32(12345.678901))


def test_scripts_move_without_jumps() -> None:
    for name, script in motions.SCRIPTS.items():
        hands = [script(i / 60) for i in range(600)]
        for hand in ("right", "left"):
            path = np.array([getattr(h, hand).position for h in hands])
            assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 0.03, name


# -------------------------------------------------------------------------------- the checker
def good() -> dict[str, list[bytes]]:
    arrows = np.zeros((5, 3))
    panel = Panel("front", JPEG, (0.0, 0.4, 0.5))
    return {
        "robot": [robot_document(None, None)],
        "tactile": [tactile_document(PAD, arrows, arrows)],
        "force": [force_document("left", np.zeros(3), np.ones(3))],
        "panels": framed(image_document([panel])),
    }


def checked(**datagrams: list[bytes]) -> WireChecker:
    checker = WireChecker(Ports())
    for stream, parts in {**good(), **datagrams}.items():
        for i, part in enumerate(parts):
            checker.take(stream, part, 1_000 + i)
    return checker


def test_what_is_right_is_found_right() -> None:
    checker = checked()
    assert checker.faults == {}
    assert [stream.sent for stream in checker.statistics(2_000)] == [1, 1, 1, 1]
    assert checker.received.panels["front"].image == JPEG


def test_each_fault_is_found() -> None:
    import bson

    def changed(data: bytes, **changes: Any) -> list[bytes]:
        return [bson.encode({**bson.decode(data), **changes})]

    documents = good()
    robot, tactile, force = (documents[name][0] for name in ("robot", "tactile", "force"))
    first, second, *chunks = documents["panels"]
    more = np.zeros((6, 3))
    message = image_document([Panel("front", JPEG + bytes(1), (0.0, 0.4, 0.5))])
    size = len(message) - 4
    four = [
        len(message).to_bytes(4, "little"),
        size.to_bytes(4, "little"),
        message[:size],
        message[size:],
    ]
    cases: list[tuple[str, list[bytes], str]] = [
        ("robot", [b"x"], "BSON"),
        ("robot", changed(robot, leftRobotTCP=[0.0] * 7), "unit quaternion"),
        ("robot", changed(robot, leftRobotTCP=[float("nan")] * 7), "finite"),
        ("robot", changed(robot, leftGripperState=None), "leftGripperState"),
        ("tactile", changed(tactile, device_id="left_gripper_camera_9"), "anchor"),
        ("tactile", changed(tactile, arrows=[]), "no arrows"),
        ("tactile", [tactile, tactile_document(PAD, more, more)], "6 arrows, 5"),
        ("force", changed(force, device_id="middle"), "middle"),
        ("force", changed(force, arrow=None), "not a document"),
        ("force", changed(force, scale=[1.0, 1.0, float("inf")]), "finite"),
        ("panels", [first, second, chunks[0][:-1]], "a chunk of 1399 bytes"),
        ("panels", [first, b"12345"], "chunk size"),
        ("panels", [b"12345"], "a length should be"),
        ("panels", four, "last chunk has 4 bytes"),
    ]
    for stream, datagrams, text in cases:
        checker = checked(**{stream: datagrams})
        told = list(checker.faults)
        assert text in told[0], (stream, text, told)
        assert len(told) == (2 if datagrams is four else 1), told


# --------------------------------------------------------------------------- both ends together
class Station:
    """A listener and what it heard."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.listener = Listener(
            lambda post, address, t_ns: self.posts.append(post), port=0, host=HERE
        )


@asynccontextmanager
async def wired(motion: Any = motions.circle, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    station = Station()
    await station.listener.start()
    quest = FakeQuest(motion, port=station.listener.port, ports=ANY, **options)
    await quest.start()
    try:
        yield station, quest
    finally:
        await quest.stop()
        await station.listener.stop()


async def until(condition: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def test_posts_arrive_and_streams_come_back() -> None:
    async def test() -> None:
        async with wired(app=HeadsetApp(heading=0.4), address="127.0.0.2") as (station, quest):
            sender = Sender("127.0.0.2", ports=quest.ports)
            for i in range(30):
                sender.send_robot(None, None)
                sender.send_tactile(PAD, np.zeros((63, 3)), np.full((63, 3), 0.01 * i))
                sender.send_force("left", np.zeros(3), np.ones(3))
                sender.send_panels([Panel("front", JPEG, (0.0, 0.4, 0.5))])
                await asyncio.sleep(0.01)
            await until(lambda: len(station.posts) >= 20)
            await until(lambda: quest.report().streams[2].sent > 0)
            sender.close()
            report = quest.report()
            assert report.faults == {}
            assert [s.sent for s in report.streams][:2] == [30, 30]
            assert report.answered >= 20
            assert (report.refused, report.failed) == (0, 0)
            assert quest.received.robot is not None
            assert station.listener.simulated("127.0.0.2")
            order = PostOrder()
            assert {order.judge(post.timestamp) for post in station.posts} <= {
                "first",
                "next",
                "late",
            }
            assert station.posts[0].head is not None
            assert "posts" in line(1.0, report)

    asyncio.run(test())


def test_what_is_posted_is_byte_for_byte_what_the_app_posts() -> None:
    async def test() -> None:
        heads: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(int(x.split(b":")[1]) for x in head.split(b"\r\n") if b"Length" in x)
                body = await reader.readexactly(size)
                assert encode_post(parse_post(body)) == body
                heads.append(head)
            except (asyncio.IncompleteReadError, StopIteration):
                pass
            writer.close()

        server = await asyncio.start_server(serve, HERE, 0)
        port = server.sockets[0].getsockname()[1]
        quest = FakeQuest(port=port, ports=ANY)
        await quest.start()
        await until(lambda: heads)
        await quest.stop()
        server.close()
        await server.wait_closed()
        lines = heads[0].split(b"\r\n")
        assert lines[0] == b"POST /unity HTTP/1.1"
        assert [text.partition(b":")[0] for text in lines[1:-2]] == [b"Host", b"Content-Length"]

    asyncio.run(test())


def test_a_restart_of_the_app_is_told_from_reordering() -> None:
    async def test() -> None:
        async with wired(rate_hz=240.0) as (station, quest):
            quest._began_s -= 100.0  # it has run for a while
            await until(lambda: len(station.posts) > 20)
            quest.restart_app()
            count = len(station.posts)
            await until(lambda: len(station.posts) > count + 20)
            order = PostOrder()
            verdicts = [order.judge(post.timestamp) for post in station.posts]
            assert verdicts.count("restart") == 1

    asyncio.run(test())


def test_nobody_listens_and_then_somebody_does() -> None:
    async def test() -> None:
        listener = Listener(lambda *_: None, port=0, host=HERE)
        await listener.start()
        port = listener.port
        await listener.stop()
        quest = FakeQuest(port=port, ports=ANY)
        await quest.start()
        await asyncio.sleep(0.1)
        assert quest.report().answered == 0
        assert any("nobody listens" in text for text in complaints(quest.report()))
        listener = Listener(lambda *_: None, port=port, host=HERE)
        await listener.start()
        await until(lambda: quest.report().answered > 5)
        await quest.stop()
        await listener.stop()

    asyncio.run(test())


def test_a_loop_is_closed_through_a_callback_and_a_thread() -> None:
    """A scripted operator: what it is told of the robot decides what it does next."""
    station = Station()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(station.listener.start())
    quest = FakeQuest(port=station.listener.port, ports=ANY)

    def motion(t: float) -> Hands:
        robot = quest.received.robot
        height = 0.0 if robot is None else float(robot.left[1])
        return Hands(motions.hand("right", (0.0, height, 0.0), grip=True), motions.hand("left"))

    quest.motion = motion
    with in_background(quest):
        sender = Sender(HERE, ports=quest.ports)
        sender.send_robot([0.0, 0.25, 0.0, 1.0, 0.0, 0.0, 0.0], None)
        loop.run_until_complete(
            until(lambda: station.posts and station.posts[-1].left.position[1] == 1.25)
        )
        sender.close()
    loop.run_until_complete(station.listener.stop())
    loop.close()
    assert station.posts[-1].left.grip


def test_a_motion_that_fails_is_told_and_not_swallowed() -> None:
    def broken(t: float) -> Hands:
        raise RuntimeError("no such scene")

    quest = FakeQuest(broken, ports=ANY)
    with pytest.raises(RuntimeError, match="no such scene"), in_background(quest):
        pass


def test_a_captured_session_is_posted_again(tmp_path: Path) -> None:
    path = tmp_path / "session.tactar"
    app = HeadsetApp(heading=0.3)
    wanted = [app.post(motions.circle(i / 60), i / 60) for i in range(30)]
    wanted = [parse_post(encode_post(post)) for post in wanted]
    with SessionWriter(path, SessionHeader("2026-11-24")) as writer:
        for i, post in enumerate(wanted):
            writer.posted(post, "198.51.100.31", 10**12 + i * 16_666_667)
    motion = motions.named(str(path))
    replayed = [motion((i + 0.5) / 60) for i in range(45)]
    assert replayed == wanted + wanted[:15]

    async def test() -> None:
        async with wired(motion) as (station, _):
            await until(lambda: len(station.posts) >= 20)
            for post in station.posts[:20]:
                assert any(post.left == old.left and post.right == old.right for old in wanted)

    asyncio.run(test())


def test_an_address_that_is_taken_is_said() -> None:
    async def test() -> None:
        async with wired() as (_, quest):
            other = FakeQuest(ports=quest.ports)
            with pytest.raises(DeviceError, match=f"UDP port {quest.ports.robot}"):
                await other.start()

    asyncio.run(test())


# ------------------------------------------------------------------------------------ the command
def test_device_option() -> None:
    assert device("", "127.0.0.1") == ("127.0.0.1", Ports())
    assert device("", "198.51.100.7") == ("0.0.0.0", Ports())
    assert device("127.0.0.2", "127.0.0.1") == ("127.0.0.2", Ports())
    assert device("127.0.0.2:20000", "127.0.0.1")[1] == Ports(20001, 20002, 20004, 20005)
    with pytest.raises(ConfigError, match="is no port"):
        device("127.0.0.2:x", "127.0.0.1")


def test_motions_by_name(tmp_path: Path) -> None:
    assert motions.named("push") is motions.push
    with pytest.raises(ConfigError, match="circle"):
        motions.named("dance")
    empty = tmp_path / "empty.tactar"
    SessionWriter(empty, SessionHeader("2026")).close()
    with pytest.raises(StorageError, match="no posts"):
        motions.named(str(empty))


def test_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.create_server((HERE, 0)) as free:
        port = free.getsockname()[1]
    call = ["fake-quest", "--port", str(port), "--seconds", "0.3", "--check"]
    assert main([*call, "--device", "127.0.0.3:30000"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("SIMULATED headset at 127.0.0.3")
    assert "nobody listens" in said
    assert "Nothing arrives on UDP 30001 (robot)." in said
