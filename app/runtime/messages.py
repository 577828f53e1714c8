"""Everything that processes say to each other, typed. Encoded with msgspec (MessagePack).

Three kinds of talk, each on its own socket in the run folder (`app.runtime.rundir`):

    <child>.req    REQ/REP   one Request, one Reply; the reply comes at once
    <child>.status PUB/SUB   the child.s own status at about 20 Hz, and Events
    station.input  PUSH/PULL Drive messages, as fast as the input device; never answered
"""

from __future__ import annotations

from typing import Literal, get_args

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
    """Which device drives: window, headset, gamepad, scripted, scripted-blind, replay (of
    `episode`)."""

    name: str
    episode: str = ""


class SetDriving(Message, frozen=True):
    """Scale of translation and rotation from hand to tool, and which axes are followed: x, y, z
    and the turns about x, y, z of the world (`devices.mapping.clutch.MOTIONS` names some)."""

    translation_scale: float = 1.0
    rotation_scale: float = 1.0
    axes: tuple[bool, bool, bool, bool, bool, bool] = (True, True, True, True, True, True)


class Perturb(Message, frozen=True):
    name: str


# -------------------------------------------------------------------------- requests to headset
class HeadsetListen(Message, frozen=True):
    """Open or close the TactAR port. It has no protection; it is closed until asked for."""

    on: bool
    port: int = 8082


class HeadsetConfirm(Message, frozen=True):
    """Posts of this address alone drive, and it gets the overlays; "" trusts nobody."""

    address: str


SetUpStep = Literal[
    "begin", "squeeze_left", "push_forward", "align", "finish", "cancel", "swap", "no_trim", "keep"
]


class HeadsetSetUp(Message, frozen=True):
    """One move in the guided set-up; the status tells what is asked of the operator.

    Outside a set-up "push_forward" checks whether the calibration still holds, and "keep" says
    that it does, whatever casts doubt on it.
    """

    step: SetUpStep


class HeadsetPanels(Message, frozen=True):
    """Which camera panels hang where in the headset: a named preset, "off" for none."""

    preset: str


class HeadsetCapture(Message, frozen=True):
    """Write all that is posted to a session file from now on; "" ends it."""

    path: str


# ---------------------------------------------------------------------------- requests to touch
class RezeroTouch(Message, frozen=True):
    """What the pads feel now is their new zero. "" means all pads."""

    pad: str = ""


class GraspBaseline(Message, frozen=True):
    """Subtract the grasp from what is shown, when one is held: switch the feature on or off."""

    on: bool


# ------------------------------------------------------------------ requests about policies
Slot = Literal["policy_a", "policy_b"]
SLOTS: tuple[Slot, ...] = get_args(Slot)


class PolicyLoad(Message, frozen=True):
    """To the station: load a checkpoint (a folder, or a server's address) into the free slot."""

    path: str


class PolicyWatch(Message, frozen=True):
    """To the station: load each new best checkpoint of a training's folder, and let it drive if
    `use`. "" ends that."""

    path: str
    use: bool = False


class PolicyUse(Message, frozen=True):
    """To the station: once it has answered, from the next tick on, the policy in this slot drives;
    who drove before drives until then. "" takes none. The station tells the worker the same, which
    begins anew then."""

    slot: str
    seed: int | None = None


class PolicyHold(Message, frozen=True):
    """To the station: the policy that drives holds (or goes on)."""

    on: bool


class PolicyDrop(Message, frozen=True):
    """To the station: end the worker of this slot."""

    slot: str


class SetInstruction(Message, frozen=True):
    """To the station: what the robot is told to do, without loading anything anew."""

    text: str


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


class KeepLast(Message, frozen=True):
    """Make an episode of the last seconds of a rollout, although no take ran: while a policy is in
    hand they are kept in a scratch file. At most 60 s."""

    seconds: float = 30.0


# ----------------------------------------------------------------------- requests to supervisor
class Restart(Message, frozen=True):
    """Start a child that has ended, or end and start one that runs, with changed options."""

    child: str
    options: dict[str, str | int | float] = {}


class StopChild(Message, frozen=True):
    """End a child that runs."""

    child: str


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
    | HeadsetListen
    | HeadsetConfirm
    | HeadsetSetUp
    | HeadsetPanels
    | HeadsetCapture
    | RezeroTouch
    | GraspBaseline
    | PolicyLoad
    | PolicyWatch
    | PolicyUse
    | PolicyHold
    | PolicyDrop
    | SetInstruction
    | OpenDataset
    | Arm
    | Start
    | Pause
    | Stop
    | Keep
    | Discard
    | KeepLast
    | Restart
    | StopChild
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
    watching: str = ""  # folder whose new checkpoints are loaded, "" for none
    watched_drives: bool = False  # and whether each drives as soon as it is ready


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


class Poster(Message, frozen=True):
    """Somebody who posts to the TactAR port."""

    address: str
    rate_hz: float
    age_ms: float
    confirmed: bool


class SetUpState(Message, frozen=True):
    """Where the guided set-up stands.

    `step` is what is asked now, "" when it does not run; `text` says it to the operator; `share`
    is how much of the step is done, 0 ... 1; `problem` what went wrong in the last try, or "".
    """

    step: str
    text: str
    share: float = 0.0
    problem: str = ""


class HeadsetCalibration(Message, frozen=True):
    """What corrects the headset's frame.

    `swapped`: the app's left and right are exchanged. `trim_rad`: turn of translations about the
    vertical, `residual_rad` its spread. `T_world_headset` (7,) from the aligned frame to the
    world. `doubt` says why it should be made again, "" while it can be trusted.
    """

    headset: str
    station: str
    made: str  # ISO 8601, wall clock
    age_s: float
    swapped: bool
    trim_rad: float
    residual_rad: float
    T_world_headset: tuple[float, ...]
    doubt: str = ""


class StreamOut(Message, frozen=True):
    """One UDP stream to the headset, over the last seconds."""

    name: str
    port: int
    rate_hz: float
    jitter_p99_ms: float
    sent: int
    failed: int


class HeadsetStatus(Message, frozen=True):
    t_ns: int
    listening: bool
    port: int
    address: str  # of the confirmed headset, or ""
    posters: tuple[Poster, ...]
    calibration: HeadsetCalibration | None
    set_up: SetUpState
    panels: str
    panel_presets: tuple[str, ...]
    streams: tuple[StreamOut, ...]
    counters: dict[str, int]  # posts, malformed, refused, reordered, restarts, jumps, ...
    delay_p50_ms: float  # post received -> command sent, NaN while unknown
    delay_p99_ms: float
    touch_delay_p99_ms: float  # tactile sample -> datagram sent
    battery: float  # 0 ... 1; NaN: the app does not tell
    capturing: str
    text: str
    fault: bool
    simulated: bool = False  # a fake headset posts


class PadReading(Message, frozen=True):
    """One pad for people: forces [N], torsion [N m], `slip` 0 ... 1, `band` -1 below, 0 within, 1
    above the scene's force band (NaN: no band or no contact), `baseline` whether a grasp is
    subtracted from the shown field. NaN is unknown. `axes` are normal force, shear x, shear y and
    torsion as the embedding's first axes tell them, None without one; `axes_error` how far off they
    were on simulated fields."""

    pad: str
    source: str  # "simulated field", "simulated camera", "GelSight Mini 28Q1-..." ...
    normal_n: float
    shear_x_n: float
    shear_y_n: float
    torsion_nm: float
    slip: float
    contact: bool
    band: float
    baseline: bool
    markers_lost: int
    rate_hz: float
    text: str = ""
    axes: tuple[float, float, float, float] | None = None
    axes_error: tuple[float, float, float, float] | None = None


class TouchStatus(Message, frozen=True):
    t_ns: int
    pads: tuple[PadReading, ...]
    baseline_on: bool
    text: str
    fault: bool


class NeedCheck(Message, frozen=True):
    """One line of the table that compares what a policy needs with what is live."""

    stream: str
    what: str  # name, shape, unit, rate, normalisation, ...
    needed: str
    live: str
    fits: bool


class PolicyStatus(Message, frozen=True):
    """One policy worker. Times over the last seconds [ms]; NaN while unknown."""

    t_ns: int
    slot: str
    path: str
    name: str
    digest: str
    phase: Literal[
        "empty",
        "starting",
        "loading",
        "checking",
        "warming",
        "ready",
        "driving",
        "holding",
        "failed",
    ]
    text: str
    checks: tuple[NeedCheck, ...] = ()
    infer_p50_ms: float = float("nan")
    infer_p95_ms: float = float("nan")
    infer_p99_ms: float = float("nan")
    react_p99_ms: float = float("nan")
    observation_age_ms: float = float("nan")
    queue: int = 0  # rows of the chunk that are still to come
    misses: int = 0  # ticks that wanted an action and had none
    stale_dropped: int = 0
    uncertainty: float = float("nan")
    memory_mb: float = float("nan")
    sides: tuple[str, ...] = ()  # of its ActionSpace, as the next ones
    rotation: bool = False
    rate_hz: float = float("nan")
    horizon: int = 0
    reacts: bool = False
    seed: int | None = None  # of its last reset
    acts: int = 0  # chunks so far
    faults: int = 0  # times that it could not answer
    follow: str = ""  # the rule by which its chunks are followed, as the station tells
    began_ns: int = 0  # when its process began, to tell it from one that was there before


class Event(Message, frozen=True):
    """Something that happened once: goes to the screen and, while a take runs, into its file."""

    t_ns: int
    kind: Literal["gap", "label", "takeover", "guard", "fault", "note", "scene", "leader"]
    text: str
    data: dict[str, float | str | bool | None] = {}


Published = (
    StationStatus
    | RecorderStatus
    | CameraStatus
    | HeadsetStatus
    | TouchStatus
    | PolicyStatus
    | Event
)
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
