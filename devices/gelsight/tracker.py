"""Markers from picture to picture: which dot is which marker, and where the unseen ones must be.

Why this assignment and not another: docs/decisions/0008-marker-tracking.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from devices.gelsight.grid import Grid, fit_grid
from devices.gelsight.kinds import PICTURE, SensorKind
from devices.gelsight.markers import DotFinder, Dots, Refused
from devices.gelsight.quads import QuadGrowth
from devices.gelsight.spread import Neighbours
from devices.stream import FloatArray

_GATE = 1.0  # pitches; no dot further than this from the prediction is the marker
_ODD = 0.6  # pitches by which a marker may move otherwise than the middle of its neighbours
_AGAIN = 0.4  # pitches from its neighbours' word within which a lost marker is taken back
_CUT = 0.8  # share of its usual size below which a marker is partly covered
_DOUBT = 0.2  # pitches RMS from the prediction above which other predictions are tried
_ENOUGH = 0.8  # share of the dots that a prediction must explain, else others are tried


@dataclass(frozen=True)
class Markers:
    """The markers of one picture.

    Attributes:
        offsets: From rest, x over width and y over height of the picture, row-major, shape (N, 2);
            the vector of the published embedding is `offsets.ravel()`. Where not valid, the value
            is what the neighbours imply.
        valid: Which markers were seen, now and at rest, shape (N,).
        lost: How many were not.
        t_ns: When the picture was taken [ns, monotonic].
        depth: The published measure of pressing in, >= 0, in its own unit, shape (N,).
        growth: Growth of the area around each marker, smoothed, a share of that at rest [1], shape
            (N,). For a thin layer of thickness h the face goes in by about `h * growth`.
    """

    offsets: FloatArray
    valid: npt.NDArray[np.bool_]
    lost: int
    t_ns: int
    depth: FloatArray
    growth: FloatArray


class MarkerTracker:
    """Follows the markers of one sensor.

    The first good picture is the rest; `rezero` makes the next good picture the rest.
    """

    def __init__(self, kind: SensorKind) -> None:
        self.kind = kind
        self.rest: Grid | None = None
        self._zero_next = False
        self._finder = DotFinder(kind)
        self._neighbours = Neighbours(kind)
        self._quads: QuadGrowth | None = None
        self._pitch = np.array(kind.pitch)
        self._moved = np.zeros((kind.count, 2))  # from rest [pitches]
        self._speed = np.zeros((kind.count, 2))  # [pitches a picture]

    def rezero(self) -> None:
        """Take the next good picture as rest. May be called from another thread."""
        self._zero_next = True

    def interrupted(self) -> None:
        """Pictures are missing: no motion can be continued across the gap."""
        self._speed[:] = 0.0

    def track(self, picture: npt.NDArray[np.uint8], t_ns: int) -> Markers | Refused:
        """The markers of the next picture, or why it tells nothing.

        Args:
            picture: RGB, shape (480, 640, 3).
            t_ns: When it was taken [ns, monotonic].
        """
        if self._zero_next:
            self._zero_next, self.rest = False, None
        dots = self._finder.find(picture)
        if isinstance(dots, Refused):
            self.interrupted()
            return dots
        if self.rest is None:
            grid = fit_grid(dots, self.kind)
            if isinstance(grid, Refused):
                return grid
            self.rest = grid
            self._quads = QuadGrowth(self.kind, grid.at)
            self._moved[:] = 0.0
            self.interrupted()
        owner = self._assign(dots.at / self._pitch, self.rest.at / self._pitch)
        seen = self._whole(dots, owner)
        if seen.sum() < self.kind.fewest:
            self.interrupted()
            return Refused(
                f"{int(seen.sum())} markers recognised of {self.kind.count}, "
                f"at least {self.kind.fewest} are needed"
            )
        moved = np.zeros_like(self._moved)
        moved[seen] = (dots.at[owner[seen]] - self.rest.at[seen]) / self._pitch
        moved = self._neighbours.filled(moved, seen)
        self._speed, self._moved = moved - self._moved, moved
        return self._markers(moved, seen & self.rest.found, t_ns)

    def _whole(self, dots: Dots, owner: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Markers that have a dot of their usual size; half covered ones would pull to a side.

        The light and the focus change all sizes alike, so only the share of the median counts.
        """
        assert self.rest is not None
        seen = owner >= 0
        share = dots.size[owner] / self.rest.size
        known = seen & self.rest.found
        if not known.any():
            return seen
        share = share / np.median(share[known])
        return seen & ~(known & ((share < _CUT) | (share > 1 / _CUT)))

    def _markers(self, moved: FloatArray, valid: npt.NDArray[np.bool_], t_ns: int) -> Markers:
        assert self.rest is not None and self._quads is not None
        pixels = moved * self._pitch
        growth, depth = self._quads.of(self.rest.at + pixels)
        offsets = pixels / np.array(PICTURE, dtype=np.float64)
        return Markers(offsets, valid, int((~valid).sum()), t_ns, depth, growth)

    def _assign(self, dots: FloatArray, rest: FloatArray) -> npt.NDArray[np.int64]:
        """The dot of each marker or -1, shape (N,). Places in pitches."""
        guesses = (self._moved + self._speed, self._moved, np.zeros_like(self._moved))
        best: tuple[float, npt.NDArray[np.int64]] | None = None
        for guess in guesses:
            owner, cost, far = self._match(dots, rest + guess)
            owner = self._agreed(dots, rest, owner)
            score = cost + float((owner < 0).sum())
            if best is None or score < best[0]:
                best = (score, owner)
            if far < _DOUBT and (owner >= 0).sum() >= _ENOUGH * len(dots):
                break
        assert best is not None
        return self._taken_back(dots, rest, best[1])

    def _match(
        self, dots: FloatArray, expected: FloatArray
    ) -> tuple[npt.NDArray[np.int64], float, float]:
        """One to one with the least sum of squares; a marker without a near dot costs the gate.

        Returns:
            The dot of each marker or -1; the cost; RMS distance of the matched ones [pitches].
        """
        way = expected[:, None, :] - dots[None, :, :]
        square = np.einsum("nmk,nmk->nm", way, way)
        markers, found = linear_sum_assignment(np.minimum(square, _GATE**2))
        paid = square[markers, found]
        near = paid < _GATE**2
        owner = np.full(len(expected), -1, dtype=np.int64)
        owner[markers[near]] = found[near]
        far = float(np.sqrt(paid[near].mean())) if near.any() else np.inf
        return owner, float(paid[near].sum()), far

    def _agreed(
        self, dots: FloatArray, rest: FloatArray, owner: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Without the markers that move otherwise than their neighbours."""
        seen = owner >= 0
        moved = np.zeros_like(rest)
        moved[seen] = dots[owner[seen]] - rest[seen]
        middle, known = self._neighbours.middle(moved, seen)
        odd = seen & known & (np.hypot(*(moved - middle).T) > _ODD)
        return np.where(odd, -1, owner)

    def _taken_back(
        self, dots: FloatArray, rest: FloatArray, owner: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Lost markers that have a free dot where their neighbours say they are."""
        seen = owner >= 0
        free = np.setdiff1d(np.arange(len(dots)), owner[seen])
        if seen.all() or not len(free) or seen.sum() < 3:
            return owner
        moved = np.zeros_like(rest)
        moved[seen] = dots[owner[seen]] - rest[seen]
        lost = np.flatnonzero(~seen)
        expected = rest[lost] + self._neighbours.filled(moved, seen)[lost]
        way = expected[:, None, :] - dots[free][None, :, :]
        far = np.hypot(way[..., 0], way[..., 1])
        markers, found = linear_sum_assignment(np.minimum(far, _AGAIN))
        near = far[markers, found] < _AGAIN
        owner = owner.copy()
        owner[lost[markers[near]]] = free[found[near]]
        return owner
