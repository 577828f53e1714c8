"""The Library on a made-up dataset: filter, play, decide, undo; and what reads ahead for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.session.curves import POINTS, thinned
from app.session.loading import EpisodeLoader, Loaded, Rows
from app.ui import look
from app.ui.action import Intent
from app.ui.library.place import LibraryPlace
from app.ui.library.shelf import FILTERS, ORDERS, Counts, Shelf
from datasets.dataset import Dataset
from datasets.journal import Journal
from datasets.library import EpisodeCard, Library
from devices.clock import FakeClock
from tests.ui.fake_dataset import record
from tests.ui.fake_session import FakeSession
from tests.ui.library_room import COUNT, Room


def uids(cards: list[EpisodeCard]) -> list[str]:
    return [card.uid for card in cards]


# ------------------------------------------------------------------------------------- the shelf
def test_filters_part_the_cards_and_orders_keep_them(recorded: Path) -> None:
    library = Library(Dataset.open(recorded))
    cards = list(library.cards())
    kinds = [
        set(uids(Shelf(filter=f).arranged(cards))) for f in ("success", "failure", "undecided")
    ]
    assert set().union(*kinds) == set(uids(cards))
    assert sum(map(len, kinds)) == len(cards)
    for order in ORDERS:
        assert sorted(uids(Shelf(order=order).arranged(cards))) == sorted(uids(cards))
    counts = Counts.of(cards)
    for name in FILTERS:
        assert counts.by_filter[name] == len(Shelf(filter=name).arranged(cards))
    numbers = [card.number for card in Shelf().arranged(cards)]
    assert numbers == sorted(numbers, reverse=True)
    assert {c.task for c in Shelf(query="cucumber ADA").arranged(cards)} == {"Peel the cucumber"}
    assert Shelf(query="cucumber nobody").arranged(cards) == []


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6000).map(np.array),
)
def test_thinning_keeps_the_peaks_and_the_ends(values: np.ndarray) -> None:
    seconds = np.arange(len(values), dtype=np.float64)
    few_seconds, few = thinned(seconds, values)
    assert few.max() == values.max() and few.min() == values.min()
    assert few[0] == values[0] and few[-1] == values[-1]
    assert len(few) <= max(POINTS * 1.1 + 12, 0) or len(few) == len(values)
    assert np.all(np.diff(few_seconds) > 0)
    assert np.array_equal(values[few_seconds.astype(int)], few)


# -------------------------------------------------------------------------------- reading ahead
class Loads:
    """A loader whose answers can be waited for."""

    def __init__(self) -> None:
        self.loaded: list[Loaded] = []
        self.rows: list[Rows] = []
        self.failed: list[tuple[Path, str]] = []
        self._there = threading.Condition()
        self.loader = EpisodeLoader(
            self._note(self.loaded),
            self._note(self.rows),
            lambda path, why: self._note(self.failed)((path, why)),
        )

    def _note(self, kept: list) -> Callable[[object], None]:  # type: ignore[type-arg]
        def note(item: object) -> None:
            with self._there:
                kept.append(item)
                self._there.notify()

        return note

    def wait(self, done: Callable[[], bool]) -> None:
        with self._there:
            assert self._there.wait_for(done, timeout=20)


@pytest.fixture
def loads() -> Iterator[Loads]:
    made = Loads()
    yield made
    made.loader.close()


def test_an_episode_comes_with_its_first_pictures(recorded: Path, loads: Loads) -> None:
    dataset = Dataset.open(recorded)
    path = dataset.episode_path(dataset.uids()[0])
    assert loads.loader.open(path) is None
    loads.wait(lambda: bool(loads.loaded))
    loaded = loads.loaded[0]
    assert loaded.cameras == ("front/rgb", "wrist_left/rgb")
    assert loaded.first.images["front/rgb"].shape == (48, 64, 3)
    assert set(loaded.heavy) == {"left_inner_pad/tactile", "right_inner_pad/tactile"}
    assert len(loaded.values["left_arm/q"]) == len(loaded.times["left_arm/q"]) == 500
    assert {"guard", "contact"} <= {mark.kind for mark in loaded.marks}
    assert not loaded.values["left_arm/q"].flags.writeable
    loads.loader.show(path, {"front/rgb": 12, "left_inner_pad/tactile": 40})
    loads.wait(lambda: bool(loads.rows))
    assert loads.rows[0].values["left_inner_pad/tactile"].shape == (7, 9, 3)


def test_neighbours_are_in_memory_when_they_are_asked_for(
    recorded: Path, loads: Loads, qtbot: QtBot
) -> None:
    dataset = Dataset.open(recorded)
    paths = [dataset.episode_path(uid) for uid in dataset.uids()]
    loads.loader.open(paths[0], paths[1:3])
    qtbot.waitUntil(lambda: set(paths[:3]) <= set(loads.loader._loaded), timeout=20_000)
    assert [loaded.path for loaded in loads.loaded] == paths[:1]  # the others are not told
    found = loads.loader.open(paths[1])
    assert found is not None and found.path == paths[1]


def test_a_broken_file_is_told_and_the_thread_lives(
    recorded: Path, tmp_path: Path, loads: Loads
) -> None:
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"no episode")
    loads.loader.open(broken)
    loads.wait(lambda: bool(loads.failed))
    assert loads.failed[0][0] == broken and "broken.h5" in loads.failed[0][1]
    dataset = Dataset.open(recorded)
    loads.loader.open(dataset.episode_path(dataset.uids()[0]))
    loads.wait(lambda: bool(loads.loaded))


# ------------------------------------------------------------------------------------- the place
def test_the_keys_play(room: Room) -> None:
    room.open(0)
    playback = room.place.player.playback
    assert playback.playing  # opens playing
    room.press(Qt.Key.Key_Space)
    assert not playback.playing
    room.press(Qt.Key.Key_L)
    room.press(Qt.Key.Key_L)
    assert playback.speed == 2.0
    room.press(Qt.Key.Key_K)
    room.press(Qt.Key.Key_End)
    assert playback.cursor_ns == playback.last_ns
    room.press(Qt.Key.Key_Home)
    room.press(Qt.Key.Key_Period)
    times = room.place.player._loaded.times["front/rgb"]  # type: ignore[union-attr]
    assert playback.cursor_ns == times[1]
    room.press(Qt.Key.Key_Comma)
    assert playback.cursor_ns == times[0]
    room.press(Qt.Key.Key_BracketRight)
    assert playback.speed == 4.0
    room.press(Qt.Key.Key_N)
    marks = [mark.t_ns for mark in room.place.player._loaded.marks]  # type: ignore[union-attr]
    assert playback.cursor_ns == marks[0]


def test_pictures_follow_the_cursor(room: Room) -> None:
    room.open(0)
    player = room.place.player
    room.press(Qt.Key.Key_Space)
    player.seek(player.playback.first_ns + 700_000_000)
    room.qtbot.waitUntil(
        lambda: (player.tick(), player._shown.get("front/rgb") == 21)[1]  # type: ignore[func-returns-value]
    )
    room.clock.advance_s(5)
    player.tick()
    assert player._wanted(player._loaded, player.playback.cursor_ns)["front/rgb"] == 21  # type: ignore[arg-type]


def test_a_verdict_is_a_line_of_the_journal_and_undo_names_it(room: Room) -> None:
    room.open(0)
    uid = room.place._open_uid
    before = room.library.card(uid).verdict
    room.press(Qt.Key.Key_X)
    assert room.library.card(uid).verdict == "failure"
    journal = Journal(room.library.dataset.journal)
    assert journal.lines[-1].operation == "verdict" and journal.lines[-1].uid == uid
    assert "Failure" in room.said
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert room.library.card(uid).verdict == before
    assert "Undone" in room.said and "failure" in room.said


def test_undo_goes_back_to_the_episode_it_was_about(room: Room) -> None:
    room.open(0)
    first = room.place._open_uid
    room.press(Qt.Key.Key_Return)  # keep and go on
    room.wait_loaded()
    assert room.place._open_uid != first
    room.window.perform(Intent("undo"))
    assert room.place._open_uid == first


def test_delete_moves_on_and_undo_brings_back(room: Room) -> None:
    room.open(1)
    uid = room.place._open_uid
    room.press(Qt.Key.Key_Delete)
    assert room.library.card(uid).deleted
    assert room.library.dataset.episode_path(uid).exists()
    assert room.place._open_uid not in ("", uid)
    room.window.perform(Intent("undo"))
    assert not room.library.card(uid).deleted


def test_several_are_judged_at_once_from_the_grid(room: Room) -> None:
    room.place.browse.list.selectAll()
    room.press(Qt.Key.Key_P)
    assert {card.verdict for card in room.library.cards()} == {"success"}
    assert f"{COUNT} episodes" in room.said


def test_relabel(room: Room) -> None:
    room.open(0)
    room.press(Qt.Key.Key_E)
    QTest.keyClicks(QApplication.focusWidget(), "Stack the cups")
    room.press(Qt.Key.Key_Return)
    assert room.library.card(room.place._open_uid).task == "Stack the cups"
    assert not room.place.covered()


def test_search_and_filter_by_keys(room: Room) -> None:
    room.press(Qt.Key.Key_F)
    assert {card.verdict for card in room.place._cards} == {"success"}
    room.press(Qt.Key.Key_Slash)
    QTest.keyClicks(room.place.browse.search, "peel")
    assert {card.task for card in room.place._cards} == {"Peel the cucumber"}
    QTest.keyClicks(room.place.browse.search, " nothing like this")
    assert room.place.browse._stack.currentWidget() is room.place.browse._nothing


def test_enter_in_the_search_goes_to_the_episodes_and_opens_none(room: Room) -> None:
    room.press(Qt.Key.Key_Slash)
    QTest.keyClicks(room.place.browse.search, "peel")
    room.press(Qt.Key.Key_Return)
    assert QApplication.focusWidget() is room.place.browse.list
    assert room.place._open_uid == ""


def test_new_takes_appear_by_themselves(room: Room) -> None:
    record(room.library.dataset, 50, 0.5)
    room.press(Qt.Key.Key_F5)
    room.qtbot.waitUntil(lambda: len(room.place._cards) == COUNT + 1)


def test_an_unreadable_episode_says_so_and_the_next_one_opens(room: Room) -> None:
    path = room.library.dataset.episode_path(room.place._cards[0].uid)
    path.write_bytes(b"\0" * 100)
    room.place.browse.select(room.place._cards[0].uid)
    room.press(Qt.Key.Key_Return)
    room.qtbot.waitUntil(room.place.player._fault.isVisible)
    assert path.name in room.place.player._fault.text.text()
    room.press(Qt.Key.Key_Down)
    room.wait_loaded()
    assert room.place.player._body.isVisible()


def test_thumbnails_are_made_on_the_way(room: Room) -> None:
    room.qtbot.waitUntil(
        lambda: all(card.thumbnail is not None for card in room.library.cards()), timeout=20_000
    )


def test_an_empty_dataset_says_how_to_begin(
    qtbot: QtBot, qapp: QApplication, tmp_path: Path
) -> None:
    look.dress(qapp)
    session = FakeSession()
    session.library = Library(Dataset.create(tmp_path / "new"))
    place = LibraryPlace(session, FakeClock())
    qtbot.addWidget(place)
    asked: list[Intent] = []
    place.intended.connect(asked.append)
    place.enter()
    assert place.browse._stack.currentWidget() is place.browse._first
    place.browse._first.pressed.emit()
    assert asked == [Intent("go", "collect")]
    session.library = None
    place.enter()
    assert place._stack.currentWidget() is place._none
    place.close_down()
    place.deleteLater()


def test_episodes_that_come_after_the_place_was_entered_take_the_keyboard(room: Room) -> None:
    browse = room.place.browse
    browse.show_cards([], Counts.of(()), "all")
    assert browse.current() == ""
    room.press(Qt.Key.Key_F5)
    room.qtbot.waitUntil(lambda: browse.current() == room.place._cards[0].uid)
    assert QApplication.focusWidget() is browse.list
