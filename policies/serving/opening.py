"""From what a user names to a policy that can drive: a checkpoint, a server's address, a file that
describes a foreign server. Whatever would run code while it is loaded is refused by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from devices.errors import PolicyError
from policies.contract import Policy
from policies.refusing import CODE, refuse_other

_TRIES = 3


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
    if place.is_file() and place.suffix.lower() not in CODE:
        if place.suffix == ".json" and place.name != "policy.json":
            from policies.serving.openpi import from_file

            return from_file(place)
        if place.name == "policy.json":
            place = place.parent
    refuse_other(place)
    from policies.checkpoint import digest, load, read_card

    # A training may put a better one there between two looks; what is told must be of one.
    for _ in range(_TRIES):
        mark = digest(place)
        try:
            policy: Policy = load(place)
            card = read_card(place)
        except PolicyError:
            if digest(place) == mark:
                raise
            continue  # half of one and half of another
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
