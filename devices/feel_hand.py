"""One gripper's pads, sample by sample: from what a sensor tells to what is felt and shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from devices.errors import ConfigError
from devices.feel import BandState, BoolArray, Contact, FeelLimits, Gel, Load, SlipWatch
from devices.feel_baseline import GraspBaseline, GraspRule
from devices.feel_field import FieldEstimator
from devices.stream import FloatArray
from devices.touch import NORMAL, FieldArray


@dataclass(frozen=True)
class Felt:
    """One sample of one pad.

    Attributes:
        t_ns: When it was measured [ns].
        offsets: Of the markers from their zero, fraction of the picture, shape (63, 2).
        deformation: Of the gel's face [m], pad frame, shape (63, 3); nothing subtracted.
        load: What the whole pad carries.
        slip: 0 ... 1, see `devices.feel.SlipWatch`.
        contact: Whether it touches something.
        onset: Whether that began with this sample.
    """

    t_ns: int
    offsets: FloatArray
    deformation: FloatArray
    load: Load
    slip: float
    contact: bool
    onset: bool


class PadFeel:
    """What one pad feels. Give it fields or marker offsets, whichever its sensor tells.

    Args:
        gel: Its gel.
        limits: Where states change.
    """

    def __init__(self, gel: Gel, limits: FeelLimits | None = None) -> None:
        limits = limits if limits is not None else FeelLimits()
        self._gel = gel
        self._estimator = FieldEstimator(gel)
        self._contact = Contact(limits)
        self._slip = SlipWatch(limits)
        self._zero_field: FloatArray | None = None
        self._zero_offsets: FloatArray | None = None
        self._last_field: FieldArray | None = None
        self._last_offsets: FloatArray | None = None

    def feel_field(self, t_ns: int, field: FieldArray) -> Felt:
        """A field of forces (7, 9, 3) [N]."""
        self._last_field = field
        if self._zero_field is not None:
            field = field - self._zero_field
        offsets, load = self._gel.offsets_and_load(field)
        moved = self._gel.deformation_of_field(field, offsets)
        return self._felt(t_ns, offsets, moved, field, load)

    def feel_markers(self, t_ns: int, offsets: FloatArray, valid: BoolArray | None = None) -> Felt:
        """Marker offsets (63, 2) [fraction of the picture] and which markers were seen (63,)."""
        self._last_offsets = offsets
        if self._zero_offsets is not None:
            offsets = offsets - self._zero_offsets
        moved = self._gel.deformation_of_markers(offsets, valid)
        field = self._estimator.field(offsets, valid)
        return self._felt(t_ns, offsets, moved, field, self._gel.load(field))

    def _felt(
        self, t_ns: int, offsets: FloatArray, moved: FloatArray, field: FieldArray, load: Load
    ) -> Felt:
        onset = self._contact.update(load.force)
        if len(moved) != field[..., NORMAL].size:  # markers that do not lie on the taxels
            pressure = moved[:, 2]
        else:
            pressure = np.maximum(np.asarray(field[..., NORMAL], dtype=np.float64).ravel(), 0.0)
        slip = self._slip.update(t_ns, load, pressure, moved)
        return Felt(t_ns, offsets, moved, load, slip, self._contact.touching, onset)

    def rezero(self) -> None:
        """What was told last is zero from now on.

        Raises:
            ConfigError: While nothing was told yet.
        """
        if self._last_field is None and self._last_offsets is None:
            raise ConfigError(
                "This pad has told nothing yet, so there is no new zero",
                next_step="Wait until its readings come, then re-zero",
            )
        if self._last_field is not None:
            self._zero_field = np.asarray(self._last_field, dtype=np.float64).copy()
        if self._last_offsets is not None:
            self._zero_offsets = self._last_offsets.copy()


class HandFeel:
    """A gripper with its pads: grasp baseline and force band.

    Args:
        pads: Names of its pads.
        limits, rule: Where states change.
    """

    def __init__(
        self,
        pads: Iterable[str],
        limits: FeelLimits | None = None,
        rule: GraspRule | None = None,
    ) -> None:
        self.pads = tuple(pads)
        self.baseline = GraspBaseline(rule)
        self._band = BandState(limits if limits is not None else FeelLimits())
        self._newest: dict[str, Felt] = {}

    @property
    def newest(self) -> Mapping[str, Felt]:
        """The newest sample of each pad that has told one."""
        return self._newest

    @property
    def band(self) -> float:
        """-1 below, 0 within, 1 above the force band, NaN without one or without contact."""
        return self._band.state

    def update(
        self,
        felt: Mapping[str, Felt],
        gap: float,
        wrist_n: float,
        force_band: tuple[float, float] | None,
    ) -> None:
        """Take in one moment.

        Args:
            felt: What its pads tell, by name; those that have nothing new may be left out.
            gap: Between the pads [m], NaN while unknown.
            wrist_n: Size of the contact force at the wrist [N], NaN while unknown; then the force
                band cannot be told.
            force_band: The scene's [N], or None.
        """
        self._newest.update(felt)
        if not self._newest:
            return
        self._band.update(wrist_n, force_band)
        if len(self._newest) < len(self.pads):
            return  # half a grasp is none
        normal = float(np.mean([one.load.normal for one in self._newest.values()]))
        t_ns = max(one.t_ns for one in self._newest.values())
        moved = {pad: one.deformation for pad, one in self._newest.items()}
        self.baseline.update(t_ns, gap, normal, moved)

    def shown(self, pad: str, felt: Felt) -> FloatArray:
        """`P_pad/deformation`: (63, 3) [m], the grasp subtracted when there is a baseline."""
        return self.baseline.shown(pad, felt.deformation)

    def row(self, pad: str, felt: Felt) -> FloatArray:
        """`P_pad/reading`: the numbers named by `devices.feel.READING`, shape (8,)."""
        load = felt.load
        return np.array(
            [
                load.normal,
                load.shear_x,
                load.shear_y,
                load.torsion,
                felt.slip,
                float(felt.contact),
                self._band.state,
                float(self.baseline.subtracts(pad)),
            ]
        )

    def forget(self, pads: Iterable[str] | None = None) -> None:
        """Pads whose sensor is gone say nothing any more; None means all."""
        for pad in self.pads if pads is None else pads:
            self._newest.pop(pad, None)


def moment(gel: Gel, field: FieldArray) -> tuple[FloatArray, FloatArray]:
    """Deformation (63, 3) [m] and reading (8,) of a field alone, without what came before: no
    hysteresis, no slipping edges, no band, no baseline."""
    felt = PadFeel(gel).feel_field(0, field)
    return felt.deformation, HandFeel(()).row("", felt)
