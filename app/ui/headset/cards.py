"""Cards beside the step: calibration, motion mode, what is sent, what was posted."""

from __future__ import annotations

import math

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from app.runtime.statuses import HeadsetCalibration, HeadsetStatus, StreamOut
from app.ui.action import Intent, UiState
from app.ui.actions import by_id, tooltip
from app.ui.headset.guide import calibration_words
from app.ui.headset.motion import AXES, MODES
from app.ui.look import SIZES, Tone
from app.ui.widgets import Button, Card, Chip, SectionTitle, Text

JITTER_MS = 5.0
"""Jitter of a UDP stream that turns its number amber: over half a period of 120 Hz."""
DELAY_MS = 5.0
"""Delay from a post to its command, 99th percentile, that turns its number amber."""


class Facts(QWidget):
    """Pairs of a label and a value, one a line. Lines are made once and reused."""

    def __init__(self, columns: int = 1, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns = columns
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(SIZES.gap)
        self._grid.setVerticalSpacing(SIZES.hair)
        for column in range(columns):
            self._grid.setColumnStretch(2 * column, 1)
        self._rows: list[tuple[Text, Text]] = []

    def show_facts(self, facts: tuple[tuple[str, str, Tone | None], ...]) -> None:
        while len(self._rows) < len(facts):
            number = len(self._rows)
            label, value = Text("", role="caption"), Text("", "strong")
            line, column = divmod(number, self._columns)
            self._grid.addWidget(label, line, 2 * column)
            self._grid.addWidget(value, line, 2 * column + 1, Qt.AlignmentFlag.AlignRight)
            self._rows.append((label, value))
        for number, (label, value) in enumerate(self._rows):
            label.setVisible(number < len(facts))
            value.setVisible(number < len(facts))
            if number < len(facts):
                label.setText(facts[number][0])
                value.setText(facts[number][1])
                value.set_tone(facts[number][2])

    def texts(self) -> dict[str, str]:
        """What is shown, for tests."""
        return {a.text(): b.text() for a, b in self._rows if not b.isHidden()}


class TitledCard(Card):
    """A card with its title at the left and a word or chip at the right."""

    intended = pyqtSignal(object)

    def __init__(self, title: str) -> None:
        super().__init__(padding=12)
        self.head = QHBoxLayout()
        self.head.setSpacing(SIZES.unit)
        self.head.addWidget(SectionTitle(title))
        self.head.addStretch()
        self.note = Chip("")
        self.note.hide()
        self.head.addWidget(self.note)
        self.body.addLayout(self.head)

    def show_note(self, text: str, tone: Tone | None = None) -> None:
        self.note.setVisible(bool(text))
        self.note.show_value(text, tone)

    def action_button(self, action_id: str, title: str = "", *, kind: str = "plain") -> Button:
        """A button for a row of the action table."""
        action = by_id(action_id)
        button = Button(title or action.title.rstrip("…"), kind=kind, hint=tooltip(action))
        button.setAccessibleName(action.title)
        button.setCheckable(action.kind == "toggle")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.intended.emit(action.intent))
        return button


class CalibrationCard(TitledCard):
    """What the set-up found, how old it is, and whether it can be trusted."""

    def __init__(self) -> None:
        super().__init__("CALIBRATION")
        self.facts = Facts(columns=2)
        self.facts.setToolTip(
            "Turn: by how much the app turns positions; it is undone.\n"
            "Spread: how far the push and the pointing scattered.\n"
            "Hands: whether the app exchanges left and right; it is undone."
        )
        self.body.addWidget(self.facts)
        self.text = Text("", role="soft", wrap=True)
        self.body.addWidget(self.text)
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self.again = self.action_button("headset.set_up", "Make it")
        self.keep = self.action_button("headset.keep", "Keep")
        self.swap = self.action_button("headset.swap", "Swap hands")
        for button in (self.again, self.keep, self.swap):
            row.addWidget(button, 1)
        self.body.addLayout(row)

    def show_calibration(self, calibration: HeadsetCalibration | None, state: UiState) -> None:
        self.again.setEnabled(by_id("headset.set_up").enabled(state))
        self.swap.setEnabled(by_id("headset.swap").enabled(state))
        self.swap.setChecked(state.swapped)
        self.again.setText("Make again" if calibration is not None else "Make it")
        doubted = calibration is not None and bool(calibration.doubt)
        self.keep.setVisible(doubted)
        if calibration is None:
            self.show_note("none yet")
            self.facts.show_facts(())
            self.text.setText("Made in the set-up, kept for this headset and this station.")
            self.text.set_tone(None)
            self.text.show()
            return
        self.show_note("doubtful" if doubted else "trusted", "armed" if doubted else "kept")
        self.facts.show_facts(
            tuple((label, value, None) for label, value in calibration_words(calibration))
        )
        self.text.setText(calibration.doubt)
        self.text.set_tone("armed" if doubted else None)
        self.text.setVisible(doubted)


class MotionCard(TitledCard):
    """Which motions of the hand the tools follow: four modes, and each axis by itself."""

    def __init__(self) -> None:
        super().__init__("MOTION")
        modes = QGridLayout()
        modes.setSpacing(SIZES.unit)
        self.modes: dict[str, Button] = {}
        for number, mode in enumerate(MODES):
            button = Button(mode.title, hint=mode.text)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(
                lambda _, name=mode.name: self.intended.emit(Intent("drive_motion", name))
            )
            self.modes[mode.name] = button
            modes.addWidget(button, number // 2, number % 2)
        self.body.addLayout(modes)
        axes = QGridLayout()
        axes.setSpacing(SIZES.hair)
        self.axes: dict[str, Button] = {}
        for number, axis in enumerate(AXES):
            button = self.action_button(f"headset.axis.{axis.name}", axis.word, kind="quiet")
            self.axes[axis.name] = button
            axes.addWidget(button, 0, number)
        self.body.addLayout(axes)

    def show_motion(self, state: UiState) -> None:
        self.show_note("" if state.motion else "free axes", "armed")
        for name, button in self.modes.items():
            button.setChecked(name == state.motion)
        for axis, on in zip(AXES, state.axes, strict=True):
            self.axes[axis.name].setChecked(on)


STREAM_WORDS = {"robot": "Tool poses", "tactile": "Touch", "panels": "Panels", "force": "Force"}


class StreamsCard(TitledCard):
    """The UDP streams to the headset: rate, jitter, failures. In a low window two stand on a line,
    and jitter and failures are in the tooltip and in the colour."""

    def __init__(self) -> None:
        super().__init__("SENT TO THE HEADSET")
        self.brief = Facts(columns=2)
        self.brief.hide()
        self.body.addWidget(self.brief)
        self._compact = False
        self._table = QWidget()
        self._grid = QGridLayout(self._table)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(SIZES.gap)
        self._grid.setVerticalSpacing(SIZES.hair)
        self._grid.setColumnStretch(0, 1)
        for column, title in enumerate(("", "rate", "jitter p99", "failed")):
            label = SectionTitle(title)
            self._grid.addWidget(label, 0, column, Qt.AlignmentFlag.AlignRight)
        self.body.addWidget(self._table)
        self.empty = Text("Nothing yet: confirm a headset first.", role="soft", wrap=True)
        self.body.addWidget(self.empty)
        self._rows: list[tuple[Text, ...]] = []

    def set_compact(self, compact: bool) -> None:
        self._compact = compact

    def show_streams(self, streams: tuple[StreamOut, ...]) -> None:
        self.empty.setVisible(not streams)
        self.brief.setVisible(bool(streams) and self._compact)
        self._table.setVisible(bool(streams) and not self._compact)
        self.brief.show_facts(
            tuple(
                (STREAM_WORDS.get(one.name, one.name), f"{one.rate_hz:.0f} Hz", _stream_tone(one))
                for one in streams
            )
        )
        self.brief.setToolTip(
            "\n".join(
                f"{STREAM_WORDS.get(one.name, one.name)}  UDP {one.port} · jitter p99 "
                f"{one.jitter_p99_ms:.1f} ms · {one.failed} failed"
                for one in streams
            )
        )
        while len(self._rows) < len(streams):
            line = len(self._rows) + 1
            row = (Text("", role="soft"), *(Text("", "strong") for _ in range(3)))
            for column, text in enumerate(row):
                side = Qt.AlignmentFlag.AlignLeft if not column else Qt.AlignmentFlag.AlignRight
                self._grid.addWidget(text, line, column, side)
            self._rows.append(row)
        for number, row in enumerate(self._rows):
            for text in row:
                text.setVisible(number < len(streams))
            if number < len(streams):
                self._show_row(row, streams[number])

    def _show_row(self, row: tuple[Text, ...], stream: StreamOut) -> None:
        name, rate, jitter, failed = row
        name.setText(f"{STREAM_WORDS.get(stream.name, stream.name)}  {stream.port}")
        name.setToolTip(f"{stream.name}: UDP {stream.port}, {stream.sent} sent")
        rate.setText(f"{stream.rate_hz:.0f} Hz")
        late = stream.jitter_p99_ms
        jitter.setText(f"{late:.1f} ms" if math.isfinite(late) else "–")
        jitter.set_tone("armed" if math.isfinite(late) and late > JITTER_MS else None)
        failed.setText(str(stream.failed))
        failed.set_tone("armed" if stream.failed else None)

    def rows(self) -> list[tuple[str, ...]]:
        """What is shown, for tests."""
        return [tuple(t.text() for t in row) for row in self._rows if not row[0].isHidden()]


def _stream_tone(stream: StreamOut) -> Tone | None:
    late = math.isfinite(stream.jitter_p99_ms) and stream.jitter_p99_ms > JITTER_MS
    return "armed" if late or stream.failed else None


_COUNTERS = ("posts", "malformed", "refused", "reordered", "restarts", "jumps")
_NO_EVENTS = ("connections", "open", "gripper")
"""Counters of how it is, not of what went wrong."""
_QUIET = ("posts", "reordered", "restarts")


class CountersCard(TitledCard):
    """What was posted and what was wrong with it; delays of the whole way."""

    def __init__(self) -> None:
        super().__init__("POSTED TO US")
        self.facts = Facts(columns=2)
        self.delays = Facts()
        self.body.addWidget(self.facts)
        self.body.addWidget(self.delays)
        self.capture = self.action_button("headset.capture", "Capture to a file…", kind="quiet")
        self.head.addWidget(self.capture)

    def show_headset(self, headset: HeadsetStatus | None, state: UiState) -> None:
        self.capture.setEnabled(by_id("headset.capture").enabled(state))
        self.capture.setChecked(state.capturing)
        self.capture.setText("End the capture" if state.capturing else "Capture to a file…")
        if headset is None:
            self.facts.show_facts(())
            self.delays.show_facts(())
            return
        counts = {name: _count(headset.counters, name) for name in _COUNTERS}
        known = {*_COUNTERS, *(name.removesuffix("s") for name in _COUNTERS), *_NO_EVENTS}
        counts |= {k: n for k, n in headset.counters.items() if n and k not in known}
        facts: list[tuple[str, str, Tone | None]] = [
            (_word(name), f"{count:,}".replace(",", "\u202f"), _tone(name, count))
            for name, count in counts.items()
        ]
        delays: list[tuple[str, str, Tone | None]] = []
        for label, value in (
            ("Post → command p99", headset.delay_p99_ms),
            ("Touch → datagram p99", headset.touch_delay_p99_ms),
        ):
            slow = math.isfinite(value) and value > DELAY_MS
            text = f"{value:.1f} ms" if math.isfinite(value) else "–"
            delays.append((label, text, "armed" if slow else None))
        self.delays.show_facts(tuple(delays))
        self.facts.show_facts(tuple(facts))


def _count(counters: dict[str, int], name: str) -> int:
    """A counter; one that has never counted anything is not told at all."""
    return counters.get(name, counters.get(name.removesuffix("s"), 0))


def _word(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _tone(name: str, count: int) -> Tone | None:
    return "armed" if count and name not in _QUIET else None
