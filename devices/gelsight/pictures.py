"""Simulated pictures of marker gels: what the camera below the driver would have seen.

Everything from here on is a simulation and is labelled so where it is used as a camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from devices.errors import ConfigError
from devices.gelsight.gel import in_pixels
from devices.gelsight.kinds import PICTURE, SensorKind
from devices.stream import FloatArray

Picture = npt.NDArray[np.uint8]

_PHASES = 16  # dots are drawn at sixteenths of a pixel
_GUARD = 48  # [px] margin in which noise moves from picture to picture
_BIAS = 40  # noise is stored above zero by this much
_EDGE = 0.9  # [px] softness of a dot's edge in a sharp picture
_SHADES = (48, 64)  # [px] the grid on which the press is shaded, height and width

# Colours of the lit gel and its three lamps: (colour RGB, direction x, y, share of the light).
_LAMPS = (
    ((1.00, 0.35, 0.30), (-1.0, 0.15), 46.0),
    ((0.30, 1.00, 0.40), (0.25, -1.0), 40.0),
    ((0.35, 0.45, 1.00), (1.0, 0.60), 44.0),
)
_GEL = (104.0, 112.0, 116.0)
_DOT_DEPTH = 0.72  # share of the light that a dot swallows


@dataclass(frozen=True, slots=True)
class Look:
    """What is done to a picture.

    Attributes:
        noise: Standard deviation of a pixel's noise [0..255].
        blur: Standard deviation of the lens blur [px].
        light: Brightness [1]; 1 is as built.
        tilt: Further brightness from the left to the right edge, a share of the light [1].
        missing: Markers that are not drawn, row-major.
        glare: Bright spots (x, y, radius) [px].
        occluded: Things that cover the gel (x, y, width, height) [px].
        upside_down: The gel is put in turned by half a turn.
        mirrored: The picture is mirrored left to right.
    """

    noise: float = 2.0
    blur: float = 0.6
    light: float = 1.0
    tilt: float = 0.0
    missing: frozenset[int] = frozenset()
    glare: tuple[tuple[float, float, float], ...] = ()
    occluded: tuple[tuple[int, int, int, int], ...] = ()
    upside_down: bool = False
    mirrored: bool = False


class MarkerPictures:
    """Draws 640 x 480 RGB pictures of one gel under one look.

    Dots are stamps made in advance, one for each sixteenth of a pixel; so a picture costs one
    multiplication of a small patch a marker. The lit gel between the dots is made in advance too;
    only its shading under a press is drawn each time.

    Args:
        kind: Of the sensor.
        look: What is done to the pictures.
        seed: Of the noise and of the gel's irregularities.
    """

    def __init__(self, kind: SensorKind, look: Look | None = None, seed: int = 0) -> None:
        self.kind = kind
        self.look = look or Look()
        bad = sorted(index for index in self.look.missing if not 0 <= index < kind.count)
        if bad:
            raise ConfigError(f"Missing markers {bad} are not on a {kind.title}")
        self._random = np.random.default_rng(seed)
        self._stamps, self._reach = _stamps(kind.dot, self.look.blur)
        self._cover = _cover(self.look)
        self._gel = self._lit_gel()
        self._noise = self._noise_field()
        self._bias = np.full_like(self._gel, _BIAS)
        self._rest = kind.rest
        self._drawn = [index for index in range(kind.count) if index not in self.look.missing]

    def draw(self, offsets: FloatArray, depth: FloatArray | None = None) -> Picture:
        """One picture.

        Args:
            offsets: Of the markers from rest, over width and height, shape (N, 2).
            depth: How far each marker is pressed in, for the shading [1], shape (N,).

        Returns:
            Shape (480, 640, 3), RGB, a new array.
        """
        if offsets.shape != (self.kind.count, 2):
            raise ConfigError(
                f"Offsets of shape {offsets.shape} are not of a {self.kind.title}",
                allowed=[(self.kind.count, 2)],
            )
        picture = self._gel.copy()
        if depth is not None and np.abs(depth).max() > 1e-3:
            self._shade(picture, depth)
        self._dots(picture, self._rest + in_pixels(offsets))
        if self._cover is not None:
            picture = self._covered(picture)
        if self.look.noise > 0:
            y, x = self._random.integers(0, _GUARD, 2)
            cv2.add(picture, self._noise[y : y + PICTURE[1], x : x + PICTURE[0]], dst=picture)
            cv2.subtract(picture, self._bias, dst=picture)
        if self.look.upside_down:
            picture = np.asarray(cv2.flip(picture, -1), dtype=np.uint8)
        if self.look.mirrored:
            picture = np.asarray(cv2.flip(picture, 1), dtype=np.uint8)
        return picture

    def _dots(self, picture: Picture, at: FloatArray) -> None:
        width, height = PICTURE
        reach = self._reach
        near = np.floor(at).astype(int)
        phase = np.minimum(((at - near) * _PHASES).astype(int), _PHASES - 1)
        for index in self._drawn:
            x, y = near[index]
            x0, y0, x1, y1 = x - reach, y - reach, x + reach + 2, y + reach + 2
            if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
                continue
            stamp = self._stamps[phase[index, 1], phase[index, 0]]
            left, top = max(0, -x0), max(0, -y0)
            patch = picture[max(0, y0) : min(height, y1), max(0, x0) : min(width, x1)]
            stamp = stamp[top : top + patch.shape[0], left : left + patch.shape[1]]
            cv2.multiply(patch, stamp, dst=patch, scale=1 / 255)

    def _shade(self, picture: Picture, depth: FloatArray) -> None:
        """Slopes that face a lamp are brighter, those behind a press darker."""
        kind = self.kind
        grid = depth.reshape(kind.rows, kind.columns)
        step = (_SHADES[1] / PICTURE[0], _SHADES[0] / PICTURE[1])
        place = np.array(
            [
                [kind.pitch[0] * step[0], 0.0, kind.first[0] * step[0]],
                [0.0, kind.pitch[1] * step[1], kind.first[1] * step[1]],
            ]
        )
        hill = cv2.warpAffine(
            np.ascontiguousarray(grid, dtype=np.float32),
            place,
            (_SHADES[1], _SHADES[0]),
            flags=cv2.INTER_CUBIC,
        )
        hill = cv2.GaussianBlur(hill, (0, 0), 1.5)
        slope_x, slope_y = np.gradient(hill, axis=1), np.gradient(hill, axis=0)
        change = np.zeros((*_SHADES, 3), np.float32)
        for colour, (way_x, way_y), _ in _LAMPS:
            facing = -(way_x * slope_x + way_y * slope_y)
            change -= 420.0 * facing[..., None] * np.array(colour, np.float32)
        change *= self.look.light
        up = cv2.resize(np.clip(change, 0, 110).astype(np.uint8), PICTURE)
        down = cv2.resize(np.clip(-change, 0, 70).astype(np.uint8), PICTURE)
        cv2.add(picture, up, dst=picture)
        cv2.subtract(picture, down, dst=picture)

    def _lit_gel(self) -> Picture:
        width, height = PICTURE
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        light = np.zeros((height, width, 3))
        light += _GEL
        for colour, (way_x, way_y), share in _LAMPS:
            toward = way_x * x + way_y * y
            light += (share * np.exp(0.55 * toward - 0.9))[..., None] * np.array(colour)
        light *= (1.0 - 0.22 * (x**2 + y**2) ** 1.2)[..., None]  # darker towards the corners
        rough = cv2.resize(self._random.normal(0, 1, (30, 40)).astype(np.float32), PICTURE)
        light += (2.0 * cv2.GaussianBlur(rough, (0, 0), 9))[..., None]
        light *= self.look.light * (1.0 + self.look.tilt * x / 2)[..., None]
        return np.asarray(np.clip(light, 0, 255), dtype=np.uint8)

    def _noise_field(self) -> Picture:
        shape = (PICTURE[1] + _GUARD, PICTURE[0] + _GUARD, 3)
        grain = self._random.normal(0.0, 1.0, shape).astype(np.float32) * self.look.noise
        return np.asarray(np.clip(np.rint(grain + _BIAS), 0, 2 * _BIAS), dtype=np.uint8)

    def _covered(self, picture: Picture) -> Picture:
        assert self._cover is not None
        keep, over = self._cover
        cv2.multiply(picture, keep, dst=picture, scale=1 / 255)
        return np.asarray(cv2.add(picture, over), dtype=np.uint8)


def _stamps(radius: float, blur: float) -> tuple[npt.NDArray[np.uint8], int]:
    """What a dot lets through, 0..255, shape (phase y, phase x, size, size, 3); and its reach."""
    soft = float(np.hypot(_EDGE, blur))
    reach = int(np.ceil(radius + 3 * soft)) + 1
    size = 2 * reach + 2
    span = np.arange(size) - reach
    stamps = np.empty((_PHASES, _PHASES, size, size, 3), np.uint8)
    shift = (np.arange(_PHASES) + 0.5) / _PHASES
    for row, dy in enumerate(shift):
        for column, dx in enumerate(shift):
            far = np.hypot(span[:, None] - dy, span[None, :] - dx)
            inside = 1.0 / (1.0 + np.exp(1.7 * (far - radius) / soft))
            through = np.rint(255.0 * (1.0 - _DOT_DEPTH * inside))
            stamps[row, column] = through[..., None]
    return stamps, reach


def _cover(look: Look) -> tuple[Picture, Picture] | None:
    """What covers the gel: the share that stays visible and what is added, 0..255."""
    if not look.glare and not look.occluded:
        return None
    width, height = PICTURE
    keep = np.full((height, width), 1.0, np.float32)
    over = np.zeros((height, width, 3), np.float32)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    for left, top, wide, high in look.occluded:
        inside = (x >= left) & (x < left + wide) & (y >= top) & (y < top + high)
        keep[inside] = 0.0
        over[inside] = (58.0, 50.0, 44.0)
    for middle_x, middle_y, radius in look.glare:
        far = np.hypot(x - middle_x, y - middle_y)
        bright = np.clip(1.6 - 1.6 * (far / radius) ** 2, 0, 1).astype(np.float32)
        keep *= 1.0 - bright
        over = over * (1 - bright[..., None]) + 250.0 * bright[..., None]
    soft = max(1.0, look.blur)
    stays = np.rint(255 * cv2.GaussianBlur(np.dstack([keep] * 3), (0, 0), soft))
    added = np.rint(np.clip(cv2.GaussianBlur(over, (0, 0), soft), 0, 255))
    return stays.astype(np.uint8), added.astype(np.uint8)
