"""What the headset posts: JSON ↔ `Post`, in the frame and with the names of the wire."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from devices.errors import WireError
from devices.stream import FloatArray

MAX_POST_BYTES = 64 * 1024
"""A post of the app has about 500 bytes."""

BUTTONS = ("upper", "lower", "thumbstick", "index_trigger", "grip")
"""Order of `Controller.buttons`: B or Y, A or X, thumbstick click, index trigger, hand trigger."""

Buttons = tuple[bool, bool, bool, bool, bool]

# Nobody stands farther from the origin of a room, and no app runs for thirty years.
_FARTHEST_M = 1000.0
_LONGEST_S = 1e9
# Unity's quaternions are of unit length up to float32; half and double are no rounding.
_QUAT_NORM_RANGE = (0.5, 2.0)
_TRIGGER_SLACK = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Controller:
    """One controller as posted: Unity's left-handed frame (x right, y up, z forward).

    Attributes:
        position: [m], shape (3,), read-only.
        quat: wxyz, shape (4,), read-only; of unit length as the app means it.
        trigger: Index trigger, 0 ... 1.
        buttons: See `BUTTONS`; the last is the grip.
    """

    position: FloatArray
    quat: FloatArray
    trigger: float = 0.0
    buttons: Buttons = (False, False, False, False, False)

    @property
    def grip(self) -> bool:
        """The hand trigger: the clutch."""
        return self.buttons[4]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Controller):
            return NotImplemented
        return (
            np.array_equal(self.position, other.position)
            and np.array_equal(self.quat, other.quat)
            and self.trigger == other.trigger
            and self.buttons == other.buttons
        )


@dataclass(frozen=True, slots=True, eq=False)
class Post:
    """One post, unswapped: `right` is what the wire calls `rightHand`, whosever hand it is.

    Attributes:
        timestamp: Since the app was started [s, float32 on the other side].
        right: `rightHand`. While the app swaps (its default) this is the left controller.
        left: `leftHand`.
        head: Position [m] and quaternion wxyz, shape (7,), read-only; None if not posted.
    """

    timestamp: float
    right: Controller
    left: Controller
    head: FloatArray | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Post):
            return NotImplemented
        if (self.head is None) != (other.head is None):
            return False
        heads_agree = self.head is None or np.array_equal(self.head, other.head)  # type: ignore[arg-type]
        return (
            self.timestamp == other.timestamp
            and self.right == other.right
            and self.left == other.left
            and heads_agree
        )


_Three = Annotated[list[float], msgspec.Meta(min_length=3, max_length=3)]
_Four = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]


class _Hand(msgspec.Struct, rename="camel", gc=False):
    wrist_pos: _Three
    wrist_quat: _Four
    trigger_state: float
    button_state: Buttons


class _Body(msgspec.Struct, rename="camel", gc=False, omit_defaults=True):
    """Fields in the order in which the app writes them."""

    timestamp: float
    right_hand: _Hand
    left_hand: _Hand
    head_pos: _Three | None = None
    head_quat: _Four | None = None


_decoder = msgspec.json.Decoder(_Body)
_encoder = msgspec.json.Encoder()


def parse_post(body: bytes, max_bytes: int = MAX_POST_BYTES) -> Post:
    """The post in `body`. Unknown keys are ignored; the head may be absent.

    Raises:
        WireError: For everything else that is not a post of the app.
    """
    if len(body) > max_bytes:
        raise WireError(f"A post has {len(body)} bytes", next_step=f"At most {max_bytes} are taken")
    try:
        raw = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"A post is not what the app sends: {error}") from error
    except RecursionError as error:
        raise WireError("A post is nested too deeply") from error
    if not 0.0 <= raw.timestamp <= _LONGEST_S:
        raise WireError(f"The timestamp of a post is {raw.timestamp}")
    return Post(
        timestamp=raw.timestamp,
        right=_controller(raw.right_hand, "rightHand"),
        left=_controller(raw.left_hand, "leftHand"),
        head=_head(raw.head_pos, raw.head_quat),
    )


def encode_post(post: Post) -> bytes:
    """The body as the app writes it: its order of fields, float32 numbers, no white space."""
    body = _Body(
        timestamp=_float32(post.timestamp),
        right_hand=_hand(post.right),
        left_hand=_hand(post.left),
        head_pos=None if post.head is None else [_float32(x) for x in post.head[:3]],
        head_quat=None if post.head is None else [_float32(x) for x in post.head[3:]],
    )
    return _encoder.encode(body)


def checked(post: Post) -> Post:
    """The same post, after the checks that `parse_post` makes; for posts of other origin.

    Raises:
        WireError: If it could not have come from the app.
    """
    return parse_post(_encoder.encode(_plain(post)))


def _plain(post: Post) -> _Body:
    head = None if post.head is None else [float(x) for x in post.head]
    return _Body(
        timestamp=float(post.timestamp),
        right_hand=_plain_hand(post.right),
        left_hand=_plain_hand(post.left),
        head_pos=None if head is None else head[:3],
        head_quat=None if head is None else head[3:],
    )


def _plain_hand(hand: Controller) -> _Hand:
    return _Hand(
        [float(x) for x in hand.position],
        [float(x) for x in hand.quat],
        float(hand.trigger),
        hand.buttons,
    )


def _hand(hand: Controller) -> _Hand:
    return _Hand(
        [_float32(x) for x in hand.position],
        [_float32(x) for x in hand.quat],
        _float32(hand.trigger),
        hand.buttons,
    )


def _float32(value: float) -> float:
    """The shortest decimal that is `value` to a float32: 0.2 stays 0.2."""
    return float(str(np.float32(value)))


def _controller(raw: _Hand, name: str) -> Controller:
    trigger = raw.trigger_state
    if not -_TRIGGER_SLACK <= trigger <= 1.0 + _TRIGGER_SLACK:
        raise WireError(f"triggerState of {name} is {trigger}", allowed=("0 ... 1",))
    return Controller(
        _position(raw.wrist_pos, name),
        _quat(raw.wrist_quat, name),
        min(max(trigger, 0.0), 1.0),
        raw.button_state,
    )


def _head(position: list[float] | None, quat: list[float] | None) -> FloatArray | None:
    if position is None and quat is None:
        return None
    if position is None or quat is None:
        raise WireError("A post has one of headPos and headQuat without the other")
    head = np.concatenate([_position(position, "head"), _quat(quat, "head")])
    head.flags.writeable = False
    return head


def _position(values: list[float], name: str) -> FloatArray:
    for value in values:
        # Written so that NaN fails too.
        if not abs(value) <= _FARTHEST_M:
            raise WireError(f"The position of {name} is {values} m")
    return _frozen(values)


def _quat(values: list[float], name: str) -> FloatArray:
    norm = math.hypot(*values)
    if not _QUAT_NORM_RANGE[0] <= norm <= _QUAT_NORM_RANGE[1]:
        raise WireError(f"The quaternion of {name} is {values}: not a rotation")
    return _frozen(values)


def _frozen(values: list[float]) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array
