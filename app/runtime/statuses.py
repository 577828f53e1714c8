"""What each child of a run tells about itself, and the Events, typed (`app.runtime.messages`)."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from app.runtime.messages import Message


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
    """Somebody who posts to the TactAR port. `speed_m_s` is of its fastest hand or head: so one
    sees whose headset is moved, before any is confirmed."""

    address: str
    rate_hz: float
    age_ms: float
    confirmed: bool
    speed_m_s: float = 0.0


class SetUpState(Message, frozen=True):
    """Where the guided set-up stands.

    `step` is what is asked now, "" when it does not run; `text` says it to the operator; `share`
    is how much of the step is done, 0 ... 1; `problem` what went wrong in the last try, or "".
    `trim_rad` and `residual_rad` are what the push told, NaN before it has.
    """

    step: str
    text: str
    share: float = 0.0
    problem: str = ""
    trim_rad: float = math.nan
    residual_rad: float = math.nan


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
    calibrating: bool = False  # the app is in its calibration mode, as far as its buttons tell
    # By side: why a squeezed grip, or a hand that is not seen, drives nothing.
    holds: dict[str, str] = msgspec.field(default_factory=dict)


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
    fault: bool = False  # its sensor is away


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
    step: int = 0  # updates that its weights have seen, of `steps`; 0 where nobody can tell
    steps: int = 0
    hold_out: float = float("nan")  # their loss on the hold-out
    created: str = ""  # when they were made, ISO 8601


class Event(Message, frozen=True):
    """Something that happened once: goes to the screen and, while a take runs, into its file."""

    t_ns: int
    kind: Literal["gap", "label", "takeover", "guard", "fault", "note", "scene", "leader"]
    text: str
    data: dict[str, float | str | bool | None] = {}  # noqa: RUF012 (a Struct copies it)


Published = (
    StationStatus
    | RecorderStatus
    | CameraStatus
    | HeadsetStatus
    | TouchStatus
    | PolicyStatus
    | Event
)

_published = msgspec.msgpack.Decoder(Published)


def decode_published(data: bytes) -> Published:
    return _published.decode(data)
