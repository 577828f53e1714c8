"""Rows of the action table for Test: policies, rollouts, failures, results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.session.rollouts import FAILURES
from app.ui.action import Action, Intent, UiState, robot_moves, station_lives
from app.ui.next_rollout import next_rollout

FAILURE_KEYS = dict(zip(FAILURES, "MNTKWPOU", strict=True))
"""The key of each kind of failure: Missed, No contact, Too much, stucK, Wrong, droPped, slOw,
Unsafe."""


def test_rows() -> Iterator[Action]:
    """All rows of the Test place."""
    yield from _tabs()
    yield from _policies()
    yield from _rollouts()
    yield from _failures()
    yield from _results()


def _tabs() -> Iterator[Action]:
    tabs = (
        ("run", "Run a policy", "flask", "F7", "Let policies drive, and judge what they do."),
        ("results", "Results", "chart-bar", "F8", "Which policy is better, and how sure that is."),
        ("train", "Train", "graduation-cap", "F9", "Make a policy from a dataset."),
    )
    for name, title, icon, key, hint in tabs:
        yield Action(
            f"test.{name}",
            f"Test: {title.lower()}",
            "Window",
            "tabs",
            Intent("test_tab", name),
            keys=(key,),
            kind="toggle",
            icon=icon,
            hint=hint,
            checked=lambda s, name=name: s.tab == name,  # type: ignore[misc]
        )


def _policies() -> Iterator[Action]:
    def row(id_: str, title: str, intent: Intent, *keys: str, **more: Any) -> Action:
        return Action(id_, title, "Policy", "test", intent, keys=keys, **more)

    yield row(
        "policy.load",
        "Load a policy…",
        Intent("policy_load"),
        "Ctrl+L",
        icon="folder-open",
        hint="A checkpoint, or the address of a policy server, into the slot that does not drive.",
        enabled=station_lives,
    )
    yield row(
        "policy.watch",
        "Watch a training…",
        Intent("policy_watch"),
        "Ctrl+Shift+L",
        icon="eye",
        hint="Loads each new best checkpoint of a running training by itself.",
        enabled=station_lives,
    )
    for slot, letter in (("policy_a", "A"), ("policy_b", "B")):
        yield row(
            f"{slot}.drive",
            f"Let policy {letter} drive",
            Intent("policy_use", slot),
            f"Ctrl+{'12'['AB'.index(letter)]}",
            icon="play",
            hint="From the tick on at which it has answered; what drives now drives until then.",
            enabled=lambda s, slot=slot: robot_moves(s) and slot in s.ready,  # type: ignore[misc]
        )
    yield row(
        "policy.hold",
        "Hold, or go on",
        Intent("policy_hold", "toggle"),
        "Space",
        kind="toggle",
        icon="pause",
        hint="The robot holds still at once; the same key lets the policy go on.",
        enabled=lambda s: s.in_hand in ("driving", "held"),
        checked=lambda s: s.in_hand == "held",
    )
    yield row(
        "policy.give_back",
        "Give back to the policy",
        Intent("policy_give_back"),
        "G",
        icon="arrow-u-up-left",
        hint="After you have taken over: the policy goes on from where the robot is.",
        enabled=lambda s: s.in_hand == "taken",
    )
    yield row(
        "policy.take",
        "Take the robot from the policy",
        Intent("policy_use", ""),
        "Ctrl+0",
        icon="hand",
        hint="No policy drives any more. To take over in a rollout just grab the gripper.",
        enabled=lambda s: bool(s.in_hand),
    )
    yield row(
        "policy.instruct",
        "Change the instruction",
        Intent("focus_instruction"),
        "I",
        icon="chat-text",
        hint="What the robot is told to do; nothing is loaded anew.",
        enabled=station_lives,
    )


def _rollouts() -> Iterator[Action]:
    def row(id_: str, title: str, *keys: str, **more: Any) -> Action:
        intent = more.pop("intent", Intent(id_.replace(".", "_")))
        return Action(id_, title, "Rollout", "test", intent, keys=keys, **more)

    def judging(s: UiState) -> bool:
        return s.rollout in ("running", "judging")

    yield row(
        "rollout.next",
        "Next step",
        "Return",
        "Enter",
        icon="arrow-right",
        hint="The next right thing: plan, reset, start, stop, verdict.",
        enabled=lambda s: next_rollout(s).enabled,
    )
    for verdict, key, icon, hint in (
        ("success", "S", "check-circle", "Ends the rollout if it runs; it counts as a success."),
        ("failure", "F", "x-circle", "Ends the rollout if it runs; it counts as a failure."),
        ("excluded", "X", "prohibit", "It counts nowhere; you are asked why."),
    ):
        title = "Exclude…" if verdict == "excluded" else f"Judge: {verdict}"
        yield row(
            f"rollout.{verdict}",
            title,
            key,
            intent=Intent("rollout_judge", verdict),
            icon=icon,
            hint=hint,
            enabled=judging,
        )
    yield row(
        "rollout.less",
        "Lower the partial score",
        "-",
        intent=Intent("rollout_score", "-10"),
        icon="minus",
        hint="By 10 of 100.",
        enabled=lambda s: s.rollout == "judging",
    )
    yield row(
        "rollout.more",
        "Raise the partial score",
        "=",
        "+",
        intent=Intent("rollout_score", "+10"),
        icon="plus",
        hint="By 10 of 100.",
        enabled=lambda s: s.rollout == "judging",
    )
    yield row(
        "rollout.disturb",
        "Disturb now",
        "B",
        icon="hand-pointing",
        hint="The planned disturbance strikes now, and not by itself later.",
        enabled=lambda s: s.rollout == "running",
    )
    yield row(
        "rollout.cancel",
        "Give the rollout up",
        "Backspace",
        icon="trash",
        hint="The take goes to the trash; the same start comes again.",
        enabled=lambda s: s.rollout != "idle",
    )
    yield row(
        "rollout.plan",
        "Add to the plan",
        "A",
        icon="list-plus",
        hint="The starts that the plan describes come after those that wait.",
        enabled=lambda s: bool(s.ready),
    )
    yield row(
        "rollout.same",
        "Same starts for the other policy",
        "Shift+B",
        icon="git-diff",
        hint="What one policy has tried and the other has not, for a paired comparison.",
        enabled=lambda s: bool(s.ready),
    )
    yield row(
        "rollout.clear",
        "Clear the plan",
        "Shift+Backspace",
        icon="eraser",
        hint="Forgets the starts that still wait; what was judged stays.",
        enabled=lambda s: s.planned > 0,
    )
    yield row(
        "rollout.folder",
        "Folder for results…",
        "Ctrl+R",
        intent=Intent("results_folder"),
        icon="folder-open",
        hint="Where verdicts go, one line a trial.",
    )


def _failures() -> Iterator[Action]:
    for kind, key in FAILURE_KEYS.items():
        yield Action(
            f"failure.{kind.replace(' ', '_')}",
            f"Failure: {kind}",
            "Failure",
            "test",
            Intent("rollout_tag", kind),
            keys=(key,),
            icon="flag",
            hint="Marks this moment; it is in the results and one click away in the Library.",
            enabled=lambda s: s.rollout in ("running", "judging"),
        )


def _results() -> Iterator[Action]:
    def row(id_: str, title: str, intent: Intent, *keys: str, **more: Any) -> Action:
        more.setdefault("enabled", lambda s: s.trial)
        return Action(id_, title, "Results", "trials", intent, keys=keys, **more)

    for verdict, key, icon in (
        ("success", "S", "check-circle"),
        ("failure", "F", "x-circle"),
        ("excluded", "X", "prohibit"),
    ):
        title = "Exclude…" if verdict == "excluded" else f"Correct to {verdict}"
        yield row(
            f"trial.{verdict}",
            title,
            Intent("trial_correct", verdict),
            key,
            icon=icon,
            hint="A new line in the book; the verdict that it replaces stays in the file.",
        )
    yield row(
        "trial.open",
        "Open the episode",
        Intent("trial_open"),
        "Return",
        "Enter",
        icon="film-strip",
        hint="In the Library, at the moment of its first failure tag.",
    )
    yield row(
        "trial.moment",
        "Next failure tag",
        Intent("trial_next_moment"),
        "J",
        icon="flag",
        hint="Opens the episode at the next of its failure tags.",
        enabled=lambda s: s.moments,
    )
    yield row(
        "trial.folder",
        "Folder of results…",
        Intent("results_folder"),
        "Ctrl+R",
        icon="folder-open",
        hint="Any folder with a book of trials, also one that `teledeck evaluate` wrote.",
        enabled=lambda s: True,
    )
    yield row(
        "trial.refresh",
        "Read the results again",
        Intent("results_refresh"),
        "F5",
        icon="arrows-clockwise",
        hint="For a book that another program writes.",
        enabled=lambda s: True,
    )
