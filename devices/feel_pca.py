"""The published embedding of marker offsets as the touch process applies it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from devices.errors import ConfigError
from devices.stream import FloatArray

_MATRIX, _MEAN = "pca_transform_matrix.npy", "pca_mean_matrix.npy"
_LARGEST = 1 << 20  # [bytes] a published matrix has a few kilobytes


@dataclass(frozen=True)
class Embedding:
    """x -> (x - mean) @ matrix, for x = [x0, y0, x1, y1, ...], the markers row by row.

    Attributes:
        matrix: (2 markers, components).
        mean: (2 markers,).
    """

    matrix: FloatArray
    mean: FloatArray

    @property
    def components(self) -> int:
        return int(self.matrix.shape[1])

    def apply(self, offsets: FloatArray) -> FloatArray:
        """Embedding (components,) of marker offsets (markers, 2) [fraction of the picture]."""
        return np.asarray((offsets.ravel() - self.mean) @ self.matrix)

    @classmethod
    def load(cls, folder: Path, markers: int, components: int = 15) -> Embedding:
        """Read the two published files from a folder.

        Raises:
            ConfigError: When one is missing, is no plain array, or has another size.
        """
        matrix, mean = _array(folder / _MATRIX), _array(folder / _MEAN)
        wanted = (2 * markers, components)
        if matrix.shape != wanted or mean.shape != wanted[:1]:
            raise ConfigError(
                f"The embedding in '{folder}' has the sizes {matrix.shape} and {mean.shape}",
                allowed=[f"{wanted} and {wanted[:1]} for {markers} markers"],
                next_step="Give the folder made for this gel in [touch] pca",
            )
        if not (np.isfinite(matrix).all() and np.isfinite(mean).all()):
            raise ConfigError(
                f"The embedding in '{folder}' holds numbers that are none",
                next_step="Get its files anew",
            )
        return cls(matrix, mean)


def _array(path: Path) -> FloatArray:
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(
                f"'{path}' is larger than any embedding", allowed=[f"up to {_LARGEST} bytes"]
            )
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            raise ConfigError(f"'{path}' is no plain array of numbers")
        return np.asarray(array, dtype=np.float64)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(
            f"The embedding '{path}' cannot be read: {error}",
            next_step=f"[touch] pca names a folder with {_MATRIX} and {_MEAN}",
        ) from error
