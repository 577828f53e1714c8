"""From marker offsets back to a field of forces: what a camera behind a gel can tell of newtons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from devices.feel import BoolArray, Gel
from devices.stream import FloatArray
from devices.touch import NORMAL


@dataclass(frozen=True)
class FieldEstimator:
    """The most likely field behind marker offsets (linear Gaussian estimate; Tarantola, Inverse
    Problem Theory, section 3.2).

    126 numbers cannot fix 189: pressure is seen only by how it squeezes gel aside. So something
    is said beforehand: forces change smoothly over the face, shear and pressure are independent.
    Compression that comes out less than `quiet_n`, or negative, is set to zero: a gel is not
    pulled, and noise must not add up to a force. Measured on simulated presses of 0 to 20 N with
    0.06 px of noise: the total normal force is off by 2.2 N, 1.5 N of it too little (broad even
    presses squeeze little aside), the shear by 0.04 N (root mean square); a free gel reads 0.1 N
    as a median, 0.5 N at the 99th percentile. The noise is taken as ten times that, which costs
    little and keeps the idle reading quiet.

    Attributes:
        gel: What forces do to markers.
        smooth: Length over which forces change [m].
        normal_n, shear_n: How large a taxel's forces are beforehand [N], standard deviation.
        noise: Of an offset, standard deviation, as a fraction of the picture.
        quiet_n: Compression of a taxel below which it counts as free [N].
    """

    gel: Gel
    smooth: float = 0.004
    normal_n: float = 2.0
    shear_n: float = 0.5
    noise: float = 1.2e-3
    quiet_n: float = 0.04

    @cached_property
    def _prior(self) -> FloatArray:
        """Covariance of a field, taxel-major, shape (189, 189) [N^2]."""
        apart = self.gel.taxels[:, None] - self.gel.taxels[None]
        near = np.exp(-0.5 * (apart**2).sum(axis=-1) / self.smooth**2)
        size = np.full(3, self.shear_n**2)
        size[NORMAL] = self.normal_n**2
        return np.kron(near, np.diag(size))

    def _gain(self, seen: BoolArray) -> FloatArray:
        """Offsets of the seen markers to the field, shape (189, 2 seen)."""
        rows = np.repeat(seen, 2)
        maps = self.gel.matrix[rows]
        across = self._prior @ maps.T
        spread = maps @ across + self.noise**2 * np.eye(len(maps))
        return np.asarray(np.linalg.solve(spread, across.T).T)

    @cached_property
    def _whole(self) -> FloatArray:
        return self._gain(np.ones(self.gel.count, dtype=bool))

    def field(self, offsets: FloatArray, valid: BoolArray | None = None) -> FloatArray:
        """The field (7, 9, 3) [N] behind offsets (63, 2) [fraction of the picture].

        Args:
            valid: Which markers were seen, (63,); the others have no say.
        """
        if valid is None or valid.all():
            flat = self._whole @ offsets.ravel()
        else:
            flat = self._gain(valid) @ offsets[valid].ravel()
        field = np.asarray(flat.reshape(*self.gel.model.GRID, 3))
        field[..., NORMAL][field[..., NORMAL] < self.quiet_n] = 0.0
        return field
