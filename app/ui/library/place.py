"""The Library place: look through a dataset, play an episode, decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QStackedWidget, QVBoxLayout

from app.ui.action import Intent, UiState
from app.ui.library.browse import Browse
from app.ui.library.looker import Looker
from app.ui.library.player import Player
from app.ui.library.purging import Purging
from app.ui.library.shelf import Counts, Filter, Order, Pace, Shelf
from app.ui.library.thumbnails import ThumbnailMaker
from app.ui.library.trash_bar import PurgeSheet
from app.ui.place import PlaceWidget, SessionPort
from app.ui.sheets import TextSheet
from app.ui.widgets import EmptyState
from datasets.journal import JournalLine, Verdict
from datasets.library import EpisodeCard, Library
from devices.clock import Clock, SystemClock
from devices.errors import TeledeckError

LOOK_EVERY_S = 2.0
"""How often the folder is looked at for new episodes while the Library is on screen [s]."""

AHEAD = 2
"""Neighbours on each side that are read ahead."""


class LibraryPlace(PlaceWidget):
    """Shows the session's library.

    Args:
        session: Whose dataset.
        clock: What playback runs by.
    """

    _made = pyqtSignal(str)
    _looked_there = pyqtSignal(str)

    def __init__(self, session: SessionPort, clock: Clock | None = None) -> None:
        super().__init__()
        self._session = session
        self._clock = clock if clock is not None else SystemClock()
        self._shelf = Shelf()
        self._shown_library: Library | None = None
        self._cards: list[EpisodeCard] = []
        self._trash: list[EpisodeCard] = []
        self._open_uid = ""
        self._pace = Pace()
        self._auto_advance = False
        self._layout = "grid"
        self._looked = 0.0
        self._thumbnails_stale = False
        self._build()
        self._looker = Looker(self._looked_there.emit)
        self._looked_there.connect(self._take_look)
        self._maker = ThumbnailMaker(self._made.emit)
        self._made.connect(self._thumbnail_made)

    def _build(self) -> None:
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        self._stack = QStackedWidget()
        whole.addWidget(self._stack)
        self._none = EmptyState(
            "folder-open",
            "No dataset is open",
            "A dataset is a folder that holds episodes and what was decided about them. Make a "
            "new one, or open one that you have.",
            action="New dataset…",
            key="Ctrl+N",
        )
        self._none.pressed.connect(lambda: self.intended.emit(Intent("new_dataset")))
        self.browse = Browse()
        self.browse.intended.connect(self.intended)
        self.browse.filtered.connect(self._set_filter)
        self.browse.ordered.connect(self._set_order)
        self.browse.searched.connect(self._set_query)
        self.browse.opened.connect(self.open_episode)
        self.browse.chosen.connect(lambda: self._show_trash())
        self.player = Player(self._clock)
        self.player.intended.connect(self.intended)
        self.player.said.connect(self.said)
        for part in (self._none, self.browse, self.player):
            self._stack.addWidget(part)
        self._task = TextSheet(self)
        self._task.decided.connect(self._relabel)
        self._purge_sheet = PurgeSheet(self)
        self._purge_sheet.decided.connect(self._purge)
        self.purging = Purging(self)
        self.purging.changed.connect(self._show)
        self.purging.said.connect(self.said)

    # ------------------------------------------------------------------------------- the place
    def enter(self) -> None:
        self._look(force=True)
        if self._stack.currentWidget() is self.browse:
            self.browse.focus_list()
        else:
            self._stack.currentWidget().setFocus()  # type: ignore[union-attr]

    def leave(self) -> None:
        self.player.playback.pause()
        self.uncover()

    def refresh(self, state: UiState) -> None:
        self._look()

    def tick(self) -> None:
        if self._stack.currentWidget() is self.player:
            self.player.tick()

    def covered(self) -> bool:
        return self._task.isVisible() or self._purge_sheet.isVisible()

    def uncover(self) -> None:
        self._task.dismiss()
        self._purge_sheet.dismiss()

    def dataset_changed(self) -> None:
        self.purging.stop()
        self._close_episode()
        self._look(force=True)

    def close_down(self) -> None:
        self.purging.stop()
        self._looker.close()
        self._maker.close()
        self.player.close_down()

    def describe(self, state: UiState) -> UiState:
        library = self._library()
        return replace(
            state,
            player=bool(self._open_uid),
            selected=bool(self._open_uid or self.browse.selected()),
            in_trash=bool(self._in_trash()),
            trashed=0 if self.purging.left else len(self._trash),
            playing=self.player.playback.playing,
            can_undo=library is not None and bool(library.state.undoable),
            auto_advance=self._auto_advance,
        )

    def perform(self, intent: Intent, on: bool = True) -> bool:
        handler = self._handlers().get(intent.name)
        if handler is not None and on:
            handler(intent.argument)
            return True
        return bool(self._open_uid) and on and self.player.perform(intent)

    def _handlers(self) -> dict[str, Callable[[Any], None]]:
        return {
            "library_open": lambda _: self.open_episode(self.browse.current()),
            "library_search": lambda _: self.browse.search.setFocus(),
            "library_filter": lambda _: self._set_filter(self._shelf.next_filter().filter),
            "library_sort": lambda _: self._set_order(self._shelf.next_order().order),
            "library_layout": lambda _: self._switch_layout(),
            "library_refresh": lambda _: self._look(force=True),
            "episode": lambda way: self._go(1 if way == "next" else -1),
            "close_episode": lambda _: self._close_episode(),
            "verdict": self._verdict,
            "verdict_and_next": lambda verdict: self._verdict(verdict, advance=True),
            "auto_advance": lambda _: self._switch_advance(),
            "relabel": lambda _: self._ask_task(),
            "delete": lambda _: self._delete(),
            "restore": lambda _: self._restore(),
            "library_purge": lambda _: self._ask_purge(),
            "purge_stop": lambda _: self.purging.stop(),
            "undo": lambda _: self._undo(),
            "replay": lambda _: self._replay(),
        }

    # --------------------------------------------------------------------------------- looking
    def _library(self) -> Library | None:
        return self._session.library  # type: ignore[no-any-return]

    def _look(self, *, force: bool = False) -> None:
        """Look for what others did to the dataset: the recorder, another window, a script."""
        library = self._library()
        now = time.monotonic()
        if library is not self._shown_library:
            self._shown_library = library
            force = True
        if library is None:
            self._stack.setCurrentWidget(self._none)
            return
        if not force and now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        try:
            changed = library.reread()
        except TeledeckError as error:
            self.said.emit(str(error))
            return
        if changed or force:
            self._show()
        self._looker.look(library)

    def _take_look(self, fault: str) -> None:
        """New episodes have been found, or why none could be."""
        if fault:
            self.said.emit(fault)
        else:
            self._show()

    def _show(self) -> None:
        library = self._library()
        if library is None:
            return
        everything = (*library.cards(), *library.cards(trash=True))
        self._trash = [card for card in everything if card.deleted]
        self._cards = self._shelf.arranged(everything)
        counts = Counts.of(everything)
        self.browse.show_dataset(library.dataset.name, str(library.dataset.root))
        self.browse.show_cards(self._cards, counts, self._shelf.filter)
        self.browse.trash.setVisible(self._shelf.filter == "trash" and bool(self._trash))
        self._show_trash()
        self.browse.show_order(self._shelf.order)
        self.browse.show_complaints(library.complaints)
        self._maker.make(
            library.dataset,
            [c.uid for c in self._cards if c.thumbnail is None and c.facts.cameras],
        )
        if self._open_uid:
            card = next((c for c in everything if c.uid == self._open_uid), None)
            if card is None:
                self._close_episode()
            else:
                self.player.show_card(card)
                self.player.bar.show_pace(
                    counts.by_filter["undecided"], counts.by_filter["all"], self._pace.median_s
                )
                return
        self._stack.setCurrentWidget(self.browse)

    def _thumbnail_made(self, uid: str) -> None:
        library = self._library()
        if library is not None and library.take_note(uid):
            self._show()

    # -------------------------------------------------------------------------------- episodes
    def open_episode(self, uid: str) -> None:
        """Open and play an episode."""
        library = self._library()
        if library is None or not uid:
            return
        card = library.card(uid)
        self._open_uid = uid
        order = [c.uid for c in self._cards]
        at = order.index(uid) if uid in order else 0
        near = [
            order[i]
            for step in range(1, AHEAD + 1)
            for i in (at + step, at - step)
            if 0 <= i < len(order)
        ]
        dataset = library.dataset
        self.player.open(
            card, dataset, dataset.episode_path(uid), [dataset.episode_path(u) for u in near]
        )
        self.browse.select(uid)
        self._stack.setCurrentWidget(self.player)
        self.player.setFocus()
        self._pace.opened(self._clock.now_ns())
        self._show()

    def open_moment(self, uid: str, seconds: float) -> None:
        """Open an episode, paused some seconds after a policy began to drive in it."""
        library = self._library()
        try:
            if library is not None:
                library.refresh()  # it may have been recorded a moment ago
        except TeledeckError as error:
            self.said.emit(str(error))
            return
        self._look(force=True)
        if library is None or uid not in {card.uid for card in library.cards()}:
            self.said.emit("This episode is not in the open dataset; open the one it went to")
            return
        self.player.open_at = seconds
        self.open_episode(uid)

    def _close_episode(self) -> None:
        if self._open_uid:
            self._open_uid = ""
            self.player.close_episode()
            self._stack.setCurrentWidget(self.browse)
            self.browse.focus_list()

    def _go(self, step: int) -> None:
        order = [c.uid for c in self._cards]
        if self._open_uid not in order:
            return
        at = order.index(self._open_uid) + step
        if 0 <= at < len(order):
            self.open_episode(order[at])
        else:
            self.said.emit("This is the last episode" if step > 0 else "This is the first episode")

    # -------------------------------------------------------------------------------- deciding
    def _targets(self) -> list[str]:
        return [self._open_uid] if self._open_uid else self.browse.selected()

    def _verdict(self, verdict: Verdict, *, advance: bool = False) -> None:
        uids = self._targets()
        neighbour = self._neighbour()
        if not self._decide(lambda library, uid: library.set_verdict(uid, verdict), uids):
            return
        self._pace.decided(self._clock.now_ns())
        self._told(uids, f"{verdict.capitalize()}")
        self._show()
        if self._open_uid and (advance or self._auto_advance):
            if neighbour:
                self.open_episode(neighbour)
            else:
                self.said.emit("This was the last episode")

    def _delete(self) -> None:
        uids = self._targets()
        neighbour = self._neighbour()
        if not self._decide(lambda library, uid: library.delete(uid), uids):
            return
        self._told(uids, "Moved to the trash")
        self._show()
        if self._open_uid:
            if neighbour:
                self.open_episode(neighbour)
            else:
                self._close_episode()

    # ------------------------------------------------------------------------------- the trash
    def _in_trash(self) -> list[str]:
        """What is selected or open, of the trash."""
        trash = {card.uid for card in self._trash}
        return [uid for uid in self._targets() if uid in trash]

    def _restore(self) -> None:
        uids = self._in_trash()
        if self._decide(lambda library, uid: library.restore(uid), uids):
            self._told(uids, "Taken out of the trash")
            self._show()

    def _ask_purge(self) -> None:
        if self._trash and not self.purging.left:
            self._purge_sheet.open_for(len(self._trash), _size(self._trash))

    def _purge(self) -> None:
        library = self._library()
        if library is not None:
            self._close_episode()
            self.purging.start(library, [card.uid for card in self._trash])

    def _show_trash(self) -> None:
        count, size = len(self._trash), _size(self._trash)
        work = self.purging
        self.browse.trash.show_trash(count, size, bool(self._in_trash()), work.left, work.of)

    def _ask_task(self) -> None:
        library, uids = self._library(), self._targets()
        if library is None or not uids:
            return
        about = "" if len(uids) == 1 else f"For {len(uids)} episodes"
        self._task.open_with(library.card(uids[0]).task, about)

    def _relabel(self, task: str) -> None:
        uids = self._targets()
        if self._decide(lambda library, uid: library.relabel(uid, task), uids):
            self._told(uids, f"Task is now “{task}”")
            self._show()

    def _replay(self) -> None:
        """Hand the open or selected episode to the window, which has the robot."""
        library, uid = self._library(), self._open_uid or self.browse.current()
        if library is not None and uid:
            path = library.dataset.episode_path(uid)
            self.intended.emit(Intent("replay_episode", str(path)))

    def _undo(self) -> None:
        library = self._library()
        if library is None:
            return
        try:
            line = library.undo()
            number = library.card(line.uid).number
        except TeledeckError as error:
            self.said.emit(str(error))
            return
        self._show()
        if self._open_uid and line.uid != self._open_uid:
            self.open_episode(line.uid)  # one sees what was undone
        elif not self._open_uid:
            self.browse.select(line.uid)
        self.said.emit(f"Undone: #{number} {undo_words(line)}")

    def _decide(self, decision: Callable[[Library, str], JournalLine], uids: list[str]) -> bool:
        """Write a line for each episode. False, and said why, if that failed."""
        library = self._library()
        if library is None or not uids:
            return False
        try:
            for uid in uids:
                decision(library, uid)
        except TeledeckError as error:
            self.said.emit(str(error))
            self._show()
            return False
        return True

    def _told(self, uids: list[str], what: str) -> None:
        library = self._library()
        if library is None:
            return
        which = f"#{library.card(uids[0]).number}" if len(uids) == 1 else f"{len(uids)} episodes"
        self.undoable.emit(f"{which}: {what}")

    def _neighbour(self) -> str:
        """The next episode, or the one before at the end; "" if there is no other."""
        order = [c.uid for c in self._cards]
        if self._open_uid not in order:
            return ""
        at = order.index(self._open_uid)
        return order[at + 1] if at + 1 < len(order) else order[at - 1] if at > 0 else ""

    # --------------------------------------------------------------------------------- looking
    def _set_filter(self, name: Filter) -> None:
        self._shelf = replace(self._shelf, filter=name)
        self._show()

    def _set_order(self, name: Order) -> None:
        self._shelf = replace(self._shelf, order=name)
        self._show()

    def _set_query(self, query: str) -> None:
        self._shelf = replace(self._shelf, query=query)
        self._show()

    def _switch_layout(self) -> None:
        self._layout = "list" if self._layout == "grid" else "grid"
        self.browse.show_layout(self._layout)

    def _switch_advance(self) -> None:
        self._auto_advance = not self._auto_advance
        self.said.emit(
            "A verdict opens the next episode" if self._auto_advance else "A verdict stays here"
        )


def _size(cards: Iterable[EpisodeCard]) -> int:
    return sum(card.facts.size_bytes for card in cards)


def undo_words(line: JournalLine) -> str:
    """What a taken back decision was, in the words of the screen."""
    fields = line.fields
    return {
        "verdict": lambda: str(fields["verdict"]),
        "relabel": lambda: f"task “{fields['task']}”",
        "delete": lambda: "moved to the trash",
        "restore": lambda: "taken out of the trash",
        "trim": lambda: "trimmed",
        "note": lambda: "note",
    }.get(line.operation, lambda: str(line.operation))()
