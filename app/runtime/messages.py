"""Everything that processes say to each other, typed. Encoded with msgspec (MessagePack).

Three kinds of talk, each on its own socket in the run folder (`app.runtime.rundir`):

    <child>.req    REQ/REP   one Request, one Reply; the reply comes at once
    <child>.status PUB/SUB   the child.s own status at about 20 Hz, and Events
    station.input  PUSH/PULL Drive messages, as fast as the input device; never answered
"""

from __future__ import annotations

from typing import Literal

import msgspec

Vector = tuple[float, ...]


class Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of all messages; the class name is the tag on the wire."""


# ---------------------------------------------------------------------------- window -> station
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


class Heartbeat(Message, frozen=True):
    """The window lives. The station holds after 0.5 s and stops after 10 s without one."""

    t_ns: int


# -------------------------------------------------------------------------- requests to station
class EStop(Message, frozen=True):
    """Stop now and stay stopped until ClearEStop. `why` is shown and recorded."""

    why: str


class ClearEStop(Message, frozen=True):
    pass


class GoHome(Message, frozen=True):
    """Guarded motion to the home pose, without changing the scene."""


class ResetScene(Message, frozen=True):
    """New seeded start of the scene. None draws the next seed. The arms go home first."""

    seed: int | None = None


class UseLeader(Message, frozen=True):
    """Which device drives: window, gamepad, scripted, scripted-blind, replay (of `episode`)."""

    name: str
    episode: str = ""


class SetDriving(Message, frozen=True):
    """Scale of translation and rotation from hand to tool."""

    translation_scale: float = 1.0
    rotation_scale: float = 1.0


class Perturb(Message, frozen=True):
    name: str


# ------------------------------------------------------------------------- requests to recorder
Verdict = Literal["success", "failure"]


class OpenDataset(Message, frozen=True):
    """Open or create the dataset folder that the next takes go to."""

    path: str
    task: str
    operator: str = ""
    target: int = 0


class Arm(Message, frozen=True):
    """Get ready: from here on, the pre-roll counts and Start begins a take."""


class Start(Message, frozen=True):
    """Begin a take, 2 s in the past. `practice` saves nothing."""

    task: str
    practice: bool = False


class Pause(Message, frozen=True):
    on: bool


class Stop(Message, frozen=True):
    """End the take; it is stored, as failed until kept."""


class Keep(Message, frozen=True):
    verdict: Verdict
    note: str = ""


class Discard(Message, frozen=True):
    """Put the stopped (or running) take in the trash of its dataset; undo brings it back."""


# ----------------------------------------------------------------------- requests to supervisor
class Restart(Message, frozen=True):
    """Start a child that has ended, or end and start one that runs, with changed options."""

    child: str
    options: dict[str, str | int | float] = {}


# ----------------------------------------------------------------------------- requests, shared
class Ping(Message, frozen=True):
    pass


class Shutdown(Message, frozen=True):
    pass


Request = (
    EStop
    | ClearEStop
    | GoHome
    | ResetScene
    | UseLeader
    | SetDriving
    | Perturb
    | OpenDataset
    | Arm
    | Start
    | Pause
    | Stop
    | Keep
    | Discard
    | Restart
    | Ping
    | Shutdown
)


class Ok(Message, frozen=True):
    """Done. `uid` is the episode a recorder request was about."""

    text: str = ""
    uid: str = ""


class Refused(Message, frozen=True):
    """Not done, and why, in a sentence for the user."""

    why: str


Reply = Ok | Refused


# ------------------------------------------------------------------------------------- statuses
class StreamHealth(Message, frozen=True):
    """Rate and age as measured over the last second."""

    name: str
    rate_hz: float
    nominal_hz: float
    age_ms: float
    dropped: int


class LoopBudget(Message, frozen=True):
    """The control loop over the last second [ms]."""

    rate_hz: float
    period_ms: float
    read_ms: float
    map_ms: float
    guard_ms: float
    send_ms: float
    physics_ms: float
    publish_ms: float
    lateness_p50_ms: float
    lateness_p99_ms: float
    lateness_max_ms: float


class ArmStatus(Message, frozen=True):
    """One arm. `hold` is empty while it follows, else why it holds still."""

    side: str
    clutched: bool
    hold: str
    guard: tuple[str, ...] = ()


StationPhase = Literal["starting", "holding", "driving", "homing", "estop", "stopped"]


class StationStatus(Message, frozen=True):
    t_ns: int
    phase: StationPhase
    why: str
    robot: str
    scene: str
    instruction: str
    seed: int
    leader: str
    leaders: dict[str, str]  # name -> "ready", "not connected: ...", ...
    arms: tuple[ArmStatus, ...]
    progress: float
    success: bool
    realtime_factor: float
    loop: LoopBudget
    perturbations: tuple[str, ...]
    simulated: bool = True
    force_band: tuple[float, float] | None = None


TakeState = Literal["idle", "armed", "recording", "paused", "stopped", "failed"]


class RecorderStatus(Message, frozen=True):
    t_ns: int
    state: TakeState
    practice: bool
    dataset: str
    task: str
    take: int
    target: int
    kept: int
    elapsed_s: float
    uid: str
    text: str  # what just happened, or what went wrong, as a sentence
    fault: bool
    rows: int
    dropped: int
    bytes_per_s: float
    disk_left_s: float
    streams: tuple[StreamHealth, ...] = ()


class CameraStatus(Message, frozen=True):
    t_ns: int
    renderer: str
    detail: str
    cameras: tuple[StreamHealth, ...]
    text: str = ""


class Event(Message, frozen=True):
    """Something that happened once: goes to the screen and, while a take runs, into its file."""

    t_ns: int
    kind: Literal["gap", "label", "takeover", "guard", "fault", "note", "scene", "leader"]
    text: str
    data: dict[str, float | str | bool | None] = {}


Published = StationStatus | RecorderStatus | CameraStatus | Event
Input = Drive | Heartbeat

_encoder = msgspec.msgpack.Encoder()
_request = msgspec.msgpack.Decoder(Request)
_reply = msgspec.msgpack.Decoder(Reply)
_published = msgspec.msgpack.Decoder(Published)
_input = msgspec.msgpack.Decoder(Input)


def encode(message: Message) -> bytes:
    return _encoder.encode(message)


def decode_request(data: bytes) -> Request:
    """Raises msgspec.DecodeError or ValidationError for anything that is not a Request."""
    return _request.decode(data)


def decode_reply(data: bytes) -> Reply:
    return _reply.decode(data)


def decode_published(data: bytes) -> Published:
    return _published.decode(data)


def decode_input(data: bytes) -> Input:
    return _input.decode(data)
