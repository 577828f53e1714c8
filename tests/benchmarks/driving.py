"""From hand to command: clutch, inverse kinematics, guard, without a station around them.

`python -m tests.benchmarks.driving [--seconds S] [--json PATH]`
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from devices.clock import SystemClock
from devices.leader import SIDES, HandInput, LeaderInput
from devices.mapping.chain import DriveChain, Tick
from devices.pose import Pose, quat_from_rotvec
from devices.robots.openarm import OpenArmV2
from tests.benchmarks.report import Row, options, percentiles, tell

_INPUT_HZ = 60.0


def main() -> None:
    arguments = options(__doc__ or "", 8.0).parse_args()
    ticks = round(arguments.seconds / 4 * 250)
    rows = _measure("both arms, free", ticks, _free)
    rows += _measure("one arm, other parked", ticks, _one)
    rows += _measure("both arms pushed together", ticks, _together)
    rows += _measure("holding", ticks, _holding)
    tell("Driving: hand to command", rows, arguments.json)


def _measure(note: str, ticks: int, hands: Callable[[float, int], LeaderInput]) -> list[Row]:
    """Costs of the parts, and how far the tool is behind the hand, over some ticks."""
    clock = SystemClock()
    chain = DriveChain(OpenArmV2(), clock)
    done: list[Tick] = []
    whole, behind = [], []
    due_ns = clock.now_ns()
    for index in range(ticks):
        due_ns += round(chain.dt * 1e9)
        clock.sleep_until_ns(due_ns)
        reading = hands(index * chain.dt, index)
        begin_ns = time.perf_counter_ns()
        tick = chain.tick(reading)
        whole.append((time.perf_counter_ns() - begin_ns) / 1e6)
        done.append(tick)
        behind += [
            float(np.linalg.norm(pose.position - tick.tools_sent[side].position)) * 1e3
            for side, pose in tick.requested.items()
        ]
    rows = percentiles("map (clutch, IK)", [tick.map_ns / 1e6 for tick in done], "ms", note)
    rows += percentiles("guard", [tick.guard_ns / 1e6 for tick in done], "ms", note)
    rows += percentiles("chain", whole, "ms", note)
    rows.append(Row("chain mean", float(np.mean(whole)), "ms", note))
    if behind and hands is not _together:
        rows += percentiles("sent tool behind request", behind, "mm", note)
    return rows


def _reading(index: int, t: float, sides: tuple[str, ...], pose: Callable[[float, float], Pose]):  # type: ignore[no-untyped-def]
    """A reading of a device that is slower than the loop."""
    held = np.floor(t * _INPUT_HZ) / _INPUT_HZ
    signs = {"left": 1.0, "right": -1.0}
    hands = {
        side: HandInput(index > 0, pose(held, signs[side]), 0.5) if side in sides else None
        for side in SIDES
    }
    return LeaderInput("benchmark", index, SystemClock().now_ns(), **hands)


def _wave(t: float, sign: float) -> Pose:
    """A hand at up to 0.4 m/s and 0.6 rad/s."""
    shift = np.array([0.08 * np.sin(3 * t), sign * 0.06 * np.sin(2 * t), 0.06 * np.sin(4 * t)])
    return Pose(shift, quat_from_rotvec(np.array([0.2 * np.sin(2 * t), 0.2 * np.sin(t), 0.0])))


def _free(t: float, index: int) -> LeaderInput:
    return _reading(index, t, SIDES, _wave)


def _one(t: float, index: int) -> LeaderInput:
    return _reading(index, t, ("left",), _wave)


def _together(t: float, index: int) -> LeaderInput:
    return _reading(
        index,
        t,
        SIDES,
        lambda held, sign: Pose(np.array([0, -sign * min(0.3, 0.2 * held), 0]), [1, 0, 0, 0]),
    )


def _holding(t: float, index: int) -> LeaderInput:
    return _reading(index, t, (), _wave)


if __name__ == "__main__":
    main()
