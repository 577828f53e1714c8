"""Forces read from the axes of a published marker embedding.

The first axes of the published GelSight transform have a meaning: shear along y, torsion with some
shear along x, shear along x with some torsion, and spreading, that is, normal force (correlations
0.77 to 0.90 with such fields). They have no unit. A linear fit of the four on simulated fields
gives one, and the fit's error says what the reading is worth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.feel import Gel, Load
from devices.stream import FloatArray
from devices.touch import NORMAL, SHEAR_COLUMNS, SHEAR_ROWS, FieldArray

AXES = 4
"""Axes of the embedding that are read."""


@dataclass(frozen=True)
class AxesReading:
    """A linear reading of an embedding's first axes.

    Attributes:
        weights: (4, 4): from the axes to normal [N], shear x [N], shear y [N], torsion [N m].
        rest: The axes' values of a gel at rest, (4,): the embedding's zero is not the gel's.
        error: Root mean square error of each on the fields it was fitted to, in the same units.
        spread: Root mean square of the true values there: what the error compares with.
    """

    weights: FloatArray
    rest: FloatArray
    error: Load
    spread: Load

    def read(self, embedding: FloatArray) -> Load:
        """Forces from an embedding, shape (n,) with n >= 4."""
        return Load(*(self.weights @ (embedding[:AXES] - self.rest)).tolist())


def fit_axes(gel: Gel, matrix: FloatArray, mean: FloatArray, seed: int = 0) -> AxesReading:
    """Fit a reading on simulated fields.

    Args:
        gel: Whose fields.
        matrix, mean: The embedding (126, n) and (126,): x -> (x - mean) @ matrix.
        seed: Of the fields.
    """
    rng = np.random.default_rng(seed)
    fields = [press(gel, rng) for _ in range(400)]
    told = [gel.offsets_and_load(one) for one in fields]
    axes = np.array([offsets.ravel() for offsets, _ in told]) @ matrix[:, :AXES]
    truth = np.array([load for _, load in told])
    weights, *_ = np.linalg.lstsq(axes, truth, rcond=None)
    error = np.sqrt(np.mean((axes @ weights - truth) ** 2, axis=0))
    return AxesReading(
        weights=np.asarray(weights.T),
        rest=np.asarray(-mean @ matrix[:, :AXES]),
        error=Load(*error.tolist()),
        spread=Load(*np.sqrt(np.mean(truth**2, axis=0)).tolist()),
    )


def press(gel: Gel, rng: np.random.Generator) -> FieldArray:
    """A field of something round or long that presses, drags and turns: (7, 9, 3) [N].

    Normal force 0 to 20 N, shear up to the friction, torsion as the patch can carry it.
    """
    x, y = gel.taxels[:, 0], gel.taxels[:, 1]
    height, width = gel.model.pad.height, gel.model.pad.width
    middle = rng.uniform(-0.25, 0.25, 2) * [width, height]
    turn, sizes = rng.uniform(0, np.pi), rng.uniform(0.0025, 0.009, 2)
    u = (x - middle[0]) * np.cos(turn) + (y - middle[1]) * np.sin(turn)
    v = (y - middle[1]) * np.cos(turn) - (x - middle[0]) * np.sin(turn)
    shape = np.exp(-0.5 * ((u / sizes[0]) ** 2 + (v / sizes[1]) ** 2))
    shape /= shape.sum()
    normal = rng.uniform(0.0, 20.0)
    drag = rng.uniform(0.0, 0.8) * normal
    way = rng.uniform(0, 2 * np.pi)
    swirl = rng.uniform(-0.5, 0.5) * normal / 0.006
    field = np.zeros((len(x), 3))
    field[:, NORMAL] = normal * shape
    field[:, SHEAR_COLUMNS] = (drag * np.cos(way) - swirl * (y - middle[1])) * shape
    field[:, SHEAR_ROWS] = (drag * np.sin(way) + swirl * (x - middle[0])) * shape
    return field.reshape(*gel.model.GRID, 3)
