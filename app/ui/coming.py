"""Places that are not built yet say so, and what they will be."""

from __future__ import annotations

from PyQt6.QtWidgets import QVBoxLayout, QWidget

from app.ui.action import Place
from app.ui.place import PlaceWidget
from app.ui.widgets import EmptyState
from app.ui.window_actions import PLACE_TITLES

WORDS: dict[Place, tuple[str, str]] = {
    "augment": (
        "Make more demonstrations from few",
        "Not built yet. Here you will mark a segment of a recorded demonstration, choose how it "
        "may be varied (shift, rotate, mirror, other hand), check the proposals in the 3-D view "
        "and keep the valid ones. Every derived episode will say what it was made from.",
    ),
    "retrieve": (
        "Find demonstrations in unlabelled data",
        "Not built yet. Here you will show a few episodes of the task and get back similar pieces "
        "from a large pile of recordings, ranked, with a threshold to slide and pieces to look at "
        "before they join a dataset.",
    ),
}


class ComingPlace(PlaceWidget):
    """An empty place: its icon, what it will do, and no control that does nothing."""

    def __init__(self, place: Place, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title, text = WORDS[place]
        column = QVBoxLayout(self)
        column.addWidget(EmptyState(PLACE_TITLES[place][1], title, text))
