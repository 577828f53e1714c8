"""Scripted takes faster than real time: a dataset like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from datasets.dataset import Dataset
from datasets.library import Library
from datasets.reader import Episode


def test_a_fast_take_is_an_ordinary_episode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["collect", "--headless", "--fast", "--scene", "drawer", "--seed", "5", "-n", "1"]
    assert main([*call, "--dataset", str(tmp_path / "set")]) == 0
    assert "1 takes, 1 successes" in capsys.readouterr().out
    dataset = Dataset.open(tmp_path / "set")
    (card,) = Library(dataset).cards()
    assert card.verdict == "success" and not card.flags
    with Episode.open(dataset.episode_path(card.uid)) as episode:
        assert episode.start["seed"] == 5 and dataset.load_model(episode.start["model"])
        assert np.unique(np.diff(episode["right_arm/q"].t_ns)).tolist() == [2_000_000]
        assert np.unique(np.diff(episode["right_arm/q_sent"].t_ns)).tolist() == [4_000_000]
        assert episode["scene/progress"].values[-1, 1] == 1.0


def test_an_unknown_perturbation_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["collect", "--headless", "--fast", "--scene", "drawer", "--perturb", "eaten"]
    assert main([*call, "--dataset", str(tmp_path / "set")]) == 2
    assert "moved_before_contact" in capsys.readouterr().err
