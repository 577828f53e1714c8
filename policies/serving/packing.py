"""MessagePack with numpy arrays, as openpi's servers write them, bounded on both ways in.

An array is the map {b"__ndarray__": true, b"data": bytes, b"dtype": text, b"shape": list}, a numpy
scalar {b"__npgeneric__": true, b"data": number, b"dtype": text}. What comes from a peer may name
any dtype and shape: only plain numbers are accepted, and only if shape and bytes agree.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from devices.errors import WireError

MAX_BYTES = 64 << 20
_KINDS = "biuf"
_MAX_AXES = 8
_MAX_DEPTH = 8


def pack(value: Any) -> bytes:
    """Plain values, maps, lists and arrays as bytes.

    Raises:
        WireError: For an array that is not of plain numbers.
    """
    return msgspec.msgpack.encode(_told(value))


def unpack(data: bytes, limit: int = MAX_BYTES) -> Any:
    """What `pack` or an openpi peer wrote; arrays are read-only.

    Raises:
        WireError: For anything else, or more than `limit` bytes.
    """
    if len(data) > limit:
        raise WireError(f"A message of {len(data)} bytes", allowed=[f"up to {limit}"])
    try:
        value = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise WireError(f"A message is not MessagePack: {error}") from error
    return _heard(value, _MAX_DEPTH)


def _told(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _KINDS:
            raise WireError(f"An array of {value.dtype}", allowed=["numbers and booleans"])
        return {
            b"__ndarray__": True,
            b"data": np.ascontiguousarray(value).tobytes(),
            b"dtype": value.dtype.str,
            b"shape": list(value.shape),
        }
    if isinstance(value, dict):
        return {key: _told(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_told(one) for one in value]
    return value


def _heard(value: Any, depth: int) -> Any:
    if depth < 0:
        raise WireError("A message nests too deep")
    if isinstance(value, list):
        return [_heard(one, depth - 1) for one in value]
    if not isinstance(value, dict):
        return value
    fields = {
        (k.decode("utf-8", "replace") if isinstance(k, bytes) else k): v for k, v in value.items()
    }
    if "__ndarray__" in fields:
        return _array(fields)
    if "__npgeneric__" in fields:
        return _heard(fields.get("data"), depth - 1)
    return {key: _heard(one, depth - 1) for key, one in fields.items()}


def _array(fields: dict[Any, Any]) -> npt.NDArray[Any]:
    data, name, shape = fields.get("data"), fields.get("dtype"), fields.get("shape")
    if isinstance(name, bytes):
        name = name.decode("ascii", "replace")
    if not (isinstance(data, bytes) and isinstance(name, str) and isinstance(shape, list)):
        raise WireError("An array without data, dtype or shape")
    try:
        dtype = np.dtype(name)
    except (TypeError, ValueError, SyntaxError) as error:
        raise WireError(f"An array of the dtype {name[:40]!r}") from error
    if dtype.kind not in _KINDS or dtype.itemsize > 8:
        raise WireError(f"An array of {dtype}", allowed=["numbers and booleans"])
    sizes = [n for n in shape if isinstance(n, int) and not isinstance(n, bool) and n >= 0]
    if len(sizes) != len(shape) or len(shape) > _MAX_AXES:
        raise WireError(f"An array of the shape {str(shape)[:60]}")
    if math.prod(sizes) * dtype.itemsize != len(data):
        raise WireError(f"An array of {dtype} {tuple(sizes)} in {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(sizes)
