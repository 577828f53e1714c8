"""A recording replayed through the chain puts the tools where they were."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from devices.clock import FakeClock
from devices.errors import DeviceError
from devices.leader import SIDES, HandInput, LeaderInput, Observation, Side
from devices.leaders.replay import HandTrack, Recording, ReplayLeader, ReplaySettings
from devices.mapping.chain import DriveChain, Tick
from devices.mapping.clutch import Driving
from devices.pose import Pose, quat_from_rotvec


def observe(chain: DriveChain, tick: Tick | None, clock: FakeClock) -> Observation:
    """A robot that is exactly where it was sent."""
    tools = chain.kinematics.tools(
        chain.kinematics.stack({s: arm.q for s, arm in chain.state.arms.items()})
    )
    return Observation(clock.now_ns(), tools, dict.fromkeys(SIDES, 0.0), {}, {})


def hand_at(t: float, side: Side) -> HandInput:
    sign = 1.0 if side == "left" else -1.0
    swing = np.array([0.04 * np.sin(4 * t), sign * 0.03 * np.sin(3 * t), 0.05 * np.sin(2 * t)])
    pose = Pose(swing, quat_from_rotvec(np.array([0.0, 0.2 * np.sin(t), 0.1])))
    return HandInput(not 1.0 < t < 1.2, pose, 0.3 if side == "left" else None)


def row(hand: HandInput) -> np.ndarray:
    grip = np.nan if hand.grip is None else hand.grip
    return np.concatenate([hand.pose.to_array(), [float(hand.clutch), grip]])


def record(chain: DriveChain, clock: FakeClock, seconds: float) -> tuple[Recording, np.ndarray]:
    """Drive for some seconds; the recording and the path of both tools."""
    chain.tick(LeaderInput("pad", 0, clock.now_ns(), *[HandInput(False, Pose.identity())] * 2))
    start = observe(chain, None, clock).tool
    times, rows, path = [], {side: [] for side in SIDES}, []
    for index in range(round(seconds / chain.dt)):
        clock.advance_s(chain.dt)
        hands = {side: hand_at(index * chain.dt, side) for side in SIDES}
        tick = chain.tick(LeaderInput("pad", index + 1, clock.now_ns(), **hands))
        times.append(clock.now_ns())
        for side in SIDES:
            rows[side].append(row(hands[side]))
        path.append([tick.tools_sent[side].position for side in SIDES])
    tracks = {s: HandTrack(np.array(times), np.array(rows[s]), start[s]) for s in SIDES}
    return Recording("episode 1", tracks), np.array(path)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_replay_repeats_the_path_from_wherever_the_arms_are(
    new_chain: Callable[[], DriveChain], clock: FakeClock, scale: float
):
    chain = new_chain()
    chain.driving = Driving(scale, scale)
    recording, path = record(chain, clock, 2.0)
    elsewhere = {side: q + 0.1 for side, q in chain.robot.home.items()}
    chain.start(elsewhere, {side: 0.05 for side in SIDES})
    leader = ReplayLeader(clock, recording)
    leader.connect()
    tick, replayed, progress = None, [], []
    for _ in range(4000):
        clock.advance_s(chain.dt)
        reading = leader.read(observe(chain, tick, clock))
        tick = chain.tick(reading)
        if leader.status.phase == "playing":
            replayed.append([tick.tools_sent[side].position for side in SIDES])
            progress.append(leader.status.progress)
        if leader.finished:
            break
    assert leader.status.phase == "done" and leader.status.progress == 1.0
    assert progress == sorted(progress)
    count = min(len(path), len(replayed) - 1)
    assert count >= len(path) - 2
    errors = np.linalg.norm(np.array(replayed)[1 : count + 1] - path[:count], axis=2)
    assert errors.max() < 0.008, "the replay starts within its tolerance of the recorded start"


def test_a_start_that_cannot_be_reached_is_said(
    new_chain: Callable[[], DriveChain], clock: FakeClock
):
    chain = new_chain()
    here = observe(chain, None, clock).tool["left"]
    far = Pose(here.position + np.array([2.0, 0.0, 0.0]), here.quat)
    track = HandTrack(np.array([0, 1]), np.tile(row(HandInput(True, here)), (2, 1)), far)
    quick = ReplaySettings(speed=0.5, patience_s=0.5)
    leader = ReplayLeader(clock, Recording("episode 2", {"left": track}), quick)
    leader.connect()
    for _ in range(1500):
        clock.advance_s(chain.dt)
        chain.tick(leader.read(observe(chain, None, clock)))
        if leader.finished:
            break
    assert leader.status.phase == "failed" and "episode 2" in leader.status.text


def test_a_silent_hand_parks_and_silence_of_all_lets_go(clock: FakeClock):
    pose = Pose.identity()
    rows = np.tile(row(HandInput(True, pose)), (2, 1))
    times = np.array([0, 1_000_000_000])
    leader = ReplayLeader(clock, Recording("gap", {"left": HandTrack(times, rows, pose)}))
    leader.connect()
    seen = Observation(0, {"left": pose, "right": pose}, {}, {}, {})
    readings = []
    for _ in range(300):
        clock.advance_s(0.004)
        readings.append(leader.read(seen))
    held = [reading.deadman for reading in readings if reading is not None]
    assert held[10] and not held[100] and held[-1]
    assert readings[100] is not None and readings[100].left is None


@pytest.mark.parametrize(
    ("hands", "word"),
    [
        ({}, "no recorded hand"),
        ({"left": HandTrack(np.array([0]), np.zeros((1, 7)), Pose.identity())}, "rows"),
        ({"left": HandTrack(np.array([5, 2]), np.zeros((2, 9)), Pose.identity())}, "backwards"),
        ({"left": HandTrack(np.array([], np.int64), np.zeros((0, 9)), Pose.identity())}, "rows"),
    ],
)
def test_recordings_that_cannot_be_played_are_refused(clock, hands, word):
    with pytest.raises(DeviceError, match=word):
        ReplayLeader(clock, Recording("broken", hands)).connect()


def test_without_an_episode_there_is_nothing_to_connect(clock):
    leader = ReplayLeader(clock)
    with pytest.raises(DeviceError, match="Choose one"):
        leader.connect()
    leader.close()
    leader.close()
