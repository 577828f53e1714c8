"""What a stream is: known before the hardware is connected, stored beside its data."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from devices.errors import StreamError

FloatArray = npt.NDArray[np.float64]

StreamKind = Literal["state", "command", "operator", "touch", "image", "scene", "timing"]
STREAM_KINDS: tuple[str, ...] = get_args(StreamKind)

_NAME = re.compile(r"[a-z][a-z0-9_]*(/[a-zA-Z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """The contract of one stream.

    Attributes:
        name: A path that explains itself: `left_arm/q`, `front/rgb`.
        shape: Shape of one sample.
        dtype: NumPy dtype name of one sample ("float64", "uint8").
        unit: Unit of the numbers ("rad", "N", "m,wxyz"), "1" where there is none.
        frame: Frame the numbers are told in ("world", "left_tool"), "" where there is none.
        rate_hz: Nominal rate [Hz]. The true times are in the samples.
        latency_ns: Declared delay from measurement to arrival [ns]; `t_ns` already has it removed.
        kind: What the stream is for.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    unit: str
    frame: str
    rate_hz: float
    latency_ns: int = 0
    kind: StreamKind = "state"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise StreamError(
                f"Stream name {self.name!r} is not a path of words",
                next_step="Use lower-case words joined by '/', like 'left_arm/q'",
            )
        if self.kind not in STREAM_KINDS:
            raise StreamError(f"Stream '{self.name}' has kind {self.kind!r}", allowed=STREAM_KINDS)
        if any(n <= 0 for n in self.shape):
            raise StreamError(f"Stream '{self.name}' has the empty shape {self.shape}")
        if not np.isfinite(self.rate_hz) or self.rate_hz <= 0:
            raise StreamError(f"Stream '{self.name}' has the rate {self.rate_hz} Hz")
        if np.dtype(self.dtype).hasobject:
            raise StreamError(f"Stream '{self.name}' has the dtype {self.dtype!r}")

    @property
    def nbytes(self) -> int:
        """Size of one sample [bytes]."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "shape": list(self.shape)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> StreamSpec:
        return cls(**{**fields, "shape": tuple(int(n) for n in fields["shape"])})


class Sample(NamedTuple):
    """One measurement.

    Attributes:
        stream: Name of its StreamSpec.
        seq: Number of the sample in its stream, counting from 0; a jump is a gap.
        t_ns: When it was measured [ns, monotonic].
        data: Shape and dtype of the spec; read-only.
    """

    stream: str
    seq: int
    t_ns: int
    data: npt.NDArray[Any]
