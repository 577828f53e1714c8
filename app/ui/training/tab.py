"""The Train tab: the queue of trainings on the left, the chosen one on the right."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from app.session.training import TrainingDesk, TrainingView
from app.session.training_asking import TrainingClerk
from app.session.training_draft import Draft
from app.ui import words
from app.ui.action import Context, Intent, UiState
from app.ui.actions import by_id, tooltip
from app.ui.look import SIZES
from app.ui.place import PlaceWidget, SessionPort
from app.ui.training.phases import PHASE_WORDS
from app.ui.training.queue_list import QueueList
from app.ui.training.run_view import RunView
from app.ui.training.sheet import NewTraining
from app.ui.widgets import Button, EmptyState, Keycap, Line, Text
from devices.errors import TeledeckError
from policies.training_run import Plan

LOOK_EVERY_S = 0.5
"""How often the folders of the queue are looked at [s]."""

COMPLAINTS = 3
"""Of what cannot be read, told at once."""

_EMPTY = (
    "A training makes a policy from the takes of a dataset. Choose the takes, a policy and how "
    "many updates it may have; it runs in a process of its own, and goes on where it was if "
    "anything ends it. The same by hand:\n\n"
    "teledeck train --dataset DIR --policy bc --queue {queue}\n"
    "teledeck train --queue {queue}"
)


class TrainTab(PlaceWidget):
    """Shows a queue of trainings and what can be asked of it.

    Args:
        session: Whose dataset is offered, and whose station is spared.
        queue: Folder of the queue.
    """

    def __init__(self, session: SessionPort, queue: Path, parent: QWidget | None = None) -> None:
        super().__init__()
        if parent is not None:
            self.setParent(parent)
        self._session = session
        self.desk = TrainingDesk(queue)
        self.clerk = TrainingClerk()
        self._views: tuple[TrainingView, ...] = ()
        self._looked = 0.0
        self._build(queue)

    def _build(self, queue: Path) -> None:
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        self._stack = QStackedWidget()
        whole.addWidget(self._stack)
        new = by_id("train.new")
        self._empty = EmptyState(
            "graduation-cap",
            "Train a policy",
            _EMPTY.format(queue=words.home_path(queue)),
            action=new.title,
            key=new.key,
        )
        self._empty.pressed.connect(self.open_sheet)
        self._stack.addWidget(self._empty)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, SIZES.gap, 0, 0)
        column.setSpacing(SIZES.gap)
        column.addLayout(self._head())
        self.complaint = Text("", wrap=True, tone="fault")
        self.complaint.setContentsMargins(SIZES.margin, 0, SIZES.margin, 0)
        self.complaint.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.complaint.hide()
        column.addWidget(self.complaint)
        middle = QHBoxLayout()
        middle.setSpacing(0)
        self.list = QueueList()
        self.list.setFixedWidth(336)
        self.list.picked.connect(lambda _: self._show_chosen())
        holder = QVBoxLayout()
        holder.setContentsMargins(SIZES.margin, 0, SIZES.unit, SIZES.gap)
        holder.addWidget(self.list)
        middle.addLayout(holder)
        middle.addWidget(Line(vertical=True))
        self.run = RunView()
        self.run.intended.connect(self._from_run)
        middle.addWidget(self.run, 1)
        column.addLayout(middle, 1)
        self._stack.addWidget(page)
        self.sheet = NewTraining(self, self.clerk, self.desk.pace, queue)
        self.sheet.decided.connect(self._add)

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(SIZES.margin, 0, SIZES.margin, 0)
        row.setSpacing(SIZES.unit)
        row.addWidget(Text("Trainings", "headline"))
        row.addSpacing(SIZES.unit)
        self.summary = Text("", role="soft")
        row.addWidget(self.summary, 1)
        self.start = Button("Start the queue", icon="play", hint="Trains what waits, one by one")
        self.start.clicked.connect(lambda: self._ask(self.desk.start))
        row.addWidget(self.start)
        new = by_id("train.new")
        self.new = Button(new.title, kind="primary", icon=new.icon, hint=tooltip(new))
        self.new.clicked.connect(self.open_sheet)
        row.addWidget(self.new)
        row.addWidget(Keycap(new.key))
        return row

    # ------------------------------------------------------------------------------- the place
    def enter(self) -> None:
        self._look(force=True)
        shown = self.list if self._views else self._empty
        shown.setFocus()

    def leave(self) -> None:
        self.sheet.dismiss()

    def refresh(self, state: UiState) -> None:
        """Nothing of the station is shown here; the queue is looked at in `tick`."""

    def tick(self) -> None:
        self.clerk.poll()
        if self.sheet.isVisible():
            self.sheet.tick()
        self._look()

    def covered(self) -> bool:
        return self.sheet.isVisible()

    def uncover(self) -> None:
        self.sheet.dismiss()

    def dataset_changed(self) -> None:
        dataset = self._dataset()
        if dataset is not None:
            self.sheet.use_dataset(dataset)

    def key_context(self) -> Context | None:
        return "training"

    def describe(self, state: UiState) -> UiState:
        view = self._chosen()
        return replace(state, training=view.can if view is not None else frozenset())

    def close_down(self) -> None:
        self.clerk.close()
        self.desk.close()
        self.run.close_down()

    def perform(self, intent: Intent, on: bool = True) -> bool:
        handler = {
            "train_new": self.open_sheet,
            "train_pause": self._pause,
            "train_cancel": self._cancel,
            "train_again": self._again,
        }.get(intent.name)
        if handler is None or not on:
            return False
        handler()
        return True

    # --------------------------------------------------------------------------------- looking
    def _dataset(self) -> Path | None:
        library = self._session.library
        if library is not None:
            return Path(library.dataset.root)
        recorder = self._session.recorder
        return Path(recorder.dataset) if recorder is not None and recorder.dataset else None

    def _chosen(self) -> TrainingView | None:
        name = self.list.current()
        return next((view for view in self._views if view.name == name), None)

    def _look(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        self._views = self.desk.runs()
        self.list.show_runs(self._views)
        self._stack.setCurrentIndex(1 if self._views or self.desk.complaints else 0)
        working = self.desk.working if self._views else False
        phases = [view.status.phase for view in self._views]
        waits = sum(phase in ("waiting", "stopped") for phase in phases)
        self.start.setVisible(bool(waits) and not working)
        self.summary.setText(_summary(self._views, working))
        self._show_complaints()
        self._show_chosen()

    def _show_complaints(self) -> None:
        """What in the queue cannot be read, and what to do about it; the first of many."""
        complaints = self.desk.complaints
        more = len(complaints) - COMPLAINTS
        lines = [*complaints[:COMPLAINTS], *([f"and {more} more"] if more > 0 else [])]
        self.complaint.setText("\n".join(lines))
        self.complaint.setToolTip("\n".join(complaints))
        self.complaint.setVisible(bool(complaints))

    def _show_chosen(self) -> None:
        view = self._chosen()
        self.run.setVisible(view is not None)
        if view is not None:
            curves = self.desk.curves(view.name)
            happened = self.desk.happenings(view.name)
            self.run.show_run(view, curves, happened, self.desk.origin(view))

    # ---------------------------------------------------------------------------------- asking
    def open_sheet(self) -> None:
        """Ask what to train next."""
        station = self._session.station is not None
        self.sheet.open_for(self._dataset(), station=station)

    def _add(self, draft: Draft, plan: Plan) -> None:
        try:
            folder = self.desk.add(plan)
            self.desk.start()
        except (TeledeckError, OSError) as error:
            self.said.emit(str(error))
            return
        name = folder.path.name
        self.said.emit(f"{name} is in the queue")
        self._look(force=True)
        self.list.choose(name)
        self.list.setFocus()

    def _from_run(self, intent: Intent) -> None:
        if not self.perform(intent):
            self.intended.emit(intent)

    def _pause(self) -> None:
        view = self._chosen_now()
        if view is None:
            return
        if "resume" in view.can:
            self._ask(lambda: self.desk.resume(view.name), f"{view.name} goes on")
        elif "pause" in view.can:
            self._ask(
                lambda: self.desk.pause(view.name), f"{view.name} pauses; the queue waits with it"
            )
        else:
            self._refuse(view, "paused")

    def _cancel(self) -> None:
        view = self._chosen_now()
        if view is None:
            return
        if "cancel" in view.can:
            done = f"{view.name} is cancelled; Go on takes it up again"
            self._ask(lambda: self.desk.cancel(view.name), done)
        else:
            self._refuse(view, "cancelled")

    def _again(self) -> None:
        view = self._chosen_now()
        if view is None:
            return
        if "again" in view.can:
            done = f"{view.name} goes on from its last state"
            self._ask(lambda: self.desk.again(view.name), done)
        else:
            self._refuse(view, "taken up again")

    def _chosen_now(self) -> TrainingView | None:
        """The chosen training as it is now, not as it was when it was drawn last."""
        self._look(force=True)
        return self._chosen()

    def _refuse(self, view: TrainingView, asked: str) -> None:
        word, _ = PHASE_WORDS[view.status.phase]
        self.said.emit(f"{view.name} cannot be {asked} now ({word.lower()})")

    def _ask(self, ask: Callable[[], object], done: str = "") -> None:
        try:
            ask()
        except (TeledeckError, OSError) as error:
            self.said.emit(str(error))
            return
        if done:
            self.said.emit(done)
        self._look(force=True)


def _summary(views: tuple[TrainingView, ...], working: bool) -> str:
    phases = [view.status.phase for view in views]
    live = sum(phase in ("reading", "training") for phase in phases)
    parts = []
    for count, word in (
        (live, "running"),
        (phases.count("paused"), "paused"),
        (phases.count("waiting"), "waiting"),
        (phases.count("stopped"), "interrupted"),
        (phases.count("failed"), "failed"),
        (phases.count("done"), "done"),
    ):
        if count:
            parts.append(f"{count} {word}")
    idle = (
        ""
        if working or not (phases.count("waiting") or phases.count("stopped"))
        else ("  ·  nobody works on the queue")
    )
    return ",  ".join(parts) + idle
