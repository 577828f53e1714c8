"""Trials are on the disk after each one, survive crashes, and count as the latest verdict says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.errors import StorageError
from policies.evaluation.trials import Trial, TrialBook, cells, compare_cells


def trial(policy: str = "a", seed: int = 0, verdict: str = "success", score: float = 1.0) -> Trial:
    return msgspec.convert(
        {
            "policy": policy,
            "digest": "",
            "scene": "wipe",
            "perturb": "",
            "seed": seed,
            "verdict": verdict,
            "score": score,
        },
        type=Trial,
    )


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.integers(0, 5),
            st.sampled_from(["success", "failure", "excluded"]),
        ),
        max_size=20,
    ),
    st.integers(0, 400),
)
def test_what_was_added_is_read_again_but_for_a_torn_end(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, str]], cut: int
) -> None:
    path = tmp_path_factory.mktemp("book") / "trials.jsonl"
    book = TrialBook(path)
    for policy, seed, verdict in rows:
        book.add(trial(policy, seed, verdict))
    assert set(TrialBook(path)) == set(book)
    if not rows:
        return
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    if last == 0:
        return
    path.write_bytes(whole[: max(last, len(whole) - cut)])
    torn = TrialBook(path)
    torn.add(trial("c", 9))
    again = TrialBook(path)
    assert set(again) == set(torn) and ("c", "", "wipe", "", 9) in again


def test_a_later_verdict_replaces_the_earlier(tmp_path: Path) -> None:
    book = TrialBook(tmp_path / "trials.jsonl")
    book.add(trial(verdict="failure", score=0.4))
    book.add(trial(verdict="success"))
    (cell,) = cells(TrialBook(tmp_path / "trials.jsonl"))
    assert (cell.successes, cell.trials, cell.score) == (1, 1, 1.0)


def test_excluded_trials_count_nowhere(tmp_path: Path) -> None:
    book = TrialBook(tmp_path / "trials.jsonl")
    for seed, verdict in enumerate(["success", "failure", "excluded"]):
        book.add(trial("a", seed, verdict))
        book.add(trial("b", seed, "success"))
    a, b = cells(book)
    assert (a.successes, a.trials, a.excluded) == (1, 2, 1)
    found = compare_cells(book, a, b)
    assert (found.pairs, found.both, found.only_b) == (2, 1, 1)


def test_a_foreign_and_a_newer_file_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.jsonl"
    foreign.write_text("not a trial\n")
    with pytest.raises(StorageError, match="no trial book"):
        TrialBook(foreign)
    newer = tmp_path / "newer.jsonl"
    newer.write_text('{"schema": 99, "trial": {"colour": "blue"}}\n')
    with pytest.raises(StorageError, match="newer Teledeck"):
        TrialBook(newer)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    book = TrialBook(tmp_path / "folder" / "trials.jsonl")
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(StorageError, match="earlier trials are safe"):
        book.add(trial())
