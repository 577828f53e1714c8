"""Raw units ↔ numbers of about one, for each key of a batch and for its actions.

Fitted once on prepared batches of the training data, stored as JSON in the checkpoint, and used
unchanged ever after. Works on numpy arrays and on torch tensors; imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from devices.errors import PolicyError
from devices.stream import FloatArray

Mode = Literal["range", "percentile", "standard", "identity", "image"]
MODES: tuple[str, ...] = get_args(Mode)
Modes = Mode | Sequence[Mode]

CLIP = 1.5
"""Largest normalised value under "range" and "percentile": what is seen live may lie outside of
what was seen in training, but a network should not be asked about far worlds."""

_ALIKE = 1e-4
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Scale:
    """normalised = clip((raw - offset) / scale), for one key.

    Attributes:
        modes: One for each column, or a single one for all.
        offset, scale: In raw units; the shape of one row of the key, or () for images. A column
            that never changed in training has scale 1, so that it stays finite.
        limit: Largest magnitude of a normalised value, inf where there is none; shaped alike.
    """

    modes: tuple[Mode, ...]
    offset: FloatArray
    scale: FloatArray
    limit: FloatArray


class Normaliser:
    """The scales of all keys. Immutable.

    Args:
        scales: By key; "actions" is the key of actions.
    """

    def __init__(self, scales: Mapping[str, Scale]) -> None:
        self.scales = dict(scales)
        self._tensors: dict[tuple[str, Any, Any], tuple[Any, Any, Any]] = {}

    @classmethod
    def fit(
        cls,
        batches: Iterable[Mapping[str, Any]],
        modes: Mapping[str, Modes],
        *,
        chunk_keys: Iterable[str] = ("actions",),
        rows: int = 200_000,
    ) -> Normaliser:
        """Scales out of prepared batches.

        Args:
            batches: Batches as `prepare` returns them: by key (B, n, *shape).
            modes: By key; one mode, or one a column of a row (of the flattened row where rows have
                more than one axis). "range": smallest to largest value becomes -1 to 1.
                "percentile": the same with the 2nd and the 98th percentile, for data with outliers.
                "standard": mean 0, deviation 1. "identity": left alone (columns of a rotation,
                booleans). "image": 0 to 255 becomes -1 to 1. Keys without a mode get no scale.
            chunk_keys: Keys with one row for each action: rows after the end of an episode, where
                `mask` is False, are repetitions and not counted.
            rows: Most rows of a key to keep; the first ones, so batches should come shuffled.

        Raises:
            PolicyError: For an unknown mode or key, modes that do not fit the columns, values that
                are not finite, or no batch at all.
        """
        chunk_keys = frozenset(chunk_keys)
        kept: dict[str, list[npt.NDArray[Any]]] = {key: [] for key in modes}
        shapes: dict[str, tuple[int, ...]] = {}
        counts = dict.fromkeys(modes, 0)
        for batch in batches:
            mask = _array(batch["mask"]) if "mask" in batch else None
            for key in modes:
                if key not in batch:
                    raise PolicyError(
                        f"A batch has no key '{key}' to fit the normaliser on", allowed=batch
                    )
                values = _array(batch[key])
                shapes[key] = values.shape[2:]
                if modes[key] == "image" or counts[key] >= rows:
                    continue
                if mask is not None and key in chunk_keys:
                    chosen = values[mask]
                else:
                    chosen = values.reshape(-1, *values.shape[2:])
                kept[key].append(chosen[: rows - counts[key]].astype(np.float64))
                counts[key] += len(kept[key][-1])
        if not shapes:
            raise PolicyError("A normaliser cannot be fitted without any batch")
        scales = {}
        for key, wanted in modes.items():
            parts = kept[key] or [np.empty((0, *shapes[key]))]
            scales[key] = _fitted(key, np.concatenate(parts), wanted)
        return cls(scales)

    def __contains__(self, key: str) -> bool:
        return key in self.scales

    def normalise(self, key: str, x: Any) -> Any:
        """Raw to normalised: array or tensor (..., *shape) of `key`; floats stay of their type,
        integers (images) become float32.

        Raises:
            PolicyError: For a key that has no scale, or another shape.
        """
        offset, scale, limit = self._parts(key, x)
        if isinstance(x, np.ndarray):
            if x.dtype.kind != "f":
                x = x.astype(np.float32)
            return np.clip((x - offset) / scale, -limit, limit).astype(x.dtype, copy=False)
        return ((x - offset) / scale).clamp(-limit, limit)

    def denormalise(self, key: str, x: Any) -> Any:
        """Normalised to raw, the inverse of `normalise` where nothing was clipped."""
        offset, scale, _ = self._parts(key, x)
        if isinstance(x, np.ndarray):
            return (x * scale + offset).astype(x.dtype, copy=False)
        return x * scale + offset

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; floats come back bit by bit."""
        return {
            key: {
                "modes": list(scale.modes),
                "shape": list(scale.offset.shape),
                "offset": scale.offset.reshape(-1).tolist(),
                "scale": scale.scale.reshape(-1).tolist(),
                "limit": [None if np.isinf(n) else n for n in scale.limit.reshape(-1).tolist()],
            }
            for key, scale in self.scales.items()
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Normaliser:
        """What `to_json` gave.

        Raises:
            PolicyError: Naming the key whose numbers are missing, not finite or of another shape.
        """
        scales = {}
        for key, of_key in fields.items():
            try:
                shape = tuple(int(n) for n in of_key["shape"])
                modes = tuple(of_key["modes"])
                limits = [np.inf if n is None else n for n in of_key["limit"]]
                offset, scale, limit = (
                    np.array(part, dtype=np.float64).reshape(shape)
                    for part in (of_key["offset"], of_key["scale"], limits)
                )
            except (KeyError, TypeError, ValueError) as error:
                raise PolicyError(f"The normaliser of '{key}' cannot be read: {error}") from error
            unknown = [mode for mode in modes if mode not in MODES]
            if unknown:
                raise PolicyError(f"'{key}' is normalised by {unknown[0]!r}", allowed=MODES)
            if not (np.isfinite(offset).all() and np.isfinite(scale).all()):
                raise PolicyError(f"The normaliser of '{key}' has numbers that are not finite")
            if not ((scale > 0).all() and (limit > 0).all()):
                raise PolicyError(f"The normaliser of '{key}' divides by what is not positive")
            scales[key] = Scale(modes, offset, scale, limit)
        return cls(scales)

    def _parts(self, key: str, x: Any) -> tuple[Any, Any, Any]:
        try:
            scale = self.scales[key]
        except KeyError:
            raise PolicyError(f"Nothing normalises '{key}'", allowed=self.scales) from None
        axes = scale.offset.ndim
        if tuple(x.shape[x.ndim - axes :]) != scale.offset.shape:
            raise PolicyError(
                f"'{key}' has rows of {scale.offset.shape}, not an array of {tuple(x.shape)}"
            )
        if isinstance(x, np.ndarray):
            return scale.offset, scale.scale, scale.limit
        place = (key, x.dtype, x.device)
        if place not in self._tensors:
            like = x if x.is_floating_point() else x.new_empty(0).float()
            self._tensors[place] = (
                like.new_tensor(scale.offset),
                like.new_tensor(scale.scale),
                like.new_tensor(scale.limit),
            )
        return self._tensors[place]


def _fitted(key: str, values: FloatArray, wanted: Modes) -> Scale:
    """The scale of one key. Values: (N, *shape)."""
    shape = values.shape[1:]
    modes = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for mode in modes:
        if mode not in MODES:
            raise PolicyError(f"'{key}' cannot be normalised by {mode!r}", allowed=MODES)
    if modes == ("image",):
        return Scale(modes, np.array(127.5), np.array(127.5), np.array(np.inf))
    columns = values.reshape(len(values), -1)
    width = int(np.prod(shape, dtype=np.int64))
    if len(modes) not in (1, width) or "image" in modes:
        raise PolicyError(f"'{key}' has {width} columns but {len(modes)} modes: {modes}")
    if not len(columns):
        raise PolicyError(f"The normaliser of '{key}' has no rows to be fitted on")
    if not np.isfinite(columns).all():
        where = int(np.argwhere(~np.isfinite(columns).all(axis=0))[0, 0])
        raise PolicyError(
            f"Column {where} of '{key}' has values that are not finite",
            next_step="Leave this stream out of the policy's needs, or use one that has no gaps",
        )
    low, high = columns.min(axis=0), columns.max(axis=0)
    few, many = np.percentile(columns, [2.0, 98.0], axis=0)
    alike = np.maximum(_TINY, _ALIKE * float((high - low).max()))
    middle = {"range": (low + high) / 2, "percentile": (few + many) / 2}
    half = {"range": (high - low) / 2, "percentile": (many - few) / 2}
    middle["standard"], half["standard"] = columns.mean(axis=0), columns.std(axis=0)
    offset, scale, limit = np.zeros(width), np.ones(width), np.full(width, np.inf)
    for column, mode in enumerate(modes if len(modes) == width else modes * width):
        if mode == "identity":
            continue
        offset[column] = middle[mode][column]
        # A column that is (nearly) always the same tells nothing; its noise must not be blown up.
        if 2 * half[mode][column] > alike:
            scale[column] = half[mode][column]
        if mode != "standard":
            limit[column] = CLIP
    return Scale(modes, offset.reshape(shape), scale.reshape(shape), limit.reshape(shape))


def _array(x: Any) -> npt.NDArray[Any]:
    return x if isinstance(x, np.ndarray) else np.asarray(x.detach().cpu().numpy())
