"""The bar at the bottom: what just happened at the left, how well it runs at the right."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.runtime.statuses import (
    CameraStatus,
    HeadsetStatus,
    RecorderStatus,
    StationStatus,
    StreamHealth,
)
from app.ui import look, words
from app.ui.headset.chip import headset_reading
from app.ui.look import DARK, SIZES, Tone
from app.ui.widgets import ElidedText, Line, Text, set_look

LATE_MS = 2.0
"""Lateness p99 of a control tick that turns its number amber: half a period of 250 Hz."""
HEADSET_HINT = "Posts a second · from a post to its command, 99th percentile"
DISK_LOW_S = 1800.0
"""Recording time left on the disk that turns its number amber."""


class Reading(QWidget):
    """A small label and its value. The value turns amber or violet when it needs a look."""

    def __init__(self, label: str, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(Text(label, "caption", role="caption"))
        self._value = Text("–", "caption", role="soft")
        row.addWidget(self._value)
        self.setToolTip(hint)

    def show_value(self, text: str, tone: Tone | None = None) -> None:
        self._value.setText(text)
        self._value.set_tone(tone)

    def text(self) -> str:
        return self._value.text()


class StatusBar(QWidget):
    """Rates, ages, drops, loop budget, real-time factor and disk time: always in view."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_look(self, role="wall")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(28)
        row = QHBoxLayout(self)
        row.setContentsMargins(SIZES.gap, 0, SIZES.gap, 0)
        row.setSpacing(SIZES.gap)
        self._dot = QLabel()
        row.addWidget(self._dot)
        self._text = ElidedText("", "caption", role="soft")
        row.addWidget(self._text, 1)
        self.loop = Reading("Loop", "Control ticks a second, as achieved")
        self.late = Reading("Late", "Lateness of a control tick: 99th percentile of a second")
        self.real = Reading("Real time", "Simulated seconds for each second on the clock")
        self.streams = Reading("Slowest", "The stream furthest below its nominal rate")
        self.age = Reading("Age", "Age of the oldest newest sample of all streams")
        self.drops = Reading("Dropped", "Rows lost between a ring and the recorder, this take")
        self.cameras = Reading("Cameras", "Pictures a second of the slowest camera")
        self.headset = Reading("Headset", HEADSET_HINT)
        self.disk = Reading("Disk", "Recording time left on the disk at the present rate")
        self.loop_delay = Reading(
            "Screen", "Worst delay of the window's event loop in the last minute"
        )
        readings = (
            self.loop,
            self.late,
            self.real,
            self.streams,
            self.age,
            self.drops,
            self.cameras,
            self.headset,
            self.disk,
            self.loop_delay,
        )
        for number, reading in enumerate(readings):
            if number:
                line = Line(vertical=True)
                row.addWidget(line)
                if reading is self.headset:
                    self._headset_line = line
            row.addWidget(reading)
        self._tone: Tone | None = None
        self._set_dot("idle")

    def show_text(self, text: str, tone: Tone) -> None:
        """What just happened or what the station waits for, with the colour of the state."""
        self._text.setText(text)
        self._set_dot(tone)

    def show_station(self, station: StationStatus | None) -> None:
        if station is None:
            for reading in (self.loop, self.late, self.real):
                reading.show_value("–")
            return
        loop = station.loop
        self.loop.show_value(f"{loop.rate_hz:.0f} Hz")
        late = loop.lateness_p99_ms
        self.late.show_value(f"{late:.1f} ms", "armed" if late > LATE_MS else None)
        factor = station.realtime_factor
        self.real.show_value(f"{factor:.2f}×", "armed" if factor < 0.97 else None)
        self.loop.setToolTip(
            "The control loop, mean of the last second\n"
            f"read {loop.read_ms:.2f} ms · map {loop.map_ms:.2f} · guard {loop.guard_ms:.2f} · "
            f"send {loop.send_ms:.2f} · physics {loop.physics_ms:.2f} · "
            f"publish {loop.publish_ms:.2f}\n"
            f"lateness p50 {loop.lateness_p50_ms:.2f} ms · p99 {late:.2f} · "
            f"max {loop.lateness_max_ms:.2f}"
        )

    def show_recorder(self, recorder: RecorderStatus | None) -> None:
        if recorder is None:
            for reading in (self.drops, self.disk, self.streams, self.age):
                reading.show_value("–")
            return
        self.drops.show_value(str(recorder.dropped), "fault" if recorder.dropped else None)
        left = recorder.disk_left_s
        tone: Tone | None = "armed" if left < DISK_LOW_S else None
        self.disk.show_value(words.long_time(left), "fault" if left < 300 else tone)
        self._show_streams(recorder.streams)

    def show_cameras(self, camera: CameraStatus | None) -> None:
        if camera is None or not camera.cameras:
            self.cameras.show_value("–")
            return
        slowest = min(camera.cameras, key=lambda health: health.rate_hz)
        slow = slowest.rate_hz < 0.8 * slowest.nominal_hz
        self.cameras.show_value(f"{slowest.rate_hz:.0f} Hz", "armed" if slow else None)
        lines = [f"{c.name}  {c.rate_hz:.1f} of {c.nominal_hz:.0f} Hz" for c in camera.cameras]
        self.cameras.setToolTip(
            "\n".join([f"{camera.renderer}, detail: {camera.detail}", *lines, camera.text]).strip()
        )

    def show_headset(self, headset: HeadsetStatus | None) -> None:
        """Shown only while the port is open."""
        text, tone = headset_reading(headset)
        self.headset.setToolTip(f"{HEADSET_HINT}\n{text}")
        if self.width() < 1500:
            text = text.partition(" · ")[0]  # in a low window the delay is in the tooltip
        self.headset.setVisible(bool(text))
        self._headset_line.setVisible(bool(text))
        self.headset.show_value(text, tone)

    def show_screen(self, worst_ms: float, p99_ms: float) -> None:
        """Lateness of the window's own event loop [ms]."""
        self.loop_delay.show_value(f"{worst_ms:.0f} ms", "armed" if worst_ms > 50 else None)
        self.loop_delay.setToolTip(
            "Delay of the window's event loop over the last minute\n"
            f"99th percentile {p99_ms:.1f} ms, worst {worst_ms:.1f} ms"
        )

    def _show_streams(self, streams: tuple[StreamHealth, ...]) -> None:
        regular = [s for s in streams if s.nominal_hz > 0 and s.rate_hz > 0]
        if not regular:
            self.streams.show_value("–")
            self.age.show_value("–")
            return
        slowest = min(regular, key=lambda s: s.rate_hz / s.nominal_hz)
        share = slowest.rate_hz / slowest.nominal_hz
        self.streams.show_value(f"{share:.0%}", "armed" if share < 0.9 else None)
        oldest = max(regular, key=lambda s: s.age_ms * s.nominal_hz)
        self.age.show_value(f"{oldest.age_ms:.0f} ms")
        lines = [
            f"{s.name}  {s.rate_hz:.0f} of {s.nominal_hz:.0f} Hz · age {s.age_ms:.0f} ms"
            + (f" · {s.dropped} dropped" if s.dropped else "")
            for s in sorted(regular, key=lambda s: s.rate_hz / s.nominal_hz)
        ]
        self.streams.setToolTip("\n".join(lines))
        self.age.setToolTip(f"Oldest for its rate: {oldest.name}")

    def _set_dot(self, tone: Tone) -> None:
        if tone != self._tone:
            self._tone = tone
            self._dot.setPixmap(look.pixmap("circle-fill", 10, DARK.tone(tone)))
