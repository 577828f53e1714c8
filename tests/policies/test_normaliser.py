"""The normaliser: what goes in comes out, and what goes out is of about one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.errors import PolicyError
from policies.normaliser import CLIP, Modes, Normaliser


def _fit(values: np.ndarray, modes: Modes, **batch: np.ndarray) -> Normaliser:
    return Normaliser.fit([{"x": values, **batch}], {"x": modes})


_finite = st.floats(-1e3, 1e3, width=32)


@given(
    st.lists(st.tuples(_finite, _finite, _finite), min_size=2, max_size=30),
    st.sampled_from(["range", "standard", "identity"]),
)
@settings(deadline=None, max_examples=60)
def test_what_was_seen_comes_back(rows: list[tuple[float, ...]], mode: Modes) -> None:
    x = np.array(rows).reshape(1, -1, 3)
    normaliser = _fit(x, mode)
    there = normaliser.normalise("x", x)
    assert np.isfinite(there).all()
    np.testing.assert_allclose(normaliser.denormalise("x", there), x, atol=1e-6, rtol=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_arrays_and_tensors_agree(seed: int) -> None:
    x = np.random.default_rng(seed).normal(3.0, 2.0, (4, 5, 3)).astype(np.float32)
    normaliser = _fit(x, ("range", "standard", "percentile"))
    ours = normaliser.normalise("x", x)
    theirs = normaliser.normalise("x", torch.from_numpy(x))
    assert ours.dtype == np.float32 and theirs.dtype == torch.float32
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)
    np.testing.assert_allclose(
        normaliser.denormalise("x", ours),
        normaliser.denormalise("x", torch.from_numpy(ours)).numpy(),
        atol=1e-5,
    )


def test_ranges_meet_their_ends_and_clip_beyond() -> None:
    x = np.linspace(-3.0, 7.0, 101).reshape(1, 101, 1)
    normaliser = _fit(x, "range")
    assert normaliser.normalise("x", np.array([[[-3.0], [2.0], [7.0]]])).ravel().tolist() == [
        -1.0,
        0.0,
        1.0,
    ]
    assert normaliser.normalise("x", np.array([[[1e9]]])).item() == CLIP
    percentile = _fit(x, "percentile")
    assert percentile.normalise("x", np.array([[[-2.8]]])).item() == pytest.approx(-1.0)


def test_a_constant_column_stays_finite_and_small() -> None:
    x = np.zeros((1, 50, 2))
    x[0, :, 0] = np.linspace(0.0, 1.0, 50)
    x[0, :, 1] = 5.0 + np.linspace(0.0, 1e-7, 50)
    for mode in ("range", "percentile", "standard"):
        there = _fit(x, mode).normalise("x", x)
        assert np.abs(there[..., 1]).max() < 1e-6


def test_standard_has_mean_nought_and_deviation_one() -> None:
    x = np.random.default_rng(0).normal(-4.0, 9.0, (3, 500, 2))
    there = _fit(x, "standard").normalise("x", x).reshape(-1, 2)
    np.testing.assert_allclose(there.mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(there.std(axis=0), 1.0, atol=1e-9)


def test_rows_after_the_end_do_not_count() -> None:
    actions = np.array([[[0.0], [1.0], [99.0]]])
    mask = np.array([[True, True, False]])
    fitted = Normaliser.fit([{"actions": actions, "mask": mask}], {"actions": "range"})
    assert fitted.normalise("actions", np.array([1.0])).item() == 1.0


def test_images_have_a_fixed_scale_and_become_floats() -> None:
    x = np.array([0, 255], dtype=np.uint8).reshape(1, 2, 1, 1, 1).repeat(3, axis=4)
    normaliser = _fit(x, "image")
    there = normaliser.normalise("x", x)
    assert there.dtype == np.float32 and there.min() == -1.0 and there.max() == 1.0
    tensor = normaliser.normalise("x", torch.from_numpy(x))
    assert tensor.dtype == torch.float32 and tensor.max() == 1.0


def test_json_comes_back_bit_by_bit() -> None:
    x = np.random.default_rng(1).normal(size=(2, 40, 3, 2))
    normaliser = _fit(x, ("range", "standard", "identity", "percentile", "range", "range"))
    again = Normaliser.from_json(json.loads(json.dumps(normaliser.to_json())))
    assert np.array_equal(normaliser.normalise("x", x), again.normalise("x", x))


@pytest.mark.parametrize(
    ("values", "modes", "said"),
    [
        (np.ones((1, 2, 2)), "median", "median"),
        (np.ones((1, 2, 2)), ("range",) * 3, "2 columns"),
        (np.array([[[1.0, np.nan]]]), "range", "Column 1 of 'x'"),
    ],
)
def test_what_cannot_be_fitted_is_named(values: np.ndarray, modes: Modes, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        _fit(values, modes)


def test_unknown_keys_shapes_and_broken_json_are_named() -> None:
    normaliser = _fit(np.ones((1, 2, 2)), "range")
    with pytest.raises(PolicyError, match="Nothing normalises 'y'"):
        normaliser.normalise("y", np.ones(2))
    with pytest.raises(PolicyError, match="rows of"):
        normaliser.normalise("x", np.ones(3))
    with pytest.raises(PolicyError, match="no key 'y'"):
        Normaliser.fit([{"x": np.ones((1, 1, 1))}], {"y": "range"})
    broken = normaliser.to_json()
    broken["x"]["scale"] = [0.0, 1.0]
    with pytest.raises(PolicyError, match="'x' divides"):
        Normaliser.from_json(broken)
    del broken["x"]["scale"]
    with pytest.raises(PolicyError, match="'x' cannot be read"):
        Normaliser.from_json(broken)
