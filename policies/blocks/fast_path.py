"""The fast path of Reactive Diffusion Policy: its decoder, one row at a time, without torch."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from devices.leader import Side
from devices.stream import FloatArray


class FastPath:
    """The GRU of one chunk, step by step, in numpy: some 20 µs a step, and no lock of torch.

    It owns copies of the weights, so `act` may run, and a new checkpoint be loaded, beside it.
    Rows that were decoded are kept: a call costs one or two steps, however long the chunk is.

    Args:
        tokenizer: Whose decoder it steps: layers `gru` and `head`, as in `policies.rdp`.
        plan: The expanded latent, shape (P,).
        bases: By side: the tool pose that actions are told from (9,); empty if they are absolute.
    """

    def __init__(
        self, tokenizer: nn.Module, plan: Tensor, bases: Mapping[Side, FloatArray]
    ) -> None:
        weights = {
            name: np.array(value.detach().cpu().numpy(), dtype=np.float64)
            for name, value in tokenizer.state_dict().items()
        }
        latent = plan.double().cpu().numpy()
        inputs = weights["gru.weight_ih_l0"]  # (3 hidden, P + T): reset, update, new
        # The latent is the same in every row: its share of the input is told once.
        self._still = inputs[:, : len(latent)] @ latent + weights["gru.bias_ih_l0"]  # (3 hidden,)
        self._touch = np.ascontiguousarray(inputs[:, len(latent) :])  # (3 hidden, T)
        self._recur = weights["gru.weight_hh_l0"]  # (3 hidden, hidden)
        self._recur_bias = weights["gru.bias_hh_l0"]
        self._head, self._head_bias = weights["head.weight"], weights["head.bias"]
        self._hidden: list[FloatArray] = []  # after each row that was felt, (hidden,) each
        self._lock = threading.Lock()
        self.bases = dict(bases)

    def rows(self, touch: FloatArray, row: int, last: int) -> tuple[FloatArray, FloatArray]:
        """Normalised actions (A,) of `row` and of the one after it.

        Args:
            touch: Normalised touch since the chunk's first row, (n, T). Rows that are not there yet
                are told with the newest one, and told again when they are.
            row: Which row it is.
            last: The chunk's last row; nothing comes after it.
        """
        with self._lock:
            while len(self._hidden) < min(len(touch), row + 1):
                before = self._hidden[-1] if self._hidden else np.zeros(self._recur.shape[1])
                self._hidden.append(self._step(before, touch[len(self._hidden)]))
            hidden = self._hidden[: row + 1]
        for late in range(len(hidden), min(row + 1, last) + 1):
            hidden.append(self._step(hidden[-1], touch[min(late, len(touch) - 1)]))
        here, after = hidden[row], hidden[min(row + 1, last)]
        return self._head @ here + self._head_bias, self._head @ after + self._head_bias

    def _step(self, hidden: FloatArray, touch: FloatArray) -> FloatArray:
        size = len(hidden)
        new = self._still + self._touch @ touch
        old = self._recur @ hidden + self._recur_bias
        # Logistic, written with tanh: it does not overflow.
        gates = 0.5 + 0.5 * np.tanh(0.5 * (new[: 2 * size] + old[: 2 * size]))
        reset, update = gates[:size], gates[size:]
        candidate = np.tanh(new[2 * size :] + reset * old[2 * size :])
        return (1.0 - update) * candidate + update * hidden
