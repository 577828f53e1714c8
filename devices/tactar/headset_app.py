"""What the TactAR app makes of hands before it posts them: its frame, its fault, its swap. Pure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from devices.leader import Side
from devices.pose import quat_from_rotvec, quat_multiply
from devices.stream import FloatArray
from devices.tactar.frames import turned, yaw_quat
from devices.tactar.motions import Hands
from devices.tactar.wire import Controller, Post


class HeadsetApp:
    """A headset with the app running (docs/tactar-wire.md, "What is posted").

    Args:
        heading: Yaw theta of the app's calibration [rad]. Positions are posted as
            `R p_world + t`, rotations as `R^-1 q_world`; the first is the app's fault.
        offset: Translation t of the calibration [m], shape (3,).
        swapped: The app's default: `leftHand` is the right controller.
        patched: The app without its fault.
        tremble_m: Standard deviation of each coordinate of the tracking [m]; turns tremble by two
            radians a metre of it. 0 for poses as exact as no headset's are.
        seed: Of the tremble.
    """

    def __init__(
        self,
        heading: float = 0.0,
        offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
        *,
        swapped: bool = True,
        patched: bool = False,
        tremble_m: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.heading = heading
        self.offset = np.array(offset)
        self.swapped = swapped
        self.patched = patched
        self.tremble_m = tremble_m
        self._rng = np.random.default_rng(seed)
        self._recentred = 0.0
        self._shifted = np.zeros(3)
        self._lost: dict[Side, Controller | None] = {}

    def recentre(self, yaw: float, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        """The wearer holds the Meta button: the room turns by `yaw` [rad] and moves by `shift` [m]
        under a calibration that does not know."""
        self._recentred += yaw
        self._shifted = self._shifted + np.array(shift)

    def restart(self) -> None:
        """The app begins anew: nothing is calibrated."""
        self.heading, self.offset = 0.0, np.zeros(3)
        self._recentred, self._shifted = 0.0, np.zeros(3)
        self._lost.clear()

    def lose(self, side: Side) -> None:
        """The cameras lose the operator's hand: its last pose is posted on and on."""
        self._lost.setdefault(side, None)

    def find(self, side: Side) -> None:
        """The hand is seen again."""
        self._lost.pop(side, None)

    def post(self, hands: Hands, timestamp: float) -> Post:
        """`timestamp` [s] since the app began; it has the precision of a float32."""
        right = self._as_tracked(hands.right, "right")
        left = self._as_tracked(hands.left, "left")
        position, quat = self._placed(hands.head[:3], hands.head[3:])
        if self.swapped:
            right, left = left, right
        return Post(
            timestamp=float(np.float32(timestamp)),
            right=right,
            left=left,
            head=np.concatenate([position, quat]),
        )

    def _as_tracked(self, hand: Controller, side: Side) -> Controller:
        position, quat = self._placed(hand.position, hand.quat)
        seen = replace(hand, position=position, quat=quat)
        if side not in self._lost:
            return seen
        held = self._lost[side] or seen
        self._lost[side] = held
        # Buttons come by radio and go on.
        return replace(held, trigger=hand.trigger, buttons=hand.buttons)

    def _placed(self, position: FloatArray, quat: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A pose in the frame as it should be → as it is posted."""
        if self.tremble_m > 0.0:
            position = position + self._rng.normal(0.0, self.tremble_m, 3)
            turn = quat_from_rotvec(self._rng.normal(0.0, 2.0 * self.tremble_m, 3))
            quat = quat_multiply(turn, quat)
        # Out of the calibrated frame into the room, which may have been recentred since.
        world = turned(self.heading, position) + self.offset
        world_quat = quat_multiply(yaw_quat(self.heading), quat)
        world = turned(-self._recentred, world - self._shifted)
        world_quat = quat_multiply(yaw_quat(-self._recentred), world_quat)
        sent_quat = quat_multiply(yaw_quat(-self.heading), world_quat)
        if self.patched:
            return turned(-self.heading, world - self.offset), sent_quat
        return turned(self.heading, world) + self.offset, sent_quat
