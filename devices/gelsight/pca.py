"""Marker offsets as a few numbers: the published transforms, and our own.

A transform is a mean and orthonormal columns over the flat offsets [x0, y0, x1, y1, ...],
row-major, each a fraction of the picture: `embedding = (offsets - mean) @ matrix`. The published
ones (Reactive Diffusion Policy; 28,165 pictures of hands pressing 20 objects) have 15 columns.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from devices.errors import ConfigError
from devices.gelsight.kinds import SensorKind, kind_named
from devices.stream import FloatArray

COMPONENTS = 15
MATRIX_FILE, MEAN_FILE = "pca_transform_matrix.npy", "pca_mean_matrix.npy"

_SQUARE = 1e-4  # how far the columns may be from orthonormal; the published ones are within 3e-7
_MOST_BYTES = 1_000_000  # of a file; a transform has some ten thousand
_NAMED = 0.4  # correlation from which a canonical field belongs to the name of an axis


@dataclass(frozen=True)
class Transform:
    """An embedding of marker offsets.

    Attributes:
        kind: Whose markers.
        matrix: Orthonormal columns, shape (2 N, n).
        mean: Offsets that are embedded as zero, shape (2 N,).
        source: Where it came from, for a reader.
    """

    kind: SensorKind
    matrix: FloatArray
    mean: FloatArray
    source: str = ""

    def __post_init__(self) -> None:
        _check(self)
        for name in ("matrix", "mean"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def components(self) -> int:
        return int(self.matrix.shape[1])

    def embed(self, offsets: FloatArray) -> FloatArray:
        """The embedding of one picture.

        Args:
            offsets: Fractions of the picture, shape (N, 2).

        Returns:
            Shape (n,).
        """
        if np.shape(offsets) != (self.kind.count, 2):
            raise ConfigError(
                f"Offsets of shape {np.shape(offsets)} are not of a {self.kind.title}",
                allowed=[(self.kind.count, 2)],
            )
        flat = np.asarray(offsets, dtype=np.float64).ravel()
        return np.asarray((flat - self.mean) @ self.matrix)

    def rebuild(self, embedding: FloatArray) -> FloatArray:
        """The offsets that an embedding stands for, shape (N, 2)."""
        if np.shape(embedding) != (self.components,):
            raise ConfigError(
                f"An embedding of shape {np.shape(embedding)} is not of this transform",
                allowed=[(self.components,)],
            )
        flat = self.matrix @ np.asarray(embedding, dtype=np.float64) + self.mean
        return np.asarray(flat.reshape(-1, 2))

    def axes(self) -> tuple[str, ...]:
        """What each component means to a reader, shape (n,); "" where it is no simple motion.

        The columns are compared with shear, torsion and expansion. A minus is part of the name
        where growing numbers mean the opposite.
        """
        return tuple(_spoken(row) for row in self.correlations())

    def correlations(self) -> FloatArray:
        """Cosine of each column with each of `CANONICAL`, shape (n, 4)."""
        return np.asarray(self.matrix.T @ canonical_fields(self.kind).T)

    def save(self, path: Path) -> None:
        """Write as .npz, without pickle."""
        np.savez(
            path,
            kind=np.array(self.kind.name),
            matrix=self.matrix.astype(np.float32),
            mean=self.mean.astype(np.float32),
        )


CANONICAL = ("shear x", "shear y", "torsion", "expansion")


def canonical_fields(kind: SensorKind) -> FloatArray:
    """Unit vectors of the simple motions in the order of `CANONICAL`, shape (4, 2 N).

    Torsion turns x towards y (clockwise in the picture); expansion is what a press does.
    """
    rest = kind.rest - kind.rest.mean(axis=0)
    x, y = rest.T
    one, none = np.ones(kind.count), np.zeros(kind.count)
    fields = [np.stack(pair, axis=1) for pair in ((one, none), (none, one), (-y, x), (x, y))]
    flat = np.stack([(field / [640.0, 480.0]).ravel() for field in fields])
    return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))


def load(path: Path, kind: SensorKind) -> Transform:
    """A transform from disk: a folder of published matrices, or a file of `Transform.save`.

    Raises:
        ConfigError: Not there, unreadable, of another sensor, of a wrong size, not finite, or not
            orthonormal.
    """
    path = Path(path)
    if path.is_dir():
        matrix, mean = _npy(path / MATRIX_FILE), _npy(path / MEAN_FILE)
    else:
        _check_file(path)
        name, matrix, mean = _npz(path)
        if kind_named(name).name != kind.name:
            raise ConfigError(
                f"The transform in {path} is of a '{name}', not of a '{kind.name}'",
                next_step="Name the transform of this sensor",
            )
    try:
        return Transform(kind, matrix, mean, str(path))
    except ConfigError as error:
        raise ConfigError(
            f"{path}: {error.what}", allowed=error.allowed, next_step=error.next_step
        ) from None


def fit(rows: FloatArray, kind: SensorKind, components: int = COMPONENTS) -> Transform:
    """The components of most variance; no scaling.

    A column that resembles a simple motion points its way (a press is a growing number); of any
    other, the largest number is positive.

    Args:
        rows: Offsets of many pictures, shape (M, N, 2) or (M, 2 N).
        kind: Whose markers.
        components: n, at most 2 N and M.
    """
    flat = np.asarray(rows, dtype=np.float64).reshape(len(rows), -1)
    most = min(flat.shape)
    if flat.shape[1] != 2 * kind.count or not 1 <= components <= most:
        raise ConfigError(
            f"Rows of shape {np.shape(rows)} give no {components} components of a {kind.title}",
            allowed=[f"(M, {2 * kind.count}) with M >= {components}"],
        )
    if not np.isfinite(flat).all():
        raise ConfigError("Rows with NaN or infinite offsets cannot be fitted")
    mean = flat.mean(axis=0)
    _, _, right = np.linalg.svd(flat - mean, full_matrices=False)
    matrix = right[:components].T
    every = np.arange(components)
    cosines = canonical_fields(kind) @ matrix
    cosine = cosines[np.argmax(np.abs(cosines), axis=0), every]
    largest = matrix[np.argmax(np.abs(matrix), axis=0), every]
    matrix = matrix * np.sign(np.where(np.abs(cosine) >= _NAMED, cosine, largest))
    return Transform(kind, matrix, mean, f"fitted on {len(flat)} pictures")


def _spoken(row: FloatArray) -> str:
    """Cosines with `CANONICAL` as words, shape (4,): "torsion + shear x"."""
    said = ""
    for index in np.argsort(-np.abs(row)):
        if abs(row[index]) < _NAMED:
            break
        joint = (" - " if said else "-") if row[index] < 0 else (" + " if said else "")
        said += joint + CANONICAL[index]
    return said


def _check(transform: Transform) -> None:
    kind, matrix, mean = transform.kind, transform.matrix, transform.mean
    rows = 2 * kind.count
    if matrix.ndim != 2 or matrix.shape[0] != rows or not 1 <= matrix.shape[1] <= rows:
        raise ConfigError(
            f"A transform of shape {matrix.shape} does not fit the {kind.count} markers of a "
            f"{kind.title}",
            allowed=[f"({rows}, n)", f"({rows}, {COMPONENTS}) as published"],
            next_step="Name the transform that was made for this sensor",
        )
    if mean.shape != (rows,):
        raise ConfigError(
            f"A mean of shape {mean.shape} does not fit the {kind.count} markers of a {kind.title}",
            allowed=[f"({rows},)"],
        )
    for what, array in (("matrix", matrix), ("mean", mean)):
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ConfigError(f"The {what} of a transform has numbers that are not finite reals")
    square = matrix.astype(np.float64).T @ matrix.astype(np.float64)
    off = float(np.abs(square - np.eye(matrix.shape[1])).max())
    if off > _SQUARE:
        raise ConfigError(
            f"The columns of a transform are not orthonormal (off by {off:.2g})",
            allowed=[f"off by at most {_SQUARE:g}"],
        )


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(
            f"There is no transform at {path}",
            allowed=[f"a folder with {MATRIX_FILE} and {MEAN_FILE}", "a .npz of Teledeck"],
        )
    if path.stat().st_size > _MOST_BYTES:
        raise ConfigError(f"{path} is too large for a transform ({path.stat().st_size} bytes)")


def _npy(path: Path) -> FloatArray:
    _check_file(path)
    try:
        # Mapped: a header that promises more than the file holds is refused before any allocation.
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, OSError, EOFError, OverflowError) as error:
        raise ConfigError(f"{path} is no array of numbers: {error}") from error


def _npz(path: Path) -> tuple[str, FloatArray, FloatArray]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MOST_BYTES:
            raise ConfigError(f"{path} unpacks to {size} bytes, too large for a transform")
        with np.load(path, allow_pickle=False) as file:
            members: dict[str, Any] = {name: file[name] for name in ("kind", "matrix", "mean")}
    except (ValueError, OSError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path} is no transform of Teledeck: {error}") from error
    return str(members["kind"]), members["matrix"], members["mean"]
