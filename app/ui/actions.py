"""Every user action as a row of one table.

Menus, shortcuts, tooltips, the help overlay, the command palette, `docs/keys.md` and the tests are
made from `ACTIONS`. A row names an `Intent`; the window performs intents, and nothing else does.
The rows of each group are in a file `*_actions.py`; those for safety are here.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.ui.action import CONTEXT_CHAIN, Action, Context, Intent
from app.ui.headset_actions import headset_rows
from app.ui.library_actions import library_rows
from app.ui.policy_actions import test_rows
from app.ui.robot_actions import robot_rows
from app.ui.take_actions import take_rows
from app.ui.training_actions import training_rows
from app.ui.view_actions import view_rows
from app.ui.window_actions import dataset_rows, window_rows


def _rows() -> Iterator[Action]:
    yield from _safety()
    yield from take_rows()
    yield from robot_rows()
    yield from headset_rows()
    yield from view_rows()
    yield from library_rows()
    yield from test_rows()
    yield from training_rows()
    yield from dataset_rows()
    yield from window_rows()


def _safety() -> Iterator[Action]:
    yield Action(
        "safety.estop",
        "Emergency stop",
        "Safety",
        "everywhere",
        Intent("estop"),
        keys=("Esc",),
        icon="hand-palm",
        hint="Stops the robot at once and keeps it stopped. Works everywhere, also while typing.",
    )
    yield Action(
        "safety.clear",
        "Clear emergency stop",
        "Safety",
        "everywhere",
        Intent("clear_estop"),
        keys=("Ctrl+Shift+E",),
        icon="lock-open",
        hint="Lets the robot move again. Look at it first.",
        enabled=lambda s: s.station == "estop",
    )


ACTIONS: tuple[Action, ...] = tuple(_rows())


def by_id(action_id: str) -> Action:
    """The row of that id. KeyError for one that is not in the table."""
    for action in ACTIONS:
        if action.id == action_id:
            return action
    raise KeyError(action_id)


def actions_in(context: Context) -> tuple[Action, ...]:
    """The rows whose keys work in a context, nearest context first."""
    chain = CONTEXT_CHAIN[context]
    return tuple(action for near in chain for action in ACTIONS if action.context == near)


def tooltip(action: Action) -> str:
    """Title, hint and key, as buttons show them."""
    head = f"{action.title}  ({action.key})" if action.key else action.title
    return f"{head}\n{action.hint}" if action.hint else head
