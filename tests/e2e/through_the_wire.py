"""A new user's first hour with a headset: real window, real keys, and the wire between.

`python -m tests.e2e.through_the_wire [--out DIR] [--scenes wipe,lift,drawer] [--plugs 20]`

Starts `teledeck` under a virtual display and leads from nothing to a moving arm by the page of the
headset (F2), with key events (xdotool). The headset is `app.wearer`, a process of its own
that reaches the robot through the TactAR port alone: its app's heading is turned, its hands are
swapped and tremble. It wipes the board and lifts the cup, recorded and kept, opens the drawer, and
its plug is pulled at random moments while it drives. Prints every step; exit status 1 when any did
not come true.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from app.runtime.bus import Bus
from app.runtime.rundir import RunDir
from app.runtime.statuses import HeadsetStatus, StationStatus
from app.virtual_display import virtual_display
from app.wearer import HEADING, PADS
from app.worn import Worn
from datasets.dataset import Dataset
from datasets.library import Library
from devices.clock import NS_PER_S
from devices.gelsight import basis
from devices.gelsight.kinds import GELSIGHT_MINI
from devices.leader import SIDES
from devices.ring import RingReader
from devices.stream import FloatArray
from tests.e2e.by_hand import Eyes, Steps, window

ADDRESS = "127.0.0.7"  # a headset is another machine; this address is on the same one
STALE_S = 0.15  # without a post for so long the arm must hold
_NOW_NS = 30_000_000
_GRIP_COLUMN = 12  # of headset/S_controller
LATE_S = 0.05  # a post that was under way, and a tick of a busy machine
STILL_M_S = 0.005
STILL_M = 0.003
_GRIP = {"drawer": 0.35}
_ENOUGH = {"wipe": 0.95, "lift": 0.95, "drawer": 0.5}
RECORDED = (
    "headset/left_controller",
    "headset/right_controller",
    "headset/head",
    *(f"headset/arrows_{pad}" for pad in PADS),
    *(f"headset/force_{side}" for side in SIDES),
    *(f"{pad}_pad/{name}" for pad in PADS for name in ("deformation", "reading", "pca")),
    *(f"leader/{side}" for side in SIDES),
    "right_arm/T_world_tool_requested",
    *(f"{side}_arm/q_sent" for side in SIDES),
    *(f"{side}_gripper/gap_sent" for side in SIDES),
    "station/input_delay",
)


class Screen:
    """What the window shows of headset and station, from the statuses that it gets too."""

    def __init__(self, run: RunDir) -> None:
        self._bus = Bus(run)
        self._news = self._bus.subscriber("headset", "station")
        self._headset: HeadsetStatus | None = None
        self._station: StationStatus | None = None
        self.tools = {side: RingReader(run.ring(f"{side}_arm/T_world_tool")) for side in SIDES}
        self.posted: list[RingReader] = []
        self._run = run
        self.requests = [
            RingReader(run.ring(f"{side}_arm/T_world_tool_requested")) for side in SIDES
        ]

    def look(self) -> None:
        for heard in self._news.poll(0.02):
            if isinstance(heard, HeadsetStatus):
                self._headset = heard
            elif isinstance(heard, StationStatus):
                self._station = heard

    @property
    def headset(self) -> HeadsetStatus:
        self.look()
        while self._headset is None:
            self.look()
        return self._headset

    @property
    def station(self) -> StationStatus:
        self.look()
        while self._station is None:
            self.look()
        return self._station

    @property
    def clutched(self) -> tuple[bool, ...]:
        return tuple(arm.clutched for arm in self.station.arms)

    def ways(self, since_ns: int) -> list[tuple[FloatArray, FloatArray]]:
        """Times [s after `since_ns`] and positions [m] of both tools since then."""
        found = []
        for ring in self.tools.values():
            drained = ring.since(since_ns)
            found.append(((drained.t_ns - since_ns) / NS_PER_S, drained.data[:, :3]))
        return found

    def watch_posts(self) -> None:
        """Look at the controllers as posted, too; their streams exist while the port is open."""
        self.posted = [RingReader(self._run.ring(f"headset/{side}_controller")) for side in SIDES]

    def last_request(self, since_ns: int) -> float:
        """How long after `since_ns` an arm was last asked to move [s]; it follows at 250 Hz."""
        last = [ring.since(since_ns).t_ns for ring in self.requests]
        return max((float(t[-1] - since_ns) / NS_PER_S for t in last if len(t)), default=0.0)

    def driving(self, now_ns: int) -> bool:
        """Whether both arms are asked to move at this moment."""
        return all(len(ring.since(now_ns - _NOW_NS).t_ns) for ring in self.requests)

    def grips_held_since(self, since_ns: int) -> list[int]:
        """Per side, until when its grip was posted as squeezed without a break [ns]."""
        ends = []
        for ring in self.posted:
            drained = ring.since(since_ns)
            open_ = drained.t_ns[drained.data[:, _GRIP_COLUMN] < 0.5]
            ends.append(int(open_[0]) if len(open_) else time.monotonic_ns())
        return ends

    def asked_between(self, side: int, begin_ns: int, end_ns: int) -> int:
        """How often an arm was asked to move in a while."""
        t_ns = self.requests[side].since(begin_ns).t_ns
        return int((t_ns < end_ns).sum())

    def close(self) -> None:
        for ring in (*self.tools.values(), *self.requests, *self.posted):
            ring.close()
        self._bus.close()


class WireSteps(Steps):
    """What the user does with a headset on."""

    def check(self, what: str, true: Callable[[], bool], seconds: float = 30.0) -> None:
        """With the patience of somebody whose machine does other things, too."""
        super().check(what, true, max(seconds, 30.0))

    def set_up(self, screen: Screen, run: RunDir, scene: str) -> Worn:
        """From a closed port to a headset that drives, by the page alone."""
        hands = self.hands
        hands.press("F2")
        time.sleep(0.7)
        self.check("the port is closed at first", lambda: not screen.headset.listening)
        self.picture(f"{scene}-page")
        hands.press("Return")
        self.check("Enter opens the port", lambda: screen.headset.listening, 10.0)
        worn = Worn(
            run.path,
            scene,
            address=ADDRESS,
            port=screen.headset.port,
            grip=_GRIP.get(scene, 1.0),
        )
        self.check(
            f"the headset is seen ({ADDRESS})",
            lambda: any(p.address == ADDRESS and p.rate_hz > 40 for p in screen.headset.posters),
            20.0,
        )
        self.check("and drives nothing yet", lambda: screen.headset.address == "")
        self.picture(f"{scene}-who")
        known = _stored()
        hands.press("Return")
        self.check("Enter confirms it", lambda: screen.headset.address == ADDRESS)
        if known:
            self.check("the app was started again: doubt", lambda: _doubt(screen.headset))
            hands.press("Return")
        else:
            self.check("the set-up begins", lambda: _asked(screen) == "squeeze_left")
            worn.say("squeeze")
        self.check("squeezed, the push is asked", lambda: _asked(screen) == "push_forward", 10.0)
        worn.say("rest")
        time.sleep(1.0)
        worn.say("push")
        if known:
            self.check("one push that agrees is enough", lambda: _asked(screen) == "", 12.0)
        else:
            self.check("pushed, the pointing is asked", lambda: _asked(screen) == "align", 12.0)
            self.picture(f"{scene}-pushed")
            worn.say("align")
            self.check("pointed, the set-up is done", lambda: _asked(screen) == "", 10.0)
        worn.say("rest")
        told = screen.headset.calibration
        turn = np.arctan2(np.sin(2 * HEADING), np.cos(2 * HEADING))
        self.check(
            "it found swapped hands and the turn"
            f" ({0.0 if told is None else np.degrees(told.trim_rad - turn):+.2f} deg off)",
            lambda: (
                told is not None
                and told.swapped
                and not told.doubt
                and abs(float(told.trim_rad) - turn) < 0.03
            ),
        )
        time.sleep(1.0)
        hands.press("Return")
        if not _until(lambda: screen.station.leader == "headset", 6.0):
            print("     Enter came before the page asked for it; once more", flush=True)
            hands.press("Return")
        self.check("Enter lets it drive", lambda: screen.station.leader == "headset")
        self.picture(f"{scene}-drive")
        hands.press("p")
        time.sleep(0.5)
        hands.type("wrists")
        hands.press("Return")
        self.check("P hangs the wrist cameras up", lambda: screen.headset.panels == "wrists")
        hands.press("F2")
        time.sleep(0.5)
        return worn

    def task(self, screen: Screen, run: RunDir, worn: Worn, scene: str) -> None:
        """The scene's task through the wire, recorded and kept."""
        eyes = Eyes(run, scene)
        self.begin(eyes)
        squeezes = worn.told["squeezes"]
        worn.say("task")
        end = time.monotonic() + 240.0
        pictured = False
        while time.monotonic() < end and not worn.told["finished"]:
            time.sleep(0.2)
            if not pictured and eyes.progress() > 0.3:
                pictured = True
                self.picture(f"{scene}-half")
        again = worn.told["squeezes"] - squeezes
        self.check(
            f"{scene}: done, {eyes.progress():.0%}, {again} squeezes",
            lambda: eyes.progress() >= _ENOUGH[scene],
        )
        if scene != "drawer":
            self.check("the station calls it a success", lambda: screen.station.success)
        worn.say("rest")
        self.keep(eyes, scene)
        eyes.close()

    def overlays(self, worn: Worn) -> None:
        told = worn.told
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in told["rates"].items())
        self.check(f"all four streams reach the headset ({rates} Hz)", lambda: _all_came(worn))
        faults = told["faults"]
        self.check(f"its checker finds no fault {faults or ''}".strip(), lambda: not faults)
        self.check("none of its posts was refused", lambda: worn.told["refused"] == 0)

    def plugs(self, screen: Screen, worn: Worn, count: int) -> None:
        """Pull the plug at random moments while both arms drive."""
        rng = np.random.default_rng(20)
        asked: list[float] = []
        rests: list[float] = []
        slips: list[float] = []
        silent = fresh = idle = 0
        screen.watch_posts()
        worn.say("circle")
        while len(asked) < count and idle < 2 * count:
            _until(lambda: all(screen.clutched) and all(worn.told["held"].values()), 15.0)
            time.sleep(float(rng.uniform(0.3, 1.8)))
            pulled_ns = worn.pull()
            if not screen.driving(pulled_ns):
                idle += 1  # a busy machine had let go just before; that proves nothing
                worn.plug_in()
                time.sleep(1.0)
                continue
            time.sleep(1.0)
            asked.append(screen.last_request(pulled_ns))
            rests.append(max(_stood_still(*way) for way in screen.ways(pulled_ns)))
            back_ns = time.monotonic_ns()
            worn.plug_in()
            # The operator has noticed nothing for a while: grips are squeezed, the hands move.
            time.sleep(1.5)
            held_ns = pulled_ns + round(0.6 * NS_PER_S)
            until_ns = screen.grips_held_since(back_ns)
            again = [screen.asked_between(k, held_ns, end_ns) for k, end_ns in enumerate(until_ns)]
            silent += any(again)
            slips.append(
                max(
                    _way(*_before(way, (end_ns - held_ns) / NS_PER_S))
                    for way, end_ns in zip(screen.ways(held_ns), until_ns, strict=True)
                )
            )
            fresh += _until(lambda: all(screen.clutched), 15.0)
            print(
                f"     plug {len(asked)}: last asked to move after {1000 * asked[-1]:.0f} ms, at "
                f"rest after {1000 * rests[-1]:.0f} ms, then moved by {1000 * slips[-1]:.1f} mm in "
                f"{(min(until_ns) - held_ns) / NS_PER_S:.1f} s, "
                f"{'TOOK HOLD BY ITSELF' if any(again) else 'grips squeezed all the while'}",
                flush=True,
            )
        self.check(
            f"plug pulled {count} times: nothing was asked of an arm later than "
            f"{1000 * max(asked):.0f} ms after it",
            lambda: max(asked) < STALE_S + LATE_S,
        )
        self.check(
            f"they held still: {1000 * max(slips):.1f} mm at most from 0.6 s on, with the grips "
            f"still squeezed and the hands moving; median time to rest "
            f"{1000 * float(np.median(rests)):.0f} ms",
            lambda: max(slips) < STILL_M,
        )
        self.check("none took hold by itself", lambda: silent == 0)
        self.check(
            f"a fresh squeeze moved them again, {fresh} times", lambda: fresh == len(asked) == count
        )
        worn.say("rest")

    def recorded(self, dataset: Path) -> None:
        """What issue 3 lists is in every kept take, with times of the take itself."""
        for card in Library(Dataset.open(dataset)).cards():
            if card.deleted:
                continue
            with h5py.File(dataset / "episodes" / f"{card.uid}.h5") as episode:
                start = json.loads(episode.attrs["start"])
                missing = [name for name in RECORDED if not _rows(episode, name)]
                times = [_times_wrong(episode, name) for name in RECORDED if name not in missing]
                wrong = [word for word in times if word]
                told = start.get("headset") or {}
            task = start.get("task", card.uid)
            self.check(
                f"take {task} holds all {len(RECORDED)} streams {missing or ''}".strip(),
                lambda missing=missing: not missing,
            )
            self.check(
                f"take {task}: its times are true {wrong or ''}".strip(),
                lambda wrong=wrong: not wrong,
            )
            self.check(
                f"take {task} tells the calibration and the delays",
                lambda told=told: (
                    told.get("calibration", {}).get("trim_rad") is not None
                    and told["calibration"]["swapped"] is True
                    and "delay_p99_ms" in told
                ),
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(tempfile.mkdtemp(prefix="wire-")))
    parser.add_argument("--scenes", default="wipe,lift,drawer")
    parser.add_argument("--plugs", type=int, default=20)
    options = parser.parse_args()
    failed, count = session(options.out, options.scenes.split(","), options.plugs)
    print(f"\n{failed} of {count} steps failed; pictures in {options.out}")
    return int(failed > 0)


def session(out: Path, scenes: list[str], plugs: int) -> tuple[int, int]:
    """The whole of it; plugs are pulled in the last scene. How many steps failed, of how many."""
    out.mkdir(parents=True, exist_ok=True)
    # A new user: nothing is set up, and what is found stays out of the real user's settings.
    os.environ["XDG_CONFIG_HOME"] = str(out / "config")
    dataset, station = out / "takes", out / "station.toml"
    station.write_text(f'[touch]\npca = "{basis.path_of(GELSIGHT_MINI)}"\n')
    steps = WireSteps(out)
    with virtual_display(1280, 800):
        for scene in scenes:
            with window(scene, dataset, "--station", str(station)) as run:
                screen = Screen(run)
                worn: Worn | None = None
                try:
                    worn = steps.set_up(screen, run, scene)
                    steps.task(screen, run, worn, scene)
                    steps.overlays(worn)
                    if scene == scenes[-1] and plugs:
                        steps.plugs(screen, worn, plugs)
                finally:
                    if worn is not None:
                        worn.close()
                    screen.close()
    steps.recorded(dataset)
    return steps.failed, steps.count


def _until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


def _asked(screen: Screen) -> str:
    return screen.headset.set_up.step


def _doubt(headset: HeadsetStatus) -> bool:
    return headset.calibration is not None and bool(headset.calibration.doubt)


def _stored() -> bool:
    folder = Path(os.environ["XDG_CONFIG_HOME"])
    return any(folder.rglob("headset-*.toml"))


def _all_came(worn: Worn) -> bool:
    told = worn.told
    return bool(
        told["robot"] and len(told["pads"]) == 4 and len(told["forces"]) == 2 and told["panels"]
    )


def _stood_still(t_s: FloatArray, position: FloatArray) -> float:
    """When a tool moved for the last time [s]: mean speed over 20 ms."""
    step = max(1, round(0.02 * len(t_s) / max(1e-6, float(t_s[-1] - t_s[0]))))
    speed = np.linalg.norm(position[step:] - position[:-step], axis=1) / (t_s[step:] - t_s[:-step])
    moving = np.flatnonzero(speed > STILL_M_S)
    return float(t_s[moving[-1]]) if len(moving) else 0.0


def _before(way: tuple[FloatArray, FloatArray], end_s: float) -> tuple[FloatArray, FloatArray]:
    early = way[0] <= end_s
    return way[0][early], way[1][early]


def _way(_t_s: FloatArray, position: FloatArray) -> float:
    return float(np.linalg.norm(position - position[0], axis=1).max())


def _rows(episode: Any, name: str) -> int:
    path = f"streams/{name}/t_ns"
    return len(episode[path]) if path in episode else 0


def _times_wrong(episode: Any, name: str) -> str:
    t_ns = np.asarray(episode[f"streams/{name}/t_ns"])
    frame = np.asarray(episode["streams/right_arm/q_sent/t_ns"])
    if (np.diff(t_ns) < 0).any():
        return f"{name} runs backwards"
    if t_ns[0] < frame[0] - 3 * NS_PER_S or t_ns[-1] > frame[-1] + 3 * NS_PER_S:
        return f"{name} is of another time"
    return ""


if __name__ == "__main__":
    sys.exit(main())
