"""The input devices of a station, one of which drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.errors import ConfigError, TeledeckError
from devices.leader import Leader
from devices.leaders.gamepad import GamepadLeader
from devices.leaders.joystick import ButtonEdge
from devices.leaders.remote import RemoteLeader

LeaderFactory = Callable[[str], Leader]


class Leaders:
    """Makes, switches and restarts input devices.

    Args:
        factories: How to make the devices that live in the station, by name. The argument is the
            episode for "replay", "" for the others. "window" and "headset" are always there,
            fed by messages.

    Attributes:
        window, headset: The devices fed by messages of the window and of the headset's process.
        name: Of the device that drives.
        current: The device that drives.
    """

    def __init__(self, factories: Mapping[str, LeaderFactory]) -> None:
        self._factories = dict(factories)
        self._troubles: dict[str, str] = {}
        self._episode = ""
        self.window = RemoteLeader()
        self.headset = RemoteLeader("headset")
        self._remote = {"window": self.window, "headset": self.headset}
        self.window.connect()
        self.name = "window"
        self.current: Leader = self.window

    def use(self, name: str, episode: str = "") -> None:
        """Let another device drive. The old one stays if the new one cannot be connected.

        Raises:
            ConfigError: For an unknown name.
            DeviceError: When the device cannot be connected.
        """
        if name not in self._remote and name not in self._factories:
            raise ConfigError(f"Unknown device '{name}'", allowed=(*self._remote, *self._factories))
        if name in self._remote:
            leader: Leader = self._remote[name]
            leader.connect()
        else:
            leader = self._connect(name, episode)
        if self.current is not leader:
            self.current.close()
        self.name, self.current, self._episode = name, leader, episode

    def _connect(self, name: str, episode: str) -> Leader:
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
        if self.name not in self._remote:
            self.use(self.name, self._episode)

    def states(self) -> dict[str, str]:
        """Per device: "ready", "driving", "done", or what is wrong with it."""
        names = (*self._remote, *self._factories)
        states = {name: self._troubles.get(name, "ready") for name in names}
        states[self.name] = "done" if getattr(self.current, "finished", False) else "driving"
        return states

    def edges(self) -> tuple[ButtonEdge, ...]:
        """Buttons of the device that drives which went down or up since the last call."""
        return self.current.buttons() if isinstance(self.current, GamepadLeader) else ()

    def close(self) -> None:
        """Release the device that drives. Idempotent."""
        self.current.close()
