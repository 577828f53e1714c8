"""Driving with a mouse and keys: motions of a pointer and held keys become hand input.

The screen says how far a hand was dragged or which key is held; this adds it up to the pose that
`devices.leader` wants. It knows no screen and no robot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from devices.leader import SIDES, HandInput, LeaderInput, Side
from devices.pose import Pose, quat_from_rotvec, quat_multiply
from devices.stream import FloatArray

SPEED = 0.10  # [m/s] of a held key: crosses a board in three seconds
TURN_SPEED = 0.8  # [rad/s]
FINE = 0.25  # of speeds and steps while driving finely
GRIP_SPEED = 0.8  # [1/s] of the keys that open and close by degrees
GRIP_LINGER_S = 0.8  # the clutch stays held this long after a grip, so that the jaws arrive
MAX_STEP_S = 0.1  # a late tick moves no further than this would

_AXES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "+x": (1, 0, 0, 0, 0, 0),
        "-x": (-1, 0, 0, 0, 0, 0),
        "+y": (0, 1, 0, 0, 0, 0),
        "-y": (0, -1, 0, 0, 0, 0),
        "+z": (0, 0, 1, 0, 0, 0),
        "-z": (0, 0, -1, 0, 0, 0),
        "+rx": (0, 0, 0, 1, 0, 0),
        "-rx": (0, 0, 0, -1, 0, 0),
        "+ry": (0, 0, 0, 0, 1, 0),
        "-ry": (0, 0, 0, 0, -1, 0),
        "+rz": (0, 0, 0, 0, 0, 1),
        "-rz": (0, 0, 0, 0, 0, -1),
    }
)
MOTIONS = (*_AXES, "close", "open")
"""What `hold` accepts: motions along and turns about the robot's axes, and the jaws."""


@dataclass
class _Hand:
    """One hand: where it has been moved to, and what it last asked of the jaws."""

    position: FloatArray = field(default_factory=lambda: np.zeros(3))
    quat: FloatArray = field(default_factory=lambda: np.array([1.0, 0.0, 0.0, 0.0]))
    grip: float | None = None
    linger_until_ns: int = 0


class HandDrive:
    """Adds pointer steps and held keys up to `LeaderInput`.

    Only the active hand is driven; the other one parks. Nothing here reads a clock: times are told.

    Args:
        measured_grip: How far the jaws of a side are closed now, 0 open ... 1 closed, or None when
            nobody knows. Asked when the first grip of a hand needs a place to start from.
        device: Name in the readings.
    """

    def __init__(
        self, measured_grip: Callable[[Side], float | None], device: str = "mouse"
    ) -> None:
        self._measured_grip = measured_grip
        self._device = device
        self._hands = {side: _Hand() for side in SIDES}
        self._held: set[str] = set()
        self._grabbed = False
        self._seq = 0
        self._was_active = False
        self._last_ns: int | None = None
        self.side: Side = "right"
        self.fine = False

    # ------------------------------------------------------------------------------ the pointer
    def grab(self, side: Side) -> None:
        """The pointer takes a hand. The other hand lets go."""
        self.use(side)
        self._grabbed = True

    def move(self, step: FloatArray) -> None:
        """Move the grabbed hand by `step` [m], shape (3,), world axes. Ignored while not held."""
        if self._grabbed:
            self._active.position = self._active.position + self._factor * np.asarray(step)

    def turn(self, rotvec: FloatArray) -> None:
        """Turn the grabbed hand by a rotation vector [rad], shape (3,), world axes."""
        if self._grabbed:
            turn = quat_from_rotvec(self._factor * np.asarray(rotvec))
            self._active.quat = quat_multiply(turn, self._active.quat)

    def let_go(self) -> None:
        """The pointer lets the hand go. Held keys go on."""
        self._grabbed = False

    # ----------------------------------------------------------------------------------- the keys
    def hold(self, motion: str, on: bool) -> None:
        """A motion key goes down or up. `motion` is one of MOTIONS.

        Raises:
            ValueError: For an unknown motion.
        """
        if motion not in MOTIONS:
            raise ValueError(f"unknown motion {motion!r}; known: {', '.join(MOTIONS)}")
        if on:
            self._held.add(motion)
        else:
            self._held.discard(motion)

    def use(self, side: Side) -> None:
        """Make a hand the driven one. What was held by the other is let go."""
        if side != self.side:
            self.release_all()
            self.side = side

    def other(self) -> Side:
        """Change hands; the hand driven until now parks."""
        self.use("left" if self.side == "right" else "right")
        return self.side

    def release_all(self) -> None:
        """Let go of everything: focus lost, window left, emergency stop."""
        self._held.clear()
        self._grabbed = False
        for hand in self._hands.values():
            hand.linger_until_ns = 0

    def forget_grips(self) -> None:
        """The jaws were moved by somebody else (home, reset): ask for nothing until told again."""
        for hand in self._hands.values():
            hand.grip = None
            hand.linger_until_ns = 0

    def toggle_grip(self, t_ns: int) -> None:
        """Close the jaws of the active hand, or open them when they are more closed than open."""
        closed = self._grip_now()
        self._ask_grip(0.0 if closed > 0.5 else 1.0, t_ns)

    def set_grip(self, grip: float, t_ns: int) -> None:
        """Ask for a grip, 0 open ... 1 closed."""
        self._ask_grip(grip, t_ns)

    # ------------------------------------------------------------------------------------ reading
    @property
    def engaged(self) -> bool:
        """Whether the pointer or a motion key holds the active hand."""
        return self._grabbed or bool(self._held)

    def grip(self, side: Side) -> float | None:
        """What was last asked of the jaws of a side, None if nothing."""
        return self._hands[side].grip

    def read(self, t_ns: int) -> LeaderInput | None:
        """The reading at `t_ns` [ns, monotonic]: held keys have moved the hand since the last one.

        Returns:
            A reading with the active hand clutched; once more with the clutch open after letting
            go; then None, for there is nothing to say.
        """
        self._advance(t_ns)
        hand = self._active
        active = self.engaged or t_ns < hand.linger_until_ns
        if not active and not self._was_active:
            return None
        self._was_active = active
        said = HandInput(clutch=active, pose=Pose(hand.position, hand.quat), grip=hand.grip)
        self._seq += 1
        return LeaderInput(
            device=self._device,
            seq=self._seq - 1,
            t_ns=t_ns,
            left=said if self.side == "left" else None,
            right=said if self.side == "right" else None,
        )

    # ------------------------------------------------------------------------------------- inside
    @property
    def _active(self) -> _Hand:
        return self._hands[self.side]

    @property
    def _factor(self) -> float:
        return FINE if self.fine else 1.0

    def _advance(self, t_ns: int) -> None:
        dt = (
            0.0
            if self._last_ns is None
            else min(MAX_STEP_S, max(0.0, (t_ns - self._last_ns) / 1e9))
        )
        self._last_ns = t_ns if self._held else None
        if not self._held:
            return
        axes = np.zeros(6)
        for motion in self._held & _AXES.keys():
            axes += _AXES[motion]
        hand = self._active
        hand.position = hand.position + SPEED * self._factor * dt * axes[:3]
        turn = quat_from_rotvec(TURN_SPEED * self._factor * dt * axes[3:])
        hand.quat = quat_multiply(turn, hand.quat)
        squeeze = ("close" in self._held) - ("open" in self._held)
        if squeeze:
            self._ask_grip(self._grip_now() + squeeze * GRIP_SPEED * self._factor * dt, t_ns)

    def _grip_now(self) -> float:
        if self._active.grip is not None:
            return self._active.grip
        measured = self._measured_grip(self.side)
        return 0.0 if measured is None else measured

    def _ask_grip(self, grip: float, t_ns: int) -> None:
        hand = self._active
        hand.grip = min(1.0, max(0.0, grip))
        hand.linger_until_ns = t_ns + round(GRIP_LINGER_S * 1e9)
