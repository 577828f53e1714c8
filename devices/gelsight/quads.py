"""How the area around each marker grows: what tells a press in a flow of markers."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from devices.gelsight.kinds import SensorKind
from devices.stream import FloatArray

_SMOOTH = 1.0  # [markers] standard deviation of the published smoothing


class QuadGrowth:
    """The published 3-D measure (Reactive Diffusion Policy, `dimension: 3`).

    The area of a marker is that of the four quads that meet in it; at an edge two quads count
    twice, in a corner one counts four times. Its growth since rest is smoothed over the grid.
    """

    def __init__(self, kind: SensorKind, rest: FloatArray) -> None:
        self.kind = kind
        self._rest = self._around(rest)

    def of(self, at: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Growth and depth.

        Args:
            at: Markers now [px], shape (N, 2).

        Returns:
            Growth as a share of the area at rest [1], and the published depth `k * growth in
            px^2`, not below zero; each of shape (N,).
        """
        grown = gaussian_filter(self._around(at) - self._rest, _SMOOTH)
        share = grown / gaussian_filter(self._rest, _SMOOTH)
        depth = np.maximum(grown * self.kind.depth_gain, 0.0)
        return np.asarray(share.ravel()), np.asarray(depth.ravel())

    def _around(self, at: FloatArray) -> FloatArray:
        """Area around each marker [px^2], shape (rows, columns)."""
        grid = at.reshape(self.kind.rows, self.kind.columns, 2)
        one, two = grid[1:, 1:] - grid[:-1, :-1], grid[1:, :-1] - grid[:-1, 1:]
        quads = (two[..., 1] * one[..., 0] - two[..., 0] * one[..., 1]) / 2
        area = np.zeros(grid.shape[:2])
        share = np.zeros(grid.shape[:2])
        for down in (slice(1, None), slice(None, -1)):
            for right in (slice(1, None), slice(None, -1)):
                area[down, right] += quads
                share[down, right] += 1
        return area * 4 / share
