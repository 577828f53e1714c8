"""The rows of the action table for the Library: the list, the player, verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.ui.action import (
    Action,
    Intent,
    dataset_open,
    episode_chosen,
    episode_open,
    robot_moves,
)


def library_rows() -> Iterator[Action]:
    yield from _library()
    yield from _player()
    yield from _verdicts()


def _library() -> Iterator[Action]:
    def row(id_: str, title: str, *keys: str, **more: Any) -> Action:
        more.setdefault("enabled", dataset_open)
        intent = more.pop("intent", Intent(id_.replace(".", "_")))
        return Action(id_, title, "Library", "library", intent, keys=keys, **more)

    yield row(
        "library.open",
        "Open episode",
        "Return",
        "Enter",
        icon="play",
        hint="Opens the selected episode; it plays at once.",
        enabled=episode_chosen,
    )
    yield Action(
        "library.replay",
        "Replay on the robot",
        "Library",
        "library",
        Intent("replay"),
        keys=("Y",),
        icon="robot",
        hint="Resets the scene to the episode's start and lets its hands drive again.",
        enabled=lambda s: episode_chosen(s) and robot_moves(s),
    )
    yield row(
        "library.search", "Search episodes", "/", icon="magnifying-glass", hint="By task or note."
    )
    yield row(
        "library.filter",
        "Next filter",
        "F",
        icon="funnel",
        hint="All, successes, failures, undecided, with findings, trash.",
    )
    yield row(
        "library.sort", "Next order", "S", icon="sort-ascending", hint="Newest, longest, task."
    )
    yield row(
        "library.layout", "Grid or list", "V", icon="squares-four", hint="Changes the layout."
    )
    yield row(
        "library.refresh",
        "Look again",
        "F5",
        icon="arrows-clockwise",
        hint="Reads the folder again.",
    )

    yield row(
        "library.restore",
        "Restore",
        "T",
        intent=Intent("restore"),
        icon="arrow-u-up-left",
        hint="Takes the selected episodes out of the trash.",
        enabled=lambda s: s.in_trash,
    )
    yield row(
        "library.purge",
        "Purge all…",
        "Shift+Delete",
        icon="trash",
        hint="Removes the files of the trash from the disk; asks first, and says how much.",
        enabled=lambda s: s.trashed > 0,
    )


def _player() -> Iterator[Action]:
    def row(id_: str, title: str, intent: Intent, *keys: str, **more: Any) -> Action:
        return Action(
            id_, title, "Playback", "player", intent, keys=keys, enabled=episode_open, **more
        )

    yield row(
        "play.toggle",
        "Play or pause",
        Intent("play", "toggle"),
        "Space",
        kind="toggle",
        icon="play",
        checked=lambda s: s.playing,
    )
    yield Action(
        "play.replay",
        "Replay on the robot",
        "Playback",
        "player",
        Intent("replay"),
        keys=("Y",),
        icon="robot",
        hint="Resets the scene to the episode's start and lets its hands drive again.",
        enabled=lambda s: episode_open(s) and robot_moves(s),
    )
    yield row(
        "play.back",
        "Shuttle back",
        Intent("play", "back"),
        "J",
        icon="rewind",
        hint="Plays backwards; each press doubles the speed.",
    )
    yield row("play.pause", "Shuttle stop", Intent("play", "pause"), "K", icon="pause")
    yield row(
        "play.forward",
        "Shuttle forward",
        Intent("play", "forward"),
        "L",
        icon="fast-forward",
        hint="Plays forwards; each press doubles the speed.",
    )
    yield row("play.frame_back", "One frame back", Intent("step", "-1"), ",", icon="skip-back")
    yield row("play.frame", "One frame on", Intent("step", "1"), ".", icon="skip-forward")
    yield row(
        "play.second_back", "One second back", Intent("skip", "-1"), "Left", icon="caret-left"
    )
    yield row("play.second", "One second on", Intent("skip", "1"), "Right", icon="caret-right")
    yield row("play.start", "To the start", Intent("seek", "start"), "Home", icon="arrow-line-left")
    yield row("play.end", "To the end", Intent("seek", "end"), "End", icon="arrow-line-right")
    yield row(
        "play.slower", "Slower", Intent("speed", "down"), "[", icon="minus", hint="Down to 0.25×."
    )
    yield row("play.faster", "Faster", Intent("speed", "up"), "]", icon="plus", hint="Up to 8×.")
    yield row(
        "play.mark_next",
        "Next event",
        Intent("seek", "next_event"),
        "N",
        icon="caret-double-right",
        hint="The next tick on the timeline.",
    )
    yield row(
        "play.mark_back",
        "Event before",
        Intent("seek", "event_before"),
        "Shift+N",
        icon="caret-double-left",
    )
    yield row("player.next", "Next episode", Intent("episode", "next"), "Down", icon="caret-down")
    yield row("player.before", "Episode before", Intent("episode", "before"), "Up", icon="caret-up")
    yield row(
        "player.accept",
        "Keep and go on",
        Intent("verdict_and_next", "success"),
        "Return",
        "Enter",
        icon="check-circle",
        hint="Success, and the next episode.",
    )
    yield row(
        "player.advance",
        "Go on after a verdict",
        Intent("auto_advance"),
        "A",
        kind="toggle",
        icon="skip-forward-circle",
        hint="After each verdict the next episode opens.",
        checked=lambda s: s.auto_advance,
    )
    yield row(
        "player.close",
        "Back to all episodes",
        Intent("close_episode"),
        "Backspace",
        icon="arrow-left",
    )


def _verdicts() -> Iterator[Action]:
    for context in ("library", "player"):
        for verdict, key, title, icon in (
            ("success", "P", "Success", "check-circle"),
            ("failure", "X", "Failure", "x-circle"),
        ):
            yield Action(
                f"{context}.{verdict}",
                f"Verdict: {title.lower()}",
                "Verdict",
                context,
                Intent("verdict", verdict),
                keys=(key,),
                icon=icon,
                hint=f"Marks the episode as {title.lower()}. Undo takes it back.",
                enabled=episode_chosen,
            )
        for name, key, title, icon, hint in (
            ("relabel", "E", "Change task…", "pencil-simple", "Another task text for the episode."),
            (
                "delete",
                "Delete",
                "Move to trash",
                "trash",
                "Nothing is purged; undo brings it back.",
            ),
        ):
            yield Action(
                f"{context}.{name}",
                title,
                "Verdict",
                context,
                Intent(name),
                keys=(key,),
                icon=icon,
                hint=hint,
                enabled=episode_chosen,
            )
