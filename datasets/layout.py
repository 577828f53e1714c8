"""Names and rules of a dataset folder and of the HDF5 file of one episode."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from devices.errors import StorageError
from devices.stream import StreamSpec

SCHEMA = 1
"""Version of both layouts. A reader refuses what is newer and reads everything older."""

DATASET_FILE = "dataset.toml"
JOURNAL_FILE = "journal.jsonl"
EPISODES = "episodes"
MODELS = "models"
CACHE = "cache"
EPISODE_SUFFIX = ".h5"
DRAFT_SUFFIX = ".draft"
REPAIR_SUFFIX = ".repair"
MODEL_SUFFIX = ".mjb"

STREAMS = "streams"
EVENTS = "events"
COMMITS = "commits"
PROVENANCE = "provenance"
TIMES = "t_ns"
ROWS = "data"
PACKETS = "packets"
"""Only in image streams: the bytes of all packets, back to back."""

PACKET_COLUMNS = ("offset", "size", "keyframe")
STOP_BYTES = 1024
"""Room for the `stop` attribute. It is set aside at the start, because a file that is being
recorded must not change its shape (docs/decisions/0003-episode-file.md)."""

_UID = re.compile(r"\d{8}T\d{9}Z-[0-9a-f]{6}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def new_uid(wall_ns: int) -> str:
    """A name for an episode: sorts by time (UTC, to the millisecond), unique by a random tail.

    Args:
        wall_ns: Unix time of the start [ns].
    """
    moment = datetime.fromtimestamp(wall_ns // 1_000_000 / 1000, tz=UTC)
    millis = wall_ns // 1_000_000 % 1000
    return f"{moment:%Y%m%dT%H%M%S}{millis:03d}Z-{secrets.token_hex(3)}"


def is_uid(text: str) -> bool:
    return _UID.fullmatch(text) is not None


def checked_uid(text: str) -> str:
    """`text`, if it is a uid and nothing else: uids become file names.

    Raises:
        StorageError: For any other text.
    """
    if not is_uid(text):
        raise StorageError(
            f"{text!r} is not the uid of an episode",
            next_step="Use a uid as the Library shows it, like 20260131T093000250Z-1f2e3d",
        )
    return text


def checked_digest(text: str) -> str:
    """`text`, if it is a SHA-256 in lower-case hex: digests become file names.

    Raises:
        StorageError: For any other text.
    """
    if _DIGEST.fullmatch(text) is None:
        raise StorageError(f"{text!r} is not the SHA-256 of a stored model")
    return text


def checked_specs(specs: Iterable[StreamSpec]) -> tuple[StreamSpec, ...]:
    """Streams that can live in one file: no name twice, none inside another.

    Raises:
        StorageError: Naming the streams that collide.
    """
    specs = tuple(specs)
    if not specs:
        raise StorageError("An episode without streams cannot be recorded")
    names = sorted(spec.name for spec in specs)
    for name in names:
        if names.count(name) > 1:
            raise StorageError(f"Stream '{name}' is declared twice")
        inside = [other for other in names if other.startswith(f"{name}/")]
        if inside:
            raise StorageError(
                f"Stream '{inside[0]}' lies inside stream '{name}'",
                next_step="Give one of them a name that is not the beginning of the other",
            )
    return specs


def commit_columns(stream_names: Iterable[str]) -> tuple[str, ...]:
    """Columns of `/commits`: number, time, bytes of events, rows of each stream, number again.

    A commit row is written after everything that it counts. It is whole when its first and its
    last column both say which row it is.
    """
    return ("commit", TIMES, EVENTS, *stream_names, "commit")
