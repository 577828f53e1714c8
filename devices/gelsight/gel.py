"""What a gel's markers do under a field of forces, for both sensors: the simulated gel."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter

from devices.gelsight.kinds import GELSIGHT_MINI, PICTURE, SensorKind
from devices.stream import FloatArray
from devices.touch import NORMAL, FieldArray, MarkerModel, PadGeometry

# The pad that the simulated robots wear (7 x 9 taxels on a gel of 18 x 24 mm).
PAD = PadGeometry(rows=7, columns=9, height=0.018, width=0.024)


class Gel:
    """Forces on a pad of 7 x 9 taxels, told as markers of a sensor.

    A GelSight Mini has its markers on the taxels: `devices.touch.MarkerModel` as it is. The MCTac
    is taken as the same layer on the same pad with 5 x 5 markers spread over it evenly, read off
    by linear interpolation between the taxels.
    """

    def __init__(self, kind: SensorKind, pad: PadGeometry = PAD) -> None:
        self.kind = kind
        self.model = MarkerModel(pad)

    def offsets(self, field: FieldArray) -> FloatArray:
        """Marker offsets over the picture's width and height, shape (N, 2).

        Args:
            field: Shape (7, 9, 3) [N].
        """
        offsets = self.model.offsets(field)
        if self.kind.name == GELSIGHT_MINI.name:
            return offsets
        return np.asarray((self._spread @ offsets) * self._scale)

    def depth(self, field: FieldArray) -> FloatArray:
        """How far each marker is pressed in, for the looks of a picture [1], shape (N,).

        Smoothed compression; 1 is 0.5 N on a taxel. Only the shading of pictures depends on it.
        """
        load = gaussian_filter(np.asarray(field[..., NORMAL], dtype=np.float64), 1.0).ravel() / 0.5
        return load if self.kind.name == GELSIGHT_MINI.name else np.asarray(self._spread @ load)

    @cached_property
    def _spread(self) -> FloatArray:
        """From the 63 taxels to this kind's markers, shape (N, 63)."""
        pad, kind = self.model.pad, self.kind
        rows = _linear((np.arange(kind.rows) + 0.5) / kind.rows * pad.rows - 0.5, pad.rows)
        columns = _linear(
            (np.arange(kind.columns) + 0.5) / kind.columns * pad.columns - 0.5, pad.columns
        )
        return np.asarray(np.kron(rows, columns), dtype=np.float64)

    @cached_property
    def _scale(self) -> FloatArray:
        """From fractions of a GelSight picture to fractions of this kind's, shape (2,)."""
        mini, pad, kind = GELSIGHT_MINI, self.model.pad, self.kind
        x = kind.pitch[0] * kind.columns / (mini.pitch[0] * pad.columns)
        y = kind.pitch[1] * kind.rows / (mini.pitch[1] * pad.rows)
        return np.array([x, y])


def in_pixels(offsets: FloatArray) -> FloatArray:
    """Fractions of the picture as pixels, shape (N, 2)."""
    return np.asarray(offsets * np.array(PICTURE, dtype=np.float64))


def _linear(at: FloatArray, count: int) -> FloatArray:
    """Linear interpolation from `count` places 0, 1, ... to the places `at`, shape (n, count)."""
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(count)[None, :])))
