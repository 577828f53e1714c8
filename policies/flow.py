"""Flow matching (Lipman et al. 2023): a chunk flows from noise along a learned velocity.

    window → features (B, D) ┐
    noise (B, H, A) → U-Net tells the velocity → Euler step → ... → actions (B, H, A)

Training: on the straight line x_t = (1 - t) x_0 + t a from noise x_0 to the chunk a, the network
tells the velocity a - x_0; the loss is the squared difference. One Euler step gives the mean of all
demonstrations that fit (like behaviour cloning); from about five on the draws pick a way.
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
from policies.blocks.frames import absolute_actions, bases_of, prepared
from policies.blocks.observation import ObservationEncoder, modes_of, touches_of
from policies.blocks.recorded import Recorded
from policies.blocks.schedule import draw, draw_uniform
from policies.blocks.unet import UNet1d
from policies.contract import ActionChunk, ActionSpace, StreamNeed, Window
from policies.normaliser import Modes, Normaliser
from policies.trainable import Batch, Recipe, TrainablePolicy, window_batch

SCALE = 100.0
"""Time of the flow as the step's embedding sees it: its sines are spaced for whole steps."""


class FlowConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Attributes:
    needs: The streams it looks at; all with span "window".
    space: What its actions mean.
    relative: Actions are told from the newest tool pose.
    widths: Channels of the U-Net's levels; the horizon must halve len(widths) - 1 times.
    kernel: Rows that a convolution sees.
    inference_steps: Euler steps in `act`.
    samples: Chunks drawn at a time; the first drives, the others show what else it thought of.
    image_width: Channels of the cameras' first stage; 64 is ResNet-18.
    image_crop: Part of each side of a picture that is looked at.
    lr: Highest learning rate (AdamW); the paper has 1e-4 for far larger networks and budgets.
    """

    needs: tuple[StreamNeed, ...]
    space: ActionSpace
    relative: bool = False
    widths: tuple[int, ...] = (64, 128, 256)
    kernel: Annotated[int, Meta(ge=1)] = 5
    inference_steps: Annotated[int, Meta(ge=1, le=100)] = 5
    samples: Annotated[int, Meta(ge=1, le=64)] = 1
    image_width: Annotated[int, Meta(ge=16, multiple_of=16)] = 32
    image_crop: Annotated[float, Meta(gt=0, le=1)] = 0.9
    lr: Annotated[float, Meta(gt=0)] = 1e-3


class FlowPolicy(TrainablePolicy):
    """In the shapes: B batch, K draws, H rows of a chunk, A numbers in a row, D features."""

    name: ClassVar[str] = "flow"
    Config: ClassVar[type[Any]] = FlowConfig
    config: FlowConfig

    def __init__(self, config: FlowConfig, normaliser: Normaliser) -> None:
        super().__init__(config, normaliser)
        if touches_of(config.needs):
            keys = ", ".join(need.key for need in touches_of(config.needs))
            raise PolicyError(
                f"The flow policy has no fast path, so {keys} cannot accompany its chunks",
                next_step="Give these needs span 'window', or take the policy 'rdp'",
            )
        self.encoder = ObservationEncoder(
            config.needs, normaliser, config.image_width, config.image_crop
        )
        self.net = UNet1d(config.space.width, self.encoder.width, config.widths, config.kernel)
        self.net.check_length(config.space.horizon, "The horizon of the actions")
        self.recorded = Recorded(self.net)
        self.generator = torch.Generator()

    @classmethod
    def prepare(cls, config: FlowConfig, batch: Batch) -> Batch:
        return prepared(config.needs, config.space, batch, config.relative)

    @classmethod
    def modes(cls, config: FlowConfig) -> Mapping[str, Modes]:
        return modes_of(config.needs, config.space)

    def recipe(self, stage: str) -> Recipe:
        return Recipe(lr=self.config.lr)

    def loss(self, batch: Batch, stage: str, generator: torch.Generator) -> dict[str, Tensor]:
        features = self.encoder(batch, generator if self.training else None)  # (B, D)
        actions = self.normaliser.normalise("actions", batch["actions"])  # (B, H, A)
        noise = draw(tuple(actions.shape), generator, actions)  # x_0
        time = draw_uniform(len(actions), generator, actions)  # (B,)
        part = time[:, None, None]
        told = self.net((1.0 - part) * noise + part * actions, SCALE * time, features)
        return {"loss": weighted((told - (actions - noise)).square(), batch)}

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
        x = draw((config.samples, space.horizon, space.width), self.generator, features)
        for step in range(config.inference_steps):
            time = torch.full((config.samples,), step / config.inference_steps, device=x.device)
            x = x + self.recorded(x, SCALE * time, features) / config.inference_steps
        draws = x.clamp(-1.0, 1.0)  # (K, H, A), normalised; no demonstration lies beyond
        sure = spread(draws.cpu().numpy())
        actions: FloatArray = self.normaliser.denormalise("actions", draws).double().cpu().numpy()
        if config.relative:
            bases = bases_of(config.needs, space, batch)
            numbers = {side: base[0].double().cpu().numpy() for side, base in bases.items()}
            actions = absolute_actions(actions, space, numbers)
        return chunk_of(window, space, actions, sure)
