"""A recorded episode, turned into what the replay device plays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from datasets.reader import Episode, EpisodeStream
from devices.errors import StorageError
from devices.leader import SIDES, Side
from devices.leaders.replay import HandTrack, Recording
from devices.pose import Pose

_CLUTCH = 7  # column of `leader/S`


def _followed(hand: EpisodeStream, asked: EpisodeStream) -> npt.NDArray[np.float64]:
    """The hand's rows (N, 9), off the clutch wherever the station did not follow it."""
    rows = np.array(hand.values)
    rows[~np.isin(hand.t_ns, asked.t_ns), _CLUTCH] = 0.0
    return rows


def recording(path: Path | str) -> Recording:
    """The hands of an episode, and where each tool was when its hand was first recorded.

    Raises:
        StorageError: If the episode cannot be read, or nobody's hands were recorded in it.
    """
    hands: dict[Side, HandTrack] = {}
    with Episode.open(path) as episode:
        for side in SIDES:
            name = f"leader/{side}"
            if name not in episode or len(episode[name]) == 0:
                continue
            track, tools = episode[name], episode[f"{side}_arm/T_world_tool"]
            # The tool's row just before the hand's first: where the hand took hold of it.
            row = max(0, int(tools.t_ns.searchsorted(track.t_ns[0], side="right")) - 1)
            rows = _followed(track, episode[f"{side}_arm/q_requested"])
            hands[side] = HandTrack(track.t_ns, rows, Pose.from_array(tools[row]))
    if not hands:
        raise StorageError(
            f"The episode '{Path(path).stem}' has no hands to replay",
            next_step="Choose an episode that was driven by a person or a script",
        )
    return Recording(Path(path).stem, hands)
