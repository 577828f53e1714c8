"""Takes the pictures of the docs: drives the real window through every place and saves what it
shows. So the pictures are true, or there are none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PyQt6.QtCore import QObject, QSize, QTimer

from app import home
from app.runtime.requests import SLOTS, SetUpStep
from app.runtime.statuses import HeadsetStatus
from app.session.training import TrainingCurve
from app.ui.action import PLACES, Intent
from app.ui.headset.addresses import MachineAddress
from app.ui.test.place import TestPlace
from app.wearer import Word
from app.worn import Worn
from devices.errors import DeviceError

if TYPE_CHECKING:
    from app.ui.window import MainWindow

log = logging.getLogger("teledeck.screenshots")

SIZES = (QSize(1920, 1080), QSize(1280, 800))
TAKES = 3
"""Takes that the scripted operator records, so that the Library has something to show."""
TAKE_S = 9.0
EXAMPLE_ADDRESS = "198.51.100.20"
"""Of a network that is kept for documentation."""
SET_UP: dict[str, Word] = {"squeeze": "squeeze", "push": "push", "align": "align"}
"""Steps of the set-up, with the word that has the wearer do them."""
MOVES: dict[str, SetUpStep] = {
    "squeeze": "squeeze_left",
    "push": "push_forward",
    "align": "align",
}
MIDST = {"squeeze": 0.2, "push": 0.6, "align": 0.2}
"""How much of a step is done when its picture is taken."""
PATIENCE_S = 240.0
STARTS = 2
ROLLOUT_S = 10.0
"""For each of two policies so many starts, each so long [s], before the picture of Results."""
DRIVES_S = 20.0
"""How long a policy that holds is waited for."""
TRAINED_S = 180.0
"""How long a training that is to be in a picture is waited for."""
_NO_CURVE = TrainingCurve(np.empty(0), np.empty(0))

Wait = float | Callable[[], bool]
"""What a step waits for: seconds, or a condition that must come true."""


class Photographer(QObject):
    """Runs through the window by itself, then closes it.

    Args:
        window: The window of a running session with an open dataset.
        folder: Where the pictures go, as `collect-1920.png` and so on.
        run: Folder of the run, for whoever wears the simulated headset.
        only: "headset" for the pictures of its page alone, "train" for those of the trainings, ""
            for all.

    Attributes:
        status: 0 when all pictures were taken; 1 while they are not.
        failure: Why they were not: at which picture it gave up; "" while it works.
        taken: The files written.
    """

    def __init__(
        self,
        window: MainWindow,
        folder: Path,
        run: Path,
        *,
        only: str = "",
        sizes: tuple[QSize, ...] = SIZES,
        takes: int = TAKES,
        take_s: float = TAKE_S,
        pause_s: float = 0.8,
        starts: int = STARTS,
        rollout_s: float = ROLLOUT_S,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._folder = folder
        self._run = run
        self._only = only
        self._sizes = sizes
        self._takes = takes
        self._take_s = take_s
        self._pause_s = pause_s
        self._starts, self._rollout_s = starts, rollout_s
        self._shot: set[str] = set()
        self.status = 1
        self.failure = "The window was closed before all pictures were taken"
        self.taken: list[Path] = []
        self._aim = {"headset": "headset-port", "train": "train"}.get(only, "collect")
        self._steps = self._script()
        self._worn: Worn | None = None
        self._until: Wait = 0.0
        self._since = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(50)
        self._timer.timeout.connect(self._step)

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._since = time.monotonic()
        self._timer.start()

    def _step(self) -> None:
        waited = time.monotonic() - self._since
        until = self._until
        try:
            if not (waited >= until if isinstance(until, float) else until()):
                if waited > PATIENCE_S and not isinstance(until, float):
                    self._give_up(f"what it shows did not come about in {PATIENCE_S:.0f} s")
                return
            self._until = next(self._steps)
            self._since = time.monotonic()
        except StopIteration:
            self.status, self.failure = 0, ""
            self._end()
        except Exception as error:  # a script that broke has not taken its pictures
            log.exception("the script of the pictures broke")
            self._give_up(f"{type(error).__name__}: {error}")

    def _give_up(self, why: str) -> None:
        last = f", the last is {self.taken[-1].name}" if self.taken else ""
        self.failure = (
            f"Gave up at the picture '{self._aim}': {why} ({len(self.taken)} taken{last})"
        )
        log.error("%s", self.failure)
        self._end()

    def _end(self) -> None:
        self._timer.stop()
        if self._worn is not None:
            self._worn.close()
        self._window.close()

    # -------------------------------------------------------------------------------- script
    def _script(self) -> Iterator[Wait]:
        window, session = self._window, self._window.session
        window.resize(self._sizes[0])
        yield lambda: session.station is not None and session.recorder is not None
        if self._only == "headset":
            yield self._pause_s * 4
            yield from self._headset()
            return
        yield lambda: session.library is not None
        yield self._pause_s * 4
        if self._only == "train":
            yield from self._train()
            return
        for number in range(self._takes):
            last = number == self._takes - 1
            yield from self._record(pictures=last)
        yield from self._headset()
        yield from self._policies()
        yield from self._train()
        for size in self._sizes:
            yield from self._resize(size)
            for place in PLACES[1:-1]:
                self._aim = place
                window.go(place)
                yield self._pause_s * 2
                self._shoot(place)
            self._aim = "episode"
            window.go("library")
            yield self._pause_s
            window.perform(Intent("library_open"))
            yield self._pause_s * 2
            window.perform(Intent("seek", "start"))
            window.perform(Intent("skip", str(self._take_s * 0.6)))
            window.perform(Intent("play", "pause"))
            yield self._pause_s * 3
            self._shoot("episode")
            window.perform(Intent("close_episode"))
            window.go("collect")
            yield self._pause_s
            for overlay in ("help", "palette"):
                self._aim = overlay
                window.perform(Intent(overlay))
                yield self._pause_s
                self._shoot(overlay)
                window.perform(Intent(overlay))

    def _headset(self) -> Iterator[Wait]:
        """The page of the headset, step by step: somebody wears a simulated one, and does in every
        step what the page asks for. Each step is caught in its midst."""
        window, session = self._window, self._window.session
        page = window.headset_page
        self._aim = "headset-port"
        yield lambda: session.headset is not None
        # An example: this machine's own addresses are nobody else's business.
        page.addresses = lambda: (MachineAddress(EXAMPLE_ADDRESS, "example"),)
        window.perform(Intent("headset_page"))
        yield self._pause_s
        yield from self._shoot_sizes("headset-port")
        self._aim = "headset-who"
        window.perform(Intent("headset_listen", "on"))
        yield lambda: self._headset_says().listening or bool(self._headset_says().fault)
        if not self._headset_says().listening:
            # Without the port there is nothing to show, and a page of old pictures would lie.
            raise DeviceError(f"The headset's port is not open: {self._headset_says().text}")
        yield lambda: session.station is not None
        scene = session.station.scene if session.station is not None else ""
        worn = self._worn = Worn(self._run, scene, port=self._headset_says().port, grip=0.0)
        yield lambda: bool(self._headset_says().posters)
        worn.say("rest")
        yield self._pause_s * 2
        yield from self._shoot_sizes("headset-who")
        self._aim = "headset-squeeze"
        window.perform(Intent("headset_next"))
        yield partial(self._asks, "squeeze")
        for step, word in SET_UP.items():
            self._aim = f"headset-{step}"
            for size in self._sizes:
                yield from self._resize(size)
                worn.say("rest")
                if not self._asks(step):  # the other size has led on to the next one
                    window.perform(Intent("headset_set_up", MOVES[step]))
                yield partial(self._asks, step)
                yield self._pause_s * 2
                worn.say(word)
                yield partial(self._midst, step)
                self._shoot(f"headset-{step}")
            yield lambda: self._headset_says().set_up.share in (0.0, 1.0)
        self._aim = "headset-drive"
        yield partial(self._asks, "drive")
        worn.say("rest")
        yield self._pause_s * 2
        window.perform(Intent("headset_next"))
        yield lambda: session.station is not None and session.station.leader == "headset"
        worn.say("circle")
        yield lambda: page.guide.good
        yield from self._shoot_sizes("headset-drive")
        worn.say("rest")
        window.perform(Intent("headset_listen", "off"))
        window.perform(Intent("use_leader", "window"))
        worn.close()
        window.leave_page()

    def _headset_says(self) -> HeadsetStatus:
        status = self._window.session.headset
        assert status is not None, "the headset's process answers"
        return status

    def _asks(self, step: str) -> bool:
        return self._window.headset_page.guide.step == step

    def _midst(self, step: str) -> bool:
        """The step is half done: hands are where they have something to show."""
        share = self._headset_says().set_up.share
        return self._asks(step) and MIDST[step] < share < 1.0

    def _within(self, seconds: float, true: Callable[[], bool]) -> Wait:
        """Until something is true, or for so long."""
        end = time.monotonic() + seconds
        return lambda: true() or time.monotonic() > end

    def _shoot_sizes(self, name: str) -> Iterator[Wait]:
        self._aim = name
        for size in self._sizes:
            yield from self._resize(size)
            self._shoot(name)

    def _record(self, *, pictures: bool) -> Iterator[Wait]:
        """One take by the scripted operator, with pictures of Collect while it runs."""
        window, session = self._window, self._window.session
        window.go("collect")
        window.perform(Intent("reset_scene", "new"))
        yield self._pause_s * 2
        yield (
            lambda: (
                session.station is not None
                and session.station.phase
                in (
                    "holding",
                    "driving",
                )
            )
        )
        window.perform(Intent("use_leader", "scripted"))
        window.perform(Intent("take_arm"))
        yield self._pause_s
        window.perform(Intent("take_start"))
        # A picture in the middle of the task tells more than one of its end.
        yield self._halfway if pictures else self._take_s
        if pictures:
            for size in self._sizes:
                yield from self._resize(size)
                yield self._pause_s * 2
                self._shoot("collect")
        window.perform(Intent("take_success"))
        yield self._pause_s
        window.perform(Intent("use_leader", "window"))

    def _policies(self) -> Iterator[Wait]:
        """Each policy that was trained from the same starts, with pictures of Test and Results."""
        window = self._window
        self._aim = "test"
        window.go("test")
        yield self._pause_s * 4
        trained = sorted(home.trainings().glob("*/best"))[:2]
        for path, slot in zip(trained, SLOTS, strict=False):
            window.perform(Intent("policy_load", str(path)))
            yield partial(self._ready, slot)
        if len(trained) == len(SLOTS):
            self._place.run.plan.who.setCurrentText("A and B")
            self._place.run.plan.starts.setValue(self._starts)
            window.perform(Intent("rollout_plan"))
        self._aim = "test and results"
        while trained and window.ui_state().planned:
            yield from self._rollout()
        if not trained:
            yield from self._shoot_sizes("test")
        window.perform(Intent("test_tab", "results"))
        # The border still tells that the last rollout was kept: of that this picture does not tell.
        yield self._within(DRIVES_S, lambda: not window.attention.flashing)
        yield from self._shoot_sizes("results")
        window.perform(Intent("test_tab", "run"))

    def _rollout(self) -> Iterator[Wait]:
        """The next one of the plan, judged as the scene says; Test's picture is the first that
        tells what it expects to feel."""
        window = self._window
        window.perform(Intent("rollout_begin"))
        yield lambda: window.ui_state().rollout == "ready"
        window.perform(Intent("rollout_start"))
        yield lambda: window.ui_state().in_hand in ("driving", "held")
        yield self._rollout_s / 2
        tells = any(trace.last_t_ns for trace in self._place.run.plots.expected.values())
        if tells and "test" not in self._shot:
            for size in self._sizes:
                yield from self._resize(size)
                # A machine that is busy with pictures holds the arm now and then.
                yield self._within(DRIVES_S, self._drives)
                self._shoot("test")
        else:
            yield self._rollout_s / 2
        if window.ui_state().rollout == "running":
            window.perform(Intent("rollout_tag", "too slow"))
            window.perform(Intent("rollout_stop"))
        yield lambda: window.ui_state().rollout == "judging"
        done = window.ui_state().done
        window.perform(Intent("rollout_judge", "success" if done else "failure"))
        yield lambda: window.ui_state().rollout == "idle"

    def _train(self) -> Iterator[Wait]:
        """The queue at work."""
        window, tab = self._window, self._place.train
        if not tab.desk.runs():
            return
        self._aim = "train"
        window.go("test")
        window.perform(Intent("test_tab", "train"))
        yield self._pause_s
        tab.start.click()
        yield self._within(TRAINED_S, self._curves_are_there)
        working = [run.name for run in tab.desk.runs() if run.status.phase == "training"]
        if working:
            tab.list.choose(working[0])
        yield from self._shoot_sizes("train")
        self._aim = "train-sheet"
        tab.sheet.use_dataset(Path(tab.desk.runs()[0].plan.dataset))  # what the others learn from
        tab.open_sheet()
        yield self._within(TRAINED_S, lambda: tab.sheet.done.isEnabled())
        yield from self._shoot_sizes("train-sheet")
        tab.sheet.dismiss()
        for run in tab.desk.runs():
            if run.status.phase not in ("done", "failed"):
                tab.desk.cancel(run.name)
        window.perform(Intent("test_tab", "run"))

    def _curves_are_there(self) -> bool:
        """Whether what trains has been judged twice."""
        desk = self._place.train.desk
        return any(
            len(desk.curves(run.name).get(("hold-out", run.status.stage, "loss"), _NO_CURVE).steps)
            > 1
            for run in desk.runs()
            if run.status.phase == "training"
        )

    def _drives(self) -> bool:
        return self._window.ui_state().in_hand == "driving"

    def _ready(self, slot: str) -> bool:
        return slot in self._window.ui_state().ready

    @property
    def _place(self) -> TestPlace:
        place = self._window._places["test"]
        assert isinstance(place, TestPlace)
        return place

    def _halfway(self) -> bool:
        station = self._window.session.station
        return station is not None and station.progress >= 0.25

    def _resize(self, size: QSize) -> Iterator[Wait]:
        self._window.resize(size)
        yield self._pause_s

    def _shoot(self, name: str) -> None:
        self._shot.add(name)
        self._window.toast.hide()
        path = self._folder / f"{name}-{self._window.width()}.png"
        if not self._window.grab().save(str(path)):
            raise OSError(f"the picture {path} cannot be written")
        self.taken.append(path)
        log.info("wrote %s", path)
