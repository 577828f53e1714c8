"""Bytes of the wire: the vectors, round trips, and what is refused."""

from __future__ import annotations

import json
import random
from typing import Any

import bson
import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import WireError
from devices.tactar import wire
from tests.tactar.shared import needs_data, points, posts, vectors

VECTORS = vectors()
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
GOOD: dict[str, Any] = {
    "timestamp": 12.34,
    "rightHand": {
        "wristPos": [0.2, 1.1, 0.4],
        "wristQuat": [1.0, 0.0, 0.0, 0.0],
        "triggerState": 0.5,
        "buttonState": [False, False, False, False, True],
    },
    "leftHand": {
        "wristPos": [-0.2, 1.1, 0.4],
        "wristQuat": [1.0, 0.0, 0.0, 0.0],
        "triggerState": 0.0,
        "buttonState": [False, True, False, False, False],
    },
    "headPos": [0.0, 1.6, 0.0],
    "headQuat": [1.0, 0.0, 0.0, 0.0],
}


def body(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def hand(**changes: Any) -> dict[str, Any]:
    return {**GOOD["rightHand"], **changes}


# ------------------------------------------------------------------------------------- vectors
@needs_data
@pytest.mark.shared_data
def test_force_document_as_in_the_vectors() -> None:
    case = VECTORS["bson"]["force"]
    arrow = case["doc"]["arrow"]
    data = wire.force_document(
        case["doc"]["device_id"], arrow["start"], arrow["end"], case["doc"]["scale"]
    )
    assert data.hex() == case["hex"]
    assert len(data) == case["nbytes"]
    assert wire.Ports().force == case["udp_port"]


@needs_data
@pytest.mark.shared_data
def test_tactile_document_as_in_the_vectors() -> None:
    case = VECTORS["bson"]["tactile_1_arrow"]
    arrows = case["doc"]["arrows"]
    data = wire.tactile_document(
        case["doc"]["device_id"],
        [arrow["start"] for arrow in arrows],
        [arrow["end"] for arrow in arrows],
        case["doc"]["scale"],
    )
    assert data.hex() == case["hex"]
    assert wire.Ports().tactile == case["udp_port"]


@needs_data
@pytest.mark.shared_data
def test_post_as_in_the_vectors() -> None:
    example = VECTORS["unity_post_example"]
    assert (example["tcp_port"], example["path"]) == (wire.POST_PORT, wire.POST_PATH)
    post = wire.parse_post(json.dumps(example["body"]).encode())
    assert post.timestamp == 12.34
    assert post.right.position.tolist() == [0.2, 1.1, 0.4]
    assert post.left.position.tolist() == [-0.2, 1.1, 0.4]
    assert post.right.grip
    compact = json.dumps(example["body"], separators=(",", ":")).encode()
    assert wire.encode_post(post) == compact


@needs_data
@pytest.mark.shared_data
def test_framing_as_in_the_vectors() -> None:
    case = VECTORS["image_framing_example"]
    first, second, *chunks = wire.framed(bytes(224), case["chunk_size"])
    assert first.hex() == case["datagram_0_len_le_u32"]
    assert second.hex() == case["datagram_1_chunk_le_u32"]
    assert chunks == [bytes(224)]


def test_sizes_of_the_notes() -> None:
    arrows = np.zeros((63, 3))
    assert len(wire.tactile_document("left_gripper_camera_1", arrows, arrows)) == 6201
    arrows = np.zeros((25, 3))
    assert len(wire.tactile_document("left_gripper_camera_2", arrows, arrows)) == 2515


# ---------------------------------------------------------------------------------------- posts
@given(posts)
def test_posts_go_there_and_back(post: wire.Post) -> None:
    encoded = wire.encode_post(post)
    assert wire.parse_post(encoded) == post
    assert wire.encode_post(wire.parse_post(encoded)) == encoded


def test_the_apps_order_of_fields() -> None:
    document = json.loads(wire.encode_post(wire.parse_post(body())))
    assert list(document) == ["timestamp", "rightHand", "leftHand", "headPos", "headQuat"]
    assert list(document["leftHand"]) == ["wristPos", "wristQuat", "triggerState", "buttonState"]


def test_extra_keys_are_taken_and_the_head_may_be_absent() -> None:
    with_more = dict(GOOD, battery=0.5, rightHand=hand(thumb=[0.0, 1.0]))
    assert wire.parse_post(json.dumps(with_more).encode()) == wire.parse_post(body())
    without = {key: GOOD[key] for key in ("timestamp", "rightHand", "leftHand")}
    assert wire.parse_post(json.dumps(without).encode()).head is None


def test_what_was_parsed_cannot_be_written_to() -> None:
    post = wire.parse_post(body())
    assert post.head is not None
    for array in (post.right.position, post.left.quat, post.head):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\x00\x01\x02",
        b"\xff\xfe" + body(),
        body()[:-1],
        body() + b"x",
        body(timestamp=None),
        body(timestamp="12"),
        body(timestamp=True),
        body(timestamp=float("nan")),
        body(timestamp=float("inf")),
        body(timestamp=-1.0),
        body(timestamp=10**300),
        body(timestamp=10**400),
        body(rightHand=None),
        body(rightHand=[]),
        body(leftHand=hand(wristPos=[0.0, 0.0])),
        body(leftHand=hand(wristPos=[0.0, 0.0, 0.0, 0.0])),
        body(leftHand=hand(wristPos=[0.0, 0.0, float("nan")])),
        body(leftHand=hand(wristPos=[0.0, 0.0, float("-inf")])),
        body(leftHand=hand(wristPos=[0.0, 0.0, 1e30])),
        body(leftHand=hand(wristPos=[0.0, 0.0, "1"])),
        body(leftHand=hand(wristPos=[0.0, [0.0], 0.0])),
        body(leftHand=hand(wristPos={"x": 0.0, "y": 0.0, "z": 0.0})),
        body(leftHand=hand(wristQuat=[0.0, 0.0, 0.0, 0.0])),
        body(leftHand=hand(wristQuat=[1e-8, 0.0, 0.0, 0.0])),
        body(leftHand=hand(wristQuat=[1e200, 1e200, 0.0, 0.0])),
        body(leftHand=hand(wristQuat=[1.0, 0.0, 0.0])),
        body(leftHand=hand(triggerState=1.5)),
        body(leftHand=hand(triggerState=-0.5)),
        body(leftHand=hand(triggerState=float("nan"))),
        body(leftHand=hand(triggerState=None)),
        body(leftHand=hand(buttonState=[False] * 4)),
        body(leftHand=hand(buttonState=[False] * 6)),
        body(leftHand=hand(buttonState=[0, 0, 0, 0, 1])),
        body(leftHand=hand(buttonState="fffff")),
        body(headPos=[0.0, 0.0]),
        body(headQuat=[0.0] * 4),
        body(headQuat=None),
        json.dumps({k: v for k, v in GOOD.items() if k != "leftHand"}).encode(),
        json.dumps({k: v for k, v in GOOD.items() if k != "timestamp"}).encode(),
        b'{"deep":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b" " * (wire.MAX_POST_BYTES + 1),
    ],
    ids=lambda value: value[:60].decode("latin-1"),
)
def test_what_is_no_post_is_refused(bad: bytes) -> None:
    with pytest.raises(WireError):
        wire.parse_post(bad)


def test_a_hundred_thousand_hostile_posts() -> None:
    """Broken bytes, broken values: each is a post with finite numbers, or a WireError."""
    chance = random.Random(20)
    good = body()
    pieces = [b"null", b"NaN", b"-", b"1e999", b"[", b"]", b"{", b"}", b'"', b"\\u0000", b"\xff"]
    values = [b"0", b"1e39", b"-1e308", b"true", b'"x"', b"[[]]", b"{}", b"9" * 400, b"0.0"]
    taken = refused = 0
    for turn in range(100_000):
        data = bytearray(good)
        kind = turn % 5
        if kind == 0:
            data[chance.randrange(len(data))] = chance.randrange(256)
        elif kind == 1:
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(8)] = chance.choice(pieces)
        elif kind == 2:
            del data[chance.randrange(len(data)) :]
        elif kind == 3:
            numbers = [i for i, c in enumerate(good[:-1]) if chr(c).isdigit()]
            at = chance.choice(numbers)
            data[at : at + 1] = chance.choice(values)
        else:
            data = bytearray(chance.randbytes(chance.randrange(300)))
        try:
            post = wire.parse_post(bytes(data))
        except WireError:
            refused += 1
            continue
        taken += 1
        numbers = np.concatenate(
            [post.right.position, post.left.position, post.right.quat, post.left.quat]
        )
        assert np.abs(numbers).max() <= 1000.0
        assert min(np.linalg.norm(post.right.quat), np.linalg.norm(post.left.quat)) > 0.1
        assert min(post.right.trigger, post.left.trigger) >= 0.0
        assert max(post.right.trigger, post.left.trigger) <= 1.0
    assert taken + refused == 100_000
    assert refused > 50_000
    assert taken > 1_000


# ------------------------------------------------------------------------------------ documents
def test_an_absent_arm_is_an_identity() -> None:
    document = bson.decode(wire.robot_document(None, None))
    assert list(document) == [
        "leftRobotTCP",
        "rightRobotTCP",
        "leftGripperState",
        "rightGripperState",
    ]
    assert document["leftRobotTCP"] == [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]


@given(
    st.lists(st.tuples(points, points), min_size=1, max_size=70), st.sampled_from(wire.DEVICE_IDS)
)
def test_tactile_goes_there_and_back(arrows: list[Any], device_id: str) -> None:
    starts = np.array([start for start, _ in arrows])
    ends = np.array([end for _, end in arrows])
    told = wire.read_tactile(wire.tactile_document(device_id, starts, ends))
    assert told.device_id == device_id
    npt.assert_array_equal(told.starts, starts)
    npt.assert_array_equal(told.ends, ends)


@given(points, points, st.sampled_from(["left", "right"]))
def test_force_goes_there_and_back(start: np.ndarray, end: np.ndarray, side: Any) -> None:
    told = wire.read_force(wire.force_document(side, start, end))
    assert told.device_id == side
    npt.assert_array_equal(told.starts[0], start)
    npt.assert_array_equal(told.ends[0], end)


def test_panels_go_there_and_back() -> None:
    panels = (
        wire.Panel("front", JPEG, (0.0, 0.4, 0.5), (0.0, 180.0, 0.0)),
        wire.Panel(
            "eye", b"\x89PNG\r\n\x1a\n", (0.0, 0.0, 1.0), in_head_space=True, right_eye=True
        ),
    )
    told = wire.read_images(wire.image_document(panels))
    assert [panel.id for panel in told] == ["front", "eye"]
    assert told[0].image == JPEG
    assert told[0].rotation == (0.0, 180.0, 0.0)
    assert told[1].in_head_space
    assert told[1].right_eye
    image = bson.decode(wire.image_document(panels))["images"][0]
    assert isinstance(image["image"], bytes)
    assert list(image) == [
        "id",
        "inHeadSpace",
        "leftOrRight",
        "position",
        "rotation",
        "scale",
        "image",
    ]


NAN = float("nan")
ONE = np.zeros((1, 3))
UNIT = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "write",
    [
        lambda: wire.robot_document([0.0] * 7, None),
        lambda: wire.robot_document(None, [*UNIT[:3], NAN, 0.0, 0.0, 0.0]),
        lambda: wire.robot_document(UNIT[:6], None),
        lambda: wire.robot_document(UNIT, UNIT, left_gripper=(0.1, float("inf"))),
        lambda: wire.tactile_document("left_gripper_camera_3", ONE, ONE),
        lambda: wire.tactile_document("left_gripper_camera_1", ONE * NAN, ONE),
        lambda: wire.tactile_document("left_gripper_camera_1", ONE, np.zeros((2, 3))),
        lambda: wire.tactile_document("left_gripper_camera_1", np.zeros((0, 3)), np.zeros((0, 3))),
        lambda: wire.tactile_document(
            "left_gripper_camera_1", np.zeros((999, 3)), np.zeros((999, 3))
        ),
        lambda: wire.tactile_document("left_gripper_camera_1", ONE, ONE, scale=(1.0, 1.0)),
        lambda: wire.force_document("middle", [0, 0, 0], [0, 0, 0]),  # type: ignore[arg-type]
        lambda: wire.force_document("left", [0, 0, 0], [0, float("inf"), 0]),
        lambda: wire.image_document([wire.Panel("a", b"GIF89a", (0, 0, 0))]),
        lambda: wire.image_document([wire.Panel("a", JPEG, (0, 0, NAN))]),
        lambda: wire.image_document([wire.Panel("a", JPEG, (0, 0, 0))] * 2),
        lambda: wire.image_document([wire.Panel("", JPEG, (0, 0, 0))]),
    ],
)
def test_what_would_break_the_app_is_not_written(write: Any) -> None:
    with pytest.raises(WireError):
        write()


@given(st.binary(max_size=200))
def test_readers_survive_any_bytes(data: bytes) -> None:
    for read in (wire.read_robot, wire.read_tactile, wire.read_force, wire.read_images):
        with pytest.raises(WireError):
            read(data)
