"""All episodes of a dataset with what people decided about them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2

from datasets.dataset import Dataset, reason
from datasets.index import EpisodeFacts, EpisodeIndex, Progress
from datasets.journal import EpisodeState, Journal, JournalLine, JournalState, Verdict, fold
from datasets.reader import Episode
from devices.errors import StorageError

SortKey = Literal["number", "task", "verdict", "length", "size"]
SORT_KEYS: tuple[str, ...] = get_args(SortKey)

THUMBNAILS = "thumbnails"
_THUMBNAIL_WIDTH = 320
_PREFERRED_CAMERA = "front/rgb"


@dataclass(frozen=True, slots=True)
class EpisodeCard:
    """One row of the Library.

    Attributes:
        number: Place in the order of recording, from 1; purged episodes keep theirs.
        facts: What the file says.
        state: What people decided.
        thumbnail: Picture in the cache, or None if it was not made yet.
    """

    number: int
    facts: EpisodeFacts
    state: EpisodeState
    thumbnail: Path | None

    @property
    def uid(self) -> str:
        return self.facts.uid

    @property
    def task(self) -> str:
        """As relabelled, else as recorded."""
        return self.facts.task if self.state.task is None else self.state.task

    @property
    def verdict(self) -> Verdict:
        """A take is a failure until somebody kept it."""
        return self.state.verdict

    @property
    def judged(self) -> bool:
        return self.state.judged

    @property
    def deleted(self) -> bool:
        """Whether it is in the trash."""
        return self.state.deleted

    @property
    def length_s(self) -> float:
        """What counts of it after trimming [s]."""
        if self.state.trim_ns is not None:
            first, last = self.state.trim_ns
            return (last - first) / 1e9
        return self.facts.length_s

    @property
    def flags(self) -> tuple[str, ...]:
        return self.facts.flags


@dataclass(frozen=True, slots=True)
class Purgeable:
    """A file in the trash that could be removed for good."""

    uid: str
    path: Path
    size_bytes: int


class Library:
    """The episodes of a dataset. It belongs to one thread, but for `look`; other processes may
    change the dataset meanwhile.

    Args:
        dataset: The dataset.
        by: Who decides, written into the journal.
        progress: Called with (done, of) while new episodes are read for the first time.
        mend: Whether episodes that a crash left open are repaired when they are met.
        look: Whether it looks for episodes at once; without, it knows what was known when somebody
            looked last.

    Raises:
        StorageError: If the dataset cannot be read.
    """

    def __init__(
        self,
        dataset: Dataset,
        by: str = "",
        progress: Progress | None = None,
        mend: bool = True,
        look: bool = True,
    ) -> None:
        self.dataset = dataset
        self._journal = Journal(dataset.journal, by)
        self._index = EpisodeIndex(dataset, mend)
        self._state = fold(self._journal.lines)
        self._thumbnails = self._list_thumbnails()
        if look:
            self._index.refresh(progress)

    # ---------------------------------------------------------------------------------- looking
    def refresh(self, progress: Progress | None = None) -> bool:
        """Look for new episodes and decisions of others; returns whether anything changed."""
        decided = self.reread()
        return self.look(progress) or decided

    def reread(self) -> bool:
        """Look for decisions of others; returns whether there were any."""
        decided = self._journal.refresh()
        if decided:
            self._state = fold(self._journal.lines)
        return decided

    def look(self, progress: Progress | None = None) -> bool:
        """Look for new episodes; returns whether anything changed.

        It opens each new file, some 20 ms each, and may run on another thread: what it has found
        so far is there at once. What `progress` raises ends it; what was read stays known.
        """
        return self._index.refresh(progress)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What could not be read or repaired, as sentences."""
        return (*self._journal.complaints, *self._index.complaints)

    @property
    def state(self) -> JournalState:
        return self._state

    @property
    def history(self) -> tuple[JournalLine, ...]:
        """All decisions, oldest first."""
        return self._journal.lines

    def cards(
        self,
        *,
        task: str | None = None,
        verdict: Verdict | None = None,
        flag: str | None = None,
        trash: bool = False,
        where: Callable[[EpisodeCard], bool] | None = None,
        sort: SortKey = "number",
        descending: bool = False,
    ) -> tuple[EpisodeCard, ...]:
        """Episodes that meet all conditions.

        Args:
            task: Only of this task, as labelled now.
            verdict: Only with this verdict.
            flag: Only with this flag.
            trash: What is in the trash, instead of what is not.
            where: Any other condition.
            sort: By what; equal ones by number.
            descending: Largest first.
        """
        if sort not in SORT_KEYS:
            raise StorageError(f"The Library cannot sort by {sort!r}", allowed=SORT_KEYS)
        found = [
            card
            for card in self._all_cards()
            if card.deleted == trash
            and (task is None or card.task == task)
            and (verdict is None or card.verdict == verdict)
            and (flag is None or flag in card.flags)
            and (where is None or where(card))
        ]
        return tuple(sorted(found, key=_SORTING[sort], reverse=descending))

    def card(self, uid: str) -> EpisodeCard:
        """One episode, also from the trash.

        Raises:
            StorageError: If there is none of this name.
        """
        self._known(uid)
        return next(card for card in self._all_cards() if card.uid == uid)

    def tasks(self) -> tuple[str, ...]:
        """Tasks that occur outside the trash, sorted."""
        return tuple(sorted({card.task for card in self._all_cards() if not card.deleted}))

    def open(self, uid: str) -> Episode:
        """Open an episode for reading; close it after use."""
        return Episode.open(self.dataset.episode_path(uid))

    def thumbnail(self, uid: str) -> Path | None:
        """A small picture of the middle of an episode, made when first asked for.

        Returns:
            A JPEG in the cache, or None if the episode has no pictures.
        """
        if uid in self._thumbnails:
            return self._thumbnail_path(uid)
        with self.open(uid) as episode:
            cameras = [name for name in episode.cameras if len(episode[name])]
            if not cameras:
                return None
            camera = _PREFERRED_CAMERA if _PREFERRED_CAMERA in cameras else cameras[0]
            picture = episode.frames(camera, len(episode[camera]) // 2)
            recording = episode.recording
        height = round(picture.shape[0] * _THUMBNAIL_WIDTH / picture.shape[1])
        small = cv2.resize(picture, (_THUMBNAIL_WIDTH, height), interpolation=cv2.INTER_AREA)
        _, encoded = cv2.imencode(".jpg", small[..., ::-1])
        path = self._thumbnail_path(uid)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(encoded.tobytes())
            draft.replace(path)
        except OSError as error:
            raise StorageError(
                f"The thumbnail {path} cannot be written: {reason(error)}"
            ) from error
        if not recording:
            self._thumbnails.add(uid)
        return path

    def take_note(self, uid: str) -> bool:
        """Somebody else may have made the thumbnail of an episode: whether it is there. Quick."""
        if self._thumbnail_path(uid).is_file():
            self._thumbnails.add(uid)
        return uid in self._thumbnails

    # --------------------------------------------------------------------------------- deciding
    def set_verdict(self, uid: str, verdict: Verdict, note: str = "") -> JournalLine:
        """Call an episode a success or a failure."""
        return self._decided(self._journal.verdict(self._known(uid), verdict, note))

    def relabel(self, uid: str, task: str) -> JournalLine:
        """Give an episode another task."""
        return self._decided(self._journal.relabel(self._known(uid), task))

    def delete(self, uid: str) -> JournalLine:
        """Move an episode to the trash; its file stays."""
        return self._decided(self._journal.delete(self._known(uid)))

    def restore(self, uid: str) -> JournalLine:
        """Take an episode out of the trash."""
        return self._decided(self._journal.restore(self._known(uid)))

    def trim(self, uid: str, span_ns: tuple[int, int] | None) -> JournalLine:
        """Let only a part of an episode count [ns, monotonic]; None for all of it."""
        return self._decided(self._journal.trim(self._known(uid), span_ns))

    def note(self, uid: str, text: str) -> JournalLine:
        """Say something about an episode."""
        return self._decided(self._journal.note(self._known(uid), text))

    def undo(self, number: int | None = None) -> JournalLine:
        """Take back the newest decision, or the one with this line number; returns that line."""
        line = self._decided(self._journal.undo(number))
        return self._line(int(line.fields["undoes"]))

    def redo(self) -> JournalLine:
        """Take back the newest undo; returns the decision that counts again."""
        line = self._decided(self._journal.redo())
        undo = self._line(int(line.fields["undoes"]))
        return self._line(int(undo.fields["undoes"]))

    # ---------------------------------------------------------------------------------- purging
    def purgeable(self) -> tuple[Purgeable, ...]:
        """What is in the trash, to be shown before anything is purged."""
        return tuple(
            Purgeable(card.uid, self.dataset.episode_path(card.uid), card.facts.size_bytes)
            for card in self.cards(trash=True)
        )

    def purge(self, uids: Iterable[str]) -> tuple[Purgeable, ...]:
        """Remove these files of the trash for good; returns what was removed.

        Raises:
            StorageError: If one of them is not in the trash (then nothing is removed), or a file
                cannot be removed.
        """
        self.refresh()
        trash = {item.uid: item for item in self.purgeable()}
        uids = tuple(dict.fromkeys(uids))
        for uid in uids:
            if uid not in trash:
                raise StorageError(
                    f"Episode {uid} is not in the trash, so it is not purged",
                    next_step="Delete it first",
                )
        for uid in uids:
            # The line first: a file without a line could come back, a line without a file cannot.
            self._decided(self._journal.purge(uid))
            try:
                trash[uid].path.unlink(missing_ok=True)
            except OSError as error:
                raise StorageError(
                    f"{trash[uid].path} cannot be removed: {reason(error)}",
                    next_step="Remove the file by hand; the journal calls it purged",
                ) from error
            with contextlib.suppress(FileNotFoundError):
                self._thumbnail_path(uid).unlink()
            self._thumbnails.discard(uid)
        self._index.refresh()
        return tuple(trash[uid] for uid in uids)

    # ----------------------------------------------------------------------------------- inside
    def _all_cards(self) -> list[EpisodeCard]:
        facts = self._index.facts
        purged = {uid for uid, state in self._state.episodes.items() if state.purged}
        cards = []
        for number, uid in enumerate(sorted(facts.keys() | purged), start=1):
            if uid in facts and uid not in purged:
                thumbnail = self._thumbnail_path(uid) if uid in self._thumbnails else None
                cards.append(EpisodeCard(number, facts[uid], self._state.of(uid), thumbnail))
        return cards

    def _known(self, uid: str) -> str:
        if uid not in self._index.facts or self._state.of(uid).purged:
            raise StorageError(
                f"{self.dataset.root} has no episode {uid!r}", next_step="Refresh the Library"
            )
        return uid

    def _decided(self, line: JournalLine) -> JournalLine:
        self._state = fold(self._journal.lines)
        return line

    def _line(self, number: int) -> JournalLine:
        return next(line for line in self._journal.lines if line.number == number)

    def _thumbnail_path(self, uid: str) -> Path:
        return self.dataset.cache / THUMBNAILS / f"{uid}.jpg"

    def _list_thumbnails(self) -> set[str]:
        folder = self.dataset.cache / THUMBNAILS
        return {path.stem for path in folder.glob("[!.]*.jpg")} if folder.is_dir() else set()


_SORTING: dict[str, Callable[[EpisodeCard], tuple[object, int]]] = {
    "number": lambda card: (0, card.number),
    "task": lambda card: (card.task, card.number),
    "verdict": lambda card: (card.verdict, card.number),
    "length": lambda card: (card.length_s, card.number),
    "size": lambda card: (card.facts.size_bytes, card.number),
}
