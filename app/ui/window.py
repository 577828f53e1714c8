"""The main window: five places, one header, one status bar."""

from __future__ import annotations

from PyQt6.QtWidgets import QMainWindow, QStackedWidget, QWidget

from app.ui.actions import PLACES, Place


class MainWindow(QMainWindow):
    """The window of a session."""

    def __init__(self, session: object) -> None:
        super().__init__()
        self._session = session
        self.setWindowTitle("Teledeck")
        self._stack = QStackedWidget()
        for _ in PLACES:
            self._stack.addWidget(QWidget())
        self.setCentralWidget(self._stack)
        self.go("collect")

    def go(self, place: Place) -> None:
        self._stack.setCurrentIndex(PLACES.index(place))
