"""What the plots of an episode show, made on the loader's thread. No Qt, no colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from devices.leader import SIDES
from devices.stream import FloatArray

Plot = Literal["force", "gap", "joints", "progress"]

POINTS = 1200
"""Points of a curve at most: more than pixels that a plot is wide show nothing more."""

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot.

    Attributes:
        whose: "left" or "right" for a hand, "task" for the task.
        part: Number of the joint, counting from 1; 0 where there are no parts.
        seconds: Since the episode's start [s], shape (n,).
        values: In the unit of its plot: N, mm, degrees, %; shape (n,).
    """

    whose: str
    part: int
    seconds: FloatArray
    values: FloatArray


def thinned(seconds: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """At most about POINTS points that keep every peak: the extremes of equal stretches."""
    count = len(values)
    if count <= POINTS:
        return seconds, values
    stretch = -(-count // (POINTS // 2))
    whole = count // stretch * stretch
    blocks = values[:whole].reshape(-1, stretch)
    base = np.arange(len(blocks)) * stretch
    low, high = base + blocks.argmin(axis=1), base + blocks.argmax(axis=1)
    keep = np.unique(np.concatenate([low, high, [0, count - 1], np.arange(whole, count)]))
    return seconds[keep], values[keep]


def curves(times: Arrays, values: Arrays, first_ns: int) -> dict[Plot, tuple[Curve, ...]]:
    """What each plot shows of an episode; a plot without data is absent.

    Args:
        times: When the rows of each stream were measured [ns].
        values: The rows, by stream.
        first_ns: First instant of the episode [ns].
    """
    found: dict[Plot, list[Curve]] = {}

    def add(plot: Plot, stream: str, whose: str, line: FloatArray, part: int = 0) -> None:
        seconds = (times[stream] - first_ns) / 1e9
        found.setdefault(plot, []).append(Curve(whose, part, *thinned(seconds, line)))

    for side in SIDES:
        wrench = values.get(f"{side}_arm/wrench")
        if wrench is not None and len(wrench):
            force = np.linalg.norm(np.asarray(wrench)[:, :3], axis=1)
            add("force", f"{side}_arm/wrench", side, force)
        gap = values.get(f"{side}_gripper/gap")
        if gap is not None and len(gap):
            add("gap", f"{side}_gripper/gap", side, np.asarray(gap)[:, 0] * 1000)
        q = values.get(f"{side}_arm/q")
        if q is not None and len(q):
            for joint, column in enumerate(np.degrees(np.asarray(q)).T, start=1):
                add("joints", f"{side}_arm/q", side, column, joint)
    progress = values.get("scene/progress")
    if progress is not None and len(progress):
        add("progress", "scene/progress", "task", np.asarray(progress)[:, 0] * 100)
    return {plot: tuple(lines) for plot, lines in found.items()}
