"""Errors that name the offender, the allowed values and the next step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class TeledeckError(Exception):
    """Base of every error that a user may read.

    Args:
        what: What is wrong, naming the offender ("Unknown scene 'wype'").
        allowed: The values that would have been accepted, if they can be listed.
        next_step: What the reader can do now.
    """

    def __init__(self, what: str, *, allowed: Iterable[object] = (), next_step: str = "") -> None:
        self.what = what.rstrip(".")
        self.allowed = tuple(str(item) for item in allowed)
        self.next_step = next_step.rstrip(".")
        parts = [f"{self.what}."]
        if self.allowed:
            parts.append(f"Allowed: {', '.join(self.allowed)}.")
        if self.next_step:
            parts.append(f"{self.next_step}.")
        super().__init__(" ".join(parts))


class ConfigError(TeledeckError):
    """A station file, option or name that cannot be used."""


class DeviceError(TeledeckError):
    """A device that is absent, unplugged, or answers nonsense."""


class StreamError(TeledeckError):
    """A ring or stream that is missing, foreign or of another shape than declared."""


class StorageError(TeledeckError):
    """A dataset or episode that cannot be read or written."""


class PolicyError(TeledeckError):
    """A policy that cannot be loaded, does not fit the station, or answers nonsense."""


class WireError(TeledeckError):
    """Bytes from a peer that are not what its protocol promises."""


class ManyErrors(TeledeckError):
    """Several failures told together, so that one run shows them all."""

    def __init__(self, title: str, errors: Sequence[TeledeckError]) -> None:
        self.errors = tuple(errors)
        lines = "\n".join(f"  - {error}" for error in self.errors)
        super().__init__(f"{title}:\n{lines}")
