"""The input devices of a station, one of which drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.errors import ConfigError, DeviceError, TeledeckError
from devices.leader import Leader, LeaderInput, Observation
from devices.leaders.gamepad import GamepadLeader
from devices.leaders.joystick import ButtonEdge
from devices.leaders.remote import RemoteLeader

LeaderFactory = Callable[[str], Leader]

_HUMAN = ("gamepad",)  # devices of the station that a person holds, beside those fed by messages
_FRESH_NS = 150_000_000


class Leaders:
    """Makes, switches and restarts input devices.

    Args:
        factories: How to make the devices that live in the station, by name. The argument is the
            episode for "replay", "" for the others. "window" is always there, fed by messages.

    Attributes:
        window: The device fed by the window's messages.
        name: Of the device that drives.
        current: The device that drives.
    """

    def __init__(self, factories: Mapping[str, LeaderFactory]) -> None:
        self._factories = dict(factories)
        self._troubles: dict[str, str] = {}
        self._episode = ""
        self.window = RemoteLeader()
        self.window.connect()
        self.name = "window"
        self.current: Leader = self.window
        self._watched: dict[str, Leader] = {}
        self._clutched: dict[str, bool] = {}

    def use(self, name: str, episode: str = "") -> None:
        """Let another device drive. The old one stays if the new one cannot be connected.

        Raises:
            ConfigError: For an unknown name.
            DeviceError: When the device cannot be connected.
        """
        if name != "window" and name not in self._factories:
            raise ConfigError(f"Unknown device '{name}'", allowed=("window", *self._factories))
        if name == "window":
            leader: Leader = self.window
            leader.connect()
        else:
            leader = self._connect(name, episode)
        if self.current is not self.window and self.current is not leader:
            self.current.close()
        self._watched.pop(name, None)
        self.name, self.current, self._episode = name, leader, episode

    # ------------------------------------------------------------------------------- takeover
    @property
    def scripted(self) -> bool:
        """Whether what drives is no person: a script, a recording."""
        return self.name != "window" and self.name not in _HUMAN

    def watch(self) -> None:
        """Listen to every device that a person may take over with; one that is not there is not
        missed."""
        for name in _HUMAN:
            if name == self.name or name in self._watched or name not in self._factories:
                continue
            try:
                self._watched[name] = self._connect(name, "")
            except DeviceError:
                continue  # its trouble is told in `states`

    def takers(
        self, observation: Observation, current: LeaderInput | None
    ) -> dict[str, LeaderInput]:
        """The readings, by device, of those whose clutch has just been pressed.

        Call it every tick: a clutch that was held before is not one that was pressed.

        Args:
            observation: Of this tick.
            current: What the device that drives has just read.
        """
        readings: dict[str, LeaderInput | None] = {self.name: current}
        if self.name != "window":
            readings["window"] = self.window.read(observation)
        for name, leader in tuple(self._watched.items()):
            try:
                readings[name] = leader.read(observation)
            except TeledeckError as error:
                self._troubles[name] = str(error)
                self._watched.pop(name).close()
        pressed: dict[str, LeaderInput] = {}
        for name, reading in readings.items():
            held = reading is not None and _held(reading, observation.t_ns)
            if reading is not None and held and not self._clutched.get(name, False):
                pressed[name] = reading
            self._clutched[name] = held
        return pressed

    def take(self, name: str) -> None:
        """The device, which is listened to already, drives from now on."""
        if name == self.name:
            return
        leader = self.window if name == "window" else self._watched.pop(name)
        if self.name in _HUMAN:
            self._watched[self.name] = self.current
        elif self.current is not self.window:
            self.current.close()
        self.name, self.current, self._episode = name, leader, ""

    def _connect(self, name: str, episode: str) -> Leader:
        if name in self._watched:
            return self._watched[name]
        try:
            leader = self._factories[name](episode)
            leader.connect()
        except TeledeckError as error:
            self._troubles[name] = str(error)
            raise
        self._troubles.pop(name, None)
        return leader

    def restart(self) -> None:
        """Begin anew with the device that drives, as after a reset of the scene."""
        if self.name != "window":
            self.use(self.name, self._episode)

    def states(self) -> dict[str, str]:
        """Per device: "ready", "driving", "done", or what is wrong with it."""
        states = {name: self._troubles.get(name, "ready") for name in ("window", *self._factories)}
        states[self.name] = "done" if getattr(self.current, "finished", False) else "driving"
        return states

    def edges(self) -> tuple[ButtonEdge, ...]:
        """Buttons of the device that drives which went down or up since the last call."""
        return self.current.buttons() if isinstance(self.current, GamepadLeader) else ()

    def close(self) -> None:
        """Release all devices. Idempotent."""
        self.current.close()
        for leader in self._watched.values():
            leader.close()


def _held(reading: LeaderInput, now_ns: int) -> bool:
    """Whether somebody holds a clutch of the device now."""
    if not reading.deadman or abs(now_ns - reading.t_ns) > _FRESH_NS:
        return False
    return any(hand is not None and hand.clutch for hand in (reading.left, reading.right))
