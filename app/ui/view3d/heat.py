"""The colour scale of touch: one perceptual map, dark to bright, on every screen."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyqtgraph
from PyQt6.QtGui import QColor

_FROM, _TO = 0.28, 0.97  # the darkest part of the map cannot be told from a dark screen


@lru_cache(maxsize=1)
def heat_table() -> npt.NDArray[np.uint8]:
    """256 colours of the map "inferno" (S. van der Walt and N. Smith, 2015), shape (256, 3)."""
    table = pyqtgraph.colormap.get("inferno").getLookupTable(_FROM, _TO, 256, alpha=False)
    table = np.asarray(table, dtype=np.uint8)
    table.flags.writeable = False
    return table


def heat_level(values: npt.NDArray[np.floating] | float, full: float) -> npt.NDArray[np.float64]:
    """Place of a force on the scale, 0 ... 1. A square root: a touch and a firm grip differ by a
    factor of fifty, and both must be seen."""
    return np.sqrt(np.clip(np.asarray(values, dtype=np.float64) / full, 0.0, 1.0))


def heat(values: npt.NDArray[np.floating] | float, full: float) -> npt.NDArray[np.uint8]:
    """Colours of forces: 0 is the dark end, `full` and more the bright end. Shape (..., 3)."""
    index = (255.0 * heat_level(values, full)).astype(np.uint8)
    return heat_table()[index]


def heat_colour(value: float, full: float, alpha: int = 255) -> QColor:
    """The colour of one force."""
    red, green, blue = (int(c) for c in heat(value, full))
    return QColor(red, green, blue, alpha)
