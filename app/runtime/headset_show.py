"""From the rings of the run to what the headset draws: tools, forces, deformation fields.

Whoever calls `pad` when touch rings gets each tactile sample out at once, and with `step` the rest
at 120 Hz. What grew old is hidden, not frozen: the app keeps the last arrow that it was sent.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from app.runtime.outlet import Outlet
from app.runtime.rings import RingSet
from app.runtime.rundir import RunDir
from devices.clock import NS_PER_S, Clock
from devices.leader import SIDES, Side
from devices.pose import Pose
from devices.ring import RingReader
from devices.stream import FloatArray, Sample, StreamSpec
from devices.tactar.calibration import Calibration
from devices.tactar.overlay import (
    ANCHORS,
    SIDE_OF,
    Band,
    force_arrow,
    hidden_arrows,
    pad_arrows,
    tool_in_headset,
    tool_pose,
)
from devices.tactar.sender import Sender
from devices.tactar.wire import ARROW_SCALE, HIDDEN_SCALE
from devices.touch import PadGeometry

STATE_HZ: Final = 120.0
TOUCH_HZ: Final = 125.0
_OLD_NS: Final = NS_PER_S // 2
_GRIP_WINDOW_NS: Final = NS_PER_S // 2
_CLOSED_N: Final = 15.0  # the reference system's thresholds (notes, section 1.3)
_OPEN_N: Final = 5.0
_STILL_M: Final = 0.001


class RobotPads(Protocol):
    """What is needed of a robot: the size of its pads."""

    pads: Mapping[str, PadGeometry]


class Show:
    """Sends what robot and fingers do to one headset, and writes down what was sent.

    Args:
        run: The run folder; the streams of what was sent go there.
        rings: All rings of the run; refreshed by the owner.
        robot: For the size of its pads.
        clock: Time.

    Attributes:
        band: Force band of the scene [N], or None.
        delays_ms: Newest delays from a tactile sample to its datagram [ms].
    """

    def __init__(self, run: RunDir, rings: RingSet, robot: RobotPads, clock: Clock) -> None:
        self._rings = rings
        self._clock = clock
        self._rest = {
            pad: geometry.taxel_positions[..., :2].reshape(-1, 2)
            for pad, geometry in robot.pads.items()
            if pad in ANCHORS
        }
        self._outlet = Outlet(run, _specs({pad: len(rest) for pad, rest in self._rest.items()}))
        self._heads: dict[str, int] = {}
        self._shown: dict[str, bool] = {}
        self._due_ns = 0
        self.band: Band | None = None
        self.delays_ms: deque[float] = deque(maxlen=2048)

    def close(self) -> None:
        """Remove the rings. Idempotent."""
        self._outlet.close()

    def again(self) -> None:
        """Another headset, or another start of its app: it knows nothing yet."""
        self._shown.clear()
        self._heads.clear()

    def step(self, sender: Sender, calibration: Calibration | None) -> None:
        """Send what is new and what is due. Never waits."""
        now_ns = self._clock.now_ns()
        for pad in self._rest:
            self._pad(pad, sender, now_ns)
        if now_ns >= self._due_ns:
            period_ns = round(NS_PER_S / STATE_HZ)
            self._due_ns = max(self._due_ns + period_ns, now_ns - period_ns)
            self._tools(sender, calibration, now_ns)

    # ------------------------------------------------------------------------------------ pads
    def pad(self, sender: Sender) -> bool:
        """Send the field of one pad that has a new one. Whether there was any."""
        for pad in self._rest:
            ring = self._rings.get(f"{pad}_pad/deformation")
            if ring is not None and ring.head and ring.head != self._heads.get(pad):
                self._pad(pad, sender, self._clock.now_ns())
                return self._heads.get(pad) == ring.head
        return False

    @property
    def due_ns(self) -> int:
        """When `step` has to be called next [ns, monotonic]."""
        return self._due_ns

    def _pad(self, pad: str, sender: Sender, now_ns: int) -> None:
        ring = self._rings.get(f"{pad}_pad/deformation")
        head = -1 if ring is None else ring.head
        news = ring is not None and head != self._heads.get(pad)
        sample = ring.latest() if news and ring is not None else None
        if sample is None:
            # Two looks: one second of silence costs 500 comparisons, not 500 copies.
            age = None if ring is None else ring.age_ns(now_ns)
            if self._shown.get(pad) and (age is None or age > _OLD_NS):
                self._hide_pad(pad, sender)
            return
        self._heads[pad] = head
        side = SIDE_OF[pad]
        tool = self._pose(f"{side}_arm/T_world_tool")
        place = self._pose(f"{pad}_pad/pose")
        if tool is None or place is None or now_ns - sample.t_ns > _OLD_NS:
            return
        arrows = pad_arrows(
            ANCHORS[pad], self._rest[pad], sample.data, tool.inverse() @ place, self.band
        )
        self._send_pad(pad, sender, arrows, ARROW_SCALE)
        self._shown[pad] = True
        self.delays_ms.append((self._clock.now_ns() - sample.t_ns) / 1e6)
        self._outlet.publish(f"headset/arrows_{pad}", sample.t_ns, arrows)

    def _hide_pad(self, pad: str, sender: Sender) -> None:
        self._send_pad(pad, sender, hidden_arrows(len(self._rest[pad])), HIDDEN_SCALE)
        self._shown[pad] = False

    def _send_pad(
        self,
        pad: str,
        sender: Sender,
        arrows: npt.NDArray[np.float32],
        scale: tuple[float, float, float],
    ) -> None:
        sender.send_tactile(ANCHORS[pad], arrows[:, :3], arrows[:, 3:], scale)

    # ----------------------------------------------------------------------------------- tools
    def _tools(self, sender: Sender, calibration: Calibration | None, now_ns: int) -> None:
        poses: dict[Side, FloatArray | None] = dict.fromkeys(SIDES)
        grippers: dict[Side, tuple[float, float]] = {}
        for side in SIDES:
            tool = self._fresh(f"{side}_arm/T_world_tool", now_ns)
            gap = self._fresh(f"{side}_gripper/gap", now_ns)
            width = 0.0 if gap is None else float(gap.data[0])
            grippers[side] = (width, self._grip_force(side) or 0.0)
            if tool is None:
                continue
            there = tool_in_headset(Pose.from_array(tool.data), calibration)
            poses[side] = tool_pose(there)
            self._force(side, there, sender, now_ns)
        sender.send_robot(poses["left"], poses["right"], grippers["left"], grippers["right"])

    def _force(self, side: Side, there: Pose, sender: Sender, now_ns: int) -> None:
        wrench = self._fresh(f"{side}_arm/wrench", now_ns)
        name = f"force_{side}"
        if wrench is None:
            if not self._shown.get(name):
                return
            arrow = force_arrow(there, np.zeros(6), self.band)
        else:
            arrow = force_arrow(there, wrench.data, self.band)
        # The app never hides a force arrow, so one that is not worth seeing is sent too thin.
        scale = ARROW_SCALE if arrow.visible else HIDDEN_SCALE
        sender.send_force(side, arrow.start, arrow.end, scale)
        self._shown[name] = arrow.visible
        if wrench is not None:
            row = np.concatenate([arrow.start, arrow.end])
            self._outlet.publish(f"headset/force_{side}", now_ns, row)

    # ------------------------------------------------------------------------ what rings say
    def _ring(self, name: str) -> RingReader | None:
        return self._rings.get(name)

    def _pose(self, name: str) -> Pose | None:
        ring = self._ring(name)
        sample = None if ring is None else ring.latest()
        return None if sample is None else Pose.from_array(sample.data)

    def _fresh(self, name: str, now_ns: int) -> Sample | None:
        ring = self._ring(name)
        sample = None if ring is None else ring.latest()
        return None if sample is None or now_ns - sample.t_ns > _OLD_NS else sample

    def _grip_force(self, side: Side) -> float | None:
        """What presses on the less pressed pad of a gripper [N]; None if no pad tells."""
        loads = []
        for pad, its_side in SIDE_OF.items():
            ring = self._ring(f"{pad}_pad/reading") if its_side == side else None
            sample = None if ring is None else ring.latest()
            if sample is not None and math.isfinite(sample.data[0]):
                loads.append(float(sample.data[0]))
        return min(loads) if loads else None

    def gripper_state(self) -> Mapping[str, bool]:
        """The reference system's answer: whether a gripper has stood closed on something, or
        open, for half a second."""
        now_ns = self._clock.now_ns()
        answer: dict[str, bool] = {}
        for side in SIDES:
            ring = self._ring(f"{side}_gripper/gap")
            gaps = None if ring is None else ring.since(now_ns - _GRIP_WINDOW_NS).data
            still = gaps is not None and len(gaps) > 1 and float(np.ptp(gaps)) < _STILL_M
            force = self._grip_force(side)
            answer[f"{side}_gripper_stable_closed"] = bool(
                still and force is not None and force >= _CLOSED_N
            )
            answer[f"{side}_gripper_stable_open"] = bool(
                still and force is not None and force < _OPEN_N
            )
        return answer

    def missing(self) -> str:
        """What the headset cannot be shown because nobody writes it, as words; "" if nothing."""
        if not any(f"{pad}_pad/deformation" in self._rings for pad in self._rest):
            return "No deformation field: the touch process does not run."
        return ""


def _specs(markers: Mapping[str, int]) -> tuple[StreamSpec, ...]:
    arrows = (
        StreamSpec(
            f"headset/arrows_{pad}",
            (n, 6),
            "float32",
            "m",
            f"{ANCHORS[pad]}",
            TOUCH_HZ,
            kind="touch",
        )
        for pad, n in markers.items()
    )
    forces = (
        StreamSpec(f"headset/force_{side}", (6,), "float32", "m", "unity", STATE_HZ, kind="touch")
        for side in SIDES
    )
    return (*arrows, *forces)
