"""A trained policy on disk: one folder, `policy.json` and `weights.safetensors`.

Nothing in it is code: the JSON names a policy that is installed here, the weights are numbers. Both
are checked before any of it is used, and a pickle is never opened.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch

from devices import plugins
from devices.errors import ConfigError, PolicyError
from policies.normaliser import Normaliser
from policies.refusing import POLICY_FILE, SERVE, looks_pickled, refuse_other
from policies.safe_folder import read_folder, write_folder
from policies.trainable import TrainablePolicy

SCHEMA = 1
WEIGHTS_FILE = "weights.safetensors"

LARGEST = 8 << 30
"""Most bytes of weights that are read; a policy that drives a robot here is far smaller."""

Fields = dict[str, Any]
MIGRATIONS: Mapping[int, Callable[[Fields], Fields]] = {}
"""From schema n to n + 1. Empty until the first change of the layout."""


_WHOLE = "Copy the folder again, whole"
_FOREIGN = (
    "It was made for another robot, or with another version of the policy: load one that was "
    "trained on takes of this robot"
)


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What `policy.json` says.

    Attributes:
        schema: Of the layout.
        policy: Name of the entry point.
        config: The policy's config, with needs and space.
        normaliser: Of `Normaliser.to_json`.
        weights_bytes, weights_sha256: Of the other file, which belongs to this one.
        dataset: Where it came from: path, data and journal digests, episodes, windows, choice.
        code: Version of the program that trained it.
        seeds: By what they are for.
        metrics: What was measured at this step.
        stage, step: How far training was; `steps` is the whole budget.
        created: ISO 8601, UTC.
    """

    schema: int = SCHEMA
    policy: str
    config: dict[str, Any]
    normaliser: dict[str, Any]
    weights_bytes: int
    weights_sha256: str
    dataset: dict[str, Any] = {}
    code: str = ""
    seeds: dict[str, int] = {}
    metrics: dict[str, Any] = {}
    stage: str = ""
    step: int = 0
    steps: int = 0
    created: str = ""


def save(
    path: Path,
    policy: TrainablePolicy,
    weights: Mapping[str, torch.Tensor] | None = None,
    **about: Any,
) -> Card:
    """Write a checkpoint, or replace the one that is there, all at once.

    Args:
        path: The folder.
        policy: What to save.
        weights: Instead of the policy's own (the averaged ones), by the same names.
        about: Other fields of `Card`.

    Raises:
        PolicyError: If it cannot be written.
    """
    state = policy.state_dict() if weights is None else weights
    blob = safetensors.torch.save(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    )
    card = Card(
        policy=policy.name,
        config=msgspec.to_builtins(policy.config),
        normaliser=policy.normaliser.to_json(),
        weights_bytes=len(blob),
        weights_sha256=hashlib.sha256(blob).hexdigest(),
        **{"code": code_version(), "created": now(), **about},
    )
    text = msgspec.json.format(msgspec.json.encode(card), indent=1)
    write_folder(path, {POLICY_FILE: text, WEIGHTS_FILE: blob})
    return card


def read_card(path: Path) -> Card:
    """What a checkpoint says about itself, without its weights.

    Raises:
        PolicyError: If it is no checkpoint, damaged, or newer than this program.
    """
    refuse_other(path)
    return _card(path, read_folder(path, [POLICY_FILE], 64 << 20)[POLICY_FILE])


def load(path: Path | str, device: str = "cpu") -> TrainablePolicy:
    """A policy, ready to act.

    Args:
        path: The folder.
        device: "cpu", "cuda", or "auto" for a GPU where there is one.

    Raises:
        PolicyError: Saying what is wrong with it, that its policy is not installed here, or that
            there is no such device.
    """
    path = Path(path).expanduser()
    where = torch_device(device)
    refuse_other(path)
    files = read_folder(path, [POLICY_FILE, WEIGHTS_FILE], LARGEST)
    card = _card(path, files[POLICY_FILE])
    blob = files[WEIGHTS_FILE]
    if (len(blob), _sha256(blob)) != (card.weights_bytes, card.weights_sha256):
        _refuse_pickle(path / WEIGHTS_FILE, blob)
    if len(blob) < card.weights_bytes:
        raise PolicyError(
            f"{path / WEIGHTS_FILE} is cut short: {len(blob)} of {card.weights_bytes} bytes",
            next_step=_WHOLE,
        )
    if _sha256(blob) != card.weights_sha256:
        raise PolicyError(
            f"{path / WEIGHTS_FILE} does not belong to its {POLICY_FILE}: damaged, or changed "
            "while it was read",
            next_step="Load it again when nothing writes there; else copy the folder again, whole",
        )
    policy = make_policy(card, path)
    try:
        tensors = safetensors.torch.load(blob)
    except (safetensors.SafetensorError, ValueError, TypeError) as error:
        _refuse_pickle(path / WEIGHTS_FILE, blob)
        raise PolicyError(
            f"{path / WEIGHTS_FILE} is not safetensors: {error}", next_step=_WHOLE
        ) from error
    fill(policy, tensors, str(path / WEIGHTS_FILE))
    policy.to(where)
    policy.eval()
    policy.reset()
    return policy


def digest(path: Path | str) -> str:
    """SHA-256 of a checkpoint as it is now: the same if and only if it is the same policy."""
    path = Path(path).expanduser()
    refuse_other(path)
    files = read_folder(path, [POLICY_FILE, WEIGHTS_FILE], LARGEST)
    whole = hashlib.sha256()
    for name in (POLICY_FILE, WEIGHTS_FILE):
        whole.update(hashlib.sha256(files[name]).digest())
    return whole.hexdigest()


def make_policy(card: Card, where: Path) -> TrainablePolicy:
    """The policy that a card describes, with weights of its own."""
    try:
        kind = policy_class(card.policy)
    except ConfigError as error:
        raise PolicyError(
            f"{where / POLICY_FILE}: {error.what}",
            allowed=error.allowed,
            next_step=error.next_step or "Install the package that it came with, or choose another",
        ) from error
    try:
        config = kind.read_config(card.config)
        normaliser = Normaliser.from_json(card.normaliser)
    except (ConfigError, PolicyError) as error:
        raise PolicyError(
            f"{where / POLICY_FILE}: {error.what}",
            allowed=error.allowed,
            next_step=error.next_step or _FOREIGN,
        ) from error
    missing = [key for key in kind.modes(config) if key not in normaliser]
    if missing:
        raise PolicyError(
            f"{where / POLICY_FILE}: nothing normalises '{missing[0]}'", next_step=_FOREIGN
        )
    # The weights are replaced at once; drawing them must not disturb anybody's chance.
    with torch.random.fork_rng(devices=[]):
        return kind(config, normaliser)


def policy_class(name: str) -> type[TrainablePolicy]:
    """The class behind a name. Raises ConfigError for a name that is not installed here, or one
    that is no policy that trains."""
    found = plugins.load("policies", name)
    if not (isinstance(found, type) and issubclass(found, TrainablePolicy)):
        raise ConfigError(f"The plug-in '{name}' is not a policy that trains: {found!r}")
    return found


def fill(policy: TrainablePolicy, tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Put weights into a policy.

    Raises:
        PolicyError: Naming tensors that are missing, unknown, of another shape or not finite.
    """
    wanted = policy.state_dict()
    wrong = [f"'{name}' is missing" for name in wanted if name not in tensors]
    wrong += [f"'{name}' is unknown" for name in tensors if name not in wanted]
    for name in wanted.keys() & tensors.keys():
        there, here = tensors[name], wanted[name]
        if there.shape != here.shape:
            wrong.append(f"'{name}' is {tuple(there.shape)}, not {tuple(here.shape)}")
        elif there.is_floating_point() and not bool(torch.isfinite(there).all()):
            wrong.append(f"'{name}' has numbers that are not finite")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise PolicyError(
            f"{where} does not fit policy '{policy.name}': {'; '.join(wrong[:5])}{more}",
            next_step="It was saved by another version of the policy, or with another config",
        )
    policy.load_state_dict(dict(tensors))


def torch_device(name: str) -> torch.device:
    """The device of this name; "auto" is a GPU where there is one.

    Raises:
        PolicyError: If it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise PolicyError(f"Unknown device '{name}'", allowed=("cpu", "cuda", "auto")) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise PolicyError(
            f"Device '{name}' was asked for, but there is no usable GPU here",
            next_step="Choose the device cpu, or auto (--device auto)",
        )
    if device.type not in ("cpu", "cuda"):
        raise PolicyError(f"Device '{name}' is not used here", allowed=("cpu", "cuda", "auto"))
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise PolicyError(f"There is no GPU number {device.index}")
    return device


def code_version() -> str:
    """What `git describe` says of this code, else the version of the package."""
    try:
        release = version("teledeck")
    except PackageNotFoundError:
        release = "unknown"
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return release
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--tags"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return release
    return f"{release}+{done.stdout.strip()}"


def now() -> str:
    return datetime.now(tz=UTC).isoformat(timespec="seconds")


def migrate(
    fields: Fields,
    where: object,
    table: Mapping[int, Callable[[Fields], Fields]] = MIGRATIONS,
    newest: int = SCHEMA,
) -> Fields:
    """Fields of an older schema as the newest one has them.

    Raises:
        PolicyError: For a schema that is newer, none, or too old to be migrated.
    """
    schema = fields.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 0:
        raise PolicyError(f"{where} has the schema {schema!r}", allowed=range(newest + 1))
    if schema > newest:
        raise PolicyError(
            f"{where} has schema {schema}; this program reads up to {newest}",
            next_step="Update Teledeck",
        )
    while schema < newest:
        if schema not in table:
            raise PolicyError(
                f"{where} has schema {schema}, which can no longer be read",
                next_step="Train it again, or load it with the version that wrote it: "
                f"{fields.get('code', 'unknown')}",
            )
        fields = {**table[schema](fields), "schema": schema + 1}
        schema += 1
    return fields


def _card(path: Path, content: bytes) -> Card:
    try:
        fields = msgspec.json.decode(content)
        if not isinstance(fields, dict):
            raise ValueError("it is not an object")
    except (msgspec.DecodeError, ValueError) as error:
        raise PolicyError(
            f"{path / POLICY_FILE} is not valid JSON: {error}", next_step=_WHOLE
        ) from error
    try:
        return msgspec.convert(migrate(fields, path / POLICY_FILE), Card)
    except msgspec.ValidationError as error:
        raise PolicyError(
            f"{path / POLICY_FILE} is not as it should be: {error}", next_step=_WHOLE
        ) from error


def _refuse_pickle(path: Path, blob: bytes) -> None:
    """Raise for weights, unfit already, that are none but a pickle under their name."""
    if looks_pickled(blob):
        raise PolicyError(
            f"{path} is a pickle, not safetensors: opening it would run whatever code it holds, "
            "so it is refused",
            next_step=SERVE,
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
