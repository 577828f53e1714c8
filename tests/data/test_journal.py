"""The journal: its fold, undo as a line, many writers, torn lines."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.journal import EpisodeState, Journal, JournalLine, fold
from devices.errors import StorageError

UIDS = [f"20260101T00000{n}000Z-00000{n}" for n in range(3)]
Decide = Callable[[Journal], JournalLine]

uids = st.sampled_from(UIDS)
texts = st.text(max_size=8)
decisions = st.one_of(
    st.builds(lambda u, v: ("verdict", u, v), uids, st.sampled_from(["success", "failure"])),
    st.builds(lambda u, t: ("relabel", u, t), uids, texts),
    st.builds(lambda u: ("delete", u), uids),
    st.builds(lambda u: ("restore", u), uids),
    st.builds(lambda u, n: ("trim", u, (n, n + 5)), uids, st.integers(0, 99)),
    st.builds(lambda u: ("trim", u, None), uids),
    st.builds(lambda u, t: ("note", u, t), uids, texts),
)


def decide(journal: Journal, decision: tuple) -> JournalLine:
    return getattr(journal, decision[0])(*decision[1:])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journal")


@settings(max_examples=30, deadline=None)
@given(before=st.lists(decisions, max_size=6), last=decisions, number=st.integers(0, 10))
def test_undo_restores_and_redo_repeats(
    folder: Path, before: list[tuple], last: tuple, number: int
) -> None:
    path = folder / "undo.jsonl"
    path.unlink(missing_ok=True)
    journal = Journal(path)
    for decision in before:
        decide(journal, decision)
    without = journal.state.episodes
    decide(journal, last)
    with_last = journal.state.episodes
    journal.undo()
    assert journal.state.episodes == without
    journal.redo()
    assert journal.state.episodes == with_last
    # Undoing any line is as if it had never been written.
    chosen = journal.lines[number % (len(before) + 1)]
    rest = [line for line in journal.lines if line.operation != "undo" and line != chosen]
    journal.undo(chosen.number)
    assert journal.state.episodes == fold(rest).episodes
    # Reading the file again gives the same state.
    assert Journal(path).state == journal.state


def test_a_take_is_a_failure_until_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    assert journal.state.of(UIDS[0]) == EpisodeState(verdict="failure", judged=False)
    journal.verdict(UIDS[0], "success", "neat")
    assert journal.state.of(UIDS[0]).verdict == "success"
    assert journal.state.of(UIDS[0]).notes == ("neat",)
    journal.undo()
    assert not journal.state.of(UIDS[0]).judged


def test_undo_steps_back_through_everything(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.delete(UIDS[0])
    journal.verdict(UIDS[1], "success")
    journal.undo()
    journal.undo()
    assert journal.state.episodes == {}
    with pytest.raises(StorageError, match="nothing to undo"):
        journal.undo()
    assert len(journal.lines) == 4


def test_redo_only_right_after_undo(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(StorageError, match="nothing to redo"):
        journal.redo()
    journal.delete(UIDS[0])
    journal.undo()
    journal.note(UIDS[1], "meanwhile")
    with pytest.raises(StorageError, match="nothing to redo"):
        journal.redo()


def test_a_line_is_undone_only_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    line = journal.delete(UIDS[0])
    journal.undo(line.number)
    with pytest.raises(StorageError, match="cannot be undone"):
        journal.undo(line.number)


def test_purge_needs_the_trash_and_is_for_good(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(StorageError, match="not in the trash"):
        journal.purge(UIDS[0])
    deletion = journal.delete(UIDS[0])
    journal.purge(UIDS[0])
    with pytest.raises(StorageError, match="cannot be undone"):
        journal.undo(deletion.number)


@pytest.mark.parametrize("torn", [b'{"n": 2, "wall_', b'{"n": 2}', b"\xff\xfe", b"[1]"])
def test_a_torn_last_line_costs_only_itself(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "j"
    Journal(path).delete(UIDS[0])
    with path.open("ab") as file:
        file.write(torn)
    journal = Journal(path)
    assert journal.state.of(UIDS[0]).deleted
    assert len(journal.complaints) == 1 and "Line 2" in journal.complaints[0]
    journal.note(UIDS[1], "after")
    again = Journal(path)
    assert again.state == journal.state
    assert again.state.of(UIDS[1]).notes == ("after",)
    assert "Line 2" in again.complaints[0]


def test_names_from_outside_are_never_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text('{"n": 1, "wall_ns": 0, "op": "delete", "uid": "../../etc/passwd"}\n')
    journal = Journal(path)
    assert journal.lines == () and "not the uid" in journal.complaints[0]
    with pytest.raises(StorageError, match="not the uid"):
        journal.delete("../x")


def test_an_unwritable_journal_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "gone" / "j")
    with pytest.raises(StorageError, match="could not be written"):
        journal.delete(UIDS[0])


class SlowJournal(Journal):
    """Thinks between reading the last line and writing the next: only a lock makes that safe."""

    def _next_number(self) -> int:
        time.sleep(0.002)
        return super()._next_number()


def _note_many(path: str, name: str, count: int, together: Barrier) -> None:
    journal = SlowJournal(Path(path), by=name)
    together.wait(60)
    for number in range(count):
        journal.note(UIDS[0], f"{name} {number}")


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    path, count = tmp_path / "j", 40
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    writers = [
        context.Process(target=_note_many, args=(str(path), name, count, together)) for name in "ab"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
        writer.close()
    journal = Journal(path)
    assert [line.number for line in journal.lines] == list(range(1, 2 * count + 1))
    for name in "ab":
        mine = [line.fields["text"] for line in journal.lines if line.by == name]
        assert mine == [f"{name} {n}" for n in range(count)]
    assert journal.complaints == ()
