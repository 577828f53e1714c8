"""A measured transform between a robot's base and the world, as calibrations are published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from devices.errors import WireError
from devices.pose import Pose, quat_conjugate, quat_from_matrix
from devices.stream import FloatArray


@dataclass(frozen=True, slots=True)
class Extrinsics:
    """`T_a_b` as measured. Points go through the matrix as it is, turns through its nearest
    rotation.

    A calibration that was fitted without constraint is not quite rigid: the published cell has a
    shear of 0.7 %, which is 4 mm at arm's length. Its matrix is what was fitted to points; a
    quaternion can only hold the nearest rotation.

    Attributes:
        matrix: Shape (4, 4), read-only [m].
        quat: Nearest rotation wxyz, shape (4,), read-only.
    """

    matrix: FloatArray
    quat: FloatArray

    @classmethod
    def from_matrix(cls, matrix: npt.ArrayLike) -> Extrinsics:
        """Raises WireError for a matrix that is not even roughly (to 2 %) a rigid transform."""
        T = np.array(matrix, dtype=np.float64)
        if T.shape != (4, 4) or not np.isfinite(T).all():
            raise WireError(f"A transform of shape {T.shape}", allowed=("4 x 4 finite numbers",))
        left, _, right = np.linalg.svd(T[:3, :3])
        rotation = left @ right
        if np.linalg.det(rotation) < 0 or np.abs(rotation - T[:3, :3]).max() > 0.02:
            raise WireError("A transform has no rotation in its upper left part")
        if not np.allclose(T[3], [0.0, 0.0, 0.0, 1.0], atol=1e-9):
            raise WireError(f"The last row of a transform is {T[3].tolist()}", allowed=("0 0 0 1",))
        return cls._frozen(T, quat_from_matrix(rotation))

    @classmethod
    def from_pose(cls, pose: Pose) -> Extrinsics:
        """A pose is a transform that is exactly rigid."""
        return cls._frozen(pose.to_matrix(), np.array(pose.quat))

    @classmethod
    def _frozen(cls, matrix: FloatArray, quat: FloatArray) -> Extrinsics:
        matrix.flags.writeable = False
        quat.flags.writeable = False
        return cls(matrix, quat)

    def inverse(self) -> Extrinsics:
        """`T_b_a`: the exact inverse of the matrix, not that of the nearest rotation."""
        return self._frozen(np.linalg.inv(self.matrix), quat_conjugate(self.quat))

    def point(self, point: FloatArray) -> FloatArray:
        """A point (3,) [m] in b, told in a."""
        moved: FloatArray = self.matrix[:3, :3] @ point + self.matrix[:3, 3]
        return moved

    def displacement(self, delta: FloatArray) -> FloatArray:
        """A displacement (3,) [m] in b, told in a."""
        turned: FloatArray = self.matrix[:3, :3] @ delta
        return turned
