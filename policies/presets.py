"""Ready-made needs for what the simulated station records, by name.

    state     tool pose and gap of the hands that drove
    touch     state, and the wrench at each of these hands
    reactive  touch, and the wrench once more at the time of each action, for a fast path
    pca       state, and the embedding of each pad's markers
    reading   state, and each pad's reading (only of sensors that are always in contact range)
    sent, sent-touch, sent-reactive
              as state, touch and reactive, with pose and gap as sent instead of as measured
    glance           state, and what an eye would tell of the scene
    glance-touch     glance, and the wrench at each of these hands
    glance-reactive  glance-touch, and the wrench once more at the time of each action
    glance-sent, glance-sent-touch, glance-sent-reactive
                     the same with pose and gap as sent

A policy without touch must see no touch at all, or it cannot be compared with one that has it. So
"state" and "glance" have no such stream, not even forces that joints feel. What is left is the
measured tool pose: an arm that gives way lags and leans where it presses, so its pose tells of
force to half a newton (docs/results/touch-matters.md). What was sent is where the tool of an arm
that does not give way would be, and tells nothing of what it met.

With `+CAMERA` ("state+front") pictures of a camera are added, 96 x 96. `scene/glance` stands in for
a camera where pictures would cost too much: each simulated scene tells by a few numbers what an eye
from above would see, and nothing that it would not, as the true height of a surface. Its shape is
the scene's, so these needs are made for the scene of a dataset. Nothing else here says where things
of the scene are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from datasets.dataset import Dataset
from datasets.library import Library
from datasets.reader import Episode
from datasets.window_actions import driven_sides
from devices.errors import ConfigError, StorageError
from devices.leader import SIDES, Side
from policies.contract import ActionSpace, StreamNeed

PICTURE = (96, 96, 3)
PADS = ("inner", "outer")
RATE_HZ = 12.0
SENT = "_sent"
"""How the streams of poses and gaps end that tell what was sent."""


def state(sides: Sequence[Side], known: str = "") -> tuple[StreamNeed, ...]:
    """Tool pose [m, wxyz, world] and gap [m], two rows at 12 Hz; as measured, or with `known`
    "_sent" as sent."""
    needs = []
    for side in sides:
        needs.append(
            StreamNeed(
                stream=f"{side}_arm/T_world_tool{known}",
                key=f"{side}_pose",
                shape=(7,),
                unit="m,wxyz",
                frame="world",
                min_hz=50.0,
                rate_hz=RATE_HZ,
            )
        )
        needs.append(
            StreamNeed(
                stream=f"{side}_gripper/gap{known}",
                key=f"{side}_gap",
                shape=(1,),
                unit="m",
                min_hz=50.0,
                rate_hz=RATE_HZ,
            )
        )
    return tuple(needs)


def touch(sides: Sequence[Side], known: str = "") -> tuple[StreamNeed, ...]:
    """`state` and the wrench [N, N m] in the frame of each tool, two rows at 12 Hz."""
    return (*state(sides, known), *(_wrench(side, "window") for side in sides))


def reactive(sides: Sequence[Side], known: str = "") -> tuple[StreamNeed, ...]:
    """`touch`, and the wrench at the time of each action: what `react` sees live."""
    return (*touch(sides, known), *(_wrench(side, "chunk") for side in sides))


def pca(sides: Sequence[Side]) -> tuple[StreamNeed, ...]:
    """`state` and 15 numbers a pad that tell how its markers lie, also at each action."""
    pads = []
    for side in sides:
        for pad in PADS:
            name = f"{side}_{pad}"
            for key, span in ((f"{name}_pca", "window"), (f"{name}_pca_chunk", "chunk")):
                pads.append(
                    StreamNeed(
                        stream=f"{name}_pad/pca",
                        key=key,
                        shape=(15,),
                        min_hz=20.0,
                        rate_hz=RATE_HZ,
                        span=span,  # type: ignore[arg-type]
                    )
                )
    return (*state(sides), *pads)


def reading(sides: Sequence[Side]) -> tuple[StreamNeed, ...]:
    """`state` and the reading of each pad (8,): forces, torsion, slip, contact, band, baseline."""
    pads = [f"{side}_{pad}" for side in sides for pad in PADS]
    return (
        *state(sides),
        *(
            StreamNeed(
                stream=f"{pad}_pad/reading",
                key=f"{pad}_reading",
                shape=(8,),
                min_hz=20.0,
                rate_hz=RATE_HZ,
            )
            for pad in pads
        ),
    )


def presets() -> dict[str, Callable[[Sequence[Side]], tuple[StreamNeed, ...]]]:
    """All presets by name, but for what an eye would tell."""
    return {
        "state": state,
        "touch": touch,
        "reactive": reactive,
        "pca": pca,
        "reading": reading,
        "sent": partial(state, known=SENT),
        "sent-touch": partial(touch, known=SENT),
        "sent-reactive": partial(reactive, known=SENT),
    }


GLANCE = "scene/glance"
"""The stream that tells what an eye would."""

GLANCES: dict[str, str] = {
    "glance": "state",
    "glance-touch": "touch",
    "glance-reactive": "reactive",
    "glance-sent": "sent",
    "glance-sent-touch": "sent-touch",
    "glance-sent-reactive": "sent-reactive",
}
"""Presets that also look: name → the preset that they add to."""


def glance(shape: tuple[int, ...]) -> StreamNeed:
    """What an eye would tell, in the newest row [mixed, world]. `shape` is the scene's."""
    return StreamNeed(
        stream=GLANCE,
        key="glance",
        shape=shape,
        unit="mixed",
        frame="world",
        min_hz=10.0,
        steps=1,
        rate_hz=RATE_HZ,
    )


def needs_of(
    name: str, sides: Sequence[Side], glance_shape: tuple[int, ...] | None = None
) -> tuple[StreamNeed, ...]:
    """The needs of a preset.

    Args:
        name: "touch", or with cameras "touch+front+wrist_right".
        sides: The hands that drive.
        glance_shape: Of the scene's `scene/glance`, for presets that look.

    Raises:
        ConfigError: For an unknown name, or a preset that looks where there is nothing to see.
    """
    base, *cameras = name.split("+")
    known = presets()
    if base not in (*known, *GLANCES):
        raise ConfigError(f"There is no preset of needs '{base}'", allowed=(*known, *GLANCES))
    looks: tuple[StreamNeed, ...] = ()
    if base in GLANCES:
        if glance_shape is None:
            raise ConfigError(
                f"The needs '{base}' ask for '{GLANCE}', which was not recorded",
                next_step="Choose other needs, or record takes in a simulated scene",
            )
        base, looks = GLANCES[base], (glance(glance_shape),)
    pictures = tuple(
        StreamNeed(
            stream=f"{camera}/rgb",
            key=camera,
            shape=PICTURE,
            unit="RGB",
            min_hz=5.0,
            rate_hz=RATE_HZ,
        )
        for camera in cameras
    )
    return (*known[base](sides), *looks, *pictures)


def glance_shape(dataset: Dataset) -> tuple[int, ...] | None:
    """Shape of `scene/glance` in the first successful take that has it, None where none does."""
    for card in Library(dataset, mend=False).cards(verdict="success"):
        with Episode.open(dataset.episode_path(card.uid)) as episode:
            if GLANCE in episode.specs:
                return episode.specs[GLANCE].shape
    return None


def sides_of(dataset: Dataset, uids: Iterable[str] | None = None) -> tuple[Side, ...]:
    """The hands that drove in a dataset, left before right.

    Args:
        dataset: Where to look.
        uids: Only in these episodes; None for those with the verdict success.

    Raises:
        StorageError: If nobody drove anywhere.
    """
    if uids is None:
        uids = [card.uid for card in Library(dataset, mend=False).cards(verdict="success")]
    drove: set[Side] = set()
    for uid in uids:
        with Episode.open(dataset.episode_path(uid)) as episode:
            drove |= set(driven_sides(episode))
        if len(drove) == len(SIDES):
            break
    if not drove:
        raise StorageError(
            f"In no episode of {dataset.root} that counts did anybody drive",
            next_step="Record some takes and keep them as successes",
        )
    return tuple(side for side in SIDES if side in drove)


def space_of(sides: Sequence[Side], **changes: object) -> ActionSpace:
    """The action space for some hands; `changes` are other fields of it.

    Raises:
        ConfigError: For a field that it does not have, or a value that does not fit.
    """
    known = [name for name in ActionSpace.__struct_fields__ if name != "sides"]
    for name in changes:
        if name not in known:
            raise ConfigError(f"An action space has no '{name}'", allowed=known)
    space = ActionSpace(sides=tuple(sides), **changes)  # type: ignore[arg-type]
    if space.horizon < 1 or not 1.0 <= space.rate_hz <= 250.0:
        raise ConfigError(
            f"A chunk of {space.horizon} rows at {space.rate_hz} Hz cannot be asked for",
            allowed=("1 row or more", "1 to 250 Hz"),
        )
    return space


def _wrench(side: Side, span: str) -> StreamNeed:
    return StreamNeed(
        stream=f"{side}_arm/wrench",
        key=f"{side}_wrench" if span == "window" else f"{side}_wrench_chunk",
        shape=(6,),
        unit="N,N m",
        frame=f"{side}_tool",
        min_hz=50.0,
        rate_hz=RATE_HZ,
        span=span,  # type: ignore[arg-type]
    )
