"""Behaviour cloning: one look at the window, one chunk, by a plain network.

The simplest thing that can drive: what the operator did on average in a situation like this one
(Pomerleau 1989). Where two ways around are equally good it takes the middle, which is neither; the
other policies are there for that. No pictures.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import torch
from torch import Tensor, nn

from devices.errors import ConfigError
from policies.contract import ActionChunk, ActionSpace, StreamNeed, Window
from policies.normaliser import Normaliser
from policies.trainable import Batch, Recipe, TrainablePolicy, is_image, step_mean, window_batch


class BcConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a `BehaviourCloning` is built and trained.

    Attributes:
        needs, space: What it sees and does.
        width: Numbers in a hidden layer.
        layers: Hidden layers.
        dropout: Share of hidden numbers that are hidden in training.
        lr, weight_decay: Of AdamW.
    """

    needs: tuple[StreamNeed, ...]
    space: ActionSpace
    width: int = 256
    layers: int = 3
    dropout: float = 0.0
    lr: float = 1e-3
    weight_decay: float = 1e-4


class BehaviourCloning(TrainablePolicy):
    """window (B, n) → MLP → chunk (B, H, A)."""

    name = "bc"
    Config = BcConfig

    def __init__(self, config: BcConfig, normaliser: Normaliser) -> None:
        super().__init__(config, normaliser)
        for need in config.needs:
            if is_image(need):
                raise ConfigError(
                    f"Policy 'bc' cannot look at pictures ('{need.stream}')",
                    next_step="Use a policy with an image encoder, or leave the camera out",
                )
        self._keys = [need.key for need in config.needs if need.span == "window"]
        # n: every number of every row of every window key, side by side.
        numbers = 0
        for need in config.needs:
            if need.span == "window":
                numbers += need.steps * int(torch.Size(need.shape).numel())
        if not numbers:
            raise ConfigError("Policy 'bc' has nothing to look at", next_step="Name some needs")
        layers: list[nn.Module] = []
        for _ in range(config.layers):
            layers += [nn.Linear(numbers, config.width), nn.LayerNorm(config.width), nn.GELU()]
            layers.append(nn.Dropout(config.dropout))
            numbers = config.width
        layers.append(nn.Linear(numbers, config.space.horizon * config.space.width))
        self.net = nn.Sequential(*layers)

    def recipe(self, stage: str) -> Recipe:
        config: BcConfig = self.config
        return Recipe(lr=config.lr, weight_decay=config.weight_decay, betas=(0.9, 0.999))

    def loss(self, batch: Batch, stage: str, generator: torch.Generator) -> dict[str, Tensor]:
        wanted = self.normaliser.normalise("actions", batch["actions"])  # (B, H, A)
        error = self._chunk(batch) - wanted
        loss = step_mean(error.square(), batch)
        with torch.no_grad():
            raw = self.normaliser.denormalise("actions", error + wanted) - batch["actions"]
        return {"loss": loss, "error": step_mean(raw.abs(), batch)}

    @torch.no_grad()
    def act(self, window: Window) -> ActionChunk:
        batch = window_batch(window, self.needs, self.device)
        chunk = self.normaliser.denormalise("actions", self._chunk(batch))[0]  # (H, A)
        actions = chunk.double().cpu().numpy()
        actions.flags.writeable = False
        return ActionChunk(window.t_ns, self.space.rate_hz, actions, window.t_ns)

    def _chunk(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Normalised actions, (B, H, A)."""
        seen = [self.normaliser.normalise(key, batch[key]).flatten(1) for key in self._keys]
        flat: Tensor = self.net(torch.cat(seen, dim=1))  # (B, n) → (B, H * A)
        return flat.unflatten(1, (self.space.horizon, self.space.width))
