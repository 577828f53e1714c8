"""From what a user names to a policy that can drive: a checkpoint, a server's address, a file that
describes a foreign server. Whatever would run code while it is loaded is refused by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from devices.errors import PolicyError
from policies.contract import Policy

PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".joblib", ".npy", ".npz", ".dill")
_TRIES = 3
_SERVE = (
    "Serve it from its own environment with policies/serving/standalone.py and load the address "
    "ws://127.0.0.1:PORT (docs/policy-server.md)"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A policy that can drive.

    Attributes:
        policy: It.
        name: What to call it.
        digest: What identifies its weights; empty: nobody can tell.
        step, steps: Updates that it has seen, and of the whole training; 0 where nobody can tell.
        hold_out: Its loss on the hold-out; NaN where it was not judged.
        created: When it was made, ISO 8601; "" where nobody can tell.
    """

    policy: Policy
    name: str
    digest: str
    step: int = 0
    steps: int = 0
    hold_out: float = math.nan
    created: str = ""


def open_policy(path: str) -> Opened:
    """Open what `path` names.

    Raises:
        PolicyError: When it is missing, foreign, damaged, or would run code.
    """
    if path.startswith(("ws://", "wss://", "http://", "https://")):
        from policies.serving.openpi import connect

        return connect(path)
    place = Path(path).expanduser()
    if place.suffix.lower() in PICKLES:
        refuse(place)
    if not place.exists():
        raise PolicyError(f"There is no policy at '{place}'", next_step="Check the path")
    if place.is_file():
        if place.suffix == ".json" and place.name != "policy.json":
            from policies.serving.openpi import from_file

            return from_file(place)
        if place.name != "policy.json":
            raise PolicyError(
                f"'{place.name}' is no policy",
                allowed=("a checkpoint folder", "a .json file that describes a server", "ws://..."),
            )
        place = place.parent
    if not (place / "policy.json").is_file():
        raise PolicyError(_foreign(place), next_step=_SERVE)
    from policies.checkpoint import digest, load, read_card

    # A training may put a better one there between two looks; what is told must be of one.
    for _ in range(_TRIES):
        mark = digest(place)
        policy: Policy = load(place)
        card = read_card(place)
        if digest(place) == mark:
            break
    else:
        raise PolicyError(
            f"'{place}' changed each time it was read",
            next_step="Load it again when nothing writes there, or copy the folder first",
        )
    judged = card.metrics.get("hold_out") or {}
    loss = judged.get("loss") if isinstance(judged, dict) else None
    return Opened(
        policy,
        getattr(policy, "name", place.name),
        mark,
        card.step,
        card.steps,
        float(loss) if isinstance(loss, int | float) else math.nan,
        card.created,
    )


def refuse(place: Path) -> None:
    """Raises PolicyError: a file of this kind may run code."""
    raise PolicyError(
        f"'{place.name}' is not loaded: a {place.suffix} file may run code while it is opened",
        allowed=("a checkpoint folder with policy.json and weights.safetensors", "ws://..."),
        next_step=_SERVE,
    )


def _foreign(folder: Path) -> str:
    """What a folder without policy.json seems to be."""
    if (folder / "config.json").is_file() and (folder / "model.safetensors").is_file():
        return (
            f"'{folder.name}' is a LeRobot checkpoint: its configuration names classes, which are "
            "imported and called while it is loaded"
        )
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICKLES)
    if pickles:
        return f"'{folder.name}' holds {pickles[0]}, which may run code while it is opened"
    return f"'{folder.name}' has no policy.json"
