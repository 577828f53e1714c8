"""One cursor over the streams of a recorded episode. No Qt, no thread; time comes from a clock.

The cursor is computed from where and when it was last set, never added up frame by frame: however
often or seldom it is looked at, playback neither drifts nor depends on the frame rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from devices.clock import NS_PER_S, Clock

Times = npt.NDArray[np.int64]
Way = Literal["forward", "back"]

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Playback speeds. Multiples of a quarter, so that the cursor is exact in integers."""

FRAME_NS = NS_PER_S // 30
"""A frame step in an episode without pictures [ns]."""


class Playback:
    """The cursor: where it is, whether it moves, and which row of each stream it is on.

    Args:
        clock: What playback runs by.
        times: Per stream, when its rows were measured [ns], ascending, shape (n,).
        frames: The stream whose rows are the frames to step by; "" if there are no pictures.
        marks: Times of events to jump to [ns].
        span_ns: First and last instant [ns]; None takes the extent of `times`.
    """

    def __init__(
        self,
        clock: Clock,
        times: Mapping[str, Times],
        *,
        frames: str = "",
        marks: Iterable[int] = (),
        span_ns: tuple[int, int] | None = None,
    ) -> None:
        self._clock = clock
        self._times = dict(times)
        self._frames = frames if len(self._times.get(frames, ())) else ""
        if span_ns is None:
            filled = [t for t in self._times.values() if len(t)]
            span_ns = (
                (min(int(t[0]) for t in filled), max(int(t[-1]) for t in filled))
                if filled
                else (0, 0)
            )
        self.first_ns, self.last_ns = span_ns
        self._marks = np.unique(
            np.array([t for t in marks if self.first_ns <= t <= self.last_ns], dtype=np.int64)
        )
        self._quarters = 0  # signed speed in quarters; 0 is a pause
        self._wanted_quarters = 4
        self._anchor_ns = self.first_ns
        self._anchor_clock_ns = clock.now_ns()

    # ------------------------------------------------------------------------------ where it is
    @property
    def length_ns(self) -> int:
        return self.last_ns - self.first_ns

    @property
    def cursor_ns(self) -> int:
        """The instant that is shown [ns], always within the episode."""
        moved = (self._clock.now_ns() - self._anchor_clock_ns) * self._quarters // 4
        return min(max(self._anchor_ns + moved, self.first_ns), self.last_ns)

    @property
    def playing(self) -> bool:
        return self._quarters != 0

    @property
    def speed(self) -> float:
        """Signed speed while playing, else the speed it would play at."""
        return (self._quarters or self._wanted_quarters) / 4

    def row(self, stream: str) -> int | None:
        """The newest row at or before the cursor; None before the first and for no stream."""
        times = self._times.get(stream)
        if times is None:
            return None
        row = int(np.searchsorted(times, self.cursor_ns, side="right")) - 1
        return row if row >= 0 else None

    def advance(self) -> bool:
        """Stop at the ends. Call once a frame; True while the cursor moves."""
        at = self.cursor_ns
        ended = at >= self.last_ns if self._quarters > 0 else at <= self.first_ns
        if self.playing and ended:
            self.pause()
        return self.playing

    # --------------------------------------------------------------------------------- playing
    def play(self, way: Way = "forward") -> None:
        """Play at the wanted speed; from the other end if it stands at the end of this way."""
        end, start = (
            (self.last_ns, self.first_ns) if way == "forward" else (self.first_ns, self.last_ns)
        )
        at = self.cursor_ns
        self._set(start if at == end else at, self._wanted_quarters * _sign(way))

    def pause(self) -> None:
        self._set(self.cursor_ns, 0)

    def toggle(self) -> None:
        if self.playing:
            self.pause()
        else:
            self.play()

    def shuttle(self, way: Way) -> None:
        """J and L: play this way at once; again the same way doubles the speed."""
        if self.playing and (self._quarters > 0) == (way == "forward"):
            self._wanted_quarters = min(abs(self._quarters) * 2, round(SPEEDS[-1] * 4))
        else:
            self._wanted_quarters = 4
        self.play(way)

    def set_speed(self, speed: float) -> None:
        """One of SPEEDS, kept through a pause.

        Raises:
            ValueError: For any other speed.
        """
        if speed not in SPEEDS:
            raise ValueError(f"speed {speed}; allowed: {', '.join(map(str, SPEEDS))}")
        self._wanted_quarters = round(speed * 4)
        if self.playing:
            way = self._wanted_quarters if self._quarters > 0 else -self._wanted_quarters
            self._set(self.cursor_ns, way)

    def change_speed(self, steps: int) -> None:
        """Faster or slower by so many steps of SPEEDS, within them."""
        place = SPEEDS.index(abs(self._wanted_quarters) / 4)
        self.set_speed(SPEEDS[min(max(place + steps, 0), len(SPEEDS) - 1)])

    # --------------------------------------------------------------------------------- jumping
    def seek(self, t_ns: int) -> None:
        """Go to an instant [ns]; playing goes on from there."""
        self._set(min(max(int(t_ns), self.first_ns), self.last_ns), self._quarters)

    def skip_s(self, seconds: float) -> None:
        self.seek(self.cursor_ns + round(seconds * NS_PER_S))

    def step(self, frames: int) -> None:
        """Pause and go to the picture `frames` further on or back, exactly onto its time."""
        at = self.cursor_ns
        self.pause()
        times = self._times.get(self._frames)
        if times is None:
            self.seek(at + frames * FRAME_NS)
            return
        row = int(np.searchsorted(times, at, side="right")) - 1
        if frames < 0 and (row < 0 or times[row] < at):
            frames += 1  # the first step back goes to the beginning of the picture shown
        self.seek(int(times[min(max(row + frames, 0), len(times) - 1)]))

    def seek_mark(self, way: Way) -> bool:
        """Go to the next event, or the one before. False if there is none that way."""
        at = self.cursor_ns
        if way == "forward":
            place = int(np.searchsorted(self._marks, at, side="right"))
        else:
            place = int(np.searchsorted(self._marks, at, side="left")) - 1
        if not 0 <= place < len(self._marks):
            return False
        self.seek(int(self._marks[place]))
        return True

    def _set(self, t_ns: int, quarters: int) -> None:
        self._anchor_ns = t_ns
        self._anchor_clock_ns = self._clock.now_ns()
        self._quarters = quarters


def _sign(way: Way) -> int:
    return 1 if way == "forward" else -1
