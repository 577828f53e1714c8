"""Small forms over the window: task and target, choose a dataset folder, change a task text."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from app.ui.look import SIZES, Tone
from app.ui.overlay import Overlay
from app.ui.widgets import Button, SectionTitle, Text


def browse_folder(parent: QWidget, title: str, start: Path) -> str:
    """A folder that the user chooses, "" for none; begins at `start` or what there is above it."""
    while not start.is_dir():
        start = start.parent
    # Qt's own dialog: a native one would take the keyboard, and Escape with it.
    options = QFileDialog.Option.ShowDirsOnly | QFileDialog.Option.DontUseNativeDialog
    return QFileDialog.getExistingDirectory(parent, title, str(start), options)


class Sheet(Overlay):
    """A titled form with one button that does it. Enter in any field does it too."""

    def __init__(self, parent: QWidget, title: str, button: str, *, width: int = 560) -> None:
        super().__init__(parent, width=width, top=0.16)
        head = QHBoxLayout()
        self.title = Text(title, "headline")
        head.addWidget(self.title)
        head.addStretch()
        close = Button("", kind="quiet", icon="x")
        close.setAccessibleName("Close")
        close.clicked.connect(self.dismiss)
        head.addWidget(close)
        self.body.addLayout(head)
        self.form = QFormLayout()
        self.form.setSpacing(SIZES.gap)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.body.addLayout(self.form)
        self.hint = Text("", role="soft", wrap=True)
        self.body.addWidget(self.hint)
        foot = QHBoxLayout()
        foot.addStretch()
        self.done = Button(button, kind="primary")
        self.done.clicked.connect(self._finish)
        foot.addWidget(self.done)
        self.body.addLayout(foot)

    def add_field(self, label: str, field: QWidget) -> None:
        self.form.addRow(SectionTitle(label), field)
        if isinstance(field, QLineEdit):
            field.returnPressed.connect(self._finish)

    def say(self, text: str, tone: Tone | None, *, possible: bool) -> None:
        changed = text != self.hint.text()
        self.hint.setText(text)
        self.hint.set_tone(tone)
        self.done.setEnabled(possible)
        if changed and self.isVisible():
            self._lay_out()  # a longer sentence needs more room

    def _lay_out(self) -> None:
        parent = self.parentWidget()
        if parent is not None:
            # A layout counts a line of a wrapped label a little too low; a long one would be cut.
            room = min(self._width, parent.width() - 2 * SIZES.margin) - 2 * SIZES.margin
            self.hint.setMinimumHeight(max(36, self.hint.heightForWidth(room)))
        super()._lay_out()

    def finish(self) -> None:
        """Take the values and close. Called only when possible."""
        raise NotImplementedError

    def _finish(self) -> None:
        if self.done.isEnabled():
            self.finish()


class TaskSheet(Sheet):
    """Task, operator and target of the next takes. Emits `decided(task, operator, target)`."""

    decided = pyqtSignal(str, str, int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Task and target", "Use for the next takes")
        self.task = QLineEdit()
        self.task.setPlaceholderText("What the takes demonstrate, as one would ask for it")
        self.operator = QLineEdit()
        self.operator.setPlaceholderText("Optional: who demonstrates")
        self.target = QSpinBox()
        self.target.setRange(0, 100_000)
        self.target.setSpecialValueText("No target")
        self.add_field("Task", self.task)
        self.add_field("Operator", self.operator)
        self.add_field("Target", self.target)
        self.task.textChanged.connect(self._check)

    def first_focus(self) -> QWidget:
        return self.task

    def open_with(self, task: str, operator: str, target: int) -> None:
        self.task.setText(task)
        self.operator.setText(operator)
        self.target.setValue(target)
        self._check()
        self.open()
        self.task.selectAll()

    def finish(self) -> None:
        self.dismiss()
        self.decided.emit(
            self.task.text().strip(), self.operator.text().strip(), self.target.value()
        )

    def _check(self) -> None:
        empty = not self.task.text().strip()
        text = "A task is needed: policies are asked by it later." if empty else ""
        self.say(text, "armed" if empty else None, possible=not empty)


class TextSheet(Sheet):
    """One line of text for a named thing. Emits `decided(text)`."""

    decided = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Change task", "Change")
        self.field = QLineEdit()
        self.add_field("Task", self.field)

    def first_focus(self) -> QWidget:
        return self.field

    def open_with(self, text: str, about: str) -> None:
        self.field.setText(text)
        self.hint.setText(about)
        self.open()
        self.field.selectAll()

    def finish(self) -> None:
        text = self.field.text().strip()
        if text:
            self.dismiss()
            self.decided.emit(text)


class CaptureSheet(Sheet):
    """A file for what the headset posts. Emits `decided(path)`."""

    decided = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Capture what the headset posts", "Begin", width=640)
        self.path = QLineEdit()
        self.add_field("File", self.path)
        self.path.textChanged.connect(self._check)

    def first_focus(self) -> QWidget:
        return self.path

    def open_for(self, now: datetime) -> None:
        """Ask for a file; the name is proposed by the time."""
        name = f"headset-{now:%Y%m%d-%H%M%S}.tactar"
        self.path.setText(str(Path.home() / "Teledeck" / "captures" / name))
        self._check()
        self.open()
        self.path.setSelection(len(self.path.text()) - len(name), len(name) - len(".tactar"))

    def finish(self) -> None:
        path = self._file()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            self.say(f"The folder {path.parent} cannot be made: {why}.", "fault", possible=True)
            return
        self.dismiss()
        self.decided.emit(str(path))

    def _file(self) -> Path:
        return Path(self.path.text().strip()).expanduser().absolute()

    def _check(self) -> None:
        if not self.path.text().strip():
            self.say("Type a file.", None, possible=False)
        elif self._file().exists():
            self.say("This file is there already; choose another name.", "fault", possible=False)
        else:
            text = "Head, hands and buttons of every post. Replay it without a headset later."
            self.say(text, None, possible=True)


class DatasetSheet(Sheet):
    """A folder to make or open a dataset in. Emits `decided(path)`."""

    decided = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Open dataset", "Open", width=640)
        self._new = False
        self.path = QLineEdit()
        self.path.setPlaceholderText("/home/you/Teledeck/my-dataset")
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        row.addWidget(self.path, 1)
        browse = Button("Browse…", icon="folder-open")
        browse.clicked.connect(self._browse)
        row.addWidget(browse)
        self.form.addRow(SectionTitle("Folder"), row)
        self.path.returnPressed.connect(self._finish)
        self.path.textChanged.connect(self._check)

    def first_focus(self) -> QWidget:
        return self.path

    def open_for(self, *, new: bool, folder: Path) -> None:
        """Ask for a folder, starting with `folder`."""
        self._new = new
        self.title.setText("New dataset" if new else "Open dataset")
        self.done.setText("Create" if new else "Open")
        self.path.setText(str(folder))
        self._check()
        self.open()
        if new:
            self.path.setSelection(len(str(folder.parent)) + 1, len(folder.name))

    def finish(self) -> None:
        self.dismiss()
        self.decided.emit(str(self._folder()))

    def _folder(self) -> Path:
        return Path(self.path.text().strip()).expanduser().absolute()

    def _browse(self) -> None:
        typed = self.path.text().strip()
        chosen = browse_folder(self, self.title.text(), self._folder() if typed else Path.home())
        if chosen:
            self.path.setText(chosen)
        self.path.setFocus(Qt.FocusReason.OtherFocusReason)

    def _check(self) -> None:
        """Say what pressing the button will do, before it is pressed."""
        if not self.path.text().strip():
            self.say("Type a folder, or browse for one.", None, possible=False)
            return
        folder = self._folder()
        try:
            is_dataset = (folder / "dataset.toml").is_file()
            taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            self.say(f"This folder cannot be read: {why}.", "fault", possible=False)
            return
        if is_dataset:
            text = "There is a dataset here already; it will be opened."
            self.say(text if self._new else "A dataset.", "kept", possible=True)
        elif taken:
            self.say(
                "This folder holds other files. Choose a dataset, or an empty or new folder.",
                "fault",
                possible=False,
            )
        elif self._new:
            self.say("A new dataset will be made here.", "kept", possible=True)
        else:
            text = "There is no dataset here yet; an empty one will be made."
            self.say(text, "armed", possible=True)
