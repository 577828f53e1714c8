"""The leader whose hand is elsewhere: mouse and keyboard of the window, a headset."""

from __future__ import annotations

from devices.leader import LeaderInput, Observation


class RemoteLeader:
    """Hands on what it was last fed. Whether that is fresh enough to drive is for the mapping to
    judge, by the time stamp of the reading.

    Args:
        name: Of the device: "window", "headset".
    """

    def __init__(self, name: str = "window") -> None:
        self.name = name
        self._reading: LeaderInput | None = None
        self._connected = False

    def connect(self) -> None:
        """Begin with no reading: what was fed before the device was chosen drives nothing."""
        self._reading = None
        self._connected = True

    def feed(self, reading: LeaderInput) -> None:
        """Take a reading that arrived; ignored while not connected or older than the last."""
        last = self._reading
        if not self._connected:
            return
        if last is None or last.device != reading.device or reading.t_ns >= last.t_ns:
            self._reading = reading

    def read(self, observation: Observation) -> LeaderInput | None:
        return self._reading

    def close(self) -> None:
        self._reading = None
        self._connected = False
