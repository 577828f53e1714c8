"""From a few contact points to a contact patch, in the plane of a pad.

A physics engine tells where two solids touch by a handful of points: the corners of the patch for
two flats, the two ends of the line for a cylinder. Gel feels the whole patch. This module turns
the points back into it without changing total force, centre of pressure or torsion.
"""

from __future__ import annotations

import math

import numpy as np

from devices.stream import FloatArray

_LINE_SAMPLES = 11
_FLAT = 1e-8  # [m^2] polygons below this area are lines


def _subdivision() -> FloatArray:
    """Barycentric middles of the nine equal triangles that a triangle splits into, (9, 3)."""
    upright = [(3 * i + 1, 3 * j + 1) for i in range(3) for j in range(3 - i)]
    inverted = [(3 * i + 2, 3 * j + 2) for i in range(2) for j in range(2 - i)]
    ab = np.array(upright + inverted) / 9.0
    return np.column_stack([ab, 1.0 - ab.sum(axis=1)])


class PatchSampler:
    """Samples that stand for the pressure between a pad and one object."""

    def __init__(self) -> None:
        self._triangle = _subdivision()
        self._line = (2.0 * np.arange(_LINE_SAMPLES) + 1.0) / _LINE_SAMPLES - 1.0
        self._even = np.full(_LINE_SAMPLES, 1.0 / _LINE_SAMPLES)

    def samples(self, points: FloatArray, center: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Places that share the load, and their shares.

        The patch is the convex hull of the points under even pressure. If the centre of pressure
        is not the hull's middle, the patch shrinks towards the loaded end until it is (contact
        cannot pull, so an eccentric load rests on a smaller patch, as under a tilting footing).

        Args:
            points: Contact points [m], shape (n, 2), n >= 2.
            center: Centre of pressure [m], shape (2,). Outside the hull it bears all by itself.

        Returns:
            Places (m, 2) [m] and shares (m,) that sum to one; their mean is the centre.
        """
        if len(points) == 2:
            return self._on_line(points, center)
        hull = _ordered(points)
        count = len(hull)
        middle = hull.sum(axis=0) / count
        following = np.concatenate([hull[1:], hull[:1]])
        area = 0.5 * _cross(hull - middle, following - middle)
        whole = area.sum()
        if whole < _FLAT:
            return self._on_line(points, center)
        corners = np.empty((count, 3, 2))
        corners[:, 0], corners[:, 1], corners[:, 2] = hull, following, middle
        places = np.einsum("sb,tbk->tsk", self._triangle, corners).reshape(-1, 2)
        shares = (area / whole).repeat(len(self._triangle)) / len(self._triangle)
        centroid = shares @ places
        offset = center - centroid
        edge = following - hull
        # The ray from the centroid through the centre leaves the hull at 1 / outward.
        reach = _cross(hull - centroid, edge)
        # Contacts that coincide make an edge without length, which bounds nothing.
        real = reach > 1e-14
        leaving = _cross(offset, edge)
        outward = (leaving[real] / reach[real]).max(initial=0.0)
        return _shrunk(places, centroid, offset, float(outward)), shares

    def _on_line(self, points: FloatArray, center: FloatArray) -> tuple[FloatArray, FloatArray]:
        start, end = points[0], points[-1]
        if len(points) > 2:
            spread = points - points.mean(axis=0)
            along = spread @ spread[np.argmax((spread**2).sum(axis=1))]
            start, end = points[np.argmin(along)], points[np.argmax(along)]
        middle, half = (start + end) / 2, (end - start) / 2
        offset = center - middle
        length = float(half @ half)
        outward = math.sqrt(float(offset @ offset) / length) if length > 1e-18 else 1.0
        places = middle + self._line[:, None] * half
        return _shrunk(places, middle, offset, outward), self._even


def _shrunk(
    places: FloatArray, middle: FloatArray, offset: FloatArray, outward: float
) -> FloatArray:
    """Places shrunk by (1 - outward) and moved so that their mean moves by `offset`."""
    return middle + offset + (places - middle) * max(0.0, 1.0 - outward)


def _ordered(points: FloatArray) -> FloatArray:
    """The points counter-clockwise around their mean. (MuJoCo's patches are convex already.)"""
    spread = points - points.sum(axis=0) / len(points)
    return points[np.arctan2(spread[:, 1], spread[:, 0]).argsort()]


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
