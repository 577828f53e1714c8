"""Watches the folder of a training for its newest best checkpoint, in a thread of its own: a disk
may be slow, the control loop may not."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from app.runtime import priority
from devices.errors import PolicyError

_LOOK_S = 1.0
_DESCRIPTION = "policy.json"
_WEIGHTS = "weights.safetensors"


class FolderWatch:
    """Looks once a second until closed. What is there at the beginning counts as new.

    Args:
        path: A checkpoint that is replaced, or a training's folder with checkpoints in it.
        use: Whether each new one shall drive.

    Raises:
        PolicyError: When there is no such folder.
    """

    def __init__(self, path: Path, use: bool = False) -> None:
        if not path.is_dir():
            raise PolicyError(f"There is no folder '{path}' to watch", next_step="Check the path")
        self.path = path
        self.use = use
        self._seen: tuple[str, int, int] | None = None
        self._found: Path | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy watch", daemon=True)
        self._thread.start()

    def newest(self) -> Path | None:
        """A checkpoint that was not handed out before, None while there is none. Never waits."""
        found, self._found = self._found, None
        return found

    def close(self) -> None:
        """Look no more. The thread ends by itself: who closes must not wait for a disk."""
        self._closed.set()

    def _run(self) -> None:
        priority.stand_back(0)  # its maker may be the robot's loop, on a core of its own
        # That loop would wait for a thread that holds Python's lock and waits for a core itself.
        priority.go_before_all(priority.FAST_PATH_RANK)
        while True:
            with contextlib.suppress(OSError):  # a folder that changes while it is read
                self._look()
            if self._closed.wait(_LOOK_S):
                return

    def _look(self) -> None:
        found = newest_checkpoint(self.path)
        if found is None:
            return
        status = (found / _DESCRIPTION).stat()
        mark = (str(found), status.st_ino, status.st_mtime_ns)
        if mark != self._seen:
            self._seen = mark
            self._found = found


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint called "best" where there is one, else the one written last."""
    for name in ("best", "checkpoints/best"):
        if _complete(folder / name):
            return folder / name
    if _complete(folder):
        return folder
    if (folder / "plan.json").is_file():
        return None  # a training that has none yet: its last one may be half a policy
    found: list[tuple[int, Path]] = []
    for room in (folder, folder / "checkpoints"):
        if room.is_dir():
            for place in room.iterdir():
                if not place.name.startswith(".") and _complete(place):
                    found.append(((place / _DESCRIPTION).stat().st_mtime_ns, place))
    return max(found)[1] if found else None


def _complete(place: Path) -> bool:
    return (place / _DESCRIPTION).is_file() and (place / _WEIGHTS).is_file()
