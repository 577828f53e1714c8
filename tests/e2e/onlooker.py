"""The real window with somebody beside it who reads out what stands there.

Run as a child of a run in the place of `app.ui.app`. The window is the very same; a thread answers
on a socket in the run folder with every visible text and where it is on the screen. It reads and
changes nothing: what is done to the window comes from the X server.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QAbstractListModel, QObject, QPoint, QPointF, QRect, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QTabBar,
    QWidget,
)

from app.runtime.child import Child, run_child
from app.ui.app import work
from app.ui.view3d.scene_view import SceneView

SOCKET = "onlooker"
_ROWS = 60  # of a list or table that are read out


class Onlooker(QObject):
    """Looks in the thread of the window, answers in one of its own."""

    asked = pyqtSignal()

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._seen: list[dict[str, Any]] = []
        self._done = threading.Event()

    def serve(self) -> None:
        """Answer until the process ends: one connection, one look."""
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(self._path))
        server.listen(4)
        while True:
            line, _ = server.accept()
            with line:
                self._done.clear()
                self.asked.emit()
                if self._done.wait(10.0):
                    line.sendall(json.dumps(self._seen).encode())

    def look(self) -> None:
        """Read out everything; called in the window's thread."""
        self._seen = []
        try:
            for top in QApplication.topLevelWidgets():
                if top.isVisible():
                    self._seen += _texts(top)
        finally:
            self._done.set()


def _texts(top: QWidget) -> Iterator[dict[str, Any]]:
    for widget in (top, *top.findChildren(QWidget)):
        if not widget.isVisible() or widget.visibleRegion().isEmpty():
            continue
        if isinstance(widget, SceneView):
            yield from _hands(widget)
        elif isinstance(widget, QTabBar):
            for index in range(widget.count()):
                yield _item(widget, widget.tabText(index), widget.tabRect(index))
        elif isinstance(widget, QAbstractItemView):
            yield from _rows(widget)
        else:
            text = _text_of(widget)
            if text or isinstance(widget, QAbstractButton | QLineEdit | QAbstractSpinBox):
                yield _item(widget, text, widget.rect())


def _text_of(widget: QWidget) -> str:
    if isinstance(widget, QComboBox):
        return widget.currentText()
    if isinstance(widget, QLabel | QAbstractButton | QLineEdit | QAbstractSpinBox):
        return widget.text()
    title = getattr(widget, "_title", "")  # of a plot, which paints its words itself
    return title if isinstance(title, str) else ""


def _rows(view: QAbstractItemView) -> Iterator[dict[str, Any]]:
    model, inside = view.model(), view.viewport()
    if model is None or inside is None:
        return
    columns = 1 if isinstance(model, QAbstractListModel) else model.columnCount()
    for row in range(min(model.rowCount(), _ROWS)):
        index = model.index(row, 0)
        cells = [model.index(row, column).data() for column in range(columns)]
        box = view.visualRect(index)
        where = QRect(inside.mapTo(view, box.topLeft()), box.size())
        yield _item(view, "  ".join(str(cell) for cell in cells if cell), where, row=row)


def _hands(view: SceneView) -> Iterator[dict[str, Any]]:
    """Where the grippers are in the picture, as anybody sees them."""
    for side, tool in view.tools.items():
        x, y, depth = view.viewpoint.project(tool.position, view.width(), view.height())
        if depth > 0:
            at = QPointF(float(x), float(y)).toPoint()
            yield _item(view, f"gripper {side}", QRect(at - QPoint(5, 5), at + QPoint(5, 5)))


def _item(widget: QWidget, text: str, box: QRect, **more: Any) -> dict[str, Any]:
    at = widget.mapToGlobal(box.center())
    return {
        "kind": type(widget).__name__,
        "name": widget.accessibleName(),
        "text": text,
        "tip": widget.toolTip(),
        "x": at.x(),
        "y": at.y(),
        "enabled": widget.isEnabled(),
        "checked": isinstance(widget, QAbstractButton) and widget.isChecked(),
        "focus": widget.hasFocus(),
        "cut": _cut(widget),
        **more,
    }


def _cut(widget: QWidget) -> bool:
    """Whether part of a label cannot be read: it lies outside of what is shown, or has less room
    than its words need."""
    if not isinstance(widget, QLabel):
        return False
    if widget.visibleRegion().boundingRect() != widget.rect():
        return True
    if widget.wordWrap():
        return widget.heightForWidth(widget.width()) > widget.height() + 1
    wide = widget.fontMetrics().horizontalAdvance(max(widget.text().split("\n"), key=len))
    return wide > widget.contentsRect().width() + 1


def _watched(child: Child) -> None:
    def begin() -> None:
        while (app := QApplication.instance()) is None:
            time.sleep(0.05)
        onlooker = Onlooker(child.run.path / SOCKET)
        onlooker.moveToThread(app.thread())
        # Connected after the move: a slot is called in the thread where it lived when connected.
        onlooker.asked.connect(onlooker.look, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        onlooker.serve()

    threading.Thread(target=begin, name="onlooker", daemon=True).start()
    work(child)


if __name__ == "__main__":
    sys.exit(run_child("window", _watched))
