"""A dataset: one folder with episodes, verdicts and the scene models they were made in."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from datasets import layout
from devices.errors import StorageError


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset folder that exists and is of a schema we can read.

    Attributes:
        root: The folder.
        name: What people call it.
        created: When it was made (ISO 8601, UTC).
        about: Whatever else `dataset.toml` says.
    """

    root: Path
    name: str
    created: str
    about: dict[str, Any]

    @classmethod
    def create(cls, root: Path | str, name: str = "", **about: Any) -> Dataset:
        """Make a new, empty dataset. The folder may exist but must be empty.

        Raises:
            StorageError: If there is something in the way, or nothing can be written there.
        """
        root = Path(root).expanduser().absolute()
        try:
            if root.exists() and (not root.is_dir() or any(root.iterdir())):
                what = "is a dataset already" if _is_dataset(root) else "exists and is not empty"
                raise StorageError(f"{root} {what}", next_step="Open it, or choose a new folder")
            for folder in (layout.EPISODES, layout.MODELS, layout.CACHE):
                (root / folder).mkdir(parents=True, exist_ok=True)
            created = datetime.now(tz=UTC).isoformat(timespec="seconds")
            name = name or root.name
            fields = {
                "schema": layout.SCHEMA,
                "name": name,
                "created": created,
                **({"about": about} if about else {}),
            }
            _write_whole(root / layout.DATASET_FILE, tomli_w.dumps(fields).encode())
        except OSError as error:
            raise StorageError(
                f"No dataset can be made at {root}: {reason(error)}",
                next_step="Choose a folder that you may write to",
            ) from error
        return cls(root, name, created, about)

    @classmethod
    def open(cls, root: Path | str) -> Dataset:
        """An existing dataset.

        Raises:
            StorageError: If the folder is missing, not a dataset, newer than this program, or
                cannot be read.
        """
        root = Path(root).expanduser().absolute()
        path = root / layout.DATASET_FILE
        try:
            fields = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            what = f"is not a dataset: there is no {layout.DATASET_FILE}"
            raise StorageError(
                f"{root} {what if root.exists() else 'does not exist'}",
                next_step="Choose a dataset folder, or create a new one",
            ) from error
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {reason(error)}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise StorageError(
                f"{path} is not valid TOML: {error}",
                next_step="Mend the file by hand; episodes and journal beside it are unharmed",
            ) from error
        schema = fields.get("schema")
        if not isinstance(schema, int) or schema < 1:
            raise StorageError(f"{path} has schema {schema!r}", allowed=range(1, layout.SCHEMA + 1))
        if schema > layout.SCHEMA:
            raise StorageError(
                f"{root} has schema {schema}; this program reads up to {layout.SCHEMA}",
                next_step="Update Teledeck",
            )
        about = fields.get("about", {})
        return cls(
            root,
            str(fields.get("name", root.name)),
            str(fields.get("created", "")),
            about if isinstance(about, dict) else {},
        )

    @classmethod
    def open_or_create(cls, root: Path | str, name: str = "") -> Dataset:
        """The dataset at `root`, new if the folder is missing or empty."""
        root = Path(root).expanduser().absolute()
        try:
            vacant = not root.exists() or (root.is_dir() and not any(root.iterdir()))
        except OSError as error:
            raise StorageError(f"{root} cannot be read: {reason(error)}") from error
        return cls.create(root, name) if vacant else cls.open(root)

    @property
    def episodes(self) -> Path:
        return self.root / layout.EPISODES

    @property
    def journal(self) -> Path:
        return self.root / layout.JOURNAL_FILE

    @property
    def cache(self) -> Path:
        """Derived files; made again when missing."""
        return self.root / layout.CACHE

    def episode_path(self, uid: str) -> Path:
        """Where the episode `uid` is or would be. Raises StorageError unless it is a uid."""
        return self.episodes / f"{layout.checked_uid(uid)}{layout.EPISODE_SUFFIX}"

    def uids(self) -> tuple[str, ...]:
        """Episodes on disk, oldest first.

        Raises:
            StorageError: If the folder is gone or cannot be read.
        """
        try:
            with os.scandir(self.episodes) as entries:
                stems = [
                    entry.name.removesuffix(layout.EPISODE_SUFFIX)
                    for entry in entries
                    if entry.name.endswith(layout.EPISODE_SUFFIX)
                ]
        except OSError as error:
            raise StorageError(
                f"The episodes of {self.root} cannot be listed: {reason(error)}",
                next_step="Check that the folder is still there",
            ) from error
        return tuple(sorted(stem for stem in stems if layout.is_uid(stem)))

    def add_model(self, compiled: bytes) -> str:
        """Store a compiled scene model once; the same bytes are never stored twice.

        Args:
            compiled: A MuJoCo binary model (`mj_saveModel`).

        Returns:
            Its SHA-256 in hex: the name to put into the start of an episode.
        """
        digest = hashlib.sha256(compiled).hexdigest()
        path = self.model_path(digest)
        if not path.exists():
            try:
                path.parent.mkdir(exist_ok=True)
                _write_whole(path, compiled)
            except OSError as error:
                raise StorageError(
                    f"The scene model cannot be stored in {path.parent}: {reason(error)}"
                ) from error
        return digest

    def model_path(self, digest: str) -> Path:
        """Where the model with this SHA-256 is or would be."""
        return self.root / layout.MODELS / f"{layout.checked_digest(digest)}{layout.MODEL_SUFFIX}"

    def load_model(self, digest: str) -> bytes:
        """The bytes given to `add_model`.

        Raises:
            StorageError: If the file is missing or no longer has this hash.
        """
        path = self.model_path(digest)
        try:
            compiled = path.read_bytes()
        except OSError as error:
            raise StorageError(f"Scene model {path} cannot be read: {reason(error)}") from error
        if hashlib.sha256(compiled).hexdigest() != digest:
            raise StorageError(
                f"Scene model {path} was changed after it was stored",
                next_step="Restore the file from a backup; the recorded data is unharmed",
            )
        return compiled


def find_datasets(folder: Path) -> Iterator[Dataset | StorageError]:
    """Datasets right below a folder, by name; those that do not open as the error they give."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if _is_dataset(path):
            try:
                yield Dataset.open(path)
            except StorageError as error:
                yield error


def reason(error: BaseException) -> str:
    """What the operating system said, in a few words.

    HDF5 hides the number of the system's error in a long message; it is looked up there.
    """
    number = re.search(r"errno = (\d+)", str(error))
    if number:
        return os.strerror(int(number[1])).lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def _is_dataset(root: Path) -> bool:
    return (root / layout.DATASET_FILE).is_file()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all; several threads may write the same."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.draft")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
