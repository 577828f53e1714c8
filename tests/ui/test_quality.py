"""The view takes less when frames are slow, and never below what can be seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.ui.view3d.quality import Governor, Quality, starting_quality

DETAILS = ("full", "reduced", "minimal")
MESA = "llvmpipe (LLVM 15.0.6, 256 bits)"


def run(governor: Governor, frame_ms: float, frames: int) -> Quality:
    for _ in range(frames):
        governor.note(frame_ms)
    return governor.quality


def test_a_gpu_starts_with_everything_and_software_with_less() -> None:
    assert starting_quality("NVIDIA H100/PCIe/SSE2", DETAILS) == Quality("full")
    soft = starting_quality(MESA, DETAILS)
    assert (soft.detail, soft.samples, soft.shadows) == ("reduced", 0, False)
    assert starting_quality(MESA, ("only",)).detail == "only"


def test_slow_frames_lower_step_by_step_to_a_floor() -> None:
    governor = Governor(Quality("full"), DETAILS, software=False)
    seen = [run(governor, 60.0, Governor.WINDOW) for _ in range(20)]
    assert seen[0].samples == 0
    assert not seen[1].shadows
    assert [q.detail for q in seen[2:4]] == ["reduced", "minimal"]
    assert seen[-1].scale == Governor.LOWEST_SCALE
    assert seen[-1] == seen[-2]


def test_one_hiccup_changes_nothing() -> None:
    governor = Governor(Quality("reduced", samples=0, shadows=False), DETAILS, software=True)
    before = governor.quality
    run(governor, 20.0, 9)
    governor.note(2000.0)
    assert run(governor, 20.0, 10) == before


def test_very_slow_frames_are_not_waited_for() -> None:
    governor = Governor(Quality("reduced", samples=0, shadows=False), DETAILS, software=True)
    assert run(governor, 500.0, Governor.FEWEST).detail == "minimal"


def test_resolution_comes_back_but_detail_does_not() -> None:
    start = Quality("reduced", scale=0.5, samples=0, shadows=False)
    governor = Governor(start, DETAILS, software=True)
    after = run(governor, 5.0, 10 * Governor.WINDOW)
    assert (after.scale, after.detail) == (1.0, "reduced")


@given(st.lists(st.floats(0.1, 500.0), max_size=400), st.booleans())
def test_quality_stays_sane_whatever_the_times(times: list[float], software: bool) -> None:
    governor = Governor(
        starting_quality(MESA if software else "GPU", DETAILS), DETAILS, software=software
    )
    for frame_ms in times:
        quality = governor.note(frame_ms)
        assert quality.detail in DETAILS
        assert Governor.LOWEST_SCALE <= quality.scale <= 1.0


@given(st.floats(0.0001, 2.0))
def test_the_rest_leaves_the_robot_its_share(frame_s: float) -> None:
    quality = Quality("reduced", max_fps=30.0, duty=0.7)
    whole = frame_s + quality.wait_s(frame_s)
    assert frame_s / whole <= 0.7 + 1e-9
    assert 1.0 / whole <= 30.0 + 1e-9


@given(st.floats(0.0001, 0.5), st.floats(0.0, 1.0))
def test_nobody_rests_for_the_time_that_others_took(frame_s: float, share: float) -> None:
    quality = Quality("reduced", max_fps=20.0, duty=0.4)
    work_s = share * frame_s
    whole = frame_s + quality.wait_s(frame_s, work_s)
    assert abs(whole - max(1.0 / 20.0, work_s / 0.4, frame_s)) < 1e-9
