"""What the headset page asks, shows and computes, without a window."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runtime.statuses import ArmStatus, HeadsetStatus, SetUpState
from app.ui.action import Intent
from app.ui.headset.addresses import machine_addresses
from app.ui.headset.arms import arm_state
from app.ui.headset.chip import headset_chip, headset_reading
from app.ui.headset.guide import STEPS, age_words, calibration_words, guide, refused_posters
from app.ui.headset.motion import AXES, MODES, mode_of, with_axis_changed
from app.ui.headset.panels import scheme
from app.ui.headset.plan import (
    Eyes,
    Frame,
    Posture,
    PushWatch,
    controller_of,
    turned,
    wrapped,
    yaw_of,
)
from devices.mapping.clutch import MOTIONS
from devices.stream import Sample
from devices.tactar.frames import trim_of_push
from devices.tactar.overlay import PRESETS
from tests.ui.fake_headset import ADDRESS, calibration, headset, posted, poster, turn
from tests.ui.fake_session import station

angles = st.floats(-3.1, 3.1)
MS = 1_000_000


def posting(**changes: object) -> HeadsetStatus:
    """A confirmed headset that posts."""
    made: dict[str, object] = {
        "listening": True,
        "address": ADDRESS,
        "posters": (poster(confirmed=True),),
    }
    return headset(**(made | changes))


# ------------------------------------------------------------------------------------ the steps
@pytest.mark.parametrize(
    ("status", "step", "offer"),
    [
        (None, "port", Intent("restart_headset")),
        (headset(), "port", Intent("headset_listen", "on")),
        (headset(listening=True), "who", None),
        (
            headset(listening=True, posters=(poster(),)),
            "who",
            Intent("headset_confirm", ADDRESS),
        ),
        (posting(posters=()), "who", None),
        (posting(posters=(poster(confirmed=True, age_ms=2500.0),)), "who", None),
        (posting(), "squeeze", Intent("headset_set_up", "begin")),
        (posting(set_up=SetUpState("squeeze_left", "Squeeze.", 0.4)), "squeeze", None),
        (posting(set_up=SetUpState("push_forward", "Push.", 0.4)), "push", None),
        (posting(set_up=SetUpState("align", "Point.", 0.4)), "align", None),
        (
            posting(calibration=calibration(doubt="The app has started anew.")),
            "squeeze",
            Intent("headset_set_up", "push_forward"),
        ),
        (posting(calibration=calibration()), "drive", Intent("use_leader", "headset")),
    ],
)
def test_one_step_is_asked_at_a_time(
    status: HeadsetStatus | None, step: str, offer: Intent | None
) -> None:
    asked = guide(status, station())
    assert asked.step == step
    assert (asked.offer.intent if asked.offer else None) == offer
    assert asked.title and asked.text and not asked.calm
    assert asked.number == STEPS.index(asked.step) + 1


def test_a_running_set_up_goes_before_what_is_stored() -> None:
    status = posting(calibration=calibration(), set_up=SetUpState("push_forward", "Push.", 0.2))
    assert guide(status, station(leader="headset")).step == "push"


def test_the_words_of_the_process_are_split_after_the_first_sentence() -> None:
    status = posting(set_up=SetUpState("align", "Point it. Finer: lay both down.", 0.3, "Too low."))
    asked = guide(status, station())
    assert (asked.text, asked.more) == ("Point it.", "Finer: lay both down.")
    assert asked.problem == "Too low." and asked.share == 0.3


def test_driving_says_which_arm_follows() -> None:
    status = posting(calibration=calibration())
    held, follows = ArmStatus("left", True, ""), ArmStatus("right", False, "clutch released")
    assert not guide(status, station(leader="headset")).good
    one = guide(status, station(leader="headset", arms=(held, follows)))
    assert one.good and one.calm and "left arm follows" in one.title
    both = guide(status, station(leader="headset", arms=(held, ArmStatus("right", True, ""))))
    assert "Both" in both.title
    for phase, intent in (("estop", "clear_estop"), ("stopped", "restart_station")):
        stopped = guide(status, station(leader="headset", phase=phase))
        assert stopped.offer is not None and stopped.offer.intent.name == intent
        assert not stopped.calm


def test_a_hold_is_told_with_the_way_out_of_it() -> None:
    word, why, tone = arm_state(ArmStatus("left", True, "the hand jumped"), driving=True)
    assert (word, tone) == ("Holds", "armed") and "squeeze it again" in why
    assert arm_state(ArmStatus("left", True, ""), driving=True)[0] == "Follows"
    assert arm_state(ArmStatus("left", True, "", ("speed",)), driving=True)[2] == "armed"
    assert arm_state(ArmStatus("left", False, ""), driving=False)[0] == "Waits"
    kept = arm_state(ArmStatus("left", False, "clutch released"), driving=True, grip=True)
    assert kept[2] == "armed" and "afresh" in kept[1], "a held grip alone does not take hold"


def test_an_open_grip_that_may_not_drive_says_why_and_the_way_out() -> None:
    calibrating = "the app's calibration mode: press X and A together to leave it"
    for grip in (False, True):
        word, why, tone = arm_state(
            ArmStatus("left", False, calibrating), driving=True, grip=grip, why="Something older."
        )
        assert (word, tone) == ("Holds", "armed")
        assert why == "The app's calibration mode: press X and A together to leave it."
    _, why, tone = arm_state(ArmStatus("left", False, "clutch released"), driving=True)
    assert "Squeeze the grip" in why and tone is None


def test_a_second_headset_is_named() -> None:
    status = posting(posters=(poster(confirmed=True), poster("198.51.100.32")))
    assert [p.address for p in refused_posters(status)] == ["198.51.100.32"]
    assert refused_posters(headset(listening=True, posters=(poster(),))) == ()


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.5, 2.0, math.nan])
def test_no_status_breaks_the_guide(share: float) -> None:
    for step in ("", "squeeze_left", "push_forward", "align", "something new"):
        for made in (None, calibration(), calibration(doubt="?")):
            status = posting(set_up=SetUpState(step, "", share), calibration=made)
            for where in (None, station(), station(phase="estop")):
                assert guide(status, where).title


# ----------------------------------------------------------------------------------- the words
def test_an_open_port_is_never_shown_in_a_quiet_colour() -> None:
    assert headset_chip(None) == ("", None)
    assert headset_chip(headset())[0] == ""
    for status in (headset(listening=True), posting(), posting(posters=())):
        text, tone = headset_chip(status)
        assert "8082" in text and tone == "armed"
    assert "60 Hz" in headset_chip(posting())[0]
    assert headset_chip(headset(fault=True))[1] == "fault"
    assert headset_reading(posting(delay_p99_ms=3.2)) == ("60 Hz · 3.2 ms", None)
    assert headset_reading(posting(delay_p99_ms=9.0))[1] == "armed"
    assert headset_reading(posting()) == ("60 Hz", None)


def test_a_calibration_is_told_in_degrees_and_ages() -> None:
    facts = dict(calibration_words(calibration(age_s=7200.0)))
    assert facts["Turn"] == "\u221221.4°"
    assert facts["Spread"] == "±0.8°"
    assert "2 h" in facts["Made"] and "exchanged" in facts["Hands"]
    assert [age_words(s) for s in (-3.0, 40.0, 720.0, 400_000.0)] == [
        "0 s",
        "40 s",
        "12 min",
        "5 days",
    ]


def test_addresses_of_this_machine_leave_out_the_loop() -> None:
    found = machine_addresses()
    assert not [one for one in found if one.address.startswith("127.")]
    assert len({one.address for one in found}) == len(found)


def test_every_preset_has_its_picture() -> None:
    for name, places in PRESETS.items():
        assert len(scheme(name)) == len(places)
    left, right = scheme("wrists")
    assert left.x > right.x, "the robot's left is at the right of who looks at it"
    assert scheme("unheard of") == ()


# ------------------------------------------------------------------------------------- the axes
def test_modes_are_those_of_the_mapping() -> None:
    for mode in MODES:
        assert mode.axes in MOTIONS.values()
    assert mode_of(MOTIONS["6dof"]) == "6dof"
    assert mode_of(MOTIONS["translation"]) == "translation"


@given(st.tuples(*[st.booleans()] * 6), st.sampled_from([axis.name for axis in AXES]))
def test_changing_an_axis_twice_changes_nothing(
    axes: tuple[bool, bool, bool, bool, bool, bool], name: str
) -> None:
    once = with_axis_changed(axes, name)
    assert sum(a != b for a, b in zip(axes, once, strict=True)) == 1
    assert with_axis_changed(once, name) == axes


def test_an_unknown_axis_is_an_error() -> None:
    with pytest.raises(KeyError):
        with_axis_changed(MOTIONS["6dof"], "w")


# ------------------------------------------------------------------------------------- the plan
@given(angles)
def test_a_heading_is_read_from_a_turn_about_the_vertical(yaw: float) -> None:
    found = yaw_of(np.array(turn(yaw)))
    assert found is not None and abs(wrapped(found - yaw)) < 1e-9


def test_a_controller_that_points_up_has_no_heading() -> None:
    assert yaw_of(np.array([math.sqrt(0.5), -math.sqrt(0.5), 0.0, 0.0])) is None


@given(angles, angles)
def test_a_frame_puts_what_lies_ahead_ahead(yaw: float, trim: float) -> None:
    frame = Frame(np.array([0.3, 1.6, -0.2]), yaw, trim)
    ahead = turned(np.array([0.0, -0.5, 0.4]), yaw + trim)  # as the app posts it
    right, forward, height = frame.point(frame.origin + ahead)
    assert (right, forward, height) == pytest.approx((0.0, 0.4, 1.1), abs=1e-9)


@pytest.mark.parametrize(
    "data",
    [np.full(13, np.nan), np.zeros(13), np.ones(5), np.array([0, 0, 0, 0, 0, 0, 0.0])],
)
def test_what_is_no_pose_is_not_drawn(data: np.ndarray) -> None:
    assert controller_of(Sample("headset/head", 0, 0, data)) is None
    assert controller_of(None) is None


def push_of(angle: float, yaw: float, length: float = 0.4) -> PushWatch:
    """A watch that has seen the right hand stand, push and stand again."""
    watch = PushWatch()
    for frame in range(90):
        way = length * min(max(frame - 30, 0), 30) / 30
        right = (0.2 + way * math.sin(yaw + angle), 1.1, 0.3 + way * math.cos(yaw + angle))
        samples = posted(frame * 33 * MS, right=right, yaw=yaw)
        hands = [controller_of(samples[f"headset/{side}_controller"]) for side in ("left", "right")]
        watch.see(Posture(None, *hands), frame * 33 * MS)
    return watch


@given(angles, angles)
def test_the_picture_shows_the_angle_that_the_set_up_measures(angle: float, yaw: float) -> None:
    push = push_of(angle, yaw).push()
    assert push is not None and push.side == "right" and push.angle is not None
    assert push.length == pytest.approx(0.4, abs=0.03)
    trim = trim_of_push(push.path[-1] - push.path[0], turn(yaw))
    assert abs(wrapped(push.angle - trim)) < 1e-6


def test_a_short_push_has_no_angle() -> None:
    push = push_of(0.3, 0.0, 0.05).push()
    assert push is None or push.angle is None
    watch = push_of(0.3, 0.0)
    watch.forget()
    assert watch.push() is None


def test_eyes_follow_the_head_calmly() -> None:
    eyes = Eyes(time_s=1.0)
    head = controller_of(posted(0)["headset/head"])
    hand = controller_of(posted(0)["headset/left_controller"])
    assert eyes.follow(Posture(), 0) is None
    first = eyes.follow(Posture(head, hand, None), 0)
    looks_right = controller_of(posted(0, yaw=1.0)["headset/head"])
    soon = eyes.follow(Posture(looks_right, hand, None), 33 * MS)
    late = eyes.follow(Posture(looks_right, hand, None), 9000 * MS)
    assert first is not None and soon is not None and late is not None
    assert first.yaw == pytest.approx(0.0) and 0.0 < soon.yaw < 0.1
    assert late.yaw == pytest.approx(1.0, abs=0.01)
