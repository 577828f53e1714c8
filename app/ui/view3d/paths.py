"""Where a policy wants to go: paths in the world, and how they are drawn over the picture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QLineF, QPointF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen

from app.ui.look import DARK, blend
from app.ui.view3d.viewpoint import NEAR, Viewpoint
from devices.leader import Side
from devices.stream import FloatArray

_STROKES = 10  # colours along a path


@dataclass(frozen=True)
class GhostPath:
    """What a policy predicts for one tool.

    Attributes:
        side: Whose tool.
        points: Positions of the tool [m, world], oldest first, (n, 3).
        now: Index of the present row, with its fraction; rows before it have passed.
        samples: Other draws of the same chunk (k, n, 3), or None.
        acting: Where the fast path wants the tool to be at this moment [m], (3,), or None.
    """

    side: Side
    points: FloatArray
    now: float
    samples: FloatArray | None = None
    acting: FloatArray | None = None

    def at_now(self) -> FloatArray:
        """The point of the present moment [m], (3,)."""
        return at_row(self.points, self.now)


def at_row(points: FloatArray, row: float) -> FloatArray:
    """The point at a row and a fraction, between its neighbours; (n, 3) → (3,)."""
    row = float(np.clip(row, 0.0, len(points) - 1))
    low = int(row)
    high = min(low + 1, len(points) - 1)
    return np.asarray(points[low] + (row - low) * (points[high] - points[low]))


def colour_at(side: Side, share: float) -> str:
    """Colour of a path by time: near white now, the hand's colour halfway, fading at the end."""
    hand = DARK.left_hand if side == "left" else DARK.right_hand
    if share < 0.5:
        return blend(hand, DARK.text, 2.0 * share)
    return blend(DARK.floor, hand, 0.5 * (2.0 * share - 1.0))


def paint_paths(
    painter: QPainter,
    viewpoint: Viewpoint,
    paths: Sequence[GhostPath],
    width: float,
    height: float,
) -> None:
    """Paint paths with their other draws, from the quiet to the loud."""
    for path in paths:
        if path.samples is not None:
            _faint(painter, viewpoint, path, width, height)
    for path in paths:
        _one(painter, viewpoint, path, width, height)


def _faint(p: QPainter, eye: Viewpoint, path: GhostPath, width: float, height: float) -> None:
    assert path.samples is not None
    colour = QColor(DARK.left_hand if path.side == "left" else DARK.right_hand)
    colour.setAlpha(80)
    p.setPen(_pen(colour, 1.2))
    for sample in path.samples:
        seen = eye.project(sample[int(path.now) :], width, height)
        _draw(p, seen)


def _one(p: QPainter, eye: Viewpoint, path: GhostPath, width: float, height: float) -> None:
    seen = eye.project(path.points, width, height)
    first = min(int(path.now), len(seen) - 1)
    gone, here = seen[: first + 1], eye.project(path.at_now(), width, height)
    past = QColor(DARK.faint)
    past.setAlpha(120)
    p.setPen(_pen(past, 1.4))
    _draw(p, np.vstack([gone, here]))
    ahead = np.vstack([here, seen[first + 1 :]])
    p.setPen(_pen(QColor(0, 0, 0, 120), 6.0))
    _draw(p, ahead)
    for stroke in range(_STROKES):
        low = stroke * (len(ahead) - 1) // _STROKES
        high = (stroke + 1) * (len(ahead) - 1) // _STROKES
        if high > low:
            p.setPen(_pen(QColor(colour_at(path.side, (stroke + 0.5) / _STROKES)), 3.6))
            _draw(p, ahead[low : high + 1])
    _mark(p, here, QColor(DARK.text), 5.0, filled=True)
    if path.acting is not None:
        hand = QColor(DARK.left_hand if path.side == "left" else DARK.right_hand)
        _mark(p, eye.project(path.acting, width, height), hand, 8.0, filled=False)


def _mark(p: QPainter, at: FloatArray, colour: QColor, radius: float, *, filled: bool) -> None:
    if not np.isfinite(at).all() or at[2] < NEAR:
        return
    point = QPointF(float(at[0]), float(at[1]))
    p.setPen(_pen(QColor(0, 0, 0, 150), 1.5 if filled else 4.5))
    p.setBrush(colour if filled else Qt.BrushStyle.NoBrush)
    p.drawEllipse(point, radius, radius)
    if not filled:
        p.setPen(_pen(colour, 2.5))
        p.drawEllipse(point, radius, radius)


def _draw(p: QPainter, seen: FloatArray) -> None:
    """Lines between neighbours that are both before the eye."""
    lines = [
        QLineF(a[0], a[1], b[0], b[1])
        for a, b in itertools.pairwise(seen)
        if a[2] >= NEAR and b[2] >= NEAR and np.isfinite(a).all() and np.isfinite(b).all()
    ]
    if lines:
        p.drawLines(*lines)


def _pen(colour: QColor, width: float) -> QPen:
    return QPen(
        colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
    )
