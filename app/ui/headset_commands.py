"""What the intents about the headset ask of the headset process and of the station."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from app.runtime.requests import (
    HeadsetCapture,
    HeadsetConfirm,
    HeadsetListen,
    HeadsetPanels,
    HeadsetSetUp,
    Request,
    Restart,
    SetDriving,
    SetUpStep,
)
from app.ui.headset.motion import mode_named, mode_of, mode_title, with_axis_changed
from app.ui.place import SessionPort
from devices.mapping.clutch import MOTIONS, Axes

Ask = Callable[[Request, str], bool]


class HeadsetCommands:
    """Handlers by the name of an intent; `Commands` performs them.

    Args:
        session: Whose statuses decide what a toggle asks for.
        ask: Asks, tells the user what came of it, and says whether it was done.
        ask_quietly: The same, and tells the user only what was refused.
        say: Tells the user something.

    Attributes:
        scale: Metres of tool a metre of hand.
        axes: Which axes the tools follow.
        motion: Name of that choice, "" for a free one.
    """

    def __init__(
        self, session: SessionPort, ask: Ask, ask_quietly: Ask, say: Callable[[str], None]
    ) -> None:
        self._session = session
        self._ask = ask
        self._ask_quietly = ask_quietly
        self._say = say
        self.forget()
        self.handlers: dict[str, Callable[[str], object]] = {
            "headset_listen": self._listen,
            "headset_confirm": self._confirm,
            "headset_set_up": self._set_up,
            "headset_panels": lambda preset: self._ask(HeadsetPanels(preset), f"Panels: {preset}"),
            "headset_capture": self._capture,
            "restart_headset": lambda _: self._ask(Restart("headset"), "Starting it again"),
            "drive_motion": self._motion,
            "drive_axis": self._axis,
        }

    def forget(self) -> None:
        """A station that starts anew drives as it did at first."""
        self.scale = 1.0
        self.axes: Axes = MOTIONS["6dof"]
        self.motion = "6dof"

    def set_scale(self, scale: float) -> bool:
        """Another scale from hand to tool, with the same axes."""
        done = self._ask(SetDriving(scale, 1.0, self.axes), f"Tool follows the hand {scale:g} : 1")
        if done:
            self.scale = scale
        return done

    def _listen(self, which: str) -> None:
        status = self._session.headset
        on = which == "on" if which else not (status is not None and status.listening)
        port = status.port if status is not None and status.port else 8082
        said = f"Port {port} is open to this network" if on else "The port is closed"
        self._ask(HeadsetListen(on, port), said)

    def _confirm(self, address: str) -> None:
        """ "-" forgets the confirmed one: nobody drives."""
        if address in ("", "-"):
            self._ask(HeadsetConfirm(""), "No headset is confirmed; nobody drives")
        else:
            self._ask(HeadsetConfirm(address), f"Posts of {address} alone are taken")

    def _set_up(self, step: str) -> None:
        status = self._session.headset
        if step == "again" and status is not None:
            step = status.set_up.step
        for known in get_args(SetUpStep):
            if known == step:
                # The page shows what is asked then, in large type: no need to say it twice.
                asking = known in ("begin", "squeeze_left", "push_forward", "align")
                (self._ask_quietly if asking else self._ask)(HeadsetSetUp(known), "")

    def _capture(self, path: str) -> None:
        status = self._session.headset
        if status is not None and status.capturing:
            self._ask(HeadsetCapture(""), f"Written: {status.capturing}")
        elif path:
            self._ask(HeadsetCapture(path), f"What is posted goes to {path}")

    def _motion(self, name: str) -> None:
        mode = mode_named(name)
        if mode is not None and self._drive(mode.axes, f"Motion: {mode.title}"):
            self.motion = mode.name
        elif mode is None and name:
            self._axis(name)

    def _axis(self, name: str) -> None:
        axes = with_axis_changed(self.axes, name)
        if not any(axes):
            self._say("One axis must be followed; choose another first")
            return
        motion = mode_of(axes)
        if self._drive(axes, f"Motion: {mode_title(motion)}"):
            self.motion = motion

    def _drive(self, axes: Axes, said: str) -> bool:
        done = self._ask(SetDriving(self.scale, 1.0, axes), said)
        if done:
            self.axes = axes
        return done
