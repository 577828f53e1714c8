"""Batches of tensors out of an `EpisodeDataset`, read ahead by threads, in a known order.

Threads and no processes: decoding and gathering release the interpreter's lock, and no pickle has
to cross a process border. A torch DataLoader works too: `DataLoader(dataset, batch_sampler=...,
collate_fn=tensors)`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datasets.window_order import BatchOrder
from datasets.windows import ArrayBatch, EpisodeDataset
from policies.normaliser import Normaliser
from policies.trainable import TrainablePolicy

_AHEAD = 2
"""Batches that each thread reads ahead."""


def tensors(batch: Mapping[str, Any], device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """A batch of arrays as tensors; on the CPU they share memory."""
    return {key: torch.from_numpy(value).to(device) for key, value in batch.items()}


def batches(
    data: EpisodeDataset,
    order: BatchOrder,
    first: int = 0,
    *,
    workers: int = 0,
    device: torch.device | str = "cpu",
) -> Generator[dict[str, Tensor], None, None]:
    """Batches from number `first` on, without end; the same ones for any number of workers.

    Args:
        data: Where from.
        order: Which windows make up which batch.
        first: The first batch.
        workers: Threads that read ahead; 0 to read when asked.
        device: Where the tensors go.
    """
    if workers == 0:
        for indices in order.since(first):
            yield tensors(data.batch(indices), device)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read-ahead")
    waiting: deque[Future[ArrayBatch]] = deque()
    try:
        for indices in order.since(first):
            waiting.append(pool.submit(data.batch, indices))
            if len(waiting) > workers * _AHEAD:
                yield tensors(waiting.popleft().result(), device)
    finally:
        pool.shutdown(cancel_futures=True)


def fit_normaliser(
    kind: type[TrainablePolicy], config: Any, data: EpisodeDataset, seed: int, windows: int = 20_000
) -> Normaliser:
    """The scales of a policy for a dataset, from at most `windows` windows drawn by `seed`.

    Pictures have a fixed scale and are not decoded for this.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(data))[:windows]
    chunk_keys = ["actions", *(need.key for need in config.needs if need.span == "chunk")]

    def prepared() -> Iterator[Mapping[str, Tensor]]:
        for first in range(0, len(order), 256):
            chosen = order[first : first + 256]
            yield kind.prepare(config, tensors(data.batch(chosen, pictures=False)))

    return Normaliser.fit(prepared(), kind.modes(config), chunk_keys=chunk_keys)


def some_batches(
    kind: type[TrainablePolicy],
    config: Any,
    data: EpisodeDataset,
    *,
    windows: int,
    batch: int,
    seed: int,
    device: torch.device | str,
) -> Iterator[Mapping[str, Tensor]]:
    """Prepared batches of at most `windows` windows, always the same ones for a seed."""
    chosen = np.random.default_rng([seed, 2]).permutation(len(data))[:windows]
    for first in range(0, len(chosen), batch):
        part = data.batch(chosen[first : first + batch])
        yield kind.prepare(config, tensors(part, device))
