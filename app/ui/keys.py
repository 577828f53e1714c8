"""Turns key events into actions, by the table and the context that one is in.

One filter on the application instead of many shortcuts: a shortcut cannot be held, is switched off
by an open menu, and two equal ones cancel each other without a word.
"""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QKeyCombination, QObject, Qt
from PyQt6.QtGui import QKeyEvent, QKeySequence
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

from app.ui.action import CONTEXT_CHAIN, Action, Context
from app.ui.actions import ACTIONS

_TYPING = (QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox, QComboBox)
_EDITING = {"Ctrl+Z", "Ctrl+Backspace", "Ctrl+A", "Ctrl+C", "Ctrl+V", "Ctrl+X"}
_OVER_ALL = ("safety.estop", "window.palette", "window.help", "window.quit")

Perform = Callable[[Action, bool], None]


class KeyDispatcher(QObject):
    """Sends the key events of one window to `perform(action, on)`.

    Args:
        window: Only keys that would reach this window (or a menu or overlay of it) count.
        context: Tells the present key context.
        covered: Tells whether an overlay covers the window: then only the keys that must always
            work do, and all others belong to the overlay.
        perform: Called with the action; `on` is False when a hold key is let go.
    """

    def __init__(
        self,
        window: QWidget,
        context: Callable[[], Context],
        covered: Callable[[], bool],
        perform: Perform,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._context = context
        self._covered = covered
        self._perform = perform
        self._held: dict[int, Action] = {}
        self._tables: dict[Context, dict[str, Action]] = {
            context: {
                QKeySequence(key).toString(): action
                for near in reversed(chain)
                for action in ACTIONS
                if action.context == near
                for key in action.keys
            }
            for context, chain in CONTEXT_CHAIN.items()
        }
        app = QApplication.instance()
        assert app is not None
        app.installEventFilter(self)

    def release_all(self) -> None:
        """Let go of every held key: the window lost the keyboard, or the place changed."""
        held, self._held = self._held, {}
        for action in held.values():
            self._perform(action, False)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None:
            return False
        kind = event.type()
        if kind == QEvent.Type.KeyPress or kind == QEvent.Type.KeyRelease:
            if (
                isinstance(watched, QWidget)
                and isinstance(event, QKeyEvent)
                and self._mine(watched)
            ):
                if kind == QEvent.Type.KeyPress:
                    return self._press(watched, event)
                return self._release(event)
        elif kind == QEvent.Type.ApplicationDeactivate or (
            kind == QEvent.Type.WindowDeactivate and watched is self._window
        ):
            self.release_all()
        return False

    def _mine(self, widget: QWidget) -> bool:
        top = widget.window()
        if top is self._window:
            return True
        owner = top.parentWidget() if top is not None else None
        while owner is not None:
            if owner.window() is self._window:
                return True
            owner = owner.parentWidget()
        return False

    def _press(self, widget: QWidget, event: QKeyEvent) -> bool:
        name = key_name(event)
        action = self._tables[self._context()].get(name)
        if action is None:
            return False
        if action.id != "safety.estop":
            # What a widget does not take goes on to its parents. Only the first counts: else Enter
            # in a field would do what the field does with it and what the place does with it.
            if widget is not (QApplication.focusWidget() or self._window):
                return False
            if QApplication.activePopupWidget() is not None:
                return False
            if self._covered() and action.id not in _OVER_ALL:
                return False
            if isinstance(widget, _TYPING) and not _chord(event, name):
                return False
            if isinstance(widget, QAbstractButton) and name == "Space":
                return False  # a button that was reached with Tab is pressed with Space
        if event.isAutoRepeat():
            return True  # nothing is done thirty times a second
        if action.kind == "hold":
            self._held[event.key()] = action
        self._perform(action, True)
        return True

    def _release(self, event: QKeyEvent) -> bool:
        if event.isAutoRepeat():
            return event.key() in self._held
        action = self._held.pop(event.key(), None)
        if action is None:
            return False
        self._perform(action, False)
        return True


def key_name(event: QKeyEvent) -> str:
    """The key as `QKeySequence` writes it. Shift is dropped where it only makes the character."""
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    key = event.key()
    if key == Qt.Key.Key_Backtab:
        key = int(Qt.Key.Key_Tab)
    text = event.text()
    makes_sign = len(text) == 1 and not text.isalnum() and text.isprintable() and text != " "
    if makes_sign and not modifiers & Qt.KeyboardModifier.ControlModifier:
        modifiers &= ~Qt.KeyboardModifier.ShiftModifier
    try:
        return QKeySequence(QKeyCombination(modifiers, Qt.Key(key))).toString()
    except ValueError:  # a key that Qt has no name for
        return ""


def _chord(event: QKeyEvent, name: str) -> bool:
    """Whether a key is a command even while one types."""
    if name in _EDITING:
        return False
    if Qt.Key.Key_F1 <= event.key() <= Qt.Key.Key_F35:
        return True
    strong = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
    plain_move = Qt.Key.Key_Home <= event.key() <= Qt.Key.Key_PageDown
    return bool(event.modifiers() & strong) and not plain_move
