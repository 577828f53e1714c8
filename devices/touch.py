"""Touch: what a tactile pad is, and what can be read from its field. No simulator in here.

A field has shape (rows, columns, 3) [N]: per taxel the force of the world on the gel, in the pad's
frame, as

    [..., NORMAL]         compression, along -z of the pad (negative only where an edge is pulled)
    [..., SHEAR_ROWS]     along +y of the pad, the direction in which rows count up
    [..., SHEAR_COLUMNS]  along +x of the pad, the direction in which columns count up

The pad's frame is that of a camera behind the gel that looks out (x right, y down, z forward), so
row-major taxels are the markers of a GelSight image in reading order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from devices.errors import ConfigError
from devices.stream import FloatArray

NORMAL, SHEAR_ROWS, SHEAR_COLUMNS = 0, 1, 2

FieldArray = npt.NDArray[np.floating]

LIGHTEST_TOUCH = 0.05  # [N] compression below which a pad counts as free


@dataclass(frozen=True, slots=True)
class PadGeometry:
    """A flat tactile pad.

    Attributes:
        rows, columns: Number of taxels along y and along x of the pad.
        height, width: Size of the gel along y and along x [m].
    """

    rows: int
    columns: int
    height: float
    width: float

    @property
    def pitch(self) -> tuple[float, float]:
        """Distance between neighbouring taxels along y and along x [m]."""
        return self.height / self.rows, self.width / self.columns

    @property
    def row_positions(self) -> FloatArray:
        """y of the taxels' middles in the pad's frame [m], shape (rows,)."""
        return np.asarray((np.arange(self.rows) - (self.rows - 1) / 2) * self.pitch[0])

    @property
    def column_positions(self) -> FloatArray:
        """x of the taxels' middles in the pad's frame [m], shape (columns,)."""
        return np.asarray((np.arange(self.columns) - (self.columns - 1) / 2) * self.pitch[1])

    @property
    def taxel_positions(self) -> FloatArray:
        """Middles of the taxels in the pad's frame [m], shape (rows, columns, 3); z is 0."""
        x, y = np.meshgrid(self.column_positions, self.row_positions)
        return np.stack([x, y, np.zeros_like(x)], axis=-1)

    def check(self, field: FieldArray) -> None:
        """Raises ConfigError for a field of another shape than this pad's."""
        if field.shape != (self.rows, self.columns, 3):
            raise ConfigError(
                f"A tactile field of shape {field.shape} is not of this pad",
                allowed=[(self.rows, self.columns, 3)],
            )


def taxel_forces(field: FieldArray) -> FloatArray:
    """Force on each taxel as a vector x, y, z in the pad's frame [N], shape (rows, columns, 3)."""
    return np.stack(
        [field[..., SHEAR_COLUMNS], field[..., SHEAR_ROWS], -field[..., NORMAL]], axis=-1
    ).astype(np.float64)


def total_force(field: FieldArray) -> FloatArray:
    """Force on the whole pad as a vector x, y, z in the pad's frame [N], shape (3,)."""
    return np.asarray(taxel_forces(field).sum(axis=(0, 1)))


def center_of_pressure(field: FieldArray, pad: PadGeometry) -> FloatArray | None:
    """Where the compression acts, x and y in the pad's frame [m], shape (2,); None when free."""
    pad.check(field)
    load = field[..., NORMAL].astype(np.float64)
    total = float(load.sum())
    if total < LIGHTEST_TOUCH:
        return None
    x = float(load.sum(axis=0) @ pad.column_positions) / total
    y = float(load.sum(axis=1) @ pad.row_positions) / total
    return np.array([x, y])


def torsion(field: FieldArray, pad: PadGeometry) -> float | None:
    """Moment of shear about z through the centre of pressure [N m]; None when free."""
    center = center_of_pressure(field, pad)
    if center is None:
        return None
    arm = pad.taxel_positions[..., :2] - center
    force = taxel_forces(field)
    return float((arm[..., 0] * force[..., 1] - arm[..., 1] * force[..., 0]).sum())


def slip_hint(field: FieldArray, friction: float) -> float:
    """How much of the friction is used up: 0 none ... 1 about to slide. 0 when free.

    Args:
        field: Of one pad.
        friction: Coulomb coefficient of gel on the object [1].
    """
    force = total_force(field)
    load = -float(force[2])
    if load < LIGHTEST_TOUCH:
        return 0.0
    return float(min(1.0, np.hypot(force[0], force[1]) / (friction * load)))


@dataclass(frozen=True)
class MarkerModel:
    """A field of forces told as marker offsets of a GelSight Mini with its 7 x 9 marker gel.

    The gel is a thin incompressible layer bonded to a stiff window. Under the traction t and the
    pressure p on its face, the face moves sideways by

        u = (h / G) t - (h^2 / 2 G) grad p

    the first term being simple shear, the second the material that the pressure squeezes aside
    (the lubrication limit of a bonded layer; K. L. Johnson, Contact Mechanics, section 5.8). Both
    are first smoothed over about the layer's thickness, because the layer is not that thin. The
    result is linear in the forces.

    Pictures are 640 x 480 with the first marker at (143, 108) px and a pitch of (42, 46) px, the
    grid of the published tracker (Reactive Diffusion Policy, GelSight Mini publisher).

    Attributes:
        pad: The pad whose fields are told.
        thickness: h [m].
        modulus: G [Pa].
        smoothing: Standard deviation of the smoothing [m].
    """

    pad: PadGeometry
    thickness: float = 0.004
    modulus: float = 120_000.0
    smoothing: float = 0.005

    PICTURE = (640, 480)  # [px] width, height
    FIRST = (143.0, 108.0)  # [px] x, y
    PITCH = (42.0, 46.0)  # [px] x, y
    GRID = (7, 9)

    def __post_init__(self) -> None:
        if (self.pad.rows, self.pad.columns) != self.GRID:
            raise ConfigError(
                f"A pad of {self.pad.rows} x {self.pad.columns} taxels has no GelSight markers",
                allowed=[f"{self.GRID[0]} x {self.GRID[1]}"],
            )

    @property
    def markers(self) -> FloatArray:
        """Markers at rest, x and y over width and height of the picture, shape (63, 2)."""
        x, y = np.meshgrid(
            self.FIRST[0] + self.PITCH[0] * np.arange(self.GRID[1]),
            self.FIRST[1] + self.PITCH[1] * np.arange(self.GRID[0]),
        )
        return np.stack([x / self.PICTURE[0], y / self.PICTURE[1]], axis=-1).reshape(-1, 2)

    def offsets(self, field: FieldArray) -> FloatArray:
        """Marker offsets, x over the picture's width and y over its height, row-major.

        Args:
            field: Shape (7, 9, 3) [N].

        Returns:
            Shape (63, 2). `.ravel()` is the vector [x0, y0, x1, y1, ...] of the published PCA.
        """
        self.pad.check(field)
        flat = self.matrix @ np.asarray(field, dtype=np.float64).ravel()
        return np.asarray(flat.reshape(-1, 2))

    @cached_property
    def matrix(self) -> FloatArray:
        """The linear map from a flat field (189,) [N] to flat offsets (126,)."""
        rows, columns = self.GRID
        pitch_y, pitch_x = self.pad.pitch
        area = pitch_x * pitch_y
        smooth_y = _gaussian(self.pad.row_positions, self.smoothing, pitch_y)
        smooth_x = _gaussian(self.pad.column_positions, self.smoothing, pitch_x)
        slope_y = _gaussian_slope(self.pad.row_positions, self.smoothing, pitch_y)
        slope_x = _gaussian_slope(self.pad.column_positions, self.smoothing, pitch_x)
        shear = self.thickness / self.modulus / area * np.kron(smooth_y, smooth_x)
        squeeze = -(self.thickness**2) / (2 * self.modulus * area)
        aside_x = squeeze * np.kron(smooth_y, slope_x)
        aside_y = squeeze * np.kron(slope_y, smooth_x)
        # [m] on the gel -> fraction of the picture
        to_x = self.PITCH[0] / pitch_x / self.PICTURE[0]
        to_y = self.PITCH[1] / pitch_y / self.PICTURE[1]
        matrix = np.zeros((rows * columns, 2, rows * columns, 3))
        matrix[:, 0, :, SHEAR_COLUMNS] = to_x * shear
        matrix[:, 1, :, SHEAR_ROWS] = to_y * shear
        matrix[:, 0, :, NORMAL] = to_x * aside_x
        matrix[:, 1, :, NORMAL] = to_y * aside_y
        return matrix.reshape(rows * columns * 2, rows * columns * 3)


def _gaussian(positions: FloatArray, sigma: float, pitch: float) -> FloatArray:
    """Smoothing matrix over taxels, kernel normalised on the endless grid; shape (n, n)."""
    way = positions[:, None] - positions[None, :]
    return np.asarray(np.exp(-0.5 * (way / sigma) ** 2) * pitch / (sigma * np.sqrt(2 * np.pi)))


def _gaussian_slope(positions: FloatArray, sigma: float, pitch: float) -> FloatArray:
    """Derivative [1/m] of `_gaussian` along the position; shape (n, n)."""
    way = positions[:, None] - positions[None, :]
    return _gaussian(positions, sigma, pitch) * (-way / sigma**2)
