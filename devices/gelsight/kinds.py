"""The two marker sensors: grids, pictures, and what their dots look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.errors import ConfigError
from devices.stream import FloatArray

PICTURE = (640, 480)  # [px] width, height of every picture that is tracked


@dataclass(frozen=True, slots=True)
class SensorKind:
    """A sensor model.

    Pictures are 640 x 480, x to the right, y down. Markers are counted row by row from the top
    left. Grids, detection limits and gains are those of the published pipeline (Reactive Diffusion
    Policy, publishers of GelSight Mini and MCTac).

    Attributes:
        name: As in the station file.
        title: For a reader.
        rows, columns: Of the marker grid.
        first: The top left marker at rest [px], x and y.
        pitch: Between neighbours [px], x and y.
        dot: Radius of a marker [px]; of our pictures, and of the window in which it is weighed.
        area: Smallest and largest area of a marker [px^2].
        contrast: Share of the surrounding light that a marker's pixel lacks, at least [1].
        fewest: A picture with fewer markers than this is refused.
        depth_gain: Of the published depth, per px^2 of growth [1/px^2].
    """

    name: str
    title: str
    rows: int
    columns: int
    first: tuple[float, float]
    pitch: tuple[float, float]
    dot: float
    area: tuple[float, float]
    contrast: float
    fewest: int
    depth_gain: float

    @property
    def count(self) -> int:
        """Number of markers."""
        return self.rows * self.columns

    @property
    def nodes(self) -> FloatArray:
        """Column and row of each marker, shape (N, 2)."""
        column, row = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
        return np.stack([column, row], axis=-1).reshape(-1, 2).astype(np.float64)

    @property
    def rest(self) -> FloatArray:
        """Markers at rest [px], x and y, shape (N, 2)."""
        return np.asarray(np.array(self.first) + self.nodes * np.array(self.pitch))


GELSIGHT_MINI = SensorKind(
    name="gelsight_mini",
    title="GelSight Mini",
    rows=7,
    columns=9,
    first=(143.0, 108.0),
    pitch=(42.0, 46.0),
    dot=7.0,
    area=(50.0, 1920.0),
    contrast=0.15,
    fewest=25,
    depth_gain=0.05,
)
MCTAC = SensorKind(
    name="mctac",
    title="MCTac",
    rows=5,
    columns=5,
    first=(149.0, 67.0),
    pitch=(85.0, 83.0),
    dot=13.0,
    area=(120.0, 4000.0),
    contrast=0.15,
    fewest=10,
    depth_gain=0.02,
)
KINDS = (GELSIGHT_MINI, MCTAC)


def kind_named(name: str) -> SensorKind:
    """The sensor of that name; ConfigError lists the known ones."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise ConfigError(f"Unknown marker sensor '{name}'", allowed=[kind.name for kind in KINDS])
