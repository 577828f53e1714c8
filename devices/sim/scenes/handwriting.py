"""Handwriting: a small single-stroke alphabet, drawn with the wobble of a hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

WORDS = ("teledeck", "hello", "touch", "teach me", "robot", "by hand", "let go", "good day")

# Strokes of a letter, as points on a grid: baseline 0, x-height 4, ascender 7, descender -3. The
# last number is the advance to the next letter. Points are joined by a smooth curve.
_Stroke = tuple[tuple[float, float], ...]
_GLYPHS: dict[str, tuple[tuple[_Stroke, ...], float]] = {
    "a": (
        (((3.4, 3.4), (2, 4), (0.4, 3), (0.3, 1), (1.6, 0), (3, 1), (3.5, 3.6)),
         ((3.5, 3.8), (3.4, 1), (3.8, 0.1), (4.6, 0.6))),
        4.9,
    ),
    "b": ((((0.5, 7), (0.4, 3.5), (0.4, 0.2)),
           ((0.5, 2.4), (1.8, 3.8), (3.3, 3), (3.4, 1), (2, 0), (0.5, 0.8))), 4.4),
    "c": ((((3.3, 3.3), (2, 4), (0.5, 3), (0.4, 1), (1.8, 0), (3.5, 0.8)),), 4.0),
    "d": ((((3.3, 3.3), (1.8, 3.9), (0.4, 2.8), (0.4, 0.9), (1.7, 0), (3.2, 1.2)),
           ((3.5, 7), (3.4, 3), (3.5, 0.7), (4.4, 0.3))), 4.9),
    "e": ((((0.4, 2), (2.2, 2.3), (3.3, 3), (2.4, 4), (0.9, 3.5), (0.4, 1.6), (1.6, 0),
            (3.6, 0.9)),), 4.0),
    "g": ((((3.3, 3.4), (1.8, 4), (0.4, 2.9), (0.4, 1.1), (1.7, 0.3), (3.2, 1.3)),
           ((3.5, 3.9), (3.5, 0), (3.1, -2.2), (1.6, -2.9), (0.4, -2.2))), 4.4),
    "h": ((((0.5, 7), (0.4, 3.5), (0.4, 0)),
           ((0.4, 2.2), (1.8, 3.9), (3.1, 3.2), (3.2, 1), (3.6, 0.1), (4.3, 0.5))), 4.7),
    "k": ((((0.5, 7), (0.4, 3.5), (0.4, 0)), ((3.2, 4), (0.5, 1.8), (3.6, 0.1))), 4.1),
    "l": ((((0.5, 1), (1.9, 5), (1.6, 7), (0.8, 6), (0.6, 1.2), (1.3, 0), (2.4, 0.7)),), 2.7),
    "m": ((((0.4, 4), (0.5, 2), (0.4, 0)),
           ((0.4, 2.4), (1.6, 3.9), (2.5, 3), (2.5, 0.1)),
           ((2.5, 2.4), (3.7, 3.9), (4.7, 3), (4.7, 0.8), (5.6, 0.3))), 6.0),
    "n": ((((0.4, 4), (0.5, 2), (0.4, 0)),
           ((0.4, 2.4), (1.8, 3.9), (3.1, 3), (3.2, 0.9), (4.1, 0.4))), 4.5),
    "o": ((((2, 4), (0.5, 3), (0.4, 1), (1.9, 0), (3.4, 1), (3.4, 3), (2, 4), (4, 3.6)),), 4.3),
    "r": ((((0.4, 4), (0.5, 2), (0.4, 0)), ((0.4, 2.2), (1.6, 3.8), (3, 3.6))), 3.4),
    "t": ((((1.4, 6.3), (1.3, 3), (1.4, 0.8), (2.3, 0), (3.3, 0.6)),
           ((0.1, 4.2), (2.9, 4.4))), 3.4),
    "u": ((((0.4, 4), (0.5, 1.4), (1.7, 0), (3.1, 1.2), (3.4, 4)),
           ((3.4, 4), (3.5, 0.7), (4.4, 0.3))), 4.7),
    "y": ((((0.4, 4), (0.6, 1.7), (1.8, 0.8), (3.2, 1.8), (3.4, 4)),
           ((3.4, 4), (3.3, 0), (2.7, -2.4), (1.3, -2.8), (0.3, -1.9))), 4.3),
    " ": ((), 2.6),
}  # fmt: skip


def write(
    rng: np.random.Generator, length: float, pitch: float, most: int
) -> npt.NDArray[np.float64]:
    """A word with a flourish under it, as short straight marks.

    Args:
        rng: Chooses word, slant, size and wobble.
        length: Length of the word [m].
        pitch: Distance between the middles of neighbouring marks [m].
        most: Largest number of marks; a word that needs more is written smaller.

    Returns:
        Middle and heading of every mark, x along the line of writing, y up: shape (n, 3)
        [m, m, rad], centred on the origin, n <= most.
    """
    word = WORDS[int(rng.integers(len(WORDS)))]
    slant, rise = rng.uniform(0.05, 0.30), rng.uniform(-0.04, 0.06)
    strokes: list[npt.NDArray[np.float64]] = []
    pen = 0.0
    for letter in word:
        glyph, advance = _GLYPHS[letter]
        lift, size = rng.normal(0, 0.12), 1 + rng.normal(0, 0.04)
        for stroke in glyph:
            points = np.array(stroke) * size + rng.normal(0, 0.07, (len(stroke), 2))
            strokes.append(_curve(points + np.array([pen, lift])))
        pen += advance + rng.normal(0, 0.1)
    if rng.random() < 0.6 or len(word) < 6:
        t = np.linspace(0, 1, 40)
        strokes.append(
            np.column_stack(
                [pen * (1.02 - 1.0 * t), -2.6 - 0.9 * t + 0.35 * np.sin(2.2 * np.pi * t)]
            )
        )
    shear = np.array([[1.0, rise], [slant, 1.0]])
    scale = length / pen
    while True:
        marks = np.vstack([_marks(stroke @ shear * scale, pitch) for stroke in strokes])
        if len(marks) <= most:
            break
        scale *= 0.96 * most / len(marks)
    marks[:, :2] -= (marks[:, :2].min(axis=0) + marks[:, :2].max(axis=0)) / 2
    return marks


def _curve(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A Catmull-Rom spline through points (n, 2), sampled finely."""
    ends = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, 12)[:, None]
    pieces = []
    for i in range(1, len(ends) - 2):
        a, b, c, d = ends[i - 1 : i + 3]
        pieces.append(
            0.5
            * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
               + (3 * b - a - 3 * c + d) * t**3)
        )  # fmt: skip
    return np.vstack(pieces)


def _marks(stroke: npt.NDArray[np.float64], pitch: float) -> npt.NDArray[np.float64]:
    """Cut a polyline (n, 2) into evenly spaced marks: middle and heading, shape (m, 3)."""
    steps = np.linalg.norm(np.diff(stroke, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    count = max(1, round(float(along[-1]) / pitch))
    edges = np.linspace(0, along[-1], count + 1)
    points = np.column_stack([np.interp(edges, along, stroke[:, i]) for i in range(2)])
    middle = (points[1:] + points[:-1]) / 2
    heading = np.arctan2(*(points[1:] - points[:-1]).T[::-1])
    return np.column_stack([middle, heading])
