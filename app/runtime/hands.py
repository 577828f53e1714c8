"""Hands and commands between messages, the drive chain and the streams that record them."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from app.runtime.messages import Drive, Hand
from devices.leader import SIDES, HandInput, LeaderInput, Side
from devices.mapping.chain import Tick
from devices.pose import Pose
from devices.stream import FloatArray, StreamSpec

HAND_COLUMNS = ("x", "y", "z", "qw", "qx", "qy", "qz", "clutch", "grip")


def leader_input(drive: Drive) -> LeaderInput | None:
    """The reading that a Drive message carries; None if a pose in it is no pose."""
    try:
        return LeaderInput(
            device=drive.device,
            seq=drive.seq,
            t_ns=drive.t_ns,
            left=_hand(drive.left),
            right=_hand(drive.right),
            deadman=drive.deadman,
            barred=drive.barred,
        )
    except ValueError:
        return None


def _hand(hand: Hand | None) -> HandInput | None:
    if hand is None:
        return None
    pose = Pose.from_array(np.array(hand.pose))
    if not np.isfinite(pose.position).all():
        raise ValueError(f"not a position: {pose.position.tolist()}")
    return HandInput(clutch=hand.clutch, pose=pose, grip=hand.grip)


def as_drive(reading: LeaderInput) -> Drive:
    """A reading on its way to the station."""
    return Drive(
        device=reading.device,
        seq=reading.seq,
        t_ns=reading.t_ns,
        left=_as_hand(reading.left),
        right=_as_hand(reading.right),
        deadman=reading.deadman,
        barred=reading.barred,
    )


def _as_hand(hand: HandInput | None) -> Hand | None:
    if hand is None:
        return None
    x, y, z, qw, qx, qy, qz = hand.pose.to_array().tolist()
    return Hand(clutch=hand.clutch, pose=(x, y, z, qw, qx, qy, qz), grip=hand.grip)


def hand_row(hand: HandInput) -> FloatArray:
    """A row of `leader/S`: HAND_COLUMNS, shape (9,); grip is NaN where it was not asked."""
    grip = math.nan if hand.grip is None else hand.grip
    return np.array(
        [*hand.pose.position.tolist(), *hand.pose.quat.tolist(), float(hand.clutch), grip]
    )


def command_specs(rate_hz: float) -> tuple[StreamSpec, ...]:
    """The operator's and the command streams of both arms (docs/contracts.md)."""

    def both(side: Side) -> tuple[StreamSpec, ...]:
        return (
            StreamSpec(f"leader/{side}", (9,), "float64", "m", "input", rate_hz, kind="operator"),
            StreamSpec(
                f"{side}_arm/T_world_tool_requested",
                (7,),
                "float64",
                "m",
                "world",
                rate_hz,
                kind="command",
            ),
            StreamSpec(
                f"{side}_arm/T_world_tool_sent",
                (7,),
                "float64",
                "m,wxyz",
                "world",
                rate_hz,
                kind="command",
            ),
            *(
                StreamSpec(
                    f"{side}_arm/q_{word}", (7,), "float64", "rad", "", rate_hz, 0, "command"
                )
                for word in ("requested", "sent")
            ),
            *(
                StreamSpec(
                    f"{side}_gripper/gap_{word}", (1,), "float64", "m", "", rate_hz, 0, "command"
                )
                for word in ("requested", "sent")
            ),
        )

    return tuple(spec for side in SIDES for spec in both(side))


class Publishes(Protocol):
    """Where samples go: rings of the station, or an episode file."""

    def publish(self, stream: str, t_ns: int, data: FloatArray) -> None: ...


def publish_commands(outlet: Publishes, reading: LeaderInput | None, tick: Tick) -> None:
    """One row per stream that has something to say at this tick; the others keep their gap."""
    for side in SIDES:
        hand = None if reading is None else reading.hand(side)
        if hand is not None:
            outlet.publish(f"leader/{side}", tick.t_ns, hand_row(hand))
        if side in tick.requested:
            pose = tick.requested[side].to_array()
            outlet.publish(f"{side}_arm/T_world_tool_requested", tick.t_ns, pose)
        if side in tick.q_requested:
            outlet.publish(f"{side}_arm/q_requested", tick.t_ns, tick.q_requested[side])
            outlet.publish(
                f"{side}_gripper/gap_requested", tick.t_ns, np.array([tick.gap_requested[side]])
            )
        if side in tick.tools_sent:
            outlet.publish(
                f"{side}_arm/T_world_tool_sent", tick.t_ns, tick.tools_sent[side].to_array()
            )
        sent = tick.command.arm(side)
        if sent is not None:
            outlet.publish(f"{side}_arm/q_sent", tick.t_ns, sent.q)
            outlet.publish(f"{side}_gripper/gap_sent", tick.t_ns, np.array([sent.gripper]))
