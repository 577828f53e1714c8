"""Reads episodes on a thread of its own, ahead of the user. No Qt: results go to callbacks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import find_peaks

from app.session.curves import Curve, Plot, curves
from app.session.reading_thread import ReadingThread
from datasets.reader import Episode, EpisodeEvent
from devices.errors import TeledeckError
from devices.stream import StreamSpec

KEEP = 5
"""Episodes that stay open: the one on screen and its neighbours."""

WHOLE_ROW_BYTES = 256
"""Streams with smaller rows are read whole; of the others (physics state, touch), single rows."""

PEAK_N = 3.0
"""A contact force that deserves a tick on the timeline is at least this [N]."""

Images = Mapping[str, npt.NDArray[np.uint8]]
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A tick on the timeline: an event of the episode, or a peak of the contact force."""

    t_ns: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Rows:
    """What is shown at one instant: pictures by camera, single rows of the heavy streams."""

    path: Path
    images: Images
    values: Arrays


@dataclass(frozen=True)
class Loaded:
    """What a screen needs of an episode at once. Arrays are read-only.

    Attributes:
        path: Its file.
        uid: Its name.
        start: Its start document.
        interrupted: Its recorder died.
        specs: Contracts of its streams.
        times: When the rows of each stream were measured [ns].
        values: All rows of the streams with small rows.
        curves: What the plots show.
        marks: Events and contact peaks, in order of time.
        span_ns: First and last instant [ns].
        first: What is shown at the first instant.
    """

    path: Path
    uid: str
    start: Mapping[str, Any]
    interrupted: bool
    specs: Mapping[str, StreamSpec]
    times: Arrays
    values: Arrays
    curves: Mapping[Plot, tuple[Curve, ...]]
    marks: tuple[Mark, ...]
    span_ns: tuple[int, int]
    first: Rows

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(name for name, spec in self.specs.items() if spec.kind == "image")

    @property
    def heavy(self) -> tuple[str, ...]:
        """Streams of which single rows are read."""
        return tuple(
            name
            for name, spec in self.specs.items()
            if spec.kind != "image" and name not in self.values
        )


class EpisodeLoader(ReadingThread):
    """Opens episodes and reads rows of them, the newest wish first.

    Callbacks run on the loader's thread; they must only hand over what they get.

    Args:
        on_loaded: An episode that `open` asked for is there.
        on_rows: The rows that `show` asked for last.
        on_failed: An episode cannot be read: its file and why.
    """

    def __init__(
        self,
        on_loaded: Callable[[Loaded], None],
        on_rows: Callable[[Rows], None],
        on_failed: Callable[[Path, str], None],
    ) -> None:
        super().__init__("episode-loader")
        self._on_loaded = on_loaded
        self._on_rows = on_rows
        self._on_failed = on_failed
        self._wanted: Path | None = None
        self._ahead: list[Path] = []
        self._rows_wanted: tuple[Path, dict[str, int]] | None = None
        self._loaded: OrderedDict[Path, Loaded] = OrderedDict()
        self._open: dict[Path, Episode] = {}  # touched by the thread alone

    # ------------------------------------------------------------------- any thread but its own
    def open(self, path: Path, ahead: Sequence[Path] = ()) -> Loaded | None:
        """Ask for an episode, and for those that may be next.

        Returns:
            The episode if it is in memory; else None, and `on_loaded` or `on_failed` comes later.
        """
        with self._wake:
            self._rows_wanted = None
            self._ahead = [other for other in ahead if other not in self._loaded]
            found = self._loaded.get(path)
            if found is not None:
                self._loaded.move_to_end(path)
                self._wanted = None
            else:
                self._wanted = path
            self._wanted_more()
            return found

    def show(self, path: Path, rows: Mapping[str, int]) -> None:
        """Ask for pictures and heavy rows by row number. Replaces what was asked before."""
        with self._wake:
            self._rows_wanted = (path, dict(rows))
            self._wanted_more()

    def forget(self, path: Path) -> None:
        """The file changed: read it anew when it is asked for."""
        with self._wake:
            self._loaded.pop(path, None)

    # ------------------------------------------------------------------------------ its thread
    def _run(self) -> None:
        try:
            while True:
                with self._wake:
                    while not (self._ending or self._wanted or self._rows_wanted or self._ahead):
                        self._wake.wait()
                    if self._ending:
                        return
                    wanted, self._wanted = self._wanted, None
                    rows = None
                    ahead = None
                    if wanted is None:
                        rows, self._rows_wanted = self._rows_wanted, None
                    if wanted is None and rows is None:
                        ahead = self._ahead.pop(0)
                if wanted is not None:
                    self._load(wanted, tell=True)
                elif rows is not None:
                    self._read_rows(*rows)
                elif ahead is not None:
                    self._load(ahead, tell=False)
        finally:
            for episode in self._open.values():
                episode.close()
            self._open.clear()

    def _load(self, path: Path, *, tell: bool) -> None:
        try:
            loaded, episode = _read(path)
        except TeledeckError as error:
            if tell:
                self._on_failed(path, str(error))
            return
        except OSError as error:  # HDF5 tells a broken file in many ways, all of them OSError
            if tell:
                self._on_failed(path, f"{path.name} cannot be read: {error}")
            return
        before = self._open.pop(path, None)
        if before is not None:
            before.close()
        self._open[path] = episode
        with self._wake:
            if not episode.recording:
                self._loaded[path] = loaded
            while len(self._loaded) > KEEP:
                self._loaded.popitem(last=False)
            kept = set(self._loaded) | {path}
        for other in [p for p in self._open if p not in kept]:
            self._open.pop(other).close()
        if tell:
            self._on_loaded(loaded)

    def _read_rows(self, path: Path, rows: Mapping[str, int]) -> None:
        episode = self._open.get(path)
        if episode is None:
            return
        try:
            self._on_rows(_rows(episode, rows))
        except (TeledeckError, OSError) as error:
            self._on_failed(path, str(error))


def _read(path: Path) -> tuple[Loaded, Episode]:
    """Open an episode and read what is small."""
    episode = Episode.open(path)
    try:
        values = {}
        for name, spec in episode.specs.items():
            if spec.kind != "image" and spec.nbytes <= WHOLE_ROW_BYTES:
                values[name] = episode[name].values
        times = {name: _ascending(episode[name].t_ns) for name in episode}
        first = {
            name: 0
            for name, spec in episode.specs.items()
            if name not in values and len(times[name])
        }
        loaded = Loaded(
            path=path,
            uid=episode.uid,
            start=episode.start,
            interrupted=episode.interrupted,
            specs=episode.specs,
            times=MappingProxyType(times),
            values=MappingProxyType(values),
            curves=MappingProxyType(curves(times, values, episode.span_ns[0])),
            marks=marks(episode.events, times, values),
            span_ns=episode.span_ns,
            first=_rows(episode, first),
        )
        return loaded, episode
    except BaseException:
        episode.close()
        raise


def _ascending(t_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Times as the cursor searches them: a row that claims to be earlier than the one before it
    is shown together with that one."""
    if np.all(t_ns[1:] >= t_ns[:-1]):
        return t_ns
    return np.maximum.accumulate(t_ns)


def _rows(episode: Episode, rows: Mapping[str, int]) -> Rows:
    images = {}
    values = {}
    for name, row in rows.items():
        if episode.specs[name].kind == "image":
            images[name] = episode.frames(name, row)
        else:
            values[name] = episode[name][row]
    return Rows(episode.path, MappingProxyType(images), MappingProxyType(values))


def marks(events: Sequence[EpisodeEvent], times: Arrays, values: Arrays) -> tuple[Mark, ...]:
    """Events and contact peaks of an episode, in order of time."""
    found = [Mark(event.t_ns, event.kind, event.text) for event in events]
    for name, wrench in values.items():
        if not name.endswith("/wrench") or len(wrench) < 3:
            continue
        force = np.linalg.norm(wrench[:, :3], axis=1)
        spacing = float(np.median(np.diff(times[name]))) or 1.0
        peaks, _ = find_peaks(
            force,
            height=max(PEAK_N, 0.4 * float(force.max())),
            prominence=PEAK_N / 2,
            distance=max(1, round(0.5e9 / spacing)),
        )
        side = name.split("_")[0]
        for peak in peaks:
            text = f"Contact of the {side} hand: {force[peak]:.1f} N"
            found.append(Mark(int(times[name][peak]), "contact", text))
    return tuple(sorted(found, key=lambda mark: mark.t_ns))
