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
    norm = math.sqrt(quat.dot(quat))
    if not 1e-9 <= norm < math.inf:
        raise ValueError(f"not a rotation: quaternion {quat.tolist()}")
    return quat / (norm if quat[0] >= 0 else -norm)


def quat_multiply(a_wxyz: FloatArray, b_wxyz: FloatArray) -> FloatArray:
    """Hamilton product a * b (rotate by b, then by a). Shapes (4,)."""
    # Numbers of Python's own: for four of them NumPy's are ten times as slow.
    aw, ax, ay, az = a_wxyz.tolist()
    bw, bx, by, bz = b_wxyz.tolist()
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
    w, x, y, z = quat_wxyz.tolist()
    return np.array([w, -x, -y, -z], dtype=np.float64)


def quat_rotate(quat_wxyz: FloatArray, vector: FloatArray) -> FloatArray:
    """`vector` (3,) rotated by a unit quaternion."""
    # Written out: this runs thousands of times a second, and np.cross is slow for one vector.
    w, x, y, z = quat_wxyz.tolist()
    a, b, c = vector.tolist()
    p, q, r = y * c - z * b + w * a, z * a - x * c + w * b, x * b - y * a + w * c
    return np.array(
        [a + 2.0 * (y * r - z * q), b + 2.0 * (z * p - x * r), c + 2.0 * (x * q - y * p)]
    )


def quat_from_rotvec(rotvec: FloatArray) -> FloatArray:
    """Unit quaternion of a rotation vector [rad], shape (3,)."""
    rotvec = np.asarray(rotvec, dtype=np.float64)
    angle = math.sqrt(rotvec.dot(rotvec))
    x, y, z = rotvec.tolist()
    if angle < 1e-12:
        return normalized(np.array([1.0, x / 2.0, y / 2.0, z / 2.0]))
    sine = float(np.sin(angle / 2))
    return normalized(
        np.array([np.cos(angle / 2), sine * x / angle, sine * y / angle, sine * z / angle])
    )


def rotvec_from_quat(quat_wxyz: FloatArray) -> FloatArray:
    """Rotation vector [rad] of a unit quaternion, angle in [0, pi]. Shape (3,)."""
    quat = normalized(quat_wxyz)
    vector = quat[1:]
    sine = math.sqrt(vector.dot(vector))
    if sine < 1e-12:
        return 2.0 * vector
    return vector * (2.0 * np.arctan2(sine, quat[0]) / sine)


def quat_from_matrix(rotation: FloatArray) -> FloatArray:
    """Unit quaternion of a rotation matrix, shape (3, 3)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = np.asarray(rotation, dtype=np.float64).tolist()
    candidates = [
        1 + xx + yy + zz,
        1 + xx - yy - zz,
        1 - xx + yy - zz,
        1 - xx - yy + zz,
    ]
    best = candidates.index(max(candidates))
    rows = (
        (candidates[0], zy - yz, xz - zx, yx - xy),
        (zy - yz, candidates[1], xy + yx, xz + zx),
        (xz - zx, xy + yx, candidates[2], yz + zy),
        (yx - xy, xz + zx, yz + zy, candidates[3]),
    )
    return normalized(np.array(rows[best]))


def matrix_from_quat(quat_wxyz: FloatArray) -> FloatArray:
    """Rotation matrix (3, 3) of a unit quaternion."""
    w, x, y, z = quat_wxyz.tolist()
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
        position = np.array(self.position, dtype=np.float64)
        if position.shape != (3,):
            position = position.reshape(3)
        quat = np.asarray(self.quat, dtype=np.float64)
        quat = normalized(quat if quat.shape == (4,) else quat.reshape(4))  # always a copy
        position.setflags(write=False)
        quat.setflags(write=False)
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
