"""An episode file from a rollout: the same streams as a take, at simulated times."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from app.runtime.episode_start import versions
from datasets import layout
from datasets.dataset import Dataset
from datasets.writer import EpisodeWriter
from devices.clock import Clock
from devices.errors import StreamError
from devices.stream import FloatArray, StreamSpec


class EpisodeSink:
    """Collects the rows of one rollout and writes them as an episode.

    Args:
        dataset: Where it goes.
        specs: All streams that may get rows.
        clock: The clock of the rollout.
        about: Fields of the start document: task, scene, seed, leader, ...
    """

    def __init__(
        self,
        dataset: Dataset,
        specs: tuple[StreamSpec, ...],
        clock: Clock,
        about: dict[str, Any],
    ) -> None:
        self.uid = layout.new_uid(time.time_ns())
        start = {"simulated": True, "faster_than_real": True, "versions": versions(), **about}
        self._writer = EpisodeWriter(dataset, self.uid, specs, start, clock)
        self._times: dict[str, list[int]] = {spec.name: [] for spec in specs}
        self._rows: dict[str, list[FloatArray]] = {spec.name: [] for spec in specs}
        self._specs = {spec.name: spec for spec in specs}

    def publish(self, stream: str, t_ns: int, data: FloatArray) -> None:
        """Keep one row. Raises StreamError for a stream that was not declared."""
        if stream not in self._times:
            raise StreamError(f"Unknown stream '{stream}'", allowed=self._times)
        self._times[stream].append(t_ns)
        self._rows[stream].append(data)

    def event(self, kind: str, text: str, t_ns: int) -> None:
        self._writer.event(kind, text, t_ns)

    def stop(self, why: str) -> None:
        """Write everything and end the episode. Raises StorageError if that fails."""
        for name, times in self._times.items():
            if times:
                rows = np.asarray(self._rows[name], dtype=self._specs[name].dtype)
                self._writer.append(name, times, rows, 0)
        self._writer.stop("stopped", why)

    def abandon(self) -> None:
        """Close without an end. Idempotent."""
        self._writer.abandon()
