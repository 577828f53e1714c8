"""What is read from a tactile field, and its telling as GelSight marker offsets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devices.errors import ConfigError
from devices.touch import (
    NORMAL,
    SHEAR_COLUMNS,
    SHEAR_ROWS,
    MarkerModel,
    PadGeometry,
    center_of_pressure,
    slip_hint,
    taxel_forces,
    torsion,
    total_force,
)

PAD = PadGeometry(rows=7, columns=9, height=0.018, width=0.024)
FIELDS = arrays(np.float64, (7, 9, 3), elements=st.floats(-2, 2).map(lambda v: round(v, 3)))
PCA = Path(__file__).parents[2].parent / "shared/data/tactar/PCA_Transform_GelSight"


def bump(sigma: float = 0.006) -> npt.NDArray[np.float64]:
    """A round patch of unit force in the middle, shape (7, 9)."""
    x, y = np.meshgrid(PAD.column_positions, PAD.row_positions)
    patch = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return np.asarray(patch / patch.sum())


def single(channel: int, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    field = np.zeros((7, 9, 3))
    field[..., channel] = weights
    return field


def test_channels_point_along_the_pads_axes() -> None:
    one = np.full((7, 9), 1 / 63)
    assert np.allclose(total_force(single(NORMAL, one)), [0, 0, -1])
    assert np.allclose(total_force(single(SHEAR_ROWS, one)), [0, 1, 0])
    assert np.allclose(total_force(single(SHEAR_COLUMNS, one)), [1, 0, 0])


@given(st.integers(0, 6), st.integers(0, 8))
def test_the_center_of_pressure_is_where_the_force_is(row: int, column: int) -> None:
    weights = np.zeros((7, 9))
    weights[row, column] = 3.0
    center = center_of_pressure(single(NORMAL, weights), PAD)
    assert center is not None
    assert np.allclose(center, PAD.taxel_positions[row, column, :2])


def test_a_free_pad_has_no_center_and_no_torsion() -> None:
    free = np.zeros((7, 9, 3))
    assert center_of_pressure(free, PAD) is None
    assert torsion(free, PAD) is None
    assert slip_hint(free, 1.0) == 0.0


def test_torsion_is_counted_about_the_center_of_pressure() -> None:
    field = single(NORMAL, bump())
    x, y = np.meshgrid(PAD.column_positions, PAD.row_positions)
    field[..., SHEAR_COLUMNS], field[..., SHEAR_ROWS] = -100 * bump() * y, 100 * bump() * x
    turning = torsion(field, PAD)
    assert turning is not None and turning == pytest.approx(100 * (bump() * (x**2 + y**2)).sum())
    field[..., SHEAR_COLUMNS] += bump()  # a straight pull turns nothing
    assert torsion(field, PAD) == pytest.approx(turning)


def test_the_slip_hint_grows_with_shear() -> None:
    field = single(NORMAL, 10 * bump())
    hints = []
    for pull in (0.0, 4.0, 9.0, 30.0):
        field[..., SHEAR_ROWS] = pull * bump()
        hints.append(slip_hint(field, friction=1.0))
    assert hints == pytest.approx([0.0, 0.4, 0.9, 1.0])


@given(FIELDS, FIELDS, st.floats(-3, 3))
def test_marker_offsets_are_linear(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], scale: float
) -> None:
    model = MarkerModel(PAD)
    together = model.offsets(a + scale * b)
    assert np.allclose(together, model.offsets(a) + scale * model.offsets(b), atol=1e-12)


def test_a_press_pushes_the_markers_apart() -> None:
    model = MarkerModel(PAD)
    outward = model.markers - 0.5
    offsets = model.offsets(single(NORMAL, 5 * bump()))
    assert (np.sum(outward * offsets, axis=1) >= -1e-12).all()
    assert np.abs(offsets.mean(axis=0)).max() < 1e-12


def test_markers_lie_on_the_published_grid() -> None:
    markers = MarkerModel(PAD).markers * [640, 480]
    assert np.allclose(markers[0], [143, 108])
    assert np.allclose(markers[1], [185, 108]) and np.allclose(markers[9], [143, 154])


def test_other_pads_have_no_gelsight_markers() -> None:
    with pytest.raises(ConfigError, match="7 x 9"):
        MarkerModel(PadGeometry(rows=5, columns=5, height=0.02, width=0.02))
    with pytest.raises(ConfigError, match=r"\(7, 9, 3\)"):
        MarkerModel(PAD).offsets(np.zeros((5, 5, 3)))


def test_forces_are_vectors_in_the_pads_frame() -> None:
    field = np.zeros((7, 9, 3))
    field[2, 3] = [1.0, 2.0, 3.0]
    assert taxel_forces(field)[2, 3].tolist() == [3.0, 2.0, -1.0]


@pytest.mark.shared_data
@pytest.mark.skipif(not PCA.is_dir(), reason=f"the published PCA is not at {PCA}")
@pytest.mark.parametrize(
    ("channel", "component"), [(SHEAR_ROWS, 0), (NORMAL, 3)], ids=["shear", "press"]
)
@pytest.mark.parametrize("sigma", [0.0045, 0.006, 0.009])
def test_the_published_pca_reads_our_field(channel: int, component: int, sigma: float) -> None:
    """Columns of the published transform mean: 0 shear along y, 3 expansion (normal force)."""
    transform = np.load(PCA / "pca_transform_matrix.npy", allow_pickle=False).astype(np.float64)
    offsets = MarkerModel(PAD).offsets(single(channel, bump(sigma))).ravel()
    embedding = offsets @ transform
    assert int(np.argmax(np.abs(embedding))) == component
    assert abs(embedding[component]) > 0.8 * np.linalg.norm(offsets)
    rebuilt = transform @ embedding
    assert np.linalg.norm(rebuilt - offsets) < 0.2 * np.linalg.norm(offsets)
