"""Poses and rotations: metres, quaternions wxyz, `T_a_b` maps b-coordinates to a-coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from devices.stream import FloatArray


def normalized(quat_wxyz: FloatArray) -> FloatArray:
    """Unit quaternion with w >= 0. Shape (4,).

    Raises:
        ValueError: For a quaternion of (nearly) zero or non-finite length.
    """
    quat = np.asarray(quat_wxyz, dtype=np.float64)
    norm = math.sqrt(float(quat @ quat))
    if not math.isfinite(norm) or norm < 1e-9:
        raise ValueError(f"not a rotation: quaternion {quat.tolist()}")
    return quat / (norm if quat[0] >= 0 else -norm)


def quat_multiply(a_wxyz: FloatArray, b_wxyz: FloatArray) -> FloatArray:
    """Hamilton product a * b (rotate by b, then by a). Shapes (4,)."""
    aw, ax, ay, az = a_wxyz
    bw, bx, by, bz = b_wxyz
    return np.array(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ]
    )


def quat_conjugate(quat_wxyz: FloatArray) -> FloatArray:
    """Inverse rotation of a unit quaternion. Shape (4,)."""
    return np.asarray(quat_wxyz, dtype=np.float64) * np.array([1.0, -1.0, -1.0, -1.0])


def quat_rotate(quat_wxyz: FloatArray, vector: FloatArray) -> FloatArray:
    """`vector` (3,) rotated by a unit quaternion."""
    # Written out: this runs thousands of times a second, and np.cross is slow for one vector.
    w, x, y, z = (float(part) for part in quat_wxyz)
    a, b, c = (float(part) for part in vector)
    p, q, r = y * c - z * b + w * a, z * a - x * c + w * b, x * b - y * a + w * c
    return np.array(
        [a + 2.0 * (y * r - z * q), b + 2.0 * (z * p - x * r), c + 2.0 * (x * q - y * p)]
    )


def quat_from_rotvec(rotvec: FloatArray) -> FloatArray:
    """Unit quaternion of a rotation vector [rad], shape (3,)."""
    rotvec = np.asarray(rotvec, dtype=np.float64)
    angle = float(np.linalg.norm(rotvec))
    if angle < 1e-12:
        return normalized(np.concatenate([[1.0], rotvec / 2.0]))
    return normalized(np.concatenate([[np.cos(angle / 2)], np.sin(angle / 2) * rotvec / angle]))


def rotvec_from_quat(quat_wxyz: FloatArray) -> FloatArray:
    """Rotation vector [rad] of a unit quaternion, angle in [0, pi]. Shape (3,)."""
    quat = normalized(quat_wxyz)
    sine = float(np.linalg.norm(quat[1:]))
    if sine < 1e-12:
        return 2.0 * quat[1:]
    return quat[1:] * (2.0 * np.arctan2(sine, quat[0]) / sine)


def quat_from_matrix(rotation: FloatArray) -> FloatArray:
    """Unit quaternion of a rotation matrix, shape (3, 3)."""
    m = np.asarray(rotation, dtype=np.float64).reshape(3, 3)
    candidates = np.array(
        [
            1 + m[0, 0] + m[1, 1] + m[2, 2],
            1 + m[0, 0] - m[1, 1] - m[2, 2],
            1 - m[0, 0] + m[1, 1] - m[2, 2],
            1 - m[0, 0] - m[1, 1] + m[2, 2],
        ]
    )
    best = int(np.argmax(candidates))
    rows = (
        [candidates[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], candidates[1], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
        [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], candidates[2], m[1, 2] + m[2, 1]],
        [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], candidates[3]],
    )
    return normalized(np.array(rows[best]))


def matrix_from_quat(quat_wxyz: FloatArray) -> FloatArray:
    """Rotation matrix (3, 3) of a unit quaternion."""
    w, x, y, z = quat_wxyz
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


@dataclass(frozen=True, slots=True)
class Pose:
    """A rigid transform `T_a_b`.

    Attributes:
        position: Origin of b in a [m], shape (3,), read-only.
        quat: Rotation of b in a, unit quaternion wxyz, shape (4,), read-only.
    """

    position: FloatArray
    quat: FloatArray

    def __post_init__(self) -> None:
        position = np.array(self.position, dtype=np.float64).reshape(3)
        quat = normalized(np.array(self.quat, dtype=np.float64).reshape(4))
        position.flags.writeable = False
        quat.flags.writeable = False
        object.__setattr__(self, "position", position)
        object.__setattr__(self, "quat", quat)

    @classmethod
    def identity(cls) -> Pose:
        return cls(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))

    @classmethod
    def from_array(cls, array: FloatArray) -> Pose:
        """From (x, y, z, qw, qx, qy, qz), shape (7,)."""
        array = np.asarray(array, dtype=np.float64)
        return cls(array[:3], array[3:7])

    def to_array(self) -> FloatArray:
        """(x, y, z, qw, qx, qy, qz), shape (7,)."""
        return np.concatenate([self.position, self.quat])

    def to_matrix(self) -> FloatArray:
        """Homogeneous matrix, shape (4, 4)."""
        matrix = np.eye(4)
        matrix[:3, :3] = matrix_from_quat(self.quat)
        matrix[:3, 3] = self.position
        return matrix

    def __matmul__(self, other: Pose) -> Pose:
        """`T_a_b @ T_b_c = T_a_c`."""
        return Pose(
            self.position + quat_rotate(self.quat, other.position),
            quat_multiply(self.quat, other.quat),
        )

    def inverse(self) -> Pose:
        """`T_b_a`."""
        conjugate = quat_conjugate(self.quat)
        return Pose(-quat_rotate(conjugate, self.position), conjugate)

    def apply(self, point: FloatArray) -> FloatArray:
        """A point (3,) [m] in b, told in a."""
        return self.position + quat_rotate(self.quat, point)
