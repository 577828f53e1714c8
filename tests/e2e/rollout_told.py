"""What an episode on the disk tells of the rollout that it is."""

from __future__ import annotations

import numpy as np

from app.runtime.policy_drive import DRIVE_COLUMNS
from datasets.dataset import Dataset
from datasets.reader import Episode
from policies.evaluation.trials import Trial


def told_in(dataset: Dataset, trial: Trial, listed: bool) -> str:
    """What an episode tells of its rollout; "" if something is missing, or it is not in the
    Library."""
    if not listed:
        return ""
    with Episode.open(dataset.episode_path(trial.uid)) as episode:
        digests = {str(event.data.get("digest", "")) for event in episode.events}
        takeovers = sum(event.kind == "takeover" for event in episode.events)
        faults = [event.text for event in episode.events if event.kind == "fault"]
        drive = episode["policy/drive"].values
        taken = drive[:, DRIVE_COLUMNS.index("taken")]
        inferred = np.isfinite(drive[:, DRIVE_COLUMNS.index("infer_ms")]).any()
        in_hand = int(taken.sum())
        right = trial.digest in digests and takeovers == trial.takeovers and bool(inferred)
        right = right and bool(in_hand or not trial.takeovers)
        if not right or (trial.verdict == "excluded" and not faults):
            return ""
        return (
            f"digest {trial.digest[:8]}, {len(drive)} ticks, {takeovers} takeovers, "
            f"{in_hand} ticks in a person's hand" + (f", fault: {faults[-1]}" if faults else "")
        )
