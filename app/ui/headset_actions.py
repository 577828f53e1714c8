"""The rows of the action table for the headset: its page, its port, its set-up, motion modes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.ui.action import Action, Context, Intent, UiState, robot_moves, station_lives
from app.ui.headset.motion import AXES


def headset_rows() -> Iterator[Action]:
    yield from _everywhere()
    yield from _page()
    yield from _axes()


def _row(id_: str, title: str, context: Context, intent: Intent, *keys: str, **more: Any) -> Action:
    return Action(id_, title, "Headset", context, intent, keys=keys, **more)


def headset_answers(s: UiState) -> bool:
    return s.headset


def headset_confirmed(s: UiState) -> bool:
    return s.headset and s.listening and s.confirmed


def headset_calibrated(s: UiState) -> bool:
    return s.headset and s.calibrated


def _everywhere() -> Iterator[Action]:
    yield _row(
        "headset.page",
        "Headset",
        "everywhere",
        Intent("headset_page"),
        "F2",
        kind="toggle",
        icon="headset",
        hint="Set the headset up, see what it posts and gets; press again to leave.",
        checked=lambda s: s.page == "headset",
    )
    yield _row(
        "headset.motion",
        "Motion mode…",
        "everywhere",
        Intent("drive_motion"),
        "F3",
        icon="arrows-out-cardinal",
        choices="motions",
        hint="Which motions of the hand the tools follow: all, translation, with pitch, any axes.",
        enabled=station_lives,
    )
    yield _row(
        "headset.drive",
        "Take over with the headset",
        "everywhere",
        Intent("use_leader", "headset"),
        "F4",
        icon="headset",
        hint="From now on the headset drives; each arm waits for a fresh squeeze of its grip.",
        enabled=lambda s: robot_moves(s) and headset_confirmed(s) and s.leader != "headset",
    )


def _page() -> Iterator[Action]:
    yield _row(
        "headset.next",
        "Next step of the set-up",
        "headset",
        Intent("headset_next"),
        "Return",
        "Enter",
        icon="arrow-right",
        hint="What the large button says.",
        enabled=lambda s: s.page == "headset",
    )
    yield _row(
        "headset.listen",
        "Port for the headset",
        "headset",
        Intent("headset_listen"),
        "O",
        kind="toggle",
        icon="broadcast",
        hint="Opens or closes it. It has no protection: anybody in this network can post to it.",
        enabled=headset_answers,
        checked=lambda s: s.listening,
    )
    yield _row(
        "headset.confirm",
        "Confirm headset…",
        "headset",
        Intent("headset_confirm"),
        "C",
        icon="check-circle",
        choices="posters",
        hint="Posts of this one alone drive; all others are refused.",
        enabled=lambda s: s.headset and s.listening,
    )
    yield _row(
        "headset.set_up",
        "Begin the headset set-up",
        "headset",
        Intent("headset_set_up", "begin"),
        "B",
        icon="compass",
        hint="Squeeze the left grip, push straight forward, align with the table.",
        enabled=headset_confirmed,
    )
    yield _row(
        "headset.again",
        "Do this step of the set-up again",
        "headset",
        Intent("headset_set_up", "again"),
        "A",
        icon="arrow-counter-clockwise",
        hint="Forgets what this step has seen so far.",
        enabled=lambda s: s.headset and s.set_up in ("squeeze_left", "push_forward", "align"),
    )
    yield _row(
        "headset.check",
        "Check the headset set-up with one push",
        "headset",
        Intent("headset_set_up", "push_forward"),
        "V",
        icon="arrow-up",
        hint="If the push fits what is stored, nothing else is asked.",
        enabled=lambda s: headset_confirmed(s) and s.calibrated and s.set_up == "",
    )
    yield _row(
        "headset.keep",
        "Keep the headset set-up",
        "headset",
        Intent("headset_set_up", "keep"),
        "K",
        icon="check",
        hint="Says that it still holds, whatever casts doubt on it.",
        enabled=lambda s: headset_calibrated(s) and s.set_up == "",
    )
    yield _row(
        "headset.finish",
        "The app's axes lie on the table",
        "headset",
        Intent("headset_set_up", "finish"),
        "T",
        icon="check",
        hint="Ends the set-up without pointing: blue away from the robot, on the table's middle.",
        enabled=lambda s: s.headset and s.set_up == "align",
    )
    yield _row(
        "headset.release",
        "Stop driving with the headset",
        "headset",
        Intent("use_leader", "window"),
        "S",
        icon="stop",
        hint="Mouse and keyboard drive again; the arms hold until then.",
        enabled=lambda s: s.leader == "headset",
    )
    yield _row(
        "headset.cancel",
        "Cancel the headset set-up",
        "headset",
        Intent("headset_set_up", "cancel"),
        "Backspace",
        icon="x",
        hint="Ends it; what was stored before stays.",
        enabled=lambda s: s.headset and s.set_up != "",
    )
    yield _row(
        "headset.swap",
        "Swap the hands",
        "headset",
        Intent("headset_set_up", "swap"),
        "W",
        kind="toggle",
        icon="swap",
        hint="When left drives right: the app exchanges its controllers, or has stopped to.",
        enabled=headset_calibrated,
        checked=lambda s: s.swapped,
    )
    yield _row(
        "headset.no_trim",
        "Patched app: no turn",
        "headset",
        Intent("headset_set_up", "no_trim"),
        "N",
        icon="wrench",
        hint="For an app whose position fault is mended: nothing is turned back.",
        enabled=headset_confirmed,
    )
    yield _row(
        "headset.panels",
        "Camera panels in the headset…",
        "headset",
        Intent("headset_panels"),
        "P",
        icon="monitor",
        choices="panels",
        hint="Which pictures hang where; Y and B together clear them in the headset.",
        enabled=headset_answers,
    )
    yield _row(
        "headset.capture",
        "Capture what the headset posts…",
        "headset",
        Intent("headset_capture"),
        "R",
        kind="toggle",
        icon="record",
        hint="Writes every post to a session file, to be replayed without a headset.",
        enabled=lambda s: s.headset and (s.listening or s.capturing),
        checked=lambda s: s.capturing,
    )


def _axes() -> Iterator[Action]:
    keys = ("X", "Y", "Z", "Shift+X", "Shift+Y", "Shift+Z")
    for number, (axis, key) in enumerate(zip(AXES, keys, strict=True)):
        yield _row(
            f"headset.axis.{axis.name}",
            axis.action,
            "headset",
            Intent("drive_axis", axis.name),
            key,
            kind="toggle",
            icon=axis.icon,
            hint=axis.hint,
            enabled=station_lives,
            checked=lambda s, number=number: s.axes[number],  # type: ignore[misc]
        )
