"""The grasp itself, taken off what is shown, so that arrows tell of what the held object meets.

A firm grasp fills the gel's picture; the little that an edge of the held tool adds drowns in it.
Once the gripper holds something steadily, the deformation of that moment becomes the baseline of
its pads and is subtracted from what is shown until the gripper is steadily open (the rule of
Reactive Diffusion Policy's publishers). Markers, embedding and readings are never touched by it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from devices.clock import NS_PER_S
from devices.stream import FloatArray

_GAP_NS = NS_PER_S // 60  # the gap is remembered this often, as the published rule does

GraspState = Literal["open", "closing", "settling", "held"]


@dataclass(frozen=True, slots=True)
class GraspRule:
    """When a grasp counts as held.

    The published rule asks a gripper's own force sensor for 15 N (held) and 5 N (open); its
    grippers grasp with 20 N and more. Ours tells the mean normal force of its two pads, from about
    3 N on a soft cup to 35 N on a handle, so the bars are lower.

    Attributes:
        window_ns: How long the gap must have been still [ns].
        still_m: Largest change of the gap in that time [m].
        held_n: Mean normal force of the pads from which the gripper holds something [N].
        open_n: Mean normal force below which it is empty [N].
        delay_ns: From "still and holding" to the moment that is taken as the baseline [ns]; the
            published rule waits five frames at 24 a second.
    """

    window_ns: int = NS_PER_S // 2
    still_m: float = 0.001
    held_n: float = 2.5
    open_n: float = 0.8
    delay_ns: int = NS_PER_S // 5


class GraspBaseline:
    """The baseline of one gripper's pads.

    Args:
        rule: When a grasp counts.

    Attributes:
        state: "open" (nothing held), "closing" (something touched, not yet still), "settling"
            (still; the baseline is about to be taken), "held" (a baseline is subtracted).
    """

    def __init__(self, rule: GraspRule | None = None) -> None:
        self._rule = rule if rule is not None else GraspRule()
        self._gaps: deque[tuple[int, float]] = deque()
        self._still_since_ns = 0
        self._stored: dict[str, FloatArray] = {}
        self._on = True
        self.state: GraspState = "open"

    @property
    def on(self) -> bool:
        """Whether the feature is switched on."""
        return self._on

    def switch(self, on: bool) -> None:
        """On: the next steady moment of a grasp becomes the baseline. Off: show all that is."""
        if on != self._on:
            self._on = on
            self._forget()

    def update(
        self, t_ns: int, gap: float, normal: float, deformation: Mapping[str, FloatArray]
    ) -> None:
        """Take in one moment of the gripper.

        Args:
            t_ns: When it was [ns].
            gap: Between the pads [m]; NaN while nobody knows, which holds the state as it is.
            normal: Mean normal force of its pads [N].
            deformation: Per pad, (63, 3) [m].
        """
        if not np.isfinite(gap) or not np.isfinite(normal):
            return
        gaps, rule = self._gaps, self._rule
        if gaps and t_ns < gaps[-1][0]:  # the clock of the stream began anew
            gaps.clear()
        if not gaps or t_ns - gaps[-1][0] >= _GAP_NS:
            gaps.append((t_ns, gap))
        while len(gaps) > 1 and t_ns - gaps[1][0] >= rule.window_ns:
            gaps.popleft()
        still = False
        if t_ns - gaps[0][0] >= rule.window_ns:
            values = [gap, *(one for _, one in gaps)]
            still = max(values) - min(values) < rule.still_m
        if still and normal < rule.open_n:
            self._forget()
        elif self.state == "held":
            return
        elif still and normal >= rule.held_n:
            if self.state != "settling":
                self.state, self._still_since_ns = "settling", t_ns
            if self._on and t_ns - self._still_since_ns >= rule.delay_ns:
                self._stored = {pad: field.copy() for pad, field in deformation.items()}
                self.state = "held"
        else:
            self.state = "closing" if normal >= rule.open_n else "open"

    def shown(self, pad: str, deformation: FloatArray) -> FloatArray:
        """What to show of a pad: `deformation` less the baseline, pressing depth never below 0;
        the same object while there is no baseline."""
        stored = self._stored.get(pad)
        if stored is None:
            return deformation
        rest = deformation - stored
        np.maximum(rest[:, 2], 0.0, out=rest[:, 2])
        return rest

    def subtracts(self, pad: str) -> bool:
        """Whether a baseline is taken off this pad now."""
        return pad in self._stored

    def _forget(self) -> None:
        self._stored = {}
        self.state = "open"
