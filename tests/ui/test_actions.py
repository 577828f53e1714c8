"""The action table is whole, unique and told truthfully."""

from __future__ import annotations

import pytest
from PyQt6.QtGui import QKeySequence

from app.ui import docs, look
from app.ui.action import CONTEXT_CHAIN, GROUPS, PLACES, Context, UiState, key_caps
from app.ui.actions import ACTIONS, actions_in, by_id
from app.ui.next_step import next_step


@pytest.mark.parametrize("context", CONTEXT_CHAIN)
def test_a_key_means_one_thing_in_a_context(context: Context) -> None:
    owners: dict[str, str] = {}
    for action in actions_in(context):
        for key in action.keys:
            normal = QKeySequence(key).toString()
            assert normal, f"{action.id}: Qt does not know the key {key!r}"
            assert normal not in owners, f"{key}: {action.id} and {owners[normal]}"
            owners[normal] = action.id


def test_pad_buttons_and_pedals_mean_one_thing() -> None:
    for control in ("pad", "pedal"):
        used = [getattr(action, control) for action in ACTIONS if getattr(action, control)]
        assert len(used) == len(set(used))


def test_rows_are_whole(qapp: object) -> None:
    ids = [action.id for action in ACTIONS]
    assert len(ids) == len(set(ids))
    for action in ACTIONS:
        assert action.group in GROUPS
        assert action.title[0].isupper() and not action.title.endswith(".")
        assert not action.hint or action.hint.endswith(".")
        if action.icon:
            assert not look.icon(action.icon).isNull()
        assert isinstance(action.enabled(UiState()), bool)
        assert isinstance(action.checked(UiState()), bool)
        assert key_caps(action.key) if action.key else True


def test_escape_stops_everywhere() -> None:
    for context in CONTEXT_CHAIN:
        assert "safety.estop" in [a.id for a in actions_in(context) if "Esc" in a.keys]
    for place in PLACES:
        for phase in ("", "starting", "holding", "driving", "homing", "estop", "stopped"):
            assert by_id("safety.estop").enabled(UiState(place=place, station=phase))


def test_the_next_right_thing_leads_through_a_take() -> None:
    def said(recorder: str, **more: object) -> tuple[str, str]:
        step = next_step(UiState(station="holding", recorder=recorder, dataset=True, **more))
        return step.title, step.intent.name if step.intent else ""

    assert said("idle") == ("Get ready", "take_arm")
    assert said("armed") == ("Record", "take_start")
    assert said("recording") == ("End take", "take_stop")
    assert said("stopped") == ("Keep as success", "take_success")
    assert said("failed") == ("Get ready", "take_arm")
    assert said("stopped", practice=True) == ("Get ready", "take_arm")


def test_a_stopped_robot_is_never_released_by_the_next_right_thing() -> None:
    for recorder in ("", "idle", "armed", "recording", "paused", "stopped", "failed"):
        assert not next_step(UiState(station="estop", recorder=recorder, dataset=True)).enabled


def test_the_page_of_keys_is_made_from_the_table() -> None:
    page = (docs.DOCS / "keys.md").read_text(encoding="utf-8")
    assert page == docs.keys_page(), "run: python -m app.ui.docs"
