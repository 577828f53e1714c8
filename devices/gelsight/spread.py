"""What the neighbours of a marker say about it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from devices.gelsight.kinds import SensorKind
from devices.stream import FloatArray

_REACH = 1.2  # pitches: standard deviation of the weight of a neighbour
_STIFF = 0.05  # pull of the slopes towards zero, so that few neighbours imply a shift and no more

Mask = npt.NDArray[np.bool_]


class Neighbours:
    """Medians and extrapolations over the grid of one sensor. Displacements in pitches."""

    def __init__(self, kind: SensorKind) -> None:
        self._nodes = kind.nodes
        far = np.abs(self._nodes[:, None, :] - self._nodes[None, :, :]).max(axis=2)
        order = np.argsort(far, axis=1, kind="stable")[:, 1:9]
        self._next = order
        self._beside = np.take_along_axis(far, order, axis=1) <= 1
        square = np.sum((self._nodes[:, None, :] - self._nodes[None, :, :]) ** 2, axis=2)
        # The small constant lets far markers speak where no near one was seen.
        self._weight = np.exp(-square / (2 * _REACH**2)) + 1e-6 / (1.0 + square)

    def middle(self, moved: FloatArray, seen: Mask) -> tuple[FloatArray, Mask]:
        """Median displacement of the (up to eight) neighbours seen; where at least three were.

        Args:
            moved: Shape (N, 2).
            seen: Shape (N,).
        """
        known = self._beside & seen[self._next]
        count = known.sum(axis=1)
        values = np.where(known[..., None], moved[self._next], np.inf)
        values.sort(axis=1)
        low = np.maximum(count - 1, 0) // 2
        high = np.minimum(count // 2, self._next.shape[1] - 1)
        every = np.arange(len(moved))
        enough = count >= 3
        middle = np.zeros_like(moved)
        middle[enough] = ((values[every, low] + values[every, high])[enough]) / 2
        return middle, enough

    def filled(self, moved: FloatArray, seen: Mask) -> FloatArray:
        """`moved` with a local affine fit of the seen markers where a marker was not seen."""
        lost = np.flatnonzero(~seen)
        if not len(lost):
            return moved
        weight = self._weight[np.ix_(lost, np.flatnonzero(seen))]
        weight = weight / weight.sum(axis=1, keepdims=True)
        way = self._nodes[seen][None, :, :] - self._nodes[lost][:, None, :]
        design = np.concatenate([np.ones((*way.shape[:2], 1)), way], axis=2)
        weighted = design * weight[..., None]
        normal = np.einsum("lmi,lmj->lij", weighted, design) + np.diag([1e-9, _STIFF, _STIFF])
        right = np.einsum("lmi,mk->lik", weighted, moved[seen])
        filled = moved.copy()
        filled[lost] = np.linalg.solve(normal, right)[:, 0, :]
        return filled
