"""Small forms of Test: which policy, which training to watch, why excluded, where results go."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.ui.look import SIZES
from app.ui.sheets import Sheet, browse_folder
from app.ui.test.words import short_place
from app.ui.widgets import Button, SectionTitle
from devices.errors import PolicyError
from policies.refusing import refuse_other

ROWS = 5
"""Of what was used before that are seen at once."""

_SIGNS = ("plan.json", "best", "policy.json", "checkpoints")
"""One of these is in a folder where checkpoints appear, as a rule."""

REASONS = ("the scene was not reset", "I was in the way", "the wrong policy", "hardware fault")


class PathSheet(Sheet):
    """A folder, typed, chosen, or one of those used before."""

    def __init__(self, parent: QWidget, title: str, button: str, before: str) -> None:
        super().__init__(parent, title, button, width=680)
        self.path = QLineEdit()
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        row.addWidget(self.path, 1)
        browse = Button("Browse…", icon="folder-open")
        browse.clicked.connect(self._browse)
        row.addWidget(browse)
        self.form.addRow(SectionTitle("Folder"), row)
        self.path.returnPressed.connect(self._finish)
        self.path.textChanged.connect(self._check)
        self.before = QListWidget()
        self.before.setAccessibleName(before)
        self.before.currentItemChanged.connect(self._pick)
        self.before.itemActivated.connect(lambda _: self._finish())
        self._before_title = SectionTitle(before)
        column = QVBoxLayout()
        column.setSpacing(SIZES.hair)
        column.addWidget(self._before_title)
        column.addWidget(self.before)
        self.body.insertLayout(2, column)

    def first_focus(self) -> QWidget:
        return self.path

    def open_for(self, path: str, before: tuple[str, ...]) -> None:
        """Ask, beginning with `path`; `before` are those used before, newest first."""
        self.before.blockSignals(True)
        self.before.clear()
        for place in before:
            item = QListWidgetItem(short_place(place))
            item.setToolTip(place)
            item.setData(Qt.ItemDataRole.UserRole, place)
            self.before.addItem(item)
        self.before.setCurrentRow(-1)
        self.before.blockSignals(False)
        row = max(self.before.sizeHintForRow(0), 1)
        self.before.setFixedHeight(min(ROWS, len(before)) * row + 8)
        self.before.setVisible(bool(before))
        self._before_title.setVisible(bool(before))
        self.path.setText(path)
        self._check()
        self.open()
        self.path.selectAll()

    def given(self) -> str:
        """What was typed; a folder as an absolute path."""
        text = self.path.text().strip()
        return text if "://" in text or not text else str(Path(text).expanduser().absolute())

    def _pick(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.path.setText(str(item.data(Qt.ItemDataRole.UserRole)))

    def _browse(self) -> None:
        chosen = browse_folder(self, self.title.text(), Path(self.given() or Path.home()))
        if chosen:
            self.path.setText(chosen)
        self.path.setFocus(Qt.FocusReason.OtherFocusReason)

    def _check(self) -> None:
        raise NotImplementedError


class PolicySheet(PathSheet):
    """A checkpoint or a server. Emits `decided(path)`."""

    decided = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Load a policy", "Load", "Trained here or used before")
        self.path.setPlaceholderText("/home/you/runs/wipe/best, or ws://localhost:8000")

    def finish(self) -> None:
        self.dismiss()
        self.decided.emit(self.given())

    def _check(self) -> None:
        given = self.given()
        if not given:
            self.say(
                "Type the folder of a checkpoint, or a server's address.", None, possible=False
            )
        elif "://" in given:
            self.say("A policy server; it runs in its own environment.", "kept", possible=True)
        elif wrong := _no_checkpoint(Path(given)):
            self.say(wrong, "fault", possible=False)
        else:
            text = "A checkpoint. What drives now goes on until it is ready."
            self.say(text, "kept", possible=True)


class WatchSheet(PathSheet):
    """A training to follow. Emits `decided(path, use)`; an empty path ends the watching."""

    decided = pyqtSignal(str, bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Watch a training", "Watch", "In the queue, or watched before")
        self.path.setPlaceholderText("/home/you/runs/wipe")
        self.use = QCheckBox("Let each new best checkpoint drive as soon as it is ready")
        self.form.addRow(self.use)
        stop = Button("Watch nothing", kind="quiet")
        stop.clicked.connect(self._stop)
        self.form.addRow(stop)

    def finish(self) -> None:
        self.dismiss()
        self.decided.emit(self.given(), self.use.isChecked())

    def _stop(self) -> None:
        self.dismiss()
        self.decided.emit("", False)

    def _check(self) -> None:
        given = self.given()
        if not given:
            self.say("Choose the folder of a training.", None, possible=False)
        elif not Path(given).is_dir():
            text = f"There is no folder {given}. Check the path, or choose a training."
            self.say(text, "fault", possible=False)
        elif any((Path(given) / name).exists() for name in _SIGNS):
            text = "Each new best checkpoint in it is loaded into the slot that does not drive."
            self.say(text, "kept", possible=True)
        else:
            text = "Not a training yet. A checkpoint that appears in this folder will be loaded."
            self.say(text, "armed", possible=True)


class ResultsSheet(PathSheet):
    """Where trials go and are read from. Emits `decided(path)`."""

    decided = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Folder of results", "Use", "Used before")

    def finish(self) -> None:
        self.dismiss()
        self.decided.emit(self.given())

    def _check(self) -> None:
        given = self.given()
        if not given:
            self.say("Type a folder, or browse for one.", None, possible=False)
        elif (Path(given) / "trials.jsonl").is_file():
            self.say("There is a book of trials; new ones are added to it.", "kept", possible=True)
        else:
            self.say("A new book of trials will be made there.", None, possible=True)


class ReasonSheet(Sheet):
    """Why a trial counts nowhere. Emits `decided(reason)`."""

    decided = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Why is it excluded?", "Exclude")
        self.field = QLineEdit()
        self.field.setPlaceholderText("It stays in the book with this reason, and counts nowhere")
        self.add_field("Reason", self.field)
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        for reason in REASONS:
            button = Button(reason.capitalize(), kind="plain")
            button.clicked.connect(lambda _, reason=reason: self.field.setText(reason))
            row.addWidget(button)
        row.addStretch()
        self.body.insertLayout(2, row)
        self.field.textChanged.connect(self._check)

    def first_focus(self) -> QWidget:
        return self.field

    def open_for(self, about: str) -> None:
        """Ask about a trial, named in a few words."""
        self.field.clear()
        self._about = about
        self._check()
        self.open()

    def finish(self) -> None:
        self.dismiss()
        self.decided.emit(self.field.text().strip())

    def _check(self) -> None:
        self.say(self._about, None, possible=bool(self.field.text().strip()))


def _no_checkpoint(path: Path) -> str:
    """Why nothing of this path can be loaded, and what to name instead; "" if it may be a
    checkpoint, or a file that describes a server."""
    if path.is_file() and path.suffix == ".json":
        return ""
    try:
        refuse_other(path)
    except (PolicyError, OSError) as error:
        return str(error)
    return ""
