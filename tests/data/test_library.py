"""The Library: cards, decisions, trash, the index and the thumbnails in the cache."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from datasets.dataset import Dataset
from datasets.library import Library
from datasets.writer import EpisodeWriter
from devices.clock import FakeClock
from devices.errors import StorageError
from tests.data.conftest import Record
from tests.data.recording import FAST


def test_cards_tell_what_is_there(dataset: Dataset, record: Record) -> None:
    uids = [record(0.5), record(1.0, task="peel", simulated=True), record(0.6, stop=False)]
    library = Library(dataset)
    cards = library.cards()
    assert [card.uid for card in cards] == uids and [card.number for card in cards] == [1, 2, 3]
    assert [card.task for card in cards] == ["wipe", "peel", "wipe"]
    assert [card.verdict for card in cards] == ["failure"] * 3
    assert not any(card.judged for card in cards)
    assert [card.facts.simulated for card in cards] == [None, True, None]
    assert cards[1].length_s == pytest.approx(1.0, abs=0.05)
    assert cards[2].flags == ("interrupted",)
    assert cards[0].flags == () and cards[0].facts.cameras == ("front/rgb",)
    assert library.tasks() == ("peel", "wipe")


def test_filter_and_sort(dataset: Dataset, record: Record) -> None:
    short, long, other = record(0.4), record(0.9), record(0.8, task="peel", stop=False)
    library = Library(dataset)
    library.set_verdict(long, "success")
    names = [card.uid for card in library.cards(sort="length", descending=True)]
    assert names == [long, other, short]
    assert [card.uid for card in library.cards(verdict="success")] == [long]
    assert [card.uid for card in library.cards(task="peel")] == [other]
    assert [card.uid for card in library.cards(flag="interrupted")] == [other]
    assert [c.uid for c in library.cards(where=lambda c: c.length_s < 0.5)] == [short]
    with pytest.raises(StorageError, match="number, task"):
        library.cards(sort="colour")  # type: ignore[arg-type]


def test_decisions_last_and_can_be_taken_back(dataset: Dataset, record: Record) -> None:
    a, b = record(0.2), record(0.2)
    library = Library(dataset, by="Ada")
    library.set_verdict(a, "success")
    library.relabel(b, "fold")
    library.delete(a)
    assert [card.uid for card in library.cards()] == [b]
    assert [card.uid for card in library.cards(trash=True)] == [a]
    again = Library(dataset)
    assert again.card(a).deleted and again.card(a).verdict == "success"
    assert again.card(b).task == "fold" and again.card(b).facts.task == "wipe"
    undone = again.undo()
    assert (undone.operation, undone.uid, undone.by) == ("delete", a, "Ada")
    assert again.redo().operation == "delete"
    assert library.refresh() and library.card(a).deleted
    library.restore(a)
    library.trim(a, (10, 10 + 10**9))
    assert library.card(a).length_s == 1.0 and not library.card(a).deleted
    with pytest.raises(StorageError, match="no episode"):
        library.set_verdict("20200101T000000000Z-000000", "success")


def test_purge_is_explicit_and_only_empties_the_trash(dataset: Dataset, record: Record) -> None:
    keep, drop, later = record(0.2), record(0.2), record(0.2)
    library = Library(dataset)
    library.thumbnail(drop)
    library.delete(drop)
    assert dataset.episode_path(drop).exists()
    with pytest.raises(StorageError, match="not in the trash"):
        library.purge([drop, keep])
    assert dataset.episode_path(drop).exists()
    (item,) = library.purgeable()
    assert item.uid == drop and item.size_bytes == dataset.episode_path(drop).stat().st_size
    assert library.purge([drop]) == (item,)
    assert not dataset.episode_path(drop).exists() and library.purgeable() == ()
    for view in (library, Library(dataset)):
        assert [(card.uid, card.number) for card in view.cards()] == [(keep, 1), (later, 3)]
    assert list((dataset.cache / "thumbnails").iterdir()) == []


def test_new_episodes_appear(dataset: Dataset, record: Record) -> None:
    record(0.2)
    library = Library(dataset)
    assert not library.refresh()
    record(0.2)
    assert library.refresh() and len(library.cards()) == 2
    seen: list[tuple[int, int]] = []
    record(0.2)
    library.refresh(lambda done, of: seen.append((done, of)))
    assert seen == [(1, 1)]


def test_a_take_under_way_is_shown_and_left_alone(dataset: Dataset) -> None:
    clock = FakeClock()
    uid = "20260131T093000250Z-1f2e3d"
    writer = EpisodeWriter(dataset, uid, [FAST], {"task": "wipe"}, clock)
    writer.append(FAST.name, [1, 2], np.zeros((2, 7)), 0)
    writer.flush()
    library = Library(dataset)
    assert "recording" in library.card(uid).flags
    writer.stop("stopped")
    library.refresh()
    assert "recording" not in library.card(uid).flags


def test_the_cache_can_be_deleted(dataset: Dataset, record: Record) -> None:
    uid = record(0.6, stop=False)
    first = Library(dataset)
    path = first.thumbnail(uid)
    assert path is not None and cv2.imread(str(path)).shape == (240, 320, 3)
    assert first.card(uid).thumbnail == path
    before = first.cards()
    (dataset.cache / "index.json").write_text('{"version": 1, "episodes": {"x": 3}}')
    broken = Library(dataset)
    assert broken.cards() == before and "made again" in broken.complaints[0]
    assert Library(dataset).complaints == ()
    shutil.rmtree(dataset.cache)
    fresh = Library(dataset)
    assert fresh.card(uid).facts == before[0].facts and fresh.card(uid).thumbnail is None
    assert fresh.thumbnail(uid) == path and path.exists()


def test_unreadable_files_are_shown_by_name(dataset: Dataset, record: Record) -> None:
    good, bad = record(0.2), record(0.2)
    dataset.episode_path(bad).write_bytes(b"not an episode")
    (dataset.episodes / "notes.txt").write_text("mine")
    library = Library(dataset)
    assert [card.uid for card in library.cards()] == [good, bad]
    assert library.card(bad).flags == ("unreadable",)
    assert bad in library.complaints[0] and "not an HDF5 file" in library.complaints[0]


def test_without_pictures_no_thumbnail(dataset: Dataset) -> None:
    uid = "20260131T093000250Z-1f2e3d"
    EpisodeWriter(dataset, uid, [FAST], {}, FakeClock()).stop("stopped")
    library = Library(dataset)
    assert library.thumbnail(uid) is None
    assert library.card(uid).flags == ("empty",)


def test_a_library_that_has_not_looked_knows_what_was_known_and_is_told_as_it_looks(
    dataset: Dataset, record: Record
) -> None:
    first = record(0.2)
    assert not Library(dataset, look=False).cards()
    Library(dataset)
    second = record(0.2)
    library = Library(dataset, look=False)
    assert [card.uid for card in library.cards()] == [first]
    seen: list[int] = []
    assert library.look(lambda done, of: seen.append(len(library.cards())))
    assert seen == [2] and [card.uid for card in library.cards()] == [first, second]


def test_who_stops_a_look_keeps_what_it_has_read(dataset: Dataset, record: Record) -> None:
    uids = [record(0.2) for _ in range(3)]

    class Enough(Exception):
        pass

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise Enough

    library = Library(dataset, look=False)
    with pytest.raises(Enough):
        library.look(stop)
    assert [card.uid for card in library.cards()] == uids[:2]
    read: list[int] = []
    library.look(lambda done, of: read.append(of))
    assert read == [1] and [card.uid for card in library.cards()] == uids


def test_a_library_takes_note_of_thumbnails_that_others_made(
    dataset: Dataset, record: Record
) -> None:
    uid = record(0.3)
    mine, other = Library(dataset), Library(dataset)
    assert not mine.take_note(uid) and mine.card(uid).thumbnail is None
    path = other.thumbnail(uid)
    dataset.episode_path(uid).write_bytes(b"no episode any more")  # it is not read again
    assert mine.take_note(uid) and mine.card(uid).thumbnail == path
