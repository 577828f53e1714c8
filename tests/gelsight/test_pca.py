"""Transforms: what is refused, what comes back, and that pictures and the model agree."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.errors import ConfigError
from devices.gelsight import basis, pca
from devices.gelsight.gel import Gel
from devices.gelsight.kinds import GELSIGHT_MINI, KINDS, MCTAC, PICTURE, SensorKind
from devices.gelsight.tracker import Markers, MarkerTracker
from tests.gelsight.known_fields import painter

SHARED = Path(__file__).parents[2].parent / "shared/data/tactar"
FOLDERS = {GELSIGHT_MINI: "PCA_Transform_GelSight", MCTAC: "PCA_Transform_McTAC_v1"}

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def published(kind: SensorKind) -> pca.Transform:
    folder = SHARED / FOLDERS[kind]
    if not folder.is_dir():
        pytest.skip(f"the published transform is not at {folder}")
    return pca.load(folder, kind)


def write(folder: Path, matrix: npt.NDArray[np.generic], mean: npt.NDArray[np.generic]) -> Path:
    np.save(folder / pca.MATRIX_FILE, matrix)
    np.save(folder / pca.MEAN_FILE, mean)
    return folder


def good(kind: SensorKind) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Arrays shaped like the published ones."""
    own = basis.own(kind)
    return own.matrix.astype(np.float32), own.mean.astype(np.float32)


@both
def test_matrices_of_the_published_shape_load(kind: SensorKind, tmp_path: Path) -> None:
    matrix, mean = good(kind)
    transform = pca.load(write(tmp_path, matrix, mean), kind)
    assert transform.components == 15
    assert np.array_equal(transform.matrix, matrix) and np.array_equal(transform.mean, mean)


@both
def test_another_sensors_transform_is_refused_with_both_shapes(
    kind: SensorKind, tmp_path: Path
) -> None:
    other = MCTAC if kind is GELSIGHT_MINI else GELSIGHT_MINI
    with pytest.raises(ConfigError) as caught:
        pca.load(write(tmp_path, *good(other)), kind)
    assert f"({2 * other.count}, 15)" in str(caught.value)
    assert f"({2 * kind.count}, 15)" in str(caught.value)
    with pytest.raises(ConfigError, match=other.name):
        pca.load(basis.path_of(other), kind)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("nan", "not finite"),
        ("infinite mean", "not finite"),
        ("stretched", "not orthonormal"),
        ("twice the same", "not orthonormal"),
        ("short mean", "mean of shape"),
        ("flat", "does not fit"),
        ("integers", "not finite reals"),
        ("text", "not finite reals"),
    ],
)
def test_spoilt_matrices_are_refused(spoil: str, said: str, tmp_path: Path) -> None:
    matrix: npt.NDArray[np.generic]
    matrix, mean = good(MCTAC)
    if spoil == "nan":
        matrix[3, 2] = np.nan
    elif spoil == "infinite mean":
        mean[4] = np.inf
    elif spoil == "stretched":
        matrix = matrix * np.float32(1.01)
    elif spoil == "twice the same":
        matrix[:, 1] = matrix[:, 0]
    elif spoil == "short mean":
        mean = mean[:-2]
    elif spoil == "flat":
        matrix = matrix.ravel()
    elif spoil == "integers":
        matrix = matrix.astype(np.int64)
    else:
        matrix = matrix.astype("U8")
    with pytest.raises(ConfigError, match=said):
        pca.load(write(tmp_path, matrix, mean), MCTAC)


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("sprung",)


def test_pickles_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matrix, mean = good(MCTAC)
    trap = np.array([_Trap()], dtype=object)
    write(tmp_path, matrix, mean)
    np.save(tmp_path / pca.MATRIX_FILE, trap, allow_pickle=True)
    np.savez(tmp_path / "trap.npz", kind=np.array("mctac"), matrix=trap, mean=mean)
    for path in (tmp_path, tmp_path / "trap.npz"):
        with pytest.raises(ConfigError):
            pca.load(path, MCTAC)
    assert not (tmp_path / "sprung").exists()


def test_files_that_lie_about_their_size_are_refused(tmp_path: Path) -> None:
    matrix, mean = good(MCTAC)
    write(tmp_path, matrix, mean)
    header = io.BytesIO()
    huge = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 15)}
    np.lib.format.write_array_header_1_0(header, huge)
    (tmp_path / pca.MATRIX_FILE).write_bytes(header.getvalue() + bytes(64))
    with pytest.raises(ConfigError):
        pca.load(tmp_path, MCTAC)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("matrix.npy", bytes(50_000_000))
    with pytest.raises(ConfigError, match="unpacks"):
        pca.load(tmp_path / "bomb.npz", MCTAC)
    (tmp_path / "large.npz").write_bytes(bytes(2_000_000))
    with pytest.raises(ConfigError, match="too large"):
        pca.load(tmp_path / "large.npz", MCTAC)
    with pytest.raises(ConfigError, match="no transform"):
        pca.load(tmp_path / "absent.npz", MCTAC)


@settings(deadline=None, max_examples=50)
@given(content=st.binary(max_size=400))
def test_garbage_is_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("garbage")
    (folder / "file.npz").write_bytes(content)
    write(folder, *good(MCTAC))
    (folder / pca.MATRIX_FILE).write_bytes(content)
    for path in (folder / "file.npz", folder):
        with pytest.raises(ConfigError):
            pca.load(path, MCTAC)


@both
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), components=st.integers(1, 15))
def test_a_fit_is_the_best_linear_rebuild(kind: SensorKind, seed: int, components: int) -> None:
    """Rows of a low rank come back whole; embeddings are uncorrelated; order is by variance."""
    random = np.random.default_rng(seed)
    ways = random.normal(size=(components, 2 * kind.count))
    rows = random.normal(size=(80, components)) @ ways + random.normal(size=2 * kind.count)
    transform = pca.fit(rows, kind, components)
    embedded = np.stack([transform.embed(row.reshape(-1, 2)) for row in rows])
    rebuilt = np.stack([transform.rebuild(row).ravel() for row in embedded])
    assert np.allclose(rebuilt, rows, atol=1e-9)
    spread = np.atleast_2d(np.cov(embedded.T))
    assert np.allclose(spread, np.diag(np.diag(spread)), atol=1e-8 * spread.max())
    assert (np.diff(np.diag(spread)) <= 1e-9).all()
    again = pca.fit(rows[::-1], kind, components)
    assert np.allclose(again.matrix, transform.matrix, atol=1e-6)


@both
def test_fits_that_cannot_be_are_refused(kind: SensorKind) -> None:
    rows = np.zeros((4, kind.count, 2))
    with pytest.raises(ConfigError, match="no 15 components"):
        pca.fit(rows, kind)
    with pytest.raises(ConfigError, match="no 2 components"):
        pca.fit(np.zeros((40, kind.count - 1, 2)), kind, 2)
    with pytest.raises(ConfigError, match="NaN"):
        pca.fit(np.full((40, kind.count, 2), np.nan), kind, 2)


@both
def test_saved_and_loaded_is_the_same(kind: SensorKind, tmp_path: Path) -> None:
    transform = basis.own(kind)
    transform.save(tmp_path / "again.npz")
    again = pca.load(tmp_path / "again.npz", kind)
    assert np.array_equal(again.matrix, transform.matrix)
    assert np.array_equal(again.mean, transform.mean)


@both
def test_shapes_are_checked_when_used(kind: SensorKind) -> None:
    transform = basis.own(kind)
    with pytest.raises(ConfigError, match=rf"\({kind.count}, 2\)"):
        transform.embed(np.zeros((kind.count, 3)))
    with pytest.raises(ConfigError, match=r"\(15,\)"):
        transform.rebuild(np.zeros(14))


@both
def test_our_own_transform_is_what_the_command_makes(kind: SensorKind) -> None:
    fitted, own = basis.fitted(kind), basis.own(kind)
    assert np.allclose(fitted.matrix, own.matrix, atol=1e-4)
    assert np.allclose(fitted.mean, own.mean, atol=1e-6)
    assert own.axes()[:4] == ("shear y", "shear x", "torsion", "expansion")


@both
def test_our_own_transform_rebuilds_loads_it_has_not_seen(kind: SensorKind) -> None:
    own, gel = basis.own(kind), Gel(kind)
    left, all_ = 0.0, 0.0
    for field in basis.simulated_loads(200, seed=99):
        offsets = gel.offsets(field)
        left += float(((own.rebuild(own.embed(offsets)) - offsets) ** 2).sum())
        all_ += float((offsets**2).sum())
    assert left < 0.01 * all_


@pytest.mark.shared_data
def test_the_published_axes_are_named() -> None:
    assert published(GELSIGHT_MINI).axes()[:4] == (
        "shear y",
        "torsion + shear x",
        "shear x - torsion",
        "expansion",
    )
    assert published(MCTAC).axes()[:4] == ("shear y", "shear x", "-torsion", "expansion")


@both
@pytest.mark.parametrize("whose", ["ours", "published"])
def test_pictures_embed_as_the_model_does(kind: SensorKind, whose: str) -> None:
    """Forces to markers to a picture to markers to an embedding: the embedding of the model.

    Columns are orthonormal, so half a pixel RMS a marker is at most sqrt(N) / 2 px in all
    components together; we ask for a quarter of a pixel a marker.
    """
    transform = basis.own(kind) if whose == "ours" else published(kind)
    gel, tracker = Gel(kind), MarkerTracker(kind)
    tracker.track(painter(kind).draw(np.zeros((kind.count, 2))), 0)
    tolerance = 0.25 * np.sqrt(kind.count) / min(PICTURE)
    for field in basis.simulated_loads(20, seed=7):
        offsets = gel.offsets(field)
        markers = tracker.track(painter(kind).draw(offsets, gel.depth(field)), 0)
        assert isinstance(markers, Markers)
        difference = transform.embed(markers.offsets) - transform.embed(offsets)
        assert np.linalg.norm(difference) < tolerance
