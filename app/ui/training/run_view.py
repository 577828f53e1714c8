"""One training: what can be asked of it, its curves, where it comes from, what happened."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QListWidget,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.session.training import CurveName, Happening, Origin, TrainingCurve, TrainingView
from app.ui import look, words
from app.ui.action import Intent
from app.ui.look import SIZES
from app.ui.training.loss_plot import LossPlot
from app.ui.training.phases import PHASE_WORDS, loss, number, preset_of, progress
from app.ui.widgets import Button, Card, Chip, ElidedText, SectionTitle, Text

FACTS = (
    "Hold-out",
    "Training loss",
    "Best checkpoint",
    "Speed",
    "Policy",
    "Sees",
    "Dataset",
    "Takes",
    "Read",
    "Data digest",
    "Journal digest",
    "Seed",
    "Device",
    "Program",
)


class RunView(QWidget):
    """Takes a run; emits what is wanted of it as an `Intent`."""

    intended = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = ""
        self._told: tuple[str, ...] | None = None  # lines on screen; None: another run's
        self._view: TrainingView | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(SIZES.gap, 0, SIZES.margin, SIZES.gap)
        column.setSpacing(SIZES.unit)
        column.addLayout(self._head())
        column.addLayout(self._buttons())
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        column.addWidget(self.bar)
        self.error = Text("", wrap=True, tone="fault")
        self.error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.error.hide()
        column.addWidget(self.error)
        middle = QHBoxLayout()
        middle.setSpacing(SIZES.gap)
        left = QVBoxLayout()
        left.setSpacing(SIZES.unit)
        self.plot = LossPlot()
        left.addWidget(self.plot, 3)
        left.addWidget(SectionTitle("What happened"))
        self.log = QListWidget()
        self.log.setAccessibleName("What happened")
        self.log.setFont(look.font("caption"))
        self.log.setMinimumHeight(84)
        self.log.setWordWrap(True)
        self.log.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        left.addWidget(self.log, 1)
        middle.addLayout(left, 1)
        middle.addWidget(self._facts(), 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(middle, 1)

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self.name = Text("", "headline")
        self.phase = Chip("")
        self.sentence = ElidedText("", role="soft")
        row.addWidget(self.name)
        row.addWidget(self.phase)
        row.addSpacing(SIZES.unit)
        row.addWidget(self.sentence, 1)
        return row

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self.pause = self._button("Pause", "pause", Intent("train_pause"))
        self.again = self._button("Go on", "arrow-clockwise", Intent("train_again"))
        self.cancel = self._button("Cancel", "x-circle", Intent("train_cancel"))
        for button in (self.pause, self.again, self.cancel):
            row.addWidget(button)
        row.addStretch(1)
        self.load = Button(
            "Load",
            icon="folder-open",
            hint="The best checkpoint so far, into the free slot of Test. It drives only when you "
            "say so.",
        )
        self.load.clicked.connect(lambda: self._send("policy_load"))
        row.addWidget(self.load)
        self.watch = Button(
            "Watch",
            icon="eye",
            hint="Loads each new best checkpoint into the free slot of Test while this trains.",
        )
        self.watch.clicked.connect(lambda: self._send("policy_watch"))
        row.addWidget(self.watch)
        return row

    def _button(self, text: str, icon: str, intent: Intent) -> Button:
        button = Button(text, icon=icon)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.intended.emit(intent))
        return button

    def _facts(self) -> Card:
        card = Card()
        card.setFixedWidth(304)
        card.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Maximum)
        grid = QGridLayout()
        grid.setHorizontalSpacing(SIZES.unit)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        self.facts: dict[str, ElidedText] = {}
        for row, name in enumerate(FACTS):
            value = ElidedText("")
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            grid.addWidget(SectionTitle(name), row, 0)
            grid.addWidget(value, row, 1)
            self.facts[name] = value
        card.body.addLayout(grid)
        return card

    def _send(self, name: str) -> None:
        view = self._view
        if view is None:
            return
        path = view.checkpoint if name == "policy_load" else view.path
        if path is not None:
            self.intended.emit(Intent(name, str(path)))

    # ---------------------------------------------------------------------------------- showing
    def show_run(
        self,
        view: TrainingView,
        curves: Mapping[CurveName, TrainingCurve],
        happenings: Sequence[Happening],
        origin: Origin | None,
    ) -> None:
        """Show a run as it is now; what did not change is not drawn again."""
        if view.name != self._name:
            self._name, self._told = view.name, None
            self.plot.forget()
        self._view = view
        word, tone = PHASE_WORDS[view.status.phase]
        self.name.setText(view.name)
        self.phase.show_value(word, tone)
        stage = f"  ·  stage “{view.status.stage}”" if view.status.stage else ""
        self.sentence.setText(progress(view) + (stage if view.status.phase != "done" else ""))
        self.bar.setValue(round(view.share * 1000))
        self._show_buttons(view)
        self.error.setText(view.status.error)
        self.error.setVisible(bool(view.status.error))
        self.plot.show_curves(curves, view.plan.steps)
        self._show_facts(view, origin)
        self._show_log(view, happenings)

    def _show_buttons(self, view: TrainingView) -> None:
        can = view.can
        goes_on = "resume" in can
        self.pause.setText("Resume" if goes_on else "Pause")
        self.pause.set_icon("play" if goes_on else "pause")
        self.pause.setVisible("pause" in can or goes_on)
        self.pause.setToolTip(
            "Goes on from its last state  (P)" if goes_on else "Waits; the queue waits with it  (P)"
        )
        self.again.setVisible("again" in can)
        self.again.setToolTip("Goes on from its last state  (Shift+R)")
        self.cancel.setVisible("cancel" in can)
        self.cancel.setToolTip("Ends it; its checkpoints stay, and Go on takes it up  (Delete)")
        self.load.setEnabled(view.checkpoint is not None)
        self.watch.setEnabled(view.status.phase not in ("done", "cancelled", "failed"))

    def _show_facts(self, view: TrainingView, origin: Origin | None) -> None:
        plan, status = view.plan, view.status
        takes = {"success": "successes", "failure": "failures", None: "any verdict"}[plan.verdict]
        out = sum(weight == 0 for weight in plan.weights.values())
        weighed = len(plan.weights) - out
        takes += f", task “{plan.task}”" if plan.task else ""
        takes += f", {out} left out" if out else ""
        takes += f", {weighed} weighed" if weighed else ""
        pace = f"{status.steps_per_s:.1f} updates/s" if status.steps_per_s else "—"
        threads = f", {words.plural(plan.threads, 'thread')}" if plan.threads else ", all threads"
        best = "none yet" if origin is None else f"at update {number(origin.step)}"
        told = {
            "Hold-out": f"{loss(status.hold_out)}   best {loss(status.best)}",
            "Training loss": loss(status.loss),
            "Best checkpoint": best,
            "Speed": pace,
            "Policy": f"{plan.policy}, batch {plan.batch}",
            "Sees": preset_of(view),
            "Dataset": Path(plan.dataset).name,
            "Takes": takes,
            "Read": ""
            if origin is None
            else f"{number(origin.windows)} windows, {words.plural(origin.episodes, 'take')}",
            "Data digest": "" if origin is None else origin.data[:16],
            "Journal digest": "" if origin is None else origin.journal[:16],
            "Seed": str(plan.seed),
            "Device": plan.device + (threads if plan.device == "cpu" else ""),
            "Program": "" if origin is None else origin.code,
        }
        for name, text in told.items():
            self.facts[name].setText(text or "—")
        self.facts["Dataset"].setToolTip(plan.dataset)
        if origin is not None:
            self.facts["Data digest"].setToolTip(f"SHA-256 {origin.data}")
            self.facts["Journal digest"].setToolTip(f"SHA-256 {origin.journal}")

    def _show_log(self, view: TrainingView, happenings: Sequence[Happening]) -> None:
        lines = [f"Read: {sentence}" for sentence in view.status.reading]
        for each in happenings:
            clock = time.strftime("%H:%M:%S", time.localtime(each.wall_s)) if each.wall_s else ""
            lines.append(f"{clock}   {number(each.step)}   {each.text}")
        lines.reverse()  # the newest is what one looks for
        if tuple(lines) != self._told:
            self._told = tuple(lines)
            self.log.clear()
            self.log.addItems(lines or ["Nothing yet"])

    def close_down(self) -> None:
        self.plot.close_down()
