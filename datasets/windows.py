"""Windows of observations and chunks of actions, out of episodes: what a policy trains on.

Every stream stays at its own rate until here. A window belongs to one instant `t`: its rows lie at
`t`, `t - 1/rate`, ... and are picked by each need's own rule, within its own tolerance. Its
chunk is what the operator asked for at `t`, `t + 1/rate`, ... What could not be lined up is refused
and counted, never filled in. A chunk in which a hand was pushed (`leader/S_push`) is nobody's wish,
see `Choice.pushed`. Numbers are read once and gathered from memory; pictures are decoded when a
window is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets import window_rows as rows_of
from datasets.align import grid_ns
from datasets.dataset import Dataset
from datasets.library import EpisodeCard
from datasets.reader import Episode
from datasets.window_actions import Space, action_rows, push_rows, pushed_within, spans
from datasets.window_choice import Choice, Source, data_digest, sources
from datasets.window_images import Packets, Pictures
from datasets.window_rows import Lined, Need, Skew
from devices.clock import NS_PER_S
from devices.errors import StorageError, StreamError

Times = npt.NDArray[np.int64]
ArrayBatch = dict[str, npt.NDArray[Any]]
WindowWeights = Callable[[str, Times], npt.ArrayLike]
"""(uid, instants [ns] (n,)) → weights (n,), 0 for windows to leave out."""

PICTURE_CACHE = 512 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read and at what price.

    Attributes:
        episodes: How many gave windows.
        windows: How many there are.
        refused: Windows that were refused because a row was missing.
        skews: By need, in their order.
        left_out: Episodes that gave no window: uid → why.
    """

    episodes: int
    windows: int
    refused: int
    skews: tuple[Skew, ...]
    left_out: Mapping[str, str]

    @property
    def sentences(self) -> tuple[str, ...]:
        """For people."""
        first = f"{self.windows} windows from {self.episodes} episodes, {self.refused} refused"
        out = [f"{uid} left out: {why}" for uid, why in self.left_out.items()]
        return (first, *(skew.sentence for skew in self.skews), *out)


class EpisodeDataset:
    """Windows of many episodes, by number. Immutable; `batch` may be called by many threads.

    A torch `Dataset` by duck type: `len`, `[i]` and `__getitems__`.

    Args:
        data: A dataset, or paths of episode files.
        needs: The streams, see `policies.contract.StreamNeed`.
        space: The actions, see `policies.contract.ActionSpace`.
        choice: Which episodes and which parts of them.
        weights: By uid; 0 leaves an episode out. Ends up in the batch, for the loss.
        window_weights: Multiplied to it, for each window.
        where: Any other condition on episodes of a dataset.
        picture_cache: Memory for resized pictures [bytes], for each need of pictures.
        progress: Called with (done, of) while episodes are read.

    Raises:
        StorageError: If there is nothing to train on (a hold-out may be empty), or a file cannot
            be read.
        StreamError: If an episode does not have what the needs ask for.
    """

    def __init__(
        self,
        data: Dataset | Sequence[Path],
        needs: Sequence[Need],
        space: Space,
        choice: Choice | None = None,
        *,
        weights: Mapping[str, float] | None = None,
        window_weights: WindowWeights | None = None,
        where: Callable[[EpisodeCard], bool] | None = None,
        picture_cache: int = PICTURE_CACHE,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.choice = choice or Choice()
        self.needs, self.space = tuple(needs), space
        self.sources = sources(data, self.choice, weights or {}, where)
        self.digest = data_digest(self.sources)
        reader = _Reader(self.needs, space, self.choice, window_weights)
        for done, source in enumerate(self.sources):
            if progress is not None:
                progress(done, len(self.sources))
            reader.read(source)
        rows_of.refuse_mismatches(reader.mismatches, len(self.sources))
        if progress is not None:
            progress(len(self.sources), len(self.sources))
        self._t_ns, self._episode = _joined(reader.t_ns), _joined(reader.episode)
        self._weight = _joined(reader.weight, np.float32)
        self._base, self._last = _joined(reader.base), _joined(reader.last)
        self._actions = (
            np.concatenate(reader.actions) if reader.actions else np.empty((0, 0), dtype=np.float32)
        )
        self._pushes: npt.NDArray[np.float32] | None = None
        if self.choice.pushed == "follow":
            self._pushed = _joined(reader.pushed, np.bool_)
            self._pushes = np.concatenate(reader.pushes) if reader.pushes else self._actions
        self._values: dict[str, npt.NDArray[np.float32]] = {}
        self._rows: dict[str, Times] = {}
        self._pictures: dict[str, Pictures] = {}
        for need in self.needs:
            self._rows[need.key] = _joined(reader.rows[need.key])
            if reader.values[need.key]:
                self._values[need.key] = np.concatenate(reader.values[need.key])
            elif reader.packets[need.key]:
                size = (need.shape[0], need.shape[1])
                self._pictures[need.key] = Pictures(reader.packets[need.key], size, picture_cache)
        self._ahead = np.arange(space.horizon)
        self.uids = tuple(reader.uids)
        self.reading = Reading(
            len(set(self._episode.tolist())),
            len(self),
            reader.refused,
            tuple(rows_of.skew_of(n, reader.skews[n.key], reader.reasons[n.key]) for n in needs),
            dict(reader.left_out),
        )
        if not len(self) and self.choice.split != "hold-out":
            self._refuse_nothing(data)

    def __len__(self) -> int:
        return len(self._t_ns)

    def __getitem__(self, index: int) -> ArrayBatch:
        """One window, without the axis of the batch."""
        batch = self.batch(np.array([range(len(self))[index]]))
        return {key: values[0] for key, values in batch.items()}

    def __getitems__(self, indices: Sequence[int]) -> ArrayBatch:
        """How a torch DataLoader asks for a whole batch at once."""
        return self.batch(np.asarray(indices, dtype=np.int64))

    def batch(self, indices: Times, *, pictures: bool = True) -> ArrayBatch:
        """Some windows.

        Args:
            indices: Which, shape (B,).
            pictures: False for black pictures, which cost nothing, where only numbers matter.

        Returns:
            By key (B, steps, *shape) or (B, H, *shape), float32 in raw units, pictures uint8;
            "actions" (B, H, A) float32; "mask" (B, H) bool, False after the end, where the last
            action is repeated; "weight" (B,) float32; with the choice to follow pushes "pushed"
            (B,) bool.
        """
        ahead = self._base[indices, None] + self._ahead
        last = self._last[indices, None]
        grid = np.minimum(ahead, last)
        found: ArrayBatch = {
            "actions": self._actions.take(grid, axis=0),
            "mask": ahead <= last,
            "weight": self._weight[indices],
        }
        if self._pushes is not None:
            far = self._pushes.take(grid, axis=0)
            found["actions"] = found["actions"] - (far - far[:, :1])
            found["pushed"] = self._pushed[indices]
        for need in self.needs:
            rows = self._rows[need.key][grid if need.span == "chunk" else indices]
            if need.key in self._values:
                found[need.key] = self._values[need.key].take(rows, axis=0)
            elif pictures:
                found[need.key] = self._pictures[need.key].read(self._episode[indices], rows)
            else:
                found[need.key] = np.zeros((*rows.shape, *need.shape), dtype=np.uint8)
        return found

    def moment(self, index: int) -> tuple[str, int]:
        """Of which episode a window is (uid) and to which instant it belongs [ns, monotonic]."""
        return self.uids[self._episode[index]], int(self._t_ns[index])

    def _refuse_nothing(self, data: Dataset | Sequence[Path]) -> None:
        where = data.root if isinstance(data, Dataset) else f"{len(data)} files"
        if not self.sources:
            wanted = f"{self.choice.verdict or 'any'} verdict"
            if self.choice.task is not None:
                wanted += f" and task '{self.choice.task}'"
            raise StorageError(
                f"There is no episode to train on in {where}: none has {wanted}, or all are held "
                "out",
                next_step="Record some and keep them, or choose another verdict, task or hold-out",
            )
        raise StorageError(
            f"No window can be made from {len(self.sources)} episodes of {where}: "
            + "; ".join(self.reading.sentences[1:8]),
            next_step="Loosen the tolerance, choose streams that were recorded, or other episodes",
        )


class _Reader:
    """Gathers what an EpisodeDataset keeps, episode by episode."""

    def __init__(
        self,
        needs: Sequence[Need],
        space: Space,
        choice: Choice,
        window_weights: WindowWeights | None,
    ) -> None:
        self._needs, self._space, self._choice = needs, space, choice
        self._window_weights = window_weights
        keys = [need.key for need in needs]
        for key in keys:
            if keys.count(key) > 1 or key in ("actions", "mask", "weight"):
                raise StreamError(f"Two things of a batch would be called '{key}'")
        self.uids: list[str] = []
        self.t_ns: list[Times] = []
        self.episode: list[Times] = []
        self.weight: list[npt.NDArray[Any]] = []
        self.base: list[Times] = []
        self.last: list[Times] = []
        self.actions: list[npt.NDArray[np.float32]] = []
        self.pushes: list[npt.NDArray[np.float32]] = []
        self.pushed: list[npt.NDArray[np.bool_]] = []
        self.values: dict[str, list[npt.NDArray[np.float32]]] = {key: [] for key in keys}
        self.rows: dict[str, list[Times]] = {key: [] for key in keys}
        self.packets: dict[str, list[Packets]] = {key: [] for key in keys}
        self.skews: dict[str, list[Times]] = {key: [] for key in keys}
        self.reasons: dict[str, Counter[str]] = {key: Counter() for key in keys}
        self.refused = 0
        self.left_out: dict[str, str] = {}
        self.mismatches: dict[str, list[str]] = {}
        self._grid = 0
        self._used = dict.fromkeys(keys, 0)

    def read(self, source: Source) -> None:
        with Episode.open(source.path) as episode:
            if episode.recording:
                self.left_out[source.uid] = "it is still being recorded"
                return
            found = (rows_of.mismatch(episode, need) for need in self._needs)
            wrong = [text for text in dict.fromkeys(found) if text]  # one stream, two needs: once
            for text in wrong:
                self.mismatches.setdefault(text, []).append(source.uid)
            if wrong:
                return
            choice = self._choice
            parts = spans(episode, self._space.sides, choice.span, choice.idle, source.trim_ns)
            if not parts:
                sides = " or ".join(self._space.sides)
                self.left_out[source.uid] = f"nobody asked for motion of the {sides} hand"
                return
            before = len(self.t_ns)
            for need in self._needs:
                if episode.specs[need.stream].kind == "image":
                    self.packets[need.key].append(Packets.of(episode, need.stream))
            for first, last in parts:
                self._read_part(episode, source, grid_ns(first, last, self._space.rate_hz))
            if len(self.t_ns) == before or not sum(map(len, self.t_ns[before:])):
                self.left_out[source.uid] = "all its windows were refused"
            self.uids.append(source.uid)

    def _read_part(self, episode: Episode, source: Source, grid: Times) -> None:
        """Windows of one stretch. `grid`: instants of its actions, shape (G,)."""
        begins = np.arange(0, len(grid), self._choice.stride)
        at_ns = grid[begins]
        weight = np.full(len(begins), source.weight)
        if self._window_weights is not None:
            own = np.asarray(self._window_weights(source.uid, at_ns), dtype=np.float64)
            if own.shape != weight.shape or not np.isfinite(own).all() or (own < 0).any():
                raise StorageError(
                    f"The weights of the windows of {source.uid} are not {len(weight)} numbers of "
                    "0 or more"
                )
            weight = weight * own
        length_ns = round(self._space.horizon * NS_PER_S / self._space.rate_hz)
        pushed = pushed_within(episode, self._space.sides, at_ns, length_ns)
        pushes = push_rows(episode, self._space, grid)
        if self._choice.pushed == "leave-out":
            weight[pushed] = 0.0
        elif pushes is not None:
            aside = _aside(pushes, begins, self._space)
            weight[aside] = 0.0
        good = weight > 0
        wanted = int(good.sum())
        lined: dict[str, tuple[Lined, npt.NDArray[np.bool_]]] = {}
        for need in self._needs:
            lined[need.key] = self._line_up(episode, need, grid, begins, good)
        kept = good.copy()
        for _, fits in lined.values():
            kept &= fits
        self.refused += wanted - int(kept.sum())
        if not kept.any():
            return
        for need in self._needs:
            found = lined[need.key][0]
            chunk = need.span == "chunk"
            rows = found.rows if chunk else found.rows.reshape(len(begins), -1)[kept]
            skew = found.skew_ns if chunk else found.skew_ns.reshape(len(begins), -1)[kept]
            self.skews[need.key].append(skew[skew >= 0].ravel())
            if found.values is not None:
                rows = rows + self._used[need.key]
                self.values[need.key].append(found.values)
                self._used[need.key] += len(found.values)
            self.rows[need.key].append(rows)
        count = int(kept.sum())
        self.t_ns.append(at_ns[kept])
        self.episode.append(np.full(count, len(self.uids), dtype=np.int64))
        self.weight.append(weight[kept])
        self.base.append(self._grid + begins[kept])
        self.last.append(np.full(count, self._grid + len(grid) - 1, dtype=np.int64))
        self.actions.append(action_rows(episode, self._space, grid).astype(np.float32))
        self.pushed.append(pushed[kept])
        still = np.zeros_like(self.actions[-1])
        self.pushes.append(still if pushes is None else pushes.astype(np.float32))
        self._grid += len(grid)

    def _line_up(
        self,
        episode: Episode,
        need: Need,
        grid: Times,
        begins: Times,
        good: npt.NDArray[np.bool_],
    ) -> tuple[Lined, npt.NDArray[np.bool_]]:
        """A need at all instants of a stretch, and which windows it allows, shape (W,)."""
        if need.span == "chunk":
            found = rows_of.line_up(episode, need, grid)
            wrong = np.concatenate([[0], np.cumsum(~found.valid)])
            ends = np.minimum(begins + self._space.horizon, len(grid))
            fits = wrong[ends] == wrong[begins]
            # The first row that is missing says why.
            bad = np.flatnonzero(~found.valid)
            first = bad[np.searchsorted(bad, begins[~fits])] if len(bad) else bad
            reasons = found.reason[first]
        else:
            at_ns = rows_of.instants(need, grid[begins]).reshape(-1)
            found = rows_of.line_up(episode, need, at_ns)
            valid = found.valid.reshape(len(begins), -1)
            fits = valid.all(axis=1)
            table = found.reason.reshape(len(begins), -1)
            reasons = table[~fits, np.argmin(valid[~fits], axis=1)]
        self.reasons[need.key].update(reasons[good[~fits]].tolist())
        return found, fits


def _aside(pushes: npt.NDArray[Any], begins: Times, space: Space) -> npt.NDArray[np.bool_]:
    """Whether hands are pushed aside within the chunks that begin at `begins`, shape (W,).

    Args:
        pushes: How far they have been pushed, (G, A).
    """
    level = pushes.copy()
    level[:, 2 :: level.shape[1] // len(space.sides)] = 0.0
    moves = np.concatenate([[0], np.cumsum(np.abs(np.diff(level, axis=0)).max(axis=1) > 1e-9)])
    ends = np.minimum(begins + space.horizon, len(pushes) - 1)
    found: npt.NDArray[np.bool_] = moves[ends] > moves[begins]
    return found


def _joined(parts: list[npt.NDArray[Any]], dtype: Any = np.int64) -> npt.NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype=dtype)
