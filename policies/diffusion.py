"""Diffusion Policy (Chi et al. 2023): a chunk of actions is denoised, given the observation.

    window → features (B, D) ┐
    noise (B, H, A) → U-Net predicts the noise in it → DDIM step → ... → actions (B, H, A)

Training (section 2.3, 3): a chunk is noised to a random step, the network tells the noise, the loss
is their squared difference. The paper's image policy has widths 256 512 1024 and 100 DDIM steps;
the defaults here are sized so that a chunk takes less than 100 ms on one core (docs/policies.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
import torch
from msgspec import Meta
from torch import Tensor

from devices.errors import PolicyError
from devices.stream import FloatArray
from policies.blocks.chunks import chunk_of, spread, weighted
from policies.blocks.frames import absolute_actions, live_bases, prepared
from policies.blocks.observation import (
    ObservationEncoder,
    PlaceScale,
    modes_of,
    touches_of,
)
from policies.blocks.recorded import Recorded
from policies.blocks.schedule import Schedule, draw, draw_steps
from policies.blocks.unet import UNet1d
from policies.contract import ActionChunk, ActionSpace, StreamNeed, Window
from policies.normaliser import Modes, Normaliser
from policies.trainable import Batch, Recipe, TrainablePolicy, window_batch

_CLIP: dict[PlaceScale, float] = {"range": 1.0, "standard": 5.0}
"""Where samples are cut, normalised: ranges end at 1; of deviations hardly anything is beyond 5."""


class DiffusionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Attributes:
    needs: The streams it looks at; all with span "window".
    space: What its actions mean.
    relative: Actions are told from the newest tool pose. The paper's are absolute.
    about: Key of the need that tells where the task's thing is seen; places are told from there,
        see `policies.blocks.frames`. "" for the world.
    tilt: Whether the orientation of the tools is seen, which tells of force where an arm gives way.
    scale: Of places of actions, see `policies.blocks.observation.PlaceScale`.
    widths: Channels of the U-Net's levels; the horizon must halve len(widths) - 1 times.
    kernel: Rows that a convolution sees.
    train_steps: Steps of noising.
    inference_steps: Steps of DDIM in `act`.
    samples: Chunks drawn at a time; the first drives, the others show what else it thought of.
    image_width: Channels of the cameras' first stage; 64 is ResNet-18.
    image_crop: Part of each side of a picture that is looked at.
    lr: Highest learning rate (AdamW); the paper has 1e-4 for far larger networks and budgets.
    """

    needs: tuple[StreamNeed, ...]
    space: ActionSpace
    relative: bool = False
    about: str = ""
    tilt: bool = True
    scale: PlaceScale = "range"
    widths: tuple[int, ...] = (64, 128, 256)
    kernel: Annotated[int, Meta(ge=1)] = 5
    train_steps: Annotated[int, Meta(ge=1)] = 100
    inference_steps: Annotated[int, Meta(ge=1)] = 8
    samples: Annotated[int, Meta(ge=1, le=64)] = 1
    image_width: Annotated[int, Meta(ge=16, multiple_of=16)] = 32
    image_crop: Annotated[float, Meta(gt=0, le=1)] = 0.9
    lr: Annotated[float, Meta(gt=0)] = 1e-3


class DiffusionPolicy(TrainablePolicy):
    """In the shapes: B batch, K draws, H rows of a chunk, A numbers in a row, D features."""

    name: ClassVar[str] = "diffusion"
    Config: ClassVar[type[Any]] = DiffusionConfig
    config: DiffusionConfig

    def __init__(self, config: DiffusionConfig, normaliser: Normaliser) -> None:
        super().__init__(config, normaliser)
        if touches_of(config.needs):
            keys = ", ".join(need.key for need in touches_of(config.needs))
            raise PolicyError(
                f"Diffusion Policy has no fast path, so {keys} cannot accompany its chunks",
                next_step="Give these needs span 'window', or take the policy 'rdp'",
            )
        if config.inference_steps > config.train_steps:
            raise PolicyError(
                f"{config.inference_steps} inference steps of {config.train_steps} training steps",
                next_step="Set `inference_steps` to at most `train_steps`",
            )
        self.encoder = ObservationEncoder(
            config.needs, normaliser, config.image_width, config.image_crop
        )
        self.net = UNet1d(config.space.width, self.encoder.width, config.widths, config.kernel)
        self.net.check_length(config.space.horizon, "The horizon of the actions")
        self.recorded = Recorded(self.net)
        self.schedule = Schedule(config.train_steps, _CLIP[config.scale])
        self.generator = torch.Generator()

    @classmethod
    def prepare(cls, config: DiffusionConfig, batch: Batch) -> Batch:
        return prepared(
            config.needs,
            config.space,
            batch,
            config.relative,
            about=config.about,
            tilt=config.tilt,
        )

    @classmethod
    def modes(cls, config: DiffusionConfig) -> Mapping[str, Modes]:
        return modes_of(config.needs, config.space, config.scale)

    def recipe(self, stage: str) -> Recipe:
        return Recipe(lr=self.config.lr)

    def loss(self, batch: Batch, stage: str, generator: torch.Generator) -> dict[str, Tensor]:
        features = self.encoder(batch, generator if self.training else None)  # (B, D)
        actions = self.normaliser.normalise("actions", batch["actions"])  # (B, H, A)
        noise = draw(tuple(actions.shape), generator, actions)
        step = draw_steps(len(actions), self.config.train_steps, generator, actions)  # (B,)
        told = self.net(self.schedule.noised(actions, noise, step), step, features)
        return {"loss": weighted((told - noise).square(), batch)}

    def reset(self, seed: int | None = None) -> None:
        if seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(seed)

    @torch.inference_mode()
    def act(self, window: Window) -> ActionChunk:
        config, space = self.config, self.config.space
        batch = self.prepare(config, window_batch(window, config.needs, self.device))
        features = self.encoder(batch).expand(config.samples, -1)  # (K, D)
        noise = draw((config.samples, space.horizon, space.width), self.generator, features)
        draws = self.schedule.sample(
            noise, lambda x, step: self.recorded(x, step, features), config.inference_steps
        )  # (K, H, A), normalised
        sure = spread(draws.cpu().numpy())
        actions: FloatArray = self.normaliser.denormalise("actions", draws).double().cpu().numpy()
        if config.relative or config.about:
            bases = live_bases(config.needs, space, window, config.relative, config.about)
            actions = absolute_actions(actions, space, bases)
        return chunk_of(window, space, actions, sure)
