"""The trash of the Library: what lies there, how to take it out, and what purging says and does."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from app.ui import words
from app.ui.action import Intent
from tests.ui.library_room import COUNT, Room

Key = Qt.Key


def delete(room: Room, count: int) -> list[str]:
    """Put so many into the trash and look at it; returns their uids."""
    room.place.browse.list.selectAll()
    chosen = room.place.browse.selected()[:count]
    room.place.browse.select(chosen[0])
    for uid in chosen:
        room.library.delete(uid)
    room.window.perform(Intent("library_refresh"))
    room.place._set_filter("trash")
    return chosen


def test_the_trash_tells_how_much_lies_there(room: Room) -> None:
    bar = room.place.browse.trash
    assert not bar.isVisible()
    uids = delete(room, 2)
    size = sum(room.library.card(uid).facts.size_bytes for uid in uids)
    assert bar.isVisible() and bar.amount.text() == f"2 episodes  ·  {words.size(size)}"
    room.place._set_filter("all")
    assert not bar.isVisible()


def test_what_is_restored_is_where_it_was_and_undo_takes_it_back(room: Room) -> None:
    uids = delete(room, 2)
    room.place.browse.select(uids[1])
    room.press(Key.Key_T)
    assert not room.library.card(uids[1]).deleted and room.library.card(uids[0]).deleted
    assert "Taken out of the trash" in room.said
    room.window.perform(Intent("undo"))
    assert room.library.card(uids[1]).deleted


def test_restoring_means_what_is_in_the_trash_alone(room: Room) -> None:
    assert not room.window.ui_state().in_trash
    delete(room, 1)
    room.place.browse.focus_list()
    assert room.window.ui_state().in_trash and room.window.ui_state().trashed == 1
    room.place._set_filter("all")
    room.place.browse.focus_list()
    assert not room.window.ui_state().in_trash


def test_purging_asks_with_number_and_bytes_and_removes_those_alone(room: Room) -> None:
    uids = delete(room, 3)
    paths = [room.library.dataset.episode_path(uid) for uid in uids]
    size = sum(path.stat().st_size for path in paths)
    QTest.keyClick(
        QApplication.focusWidget() or room.window, Key.Key_Delete, Qt.KeyboardModifier.ShiftModifier
    )
    sheet = room.place._purge_sheet
    assert sheet.isVisible() and room.place.covered()
    asked = sheet.hint.text()
    assert "3 episodes" in asked and words.plural(size, "byte") in asked
    assert sheet.done.text() == "Purge 3 episodes"
    room.press(Key.Key_Return)  # by itself it does nothing
    assert all(path.exists() for path in paths)
    sheet.done.click()
    room.qtbot.waitUntil(lambda: not any(path.exists() for path in paths))
    room.qtbot.waitUntil(lambda: "Purged 3 episodes" in room.said)
    assert len(room.library.cards()) == COUNT - 3 and not room.library.cards(trash=True)
    assert not room.place.browse.trash.isVisible()
    assert room.place.browse._nothing.title.text() == "The trash is empty"


def test_purging_can_be_stopped_and_tells_what_is_left(room: Room) -> None:
    delete(room, 4)
    room.place._purge()
    room.qtbot.waitUntil(lambda: len(room.library.cards(trash=True)) < 4)
    assert room.place.browse.trash.bar.isVisible() and not room.place.browse.trash.purge.isEnabled()
    room.place.browse.trash.stop.click()
    left = len(room.library.cards(trash=True))
    assert 0 < left < 4
    room.qtbot.wait(100)
    assert len(room.library.cards(trash=True)) == left
    assert "left in the trash" in room.said and words.plural(left, "episode") in room.said


def test_a_file_that_cannot_be_removed_is_told_and_ends_it(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets.library import Library
    from devices.errors import StorageError

    def fails(self: Library, uids: object) -> None:
        raise StorageError("x.h5 cannot be removed", next_step="Remove the file by hand")

    monkeypatch.setattr(Library, "purge", fails)
    delete(room, 2)
    room.place._purge()
    room.qtbot.waitUntil(lambda: "Remove the file by hand" in room.said)
    assert not room.place.purging.left and len(room.library.cards(trash=True)) == 2
