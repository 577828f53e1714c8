"""The rows of the action table for a take: begin, end, judge, practise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.ui.action import Action, Intent, take_runs, take_waits
from app.ui.next_step import next_step


def take_rows() -> Iterator[Action]:
    def row(id_: str, title: str, keys: tuple[str, ...], **more: Any) -> Action:
        intent = Intent(str(more.pop("intent", id_.replace(".", "_"))))
        return Action(id_, title, "Take", "collect", intent, keys=keys, **more)

    yield row(
        "take.next",
        "Next step",
        ("Return", "Enter"),
        pad="A",
        pedal="right",
        icon="arrow-right",
        hint="The next right thing: get ready, record, stop, keep as success.",
        enabled=lambda s: next_step(s).enabled,
    )
    yield row(
        "take.success",
        "Keep as success",
        ("S",),
        icon="check-circle",
        hint="Ends the take if it still runs and keeps it as a success.",
        enabled=lambda s: take_runs(s) or take_waits(s),
    )
    yield row(
        "take.failure",
        "Keep as failure",
        ("F",),
        pad="X",
        icon="x-circle",
        hint="Ends the take if it still runs and keeps it as a failure.",
        enabled=lambda s: take_runs(s) or take_waits(s),
    )
    yield row(
        "take.discard",
        "Discard take",
        ("Backspace",),
        pad="B",
        pedal="left",
        icon="trash",
        hint="Puts the take in the trash. Undo brings it back.",
        enabled=lambda s: take_runs(s) or take_waits(s) or s.recorder == "armed",
    )
    yield row(
        "take.pause",
        "Pause take",
        ("P",),
        pad="Start",
        kind="toggle",
        icon="pause-circle",
        hint="Leaves out what happens until you go on; the gap is marked.",
        enabled=take_runs,
        checked=lambda s: s.recorder == "paused",
    )
    yield Action(
        "take.keep_last",
        "Keep the last 30 s",
        "Take",
        "scene",
        Intent("keep_last"),
        keys=("Ctrl+B",),
        icon="clock-counter-clockwise",
        hint="Makes an episode of what the policy just did, although no take ran.",
        enabled=lambda s: s.dataset and not take_runs(s),
    )
    yield row(
        "take.practice",
        "Practice mode",
        ("M",),
        kind="toggle",
        icon="graduation-cap",
        hint="Everything works as in a take, and nothing is saved.",
        enabled=lambda s: not take_runs(s),
        checked=lambda s: s.practice,
    )
    yield row(
        "take.task",
        "Task and target…",
        ("T",),
        icon="clipboard-text",
        hint="What the next takes demonstrate, and how many are wanted.",
        enabled=lambda s: s.dataset and not take_runs(s),
    )
