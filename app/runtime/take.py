"""One take: rings in, episode file out, in its own thread, so that nothing waits for a disk."""

from __future__ import annotations

import re
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from app.runtime import priority
from app.runtime.feed import CameraFeed, Cuts, Feed
from app.runtime.statuses import Event
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S, Clock
from devices.errors import StorageError, TeledeckError
from devices.stream import StreamSpec

DRAIN_S = 0.1
"""How often a take looks into the rings: each look costs, however little is there."""
_TAIL_DRAIN_S = 0.02
TAIL_S = 0.25
"""How long after its end a take waits for rows that were measured before it (rendered pictures)."""

_DEATH_NS = NS_PER_S // 4
"""How long a ring's writer may be gone before the take counts as cut short: a Shutdown that ends
everything reaches the recorder within that time."""

End = Literal["stopped", "discarded", "interrupted", "failed"]
OpenWriter = Callable[[Sequence[StreamSpec]], EpisodeWriter]


_COME_AND_GO = re.compile(r".*_pad/(markers|pca|deformation|reading)|(headset|policy_[ab])/.*")


def may_come_and_go(stream: str) -> bool:
    """Whether a take is whole without this stream: it is made of others (touch), or its process is
    a guest (headset, policies). See docs/contracts.md."""
    return _COME_AND_GO.fullmatch(stream) is not None


class Take:
    """Records until told to end; then finishes by itself and `finished` is set.

    Args:
        uid: Name of the episode.
        rings: The rings to record, by stream name.
        since_ns: First moment of the take, possibly in the past [ns, monotonic].
        open_writer: Makes the episode file; called in the take's thread. None for practice, which
            drains and counts but stores nothing.
        clock: The clock of the samples.
        drain_s: How often it looks into the rings [s], see DRAIN_S; far below what they remember.

    Attributes:
        finished: Set when the file is closed, well or not.
        failure: Why the take did not end as asked, as a sentence; empty while all is well.

    Raises:
        StreamError: When a ring cannot be opened.
        StorageError: When a camera's pictures cannot be encoded.
    """

    def __init__(
        self,
        uid: str,
        rings: Mapping[str, Path],
        since_ns: int,
        open_writer: OpenWriter | None,
        clock: Clock,
        drain_s: float = DRAIN_S,
    ) -> None:
        self.uid = uid
        self.since_ns = since_ns
        self.finished = threading.Event()
        self.failure = ""
        self._clock = clock
        self._drain_s = drain_s
        self._open_writer = open_writer
        self._cuts = Cuts(since_ns)
        self._events: deque[Event] = deque()
        self._wake = threading.Event()
        self._end: tuple[End, str] | None = None
        self._dead_since_ns: dict[str, int] = {}
        self._bytes = 0
        self._feeds: list[Feed] = []
        try:
            for path in rings.values():
                self._feeds.append(self._feed(path))
        except TeledeckError:
            self._close_feeds()
            raise
        self._thread = threading.Thread(target=self._run, name=f"take {uid}")
        self._thread.start()

    # ------------------------------------------------------------- told from the main thread
    def pause(self, t_ns: int) -> None:
        """Rows after `t_ns` [ns, monotonic] do not belong to the take, until `resume`."""
        if self._cuts.open:
            self._cuts.cut(t_ns)

    def resume(self, t_ns: int) -> None:
        """Rows after `t_ns` [ns, monotonic] belong to the take again."""
        if not self._cuts.open:
            paused_ns = self._cuts.last_ns
            self._cuts.cut(t_ns)
            seconds = (t_ns - paused_ns) / NS_PER_S
            about: dict[str, float | str | bool | None] = {"paused": True, "seconds": seconds}
            self._events.append(Event(paused_ns, "gap", f"Paused for {seconds:.1f} s", about))

    def add_event(self, event: Event) -> None:
        """Store an event, if it happened since the take began."""
        if event.t_ns >= self.since_ns:
            self._events.append(event)

    def end(self, how: End, why: str, t_ns: int) -> None:
        """End with the rows of `t_ns` [ns, monotonic]; returns at once. The first end counts."""
        if self._end is None:
            self.pause(t_ns)
            self._end = (how, why)
            self._wake.set()

    def join(self) -> None:
        """Return when the file is closed."""
        self._thread.join()

    @property
    def rows(self) -> int:
        return sum(feed.rows for feed in self._feeds)

    @property
    def missed(self) -> dict[str, int]:
        """Rows lost so far, by stream name."""
        return {feed.spec.name: feed.missed for feed in self._feeds}

    @property
    def bytes_on_disk(self) -> int:
        return self._bytes

    # ------------------------------------------------------------------------ the take's thread
    def _run(self) -> None:
        priority.stand_back(priority.TAKE)
        writer: EpisodeWriter | None = None
        try:
            if self._open_writer is not None:
                writer = self._open_writer([feed.spec for feed in self._feeds])
            self._record(writer)
            self._finish(writer)
        except TeledeckError as error:
            self._fail(writer, str(error))
        except Exception as error:  # noqa: BLE001 - a take may fail, the recorder may not
            traceback.print_exc(file=sys.stderr)
            self._fail(writer, f"The take could not be recorded: {type(error).__name__}: {error}.")
        finally:
            self._close_feeds()
            self.finished.set()

    def _record(self, writer: EpisodeWriter | None) -> None:
        while self._end is None:
            self._pass_on(writer)
            self._look_for_deaths()
            self._wake.wait(self._drain_s)
        deadline = time.monotonic() + TAIL_S
        while time.monotonic() < deadline and not self._tail_is_in():
            self._pass_on(writer)
            time.sleep(_TAIL_DRAIN_S)

    def _finish(self, writer: EpisodeWriter | None) -> None:
        assert self._end is not None
        how, why = self._end
        self._pass_on(writer)
        for feed in self._feeds:
            if isinstance(feed, CameraFeed):
                for rows in feed.finish():
                    if writer is not None:
                        writer.append(feed.spec.name, rows.t_ns, rows.data, rows.seq0)
        if writer is not None:
            writer.event("note", "Achieved rates", self._cuts.last_ns, self._achieved())
            writer.stop(how, why)
            self._bytes = writer.bytes_on_disk

    def _pass_on(self, writer: EpisodeWriter | None) -> None:
        """Everything that the rings and encoders hold now."""
        for feed in self._feeds:
            if isinstance(feed, CameraFeed):
                batches = feed.encoded()
            else:
                rows = feed.take()
                batches = [] if rows is None else [rows]
            if writer is not None:
                for batch in batches:
                    writer.append(feed.spec.name, batch.t_ns, batch.data, batch.seq0)
        if writer is not None:
            while self._events:
                event = self._events.popleft()
                writer.event(event.kind, event.text, event.t_ns, event.data)
            writer.tick()
            self._bytes = writer.bytes_on_disk

    def _look_for_deaths(self) -> None:
        now = self._clock.now_ns()
        for feed in self._feeds:
            if not feed.dead:
                continue
            if may_come_and_go(feed.spec.name):
                self._wait_for(feed, now)
                continue
            since = self._dead_since_ns.setdefault(feed.spec.name, now)
            if now - since > _DEATH_NS:
                why = f"The stream '{feed.spec.name}' ended: the process that filled it is gone."
                self.failure = f"{why} The take was saved up to there and counts as failed."
                self.end("failed", why, now)
                return

    def _wait_for(self, feed: Feed, now: int) -> None:
        """Tell the gap once; the stream goes on when its process is back."""
        name = feed.spec.name
        if name not in self._dead_since_ns:
            self._dead_since_ns[name] = now
            about: dict[str, float | str | bool | None] = {"stream": name}
            text = f"The stream '{name}' stopped; the take goes on without it"
            self._events.append(Event(now, "gap", text, about))
        if feed.renew():
            del self._dead_since_ns[name]

    def _tail_is_in(self) -> bool:
        """Whether every camera has shown a picture from after the end."""
        late = [feed for feed in self._feeds if feed.spec.kind == "image"]
        return all(feed.newest_ns > self._cuts.last_ns or feed.dead for feed in late)

    def _achieved(self) -> dict[str, Any]:
        """Per stream: rows, rows lost, and mean rate over the take's own time [Hz]."""
        seconds = self._cuts.inside_ns(self._cuts.last_ns) / NS_PER_S
        return {
            feed.spec.name: {
                "rows": feed.rows,
                "missed": feed.missed,
                "rate_hz": round(feed.rows / seconds, 3) if seconds > 0 else None,
            }
            for feed in self._feeds
        }

    def _fail(self, writer: EpisodeWriter | None, why: str) -> None:
        """The take is over. What is in the file stays; where the file can still be closed with
        its reason, it is."""
        self.failure = why
        self._end = ("failed", why)
        if writer is None:
            return
        try:
            writer.stop("failed", why)
        except StorageError:
            writer.abandon()  # told already; the next opening repairs the file

    def _feed(self, path: Path) -> Feed:
        feed = Feed(path, self._cuts, self.since_ns)
        if feed.spec.kind != "image" or self._open_writer is None:
            return feed
        feed.close()
        return CameraFeed(path, self._cuts, self.since_ns)

    def _close_feeds(self) -> None:
        for feed in self._feeds:
            feed.close()
