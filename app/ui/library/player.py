"""One open episode: pictures, 3-D, plots and touch on one cursor, with its verdict."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from app.session.loading import EpisodeLoader, Loaded, Rows
from app.session.playback import Playback
from app.ui.action import Intent
from app.ui.collect.touch_panel import TouchPanel
from app.ui.library.cards import verdict_words, when
from app.ui.library.plots import Plots
from app.ui.library.stage import Stages
from app.ui.library.tiles import CameraColumn
from app.ui.library.timeline import Timeline
from app.ui.library.transport import Transport
from app.ui.library.verdict_bar import VerdictBar
from app.ui.look import SIZES
from app.ui.steps import Steps
from app.ui.view3d.ar import PadTouch, TouchView
from app.ui.view3d.scene_view import SceneView
from app.ui.view3d.shot import RobotParts
from app.ui.widgets import Card, EmptyState
from datasets.dataset import Dataset
from datasets.library import EpisodeCard
from devices.clock import NS_PER_S, Clock
from devices.errors import TeledeckError
from devices.feel import Gel
from devices.feel_hand import moment
from devices.touch import MarkerModel, PadGeometry

log = logging.getLogger("teledeck.window")

PLOT_EVERY = 2  # frames: plots follow the cursor at 30 Hz, the rest at 60
OLD_PERIODS = 3.0  # a picture older than so many periods of its camera tells its age
GAP_NS = 5 * NS_PER_S  # one older than this is not the picture of now
LAYERS = frozenset({"field", "force", "contacts"})
STATE = "sim/state"


class Player(QWidget):
    """Plays one episode at a time.

    Args:
        clock: What playback runs by.

    Signals:
        intended: What its buttons ask for.
        said: A sentence for the user.
    """

    intended = pyqtSignal(object)
    said = pyqtSignal(str)
    _loaded_there = pyqtSignal(object)
    _rows_there = pyqtSignal(object)
    _failed_there = pyqtSignal(object, str)

    def __init__(self, clock: Clock, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._clock = clock
        self._card: EpisodeCard | None = None
        self._path: Path | None = None
        self._loaded: Loaded | None = None
        self._parts: RobotParts | None = None
        self._gels: dict[str, Gel] = {}
        self._shown: dict[str, int] = {}
        self._asked: dict[str, int] | None = None
        self._frame = 0
        self.open_at: float | None = None  # [s] after a policy drives: where the next one opens
        self._dataset: Dataset | None = None
        self._opening = Steps(self)
        self._stages = Stages()
        self.playback = Playback(clock, {})
        self.loader = EpisodeLoader(
            self._loaded_there.emit, self._rows_there.emit, self._failed_there.emit
        )
        self._loaded_there.connect(self._take)
        self._rows_there.connect(self._show_rows)
        self._failed_there.connect(self._fail)
        self._build()

    def _build(self) -> None:
        whole = QVBoxLayout(self)
        whole.setContentsMargins(SIZES.gap, SIZES.unit, SIZES.gap, SIZES.gap)
        whole.setSpacing(SIZES.unit)
        self.bar = VerdictBar()
        self.bar.intended.connect(self.intended)
        whole.addWidget(self.bar)
        self._fault = EmptyState("warning-octagon", "This episode cannot be read", "")
        self._fault.hide()
        whole.addWidget(self._fault, 1)
        self._body = QWidget()
        whole.addWidget(self._body, 1)
        body = QVBoxLayout(self._body)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(SIZES.unit)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(SIZES.unit)
        self.view = SceneView()
        self.view.set_layers(LAYERS)
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.cameras = CameraColumn()
        self.touch_panel = TouchPanel()
        touch = Card(padding=12)
        touch.body.addWidget(self.touch_panel)
        self._touch_card = touch
        self._side = side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SIZES.unit)
        column.addWidget(self.cameras, 1)
        split.addWidget(self.view)
        split.addWidget(side)
        split.setStretchFactor(0, 5)
        split.setStretchFactor(1, 2)
        split.setSizes([1000, 360])
        body.addWidget(split, 5)
        deck = Card(padding=12)
        self.timeline = Timeline()
        self.timeline.sought.connect(self.seek)
        self.transport = Transport()
        self.transport.intended.connect(self.intended)
        deck.body.addWidget(self.timeline)
        deck.body.addWidget(self.transport)
        body.addWidget(deck)
        lower = QWidget()
        curves = QHBoxLayout(lower)
        curves.setContentsMargins(0, 0, 0, 0)
        curves.setSpacing(SIZES.unit)
        plots = Card(padding=12)
        self.plots = Plots()
        self.plots.sought.connect(self._seek_seconds)
        plots.body.addWidget(self.plots)
        curves.addWidget(plots, 4)
        curves.addWidget(touch, 1)
        body.addWidget(lower, 2)
        self._coming = (split, deck, lower)
        for part in self._coming:  # each is drawn in a turn of its own when there is an episode
            policy = part.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            part.setSizePolicy(policy)
            part.hide()

    # ------------------------------------------------------------------------------- episodes
    def open(self, card: EpisodeCard, dataset: Dataset, path: Path, ahead: Sequence[Path]) -> None:
        """Open an episode and play it; read those `ahead` while it plays."""
        self._card, self._dataset, self._path = card, dataset, path
        self._opening.stop()
        self._shown.clear()
        self._asked = None
        self.show_card(card)
        found = self.loader.open(path, ahead)
        if found is not None:
            self._take(found)
        else:
            self.playback.pause()

    def show_card(self, card: EpisodeCard) -> None:
        """Newest verdict and task of the open episode."""
        self._card = card
        word, tone, _ = verdict_words(card)
        self.bar.show_episode(
            f"#{card.number}", card.task or "No task", word, tone, when(card.facts.wall_ns)
        )
        self.bar.show_flags(card.flags, card.facts.findings)

    def close_episode(self) -> None:
        """Show nothing; the loader keeps what it has."""
        self._opening.stop()
        self.playback.pause()
        self._path = None
        self._loaded = None
        self.view.set_stage(None)

    def close_down(self) -> None:
        """End threads and graphics. Idempotent."""
        self.loader.close()
        self._opening.stop()
        self.plots.close_down()
        self.view.close_view()

    def _take(self, loaded: Loaded) -> None:
        """An episode has arrived: show its first instant and play."""
        if loaded.path == self._path:  # else another one was opened meanwhile
            self._opening.begin(self._show_loaded(loaded))

    def _show_loaded(self, loaded: Loaded) -> Iterator[None]:
        """Show an episode piece by piece: each takes some milliseconds."""
        self._loaded = None  # the cursor rests until all of it is on screen
        speed = abs(self.playback.speed)
        self.playback = Playback(
            self._clock,
            loaded.times,
            frames=next(iter(loaded.cameras), ""),
            marks=[mark.t_ns for mark in loaded.marks],
            span_ns=loaded.span_ns,
        )
        self.playback.set_speed(speed)
        self._fault.hide()
        self._body.show()
        for part in self._coming:
            if part.isHidden():
                yield
                part.show()
        yield
        self._set_stage(loaded)
        yield
        self.timeline.show_episode(loaded.span_ns, loaded.marks)
        self._loaded = loaded
        self._show_rows(loaded.first)
        if self.open_at is None:
            self.playback.play()
        else:
            seconds, self.open_at = self.open_at, None
            self.seek(policy_began_ns(loaded) + round(seconds * NS_PER_S))
        yield
        self.plots.show_episode(loaded.curves, self.playback.length_ns / NS_PER_S)

    def _set_stage(self, loaded: Loaded) -> None:
        source, parts, note = None, None, ""
        if STATE in loaded.specs and self._dataset is not None:
            try:
                source, parts, note = self._stages.source(self._dataset, loaded.start)
            except TeledeckError as error:
                note = str(error)
        self._parts = parts
        self._gels.clear()
        self.view.set_stage(source, parts)
        self.view.setVisible(source is not None)
        self._side.setVisible(bool(loaded.cameras))
        self.cameras.show_cameras(loaded.cameras, beside=source is not None)
        self._touch_card.setVisible(parts is not None)
        if parts is not None:
            self.touch_panel.set_pads(parts.pad_side)
        self.bar.show_note(note)

    def _fail(self, path: Path, why: str) -> None:
        if path == self._path:
            log.warning("episode %s: %s", path, why)
            self._opening.stop()
            self._loaded = None
            self._fault.show_text(why)
            self._body.hide()
            self._fault.show()

    # ------------------------------------------------------------------------------- playback
    def tick(self) -> None:
        """One frame: move the cursor and ask for what belongs there."""
        loaded = self._loaded
        if loaded is None:
            return
        self.playback.advance()
        at = self.playback.cursor_ns
        seconds = (at - loaded.span_ns[0]) / NS_PER_S
        self.timeline.show_cursor(at)
        self.transport.show_state(
            seconds,
            self.playback.length_ns / NS_PER_S,
            self.playback.speed,
            self.playback.playing,
        )
        self._frame += 1
        if self._frame % PLOT_EVERY == 0:
            self.plots.show_cursor(seconds)
        wanted = self._wanted(loaded, at)
        if self._asked is None and wanted and wanted != self._shown:
            self._asked = wanted
            self.loader.show(loaded.path, wanted)

    def _wanted(self, loaded: Loaded, at: int) -> dict[str, int]:
        """Rows to show at the cursor. Old pictures tell their age; too old ones are none."""
        wanted = {}
        for name in (*loaded.cameras, *_shown_of(loaded)):
            row = self.playback.row(name)
            age_ns = at - int(loaded.times[name][row]) if row is not None else 0
            if row is not None and age_ns <= GAP_NS:
                wanted[name] = row
            if name in loaded.cameras:
                late = age_ns * loaded.specs[name].rate_hz > OLD_PERIODS * NS_PER_S
                self.cameras.show_age(name, age_ns / NS_PER_S if late else None)
                if name not in wanted:
                    self.cameras.show_gap(name, "No picture at this instant")
                    self._shown.pop(name, None)
        return wanted

    def _show_rows(self, rows: Rows) -> None:
        """Pictures and heavy rows have arrived."""
        loaded = self._loaded
        if loaded is None or rows.path != loaded.path:
            self._asked = None
            return
        if self._asked is not None:
            self._shown = self._asked
            self._asked = None
        self.cameras.show_pictures(rows.images)
        state = rows.values.get(STATE)
        if state is not None:
            self.view.set_state(np.asarray(state, dtype=np.float64))
        if self._parts is not None:
            touch = self._touch(loaded, rows, self._parts)
            self.view.set_touch(touch)
            self.touch_panel.show_touch(touch)

    def _touch(self, loaded: Loaded, rows: Rows, parts: RobotParts) -> TouchView:
        """What was felt at the cursor; pads without data are absent, never zero."""
        pads = {}
        for pad in parts.pad_site:
            felt = self._pad(loaded, rows, pad, parts.pads[pad])
            if felt is not None:
                pads[pad] = felt
        wrench = {}
        for side in parts.tool_site:
            name = f"{side}_arm/wrench"
            row = self.playback.row(name)
            if row is not None and name in loaded.values:
                wrench[side] = np.asarray(loaded.values[name][row], dtype=np.float64)
        band = loaded.start.get("force_band")
        return TouchView(pads=pads, wrench=wrench, band=(band[0], band[1]) if band else None)

    def _pad(self, loaded: Loaded, rows: Rows, pad: str, geometry: PadGeometry) -> PadTouch | None:
        """What a pad felt: as the touch process told it then, or, in episodes from before there
        was one, as its recorded field of forces says now."""
        moved = rows.values.get(f"{pad}_pad/deformation")
        name = f"{pad}_pad/reading"
        row = self.playback.row(name)
        if moved is not None and row is not None and name in loaded.values:
            reading = np.asarray(loaded.values[name][row], dtype=np.float64)
            return PadTouch(moved, reading, "recorded")
        field = rows.values.get(f"{pad}_pad/tactile")
        if field is None:
            return None
        gel = self._gels.setdefault(pad, Gel.of(MarkerModel(geometry)))
        return PadTouch(*moment(gel, field), source="from the recorded field")

    def seek(self, t_ns: int) -> None:
        self.playback.seek(t_ns)

    def _seek_seconds(self, seconds: float) -> None:
        self.playback.seek(self.playback.first_ns + round(seconds * NS_PER_S))

    def perform(self, intent: Intent) -> bool:
        """Playback intents. False for any other."""
        argument, playback = intent.argument, self.playback
        match intent.name:
            case "play":
                match argument:
                    case "toggle":
                        playback.toggle()
                    case "pause":
                        playback.pause()
                    case "back":
                        playback.shuttle("back")
                    case _:
                        playback.shuttle("forward")
            case "step":
                playback.step(int(argument))
            case "skip":
                playback.skip_s(float(argument))
            case "speed":
                playback.change_speed(1 if argument == "up" else -1)
            case "seek" if argument in ("start", "end"):
                playback.seek(playback.first_ns if argument == "start" else playback.last_ns)
            case "seek":
                way = "forward" if argument == "next_event" else "back"
                if not playback.seek_mark(way):  # type: ignore[arg-type]
                    self.said.emit("No more events this way")
            case _:
                return False
        return True


def _shown_of(loaded: Loaded) -> list[str]:
    """Heavy streams that are shown; reading others at every step would only cost time."""
    shown = []
    for name in loaded.heavy:
        pad, _, what = name.rpartition("/")
        newer = what == "tactile" and f"{pad}/deformation" in loaded.specs
        if what != "markers" and not newer:
            shown.append(name)
    return shown


def policy_began_ns(loaded: Loaded) -> int:
    """When a policy began to drive in an episode [ns]; its first instant where none did."""
    for mark in loaded.marks:
        if mark.kind == "leader" and mark.text.startswith("The policy "):
            return mark.t_ns
    return loaded.span_ns[0]
