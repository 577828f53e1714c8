"""A network that is called many times for one answer, without Python in between."""

from __future__ import annotations

import copy
import warnings
from typing import Any, Self

import torch
from torch import Tensor, nn

_Shape = tuple[tuple[torch.Size, torch.dtype, torch.device], ...]


class Recorded:
    """Calls a network as TorchScript, recorded at the first call with inputs of each kind.

    Two reasons, both measured (docs/results/swap.md). The networks here are small, and Python takes
    half of the time between their operations. And who runs Python holds its lock: a slow path that
    is sent behind others by the system takes the lock along, and the fast path of the same process
    waits for both. A recorded network answers the same numbers and holds no lock.

    What is recorded are operations, not weights: a network that learns on may be asked again. What
    an operation does may depend on shapes, not on values (decision 13).

    Args:
        network: Whose `forward` takes and answers tensors.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._recordings: dict[_Shape, torch.jit.ScriptModule] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        kind = tuple((x.shape, x.dtype, x.device) for x in inputs)
        recording = self._recordings.get(kind)
        if recording is None:
            recording = self._recordings[kind] = self._record(inputs)
        answer: Tensor = recording(*inputs)
        return answer

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(copy.deepcopy(self._network, memo))

    def _record(self, inputs: tuple[Tensor, ...]) -> torch.jit.ScriptModule:
        with warnings.catch_warnings():
            # What Torch recommends instead needs a C++ compiler on the machine that drives. It also
            # warns of every shape that becomes part of the recording, which is what we want.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            recording: torch.jit.ScriptModule = torch.jit.trace(self._network, inputs)
        return recording
