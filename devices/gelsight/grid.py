"""Which dot is which marker of a gel at rest, and how the gel lies in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from devices.gelsight.kinds import PICTURE, SensorKind
from devices.gelsight.markers import Dots, Refused
from devices.stream import FloatArray

Orientation = Literal["upright", "upside_down", "mirrored"]

_NEAR = 0.35  # pitches from its node within which a dot belongs to it
_REACH = 1.2  # pitches by which a gel may lie off the published place
_ENOUGH = 0.7  # share of the markers that a rest needs
_SAME = 6.0  # [px] two places of a grid nearer than this cannot be told apart


@dataclass(frozen=True)
class Grid:
    """A gel at rest.

    Attributes:
        at: Markers [px], row-major, shape (N, 2); fitted where not found.
        size: Their areas by weight [px^2], NaN where not found, shape (N,).
        found: Which were seen, shape (N,).
        residual: RMS distance of the found ones from an even grid [px].
        orientation: How the gel lies, as far as its place tells.
        off: Distance of the grid's middle from where it should be in that orientation [px].
    """

    at: FloatArray
    size: FloatArray
    found: npt.NDArray[np.bool_]
    residual: float
    orientation: Orientation
    off: float


def fit_grid(dots: Dots, kind: SensorKind) -> Grid | Refused:
    """Find the grid in a picture's dots.

    The grid may lie anywhere within about a pitch of its published place, a little turned and
    stretched. A shift by a whole pitch loses a row or a column, so the shift with most markers is
    the true one; of equal ones, the smaller.

    Args:
        dots: Of the picture.
        kind: Of the sensor.
    """
    pitch = np.array(kind.pitch)
    places = (dots.at - np.array(kind.first)) / pitch  # in pitches: columns, rows
    best: tuple[float, FloatArray] | None = None
    for shift in _shifts(places, kind):
        node, near = _nearest(places - shift, kind)
        count = len(np.unique(node[near] @ [1, kind.columns]))
        score = count - 0.4 * float(np.hypot(*shift))
        if best is None or score > best[0]:
            best = (score, shift)
    if best is None:
        return Refused("no grid of markers is seen")
    place = np.array([[1.0, 0.0], [0.0, 1.0], best[1]])  # node -> place, affine, shape (3, 2)
    for _ in range(4):
        node, near = _nearest((places - place[2]) @ np.linalg.inv(place[:2]), kind)
        if near.sum() < 6:
            return Refused("no grid of markers is seen")
        design = np.column_stack([node[near], np.ones(near.sum())])
        place = np.linalg.lstsq(design, places[near], rcond=None)[0]
        if not 0.5 < np.linalg.det(place[:2]) < 2.0:
            return Refused("no grid of markers is seen")
    return _grid(dots, places, place, kind)


def _grid(dots: Dots, places: FloatArray, place: FloatArray, kind: SensorKind) -> Grid | Refused:
    node, near = _nearest((places - place[2]) @ np.linalg.inv(place[:2]), kind)
    fitted = np.column_stack([kind.nodes, np.ones(kind.count)]) @ place
    index = (node @ [1, kind.columns]).astype(int)
    far = np.full(len(places), np.inf)
    far[near] = np.hypot(*(places[near] - fitted[index[near]]).T)
    owner = np.full(kind.count, -1)
    for dot in np.argsort(-far):  # the nearest dot of a node comes last and stays
        if near[dot]:
            owner[index[dot]] = dot
    found = owner >= 0
    if found.sum() < _ENOUGH * kind.count:
        return Refused(f"{int(found.sum())} of {kind.count} markers lie on a grid")
    even = fitted * np.array(kind.pitch) + np.array(kind.first)
    at = even.copy()
    at[found] = dots.at[owner[found]]
    size = np.full(kind.count, np.nan)
    size[found] = dots.size[owner[found]]
    residual = float(np.sqrt(np.mean(np.sum((at - even)[found] ** 2, axis=1))))
    orientation, off = _orientation(even.mean(axis=0), kind)
    return Grid(at, size, found, residual, orientation, off)


def _shifts(places: FloatArray, kind: SensorKind) -> FloatArray:
    """Shifts of the grid that some dots near its middle speak for [pitches], shape (S, 2)."""
    middle = np.array([kind.columns - 1, kind.rows - 1]) / 2
    some = places[np.argsort(np.hypot(*(places - middle).T))[:6]]
    shifts = (some[:, None, :] - kind.nodes[None, :, :]).reshape(-1, 2)
    return np.asarray(shifts[(np.abs(shifts) <= _REACH).all(axis=1)])


def _nearest(places: FloatArray, kind: SensorKind) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """The node next to each place, and whether it is near and on the grid."""
    node = np.rint(places)
    near = np.abs(places - node) <= _NEAR
    near &= (node >= 0) & (node < [kind.columns, kind.rows])
    return node, np.asarray(near.all(axis=1))


def _orientation(middle: FloatArray, kind: SensorKind) -> tuple[Orientation, float]:
    """By the place of the grid: it is not in the middle of the picture, so turning it shows."""
    upright = kind.rest.mean(axis=0)
    turned = np.array(PICTURE) - 1.0 - upright
    places: list[tuple[Orientation, FloatArray]] = [
        ("upright", upright),
        ("upside_down", turned),
        ("mirrored", np.array([turned[0], upright[1]])),
        ("mirrored", np.array([upright[0], turned[1]])),
    ]
    told: list[tuple[Orientation, FloatArray]] = []
    for name, place in places:
        if all(np.hypot(*(place - other)) > _SAME for _, other in told):
            told.append((name, place))
    offs = [float(np.hypot(*(middle - place))) for _, place in told]
    nearest = int(np.argmin(offs))
    return told[nearest][0], offs[nearest]
