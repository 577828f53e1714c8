"""The run folder: where the processes of one running Teledeck meet.

    <base>/teledeck-<uid>/<run>/     mode 0700; every process of the run holds a shared lock on it
        rings/<stream>.ring          `devices.ring`; "/" of the stream name becomes "."
        <child>.req .status .input   ZeroMQ ipc sockets
        logs/<child>.log             what a child wrote to stderr
        model.mjb                    compiled scene, announced by a simulated station

The last process to leave removes the folder. Processes that are killed leave nothing that counts:
the kernel takes their lock, and the next start sweeps folders that nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from devices.errors import ConfigError

SocketKind = Literal["req", "status", "input"]

RING_SUFFIX = ".ring"
MODEL_FILE = "model.mjb"
ATTENDED_FILE = "attended"
SOCKET_PATH_LIMIT = 107  # sun_path of Linux, less the closing zero (unix(7))
_LONGEST_SOCKET = len("/" + 8 * "0" + "/recorder.status")
_SHM = Path("/dev/shm")
_SHM_NEEDED = 600 << 20  # four seconds of three 640x480 cameras, and as much again


class RunDir:
    """One process's membership in a run folder. Make it with `create` or `join`."""

    def __init__(self, path: Path, lock_fd: int) -> None:
        self.path = path
        self._lock_fd = lock_fd

    @classmethod
    def create(cls, base: Path | None = None) -> RunDir:
        """Make a new run folder, after sweeping those that nobody holds.

        Args:
            base: Parent of `teledeck-<uid>`; default `default_base()`.

        Raises:
            ConfigError: When the base is foreign, or too deep for sockets.
        """
        home = _home(base if base is not None else default_base())
        with _locked(home):
            _sweep(home)
            path = home / secrets.token_hex(4)
            path.mkdir(mode=0o700)
            for room in ("rings", "logs"):
                (path / room).mkdir(mode=0o700)
            return cls(path, _hold(path))

    @classmethod
    def join(cls, path: Path) -> RunDir:
        """Become a member of an existing run folder.

        Raises:
            ConfigError: When there is none at `path`, or its last member is just leaving.
        """
        path = Path(path)
        try:
            return cls(path, _hold(path))
        except OSError as error:
            raise ConfigError(
                f"There is no running Teledeck at {path}", next_step="Start it with 'teledeck'"
            ) from error

    @property
    def rings_dir(self) -> Path:
        return self.path / "rings"

    @property
    def model_path(self) -> Path:
        """Where a simulated station puts its compiled scene for renderers and recorder."""
        return self.path / MODEL_FILE

    def ring(self, stream: str) -> Path:
        """Path of the ring of a stream, there or not."""
        return self.rings_dir / (stream.replace("/", ".") + RING_SUFFIX)

    def rings(self) -> dict[str, Path]:
        """Rings that exist now, by stream name, sorted."""
        found = sorted(self.rings_dir.glob(f"[!.]*{RING_SUFFIX}"))
        return {path.name.removesuffix(RING_SUFFIX).replace(".", "/"): path for path in found}

    def socket(self, child: str, kind: SocketKind) -> str:
        """ZeroMQ address of a child's socket."""
        return f"ipc://{self.path / f'{child}.{kind}'}"

    def bell(self, child: str) -> Path:
        """Where a child hears that a ring it waits for has news."""
        return self.path / f"{child}.bell"

    def fast_input(self, child: str) -> Path:
        """The short way to a child's input socket: datagrams, without a thread in between."""
        return self.path / f"{child}.fast"

    def log(self, child: str) -> Path:
        """Where a child's stderr goes."""
        return self.path / "logs" / f"{child}.log"

    def attend(self) -> Attendance:
        """Be known as alive to whoever asks `attended`, until the end of this process at most."""
        fd = os.open(self.path / ATTENDED_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_SH)
        return Attendance(fd)

    def attended(self) -> bool | None:
        """Whether somebody who attends lives, however busy; None if nobody has come yet. Never
        waits."""
        try:
            fd = os.open(self.path / ATTENDED_FILE, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def leave(self) -> bool:
        """Give up membership; the last one out removes the folder. Idempotent.

        Returns:
            True if this call removed the folder.
        """
        if self._lock_fd < 0:
            return False
        fd, self._lock_fd = self._lock_fd, -1
        try:
            return _remove_if_last(self.path, fd)
        finally:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()


class Attendance:
    """A shared lock that the kernel lets go of when its process ends, however that comes.

    Args:
        fd: The locked file.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def end(self) -> None:
        """Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def default_base() -> Path:
    """/dev/shm where it exists and is large enough for the camera rings, else the temp folder."""
    with contextlib.suppress(OSError):
        room = os.statvfs(_SHM)
        if room.f_bavail * room.f_frsize >= _SHM_NEEDED and os.access(_SHM, os.W_OK):
            return _SHM
    return Path(tempfile.gettempdir())


def sweep(base: Path | None = None) -> tuple[Path, ...]:
    """Remove run folders that no living process holds; returns them."""
    home = _home(base if base is not None else default_base())
    with _locked(home):
        return _sweep(home)


def _home(base: Path) -> Path:
    """`<base>/teledeck-<uid>`, made if needed, ours alone."""
    home = Path(base) / f"teledeck-{os.getuid()}"
    if len(os.fsencode(home)) + _LONGEST_SOCKET > SOCKET_PATH_LIMIT:
        raise ConfigError(
            f"The path {home} is too long for sockets",
            next_step="Set TMPDIR to a short path, like /tmp",
        )
    with contextlib.suppress(FileExistsError):
        home.mkdir(mode=0o700)
    status = home.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise ConfigError(
            f"{home} does not belong to you", next_step="Have its owner remove it, or set TMPDIR"
        )
    home.chmod(0o700)
    return home


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """No other process creates or sweeps run folders meanwhile."""
    fd = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _hold(path: Path) -> int:
    """A shared lock on the run folder. Raises OSError when it is gone or going."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.stat(path / "rings")  # gone if the last member left between open and lock
    except BaseException:
        os.close(fd)
        raise
    return fd


def _remove_if_last(path: Path, fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def _sweep(home: Path) -> tuple[Path, ...]:
    removed = []
    for path in home.iterdir():
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue  # not a folder, or removed meanwhile
        try:
            if _remove_if_last(path, fd):
                removed.append(path)
        finally:
            os.close(fd)
    return tuple(removed)
