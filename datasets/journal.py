"""What people decided about episodes: one JSON line each, appended, never changed.

The state of a dataset is the fold of its lines. Undo is a line too and names the line it takes
back; an undo can be undone. Many processes may append at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from datasets import layout
from datasets.dataset import reason
from devices.errors import StorageError

Operation = Literal["verdict", "relabel", "delete", "restore", "trim", "note", "purge", "undo"]
OPERATIONS: tuple[str, ...] = get_args(Operation)
Verdict = Literal["success", "failure"]
VERDICTS: tuple[str, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One decision.

    Attributes:
        number: Counts from 1 in the order of the file.
        wall_ns: When it was made, Unix time [ns].
        operation: What sort of decision.
        uid: The episode it is about; for an undo, the episode of the undone line.
        by: Who made it.
        fields: verdict: `verdict`, `note`; relabel: `task`; trim: `first_ns`, `last_ns` (both null
            for the whole episode); note: `text`; undo: `undoes`, a line number.
    """

    number: int
    wall_ns: int
    operation: Operation
    uid: str
    by: str
    fields: Mapping[str, Any]

    @property
    def sentence(self) -> str:
        """What it did, for people."""
        fields = self.fields
        said = {
            "verdict": lambda: f"verdict {fields['verdict']}",
            "relabel": lambda: f"task '{fields['task']}'",
            "delete": lambda: "moved to the trash",
            "restore": lambda: "taken out of the trash",
            "trim": lambda: "trimmed" if fields["first_ns"] is not None else "untrimmed",
            "note": lambda: f"note '{fields['text']}'",
            "purge": lambda: "removed from the disk",
            "undo": lambda: f"line {fields['undoes']} undone",
        }[self.operation]()
        return f"{self.uid}: {said}"


@dataclass(frozen=True, slots=True)
class EpisodeState:
    """What the journal says about one episode.

    Attributes:
        verdict: A take is a failure until somebody said otherwise.
        judged: Whether somebody said so.
        task: The new label, or None for the one it was recorded with.
        deleted: Whether it is in the trash.
        purged: Whether its file was removed.
        trim_ns: First and last instant that count [ns, monotonic], or None for all.
        notes: In the order in which they were made.
    """

    verdict: Verdict = "failure"
    judged: bool = False
    task: str | None = None
    deleted: bool = False
    purged: bool = False
    trim_ns: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JournalState:
    """The fold of all lines.

    Attributes:
        episodes: By uid; an episode without an entry is as `EpisodeState()`.
        undoable: Numbers of the lines that count now and can be undone, oldest first.
    """

    episodes: Mapping[str, EpisodeState] = field(default_factory=dict)
    undoable: tuple[int, ...] = ()

    def of(self, uid: str) -> EpisodeState:
        return self.episodes.get(uid, EpisodeState())


def fold(lines: Iterable[JournalLine]) -> JournalState:
    """What the lines amount to. An undone line counts as if it had never been written."""
    lines = tuple(lines)
    undone: set[int] = set()
    for line in reversed(lines):
        if line.operation == "undo" and line.number not in undone:
            undone.add(int(line.fields["undoes"]))
    counting = [line for line in lines if line.operation != "undo" and line.number not in undone]
    episodes: dict[str, EpisodeState] = {}
    for line in counting:
        before = episodes.get(line.uid, EpisodeState())
        episodes[line.uid] = _APPLY[line.operation](before, line.fields)
    gone = {uid for uid, state in episodes.items() if state.purged}
    undoable = tuple(line.number for line in counting if line.uid not in gone)
    return JournalState(MappingProxyType(episodes), undoable)


class Journal:
    """The journal file of a dataset.

    Args:
        path: The file; made with the first line.
        by: Who decides, written into each line.

    Raises:
        StorageError: If the file cannot be read.
    """

    def __init__(self, path: Path, by: str = "") -> None:
        self.path = path
        self.by = by
        self.complaints: tuple[str, ...] = ()
        self._lines: list[JournalLine] = []
        self._offset = 0
        self._file_lines = 0
        self._highest = 0
        self.refresh()

    @property
    def lines(self) -> tuple[JournalLine, ...]:
        """All lines as of the last `refresh` or decision."""
        return tuple(self._lines)

    @property
    def state(self) -> JournalState:
        return fold(self._lines)

    def refresh(self) -> bool:
        """Read what others appended; returns whether there was anything."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            changed = self._offset > 0
            self._start_over()
            return changed
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            return self._read_on(fd)
        except OSError as error:
            raise self._unreadable(error) from error
        finally:
            os.close(fd)

    # ----------------------------------------------------------------------------- decisions
    def verdict(self, uid: str, verdict: Verdict, note: str = "") -> JournalLine:
        """Call an episode a success or a failure."""
        if verdict not in VERDICTS:
            raise StorageError(f"Unknown verdict {verdict!r}", allowed=VERDICTS)
        return self._append("verdict", uid, {"verdict": verdict, "note": note})

    def relabel(self, uid: str, task: str) -> JournalLine:
        """Give an episode another task."""
        return self._append("relabel", uid, {"task": task})

    def delete(self, uid: str) -> JournalLine:
        """Put an episode in the trash. Its file stays."""
        return self._append("delete", uid, {})

    def restore(self, uid: str) -> JournalLine:
        """Take an episode out of the trash."""
        return self._append("restore", uid, {})

    def trim(self, uid: str, span_ns: tuple[int, int] | None) -> JournalLine:
        """Let only a part of an episode count [ns, monotonic]; None for all of it again."""
        first, last = span_ns if span_ns is not None else (None, None)
        if first is not None and last is not None and first >= last:
            raise StorageError(f"A trim from {first} to {last} leaves nothing")
        return self._append("trim", uid, {"first_ns": first, "last_ns": last})

    def note(self, uid: str, text: str) -> JournalLine:
        """Say something about an episode."""
        return self._append("note", uid, {"text": text})

    def purge(self, uid: str) -> JournalLine:
        """Record that the file of an episode in the trash was removed. Cannot be undone."""

        def check(lines: tuple[JournalLine, ...]) -> dict[str, Any]:
            if not fold(lines).of(uid).deleted:
                raise StorageError(
                    f"Episode {uid} is not in the trash", next_step="Delete it before purging"
                )
            return {}

        return self._append("purge", uid, check)

    def undo(self, number: int | None = None) -> JournalLine:
        """Take back a line: the newest that counts, or the one with this number.

        Raises:
            StorageError: If there is nothing to undo, or that line does not count now.
        """

        def check(lines: tuple[JournalLine, ...]) -> dict[str, Any]:
            undoable = fold(lines).undoable
            if number is None and undoable:
                return {"undoes": undoable[-1]}
            if number is None:
                raise StorageError("There is nothing to undo")
            if number not in undoable and number not in _live_undos(lines):
                raise StorageError(
                    f"Line {number} of the journal cannot be undone",
                    allowed=undoable[-10:],
                    next_step="It is undone already, or about an episode that was purged",
                )
            return {"undoes": number}

        return self._append("undo", None, check)

    def redo(self) -> JournalLine:
        """Take back the newest undo.

        Raises:
            StorageError: If the newest line is not an undo (something else was decided since).
        """

        def check(lines: tuple[JournalLine, ...]) -> dict[str, Any]:
            live = _live_undos(lines)
            since = [line.number for line in lines if line.operation != "undo"]
            if not live or (since and since[-1] > live[-1]):
                raise StorageError("There is nothing to redo")
            return {"undoes": live[-1]}

        return self._append("undo", None, check)

    # ------------------------------------------------------------------------------- inside
    def _append(
        self,
        operation: Operation,
        uid: str | None,
        fields: Mapping[str, Any] | Callable[[tuple[JournalLine, ...]], dict[str, Any]],
    ) -> JournalLine:
        """Write one line under the lock of the file, knowing all lines before it."""
        if uid is not None:
            layout.checked_uid(uid)
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._read_on(fd)
            if callable(fields):
                fields = fields(self.lines)
            if operation == "undo":
                uid = self._line(int(fields["undoes"])).uid
            assert uid is not None
            line = JournalLine(
                self._next_number(), time.time_ns(), operation, uid, self.by, dict(fields)
            )
            # A line that lost its end in a crash must not swallow this one.
            torn = os.fstat(fd).st_size > self._offset
            written = (b"\n" if torn else b"") + _encoded(line)
            if os.write(fd, written) != len(written):
                raise OSError(28, "no space left on device")
            os.fsync(fd)
            self._read_on(fd)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            os.close(fd)  # which also unlocks
        return line

    def _read_on(self, fd: int) -> bool:
        size = os.fstat(fd).st_size
        if size < self._offset:
            self._start_over()
        content = bytearray()
        while chunk := os.pread(fd, 1 << 20, self._offset + len(content)):
            content += chunk
        end = content.rfind(b"\n") + 1
        complaints = [text for text in self.complaints if not text.endswith(_TORN)]
        for raw in bytes(content[:end]).split(b"\n")[:-1]:
            self._file_lines += 1
            if not raw.strip():
                continue
            try:
                self._lines.append(_decoded(raw))
                self._highest = max(self._highest, self._lines[-1].number)
            except (ValueError, KeyError, TypeError) as error:
                complaints.append(f"Line {self._file_lines} of {self.path} is skipped: {error}")
        self._offset += end
        if end < len(content):
            complaints.append(f"Line {self._file_lines + 1} of {self.path} {_TORN}")
        self.complaints = tuple(complaints)
        return end > 0

    def _start_over(self) -> None:
        self._lines.clear()
        self._offset = self._file_lines = self._highest = 0
        self.complaints = ()

    def _next_number(self) -> int:
        return self._highest + 1

    def _line(self, number: int) -> JournalLine:
        return next(line for line in self._lines if line.number == number)

    def _unreadable(self, error: OSError) -> StorageError:
        return StorageError(f"The journal {self.path} cannot be read: {reason(error)}")

    def _unwritable(self, error: OSError) -> StorageError:
        return StorageError(
            f"The decision could not be written to {self.path}: {reason(error)}",
            next_step="Make room or make the folder writable, then decide again",
        )


_TORN = "lost its end in a crash and is skipped"

_APPLY: dict[str, Callable[[EpisodeState, Mapping[str, Any]], EpisodeState]] = {
    "verdict": lambda state, fields: replace(
        state,
        verdict=fields["verdict"],
        judged=True,
        notes=(*state.notes, fields["note"]) if fields.get("note") else state.notes,
    ),
    "relabel": lambda state, fields: replace(state, task=fields["task"]),
    "delete": lambda state, fields: replace(state, deleted=True),
    "restore": lambda state, fields: replace(state, deleted=False),
    "trim": lambda state, fields: replace(
        state,
        trim_ns=None
        if fields["first_ns"] is None
        else (int(fields["first_ns"]), int(fields["last_ns"])),
    ),
    "note": lambda state, fields: replace(state, notes=(*state.notes, fields["text"])),
    "purge": lambda state, fields: replace(state, purged=True, deleted=True),
}


def _live_undos(lines: Iterable[JournalLine]) -> tuple[int, ...]:
    """Numbers of the undo lines that count now, oldest first."""
    undone: set[int] = set()
    live = []
    for line in reversed(tuple(lines)):
        if line.operation == "undo" and line.number not in undone:
            undone.add(int(line.fields["undoes"]))
            live.append(line.number)
    return tuple(reversed(live))


def _encoded(line: JournalLine) -> bytes:
    fields = {
        "n": line.number,
        "wall_ns": line.wall_ns,
        "op": line.operation,
        "uid": line.uid,
        "by": line.by,
        **line.fields,
    }
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _decoded(raw: bytes) -> JournalLine:
    """A line as it was encoded. Raises ValueError, KeyError or TypeError for anything else."""
    fields = json.loads(raw)
    if not isinstance(fields, dict):
        raise ValueError("it is not an object")
    line = JournalLine(
        int(fields.pop("n")),
        int(fields.pop("wall_ns")),
        fields.pop("op"),
        _uid(fields.pop("uid")),
        str(fields.pop("by", "")),
        fields,
    )
    if line.operation == "undo":
        int(line.fields["undoes"])
    elif line.operation not in _APPLY:
        raise ValueError(f"unknown operation {line.operation!r}")
    else:
        state = _APPLY[line.operation](EpisodeState(), line.fields)
        if state.verdict not in VERDICTS:
            raise ValueError(f"unknown verdict {state.verdict!r}")
    return line


def _uid(value: object) -> str:
    if not isinstance(value, str) or not layout.is_uid(value):
        raise ValueError(f"{value!r} is not the uid of an episode")
    return value
