"""The rings of a run come, go and are measured; cameras keep to what a machine can do."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.runtime.camera_plan import DUTY, Pace, plans
from app.runtime.rings import RING_SECONDS, RingSet, ring_capacity
from app.runtime.rundir import RunDir
from app.runtime.station_file import Cameras
from devices.clock import NS_PER_S, FakeClock
from devices.ring import RingWriter
from devices.stream import StreamSpec

SPEC = StreamSpec("left_arm/q", (7,), "float64", "rad", "", 100.0)


def test_rings_appear_are_measured_replaced_and_disappear(tmp_path: Path) -> None:
    clock = FakeClock()
    with RunDir.create(tmp_path) as run:
        rings = RingSet(run, clock)
        rings.refresh()
        assert rings.health({}) == ()
        for start in range(2):
            with RingWriter(run.ring(SPEC.name), SPEC, ring_capacity(SPEC)) as writer:
                for _ in range(200):
                    clock.advance_s(0.01)
                    rings.refresh()
                    writer.publish(clock.now_ns(), np.zeros(7))
                clock.advance_s(0.3)
                rings.refresh()
                (health,) = rings.health({SPEC.name: 3})
                assert 70 < health.rate_hz < 105, start
                assert math.isclose(health.age_ms, 300.0)
                assert (health.nominal_hz, health.dropped) == (100.0, 3)
        clock.advance_s(1.0)
        rings.refresh()
        assert list(rings) == []
        run.ring("foreign/thing").write_bytes(b"what is this")
        clock.advance_s(1.0)
        rings.refresh()
        assert list(rings) == [] and "no ring" in rings.broken["foreign/thing"]
        rings.close()


def test_a_ring_that_came_a_moment_ago_is_found_at_once(tmp_path: Path) -> None:
    with RunDir.create(tmp_path) as run:
        rings = RingSet(run, FakeClock())
        rings.refresh()
        with RingWriter(run.ring(SPEC.name), SPEC, ring_capacity(SPEC)):
            rings.refresh()
            assert list(rings) == [], "it looks five times a second"
            rings.refresh(at_once=True)
            assert list(rings) == [SPEC.name]
        rings.close()


@given(st.floats(0.1, 1000.0))
def test_rings_remember_long_enough(rate_hz: float) -> None:
    spec = StreamSpec("a/b", (1,), "uint8", "1", "", rate_hz)
    assert ring_capacity(spec) >= max(2, RING_SECONDS * rate_hz)


@given(
    wish_hz=st.floats(1.0, 60.0),
    costs_ms=st.lists(st.floats(0.1, 300.0), min_size=1, max_size=60),
    busy=st.floats(1.0, 4.0),
)
def test_drawing_keeps_to_the_rate_and_leaves_time_for_others(
    wish_hz: float, costs_ms: list[float], busy: float
) -> None:
    clock, pace = FakeClock(), Pace(wish_hz)
    began_ns, worked_ns = clock.now_ns(), 0
    for cost_ms in costs_ms * 3:
        turn_ns = clock.now_ns()
        cost_ns = round(min(costs_ms) * 1e6)  # steady work ...
        worked_ns += cost_ns
        clock.advance_s(busy * cost_ns / NS_PER_S)  # ... that others delay
        rest_s = pace.rest_s(turn_ns, clock.now_ns(), cost_ns)
        assert rest_s >= 0 and cost_ms > 0
        clock.advance_s(rest_s)
    elapsed_ns = clock.now_ns() - began_ns
    turns = 3 * len(costs_ms)
    assert worked_ns <= DUTY * elapsed_ns * 1.01 + 1
    assert turns <= elapsed_ns / NS_PER_S * wish_hz + 2


def test_detail_goes_before_size_and_a_wish_is_kept() -> None:
    wish = Cameras()
    assert [plan.detail for plan in plans(wish, True)] == ["reduced", "minimal", "minimal"]
    assert plans(wish, False)[0].detail == "full"
    assert plans(wish, True)[-1].width < wish.width
    (only,) = plans(Cameras(detail="full"), True)
    assert (only.detail, only.width, only.height) == ("full", wish.width, wish.height)
    assert "10 of 30" in only.sentence(wish, 10.0, "llvmpipe")
    for plan in plans(Cameras(width=642, height=482), True):
        assert plan.width % 2 == 0 and plan.height % 2 == 0
