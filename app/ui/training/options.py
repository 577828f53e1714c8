"""Editors for the fields of a policy's config, one by type."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.session.training_draft import OptionField
from app.ui.look import SIZES
from app.ui.widgets import Note, SectionTitle

_LARGEST = 1_000_000


class Options(QWidget):
    """Shows the options of a policy; emits `changed`."""

    changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, SIZES.unit, 0)
        self._inside: QWidget | None = None
        self._read: dict[str, Callable[[], str]] = {}
        self._write: dict[str, Callable[[str], None]] = {}
        self._defaults: dict[str, str] = {}
        self.editors: dict[str, QWidget] = {}

    def show_fields(self, fields: tuple[OptionField, ...]) -> None:
        """Editors for these, at their defaults."""
        if self._inside is not None:
            self._column.removeWidget(self._inside)
            self._inside.hide()
            self._inside.deleteLater()
        self._read.clear()
        self._write.clear()
        self._defaults.clear()
        self.editors.clear()
        self._inside = QWidget()
        form = QFormLayout(self._inside)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(SIZES.unit)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for field in fields:
            editor = self._editor(field)
            editor.setAccessibleName(field.name)
            editor.setToolTip(field.doc)
            label = SectionTitle(field.name.replace("_", " "))
            label.setToolTip(field.doc)
            form.addRow(label, editor)
            if field.doc:
                form.addRow("", Note(field.doc))
            self.editors[field.name] = editor
            self._defaults[field.name] = self._read[field.name]()
        self._column.addWidget(self._inside)

    def put(self, settings: Mapping[str, str]) -> None:
        """Show other values than the defaults: name → text as in `teledeck train --set`.

        Raises:
            KeyError: For a name that is not shown.
        """
        for name, text in settings.items():
            self._write[name](text)

    def settings(self) -> dict[str, str]:
        """Options that are not at their default: name → JSON text.

        What is no JSON is passed on as typed; the policy refuses it by name.
        """
        now = {name: read() for name, read in self._read.items()}
        return {name: text for name, text in now.items() if text != self._defaults[name]}

    def _editor(self, field: OptionField) -> QWidget:
        if field.kind == "bool":
            tick = QCheckBox()
            tick.setChecked(bool(field.default))
            tick.toggled.connect(self.changed)
            self._read[field.name] = lambda: json.dumps(tick.isChecked())
            self._write[field.name] = lambda text: tick.setChecked(bool(json.loads(text)))
            return tick
        if field.kind == "int":
            spin = QSpinBox()
            least = 0 if field.least is None else round(field.least)
            spin.setRange(least, _LARGEST if field.most is None else round(field.most))
            spin.setValue(int(field.default))
            spin.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
            spin.valueChanged.connect(self.changed)
            self._read[field.name] = lambda: json.dumps(spin.value())
            self._write[field.name] = lambda text: spin.setValue(int(json.loads(text)))
            return spin
        if field.kind == "choice":
            combo = QComboBox()
            combo.addItems(field.choices)
            combo.setCurrentText(str(field.default))
            combo.currentTextChanged.connect(self.changed)
            self._read[field.name] = lambda: json.dumps(combo.currentText())
            self._write[field.name] = combo.setCurrentText
            return combo
        line = QLineEdit()
        line.setText(f"{field.default:g}" if field.kind == "float" else json.dumps(field.default))
        line.textChanged.connect(self.changed)
        self._read[field.name] = lambda: line.text().strip()
        self._write[field.name] = lambda text: line.setText(_as_json(text))
        return line


def _as_json(text: str) -> str:
    """A value as the command line takes it, as JSON: a bare word is a string."""
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return json.dumps(text)
    return text
