"""`teledeck screenshots`: the pictures of README and docs, from the real window on a real run."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app import home
from app.fast_collect import fast_collect
from app.headless import collect
from app.launch import open_window
from app.runtime.station_file import StationFile
from app.train import make_plan, work_through
from app.virtual_display import virtual_display
from policies.training_queue import TrainingQueue

SCENE = "wipe"
TAKES = 3
LEARNT_FROM = 10
"""Takes that the policies of the pictures have seen: enough to drive, not to be good."""
TRAINED = (("rdp", "glance-reactive", 1500), ("diffusion", "glance", 400))
"""Trainings that are done: policy, needs, updates."""
TO_TRAIN = (("bc", "glance-touch", 20_000), ("diffusion", "glance-touch", 2000))
"""Those that train and wait in the picture."""


def take_screenshots(out: Path, only: str = "") -> int:
    """Record scripted takes, train on them, drive the window through every place, write PNGs.

    Args:
        out: Folder for the pictures; made if missing.
        only: "headset" for the pictures of its page alone, which need no takes; "train" for those
            of the trainings; "" for all.

    Returns:
        Exit status of the window.
    """
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="teledeck-pictures-") as folder, _as_home(folder):
        dataset = home.default_dataset()
        if only != "headset":
            dataset = _prepare(dataset, only)
        with virtual_display():
            # No set-up of a headset that somebody made here before: the pictures lead through one.
            headset = {"folder": str(Path(folder) / "headsets")}
            shown = None if only == "headset" else dataset  # without takes it has nothing to show
            return open_window(
                StationFile(scene=SCENE), shown, screenshots=out, only=only, headset=headset
            )


def _prepare(dataset: Path, only: str) -> Path:
    """Takes for the Library, trained policies for Test, and trainings that still wait; of these
    the last alone for "train". Returns the dataset to show."""
    learnt = dataset.with_name("wipe-demonstrations")
    fast_collect(StationFile(scene=SCENE), learnt, takes=LEARNT_FROM)
    queue = TrainingQueue(home.trainings())
    if not only:
        for name, needs, steps in TRAINED:
            queue.add(make_plan(learnt, name, needs, steps=steps, batch=32))
        work_through(queue.root)
    for name, needs, steps in TO_TRAIN:
        queue.add(make_plan(learnt, name, needs, steps=steps, batch=32))
    if only:
        return learnt
    for scene in (SCENE, "drawer"):
        collect(StationFile(scene=scene), dataset, takes=TAKES)
    return dataset


@contextlib.contextmanager
def _as_home(folder: str) -> Iterator[None]:
    """A user who has just begun: nothing of the real one is read, changed or in a picture."""
    names = ("TELEDECK_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ["HOME"] = folder
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
