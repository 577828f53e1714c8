"""The study's table: training seeds together, compared on shared seeds and starts."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from app.evaluate import BOOK, FIRST_SEED
from policies.evaluation.trials import Trial, TrialBook
from policies.serving.opening import Opened
from tests.benchmarks import touch_matters
from tests.benchmarks.touch_matters import VARIANTS, main, roll_out_slow, table, variant_of
from tests.evaluation.test_policy_driver import Lowering


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
    lines, rows = table(book)
    found = {row["policy"]: row for row in rows}
    assert (found["dp"]["successes"], found["dp"]["trials"], found["dp"]["seeds"]) == (2, 6, 2)
    assert (found["rdp"]["successes"], found["rdp"]["trials"]) == (6, 7)
    assert found["dp"]["less_dp"] is None
    assert found["rdp"]["less_dp"][0] == (5 - 2) / 6  # only the six starts that both have tried
    less, low, high = found["rdp"]["score_less_dp"]
    assert less == pytest.approx(0.5) and 0.0 <= low < less < high <= 1.0
    assert found["dp"]["score_less_dp"] is None
    assert len(lines) == 9 and "6/7" in lines[2]
    assert lines[5] == "| scene | disturbed | policy | seed 0 | seed 1 |"
    assert lines[7:] == [
        "| peel | after contact | rdp | 3/3 | 3/4 |",
        "| peel | after contact | dp | 2/3 | 0/3 |",
    ]


def test_the_tables_are_made_from_books_that_lie_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, won in enumerate((True, False)):
        told = Trial(
            policy="some dp_0",
            digest="d",
            scene="wipe",
            perturb="",
            seed=number,
            verdict="success" if won else "failure",
            score=0.5,
        )
        TrialBook(tmp_path / f"{number}.jsonl").add(told)
    books = [str(tmp_path / f"{number}.jsonl") for number in range(2)]
    monkeypatch.setattr("sys.argv", ["touch_matters", "--table", *books])
    main()
    said = capsys.readouterr().out
    assert "| wipe | no | dp | 1 | 1/2 |" in said and "| wipe | no | dp | 1/2 |" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.jsonl", "1.jsonl"]


def test_without_its_fast_path_a_policy_plans_and_never_reacts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = Lowering(reacts=True)
    monkeypatch.setattr(touch_matters, "open_policy", lambda _: Opened(policy, "rdp", "d" * 64))
    monkeypatch.setattr(touch_matters, "digest", lambda _: "d" * 64)
    options = argparse.Namespace(out=tmp_path, n=2, limit_s=0.5, latency_ms=60.0)
    variant = next(each for each in VARIANTS if each.name == "rdp-slow")
    for _ in range(2):  # the second time everything is there
        roll_out_slow(options, "drawer", "", variant, 1)
    trials = list(TrialBook(tmp_path / BOOK))
    assert [(trial.policy, trial.seed) for trial in trials] == [
        ("rdp rdp-slow_1", FIRST_SEED),
        ("rdp rdp-slow_1", FIRST_SEED + 1),
    ]
    assert policy.seen and not policy.felt
    assert variant_of(trials[0]) == "rdp-slow"
