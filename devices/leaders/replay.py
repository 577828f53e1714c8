"""A recorded episode drives the robot again, through the same mapping and guard as a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from devices.clock import NS_PER_S, Clock, SystemClock
from devices.errors import DeviceError
from devices.leader import SIDES, HandInput, LeaderInput, Observation, Side
from devices.pose import (
    Pose,
    quat_conjugate,
    quat_from_rotvec,
    quat_multiply,
    rotvec_from_quat,
)
from devices.stream import FloatArray

ReplayPhase = Literal["empty", "approaching", "playing", "done", "failed"]


@dataclass(frozen=True, slots=True)
class HandTrack:
    """What one hand did.

    Attributes:
        t_ns: When [ns], shape (N,), rising.
        rows: Rows of the stream `leader/S`, shape (N, 9): pose x y z qw qx qy qz [m], clutch 0/1,
            grip (NaN: not asked). A row whose pose is not finite is a parked hand.
        start: `T_world_tool` as measured when the first row was recorded.
    """

    t_ns: npt.NDArray[np.int64]
    rows: FloatArray
    start: Pose


@dataclass(frozen=True, slots=True)
class Recording:
    """The operator's side of an episode. `name` is told to the user."""

    name: str
    hands: Mapping[Side, HandTrack]


@dataclass(frozen=True, slots=True)
class ReplayStatus:
    """How far a replay is.

    Attributes:
        phase: What it is doing.
        progress: Of the recorded time, 0 ... 1.
        text: A sentence for the user.
    """

    phase: ReplayPhase
    progress: float
    text: str


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """How the start pose is approached.

    Attributes:
        gain: Share of the remaining way per second [1/s].
        speed, turn_speed: At most [m/s], [rad/s].
        near_m, near_rad: Error at which the start pose counts as reached.
        patience_s: Time without progress after which the approach is given up [s].
        gap_s: Silence of a recorded hand after which it counts as parked; when all are silent,
            nobody holds the device [s].
    """

    gain: float = 4.0
    speed: float = 0.15
    turn_speed: float = 0.6
    near_m: float = 0.004
    near_rad: float = 0.03
    patience_s: float = 3.0
    gap_s: float = 0.15


class ReplayLeader:
    """Plays a recording back in its own time.

    First the tools go to where they were when the recording began, by an imagined hand that holds
    the clutch and looks at the measured poses, so that gravity and scales do not matter. Then the
    clutch is released once, and the recorded hands follow.

    Args:
        clock: Where time comes from.
        recording: What to play; may also be given later by `load`.
        settings: How the start pose is approached.

    Attributes:
        name: "replay".
        status: How far the replay is.
    """

    name = "replay"

    def __init__(
        self,
        clock: Clock | None = None,
        recording: Recording | None = None,
        settings: ReplaySettings | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self.settings = settings or ReplaySettings()
        self._recording = recording
        self._seq = -1
        self.status = ReplayStatus("empty", 0.0, "No episode is loaded.")
        self._begin_ns = 0
        self._end_ns = 0
        self._play_ns: int | None = None
        self._last_ns: int | None = None
        self._hands: dict[Side, Pose] = {}
        self._best = np.inf
        self._patience_s = 0.0

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to play."""
        return self.status.phase in ("done", "failed")

    def load(self, recording: Recording) -> None:
        """Play `recording` from its start with the next `connect`."""
        self._recording = recording

    def connect(self) -> None:
        """Begin the replay.

        Raises:
            DeviceError: Without a recording, or with one that cannot be played; says why.
        """
        recording = self._recording
        if recording is None:
            raise DeviceError("The replay has no episode", next_step="Choose one in the Library")
        _check(recording)
        times = [track.t_ns for track in recording.hands.values()]
        self._begin_ns = min(int(t[0]) for t in times)
        self._end_ns = max(int(t[-1]) for t in times)
        self._play_ns = self._last_ns = None
        self._hands = {side: Pose.identity() for side in recording.hands}
        self._best, self._patience_s = np.inf, self.settings.patience_s
        self._say("approaching", 0.0, f"Going to where {recording.name} began.")

    def read(self, observation: Observation) -> LeaderInput | None:
        """The recorded hands of this moment; None before `connect`."""
        if self._recording is None or self.status.phase == "empty":
            return None
        now_ns = self._clock.now_ns()
        hands: dict[Side, HandInput | None] = {}
        deadman = True
        if self.status.phase == "approaching":
            hands = self._approach(self._recording, observation, now_ns)
        elif self.status.phase == "playing":
            hands, deadman = self._play(self._recording, now_ns)
        self._seq += 1
        return LeaderInput(
            self.name, self._seq, now_ns, hands.get("left"), hands.get("right"), deadman
        )

    def close(self) -> None:
        self._recording = None
        self._say("empty", 0.0, "No episode is loaded.")

    def _approach(
        self, recording: Recording, observation: Observation, now_ns: int
    ) -> dict[Side, HandInput | None]:
        limit = self.settings
        if self._last_ns is None:
            # Whoever drove before may have held the clutch: begin with a hand that does not.
            self._last_ns = now_ns
            return {side: HandInput(False, pose) for side, pose in self._hands.items()}
        step_s = min(max((now_ns - self._last_ns) / NS_PER_S, 0.0), 0.05)
        self._last_ns = now_ns
        hands: dict[Side, HandInput | None] = {}
        arrived, total = True, 0.0
        for side, track in recording.hands.items():
            tool = observation.tool[side]
            line = track.start.position - tool.position
            turn = rotvec_from_quat(quat_multiply(track.start.quat, quat_conjugate(tool.quat)))
            distance, angle = float(np.linalg.norm(line)), float(np.linalg.norm(turn))
            arrived &= distance <= limit.near_m and angle <= limit.near_rad
            total += distance + 0.1 * angle
            pace = min(limit.gain, limit.speed / max(distance, 1e-9)) * step_s
            swing = min(limit.gain, limit.turn_speed / max(angle, 1e-9)) * step_s
            hand = self._hands[side]
            self._hands[side] = Pose(
                hand.position + pace * line,
                quat_multiply(quat_from_rotvec(swing * turn), hand.quat),
            )
            hands[side] = HandInput(True, self._hands[side])
        if total < self._best - 5e-4:
            self._best, self._patience_s = total, limit.patience_s
        else:
            self._patience_s -= step_s
        if arrived:
            self._play_ns = now_ns
            self._say("playing", 0.0, f"Playing {recording.name}.")
            return {side: HandInput(False, pose) for side, pose in self._hands.items()}
        if self._patience_s <= 0.0:
            self._say(
                "failed",
                0.0,
                f"The arms do not reach the pose in which {recording.name} began; move the scene "
                "or the arms and try again.",
            )
            return {}
        return hands

    def _play(self, recording: Recording, now_ns: int) -> tuple[dict[Side, HandInput | None], bool]:
        assert self._play_ns is not None
        t_ns = self._begin_ns + (now_ns - self._play_ns)
        length = max(1, self._end_ns - self._begin_ns)
        if t_ns > self._end_ns:
            self._say("done", 1.0, f"{recording.name} was played to its end.")
            return {}, True
        self._say("playing", (t_ns - self._begin_ns) / length, f"Playing {recording.name}.")
        hands: dict[Side, HandInput | None] = {}
        silent = True
        for side, track in recording.hands.items():
            row = int(np.searchsorted(track.t_ns, t_ns, side="right")) - 1
            if row < 0:
                continue
            if t_ns - int(track.t_ns[row]) > self.settings.gap_s * NS_PER_S:
                continue
            silent = False
            hands[side] = _hand(track.rows[row])
        return hands, not silent

    def _say(self, phase: ReplayPhase, progress: float, text: str) -> None:
        self.status = ReplayStatus(phase, progress, text)


def _hand(row: FloatArray) -> HandInput | None:
    """A row of `leader/S` as input; None for a parked hand."""
    if not np.isfinite(row[:8]).all():
        return None
    grip = float(row[8])
    return HandInput(row[7] > 0.5, Pose.from_array(row[:7]), grip if np.isfinite(grip) else None)


def _check(recording: Recording) -> None:
    if not recording.hands:
        raise DeviceError(
            f"{recording.name} has no recorded hand",
            allowed=[f"leader/{side}" for side in SIDES],
            next_step="Choose an episode that was driven by hand or by a scripted operator",
        )
    for side, track in recording.hands.items():
        rows, t_ns = track.rows, track.t_ns
        if rows.ndim != 2 or rows.shape[1] != 9 or t_ns.shape != (len(rows),) or not len(rows):
            raise DeviceError(
                f"{recording.name} has {t_ns.shape} times and {rows.shape} rows in leader/{side}",
                allowed=["(N,) times and (N, 9) rows, N > 0"],
            )
        if np.any(np.diff(t_ns) < 0):
            raise DeviceError(f"{recording.name} has times that run backwards in leader/{side}")
