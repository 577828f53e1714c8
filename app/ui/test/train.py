"""The Train tab, hung into Test."""

from __future__ import annotations

from app import home
from app.ui.place import SessionPort
from app.ui.training.tab import TrainTab


def make_train_tab(session: SessionPort) -> TrainTab:
    """The widget of the tab, on the user's own queue of trainings.

    Args:
        session: Whose open dataset is trained on.
    """
    return TrainTab(session, home.trainings())
