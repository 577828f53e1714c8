"""Results in the Test place: read, corrected, opened; and what is remembered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.ui.action import Intent
from app.ui.actions import by_id
from app.ui.policy_actions import FAILURE_KEYS
from app.ui.test.memory import Memory, MemoryFile
from app.ui.test.plots import held
from app.ui.test.results import CHOOSE, LINES, book_of
from app.ui.test.tables import CELL_PADDING, shared
from policies.evaluation.trials import Trial, TrialBook
from tests.ui.lab import Lab

pytestmark = [pytest.mark.gl, pytest.mark.window]

Key = Qt.Key


def trial(policy_name: str, seed: int, verdict: str, **more: object) -> Trial:
    made = {"digest": policy_name * 3, "scene": "wipe", "perturb": "", "score": 0.5} | more
    return Trial(policy=policy_name, seed=seed, verdict=verdict, **made)  # type: ignore[arg-type]


@pytest.fixture
def results(lab: Lab) -> Lab:
    book = TrialBook(book_of(lab.folder))
    for seed in range(12):
        book.add(trial("rdp", seed, "success"))
        book.add(trial("dp", seed, "success" if seed < 2 else "failure"))
    book.add(trial("dp", 12, "excluded", reason="cable"))
    tags = (("stuck", 2.5), ("dropped it", 4.0))
    book.add(trial("dp", 13, "failure", uid="e1", tags=tags))
    lab.window.perform(Intent("results_refresh"))
    lab.press(Key.Key_F8)
    return lab


def test_rates_intervals_and_the_paired_comparison(results: Lab) -> None:
    tab = results.place.results
    model = tab._cells
    shown = [[model.index(row, column).data() for column in range(9)] for row in range(2)]
    dp, rdp = shown
    assert dp[0] == "dp" and dp[4] == "13" and dp[5] == "15%" and dp[8] == "1"
    assert rdp[0] == "rdp" and rdp[4] == "12" and rdp[5] == "100%"
    words = tab.pairs[0].text()
    assert "dp less rdp = −0.83" in words and "12 shared starts" in words
    assert "rdp is better" in words and tab.pairs[0].property("tone") == "kept"


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_many_cells_leave_room_for_trials_and_a_row_is_compared_with_its_likes(
    qtbot: QtBot, lab: Lab, size: tuple[int, int]
) -> None:
    book = TrialBook(book_of(lab.folder))
    for perturb in ("", "moved_before_contact", "moved_after_contact"):
        for number in range(4):
            for seed in range(6):
                verdict = "success" if seed < 2 * number else "failure"
                book.add(trial(f"policy {number}", seed, verdict, perturb=perturb))
    lab.window.resize(*size)
    lab.window.perform(Intent("results_refresh"))
    lab.press(Key.Key_F8)
    tab = lab.place.results
    table, trials = tab.cell_table, tab.trial_table
    assert tab.pairs[0].text() == CHOOSE and not tab.pairs[1].isVisible()

    def apart() -> bool:
        """Nothing lies on anything else, and some trials are in sight."""
        shown = [table, *(line for line in tab.pairs if line.isVisible()), trials]
        tops = [child.mapTo(tab, child.rect().topLeft()).y() for child in shown]
        ends = [top + child.height() for top, child in zip(tops, shown, strict=True)]
        clear = all(end <= top for end, top in zip(ends[:-1], tops[1:], strict=True))
        return clear and trials.height() >= trials.height_of(3) and ends[-1] <= tab.height()

    qtbot.waitUntil(apart, timeout=3000)
    before = table.height()
    for row in (0, 5, 11):
        table.selectRow(row)
        qtbot.waitUntil(apart, timeout=3000)
        lines = [line.text() for line in tab.pairs if line.isVisible()]
        me = f"policy {row % 4}"
        assert len(lines) == 3 and all(line.startswith(f"{me} less ") for line in lines)
        assert table.viewport().rect().contains(table.visualRect(table.currentIndex()))  # type: ignore[union-attr]
    tab.every.click()
    assert tab.pairs[0].text() == CHOOSE
    qtbot.waitUntil(lambda: table.height() == before, timeout=3000)  # hidden lines need no room
    for number in range(4, 8):
        for seed in range(6):
            book.add(trial(f"policy {number}", seed, "failure"))
    lab.window.perform(Intent("results_refresh"))
    table.selectRow(0)
    assert tab.pairs[LINES - 1].text() == "and 4 more of its scene and disturbance"


def test_a_verdict_is_corrected_by_a_key_and_on_the_disk(results: Lab) -> None:
    tab = results.place.results
    tab.select(("dp", "dpdpdp", "wipe", "", 5))
    results.press(Key.Key_S)
    found = {t.key: t for t in results.trials()}
    assert found["dp", "dpdpdp", "wipe", "", 5].verdict == "success"
    results.press(Key.Key_X)
    results.place.reason_sheet.field.setText("wrong scene")
    results.place.reason_sheet.done.click()
    found = {t.key: t for t in results.trials()}
    assert found["dp", "dpdpdp", "wipe", "", 5].reason == "wrong scene"
    assert tab.trial() is not None and tab.trial().seed == 5, "it stays selected"  # type: ignore[union-attr]


def test_a_failure_tag_opens_its_moment(results: Lab) -> None:
    asked: list[Intent] = []
    results.place.intended.connect(asked.append)
    results.place.results.select(("dp", "dpdpdp", "wipe", "", 13))
    results.window.perform(Intent("trial_moment", "1"))
    assert asked[-1] == Intent("open_moment", "e1 4.0")
    assert results.window.ui_state().place == "library"


def test_an_empty_folder_says_what_to_do(lab: Lab) -> None:
    lab.press(Key.Key_F8)
    empty = lab.place.results.empty
    assert empty.isVisible() and "teledeck evaluate --policy" in empty.text.text()


def test_another_folder_is_read_and_remembered(lab: Lab, tmp_path: Path) -> None:
    book = TrialBook(book_of(tmp_path / "batch"))
    book.add(trial("bc", 1, "success"))
    lab.press(Key.Key_F8)
    lab.place.use_results(str(tmp_path / "batch"))
    assert "1 trial" in lab.place.results.book.text()
    assert lab.memory.load().results == str(tmp_path / "batch")


def test_a_file_that_is_no_book_is_told(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "trials.jsonl").write_text("hello\n")
    said: list[str] = []
    lab.place.said.connect(said.append)
    lab.place.use_results(str(folder))
    assert "no trial book" in said[-1] and lab.place.rollouts.book is None


def test_spoilt_memory_costs_nothing(tmp_path: Path) -> None:
    file = MemoryFile(tmp_path / "test.json")
    (tmp_path / "test.json").write_text("]")
    assert file.load() == Memory()


def test_readings_count_until_the_next_one() -> None:
    values = np.array([np.nan, 1.0, np.nan, np.nan, np.nan, 2.0])
    np.testing.assert_array_equal(held(values, 2), [np.nan, 1.0, 1.0, 1.0, np.nan, 2.0])


def test_every_failure_key_is_a_row() -> None:
    for kind, key in FAILURE_KEYS.items():
        assert by_id(f"failure.{kind.replace(' ', '_')}").keys == (key,)


def test_every_heading_can_be_read_in_a_small_window(results: Lab) -> None:
    for table in (results.place.results.cell_table, results.place.results.trial_table):
        head = table.horizontalHeader()
        assert head is not None
        model, metrics = table.model(), head.fontMetrics()
        assert model is not None
        whole = 0
        for column in range(model.columnCount()):
            name = str(model.headerData(column, Qt.Orientation.Horizontal))
            assert metrics.horizontalAdvance(name) + 2 * CELL_PADDING <= table.columnWidth(column)
            whole += table.columnWidth(column)
        inside = table.viewport()
        assert inside is not None and whole <= inside.width()


@given(
    st.integers(0, 2000),
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 80)), min_size=1, max_size=12),
)
def test_parts_of_a_width_are_never_below_their_least(
    width: int, columns: list[tuple[int, int]]
) -> None:
    shares, least = [s for s, _ in columns], [n for _, n in columns]
    parts = shared(width, shares, least)
    assert all(part >= low for part, low in zip(parts, least, strict=True))
    assert sum(parts) <= max(width, sum(least))
