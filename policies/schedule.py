"""How a budget of updates is spent: the learning rate over a stage, and the stages' lengths."""

from __future__ import annotations

import math

from devices.errors import ConfigError
from policies.trainable import TrainablePolicy


def schedule(step: int, steps: int, warm_up: int) -> float:
    """Share of the highest learning rate for update `step` of `steps`: up a line, then down half a
    cosine."""
    warm_up = min(warm_up, max(1, steps // 10))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def stage_lengths(kind: type[TrainablePolicy], steps: int) -> tuple[int, ...]:
    """Updates of each stage; they sum to `steps`, and each has at least one.

    Raises:
        ConfigError: If there are fewer updates than stages.
    """
    count = len(kind.stages)
    if steps < count:
        raise ConfigError(f"Policy '{kind.name}' has {count} stages; {steps} updates are too few")
    lengths = [max(1, round(kind.share[stage] * steps)) for stage in kind.stages]
    lengths[lengths.index(max(lengths))] += steps - sum(lengths)
    return tuple(lengths)


def check_shares(kind: type[TrainablePolicy]) -> None:
    """Raises ConfigError if the stages' shares are not one for each, 1 in all."""
    if set(kind.share) != set(kind.stages) or not math.isclose(sum(kind.share.values()), 1.0):
        raise ConfigError(
            f"The shares of policy '{kind.name}' are {dict(kind.share)}",
            allowed=[f"one for each of {kind.stages}, 1 in all"],
        )
