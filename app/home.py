"""Where things live on the user's disk."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder for datasets: $TELEDECK_HOME, else ~/Teledeck."""
    chosen = os.environ.get("TELEDECK_HOME")
    return Path(chosen).expanduser() if chosen else Path.home() / "Teledeck"


def default_dataset() -> Path:
    """Where takes go when no dataset was named."""
    return home() / "demonstrations"


def trainings() -> Path:
    """The queue of trainings that the window shows."""
    return home() / "trainings"
