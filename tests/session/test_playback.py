"""The playback cursor: exact, bounded, and the same however often one looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.session.playback import SPEEDS, Playback
from devices.clock import NS_PER_S, FakeClock

times_ns = st.lists(st.integers(0, 20 * NS_PER_S), min_size=1, max_size=60).map(
    lambda values: np.array(sorted(values), dtype=np.int64)
)


def made(clock: FakeClock, **streams: np.ndarray) -> Playback:
    return Playback(clock, streams, frames="front")


@given(times_ns, st.integers(-NS_PER_S, 21 * NS_PER_S))
def test_a_row_is_the_latest_at_or_before_the_cursor(times: np.ndarray, at: int) -> None:
    cursor = Playback(FakeClock(), {"q": times}, span_ns=(-NS_PER_S, 21 * NS_PER_S))
    cursor.seek(at)
    row = cursor.row("q")
    if row is None:
        assert at < times[0]
    else:
        assert times[row] <= at
        assert row == len(times) - 1 or times[row + 1] > at
    assert cursor.row("no/such") is None


@given(
    st.sampled_from(SPEEDS),
    st.lists(st.integers(1, NS_PER_S // 2), min_size=1, max_size=20),
    st.booleans(),
)
def test_looking_often_does_not_change_where_it_is(
    speed: float, waits: list[int], forward: bool
) -> None:
    span = (0, 1000 * NS_PER_S)
    often, once = FakeClock(), FakeClock()
    cursors = [Playback(clock, {}, span_ns=span) for clock in (often, once)]
    for cursor in cursors:
        cursor.seek(500 * NS_PER_S)
        cursor.set_speed(speed)
        cursor.play("forward" if forward else "back")
    for wait in waits:
        often.sleep_until_ns(often.now_ns() + wait)
        cursors[0].advance()
        _ = cursors[0].cursor_ns
    once.sleep_until_ns(once.now_ns() + sum(waits))
    assert cursors[0].cursor_ns == cursors[1].cursor_ns
    moved = cursors[1].cursor_ns - 500 * NS_PER_S
    assert abs(moved - speed * sum(waits) * (1 if forward else -1)) <= 1


@given(times_ns, st.integers(0, 20 * NS_PER_S))
def test_steps_land_on_pictures_and_go_through_all_of_them(times: np.ndarray, at: int) -> None:
    cursor = made(FakeClock(), front=times)
    cursor.seek(at)
    cursor.step(-1)
    assert cursor.cursor_ns in times and cursor.cursor_ns <= max(at, int(times[0]))
    cursor.seek(cursor.first_ns)
    seen = [cursor.cursor_ns]
    for _ in range(len(times)):
        cursor.step(1)
        if cursor.cursor_ns != seen[-1]:
            seen.append(cursor.cursor_ns)
    assert seen == sorted(set(times.tolist()))
    assert not cursor.playing


def test_shuttle_doubles_up_to_eight_and_turns_round_at_one() -> None:
    clock = FakeClock()
    cursor = Playback(clock, {}, span_ns=(0, 100 * NS_PER_S))
    cursor.seek(50 * NS_PER_S)
    reached = []
    for _ in range(5):
        cursor.shuttle("forward")
        reached.append(cursor.speed)
    assert reached == [1.0, 2.0, 4.0, 8.0, 8.0]
    cursor.shuttle("back")
    assert cursor.speed == -1.0
    cursor.pause()
    assert not cursor.playing


def test_the_end_pauses_and_play_begins_again() -> None:
    clock = FakeClock()
    cursor = Playback(clock, {}, span_ns=(0, NS_PER_S))
    cursor.play()
    clock.advance_s(5)
    assert not cursor.advance()
    assert cursor.cursor_ns == NS_PER_S
    cursor.toggle()
    assert cursor.playing and cursor.cursor_ns == 0


@given(st.lists(st.integers(0, 100), max_size=8), st.integers(0, 100))
def test_marks_are_visited_in_order(marks: list[int], at: int) -> None:
    cursor = Playback(FakeClock(), {}, marks=marks, span_ns=(0, 100))
    cursor.seek(at)
    visited = []
    while cursor.seek_mark("forward"):
        visited.append(cursor.cursor_ns)
    assert visited == sorted({mark for mark in marks if mark > at})
    while cursor.seek_mark("back"):
        pass
    assert cursor.cursor_ns == min((m for m in marks if m <= cursor.cursor_ns), default=at)


def test_a_speed_that_is_not_offered_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.25"):
        Playback(FakeClock(), {}).set_speed(3.0)


class AnyUse(RuleBasedStateMachine):
    """Whatever one does, the cursor stays within the episode and never jumps by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        times = np.arange(0, 5 * NS_PER_S, NS_PER_S // 10, dtype=np.int64)
        self.cursor = made(self.clock, front=times)

    @rule(seconds=st.floats(0, 10))
    def wait(self, seconds: float) -> None:
        before, playing = self.cursor.cursor_ns, self.cursor.playing
        self.clock.advance_s(seconds)
        self.cursor.advance()
        if not playing:
            assert self.cursor.cursor_ns == before

    @rule(way=st.sampled_from(["forward", "back"]))
    def shuttle(self, way: str) -> None:
        self.cursor.shuttle(way)  # type: ignore[arg-type]

    @rule(steps=st.integers(-3, 3))
    def change_speed(self, steps: int) -> None:
        before = self.cursor.cursor_ns
        self.cursor.change_speed(steps)
        assert self.cursor.cursor_ns == before

    @rule(seconds=st.floats(-100, 100))
    def skip(self, seconds: float) -> None:
        self.cursor.skip_s(seconds)

    @rule(frames=st.integers(-5, 5))
    def step(self, frames: int) -> None:
        self.cursor.step(frames)

    @rule()
    def toggle(self) -> None:
        self.cursor.toggle()

    @invariant()
    def within(self) -> None:
        assert self.cursor.first_ns <= self.cursor.cursor_ns <= self.cursor.last_ns
        assert abs(self.cursor.speed) in SPEEDS


TestAnyUse = AnyUse.TestCase
