"""What a policy of ours promises beside `Policy`: how it is configured, fitted and trained.

Adding a policy is one file with a subclass of `TrainablePolicy` and its frozen config, and one
entry point in the group `teledeck.policies`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from devices.errors import ConfigError, PolicyError
from devices.stream import FloatArray
from policies.contract import ActionChunk, ActionSpace, StreamNeed, Window
from policies.normaliser import Modes, Normaliser

Batch = Mapping[str, Tensor]
"""By key: (B, steps, *shape) for "window" needs, (B, H, *shape) for "chunk" needs, float32 in raw
units (images uint8); `actions` (B, H, A) float32 absolute; `mask` (B, H) bool, False where the
episode has ended (the last action is repeated there); `weight` (B,) float32."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one stage is optimised: AdamW, linear warm-up, then half a cosine down to zero.

    Attributes:
        lr: Highest learning rate.
        betas, weight_decay: Of AdamW.
        warm_up: Updates until the rate is reached; at most a tenth of the stage.
        ema: Whether the averaged weights are the ones that are kept and judged.
        clip: Largest norm of the gradient; inf for any.
    """

    lr: float = 1e-4
    betas: tuple[float, float] = (0.95, 0.999)
    weight_decay: float = 1e-6
    warm_up: int = 500
    ema: bool = True
    clip: float = 1.0


class TrainablePolicy(nn.Module, ABC):
    """Base of every policy that trains here. Not thread-safe, except that `react` may run beside
    `act`.

    A subclass sets `name` and `Config`, and implements `loss` and `act`; the rest has defaults
    for a policy of one stage. It normalises by itself, in `loss` as in `act`, so that both see the
    same numbers.

    Args:
        config: An instance of `Config`.
        normaliser: Has a scale for every key in `modes(config)`.

    Attributes:
        name: Of its entry point.
        Config: A frozen msgspec.Struct with forbid_unknown_fields. It has `needs` (a tuple of
            StreamNeed) and `space` (an ActionSpace); every other field has a default.
        stages: What is trained one after the other.
        share: Of the budget of updates, by stage; sums to 1.
        reacts: Whether `react` may be called.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Any]]
    stages: ClassVar[tuple[str, ...]] = ("policy",)
    share: ClassVar[Mapping[str, float]] = {"policy": 1.0}
    reacts: bool = False

    def __init__(self, config: Any, normaliser: Normaliser) -> None:
        super().__init__()
        self.config = config
        self.normaliser = normaliser

    @property
    def needs(self) -> tuple[StreamNeed, ...]:
        needs: tuple[StreamNeed, ...] = self.config.needs
        return needs

    @property
    def space(self) -> ActionSpace:
        space: ActionSpace = self.config.space
        return space

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    # -------------------------------------------------------------------------- before training
    @classmethod
    def configure(
        cls, needs: Sequence[StreamNeed], space: ActionSpace, **options: object
    ) -> msgspec.Struct:
        """A config.

        Args:
            needs, space: What it sees and does.
            options: Values of other fields of `Config`; texts are read as JSON where they can be
                ("256", "[128, 256]"), as they come from a command line.

        Raises:
            ConfigError: For options that the policy does not have, or values of another type.
        """
        known = [name for name in cls.Config.__struct_fields__ if name not in ("needs", "space")]
        for name in options:
            if name not in known:
                raise ConfigError(f"Policy '{cls.name}' has no option '{name}'", allowed=known)
        fields = {
            **{name: _read_option(value) for name, value in options.items()},
            "needs": msgspec.to_builtins(tuple(needs)),
            "space": msgspec.to_builtins(space),
        }
        return cls.read_config(fields)

    @classmethod
    def read_config(cls, fields: Mapping[str, object]) -> msgspec.Struct:
        """A config out of plain values, as a checkpoint stores them.

        Raises:
            ConfigError: Naming the field that does not fit.
        """
        try:
            config: msgspec.Struct = msgspec.convert(fields, cls.Config)
        except (msgspec.ValidationError, ValueError) as error:
            said = str(error).replace("`$.", "`")  # the field, from the config on
            raise ConfigError(f"Policy '{cls.name}' cannot be configured: {said}") from error
        return config

    @classmethod
    def prepare(cls, config: Any, batch: Batch) -> Batch:
        """What chance has no part in, before the normaliser sees it: relative actions, derived
        keys. Pure; keeps `mask` and `weight`."""
        return batch

    @classmethod
    def modes(cls, config: Any) -> Mapping[str, Modes]:
        """How each key of a prepared batch is normalised, see `Normaliser.fit`. By default images
        as images and everything else by its range, except that columns of a rotation stay."""
        found: dict[str, Modes] = {
            need.key: "image" if is_image(need) else "range" for need in config.needs
        }
        found["actions"] = action_modes(config.space)
        return found

    # ---------------------------------------------------------------------------------- training
    def parameters_of(self, stage: str) -> list[nn.Parameter]:
        """What is trained in a stage; the rest stays as it is."""
        return list(self.parameters())

    def recipe(self, stage: str) -> Recipe:
        """How a stage is optimised."""
        return Recipe()

    def begin(self, stage: str, batches: Iterable[Batch], generator: torch.Generator) -> None:
        """Called once at the beginning of a stage, not after a resume: fit what depends on the
        stage before (store it in buffers). `batches` are prepared training batches, a few."""

    @abstractmethod
    def loss(self, batch: Batch, stage: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of a prepared batch that is not normalised yet.

        Args:
            batch: As `prepare` returns it, on the policy's device.
            stage: One of `stages`.
            generator: The only source of chance, on the policy's device.

        Returns:
            "loss" (scalar) is minimised; other scalars are curves. Rows are weighted by `weight`
            and `mask`, see `step_mean` and `window_mean`.
        """

    # ----------------------------------------------------------------------------------- driving
    def reset(self, seed: int | None = None) -> None:
        """Forget everything, as before a new rollout. `seed` makes what follows repeatable."""

    @abstractmethod
    def act(self, window: Window) -> ActionChunk:
        """See `Policy.act`."""

    def react(self, chunk: ActionChunk, latest: Window) -> FloatArray:
        """See `Policy.react`."""
        raise PolicyError(f"Policy '{self.name}' does not react")


def is_image(need: StreamNeed) -> bool:
    """Whether a need is for pictures: rows of (height, width, 3)."""
    return len(need.shape) == 3 and need.shape[2] == 3 and need.stream.endswith("/rgb")


def action_modes(space: ActionSpace) -> Modes:
    """By range, except columns of a rotation matrix, which are of about one already."""
    side: list[Any] = ["range"] * 3 + ["identity"] * (6 if space.rotation else 0) + ["range"]
    return tuple(side * len(space.sides))


def window_batch(
    window: Window, needs: Iterable[StreamNeed], device: torch.device | str = "cpu"
) -> dict[str, Tensor]:
    """A window as a batch of one: by key (1, n, *shape), float32, images uint8. Keys that the
    window does not have are left out ("chunk" needs in `act`).

    Raises:
        PolicyError: For values of another shape, or such as are not finite.
    """
    batch = {}
    for need in needs:
        if need.key not in window.values:
            if need.span == "window":
                raise PolicyError(f"The window has no '{need.key}'", allowed=window.values)
            continue
        values = np.asarray(window.values[need.key])
        if values.shape[1:] != need.shape or (need.span == "window" and len(values) != need.steps):
            raise PolicyError(
                f"'{need.key}' of the window is {values.shape}, not ({need.steps}, *{need.shape})"
            )
        if values.dtype != np.uint8:
            values = values.astype(np.float32)
            if not np.isfinite(values).all():
                raise PolicyError(f"'{need.key}' of the window has values that are not finite")
        batch[need.key] = torch.tensor(values[None], device=device)
    return batch


def step_mean(errors: Tensor, batch: Batch) -> Tensor:
    """The mean of errors (B, H, ...) over the steps that exist, weighted by window."""
    rows = errors.flatten(2).mean(dim=2) if errors.ndim > 2 else errors
    counted = batch["mask"].to(errors.dtype) * batch["weight"][:, None]
    return (rows * counted).sum() / counted.sum().clamp_min(1e-12)


def window_mean(errors: Tensor, batch: Batch) -> Tensor:
    """The mean of errors (B, ...) that have no axis of steps, weighted by the windows' weights."""
    rows = errors.flatten(1).mean(dim=1) if errors.ndim > 1 else errors
    weight = batch["weight"]
    return (rows * weight).sum() / weight.sum().clamp_min(1e-12)


def _read_option(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
