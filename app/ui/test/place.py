"""The Test place: Run, Results, Train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QHBoxLayout, QLineEdit, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from app.session.rollouts import Rollouts
from app.session.training import TrainingView
from app.ui.action import Context, Intent, UiState
from app.ui.actions import by_id, tooltip
from app.ui.look import SIZES
from app.ui.place import PlaceWidget, SessionPort
from app.ui.state import Mood
from app.ui.test.memory import Memory, MemoryFile, me
from app.ui.test.results import ResultsTab, book_of
from app.ui.test.run import RunTab
from app.ui.test.sheets import PolicySheet, ReasonSheet, ResultsSheet, WatchSheet
from app.ui.test.train import make_train_tab
from app.ui.test.watched import Watched
from app.ui.test.words import who_drives
from app.ui.widgets import Text, set_look
from devices.clock import Clock, SystemClock
from devices.errors import TeledeckError
from devices.leader import SIDES
from policies.evaluation.trials import Trial, Verdict

TABS = ("run", "results", "train")
CONTACT_N = 0.5
"""A wrist that feels more than this has made contact [N]; `teledeck evaluate` takes the same."""
FOLLOW_MS = 50


class TestPlace(PlaceWidget):
    """Lets policies drive, judges them, and shows what came of it.

    Args:
        session: Whom to show and ask.
        memory: What is remembered between runs.
        clock: Time.
    """

    __test__ = False  # its name makes pytest curious

    def __init__(
        self, session: SessionPort, memory: MemoryFile | None = None, clock: Clock | None = None
    ) -> None:
        super().__init__()
        self._session = session
        self._memory_file = memory or MemoryFile(None)
        self.memory = self._memory_file.load()
        self._clock = clock or SystemClock()
        self.rollouts = Rollouts(session, self.said.emit, self._clock)
        self._who = who_drives(None, {})
        self._folder: Path | None = None
        self._verdict: Verdict | None = None  # asked for while the rollout still ran
        self._phase = "idle"
        self._excluding: Trial | None = None
        self._moment = -1
        self._listed: tuple[object, ...] = ()
        self._build()
        self._timer = QTimer(self)
        self._timer.setInterval(FOLLOW_MS)
        self._timer.timeout.connect(self._follow)

    def _build(self) -> None:
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        top = QWidget()
        set_look(top, role="wall")
        top.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(top)
        row.setContentsMargins(SIZES.gap, 4, SIZES.gap, 4)
        row.setSpacing(SIZES.unit)
        self.tabs = QTabBar()
        self.tabs.setDrawBase(False)
        self.tabs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        for name in TABS:
            action = by_id(f"test.{name}")
            index = self.tabs.addTab(f"{name.capitalize()}  {action.key}")
            self.tabs.setTabToolTip(index, tooltip(action))
        self.tabs.currentChanged.connect(lambda index: self._show_tab(TABS[index]))
        row.addWidget(self.tabs)
        row.addSpacing(SIZES.margin)
        row.addWidget(Text("Instruction", "caption", role="caption"))
        self.instruction = QLineEdit()
        self.instruction.setAccessibleName("Instruction to the policy")
        self.instruction.setToolTip(tooltip(by_id("policy.instruct")))
        self.instruction.returnPressed.connect(self._instruct)
        row.addWidget(self.instruction, 1)
        self.watched = Watched()
        self.watched.clicked.connect(lambda: self.intended.emit(Intent("policy_watch")))
        row.addWidget(self.watched)
        whole.addWidget(top)
        self._stack = QStackedWidget()
        whole.addWidget(self._stack, 1)
        self.run = RunTab(self._session, self._clock.now_ns)
        self.results = ResultsTab()
        self.train = make_train_tab(self._session)
        for tab in (self.run, self.results, self.train):
            self._stack.addWidget(tab)
        self.run.intended.connect(self._pass_on)
        self.run.said.connect(self.said)
        self.results.intended.connect(self.intended)
        self.train.intended.connect(self.intended)
        self.train.said.connect(self.said)
        self.policy_sheet = PolicySheet(self)
        self.policy_sheet.decided.connect(self._load)
        self.watch_sheet = WatchSheet(self)
        self.watch_sheet.decided.connect(self._watch)
        self.results_sheet = ResultsSheet(self)
        self.results_sheet.decided.connect(self.use_results)
        self.reason_sheet = ReasonSheet(self)
        self.reason_sheet.decided.connect(self._exclude)
        self._sheets = (self.policy_sheet, self.watch_sheet, self.results_sheet, self.reason_sheet)

    # ------------------------------------------------------------------------------- the place
    @property
    def tab(self) -> str:
        """The tab on screen: "run", "results" or "train"."""
        return TABS[self.tabs.currentIndex()]

    def enter(self) -> None:
        self._find_book()
        self._show_tab(self.tab)

    def leave(self) -> None:
        self.run.driven.let_go_of_all()
        self.uncover()

    def close_down(self) -> None:
        self._timer.stop()
        self.run.driven.close_down()
        self.train.close_down()

    def layers(self) -> frozenset[str]:
        return self.run.driven.layers

    def key_context(self) -> Context | None:
        if self.tab == "train":
            return self.train.key_context()
        return "test_view" if self.tab == "run" and self.run.driven.has_keyboard() else None

    def covered(self) -> bool:
        return any(sheet.isVisible() for sheet in self._sheets) or self.train.covered()

    def uncover(self) -> None:
        for sheet in self._sheets:
            sheet.dismiss()
        self.train.uncover()

    def dataset_changed(self) -> None:
        self._find_book()
        self.train.dataset_changed()

    def describe(self, state: UiState) -> UiState:
        trial = self.results.trial() if self.tab == "results" else None
        station = self._session.station
        ready = frozenset(
            slot
            for slot, status in self._session.policies.items()
            if status.phase in ("ready", "driving", "holding")
        )
        return replace(
            self.train.describe(state) if self.tab == "train" else state,
            layers=self.layers(),
            tab=self.tab,
            rollout=self.rollouts.phase,
            in_hand=self._who.hand,
            ready=ready,
            planned=len(self.rollouts.waiting),
            done=station is not None and station.success,
            trial=trial is not None,
            moments=trial is not None and bool(trial.uid) and bool(trial.tags),
        )

    def mood(self, mood: Mood) -> Mood:
        """A takeover shows on the whole window, except where something worse does."""
        if self._who.hand == "taken" and mood.tone != "fault":
            return Mood("armed", f"You drive  ·  {mood.word}", self._who.note)
        if self.rollouts.phase == "judging" and mood.tone == "paused":
            return Mood("paused", "How did it go?", "S success, F failure, X excluded")
        return mood

    def tick(self) -> None:
        self._follow()
        if self.tab == "run":
            self.run.tick(self._who)
        elif self.tab == "train":
            self.train.tick()

    def refresh(self, state: UiState) -> None:
        station = self._session.station
        if station is not None and not self.instruction.hasFocus():
            self.instruction.setPlaceholderText(station.instruction)
        self.watched.refresh(station)
        if self.tab == "run":
            self.run.refresh(state, self._who, self.rollouts, self._book_words())

    # ------------------------------------------------------------------------------ following
    def _follow(self) -> None:
        """Follow robot and rollout, on screen or not."""
        touching = self.run.driven.hands.engaged
        self._who = who_drives(self._session.station, self._session.policies, touching)
        now = self.rollouts.now
        if self.rollouts.phase == "running" and now is not None and not now.contact_ns:
            for side in SIDES:
                sample = self._session.latest(f"{side}_arm/wrench")
                if sample is not None and float(np.linalg.norm(sample.data[:3])) > CONTACT_N:
                    self.rollouts.touched(sample.t_ns)
        self.rollouts.tick()
        phase = self.rollouts.phase
        if phase != self._phase:
            self._phase = phase
            if phase == "judging":
                self._begin_judging()
        if (phase != "idle") != self._timer.isActive():
            self._timer.start() if phase != "idle" else self._timer.stop()

    def _begin_judging(self) -> None:
        now = self.rollouts.now
        self.run.bar.score.setValue(round(100 * min(1.0, max(0.0, now.best if now else 0.0))))
        wanted, self._verdict = self._verdict, None
        if wanted is not None:
            self._judge(wanted)

    # -------------------------------------------------------------------------------- intents
    def perform(self, intent: Intent, on: bool = True) -> bool:
        handler = self._handlers().get(intent.name)
        if handler is not None:
            if on:
                handler(intent.argument)
            return True
        if self.tab == "run":
            return self.run.driven.perform(intent, on)
        return self.tab == "train" and self.train.perform(intent, on)

    def _handlers(self) -> dict[str, Callable[[str], Any]]:
        return {
            "test_tab": lambda name: self.tabs.setCurrentIndex(TABS.index(name)),
            "next_panel": lambda _: self.run.bar.primary.setFocus(Qt.FocusReason.TabFocusReason),
            "focus_instruction": lambda _: self.instruction.setFocus(),
            "rollout_next": lambda _: self.run.bar.primary.click(),
            "take_next": lambda _: self.run.bar.primary.click(),
            "rollout_plan": lambda _: self._plan(),
            "rollout_same": lambda _: self._same(),
            "rollout_clear": lambda _: self.rollouts.clear(),
            "rollout_begin": lambda _: self._begin(),
            "rollout_start": lambda _: self.rollouts.let_loose(),
            "rollout_stop": lambda _: self.rollouts.stop(),
            "rollout_judge": self._judge,
            "rollout_score": lambda step: self.run.bar.score.setValue(
                self.run.bar.score.value() + int(step)
            ),
            "rollout_disturb": lambda _: self._disturb(),
            "rollout_cancel": lambda _: self._cancel(),
            "rollout_tag": self._tag,
            "results_folder": lambda _: self._ask_folder(),
            "results_refresh": lambda _: self._read_book(),
            "trial_correct": self._correct,
            "trial_open": lambda _: self._open_trial(0),
            "trial_next_moment": lambda _: self._open_trial(self._moment + 1),
            "trial_moment": lambda number: self._open_trial(int(number)),
            "policy_load": self._ask_policy,
            "policy_watch": self._ask_watch,
        }

    def _ask_policy(self, path: str) -> None:
        if path:
            self._load(path)
        else:
            made = tuple(str(run.checkpoint) for run in self._trainings() if run.checkpoint)
            known = tuple(dict.fromkeys((*self.memory.checkpoints, *made)))
            self.policy_sheet.open_for(known[0] if known else "", known)

    def _load(self, path: str) -> None:
        self._remember(self.memory.with_checkpoint(path))
        self.intended.emit(Intent("policy_ask_load", path))

    def _ask_watch(self, path: str) -> None:
        if path:
            self._watch(path, False)
        else:
            queue = tuple(str(run.path) for run in self._trainings())
            before = (str(Path(p).parent) for p in self.memory.checkpoints if "://" not in p)
            places = tuple(dict.fromkeys((*queue, *before)))
            self.watch_sheet.open_for(places[0] if places else "", places)

    def _trainings(self) -> list[TrainingView]:
        """Those of the queue: what trains first, then the newest."""
        runs = sorted(self.train.desk.runs(), key=lambda run: run.name, reverse=True)
        return sorted(runs, key=lambda run: run.status.phase != "training")

    def _watch(self, path: str, use: bool) -> None:
        self.intended.emit(Intent("policy_ask_watch_use" if use else "policy_ask_watch", path))

    def _instruct(self) -> None:
        text = self.instruction.text().strip()
        if text:
            self.intended.emit(Intent("instruct", text))
            self.instruction.clear()
        if self.tab == "run":
            self.run.driven.take_keyboard()

    # ------------------------------------------------------------------------------- rollouts
    def _plan(self) -> None:
        state = self.describe(UiState())
        attempts = self.run.plan.attempts(state.ready)
        if not attempts:
            self.said.emit("The policy of the plan is not loaded; choose the other one, or load it")
            return
        self.rollouts.add(attempts)
        self.run.plan.next_starts()

    def _same(self) -> None:
        self._find_book()
        count = self.rollouts.complete()
        self.said.emit(
            f"{count} starts are added, so that both have tried the same"
            if count
            else "Both policies have tried the same starts"
        )

    def _begin(self) -> None:
        if self.rollouts.book is None:
            self._find_book()
        self.rollouts.begin()
        self._follow()

    def _judge(self, verdict: str) -> None:
        wanted = _verdict(verdict)
        if self.rollouts.phase == "running":
            self._verdict = wanted
            self.rollouts.stop()
            self._follow()
            return
        now = self.rollouts.now
        if wanted == "excluded" and now is not None:
            self._excluding = None
            letter = now.start.slot[-1].upper()
            self.reason_sheet.open_for(f"Policy {letter} from start {now.start.seed}.")
            return
        self._write(wanted, "")

    def _write(self, verdict: Verdict, reason: str) -> None:
        try:
            score = self.run.bar.score.value() / 100
            judged = self.rollouts.judge(verdict, score, reason, self.memory.judge or me())
        except TeledeckError as error:
            self.said.emit(str(error))
            return
        if judged:
            self.said.emit(f"{verdict.capitalize()}; on the disk")
            self._read_book()
        self._follow()

    def _exclude(self, reason: str) -> None:
        if self._excluding is not None:
            self._replace(self._excluding, "excluded", reason)
        else:
            self._write("excluded", reason)

    def _disturb(self) -> None:
        now, station = self.rollouts.now, self._session.station
        if now is None or station is None:
            return
        name = now.start.perturb or str(self.run.plan.disturb.currentData() or "")
        if not name and station.perturbations:
            name = station.perturbations[0]
        if name:
            self.rollouts.disturb(name)
            self.said.emit(f"Disturbed: {name.replace('_', ' ')}")
        else:
            self.said.emit("This scene knows no disturbance")

    def _cancel(self) -> None:
        self.rollouts.cancel()
        self.said.emit("Given up; the same start comes again")
        self._follow()

    def _tag(self, kind: str) -> None:
        self.rollouts.tag(kind)

    # -------------------------------------------------------------------------------- results
    def use_results(self, folder: str) -> None:
        """Trials go to this folder and are read from it."""
        self._remember(replace(self.memory, results=folder))
        self._folder = None
        self._find_book()

    def _ask_folder(self) -> None:
        before = (self.memory.results,) if self.memory.results else ()
        start = str(self._folder or Path.home() / "Teledeck" / "trials")
        self.results_sheet.open_for(start, before)

    def _find_book(self) -> None:
        """Open the book: in the chosen folder, or beside the dataset."""
        recorder = self._session.recorder
        folder = self.memory.results
        if not folder and recorder is not None and recorder.dataset:
            dataset = Path(recorder.dataset)
            folder = str(dataset.with_name(f"{dataset.name}-trials"))
        if folder and Path(folder) != self._folder:
            self._folder = Path(folder)
            self._read_book()

    def _read_book(self) -> None:
        if self._folder is None:
            return
        try:
            self.rollouts.open_book(self._folder)
        except TeledeckError as error:
            self.rollouts.book = None
            self.said.emit(str(error))
            return
        self._list_trials()

    def _list_trials(self) -> None:
        if self.tab == "results":
            trials = tuple(self.rollouts.book or ())
            if self._listed != (trials, self._folder):
                self._listed = (trials, self._folder)
                self.results.show_book(trials, self._book_words())

    def _book_words(self) -> str:
        return "" if self._folder is None else str(book_of(self._folder))

    def _correct(self, verdict: str) -> None:
        trial = self.results.trial()
        if trial is None:
            return
        if verdict == "excluded":
            self._excluding = trial
            self.reason_sheet.open_for(f"{trial.policy} from start {trial.seed}.")
        else:
            self._replace(
                trial, _verdict(verdict), "" if trial.verdict == "excluded" else trial.reason
            )

    def _replace(self, trial: Trial, verdict: Verdict, reason: str) -> None:
        self._excluding = None
        try:
            self.rollouts.correct(trial, verdict, trial.score, reason)
        except TeledeckError as error:
            self.said.emit(str(error))
            return
        self.said.emit(f"{trial.policy} from start {trial.seed}: {verdict}")
        self._list_trials()

    def _open_trial(self, number: int) -> None:
        trial = self.results.trial()
        if trial is None or not trial.uid:
            self.said.emit("The episode of this trial was not kept")
            return
        moments = [at for _, at in trial.tags]
        self._moment = number % len(moments) if moments else -1
        at = moments[self._moment] if moments else None
        self.intended.emit(Intent("open_moment", f"{trial.uid} {at if at is not None else 0.0}"))

    # ---------------------------------------------------------------------------------- small
    def _show_tab(self, name: str) -> None:
        self._stack.setCurrentIndex(TABS.index(name))
        if name != "run":
            self.run.driven.let_go_of_all()
        if name == "run":
            self.run.driven.take_keyboard()
        elif name == "results":
            self._list_trials()
            self.results.focus_list()
        else:
            self.train.enter()

    def _pass_on(self, intent: Intent) -> None:
        self.intended.emit(intent)
        if not self.covered() and self.tab == "run":
            self.run.driven.take_keyboard()

    def _remember(self, memory: Memory) -> None:
        self.memory = memory
        try:
            self._memory_file.save(self.memory)
        except OSError as error:
            self.said.emit(f"What Test remembers cannot be saved: {error.strerror or error}")


def _verdict(name: str) -> Verdict:
    known: dict[str, Verdict] = {
        "success": "success",
        "failure": "failure",
        "excluded": "excluded",
    }
    return known[name]
