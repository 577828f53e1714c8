"""What Test remembers between runs: checkpoints used, the folder of results, who judges."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

KEPT = 12


@dataclass(frozen=True, slots=True)
class Memory:
    """Remembered choices; losing them costs nothing but convenience.

    Attributes:
        checkpoints: Paths and addresses that were loaded, newest first.
        results: Folder of the book of trials, "" for the one beside the dataset.
        judge: Who judges.
    """

    checkpoints: tuple[str, ...] = ()
    results: str = ""
    judge: str = ""

    def with_checkpoint(self, path: str) -> Memory:
        """With `path` at the head of those used."""
        rest = tuple(other for other in self.checkpoints if other != path)
        return replace(self, checkpoints=(path, *rest)[:KEPT])


class MemoryFile:
    """Reads and writes a `Memory` at one path; None remembers nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> Memory:
        """What was stored; a missing or spoilt file gives the defaults."""
        if self._path is None:
            return Memory()
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Memory)
        except (OSError, msgspec.DecodeError):
            return Memory()

    def save(self, memory: Memory) -> None:
        """Write it. Raises OSError."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.draft")
        draft.write_bytes(msgspec.json.encode(memory))
        draft.replace(self._path)


def me() -> str:
    """Who judges, as far as the machine knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a machine without users
        return "a person"
