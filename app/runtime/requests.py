"""What a child of a run is asked, and what it answers, typed (`app.runtime.messages`)."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from app.runtime.messages import Message


# -------------------------------------------------------------------------- requests to station
class EStop(Message, frozen=True):
    """Stop now and stay stopped until ClearEStop. `why` is shown and recorded."""

    why: str


class ClearEStop(Message, frozen=True):
    pass


class GoHome(Message, frozen=True):
    """Guarded motion to the home pose, without changing the scene."""


class ResetScene(Message, frozen=True):
    """New seeded start of the scene. None draws the next seed. The arms go home first."""

    seed: int | None = None


class UseLeader(Message, frozen=True):
    """Which device drives: window, headset, gamepad, scripted, scripted-blind, replay (of
    `episode`)."""

    name: str
    episode: str = ""


class SetDriving(Message, frozen=True):
    """Scale of translation and rotation from hand to tool, and which axes are followed: x, y, z
    and the turns about x, y, z of the world (`devices.mapping.clutch.MOTIONS` names some)."""

    translation_scale: float = 1.0
    rotation_scale: float = 1.0
    axes: tuple[bool, bool, bool, bool, bool, bool] = (True, True, True, True, True, True)


class Perturb(Message, frozen=True):
    name: str


# -------------------------------------------------------------------------- requests to headset
class HeadsetListen(Message, frozen=True):
    """Open or close the TactAR port. It has no protection; it is closed until asked for."""

    on: bool
    port: int = 8082


class HeadsetConfirm(Message, frozen=True):
    """Posts of this address alone drive, and it gets the overlays; "" trusts nobody."""

    address: str


SetUpStep = Literal[
    "begin", "squeeze_left", "push_forward", "align", "finish", "cancel", "swap", "no_trim", "keep"
]


class HeadsetSetUp(Message, frozen=True):
    """One move in the guided set-up; the status tells what is asked of the operator.

    Outside a set-up "push_forward" checks whether the calibration still holds, and "keep" says
    that it does, whatever casts doubt on it.
    """

    step: SetUpStep


class HeadsetPanels(Message, frozen=True):
    """Which camera panels hang where in the headset: a named preset, "off" for none."""

    preset: str


class HeadsetCapture(Message, frozen=True):
    """Write all that is posted to a session file from now on; "" ends it."""

    path: str


# ---------------------------------------------------------------------------- requests to touch
class RezeroTouch(Message, frozen=True):
    """What the pads feel now is their new zero. "" means all pads."""

    pad: str = ""


class GraspBaseline(Message, frozen=True):
    """Subtract the grasp from what is shown, when one is held: switch the feature on or off."""

    on: bool


# ------------------------------------------------------------------ requests about policies
Slot = Literal["policy_a", "policy_b"]
SLOTS: tuple[Slot, ...] = get_args(Slot)


class PolicyLoad(Message, frozen=True):
    """To the station: load a checkpoint (a folder, or a server's address) into the free slot."""

    path: str


class PolicyWatch(Message, frozen=True):
    """To the station: load each new best checkpoint of a training's folder, and let it drive if
    `use`. "" ends that."""

    path: str
    use: bool = False


class PolicyUse(Message, frozen=True):
    """To the station: once it has answered, from the next tick on, the policy in this slot drives;
    who drove before drives until then. "" takes none. The station tells the worker the same, which
    begins anew then."""

    slot: str
    seed: int | None = None


class PolicyHold(Message, frozen=True):
    """To the station: the policy that drives holds (or goes on)."""

    on: bool


class PolicyDrop(Message, frozen=True):
    """To the station: end the worker of this slot."""

    slot: str


class SetInstruction(Message, frozen=True):
    """To the station: what the robot is told to do, without loading anything anew."""

    text: str


# ------------------------------------------------------------------------- requests to recorder
Verdict = Literal["success", "failure"]


class OpenDataset(Message, frozen=True):
    """Open or create the dataset folder that the next takes go to."""

    path: str
    task: str
    operator: str = ""
    target: int = 0


class Arm(Message, frozen=True):
    """Get ready: from here on, the pre-roll counts and Start begins a take."""


class Start(Message, frozen=True):
    """Begin a take, 2 s in the past. `practice` saves nothing."""

    task: str
    practice: bool = False


class Pause(Message, frozen=True):
    on: bool


class Stop(Message, frozen=True):
    """End the take; it is stored, as failed until kept."""


class Keep(Message, frozen=True):
    verdict: Verdict
    note: str = ""


class Discard(Message, frozen=True):
    """Put the stopped (or running) take in the trash of its dataset; undo brings it back."""


class KeepLast(Message, frozen=True):
    """Make an episode of the last seconds of a rollout, although no take ran: while a policy is in
    hand they are kept in a scratch file. At most 60 s."""

    seconds: float = 30.0


# ----------------------------------------------------------------------- requests to supervisor
class Restart(Message, frozen=True):
    """Start a child that has ended, or end and start one that runs, with changed options."""

    child: str
    options: dict[str, str | int | float] = {}  # noqa: RUF012 (a Struct copies it)


class StopChild(Message, frozen=True):
    """End a child that runs."""

    child: str


# ----------------------------------------------------------------------------- requests, shared
class Ping(Message, frozen=True):
    pass


class Shutdown(Message, frozen=True):
    pass


Request = (
    EStop
    | ClearEStop
    | GoHome
    | ResetScene
    | UseLeader
    | SetDriving
    | Perturb
    | HeadsetListen
    | HeadsetConfirm
    | HeadsetSetUp
    | HeadsetPanels
    | HeadsetCapture
    | RezeroTouch
    | GraspBaseline
    | PolicyLoad
    | PolicyWatch
    | PolicyUse
    | PolicyHold
    | PolicyDrop
    | SetInstruction
    | OpenDataset
    | Arm
    | Start
    | Pause
    | Stop
    | Keep
    | Discard
    | KeepLast
    | Restart
    | StopChild
    | Ping
    | Shutdown
)


class Ok(Message, frozen=True):
    """Done. `uid` is the episode a recorder request was about."""

    text: str = ""
    uid: str = ""


class Refused(Message, frozen=True):
    """Not done, and why, in a sentence for the user."""

    why: str


Reply = Ok | Refused

_request = msgspec.msgpack.Decoder(Request)
_reply = msgspec.msgpack.Decoder(Reply)


def decode_request(data: bytes) -> Request:
    """Raises msgspec.DecodeError or ValidationError for anything that is not a Request."""
    return _request.decode(data)


def decode_reply(data: bytes) -> Reply:
    return _reply.decode(data)
