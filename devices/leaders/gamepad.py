"""A gamepad drives one arm or both at the speed of its sticks.

left / right bumper     clutch of the left / right arm; both: both arms move alike
left stick              away and near, left and right
right stick             up and down; turn about the vertical
directional pad         tip forward and back, lean left and right
left / right trigger    grip of the left / right arm
other buttons           edges for the window: record, keep, discard, ...
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from devices.clock import NS_PER_S, Clock, SystemClock
from devices.errors import DeviceError
from devices.leader import SIDES, HandInput, LeaderInput, Observation, Side
from devices.leaders.joystick import ButtonEdge, Joystick
from devices.pose import Pose, quat_from_rotvec, quat_multiply
from devices.stream import FloatArray


@dataclass(frozen=True, slots=True)
class GamepadSettings:
    """How sticks become motion.

    Attributes:
        speed: Of the hand with a stick fully out [m/s].
        turn_speed: The same for rotation [rad/s].
        dead_zone: Share of a stick's travel that means nothing, 0 ... 1.
        expo: 0: proportional; 1: cubic, fine near the middle.
        view_yaw: Direction that "away" has for the person, about the vertical [rad]; 0 looks along
            the robot's x axis, from behind it.
        grip_catch: Distance between trigger and gripper at which the trigger takes over [1].
    """

    speed: float = 0.25
    turn_speed: float = 1.0
    dead_zone: float = 0.12
    expo: float = 0.6
    view_yaw: float = 0.0
    grip_catch: float = 0.08


@dataclass(slots=True)
class _Hand:
    """Where the imagined hand is, and whether its trigger rules its gripper."""

    pose: Pose
    clutch: bool = False
    grip: float = 0.0
    caught: bool = True


class GamepadLeader:
    """Linux gamepad, hot-plugged.

    Args:
        clock: Where time comes from.
        directory: Where pads appear.
        settings: How sticks become motion.

    Attributes:
        name: "gamepad".
    """

    name = "gamepad"
    _LONGEST_STEP_S = 0.05  # a loop that was late moves the hand no farther than that

    def __init__(
        self,
        clock: Clock | None = None,
        directory: Path = Path("/dev/input"),
        settings: GamepadSettings | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._directory = directory
        self.settings = settings or GamepadSettings()
        self._joystick = Joystick(self._clock, directory)
        self._hands: dict[Side, _Hand] = {side: _Hand(Pose.identity()) for side in SIDES}
        self._seq = -1
        self._last_ns: int | None = None

    @property
    def pad_name(self) -> str:
        """What the pad calls itself, "" while none is plugged in."""
        return self._joystick.name

    def connect(self) -> None:
        """Open the pad. One that is pulled later may be plugged in again at any time.

        Raises:
            DeviceError: When there is no pad, or it may not be read.
        """
        if self._joystick.poll():
            return
        pads = Joystick.found(self._directory)
        if pads:
            raise DeviceError(
                f"The gamepad {pads[0]} cannot be read",
                next_step="Add yourself to the group 'input' and log in again",
            )
        raise DeviceError(
            f"No gamepad in {self._directory}",
            next_step="Plug one in; without a kernel driver, run 'sudo modprobe joydev'",
        )

    def read(self, observation: Observation) -> LeaderInput | None:
        """The pad as it is now. Pulled: nobody holds it. Never there: None."""
        now_ns = self._clock.now_ns()
        plugged = self._joystick.poll()
        if not plugged and self._seq < 0:
            return None
        last_ns, self._last_ns = self._last_ns, now_ns
        step_s = 0.0 if last_ns is None else (now_ns - last_ns) / NS_PER_S
        self._move(min(max(step_s, 0.0), self._LONGEST_STEP_S))
        self._seq += 1
        return LeaderInput(
            device=self.name,
            seq=self._seq,
            t_ns=now_ns,
            left=self._input("left"),
            right=self._input("right"),
            deadman=plugged,
        )

    def buttons(self) -> tuple[ButtonEdge, ...]:
        """Edges of all buttons since the last call, in order; a pulled pad lets go of all."""
        return self._joystick.edges()

    def close(self) -> None:
        self._joystick.close()
        self._last_ns = None

    def _move(self, step_s: float) -> None:
        """Move the imagined hands by the sticks of the last `step_s` seconds."""
        speed, turn = self._rates()
        for side, hand in self._hands.items():
            clutch = f"{side}_bumper" in self._joystick.pressed
            trigger = self._joystick.axes.get(f"{side}_trigger", 0.0)
            if clutch and not hand.clutch:
                # A gripper that holds something must not open because the trigger is up.
                hand.caught = abs(trigger - hand.grip) <= self.settings.grip_catch
            if clutch:
                hand.pose = Pose(
                    hand.pose.position + speed * step_s,
                    quat_multiply(quat_from_rotvec(turn * step_s), hand.pose.quat),
                )
                hand.caught |= trigger >= hand.grip - self.settings.grip_catch
                if hand.caught:
                    hand.grip = trigger
            hand.clutch = clutch

    def _rates(self) -> tuple[FloatArray, FloatArray]:
        """Speed [m/s] and turn rate [rad/s] of the hand in world axes, shapes (3,)."""
        stick = {name: self._shaped(value) for name, value in self._joystick.axes.items()}
        away, left = -stick.get("left_y", 0.0), -stick.get("left_x", 0.0)
        tip, lean = -stick.get("hat_y", 0.0), stick.get("hat_x", 0.0)
        c, s = np.cos(self.settings.view_yaw), np.sin(self.settings.view_yaw)
        speed = np.array([c * away - s * left, s * away + c * left, -stick.get("right_y", 0.0)])
        turn = np.array([c * lean - s * tip, s * lean + c * tip, -stick.get("right_x", 0.0)])
        return self.settings.speed * speed, self.settings.turn_speed * turn

    def _shaped(self, value: float) -> float:
        """Stick travel without its dead zone, finer near the middle; -1 ... 1."""
        zone, expo = self.settings.dead_zone, self.settings.expo
        travel = max(0.0, abs(value) - zone) / (1.0 - zone)
        return float(np.sign(value)) * ((1.0 - expo) * travel + expo * travel**3)

    def _input(self, side: Side) -> HandInput:
        hand = self._hands[side]
        return HandInput(hand.clutch, hand.pose, hand.grip if hand.caught else None)
