"""What the touch process would tell, for rollouts: the same fields felt by the same code.

It takes the part of `app.runtime.touch_pads` for pads that are simulated fields of forces. Pads
seen by a camera behind the gel are not simulated here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from app.runtime.touch_cameras import gel_of
from app.runtime.touch_pads import FIELD_HZ
from app.runtime.touch_streams import pad_rows, pad_specs
from devices.feel import FeelLimits
from devices.feel_hand import HandFeel, PadFeel
from devices.gelsight.kinds import GELSIGHT_MINI
from devices.gelsight.pca import Transform
from devices.leader import Side
from devices.stream import Sample, StreamSpec


class RolloutTouch:
    """The pads of a simulated robot.

    Args:
        robot: A `teledeck.robots` plug-in.
        force_band: The scene's [N], or None.
        transform: The embedding to tell, None for none.
    """

    def __init__(
        self, robot: Any, force_band: tuple[float, float] | None, transform: Transform | None
    ) -> None:
        self._band, self._transform = force_band, transform
        self._side: dict[str, Side] = dict(robot.pad_side)
        self._gels = {pad: gel_of(GELSIGHT_MINI, robot.pads[pad]) for pad in self._side}
        self._fields = {f"{pad}_pad/tactile": pad for pad in self._side}
        self._told = {
            pad: pad_specs(pad, gel.count, FIELD_HZ, transform) for pad, gel in self._gels.items()
        }
        self.reset()

    @property
    def specs(self) -> tuple[StreamSpec, ...]:
        """What it tells."""
        return tuple(spec for specs in self._told.values() for spec in specs.values())

    def reset(self) -> None:
        """Nothing has been felt yet."""
        self._pads = {pad: PadFeel(gel, FeelLimits()) for pad, gel in self._gels.items()}
        self._hands: dict[Side, HandFeel] = {}
        for side in sorted(set(self._side.values())):
            self._hands[side] = HandFeel(pad for pad, s in self._side.items() if s == side)
            self._hands[side].baseline.switch(True)
        self._gap = dict.fromkeys(self._hands, math.nan)
        self._wrist = dict.fromkeys(self._hands, math.nan)

    def feel(self, samples: Iterable[Sample]) -> Sequence[Sample]:
        """What follows from what the world told at one tick, times and all."""
        fields = []
        for sample in samples:
            if sample.stream in self._fields:
                fields.append(sample)
                continue
            name = sample.stream
            for side in self._hands:
                if name == f"{side}_gripper/gap":
                    self._gap[side] = float(sample.data[0])
                elif name == f"{side}_arm/wrench":
                    self._wrist[side] = math.hypot(*sample.data[:3].tolist())
        told = []
        for sample in fields:
            pad = self._fields[sample.stream]
            side = self._side[pad]
            hand = self._hands[side]
            felt = self._pads[pad].feel_field(sample.t_ns, np.asarray(sample.data))
            hand.update({pad: felt}, self._gap[side], self._wrist[side], self._band)
            for name, row in pad_rows(pad, hand, felt, self._transform).items():
                spec = self._told[pad][name]
                told.append(Sample(spec.name, sample.seq, sample.t_ns, row.astype(spec.dtype)))
        return told
