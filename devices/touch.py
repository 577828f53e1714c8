"""Touch: what a tactile pad is, and what can be read from its field. No simulator in here.

A field has shape (rows, columns, 3) [N]: per taxel the force of the world on the gel, in the pad's
frame, as

    [..., NORMAL]         compression, along -z of the pad; never negative
    [..., SHEAR_ROWS]     along +y of the pad, the direction in which rows count up
    [..., SHEAR_COLUMNS]  along +x of the pad, the direction in which columns count up

The pad's frame is that of a camera behind the gel that looks out (x right, y down, z forward), so
row-major taxels are the markers of a GelSight image in reading order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.stream import FloatArray

NORMAL, SHEAR_ROWS, SHEAR_COLUMNS = 0, 1, 2


@dataclass(frozen=True, slots=True)
class PadGeometry:
    """A flat tactile pad.

    Attributes:
        rows, columns: Number of taxels along y and along x of the pad.
        height, width: Size of the gel along y and along x [m].
    """

    rows: int
    columns: int
    height: float
    width: float

    @property
    def pitch(self) -> tuple[float, float]:
        """Distance between neighbouring taxels along y and along x [m]."""
        return self.height / self.rows, self.width / self.columns

    @property
    def row_positions(self) -> FloatArray:
        """y of the taxels' middles in the pad's frame [m], shape (rows,)."""
        return (np.arange(self.rows) - (self.rows - 1) / 2) * self.pitch[0]

    @property
    def column_positions(self) -> FloatArray:
        """x of the taxels' middles in the pad's frame [m], shape (columns,)."""
        return (np.arange(self.columns) - (self.columns - 1) / 2) * self.pitch[1]
