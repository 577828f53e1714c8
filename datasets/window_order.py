"""In which order windows are read: a shuffle that can be entered at any place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


class BatchOrder:
    """An endless sequence of batches: one shuffle of all windows after the other.

    Batch k is known without the batches before it, so a training that was interrupted goes on
    with the very batch that would have come. Every window comes once an epoch; a batch may begin in
    one epoch and end in the next.

    Args:
        count: Windows.
        batch: Windows in a batch.
        seed: Of all shuffles; that of epoch e depends on (seed, e) alone.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        if count < 1 or batch < 1:
            raise ValueError(f"{count} windows cannot be read in batches of {batch}")
        self.count, self.batch, self.seed = count, batch, seed
        self._epoch = -1
        self._order: Indices = np.empty(0, dtype=np.int64)

    def __getitem__(self, number: int) -> Indices:
        """The windows of batch `number` >= 0, shape (batch,)."""
        place = number * self.batch
        parts: list[Indices] = []
        missing = self.batch
        while missing:
            epoch, within = divmod(place, self.count)
            part = self.epoch(epoch)[within : within + missing]
            parts.append(part)
            place += len(part)
            missing -= len(part)
        return np.concatenate(parts)

    def epoch(self, number: int) -> Indices:
        """All windows in the order of one epoch, shape (count,)."""
        if number != self._epoch:
            self._order = np.random.default_rng([self.seed, number]).permutation(self.count)
            self._epoch = number
        return self._order

    def since(self, number: int) -> Iterator[Indices]:
        """Batches from `number` on, without end."""
        while True:
            yield self[number]
            number += 1
