"""What every policy promises: which streams it needs, what it answers, how it is trained.

    observation window  →  act  →  action chunk  →  (react, at control rate)  →  action

A policy of ours is a `torch.nn.Module` that also trains (`policies.trainable`); a foreign one
(another process, another environment) implements `Policy` alone. This file imports no torch: the
station reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from devices.leader import Side
from devices.pose import Pose, matrix_from_quat
from devices.stream import FloatArray

Rule = Literal["latest-before", "nearest", "interpolate"]


class StreamNeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One stream that a policy looks at.

    Attributes:
        stream: Its name in rings and episodes ("right_arm/T_world_tool").
        key: Its name in windows and batches; one stream may be needed in two ways.
        shape: Of one row of the stream; images as (height, width, 3), resized to this.
        unit, frame: As its StreamSpec tells them; checked before a policy may drive.
        min_hz: The slowest live rate that will do [Hz].
        steps: Rows in a window, the newest last. Ignored where `span` is "chunk".
        rate_hz: Spacing of these rows [Hz].
        rule: How rows are picked.
        tolerance_ms: A row further than this from its instant is missing; a window that misses
            rows is refused.
        span: "window": up to now, for `act`. "chunk": one row for each action of the chunk, at the
            time of that action; `react` sees those up to now.
    """

    stream: str
    key: str
    shape: tuple[int, ...]
    unit: str = ""
    frame: str = ""
    min_hz: float = 5.0
    steps: int = 2
    rate_hz: float = 12.0
    rule: Rule = "latest-before"
    tolerance_ms: float = 200.0
    span: Literal["window", "chunk"] = "window"


class ActionSpace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the rows of a chunk mean: for each side in turn x, y, z of the tool [m, world], with
    `rotation` also the first two columns of its rotation matrix (6 numbers), and the pad gap [m].

    Demonstrated actions are what the operator asked for: `S_arm/T_world_tool_requested` and
    `S_gripper/gap_requested` at the time of the row. Without `rotation` the tool keeps the
    orientation that it has when the policy takes hold.

    Attributes:
        sides: The hands that the policy drives; the others park.
        rotation: Whether orientation is part of the action.
        rate_hz: Rows a second [Hz].
        horizon: Rows in a chunk.
    """

    sides: tuple[Side, ...]
    rotation: bool = False
    rate_hz: float = 24.0
    horizon: int = 32

    @property
    def per_side(self) -> int:
        return 10 if self.rotation else 4

    @property
    def width(self) -> int:
        """Numbers in a row, `A` in the shapes below."""
        return self.per_side * len(self.sides)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numbers in a row: "right_x", ..., "right_gap"."""
        turns = tuple(f"r{i}{j}" for j in range(2) for i in range(3)) if self.rotation else ()
        return tuple(
            f"{side}_{part}" for side in self.sides for part in ("x", "y", "z", *turns, "gap")
        )

    def row(self, poses: Mapping[Side, Pose], gaps: Mapping[Side, float]) -> FloatArray:
        """Tool poses `T_world_tool` and gaps [m] as one row, shape (A,)."""
        parts: list[FloatArray] = []
        for side in self.sides:
            parts.append(np.asarray(poses[side].position))
            if self.rotation:
                matrix = matrix_from_quat(poses[side].quat)
                parts.append(np.concatenate([matrix[:, 0], matrix[:, 1]]))
            parts.append(np.array([gaps[side]]))
        return np.concatenate(parts)

    def side_columns(self, side: Side) -> slice:
        """Columns of a side in a row. Raises ValueError for a side that is not driven."""
        start = self.sides.index(side) * self.per_side
        return slice(start, start + self.per_side)


@dataclass(frozen=True, slots=True)
class Window:
    """What a policy sees at one instant. Arrays are read-only.

    Attributes:
        t_ns: The instant [ns, monotonic].
        values: By key: (steps, *shape), oldest first; for a "chunk" need (n, *shape), n >= 1: the
            rows from the chunk's first action up to now. Images are uint8 RGB.
        age_ns: By key: how old the newest row was at `t_ns` [ns].
        instruction: What the robot is told to do.
    """

    t_ns: int
    values: Mapping[str, npt.NDArray[Any]]
    age_ns: Mapping[str, int] = field(default_factory=dict)
    instruction: str = ""


@dataclass(frozen=True, slots=True)
class ActionChunk:
    """What a policy wants to happen from `t0_ns` on.

    Attributes:
        t0_ns: Time of the first row [ns, monotonic].
        rate_hz: Rows a second [Hz].
        actions: Absolute actions (H, A) in the layout of the ActionSpace, read-only.
        observed_ns: The instant of the window that it was made from [ns, monotonic].
        samples: Other draws for the same window (K, H, A), to show what else it thought of; None
            if it drew only one.
        uncertainty: 0 sure ... 1 lost, None where the policy offers none.
        expects: By stream: what the policy expects to measure while the chunk is followed, a row
            for each action, (H, *shape) in the stream's unit; empty where it offers nothing.
        carry: What `react` needs of this chunk (a latent, a base pose); private to the policy,
            never leaves its process.
    """

    t0_ns: int
    rate_hz: float
    actions: FloatArray
    observed_ns: int
    samples: FloatArray | None = None
    uncertainty: float | None = None
    expects: Mapping[str, FloatArray] = field(default_factory=dict)
    carry: Any = None


class Policy(Protocol):
    """What drives. Not thread-safe, except that `react` may run beside `act`.

    Attributes:
        needs: The streams it looks at.
        space: What its actions mean.
        reacts: Whether `react` may be called.
    """

    @property
    def needs(self) -> tuple[StreamNeed, ...]: ...
    @property
    def space(self) -> ActionSpace: ...
    @property
    def reacts(self) -> bool: ...

    def reset(self, seed: int | None = None) -> None:
        """Forget everything, as before a new rollout. `seed` makes what follows repeatable."""
        ...

    def act(self, window: Window) -> ActionChunk:
        """The slow path: a chunk whose first row belongs to `window.t_ns`.

        Raises:
            PolicyError: When it cannot answer; the robot holds then.
        """
        ...

    def react(self, chunk: ActionChunk, latest: Window) -> FloatArray:
        """The fast path: the action for `latest.t_ns`, shape (A,). Only where `reacts`."""
        ...
