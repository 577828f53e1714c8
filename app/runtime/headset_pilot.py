"""Whose headset drives, what corrects it, and whether that is still to be believed. No sockets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app.runtime.requests import SetUpStep
from app.runtime.statuses import Event, HeadsetCalibration, SetUpState
from devices.clock import NS_PER_S
from devices.errors import ConfigError, StorageError
from devices.leader import LeaderInput, Side
from devices.tactar.calibration import Calibration, CalibrationStore, now_iso
from devices.tactar.hands import Hands, News
from devices.tactar.set_up import Found, SetUp
from devices.tactar.wire import Controller, Post

_FAULTS = ("restart", "recentre", "tracking", "jump", "gap")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a post led to.

    Attributes:
        reading: For the station; None for a post that came too late.
        hands: Controllers by the hand that holds them, as posted.
        panels_cleared: The app has thrown its panels away.
    """

    reading: LeaderInput | None = None
    hands: Mapping[Side, Controller] | None = None
    panels_cleared: bool = False


class Pilot:
    """Set-up, calibration and hands of the confirmed headset.

    Args:
        station: Name of the station; calibrations are kept for headset and station.
        store: Where they are kept.
        tell: Where events go.
        now: The wall clock.

    Attributes:
        address: Of the confirmed headset, "" while there is none.
        doubt: Why the calibration has to be confirmed before it drives, or "".
    """

    def __init__(
        self,
        station: str,
        store: CalibrationStore,
        tell: Callable[[Event], None],
        now: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    ) -> None:
        self._station = station
        self._store = store
        self._tell = tell
        self._now = now
        self.address = ""
        self.doubt = ""
        self.hands = Hands()
        self.set_up = SetUp()
        self._app_started_s: float | None = None
        self._compared = False
        self._trouble = ""
        self._said = ""

    @property
    def calibration(self) -> Calibration | None:
        return self.hands.calibration

    # ------------------------------------------------------------------------------------ whose
    def confirm(self, address: str) -> str:
        """Posts of this address alone count from now on; "" trusts nobody. Returns what to tell
        the user."""
        if address == self.address:
            return f"{address} is confirmed." if address else "No headset is confirmed."
        self.address = address
        self.hands = Hands()
        self.set_up = SetUp()
        self.doubt, self._trouble, self._said = "", "", ""
        self._app_started_s, self._compared = None, False
        if not address:
            return "No headset is confirmed; nobody drives from one."
        try:
            self.hands.use(self._store.load(address, self._station))
        except StorageError as error:
            self._trouble = str(error)
            return f"{address} is confirmed. {error}"
        if self.calibration is None:
            return f"{address} is confirmed; it has to be set up once."
        return f"{address} is confirmed, with the set-up of {self.calibration.made}."

    # ------------------------------------------------------------------------------------ posts
    def take(self, post: Post, arrival_ns: int) -> Taken:
        """One post of the confirmed headset, or of the only one while none is confirmed."""
        step = self.hands.step(post, arrival_ns, *self._barred())
        if step.reading is None:
            return Taken()
        self._app_started_s = self._now().timestamp() - post.timestamp
        for news in step.news:
            self._hear(news, arrival_ns)
        self._compare(arrival_ns)
        if self.set_up.running:
            self.set_up.feed(post, arrival_ns)
            if self.set_up.accepted:
                self._keep_set_up(arrival_ns)
        cleared = any(news.kind == "cleared" for news in step.news)
        return Taken(step.reading if self.address else None, step.hands, cleared)

    def _barred(self) -> tuple[str, str]:
        """Why nobody may drive from the headset now, and the way out; "" twice where one may."""
        if not self.address:
            return "no headset is confirmed", "confirm one on the headset page"
        if self.set_up.running:
            return "the set-up of the headset runs", "end or cancel it on the headset page"
        return (self.doubt, "push once more, or keep it, on the headset page" if self.doubt else "")

    def _hear(self, news: News, t_ns: int) -> None:
        if self.address:
            kind = "fault" if news.kind in _FAULTS else "leader"
            data: dict[str, float | str | bool | None] = {
                "headset": news.kind,
                "side": news.side or "",
            }
            self._tell(Event(t_ns, kind, news.text, data))  # type: ignore[arg-type]
            self._said = news.text
        if news.kind == "restart":
            self._compared = True
            self._cast_doubt(
                "The app was started again since the set-up; its frame may be another."
            )
        elif news.kind == "recentre":
            self._cast_doubt("The headset was recentred since the set-up.")
        elif news.kind == "calibrated":
            self._cast_doubt("The app's axes were moved since the set-up.")
        if news.kind in ("restart", "recentre", "calibrated"):
            self.set_up.frame_moved()

    def _compare(self, t_ns: int) -> None:
        """Once for each stored calibration: is it from this start of the app?"""
        if self._compared or self.calibration is None or self._app_started_s is None:
            return
        self._compared = True
        if self.calibration.app_restarted(self._app_started_s):
            self._cast_doubt(
                "The app was started again since the set-up; its frame may be another."
            )
            self._tell(Event(t_ns, "leader", self.doubt, {"headset": "doubt"}))

    def _cast_doubt(self, why: str) -> None:
        if self.calibration is not None and not self.doubt:
            self.doubt = why

    # ----------------------------------------------------------------------------------- set-up
    def move(self, step: SetUpStep, t_ns: int) -> str:
        """One move of the set-up. Returns what to tell the user.

        Raises:
            ConfigError: When it cannot be made now, saying what comes first.
        """
        if not self.address:
            raise ConfigError("No headset is confirmed", next_step="Confirm one that posts first")
        running, known = self.set_up.running, self.calibration
        match step:
            case "begin":
                self.hands.not_calibrating()
                self.set_up.begin()
            case "cancel":
                self.set_up.cancel()
                return "The set-up ended without a result."
            case "squeeze_left" if not running:
                self.set_up.begin()
            case "push_forward" if not running and known is not None:
                self.hands.not_calibrating()
                self.set_up.check(_found(known))
            case "align" if not running and known is not None:
                self.set_up.found = _found(known)
                _must(self.set_up.go_to("align"))
            case "squeeze_left" | "push_forward" | "align":
                _must(self.set_up.go_to(step))
            case "finish" if running:
                _must(self.set_up.finish())
                self._keep_set_up(t_ns)
                return "The headset is set up."
            case "finish" | "keep":
                return self._trust_again(t_ns)
            case "swap" if running or known is None:
                self.set_up.swap()
            case "swap":
                assert known is not None
                self._use(replace(known, swapped=not known.swapped), t_ns, "Left and right changed")
                return "Left and right are exchanged."
            case "no_trim" if running or known is None:
                self.set_up.no_trim()
            case "no_trim":
                assert known is not None
                self._use(replace(known, trim_rad=0.0), t_ns, "The trim was switched off")
                return "Positions are taken as they are posted."
        return self.set_up.text

    def _trust_again(self, t_ns: int) -> str:
        known = self.calibration
        if known is None:
            raise ConfigError("There is no set-up to keep", next_step="Begin the set-up")
        if self.set_up.running:
            self.set_up.cancel()
        started = known.app_started_s if self._app_started_s is None else self._app_started_s
        self._use(replace(known, app_started_s=started), t_ns, "The operator kept the set-up")
        return "The set-up is kept; squeeze a grip to drive."

    def _keep_set_up(self, t_ns: int) -> None:
        found = self.set_up.found
        self.set_up.accepted = False
        assert found.swapped is not None and found.trim_rad is not None
        assert found.yaw_rad is not None
        calibration = Calibration(
            headset=self.address,
            station=self._station,
            made=now_iso(self._now()),
            swapped=found.swapped,
            trim_rad=found.trim_rad,
            residual_rad=found.residual_rad,
            yaw_rad=found.yaw_rad,
            app_started_s=self._app_started_s or self._now().timestamp(),
        )
        self._use(calibration, t_ns, "The headset was set up")

    def _use(self, calibration: Calibration, t_ns: int, what: str) -> None:
        self.hands.use(calibration)
        self.doubt, self._trouble, self._compared = "", "", True
        self._said = f"{what}."
        data: dict[str, float | str | bool | None] = {
            "headset": "calibration",
            "trim_rad": calibration.trim_rad,
            "residual_rad": calibration.residual_rad,
            "yaw_rad": calibration.yaw_rad,
            "swapped": calibration.swapped,
        }
        self._tell(Event(t_ns, "leader", what, data))
        try:
            self._store.save(calibration)
        except StorageError as error:
            self._trouble = str(error)

    # -------------------------------------------------------------------------------- what it is
    def told(self) -> HeadsetCalibration | None:
        """The calibration in use, for the status."""
        one = self.calibration
        if one is None:
            return None
        return HeadsetCalibration(
            headset=one.headset,
            station=one.station,
            made=one.made,
            age_s=one.age_s(self._now()),
            swapped=one.swapped,
            trim_rad=one.trim_rad,
            residual_rad=one.residual_rad,
            T_world_headset=tuple(one.T_world_headset.to_array().tolist()),
            doubt=self.doubt,
        )

    def holds(self) -> dict[str, str]:
        """By side: why a hand drives nothing though its grip is squeezed, as a sentence."""
        return {
            side: f"{why[:1].upper()}{why[1:].rstrip('.')}."
            for side, why in self.hands.holds().items()
        }

    def set_up_state(self) -> SetUpState:
        one = self.set_up
        found = one.found
        trim = math.nan if found.trim_rad is None else found.trim_rad
        spread = math.nan if found.trim_rad is None else found.residual_rad
        return SetUpState(one.step, one.text, one.share, one.problem, trim, spread)

    def text(self, silent_ns: int | None) -> tuple[str, bool]:
        """What is to be said of the headset, and whether it is a fault.

        Args:
            silent_ns: Time since its last post; None before the first.
        """
        if self._trouble:
            return self._trouble, True
        if not self.address:
            return "Confirm which headset drives.", False
        if silent_ns is None or silent_ns > NS_PER_S:
            return f"Nothing comes from {self.address}; the robot holds.", True
        if self.hands.calibrating:
            return "The app is in its calibration mode (X and A); nothing drives.", False
        if self.set_up.running:
            return self.set_up.text, False
        if self.calibration is None:
            return "Set the headset up before you drive.", False
        if self.doubt:
            return f"{self.doubt} Push once more or keep it.", True
        return self._said or "Squeeze a grip to drive.", False


def _found(calibration: Calibration) -> Found:
    return Found(
        calibration.swapped, calibration.trim_rad, calibration.residual_rad, calibration.yaw_rad
    )


def _must(why: str) -> None:
    if why:
        raise ConfigError(why.rstrip("."))
