"""The last half minute of a rollout, kept in case somebody wants it afterwards.

While a policy is in hand and no take runs, takes follow one another into a scratch dataset in the
dataset's cache: the present one and the one before. `keep` makes an ordinary episode of their
last seconds. They are written like every take, in larger pieces: a recorder that is killed costs
up to two seconds of them; the recorder that comes after it finds the rest.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.runtime.priority import be_nice
from app.runtime.statuses import Event
from app.runtime.take import Take
from datasets import layout
from datasets.dataset import Dataset
from datasets.excerpt import common_specs, excerpt
from datasets.reader import Episode
from datasets.repair import needs_repair, repair
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S, Clock, ClockAnchor
from devices.errors import ConfigError, StorageError, TeledeckError

MOST_S = 60.0
"""The longest span that can be kept [s]."""

_SEGMENT_NS = round(MOST_S * NS_PER_S)
_AGAIN_NS = 2 * NS_PER_S  # after a scratch take failed
_NICE = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a rollout that was to be kept, as a sentence."""

    text: str
    fault: bool = False


NewTake = Callable[[Dataset, int], Take]


class RolloutBuffer:
    """Use it from the recorder's thread; files are written and copied in others.

    Args:
        dataset: Where kept rollouts go; the scratch is in its cache.
        new_take: Begins a take into a dataset, from a moment [ns, monotonic] on.
        clock: The clock of the samples.
        adopt: Whether scratch that is there belongs to a recorder of this run that died; otherwise
            it is thrown away.
    """

    def __init__(self, dataset: Dataset, new_take: NewTake, clock: Clock, *, adopt: bool) -> None:
        self._dataset = dataset
        self._new_take = new_take
        self._clock = clock
        self._folder = dataset.root / layout.CACHE / "rollouts"
        self._now: Take | None = None
        self._done: list[tuple[Path, int, Take | None]] = []  # file, end [ns], who writes it
        self._next_ns = 0
        self._copies: list[_Copy] = []
        self.trouble = ""
        if adopt:
            self._adopt()
        else:
            shutil.rmtree(self._folder, ignore_errors=True)

    def add_event(self, event: Event) -> None:
        """Store an event where it belongs; one that comes late belongs to the take before."""
        if self._done and event.t_ns <= self._done[-1][1]:
            before = self._done[-1][2]
            if before is not None:
                before.add_event(event)
        elif self._now is not None:
            self._now.add_event(event)

    def follow(self, wanted: bool) -> list[Kept]:
        """Go on, begin or rest, as is wanted. Returns what became of what was to be kept."""
        now = self._clock.now_ns()
        take = self._now
        if take is not None and take.failure:
            self.trouble = take.failure
            self._end(now)
            self._next_ns = now + _AGAIN_NS
        elif take is not None and not wanted:
            self._end(now)
        elif take is not None and now - take.since_ns > _SEGMENT_NS:
            self._end(now)
            self._begin(now + 1)
        elif take is None and wanted and now >= self._next_ns:
            self._begin(now)
        done = [copy for copy in self._copies if copy.kept is not None]
        self._copies = [copy for copy in self._copies if copy not in done]
        return [copy.kept for copy in done if copy.kept is not None]

    def keep(self, seconds: float) -> str:
        """Make an episode of the last `seconds` [s]; its uid. It is on the disk a moment later.

        Raises:
            ConfigError: When there is nothing, or too much is asked for.
        """
        if not 1.0 <= seconds <= MOST_S:
            raise ConfigError(f"{seconds:g} s cannot be kept", allowed=[f"1 to {MOST_S:g} s"])
        if self._now is not None:
            now = self._clock.now_ns()
            self._end(now)
            self._begin(now + 1)
        if not self._done:
            raise ConfigError(
                "No policy has driven since the dataset was opened, so there is nothing to keep",
                next_step=self.trouble or "Let a policy drive first",
            )
        until_ns = self._done[-1][1]
        since_ns = until_ns - round(seconds * NS_PER_S)
        wanted = [one for one in self._done if one[1] > since_ns]
        uid = layout.new_uid(ClockAnchor.take(self._clock).wall_at(since_ns))
        self._copies.append(_Copy(self._dataset, uid, wanted, since_ns, until_ns, self._clock))
        return uid

    def close(self) -> None:
        """Finish what was to be kept, throw the scratch away."""
        self._end(self._clock.now_ns())
        for copy in self._copies:
            copy.join()
        for _, _, take in self._done:
            if take is not None:
                take.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    # ----------------------------------------------------------------------------------- inside
    def _begin(self, since_ns: int) -> None:
        try:
            scratch = Dataset.open_or_create(self._folder)
            self._now = self._new_take(scratch, since_ns)
            self.trouble = ""
        except TeledeckError as error:  # the rollout goes on; it just cannot be kept
            self.trouble = str(error)
            self._next_ns = self._clock.now_ns() + _AGAIN_NS
        self._forget(since_ns)

    def _end(self, t_ns: int) -> None:
        take, self._now = self._now, None
        if take is None:
            return
        take.end("stopped", "", t_ns)
        path = self._folder / layout.EPISODES / f"{take.uid}{layout.EPISODE_SUFFIX}"
        self._done.append((path, t_ns, take))

    def _forget(self, now_ns: int) -> None:
        """Throw away what nobody can ask for any more."""
        busy = {path for copy in self._copies for path in copy.paths}
        for one in tuple(self._done):
            path, end_ns, take = one
            if now_ns - end_ns > _SEGMENT_NS and path not in busy:
                if take is not None:
                    take.join()
                path.unlink(missing_ok=True)
                self._done.remove(one)

    def _adopt(self) -> None:
        """Take over what a recorder that died has left."""
        try:
            scratch = Dataset.open(self._folder)
            for uid in sorted(scratch.uids()):
                path = scratch.episode_path(uid)
                if needs_repair(path):
                    repair(path)
                with Episode.open(path) as episode:
                    self._done.append((path, episode.span_ns[1], None))
        except TeledeckError:
            self._done.clear()  # there is none, or none that can be read
            shutil.rmtree(self._folder, ignore_errors=True)


class _Copy:
    """One rollout on its way from scratch into the dataset, in a thread of its own."""

    def __init__(
        self,
        dataset: Dataset,
        uid: str,
        wanted: list[tuple[Path, int, Take | None]],
        since_ns: int,
        until_ns: int,
        clock: Clock,
    ) -> None:
        self.paths = [path for path, _, _ in wanted]
        self.kept: Kept | None = None
        self._takes = [take for _, _, take in wanted if take is not None]
        self._work = (dataset, uid, since_ns, until_ns, clock)
        self._thread = threading.Thread(target=self._run, name=f"keep {uid}")
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        be_nice(_NICE)
        dataset, uid, since_ns, until_ns, clock = self._work
        try:
            for take in self._takes:
                take.join()
            with ExitStack() as stack:
                episodes = [
                    stack.enter_context(Episode.open(path)) for path in self.paths if path.exists()
                ]
                if not episodes:
                    raise StorageError("The scratch of the rollout is gone")
                since_ns = max(since_ns, episodes[0].span_ns[0])
                start = _start(episodes[-1].start, since_ns, until_ns)
                specs = common_specs(episodes)
                with EpisodeWriter(dataset, uid, specs, start, clock) as writer:
                    excerpt(episodes, since_ns, until_ns, writer)
            seconds = (until_ns - since_ns) / NS_PER_S
            self.kept = Kept(f"The last {seconds:.0f} s are stored, as failed until judged.")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and ends here
            self.kept = Kept(f"The last seconds could not be kept: {error}", fault=True)


def _start(start: Mapping[str, Any], since_ns: int, until_ns: int) -> dict[str, Any]:
    """The start of a kept rollout: that of the take it ends in, with its own time."""
    return {**start, "t_ns": since_ns, "kept_after_s": (until_ns - since_ns) / NS_PER_S}
