"""Who wears the fake headset: squeezes, pushes, points, does the scene's task, looks at the robot.

`python -m app.wearer RUN --scene SCENE --address ADDRESS [--port PORT] ...`

A SIMULATION, for the pictures of the docs and for tests. A process of its own, as a headset is. It
hears one word a line: what to do (`rest`, `squeeze`, `push`, `align`, `hold`, `task`, `circle`),
what goes wrong (`lose`, `find`, `recentre`, `restart`, `calibrate`), or `quit`. Ten times a second
it tells, as a line of JSON, what it does and what its headset got. Its eyes are the streams of the
run; its hands reach the robot through the wire alone. Stopping this process (SIGSTOP) pulls the
plug; when it goes on it has noticed nothing for a while: its grips stay squeezed and its hands
move, until it sees that no arm follows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

import mujoco
import numpy as np

from app.runtime.bus import Bus
from app.runtime.rundir import RunDir
from app.runtime.statuses import StationStatus
from devices import plugins
from devices.clock import NS_PER_S
from devices.leader import SIDES, HandInput, Observation, Side
from devices.operators.motion import Stroke
from devices.pose import (
    Pose,
    quat_conjugate,
    quat_from_rotvec,
    quat_multiply,
    rotvec_from_quat,
)
from devices.ring import RingReader
from devices.sim.build import build
from devices.sim.world import STATE
from devices.stream import FloatArray
from devices.tactar.fake_quest import FakeQuest
from devices.tactar.frames import hand_to_unity, turned, yaw_quat
from devices.tactar.headset_app import HeadsetApp
from devices.tactar.motions import Hands
from devices.tactar.wire import Controller, Ports

HEADING = 0.6  # [rad] of the app's calibration: translations arrive turned by twice that
OFFSET = (0.3, -0.1, 0.7)  # [m] of the same
ROBOT = 0.5  # [rad] where the robot looks, told in the app's aligned frame
TREMBLE_M = 1e-4  # standard deviation of the tracking

PADS = ("left_inner", "left_outer", "right_inner", "right_outer")
_SIDE_M: dict[Side, float] = {"left": 0.2, "right": -0.2}
_REST: dict[Side, Pose] = {
    side: Pose(np.array([0.25, y, 1.1]), np.array([1.0, 0.0, 0.0, 0.0]))
    for side, y in _SIDE_M.items()
}
_HEAD = Pose(np.array([0.0, 0.0, 1.6]), np.array([1.0, 0.0, 0.0, 0.0]))
_FREE_SPEED, _FREE_TURN = 0.8, 3.0  # [m/s], [rad/s] of a hand that holds nothing
_HELD_SPEED, _HELD_TURN = 0.5, 2.0
_NEAR_M, _NEAR_RAD = 0.004, 0.04
_OPEN_POSTS = 4  # that show an open grip before a squeeze
_PATIENCE_S = 0.5  # after a squeeze, until the arm must follow
_LOST_S = 0.3  # an arm that holds for so long has let go
_UNAWARE_S = 0.8  # after a pause the operator goes on as if nothing had been
_PAUSE_S = 0.3
_PUSH_M, _PUSH_S, _STILL_S = 0.34, 1.2, 0.8


class View:
    """What the operator sees of the robot and feels of it in the headset, from the rings."""

    def __init__(self, run: RunDir, scene: str) -> None:
        names = ["sim/state", *(f"{pad}_pad/tactile" for pad in PADS)]
        for side in SIDES:
            names += [f"{side}_arm/T_world_tool", f"{side}_arm/wrench", f"{side}_gripper/gap"]
        self._rings = {name: RingReader(run.ring(name)) for name in names}
        self._scene = plugins.load("scenes", scene)()
        self._name = scene
        self._bus = Bus(run)
        self._statuses = self._bus.subscriber("station")
        self.station: StationStatus | None = None

    @cached_property
    def _world(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """Built when it is first looked at: who only squeezes and pushes sees no robot."""
        model = build("openarm_v2", self._name, "reduced")
        return model, mujoco.MjData(model)

    def look(self) -> Observation:
        """As of now."""
        model, data = self._world
        mujoco.mj_setState(model, data, self._newest("sim/state"), STATE)
        mujoco.mj_forward(model, data)
        for heard in self._statuses.poll():
            if isinstance(heard, StationStatus):
                self.station = heard
        return Observation(
            t_ns=time.monotonic_ns(),
            tool={
                side: Pose.from_array(self._newest(f"{side}_arm/T_world_tool")) for side in SIDES
            },
            gripper={side: float(self._newest(f"{side}_gripper/gap")[0]) for side in SIDES},
            tactile={pad: self._newest(f"{pad}_pad/tactile") for pad in PADS},
            wrench={side: self._newest(f"{side}_arm/wrench") for side in SIDES},
            scene=self._scene.observe(model, data),
            progress=float(self._scene.progress(model, data)),
        )

    def follows(self, side: Side) -> bool:
        """Whether the arm follows its hand, as the screen says."""
        return self.station is not None and any(
            arm.side == side and arm.clutched for arm in self.station.arms
        )

    def _newest(self, name: str) -> FloatArray:
        sample = self._rings[name].latest()
        assert sample is not None, name
        return np.array(sample.data, dtype=np.float64)


class WornHand:
    """One hand: goes where it is wanted at a human pace, squeezes afresh when its arm lets go."""

    def __init__(self, side: Side) -> None:
        self.side: Side = side
        self.pose = _REST[side]
        self.trigger = 0.0
        self.grip = False
        self.squeezes = 0
        self._open_posts = 0
        self._squeezed_s = self._followed_s = 0.0

    @property
    def held(self) -> bool:
        return self.grip and self._followed_s >= self._squeezed_s

    def free(self, goal: Pose, dt: float) -> bool:
        """Go to `goal` with an open grip; the answer tells whether it is there."""
        self.grip = False
        self._open_posts += 1
        self.pose = _towards(self.pose, goal, _FREE_SPEED * dt, _FREE_TURN * dt)
        return _near(self.pose, goal)

    def follow(self, goal: Pose, tool: Pose, follows: bool, now_s: float, dt: float) -> bool:
        """Squeeze where the tool is, then lead it to `goal`; the answer tells whether it follows
        and the hand is there."""
        if not self.grip:
            if self.free(tool, dt) and self._open_posts >= _OPEN_POSTS:
                self.grip, self._squeezed_s = True, now_s
                self._open_posts = 0
                self.squeezes += 1
            return False
        if follows:
            self._followed_s = now_s
        if not self.held:
            if now_s - self._squeezed_s > _PATIENCE_S:
                self.grip = False
            return False
        if now_s - self._followed_s > _LOST_S:
            self.grip = False
            return False
        self.pose = _towards(self.pose, goal, _HELD_SPEED * dt, _HELD_TURN * dt)
        return _near(self.pose, goal)

    def drift(self, dt: float) -> None:
        """Move on with whatever is squeezed."""
        offset = np.array([0.05, 0.03, 0.05]) * dt
        self.pose = Pose(self.pose.position + offset, self.pose.quat)


Word = Literal["rest", "squeeze", "push", "align", "hold", "task", "circle"]
Mishap = Literal["lose", "find", "recentre", "restart", "calibrate"]
RECENTRED = (0.5, (0.1, 0.0, 0.0))  # turn [rad] and shift [m] of the room
_CALIBRATE_S = 0.3  # X and A are held for so long


class Wearer:
    """Does what it is told; `motion` is what the headset asks it for sixty times a second."""

    def __init__(self, view: View, scene: str, grip: float) -> None:
        self.view = view
        self._grip = grip
        self.hands: dict[Side, WornHand] = {side: WornHand(side) for side in SIDES}
        self.word: Word = "rest"
        self.finished = False
        self.stalls = 0
        self._operator = plugins.load("operators", scene)()
        self._wanted: dict[Side, HandInput | None] = {}
        self._before_s = time.monotonic()
        self._began_s = self._before_s
        self._unaware_until_s = 0.0
        self._centre: dict[Side, Pose] = {}
        self._calibrate_until_s = 0.0

    def calibrate(self) -> None:
        """Hold X and A: the app goes into its calibration mode, or out of it."""
        self._calibrate_until_s = time.monotonic() + _CALIBRATE_S

    def say(self, word: Word) -> None:
        self.word, self._began_s = word, time.monotonic()
        self._centre = {}
        self.finished = False

    def motion(self, _t: float) -> Hands:
        now_s = time.monotonic()
        passed_s, self._before_s = now_s - self._before_s, now_s
        dt = min(passed_s, 0.04)
        if passed_s > _PAUSE_S and self.word in ("task", "circle"):
            self.stalls += 1
            self._unaware_until_s = now_s + _UNAWARE_S
        if now_s < self._unaware_until_s:
            for hand in self.hands.values():
                hand.drift(dt)
        else:
            self._do(now_s, now_s - self._began_s, dt)
        return Hands(self._posted("right"), self._posted("left"), self._head())

    # ------------------------------------------------------------------------------ what it does
    def _do(self, now_s: float, t_s: float, dt: float) -> None:
        left, right = self.hands["left"], self.hands["right"]
        if self.word in ("task", "circle"):
            seen = self.view.look()
            if self.word == "task":
                self._task(seen, now_s, dt)
            else:
                self._circle(seen, now_s, dt)
            return
        left.trigger = right.trigger = 0.0
        home = {side: _REST[side] for side in SIDES}
        if self.word == "push":
            way = Stroke(_ahead(_REST["right"], 0.0), _ahead(_REST["right"], _PUSH_M), _PUSH_S)
            home["right"] = way.at(t_s - _STILL_S)
        elif self.word == "align":
            home["right"] = _ahead(_REST["right"], 0.2)
        there = all([self.hands[side].free(home[side], dt) for side in SIDES])
        if self.word == "align" and there:
            right.trigger = 1.0
        if self.word == "squeeze":
            left.grip = t_s > _STILL_S
        elif self.word == "hold":
            left.grip = right.grip = there and t_s > _STILL_S / 2

    def _task(self, seen: Observation, now_s: float, dt: float) -> None:
        """The scene's operator goes on as long as the arms follow; else it waits for them."""
        if not self._wanted:
            self._operator.step(seen)
            for its in (self._operator.left, self._operator.right):
                its.grip = self._grip
            self._wanted = dict(self._operator.step(seen))
            for hand in self.hands.values():
                hand.trigger = self._grip
        there = []
        for side, hand in self.hands.items():
            wanted = self._wanted.get(side)
            if wanted is None or not wanted.clutch:
                pose = hand.pose if wanted is None or self._operator.finished else wanted.pose
                there.append(hand.free(pose, dt))
                continue
            if wanted.grip is not None:
                hand.trigger = wanted.grip
            follows = self.view.follows(side)
            there.append(hand.follow(wanted.pose, seen.tool[side], follows, now_s, dt))
        if all(there):
            self.finished = self._operator.finished
            if not self.finished:
                self._wanted = dict(self._operator.step(seen))

    def _circle(self, seen: Observation, now_s: float, dt: float) -> None:
        """Both arms follow circles about where they were squeezed."""
        angle = 2.0 * np.pi * (now_s - self._began_s) / 3.0
        way = 0.03 * np.array([np.cos(angle) - 1.0, np.sin(angle), 0.5 * np.sin(angle)])
        for side, hand in self.hands.items():
            centre = self._centre.setdefault(side, seen.tool[side])
            goal = Pose(centre.position + way, centre.quat)
            hand.follow(goal, seen.tool[side], self.view.follows(side), now_s, dt)

    # ----------------------------------------------------------------------------- what is posted
    def _posted(self, side: Side) -> Controller:
        hand = self.hands[side]
        position, quat = self._placed(hand.pose)
        x_or_a = time.monotonic() < self._calibrate_until_s
        buttons = (False, x_or_a, False, hand.trigger > 0.9, hand.grip)
        return Controller(position, quat, hand.trigger, buttons)

    def _head(self) -> FloatArray:
        return np.concatenate(self._placed(_HEAD))

    def _placed(self, pose: Pose) -> tuple[FloatArray, FloatArray]:
        """A pose in the robot's world → in the app's aligned frame."""
        position, quat = hand_to_unity(pose)
        return turned(ROBOT, position), quat_multiply(yaw_quat(ROBOT), quat)


def _ahead(pose: Pose, way: float) -> Pose:
    return Pose(pose.position + np.array([way, 0.0, 0.0]), pose.quat)


def _towards(here: Pose, goal: Pose, most_m: float, most_rad: float) -> Pose:
    way = goal.position - here.position
    turn = rotvec_from_quat(quat_multiply(goal.quat, quat_conjugate(here.quat)))
    far = max(float(np.linalg.norm(way)) / most_m, float(np.linalg.norm(turn)) / most_rad)
    share = 1.0 if far <= 1.0 else 1.0 / far
    return Pose(
        here.position + share * way, quat_multiply(quat_from_rotvec(share * turn), here.quat)
    )


def _near(a: Pose, b: Pose) -> bool:
    turn = rotvec_from_quat(quat_multiply(a.quat, quat_conjugate(b.quat)))
    return bool(
        np.linalg.norm(a.position - b.position) < _NEAR_M and np.linalg.norm(turn) < _NEAR_RAD
    )


# -------------------------------------------------------------------------------- the process
async def _wear(options: argparse.Namespace) -> None:
    with RunDir.join(options.run) as run:
        wearer = Wearer(View(run, options.scene), options.scene, options.grip)
        quest = FakeQuest(
            wearer.motion,
            port=options.port,
            address=options.address,
            ports=Ports.from_base(options.base) if options.base else Ports(),
            app=HeadsetApp(HEADING, OFFSET, tremble_m=TREMBLE_M),
        )
        await quest.start()
        done = asyncio.Event()

        def hear() -> None:
            heard = os.read(sys.stdin.fileno(), 4096).decode()
            if not heard:
                done.set()
            for word in heard.split():  # several may come at once
                if word == "quit":
                    done.set()
                elif word in get_args(Word):
                    wearer.say(word)  # type: ignore[arg-type]
                else:
                    _go_wrong(word, wearer, quest)

        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, hear)
        try:
            while not done.is_set():
                _write(sys.stdout, json.dumps(_told(wearer, quest)))
                await asyncio.sleep(0.1)
        finally:
            loop.remove_reader(sys.stdin)
            await quest.stop()


def _write(to: TextIO, line: str) -> None:
    to.write(f"{line}\n")
    to.flush()


def _go_wrong(word: str, wearer: Wearer, quest: FakeQuest) -> None:
    """What no operator means to do."""
    match word:
        case "lose":
            quest.app.lose("left")
        case "find":
            quest.app.find("left")
        case "recentre":
            quest.app.recentre(*RECENTRED)
        case "restart":
            quest.restart_app()
        case "calibrate":
            wearer.calibrate()
        case _:
            known = ", ".join((*get_args(Word), *get_args(Mishap), "quit"))
            _write(sys.stderr, f"'{word}' is not one of: {known}")


def _told(wearer: Wearer, quest: FakeQuest) -> dict[str, Any]:
    got, report = quest.received, quest.report()
    return {
        "word": wearer.word,
        "finished": wearer.finished,
        "held": {side: hand.held for side, hand in wearer.hands.items()},
        "grip": {side: hand.grip for side, hand in wearer.hands.items()},
        "squeezes": sum(hand.squeezes for hand in wearer.hands.values()),
        "stalls": wearer.stalls,
        "unaware": time.monotonic() < wearer._unaware_until_s,
        "pads": sorted(got.tactile),
        "forces": sorted(got.force),
        "panels": sorted(got.panels),
        "robot": got.robot is not None,
        "posted": report.posted,
        "refused": report.refused,
        "faults": report.faults,
        "rates": {one.name: one.rate_hz for one in report.streams},
        "streams": [asdict(one) for one in report.streams],
        "t_ns": time.monotonic_ns() // (NS_PER_S // 1000),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--scene", required=True)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8082)
    parser.add_argument("--base", type=int, default=0)
    parser.add_argument("--grip", type=float, default=1.0, help="trigger at first (1: a held tool)")
    asyncio.run(_wear(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
