"""What a policy needs against what is live: the table that is looked at before it may drive."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from devices.leader import Side
from devices.stream import FloatArray, StreamSpec
from policies.contract import ActionSpace, StreamNeed, Window

OUTSIDE = 1.0
"""How far outside the range of training a live value may lie, in half ranges, before it counts."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table.

    Attributes:
        stream: Which stream, or "actions".
        what: Name, shape, unit, frame, rate, rule, normalisation, sides, ...
        needed, live: As words.
        fits: Whether it fits; a policy may drive if all lines do but those in WARNINGS.
    """

    stream: str
    what: str
    needed: str
    live: str
    fits: bool


def compare(
    needs: Sequence[StreamNeed],
    live: Mapping[str, StreamSpec],
    rates_hz: Mapping[str, float],
    others: Iterable[str] = (),
) -> list[Check]:
    """Names, shapes, units, frames and rates. A stream that is not there has one line, the others
    a line for each thing that was compared.

    Args:
        needs: Of the policy.
        live: Specs of the streams that are there, by name.
        rates_hz: Measured rates [Hz]; NaN or absent while unknown.
        others: Names of further streams, of which one may have been meant.
    """
    found: list[Check] = []
    for need in needs:
        spec = live.get(need.stream)
        if spec is None:
            gone = _no_such(need.stream, (*live, *others))
            found.append(Check(need.stream, "name", need.stream, gone, False))
            continue
        found.append(_shape(need, spec))
        if spec.kind == "image" and need.rule == "interpolate":
            found.append(Check(need.stream, "rule", need.rule, "pictures", False))
        for what, wanted, has in (
            ("unit", need.unit, spec.unit),
            ("frame", need.frame, spec.frame),
        ):
            if wanted:
                found.append(Check(need.stream, what, wanted, has or "none", wanted == has))
        rate = rates_hz.get(need.stream, float("nan"))
        words = f"{rate:.0f} Hz" if np.isfinite(rate) else "unknown"
        fits = bool(np.isfinite(rate)) and rate >= need.min_hz
        found.append(Check(need.stream, "rate", f"at least {need.min_hz:.0f} Hz", words, fits))
    return found


def compare_actions(space: ActionSpace, sides: Iterable[Side]) -> list[Check]:
    """Whether the robot has the arms that the policy drives."""
    have = tuple(sides)
    found = [
        Check(
            "actions",
            "sides",
            " ".join(space.sides),
            " ".join(have),
            bool(space.sides) and set(space.sides) <= set(have),
        )
    ]
    if not (np.isfinite(space.rate_hz) and space.rate_hz > 0.0 and space.horizon >= 1):
        words = f"{space.horizon} rows at {space.rate_hz} Hz"
        found.append(Check("actions", "horizon", words, "rows with times", False))
    return found


def compare_values(window: Window, needs: Sequence[StreamNeed], policy: object) -> list[Check]:
    """Whether live values lie where those of training lay, for a policy that has a normaliser
    with `scales` (`policies.normaliser`): one line a key, for its worst column. The numbers are
    first made what the normaliser knows, by the policy's own `prepare`.

    A line that does not fit is a warning: a robot may well start outside of what was shown.
    """
    scales: Mapping[str, Any] = getattr(getattr(policy, "normaliser", None), "scales", {})
    if not scales:
        return []
    seen = _prepared(window, policy)
    found = []
    for need in needs:
        scale, values = scales.get(need.key), seen.get(need.key)
        if scale is None or values is None or not hasattr(scale, "limit"):
            continue
        offset = np.asarray(scale.offset, dtype=np.float64)
        if offset.shape == values.shape[1:]:  # else pictures, which have one scale for all
            found.append(_range(need, np.asarray(values, np.float64), offset, scale))
    return found


def _prepared(window: Window, policy: object) -> Mapping[str, npt.NDArray[Any]]:
    """The window's values as the policy's normaliser gets them, by key: (steps, ...)."""
    prepare = getattr(policy, "prepare", None)
    if prepare is None:
        return window.values
    import torch  # only policies of ours prepare, and they are of torch

    batch = {key: torch.from_numpy(np.array(v))[None] for key, v in window.values.items()}
    done = prepare(policy.config, batch)  # type: ignore[attr-defined]
    return {key: np.asarray(tensor[0]) for key, tensor in done.items()}


def _range(need: StreamNeed, values: FloatArray, offset: FloatArray, scale: Any) -> Check:
    half = np.asarray(scale.scale, dtype=np.float64)
    bounded = np.isfinite(np.asarray(scale.limit, dtype=np.float64))
    over = np.where(bounded, np.abs((values - offset) / half).max(axis=0) - 1.0, 0.0).reshape(-1)
    worst = int(np.argmax(over))
    low, high = (offset - half).reshape(-1)[worst], (offset + half).reshape(-1)[worst]
    value = float(values.reshape(len(values), -1)[-1, worst])
    return Check(
        need.stream,
        "normalisation",
        f"column {worst} in {low:.3g} ... {high:.3g}",
        f"{value:.3g}",
        bool(over[worst] <= OUTSIDE),
    )


def _shape(need: StreamNeed, spec: StreamSpec) -> Check:
    needed, live = _words(need.shape), _words(spec.shape)
    if spec.kind == "image":
        fits = len(need.shape) == 3 and need.shape[2] == 3 and spec.shape[2:] == (3,)
        return Check(need.stream, "shape", needed, f"{live}, made to fit" if fits else live, fits)
    return Check(need.stream, "shape", needed, live, tuple(need.shape) == spec.shape)


def _no_such(name: str, live: Iterable[str]) -> str:
    """What to say of a stream that is not there: also what it may have been meant to be."""
    near = difflib.get_close_matches(name, tuple(dict.fromkeys(live)), n=1, cutoff=0.85)
    return f"no such stream; the nearest is {near[0]}" if near else "no such stream"


def _words(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape) or "one number"


WARNINGS = ("normalisation",)
"""What is told and does not keep a policy from driving."""


def refused(checks: Iterable[Check]) -> str:
    """What keeps the policy from driving, as one sentence; "" if nothing does."""
    return _sentence(c for c in checks if not c.fits and c.what not in WARNINGS)


def way_out(checks: Iterable[Check]) -> str:
    """What to do about what keeps a policy from driving."""
    bad = [check for check in checks if not check.fits and check.what not in WARNINGS]
    if all(check.what == "rate" for check in bad):
        return "The machine may be busy: load it again when these streams are as fast as it needs"
    if all(check.stream.endswith("/rgb") for check in bad):
        return "Start the cameras that it looks through, or load a policy that does without"
    return (
        "It was made for another robot or other sensors: load one that was trained on takes of "
        "this station"
    )


def doubts(checks: Iterable[Check]) -> str:
    """What does not fit and is no reason to refuse, as one sentence; "" if all does."""
    return _sentence(c for c in checks if not c.fits and c.what in WARNINGS)


def _sentence(checks: Iterable[Check]) -> str:
    return "; ".join(
        f"{c.stream}: {c.live}"
        if c.what == "name"
        else f"{c.stream}: {c.what} {c.live}, needs {c.needed}"
        for c in checks
    )
