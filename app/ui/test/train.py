"""The Train tab. Until it is built it says how trainings are started."""

from __future__ import annotations

from PyQt6.QtWidgets import QWidget

from app.ui.place import SessionPort
from app.ui.widgets import EmptyState


def make_train_tab(session: SessionPort) -> QWidget:
    """The widget of the tab.

    Args:
        session: Whose open dataset is trained on.
    """
    return EmptyState(
        "graduation-cap",
        "Train a policy",
        "This page is not built yet. Checkpoints that a training writes can be loaded or watched "
        "in Run: F7, then Ctrl+L or Ctrl+Shift+L.",
    )
