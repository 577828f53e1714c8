"""Where the 3-D view is seen from: projection, rays, orbiting, presets. No Qt, no OpenGL."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from devices.stream import FloatArray

MIN_DISTANCE, MAX_DISTANCE = 0.12, 6.0  # [m]
NEAR = 0.01  # [m] points nearer than this are behind the glass


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """A camera that looks at a point, as MuJoCo's free camera does.

    Attributes:
        lookat: Point in the middle of the picture [m], world frame.
        distance: From the eye to `lookat` [m].
        azimuth: Heading of the line of sight in the x-y plane, from +x towards +y [deg].
        elevation: Climb of the line of sight [deg]; negative looks down.
        fovy: Vertical opening angle [deg].
    """

    lookat: tuple[float, float, float] = (0.44, 0.0, 0.44)
    distance: float = 0.92
    azimuth: float = 0.0
    elevation: float = -53.0
    fovy: float = 45.0

    @property
    def axes(self) -> FloatArray:
        """Unit vectors right, up and forward of the picture in the world frame, shape (3, 3)."""
        az, el = math.radians(self.azimuth), math.radians(self.elevation)
        forward = (math.cos(el) * math.cos(az), math.cos(el) * math.sin(az), math.sin(el))
        right = (math.sin(az), -math.cos(az), 0.0)
        up = (-math.sin(el) * math.cos(az), -math.sin(el) * math.sin(az), math.cos(el))
        return np.array([right, up, forward])

    @property
    def eye(self) -> FloatArray:
        """Position of the eye [m], shape (3,), world frame."""
        return np.array(self.lookat) - self.distance * self.axes[2]

    def focal(self, height: float) -> float:
        """Pixels per unit of tangent in a picture `height` pixels high."""
        return height / (2.0 * math.tan(math.radians(self.fovy) / 2.0))

    def project(self, points: FloatArray, width: float, height: float) -> FloatArray:
        """World points in the picture.

        Args:
            points: [m], shape (..., 3), world frame.
            width, height: Size of the picture [px].

        Returns:
            x to the right and y down [px], and depth along the line of sight [m], shape (..., 3).
            Points behind the eye have a depth below `NEAR`; their x and y mean nothing.
        """
        seen = (np.asarray(points, dtype=np.float64) - self.eye) @ self.axes.T
        depth = seen[..., 2]
        scale = self.focal(height) / np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        return np.stack(
            [width / 2 + scale * seen[..., 0], height / 2 - scale * seen[..., 1], depth], axis=-1
        )

    def ray(self, x: float, y: float, width: float, height: float) -> FloatArray:
        """Unit direction (3,) in the world frame from the eye through a pixel."""
        focal = self.focal(height)
        right, up, forward = self.axes
        direction = forward + (x - width / 2) / focal * right - (y - height / 2) / focal * up
        return direction / np.linalg.norm(direction)

    def metres_per_pixel(self, depth: float, height: float) -> float:
        """Size of a pixel [m] on a plane across the line of sight at `depth` [m]."""
        return depth / self.focal(height)

    # ------------------------------------------------------------------------------- motions
    def orbit(self, dx: float, dy: float) -> Viewpoint:
        """Turn around `lookat` by a mouse motion [px]: 0.3 degrees a pixel."""
        elevation = min(89.0, max(-89.0, self.elevation - 0.3 * dy))
        return replace(self, azimuth=_wrapped(self.azimuth - 0.3 * dx), elevation=elevation)

    def pan(self, dx: float, dy: float, height: float) -> Viewpoint:
        """Shift so that what is at `lookat` follows a mouse motion [px]."""
        step = self.metres_per_pixel(self.distance, height)
        right, up, _ = self.axes
        moved = np.array(self.lookat) - step * dx * right + step * dy * up
        return replace(self, lookat=(float(moved[0]), float(moved[1]), float(moved[2])))

    def zoom(self, notches: float) -> Viewpoint:
        """Come nearer (positive) or go away; a notch of the wheel is 12 %."""
        distance = self.distance * math.exp(-0.12 * notches)
        return replace(self, distance=min(MAX_DISTANCE, max(MIN_DISTANCE, distance)))

    def towards(self, other: Viewpoint, amount: float) -> Viewpoint:
        """The way to `other`: 0 is here, 1 is there; azimuth takes the short way round."""
        s = min(1.0, max(0.0, amount))
        turn = _wrapped(other.azimuth - self.azimuth)
        here, there = np.array(self.lookat), np.array(other.lookat)
        lookat = here + s * (there - here)
        return Viewpoint(
            lookat=(float(lookat[0]), float(lookat[1]), float(lookat[2])),
            distance=self.distance * (other.distance / self.distance) ** s,
            azimuth=_wrapped(self.azimuth + s * turn),
            elevation=self.elevation + s * (other.elevation - self.elevation),
            fovy=self.fovy + s * (other.fovy - self.fovy),
        )


def _wrapped(degrees: float) -> float:
    """The same direction in (-180, 180]."""
    return 180.0 - (180.0 - degrees) % 360.0


PRESETS: Mapping[str, Viewpoint] = MappingProxyType(
    {
        "front": Viewpoint(lookat=(0.30, 0.0, 0.50), distance=1.25, azimuth=180.0, elevation=-24.0),
        "operator": Viewpoint(),
        "left": Viewpoint(lookat=(0.34, 0.0, 0.47), distance=1.15, azimuth=-90.0, elevation=-14.0),
        "right": Viewpoint(lookat=(0.34, 0.0, 0.47), distance=1.15, azimuth=90.0, elevation=-14.0),
        "top": Viewpoint(lookat=(0.42, 0.0, 0.44), distance=1.05, azimuth=0.0, elevation=-88.0),
        "close": Viewpoint(lookat=(0.42, 0.0, 0.46), distance=0.62, azimuth=158.0, elevation=-30.0),
    }
)
"""Names as in the action table; the robot's base is the origin and it looks along +x. "operator" is
what a person in the robot's place sees: from above the shoulders, left is left."""
