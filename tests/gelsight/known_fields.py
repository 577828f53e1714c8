"""Displacements that are known, for pictures whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from devices.gelsight.kinds import PICTURE, SensorKind
from devices.gelsight.pictures import Look, MarkerPictures

Array = npt.NDArray[np.float64]
Make = Callable[[SensorKind, np.random.Generator], Array]


def _middled(kind: SensorKind) -> Array:
    """Markers in pitches from the grid's middle, the furthest one at distance 1, shape (N, 2)."""
    nodes = kind.nodes - kind.nodes.mean(axis=0)
    return np.asarray(nodes / np.hypot(*nodes.T).max())


def shift(kind: SensorKind, random: np.random.Generator) -> Array:
    angle = random.uniform(0, 2 * np.pi)
    return np.tile([np.cos(angle), np.sin(angle)], (kind.count, 1))


def turn(kind: SensorKind, random: np.random.Generator) -> Array:
    x, y = _middled(kind).T
    return np.asarray(random.choice([-1.0, 1.0]) * np.stack([-y, x], axis=1))


def grow(kind: SensorKind, random: np.random.Generator) -> Array:
    return np.asarray(random.choice([-1.0, 1.0]) * _middled(kind))


def smooth(kind: SensorKind, random: np.random.Generator) -> Array:
    """A random field that changes over a pitch and a half."""
    field = random.normal(size=(kind.rows, kind.columns, 2))
    field = gaussian_filter(field, (1.5, 1.5, 0)).reshape(-1, 2)
    return np.asarray(field / np.hypot(*field.T).max())


FIELDS: dict[str, Make] = {"shift": shift, "turn": turn, "grow": grow, "smooth": smooth}


def in_pixels(field: Array, kind: SensorKind, amplitude: float) -> Array:
    """Of a field whose largest displacement is 1: `amplitude` pitches [px], shape (N, 2)."""
    return np.asarray(amplitude * field * kind.pitch)


def fractions(pixels: Array) -> Array:
    return np.asarray(pixels / np.array(PICTURE, dtype=np.float64))


@lru_cache(maxsize=8)
def painter(kind: SensorKind, look: Look | None = None, seed: int = 0) -> MarkerPictures:
    """Making one costs more than a picture, so tests share them."""
    return MarkerPictures(kind, look, seed)
