"""What is known about every episode of a dataset without opening it again.

Episodes never change once they are closed, so their facts are kept in `cache/index.json` by size
and time of last change; whatever is missing there or different on the disk is read again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from datasets import checks, files, layout
from datasets.dataset import Dataset, reason
from datasets.reader import Episode
from datasets.repair import clear_drafts, needs_repair, repair
from devices.clock import ClockAnchor
from devices.errors import StorageError

INDEX_FILE = "index.json"
_VERSION = 1

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class EpisodeFacts:
    """What an episode file says about itself.

    Attributes:
        uid: Its name.
        task: As recorded.
        operator: Who did it.
        scene: Where, "" if unknown.
        simulated: Whether its robot is simulated; None if the file does not say.
        wall_ns: When it began, Unix time [ns].
        length_s: From its first row to its last [s].
        rows: Over all streams.
        cameras: Names of its image streams.
        size_bytes: Of the file.
        flags: Of `checks.glance`, each once.
        findings: The sentences behind the flags.
    """

    uid: str
    task: str = ""
    operator: str = ""
    scene: str = ""
    simulated: bool | None = None
    wall_ns: int = 0
    length_s: float = 0.0
    rows: int = 0
    cameras: tuple[str, ...] = ()
    size_bytes: int = 0
    flags: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


class EpisodeIndex:
    """Facts about all episodes of a dataset, oldest first.

    `refresh` may run on another thread; `facts` and `complaints` tell what it has found so far.

    Args:
        dataset: The dataset.
        mend: Whether episodes that a crash left open are repaired when they are met.
    """

    def __init__(self, dataset: Dataset, mend: bool = True) -> None:
        self._dataset = dataset
        self._mend = mend
        self._path = dataset.cache / INDEX_FILE
        self._known: dict[str, tuple[int, int, EpisodeFacts]] = {}
        self._facts: dict[str, EpisodeFacts] = {}
        self._looking = threading.Lock()
        self.complaints: tuple[str, ...] = ()
        self._load()
        self._facts = {uid: facts for uid, (_, _, facts) in self._known.items()}
        if mend:
            self._clear_drafts()
        self._at_opening = self.complaints

    @property
    def facts(self) -> dict[str, EpisodeFacts]:
        """By uid, as of the last `refresh`, or as far as one has come; before the first one, as
        they were when somebody looked last."""
        return dict(self._facts)

    def refresh(self, progress: Progress | None = None) -> bool:
        """Look what is on the disk; returns whether anything changed.

        Args:
            progress: Called with how many of how many new episodes were read.

        Raises:
            StorageError: If the dataset folder is gone.
        """
        with self._looking:
            return self._refresh(progress)

    def _refresh(self, progress: Progress | None) -> bool:
        self.complaints = self._at_opening
        before = self._facts
        found = self._stat()
        stale = [uid for uid, stamp in found.items() if self._stale(uid, stamp)]
        gone = self._known.keys() - found.keys()
        for uid in gone:
            del self._known[uid]
        self._facts = {uid: self._known[uid][2] for uid in found.keys() - set(stale)}
        learned = False
        try:
            for done, uid in enumerate(stale):
                facts = self._read(uid)
                if facts.flags != ("unreadable",) and "recording" not in facts.flags:
                    stamp = files.size_and_age(self._dataset.episode_path(uid))
                    self._known[uid] = (*stamp, facts)
                    learned = True
                self._facts = {**self._facts, uid: facts}
                if progress is not None:
                    progress(done + 1, len(stale))
        finally:
            if learned or gone:
                self._save()
        return self._facts != before

    def _stat(self) -> dict[str, tuple[int, int]]:
        found = {}
        suffix = layout.EPISODE_SUFFIX
        try:
            with os.scandir(self._dataset.episodes) as entries:
                for entry in entries:
                    uid = entry.name.removesuffix(suffix)
                    if entry.name.endswith(suffix) and layout.is_uid(uid):
                        status = entry.stat()
                        found[uid] = (status.st_size, status.st_mtime_ns)
        except OSError as error:
            raise StorageError(
                f"The episodes of {self._dataset.root} cannot be listed: {reason(error)}",
                next_step="Check that the folder is still there",
            ) from error
        return dict(sorted(found.items()))

    def _stale(self, uid: str, stamp: tuple[int, int]) -> bool:
        known = self._known.get(uid)
        return known is None or known[:2] != stamp

    def _read(self, uid: str) -> EpisodeFacts:
        path = self._dataset.episode_path(uid)
        try:
            if self._mend and needs_repair(path):
                self._repair(uid)
            with Episode.open(path) as episode:
                return _facts(uid, episode, path.stat().st_size)
        except (StorageError, OSError) as error:
            self._complain(str(error))
            return EpisodeFacts(uid, flags=("unreadable",), findings=(str(error),))

    def _repair(self, uid: str) -> None:
        try:
            repair(self._dataset.episode_path(uid))
        except StorageError as error:
            self._complain(str(error))  # it can be read all the same

    def _clear_drafts(self) -> None:
        try:
            clear_drafts(self._dataset)
        except StorageError as error:
            self._complain(str(error))

    def _load(self) -> None:
        try:
            stored = json.loads(self._path.read_bytes())
            if stored["version"] != _VERSION:
                return
            for uid, (size, mtime_ns, fields) in stored["episodes"].items():
                self._known[uid] = (size, mtime_ns, _from_json(fields))
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._known.clear()
            self._complain(f"{self._path} is made again, it could not be read: {error}")

    def _save(self) -> None:
        episodes = {
            uid: (size, mtime_ns, asdict(facts))
            for uid, (size, mtime_ns, facts) in self._known.items()
        }
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(exist_ok=True)
            draft.write_text(json.dumps({"version": _VERSION, "episodes": episodes}))
            draft.replace(self._path)
        except OSError as error:
            self._complain(f"{self._path} cannot be written: {reason(error)}; opening stays slow")

    def _complain(self, text: str) -> None:
        self.complaints = (*self.complaints, text)


def _facts(uid: str, episode: Episode, size_bytes: int) -> EpisodeFacts:
    findings = checks.glance(episode)
    start = episode.start
    anchor = start.get("anchor")
    wall_ns = 0
    if isinstance(anchor, dict):
        clocks = ClockAnchor(int(anchor["wall_ns"]), int(anchor["monotonic_ns"]))
        wall_ns = clocks.wall_at(int(start.get("t_ns", clocks.monotonic_ns)))
    simulated: Any = start.get("simulated")
    return EpisodeFacts(
        uid=uid,
        task=str(start.get("task", "")),
        operator=str(start.get("operator", "")),
        scene=str(start.get("scene", "")),
        simulated=simulated if isinstance(simulated, bool) else None,
        wall_ns=wall_ns,
        length_s=episode.length_s,
        rows=sum(len(episode[name]) for name in episode),
        cameras=episode.cameras,
        size_bytes=size_bytes,
        flags=tuple(dict.fromkeys(finding.flag for finding in findings)),
        findings=tuple(finding.text for finding in findings),
    )


def _from_json(fields: dict[str, Any]) -> EpisodeFacts:
    lists = ("cameras", "flags", "findings")
    return EpisodeFacts(**{**fields, **{key: tuple(fields[key]) for key in lists}})
