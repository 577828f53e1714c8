"""A headset process without processes: it answers requests and plays a plausible set-up."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from app.runtime.requests import (
    HeadsetCapture,
    HeadsetConfirm,
    HeadsetListen,
    HeadsetPanels,
    HeadsetSetUp,
    Request,
)
from app.runtime.statuses import HeadsetCalibration, HeadsetStatus, Poster, SetUpState, StreamOut
from devices.stream import Sample

ADDRESS = "198.51.100.31"
NOT_RUNNING = SetUpState("", "")
ASKED = {
    "squeeze_left": "Squeeze the grip of your left controller.",
    "push_forward": (
        "Hold one controller level and push it 30 cm straight ahead. Keep it still before and "
        "after."
    ),
    "align": (
        "Point a controller the way the robot looks and hold its trigger for a second. Finer: "
        "lay both on the table's edge, pointing away from the robot, and hold both triggers."
    ),
}


def poster(address: str = ADDRESS, **changes: Any) -> Poster:
    made = Poster(address, rate_hz=60.1, age_ms=9.0, confirmed=False)
    return msgspec.structs.replace(made, **changes)


def calibration(**changes: Any) -> HeadsetCalibration:
    made = HeadsetCalibration(
        headset=ADDRESS,
        station="openarm_v2",
        made="2026-11-24T09:30:00+00:00",
        age_s=12.0,
        swapped=True,
        trim_rad=math.radians(-21.4),
        residual_rad=math.radians(0.8),
        T_world_headset=(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0),
    )
    return msgspec.structs.replace(made, **changes)


STREAMS = (
    StreamOut("robot", 10001, 119.6, 1.2, 7176, 0),
    StreamOut("tactile", 10002, 59.8, 1.6, 14352, 0),
    StreamOut("force", 10005, 119.7, 1.1, 14364, 0),
    StreamOut("panels", 10004, 23.9, 3.4, 2868, 0),
)


def headset(**changes: Any) -> HeadsetStatus:
    made = HeadsetStatus(
        t_ns=0,
        listening=False,
        port=8082,
        address="",
        posters=(),
        calibration=None,
        set_up=NOT_RUNNING,
        panels="off",
        panel_presets=("off", "front", "wrists", "all"),
        streams=(),
        counters={
            "posts": 0,
            "malformed": 0,
            "refused": 0,
            "reordered": 0,
            "restarts": 0,
            "jumps": 0,
        },
        delay_p50_ms=math.nan,
        delay_p99_ms=math.nan,
        touch_delay_p99_ms=math.nan,
        battery=math.nan,
        capturing="",
        text="",
        fault=False,
        simulated=True,
    )
    return msgspec.structs.replace(made, **changes)


def answer(status: HeadsetStatus, request: Request) -> HeadsetStatus:
    """The status after a request, as a headset process would change it."""
    match request:
        case HeadsetListen(on=on, port=port):
            posters = status.posters if on else ()
            return msgspec.structs.replace(status, listening=on, port=port, posters=posters)
        case HeadsetConfirm(address=address):
            posters = tuple(
                msgspec.structs.replace(p, confirmed=p.address == address) for p in status.posters
            )
            streams = STREAMS if address else ()
            return msgspec.structs.replace(
                status, address=address, posters=posters, streams=streams, delay_p99_ms=3.2
            )
        case HeadsetPanels(preset=preset):
            return msgspec.structs.replace(status, panels=preset)
        case HeadsetCapture(path=path):
            return msgspec.structs.replace(status, capturing=path)
        case HeadsetSetUp(step=step):
            return _set_up(status, step)
    return status


def _set_up(status: HeadsetStatus, step: str) -> HeadsetStatus:
    change = msgspec.structs.replace
    match step:
        case "begin":
            return _ask(status, "squeeze_left")
        case "finish":
            made = status.calibration or calibration()
            return change(status, set_up=NOT_RUNNING, calibration=change(made, doubt=""))
        case "keep" if status.calibration is not None:
            return change(status, calibration=change(status.calibration, doubt=""))
        case "cancel":
            return change(status, set_up=NOT_RUNNING)
        case "swap" if status.calibration is not None:
            made = change(status.calibration, swapped=not status.calibration.swapped)
            return change(status, calibration=made)
        case "no_trim":
            return _ask(status, "align")
        case "squeeze_left" | "push_forward" | "align":
            return _ask(status, step)
    return status


def _ask(status: HeadsetStatus, step: str) -> HeadsetStatus:
    return msgspec.structs.replace(status, set_up=SetUpState(step, ASKED[step]))


def follow(status: HeadsetStatus) -> HeadsetStatus:
    """The operator has done what was asked: the next step."""
    following = {"squeeze_left": "push_forward", "push_forward": "align"}
    step = following.get(status.set_up.step)
    return _ask(status, step) if step else _set_up(status, "finish")


def turn(yaw: float) -> tuple[float, float, float, float]:
    """Quaternion wxyz of a heading about the vertical [rad], Unity frame."""
    return math.cos(yaw / 2), 0.0, math.sin(yaw / 2), 0.0


def posted(
    t_ns: int,
    *,
    left: tuple[float, float, float] = (-0.22, 1.12, 0.38),
    right: tuple[float, float, float] = (0.22, 1.12, 0.38),
    grips: tuple[bool, bool] = (False, False),
    triggers: tuple[float, float] = (0.0, 0.0),
    yaw: float = 0.0,
) -> dict[str, Sample]:
    """The newest samples of head and controllers, positions [m] in the Unity frame."""
    made = {}
    for number, (side, place) in enumerate((("left", left), ("right", right))):
        buttons = (0.0, 0.0, 0.0, float(triggers[number] > 0.5), float(grips[number]))
        data = np.array([*place, *turn(yaw), triggers[number], *buttons])
        made[f"headset/{side}_controller"] = Sample(f"headset/{side}_controller", 0, t_ns, data)
    head = np.array([0.0, 1.62, 0.0, *turn(yaw)])
    made["headset/head"] = Sample("headset/head", 0, t_ns, head)
    return made
