"""Live plots of a policy on one cursor: how long it takes, what is felt, how unsure it is."""

from __future__ import annotations

import numpy as np
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from app.runtime.policy_source import expects_stream
from app.runtime.requests import SLOTS
from app.ui import look
from app.ui.collect.readings import Readings
from app.ui.collect.trace import Trace
from app.ui.collect.trace_plot import Line, TracePlot
from app.ui.look import DARK
from app.ui.place import SessionPort
from app.ui.widgets import Card
from devices.clock import NS_PER_S
from devices.leader import SIDES, Side
from devices.stream import FloatArray

TOUCH = "Touch at the wrists"
NOT_TOLD = "Touch (policy expects: not told)"
TOLD = "Touch, dashed: policy expects"

HELD = 45  # buckets of a thirtieth of a second that a reading counts until the next one


class PolicyPlots(Card):
    """Follows `policy_X/timing` of the policy in hand and the wrenches.

    Call `renew` once a frame, `show_all` when there is time to paint.
    """

    def __init__(self, session: SessionPort, parent: QWidget | None = None) -> None:
        super().__init__(padding=12, parent=parent)
        self.body.setContentsMargins(12, 8, 12, 8)  # a low window has room for the curves, too
        self._session = session
        self._slot = ""
        self._turn = 0
        self.inference, self.age, self.unsure = Trace(), Trace(), Trace()
        self.expected: dict[Side, Trace] = {side: Trace() for side in SIDES}
        self.time_plot = TracePlot("Inference, observation age", "ms", top=50.0, digits=0)
        self.touch_plot = TracePlot(TOUCH, "N", top=10.0)
        self.unsure_plot = TracePlot("Uncertainty", "", top=1.0, digits=2)
        self._plots = (self.time_plot, self.touch_plot, self.unsure_plot)
        column = QVBoxLayout()
        for plot in self._plots:
            plot.setMinimumHeight(44)
            plot.pointed.connect(self._point)
            column.addWidget(plot)
        self.body.addLayout(column)

    def renew(self, slot: str, now_ns: int) -> None:
        """Take in what has come. `slot`: the policy in hand, "" for none; `now_ns` [ns]."""
        if slot and slot != self._slot:
            self._slot = slot
            for trace in (self.inference, self.age, self.unsure, *self.expected.values()):
                trace.clear()
        if self._slot not in SLOTS:
            return
        self._expect(slot, now_ns)
        begin = self.age.last_t_ns + 1 if self.age.last_t_ns else now_ns - 10 * NS_PER_S
        found = self._session.since(f"{self._slot}/timing", begin)
        if found is None or not len(found.t_ns):
            return
        rows = np.asarray(found.data, dtype=np.float64)
        self.age.add(found.t_ns, rows[:, 0])
        self.inference.add(found.t_ns, rows[:, 1])
        known = np.isfinite(rows[:, 3])
        if known.any():
            self.unsure.add(found.t_ns[known], rows[known, 3])

    def _expect(self, slot: str, now_ns: int) -> None:
        """What the plan of the policy in hand expects at this moment: the size of the force at each
        wrist [N], linear between the rows of its chunk."""
        status = self._session.policies.get(slot)
        told = False
        for side, trace in self.expected.items():
            rows = (
                self._session.latest(expects_stream(slot, f"{side}_arm/wrench")) if slot else None
            )
            if rows is None or status is None:
                continue
            told = True
            force = np.linalg.norm(np.asarray(rows.data)[:, :3], axis=1)
            place = (now_ns - rows.t_ns) / NS_PER_S * status.rate_hz
            if 0.0 <= place <= len(force) - 1 and np.isfinite(force).all():
                value = float(np.interp(place, np.arange(len(force)), force))
                trace.add(np.array([now_ns]), np.array([value]))
        self.touch_plot.show_title(TOLD if told else NOT_TOLD if slot else TOUCH)

    def show_all(self, readings: Readings, band: tuple[float, float] | None, now_ns: int) -> None:
        """Paint one plot; the next call paints the next one."""
        self._turn = (self._turn + 1) % 3
        if self._turn == 0:
            self.time_plot.show_lines(
                [
                    _held(self.inference, now_ns, DARK.accent),
                    _held(self.age, now_ns, DARK.soft),
                ]
            )
        elif self._turn == 1:
            self.touch_plot.show_lines(
                [
                    *self._expected_lines(now_ns),
                    Line(*readings.force["left"].curve(now_ns), DARK.left_hand),
                    Line(*readings.force["right"].curve(now_ns), DARK.right_hand),
                ],
                band,
            )
        else:
            self.unsure_plot.setVisible(self.unsure.last_t_ns > 0 and self.height() > 150)
            self.unsure_plot.show_lines([_held(self.unsure, now_ns, DARK.part_3)])

    def _expected_lines(self, now_ns: int) -> list[Line]:
        """Only of hands of which the policy has told something."""
        colours = {"left": DARK.left_hand, "right": DARK.right_hand}
        return [
            Line(*trace.curve(now_ns), look.blend(colours[side], DARK.floor, 0.6), dashed=True)
            for side, trace in self.expected.items()
            if trace.last_t_ns > now_ns - 10 * NS_PER_S
        ]

    def _point(self, age: object) -> None:
        for plot in self._plots:
            plot.show_cursor(age if isinstance(age, float) else None)


def _held(trace: Trace, now_ns: int, colour: str) -> Line:
    """A line of readings that count until the next one."""
    ages, values = trace.curve(now_ns)
    return Line(ages, held(values, HELD), colour)


def held(values: FloatArray, limit: int) -> FloatArray:
    """Values with gaps filled by what came before, at most `limit` long, (n,) → (n,)."""
    index = np.where(np.isfinite(values), np.arange(len(values)), -1)
    last = np.maximum.accumulate(index)
    fresh = (last >= 0) & (np.arange(len(values)) - last <= limit)
    return np.where(fresh, values[np.maximum(last, 0)], np.nan)
