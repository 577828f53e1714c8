"""What a message is, and the messages of the input device. Encoded with msgspec (MessagePack).

Three kinds of talk, each on its own socket in the run folder (`app.runtime.rundir`):

    <child>.req    REQ/REP   one Request, one Reply; the reply comes at once (`requests.py`)
    <child>.status PUB/SUB   the child's own status at about 20 Hz, and Events (`statuses.py`)
    station.input  PUSH/PULL Drive messages, as fast as the input device; never answered (here)
"""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of all messages; the class name is the tag on the wire."""


class Hand(Message, frozen=True):
    """`devices.leader.HandInput` on the wire; pose is (x, y, z, qw, qx, qy, qz) [m]."""

    clutch: bool
    pose: tuple[float, float, float, float, float, float, float]
    grip: float | None = None


class Drive(Message, frozen=True):
    """`devices.leader.LeaderInput` on the wire."""

    device: str
    seq: int
    t_ns: int
    left: Hand | None = None
    right: Hand | None = None
    deadman: bool = True
    barred: str = ""


class Heartbeat(Message, frozen=True):
    """The window lives. The station holds after 0.5 s and stops after 10 s without one."""

    t_ns: int


Input = Drive | Heartbeat

_encoder = msgspec.msgpack.Encoder()
_input = msgspec.msgpack.Decoder(Input)


def encode(message: Message) -> bytes:
    return _encoder.encode(message)


def decode_input(data: bytes) -> Input:
    return _input.decode(data)
