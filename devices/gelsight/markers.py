"""Dots in a picture: where the markers of a gel are, to a fraction of a pixel.

Candidates are found at half resolution against a blurred background; each is then weighed at full
resolution in a small window of its own. A window's background is the plane through the ring around
it, so that neither shading nor a change of the light moves a dot.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from devices.gelsight.kinds import PICTURE, SensorKind
from devices.stream import FloatArray

_AROUND = 4  # [px] from a dot's edge to the ring that is its background
_RING = 3  # [px] width of the ring
_FLOOR = 0.25  # share of a dot's contrast that is taken off, so that noise around it weighs nothing
_THIN = 3.0  # a blob this many times longer than wide is none (published)
_OVAL = 1.5  # ratio of the second moments above which a dot is cut or two are one
_SMALL, _LARGE = 0.6, 1.7  # a dot's size against the median of its picture


@dataclass(frozen=True, slots=True)
class Refused:
    """A picture that tells nothing.

    Attributes:
        reason: For a reader.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Dots:
    """Dots of one picture, in no order.

    Attributes:
        at: Their middles [px], x and y, shape (M, 2).
        size: Their areas by weight [px^2], shape (M,).
    """

    at: FloatArray
    size: FloatArray


class DotFinder:
    """Finds the markers of one kind of sensor; keeps nothing from picture to picture."""

    def __init__(self, kind: SensorKind) -> None:
        self.kind = kind
        self._inner = round(kind.dot) + _AROUND
        outer = self._inner + _RING
        span = np.arange(-outer, outer + 1)
        far = np.hypot(span[:, None], span[None, :])
        self._offset_y, self._offset_x = span[:, None], span[None, :]
        inside = far <= self._inner
        ring = (far > self._inner) & (far <= outer)
        y, x = np.broadcast_arrays(self._offset_y, self._offset_x)
        self._ring = np.flatnonzero(ring)
        self._inside = np.flatnonzero(inside)
        self._middle = np.flatnonzero(far[inside] <= max(2.0, kind.dot / 3))
        design = np.stack([np.ones(ring.sum()), x[ring], y[ring]], axis=1)
        # From the ring's pixels to a plane, from the plane to the pixels inside: two products so
        # small that the linear algebra library does not start threads for them.
        self._to_plane = np.linalg.pinv(design).T.astype(np.float32)
        x, y = x[inside].astype(np.float32), y[inside].astype(np.float32)
        self._plane = np.stack([np.ones_like(x), x, y])
        self._moments = np.stack([np.ones_like(x), x, y, x**2, y**2, x * y], axis=1)
        self._low, self._high = _region(kind, outer)
        self._blur = 2 * (round(0.75 * min(kind.pitch)) // 2) + 1

    def find(self, picture: npt.NDArray[np.uint8]) -> Dots | Refused:
        """The dots of a picture.

        Args:
            picture: RGB, shape (480, 640, 3).
        """
        if picture.shape != (PICTURE[1], PICTURE[0], 3) or picture.dtype != np.uint8:
            return Refused(f"picture of {picture.shape} {picture.dtype}, not (480, 640, 3) uint8")
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        rough = self._candidates(grey)
        if len(rough) < self.kind.fewest:
            return self._too_few(len(rough))
        dots = self._weighed(grey, rough)
        if len(dots.at) < self.kind.fewest:
            return self._too_few(len(dots.at))
        return dots

    def _too_few(self, count: int) -> Refused:
        return Refused(
            f"{count} markers seen of {self.kind.count}, at least {self.kind.fewest} are needed"
        )

    def _candidates(self, grey: npt.NDArray[np.uint8]) -> FloatArray:
        """Rough middles of the blobs that may be dots [px], shape (M, 2)."""
        kind = self.kind
        half = cv2.resize(grey, (PICTURE[0] // 2, PICTURE[1] // 2), interpolation=cv2.INTER_AREA)
        around = cv2.blur(half, (self._blur, self._blur), borderType=cv2.BORDER_REFLECT)
        dark = cv2.addWeighted(around, 1.0 - kind.contrast, half, -1.0, -1.0)
        _, mask = cv2.threshold(dark, 0, 1, cv2.THRESH_BINARY)
        _, _, stats, middles = cv2.connectedComponentsWithStats(mask, connectivity=4)
        wide, high, area = stats[1:, cv2.CC_STAT_WIDTH], stats[1:, cv2.CC_STAT_HEIGHT], stats[1:, 4]
        at = middles[1:] * 2 + 0.5
        keep = (4 * area >= kind.area[0]) & (4 * area <= kind.area[1])
        keep &= (wide < _THIN * high) & (high < _THIN * wide)
        keep &= ((at >= self._low) & (at <= self._high)).all(axis=1)
        return np.asarray(at[keep])

    def _weighed(self, grey: npt.NDArray[np.uint8], rough: FloatArray) -> Dots:
        """Middles by weight of darkness; what is cut, merged or oddly sized is dropped."""
        near = np.rint(rough).astype(np.int64)
        rows = near[:, 1, None, None] + self._offset_y
        columns = near[:, 0, None, None] + self._offset_x
        patches = grey[rows, columns].reshape(len(near), -1)
        around = patches[:, self._ring].astype(np.float32) @ self._to_plane @ self._plane
        dark = around - patches[:, self._inside]
        contrast = dark[:, self._middle].mean(axis=1, keepdims=True)
        weight = np.clip(dark - _FLOOR * contrast, 0.0, (1 - _FLOOR) * np.abs(contrast))
        moments = weight @ self._moments
        mass = np.maximum(moments[:, 0], 1e-6)
        x, y, xx, yy, xy = (moments[:, 1:] / mass[:, None]).T
        xx, yy, xy = xx - x * x, yy - y * y, xy - x * y
        spread = np.sqrt((xx - yy) ** 2 / 4 + xy**2)
        mean = (xx + yy) / 2
        size = mass / np.maximum((1 - _FLOOR) * contrast[:, 0], 1e-6)
        good = (contrast[:, 0] > 3.0) & (mean + spread < _OVAL * (mean - spread))
        at = near + np.stack([x, y], axis=1)
        if good.any():
            usual = np.median(size[good])
            good &= (size > _SMALL * usual) & (size < _LARGE * usual)
        return Dots(at[good].astype(np.float64), size[good].astype(np.float64))


def _region(kind: SensorKind, reach: int) -> tuple[FloatArray, FloatArray]:
    """Where markers are looked for: the grid, either way up, and 0.7 pitches around it [px].

    Never so near the edge that a window would leave the picture.
    """
    last = np.array(PICTURE) - 1.0
    both = np.concatenate([kind.rest, last - kind.rest])
    around = 0.7 * np.array(kind.pitch)
    low, high = both.min(axis=0) - around, both.max(axis=0) + around
    return np.maximum(low, reach + 1), np.minimum(high, last - reach - 1)
