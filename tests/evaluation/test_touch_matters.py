"""The study's table: training seeds together, compared on shared seeds and starts."""

from __future__ import annotations

from pathlib import Path

from app.evaluate import BOOK
from policies.evaluation.trials import Trial, TrialBook
from tests.benchmarks.touch_matters import table


def test_seeds_are_counted_together_and_compared_pair_by_pair(tmp_path: Path) -> None:
    book = TrialBook(tmp_path / BOOK)
    for run, wins in {"dp_0": "110", "dp_1": "000", "rdp_0": "111", "rdp_1": "0111"}.items():
        for start, won in enumerate(wins):
            book.add(
                Trial(
                    policy=f"some {run}",
                    digest=run,
                    scene="peel",
                    perturb="moved_after_contact",
                    seed=start,
                    verdict="success" if won == "1" else "failure",
                    score=float(won),
                )
            )
    lines, rows = table(tmp_path)
    found = {row["policy"]: row for row in rows}
    assert (found["dp"]["successes"], found["dp"]["trials"], found["dp"]["seeds"]) == (2, 6, 2)
    assert (found["rdp"]["successes"], found["rdp"]["trials"]) == (6, 7)
    assert found["dp"]["less_dp"] is None
    assert found["rdp"]["less_dp"][0] == (5 - 2) / 6  # only the six starts that both have tried
    assert len(lines) == 4 and "6/7" in lines[2]
