"""What the driving tests share: the robot, its light model, a chain on a fake clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from devices.clock import FakeClock
from devices.leader import Observation
from devices.mapping.chain import DriveChain
from devices.mapping.kinematics import Kinematics
from devices.pose import Pose
from devices.robots.openarm import OpenArmV2
from tests.driving.simulated_pad import SimulatedPad


@pytest.fixture(scope="session")
def robot() -> OpenArmV2:
    return OpenArmV2()


@pytest.fixture(scope="session")
def kinematics(robot: OpenArmV2) -> Kinematics:
    return Kinematics(robot)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def new_chain(robot: OpenArmV2, clock: FakeClock) -> Callable[[], DriveChain]:
    return lambda: DriveChain(robot, clock)


@pytest.fixture
def pad(tmp_path: Path) -> Iterator[SimulatedPad]:
    simulated = SimulatedPad(tmp_path)
    yield simulated
    simulated.pull()


@pytest.fixture
def nothing_seen() -> Observation:
    return Observation(
        t_ns=0,
        tool={"left": Pose.identity(), "right": Pose.identity()},
        gripper={"left": 0.0, "right": 0.0},
        tactile={},
        wrench={"left": np.zeros(6), "right": np.zeros(6)},
    )
