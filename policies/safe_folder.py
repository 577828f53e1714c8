"""A folder of a few files that changes all at once or not at all."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from devices.errors import PolicyError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Make `path` a folder with exactly these files.

    A reader sees the old folder or the new one, and so does who comes after a SIGKILL or a power
    cut: the files are written and synced beside it, then the two folders change places
    (renameat2(2), RENAME_EXCHANGE).

    Raises:
        PolicyError: If it cannot be written.
    """
    path = path.absolute()
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        draft.mkdir()
        for name, content in files.items():
            with open(draft / name, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _sync(draft)
        if path.exists():
            _exchange(draft, path)
            shutil.rmtree(draft)
        else:
            draft.rename(path)
        _sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            shutil.rmtree(draft)
        raise PolicyError(
            f"{path} cannot be written: {error.strerror or error}",
            next_step="Make room, or choose a folder that you may write to",
        ) from error


def write_file(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Replace one file at once; the old one or the new one is there at every moment.

    Args:
        path: The file.
        content: What is in it.
        sync: Whether that also holds after a power cut; that takes as long as the disk takes.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with open(draft, "wb") as file:
        file.write(content)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    draft.replace(path)
    if sync:
        _sync(path.parent)


def read_folder(path: Path, names: Iterable[str], limit: int) -> dict[str, bytes]:
    """The content of some files of one and the same folder, even if it is replaced meanwhile.

    Args:
        path: The folder.
        names: Files that must be there.
        limit: Most bytes that one of them may have.

    Raises:
        PolicyError: Naming what is missing, too large or cannot be read.
    """
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise PolicyError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        return {name: _read(path, folder, name, limit) for name in names}
    finally:
        os.close(folder)


def _read(path: Path, folder: int, name: str, limit: int) -> bytes:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError as error:
        raise PolicyError(
            f"{path} has no {name}", next_step="Copy the folder again, whole, or choose another"
        ) from error
    except OSError as error:
        raise PolicyError(f"{path / name} cannot be read: {error.strerror}") from error
    try:
        with os.fdopen(fd, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise PolicyError(f"{path / name} has {size} bytes, more than {limit}")
            return file.read(size + 1)
    except OSError as error:
        raise PolicyError(f"{path / name} cannot be read: {error.strerror or error}") from error


def _exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        done = libc.renameat2(
            _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
        )
        if done == 0:
            return
    # A file system without the exchange: for a moment there is no folder at all.
    away = one.with_suffix(".old")
    other.rename(away)
    one.rename(other)
    away.rename(one)


def _sweep(path: Path) -> None:
    """Remove what a process that was killed had left beside a folder; put back an old one if that
    is all there is."""
    for left in path.parent.glob(f".{path.name}.*.old"):
        if path.exists():
            shutil.rmtree(left)
        else:
            left.rename(path)
    for left in path.parent.glob(f".{path.name}.*.draft"):
        if left.is_dir():
            shutil.rmtree(left)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
