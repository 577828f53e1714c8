"""What a hand feels, from any tactile sensor: one place that the screen and the headset show.

Simulated pads tell a field of forces (`devices.touch`); cameras behind a gel tell marker offsets.
Both end here, as the same numbers in the pad's frame:

    deformation   how every marker of the gel's face has moved [m]: dx, dy along the face, dz how
                  far it is pressed in (>= 0), shape (63, 3), row-major
    reading       normal force, shear, torsion, slip hint, contact

In the plane both ways are one: a field becomes marker offsets by `MarkerModel`, and offsets become
metres by the markers' pitch. Pressing depth differs. From forces it is a spring bed: the layer
gives way by h p / 3G where the pressure p acts (simple compression of a layer of the thickness h,
shear modulus G), at most by h. From markers it is the growth of the area between neighbours,
because the gel keeps its volume: where its face spreads, it gets thinner. That is a relative depth;
it is scaled to the spring bed by `DEPTH_PER_GROWTH`, fitted on simulated presses (tests/feel).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from devices.clock import NS_PER_S
from devices.stream import FloatArray
from devices.touch import (
    NORMAL,
    SHEAR_COLUMNS,
    SHEAR_ROWS,
    FieldArray,
    MarkerModel,
    PadGeometry,
)

BoolArray = npt.NDArray[np.bool_]

DEPTH_PER_GROWTH = 0.0068
"""Depth [m] for a patch of markers that has doubled its area, fitted on simulated presses: the
fitted depths miss the spring bed's by 0.22 mm (root mean square, of 0.41 mm)."""

READING = ("normal", "shear_x", "shear_y", "torsion", "slip", "contact", "band", "baseline")
"""The numbers of one row of `P_pad/reading`, in their order."""


class Load(NamedTuple):
    """What a whole pad carries: forces [N], torsion about the centre of pressure [N m] (0 while
    free). `force` is the size of the whole force, shear and pressure [N]."""

    normal: float
    shear_x: float
    shear_y: float
    torsion: float

    @property
    def force(self) -> float:
        return float(np.sqrt(self.normal**2 + self.shear_x**2 + self.shear_y**2))


@dataclass(frozen=True)
class Gel:
    """A gel with its markers, as linear maps that are made once.

    Attributes:
        model: The layer, on a pad of 7 x 9 taxels, and what a field does to 63 markers on them.
        grid: Rows and columns of the markers; they lie evenly over the pad.
        picture_pitch: Between neighbours, as a fraction of the picture, along x and along y.
        matrix: Flat field (189,) [N] to flat marker offsets (2 N,) [fraction of the picture].
    """

    model: MarkerModel
    grid: tuple[int, int]
    picture_pitch: tuple[float, float]
    matrix: FloatArray

    @classmethod
    def of(cls, model: MarkerModel) -> Gel:
        """Of a GelSight Mini, whose 7 x 9 markers lie on the taxels."""
        pitch = model.PITCH[0] / model.PICTURE[0], model.PITCH[1] / model.PICTURE[1]
        return cls(model, model.GRID, pitch, model.matrix)

    @property
    def count(self) -> int:
        """Number of markers, N."""
        return self.grid[0] * self.grid[1]

    @cached_property
    def face(self) -> PadGeometry:
        """The pad divided among the markers as it is among taxels."""
        return PadGeometry(*self.grid, self.model.pad.height, self.model.pad.width)

    @cached_property
    def metres(self) -> FloatArray:
        """[m] on the gel for an offset of a whole picture, along x and along y, shape (2,)."""
        pitch_y, pitch_x = self.face.pitch
        return np.array([pitch_x / self.picture_pitch[0], pitch_y / self.picture_pitch[1]])

    @cached_property
    def rest(self) -> FloatArray:
        """Where the markers rest on the gel's face [m], pad frame, shape (N, 2)."""
        return self.face.taxel_positions[..., :2].reshape(-1, 2)

    @cached_property
    def taxels(self) -> FloatArray:
        """Middles of the taxels of a field [m], pad frame, shape (63, 2)."""
        return self.model.pad.taxel_positions[..., :2].reshape(-1, 2)

    @property
    def depth_per_n(self) -> float:
        """How far a taxel is pressed in for each newton on it [m/N]."""
        pitch_y, pitch_x = self.model.pad.pitch
        return self.model.thickness / (3.0 * self.model.modulus * pitch_x * pitch_y)

    @cached_property
    def _from_field(self) -> FloatArray:
        """Flat field (189,) [N] to flat offsets (126,) and six sums: see `_load`."""
        x, y = self.taxels[:, 0], self.taxels[:, 1]
        sums = np.zeros((6, len(x), 3))
        sums[0, :, NORMAL] = 1.0
        sums[1, :, SHEAR_COLUMNS] = 1.0
        sums[2, :, SHEAR_ROWS] = 1.0
        sums[3, :, SHEAR_ROWS], sums[3, :, SHEAR_COLUMNS] = x, -y  # moment about the middle
        sums[4, :, NORMAL], sums[5, :, NORMAL] = x, y
        return np.concatenate([self.matrix, sums.reshape(6, -1)])

    def offsets_and_load(self, field: FieldArray) -> tuple[FloatArray, Load]:
        """Marker offsets (63, 2) [fraction of the picture], and what the pad carries.

        Args:
            field: (7, 9, 3) [N].
        """
        told = self._from_field @ np.asarray(field, dtype=np.float64).ravel()
        return told[:-6].reshape(-1, 2), _load(told[-6:])

    def load(self, field: FieldArray) -> Load:
        """What the whole pad carries, of a field (7, 9, 3) [N]."""
        return _load(self._from_field[-6:] @ np.asarray(field, dtype=np.float64).ravel())

    def deformation_of_field(self, field: FieldArray, offsets: FloatArray) -> FloatArray:
        """Deformation (63, 3) [m] from a field (7, 9, 3) [N] and the offsets (63, 2) it causes."""
        moved = np.empty((len(offsets), 3))
        moved[:, :2] = offsets * self.metres
        depth = np.asarray(field, dtype=np.float64)[..., NORMAL].ravel() * self.depth_per_n
        np.clip(depth, 0.0, self.model.thickness, out=moved[:, 2])
        return moved

    def deformation_of_markers(
        self, offsets: FloatArray, valid: BoolArray | None = None
    ) -> FloatArray:
        """Deformation (N, 3) [m] from marker offsets (N, 2) [fraction of the picture].

        Args:
            valid: Which markers were seen, shape (N,). A lost marker moves as its tracker says in
                the plane; it has no say in the depth.
        """
        moved = np.empty((len(offsets), 3))
        moved[:, :2] = offsets * self.metres
        grown = self.growth(moved[:, :2], valid)
        np.clip(grown * DEPTH_PER_GROWTH, 0.0, self.model.thickness, out=moved[:, 2])
        return moved

    def growth(self, moved: FloatArray, valid: BoolArray | None = None) -> FloatArray:
        """How much larger the cells around each marker are than at rest: 0 as at rest, 1 doubled.

        A marker has up to four cells around it, each spanned by four neighbours; the mean of
        those counts, so that edges and corners need no correction. Then a Gaussian of one pitch.

        Args:
            moved: In-plane displacement of the markers [m], shape (N, 2).
        """
        rows, columns = self.grid
        at = (self.rest + moved).reshape(rows, columns, 2)
        diagonal, other = at[1:, 1:] - at[:-1, :-1], at[1:, :-1] - at[:-1, 1:]
        area = 0.5 * np.abs(diagonal[..., 0] * other[..., 1] - diagonal[..., 1] * other[..., 0])
        pitch_y, pitch_x = self.face.pitch
        cell = area / (pitch_x * pitch_y) - 1.0
        weight = np.ones_like(cell)
        if valid is not None:
            seen = valid.reshape(rows, columns)
            weight *= seen[1:, 1:] & seen[:-1, :-1] & seen[1:, :-1] & seen[:-1, 1:]
        total, weights = np.zeros((rows, columns)), np.zeros((rows, columns))
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            place = (slice(down, rows - 1 + down), slice(right, columns - 1 + right))
            total[place] += weight * cell
            weights[place] += weight
        smooth = gaussian_filter(total, 1.0), gaussian_filter(weights, 1.0)
        return np.asarray(smooth[0] / np.maximum(smooth[1], 1e-9)).ravel()


def _load(sums: FloatArray) -> Load:
    """From the sums of force and of moments to forces and the torsion about the centre."""
    normal, shear_x, shear_y, turning, at_x, at_y = sums.tolist()
    if normal < 1e-3:
        return Load(normal, shear_x, shear_y, 0.0)
    # The moment about the pad's middle, less what the shear does at the centre of pressure.
    torsion = turning - (at_x * shear_y - at_y * shear_x) / normal
    return Load(normal, shear_x, shear_y, torsion)


@dataclass(frozen=True, slots=True)
class FeelLimits:
    """Where one state of feeling goes over into another.

    Attributes:
        touched_n, free_n: Force on a pad from which, and below which, it is in contact [N].
        friction: Coulomb coefficient of gel on smooth solids [1]; the simulated pads have it too.
        band_margin: Hysteresis of the force band, as a share of its width.
        loaded_n, unloaded_n: Force at a wrist from which, and below which, the band counts [N].
    """

    touched_n: float = 0.15
    free_n: float = 0.08
    friction: float = 1.2
    band_margin: float = 0.05
    loaded_n: float = 0.3
    unloaded_n: float = 0.2


MARKER_LIMITS = FeelLimits(touched_n=1.0, free_n=0.6)
"""For cameras behind a gel: the noise of their markers is worth some tenths of a newton."""


class Contact:
    """Whether a pad touches something, with hysteresis."""

    def __init__(self, limits: FeelLimits) -> None:
        self._limits = limits
        self.touching = False

    def update(self, force: float) -> bool:
        """Take in the force on the pad [N]. True at the onset of a contact."""
        before = self.touching
        bar = self._limits.free_n if before else self._limits.touched_n
        self.touching = force >= bar
        return self.touching and not before


class BandState:
    """Where a force lies beside the scene's band: -1 below, 0 within, 1 above, NaN without one.

    The scenes ask for a *normal force of the held tool on the object* (felt on board, blade on
    skin, paddle on cup). What carries it is the contact force at the wrist, `S_arm/wrench`, so the
    caller gives its size: not the pads' normal force, which is the grasp and says nothing about
    the object. Sliding friction makes it a little more than the scene's own number.
    """

    def __init__(self, limits: FeelLimits) -> None:
        self._limits = limits
        self._loaded = False
        self.state = float("nan")

    def update(self, force: float, band: tuple[float, float] | None) -> float:
        """Take in the size of a force [N] and the band that counts now."""
        bar = self._limits.unloaded_n if self._loaded else self._limits.loaded_n
        self._loaded = force >= bar
        if band is None or not self._loaded or not np.isfinite(force):
            self.state = float("nan")
            return self.state
        low, high = band
        margin = self._limits.band_margin * (high - low)
        if self.state == 0.0:  # it takes a little more to leave than to come
            low, high = low - margin, high + margin
        self.state = -1.0 if force < low else 1.0 if force > high else 0.0
        return self.state


class SlipWatch:
    """How near sliding is: 0 holds firmly ... 1 slides. The larger of two hints.

    *Friction used up*: shear over friction times normal force (Coulomb), of the whole pad.

    *Edges left behind*: a sticking contact moves with the object as one, so that every marker in
    it moves in proportion to how far it has come. Before a contact slides, its rim lets go first,
    where the pressure is low (Cattaneo and Mindlin; K. L. Johnson, Contact Mechanics, section
    7.2). Then the middle of the gel moves on while the edges stay behind or spring back. The hint
    is the part of the expected motion that the edges did not make, over `WINDOW_NS`. It counts
    from a quarter of the friction on, and fully from a half: below, the rim that has let go is too
    thin to be seen between markers. It needs a real gel: a rigid simulated pad spreads its shear
    evenly, and the first hint speaks there nearly alone.
    """

    WINDOW_NS = NS_PER_S // 16
    HOLD_S = 0.25  # a hint fades over this time, because an eye is slow
    _LEAST_MOVED = 3e-5  # [m] of the middle in a window: less is noise
    _LEAST_COME = 1e-4  # [m] of the middle from rest

    def __init__(self, limits: FeelLimits) -> None:
        self._limits = limits
        self._before: deque[tuple[int, FloatArray]] = deque()
        self._left_behind = 0.0
        self._t_ns = 0

    def update(self, t_ns: int, load: Load, pressure: FloatArray, moved: FloatArray) -> float:
        """Take in one sample.

        Args:
            load: What the pad carries.
            pressure: Compression of each taxel [N] (or depth [m]), shape (63,).
            moved: In-plane displacement of the gel's face [m], shape (63, 2).
        """
        if load.normal < self._limits.touched_n:
            self._before.clear()
            self._left_behind = 0.0
            self._t_ns = t_ns
            return 0.0
        shear = float(np.hypot(load.shear_x, load.shear_y))
        used = min(1.0, shear / (self._limits.friction * load.normal))
        fade = (t_ns - self._t_ns) / (self.HOLD_S * NS_PER_S)
        self._left_behind *= max(0.0, 1.0 - fade)
        self._t_ns = t_ns
        counts = float(np.clip(4.0 * used - 1.0, 0.0, 1.0))
        self._remember(t_ns, moved)
        if counts > 0.0:
            self._left_behind = max(self._left_behind, counts * self._edges(pressure, moved))
        return max(used, self._left_behind)

    def _remember(self, t_ns: int, moved: FloatArray) -> None:
        before = self._before
        before.append((t_ns, moved))
        while len(before) > 2 and t_ns - before[1][0] >= self.WINDOW_NS:
            before.popleft()

    def _edges(self, pressure: FloatArray, moved: FloatArray) -> float:
        """How much of their expected motion the edges did not make, 0 ... 1."""
        before, most = self._before, float(pressure.max())
        if most <= 0.0 or before[-1][0] - before[0][0] < self.WINDOW_NS // 2:
            return 0.0
        came = before[0][1][:, :2]
        step = moved[:, :2] - came
        if float(np.abs(pressure @ step).max()) < self._LEAST_MOVED / 2 * float(pressure.sum()):
            return 0.0  # nothing moves: the usual case, told cheaply
        middle, edge = pressure > 0.6 * most, (pressure > 0.05 * most) & (pressure < 0.3 * most)
        if edge.sum() < 4:
            return 0.0
        middle_step, middle_came = step[middle].mean(axis=0), came[middle].mean(axis=0)
        edge_step, edge_came = step[edge].mean(axis=0), came[edge].mean(axis=0)
        size, way = float(np.hypot(*middle_step)), float(np.hypot(*middle_came))
        if size < self._LEAST_MOVED or way < self._LEAST_COME:
            return 0.0
        along = middle_came / way
        share = float(edge_came @ along) / way  # how much of the middle's way the edges made
        if share < 0.1 or float(middle_step @ along) < 0.5 * size:
            return 0.0  # the shear is going back, or the edges never came along
        expected = share * float(middle_step @ along)
        return float(np.clip(1.0 - float(edge_step @ along) / expected, 0.0, 1.0))
