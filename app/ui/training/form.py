"""The form of a new training: which policy, what it sees, and how it is trained."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.session.training_draft import Catalogue, Draft, PolicyKind
from app.ui.look import SIZES
from app.ui.training.options import Options
from app.ui.widgets import Note, SectionTitle, Text, set_look
from policies.templates import Template


class TrainingForm(QScrollArea):
    """Fields of a `Draft`, but for its takes. Emits `changed` when the user changes one."""

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._catalogue: Catalogue | None = None
        self._filling = False
        self._own = False  # whether the user has changed anything
        self._scene = ""
        self._beyond: dict[str, str] = {}  # what a template sets that has no field here
        inside = QWidget()
        set_look(inside, role="clear")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, SIZES.unit, 0)
        column.setSpacing(SIZES.unit)
        column.addLayout(self._fields())
        column.addWidget(SectionTitle("Options of the policy"))
        self.options = Options()
        column.addWidget(self.options)
        column.addStretch(1)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFixedWidth(400)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.template.currentIndexChanged.connect(self._other_template)
        self.policy.currentTextChanged.connect(self._other_policy)
        for combo in (self.preset, self.device):
            combo.currentTextChanged.connect(self._touched)
        for spin in (self.steps, self.batch, self.judge_every, self.seed, self.threads):
            spin.valueChanged.connect(self._touched)
        self.hold_out.valueChanged.connect(self._touched)
        self.options.changed.connect(self._touched)

    def _fields(self) -> QFormLayout:
        form = QFormLayout()
        form.setSpacing(SIZES.unit)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        usual = Draft(dataset="", policy="")
        self.template = QComboBox()
        self.template_words = Note()
        self.policy = QComboBox()
        self.policy_words = Note()
        self.preset = QComboBox()
        self.cameras = QWidget()
        self._camera_row = QHBoxLayout(self.cameras)
        self._camera_row.setContentsMargins(0, 0, 0, 0)
        self.steps = _spin(1, 10_000_000, usual.steps, step=500)
        self.batch = _spin(1, 4096, usual.batch, step=16)
        self.judge_every = _spin(1, 10_000_000, usual.judge_every, step=50)
        self.judge_every.setToolTip(
            "So many updates between two judgements on the hold-out. Each judgement keeps the last "
            "checkpoint, and the best so far; it also takes time."
        )
        self.judge_words = Note()
        self.seed = _spin(0, 2_000_000_000, usual.seed)
        self.hold_out = QDoubleSpinBox()
        self.hold_out.setRange(0.0, 0.9)
        self.hold_out.setSingleStep(0.05)
        self.hold_out.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.hold_out.setValue(usual.hold_out)
        self.device = QComboBox()
        self.device_words = Note()
        self.threads = _spin(1, 256, usual.threads)
        self.threads_words = Note()
        for label, field in (
            ("Template", self.template),
            ("", self.template_words),
            ("Policy", self.policy),
            ("", self.policy_words),
            ("It sees", self.preset),
            ("Cameras", self.cameras),
            ("Updates", self.steps),
            ("Judged every", self.judge_every),
            ("", self.judge_words),
            ("Batch", self.batch),
            ("Hold-out share", self.hold_out),
            ("Seed", self.seed),
            ("Device", self.device),
            ("", self.device_words),
            ("CPU threads", self.threads),
            ("", self.threads_words),
        ):
            if label:
                field.setAccessibleName(label)
                form.addRow(SectionTitle(label), field)
            else:
                form.addRow("", field)
        return form

    # --------------------------------------------------------------------------------- showing
    def show_catalogue(self, found: Catalogue) -> None:
        """What can be trained here."""
        self._catalogue = found
        self._filling = True
        self.preset.addItems(found.presets)
        self.device.addItems(found.devices)
        self.device_words.setText(found.device_words)
        self.threads.setMaximum(found.cores)
        self.policy.addItems([kind.name for kind in found.policies])
        self.template.addItem("None", None)
        for each in found.templates:
            self.template.addItem(each.name, each)
        self._filling = False
        self._other_policy()
        self._own = False
        self._suggest()
        if found.broken:
            self.policy_words.setToolTip("\n".join(found.broken))

    def suggest_for(self, scene: str) -> None:
        """Begin with what was seen to work on a scene, unless the user has begun otherwise."""
        self._scene = scene
        self._suggest()

    def show_station(self, station: bool) -> None:
        """Whether one runs here: threads are scarce then."""
        self.threads_words.setText(
            "A station runs here: with more threads its loop would be late."
            if station
            else "One is fast enough for most; more help only where nothing else runs."
        )

    def show_cameras(self, names: tuple[str, ...]) -> None:
        """A tick for each camera that every take has."""
        while (item := self._camera_row.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.setParent(None)
                old.deleteLater()
        for name in names:
            box = QCheckBox(name)
            box.toggled.connect(self._touched)
            self._camera_row.addWidget(box)
        if not names:
            self._camera_row.addWidget(Text("none in every take", role="soft"))
        self._camera_row.addStretch(1)

    # --------------------------------------------------------------------------------- reading
    @property
    def known(self) -> bool:
        """Whether it knows what can be trained."""
        return self._catalogue is not None and bool(self.policy.currentText())

    def kind(self) -> PolicyKind | None:
        """The policy that is chosen."""
        found = self._catalogue.policies if self._catalogue is not None else ()
        return next((kind for kind in found if kind.name == self.policy.currentText()), None)

    def draft(self, dataset: str) -> Draft:
        """What it says, for a dataset."""
        boxes = self.cameras.findChildren(QCheckBox)
        cameras = [box.text() for box in boxes if box.isChecked()]
        return Draft(
            dataset=dataset,
            policy=self.policy.currentText(),
            preset="+".join((self.preset.currentText(), *cameras)),
            settings={**self.options.settings(), **self._beyond},
            steps=self.steps.value(),
            judge_every=self.judge_every.value(),
            batch=self.batch.value(),
            seed=self.seed.value(),
            hold_out=round(self.hold_out.value(), 4),
            device=self.device.currentText(),
            threads=self.threads.value(),
        )

    # ---------------------------------------------------------------------------------- inside
    def _suggest(self) -> None:
        if self._own or not self.known:
            return
        known = [self.template.itemData(index) for index in range(1, self.template.count())]
        fits = [index for index, each in enumerate(known, 1) if each.scene == self._scene]
        self.template.setCurrentIndex(fits[0] if fits else 0)
        self._own = False

    def _other_template(self) -> None:
        known: Template | None = self.template.currentData()
        if self._filling:
            return
        if known is None:
            self._other_policy()
            return
        self._filling = True
        self.policy.setCurrentText(known.policy)
        self._show_policy()
        self.preset.setCurrentText(known.needs)
        self.steps.setValue(known.steps)
        fields = known.fields()
        here = {name: text for name, text in fields.items() if name in self.options.editors}
        self._beyond = {name: text for name, text in fields.items() if name not in here}
        self.options.put(here)
        more = "".join(f" Sets {name}={text} too." for name, text in self._beyond.items())
        self.template_words.setText(f"Seen to work on {known.scene}.{more}")
        self._filling = False
        self._touched()

    def _other_policy(self) -> None:
        """Another policy: no template any more, and its own defaults."""
        if self._filling:
            return
        self._filling = True
        self.template.setCurrentIndex(0)
        self.template_words.setText("What was seen to work on a scene, to begin with.")
        self._beyond = {}
        self._show_policy()
        self._filling = False
        self._touched()

    def _show_policy(self) -> None:
        if (kind := self.kind()) is not None:
            self.policy_words.setText(f"{kind.title}.")
            self.preset.setCurrentText(kind.preset)
            self.options.show_fields(kind.options)

    def _touched(self) -> None:
        if not self._filling:
            self._own = True
            self._show_judgements()
            self.changed.emit()

    def _show_judgements(self) -> None:
        kind = self.kind()
        stages = len(kind.stages) if kind is not None else 1
        count = max(stages, self.steps.value() // self.judge_every.value())
        only = "; only the last stage keeps checkpoints" if stages > 1 else ""
        self.judge_words.setText(
            "Judged once, at the end" + only
            if count == stages == 1
            else f"Judged about {count} times, and at the end{only}"
        )


def _spin(least: int, most: int, value: int, *, step: int = 1) -> QSpinBox:
    box = QSpinBox()
    box.setRange(least, most)
    box.setSingleStep(step)
    box.setValue(value)
    box.setGroupSeparatorShown(True)
    box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
    return box
