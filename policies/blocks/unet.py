"""The 1-D U-Net of Diffusion Policy (Chi et al. 2023, section 3).

Convolutions over time, scaled and shifted by the step and the observation (FiLM). The same network
is the noise predictor of `diffusion`, the velocity of `flow` and the latent noise predictor of
`rdp`. In the shapes below B is the batch, T time (rows of a chunk, or tokens), C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from devices.errors import PolicyError


class StepEmbedding(nn.Module):
    """A scalar per sample (diffusion step, or time of a flow) as a vector: sines, then an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.Mish(), nn.Linear(4 * width, width)
        )

    def forward(self, step: Tensor) -> Tensor:  # (B,) -> (B, width)
        half = self.width // 2
        rates = torch.exp(torch.arange(half, device=step.device) * (-math.log(1e4) / (half - 1)))
        angles = step.float()[:, None] * rates  # (B, width / 2)
        return self.mlp(torch.cat([angles.sin(), angles.cos()], dim=-1))


class FilmBlock(nn.Module):
    """Two convolutions and a residual; between them the condition scales and shifts channels."""

    def __init__(self, inputs: int, outputs: int, condition: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.first = _conv(inputs, outputs, kernel, groups)
        self.second = _conv(outputs, outputs, kernel, groups)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition, 2 * outputs))
        self.residual = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # (B, C, T), (B, D) -> (B, C', T)
        scale, shift = self.film(condition)[:, :, None].chunk(2, dim=1)  # (B, C', 1) each
        # 1 + scale, so that an untrained condition leaves the features as they are.
        hidden = self.first(x) * (1.0 + scale) + shift
        return self.second(hidden) + self.residual(x)


class _Level(nn.Module):
    def __init__(self, first: FilmBlock, second: FilmBlock) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.second(self.first(x, condition), condition)


class UNet1d(nn.Module):
    """Rows (B, T, C), a step (B,) and a condition (B, D) to rows (B, T, C).

    Args:
        channels: Numbers in a row, C.
        condition: Width of the observation's features, D.
        widths: Channels of each level; time is halved from one level to the next.
        kernel: Rows that a convolution sees.
        groups: Of the group normalisation; divides every width.
        step_width: Width of the step's embedding.
    """

    def __init__(
        self,
        channels: int,
        condition: int,
        widths: Sequence[int] = (64, 128, 256),
        kernel: int = 5,
        groups: int = 8,
        step_width: int = 128,
    ) -> None:
        super().__init__()
        wrong = [width for width in widths if width % groups]
        if wrong or not widths:
            raise PolicyError(
                f"U-Net widths {list(widths)}: each must be a multiple of {groups}",
                next_step="Choose other `widths`, such as 64 128 256",
            )
        whole = condition + step_width

        def block(inputs: int, outputs: int) -> FilmBlock:
            return FilmBlock(inputs, outputs, whole, kernel, groups)

        self.factor = 2 ** (len(widths) - 1)
        self.embed = StepEmbedding(step_width)
        self.down = nn.ModuleList()
        self.shrink = nn.ModuleList()
        below = channels
        for width in widths:
            self.down.append(_Level(block(below, width), block(width, width)))
            below = width
        for width in widths[:-1]:
            self.shrink.append(nn.Conv1d(width, width, 3, stride=2, padding=1))
        self.middle = _Level(block(below, below), block(below, below))
        self.up = nn.ModuleList()
        self.grow = nn.ModuleList()
        for lower, width in zip(widths[:-1][::-1], widths[:0:-1], strict=True):
            self.up.append(_Level(block(2 * width, lower), block(lower, lower)))
            self.grow.append(nn.ConvTranspose1d(lower, lower, 4, stride=2, padding=1))
        self.out = nn.Sequential(
            _conv(2 * widths[0], widths[0], kernel, groups), nn.Conv1d(widths[0], channels, 1)
        )

    def forward(self, rows: Tensor, step: Tensor, condition: Tensor) -> Tensor:
        x = rows.transpose(1, 2)  # (B, C, T)
        film = torch.cat([self.embed(step), condition], dim=-1)  # (B, step_width + D)
        skips = []
        for number, level in enumerate(self.down):
            x = level(x, film)
            skips.append(x)
            if number < len(self.shrink):
                x = self.shrink[number](x)  # T halved
        x = self.middle(x, film)
        for level, grow in zip(self.up, self.grow, strict=True):
            x = torch.cat([x, skips.pop()], dim=1)
            x = grow(level(x, film))  # T doubled
        x = self.out(torch.cat([x, skips.pop()], dim=1))
        return x.transpose(1, 2)

    def check_length(self, length: int, what: str) -> None:
        """Refuse a length of time that cannot be halved at every level.

        Raises:
            PolicyError: Naming `what` and the lengths that would do.
        """
        if length % self.factor:
            lower = length // self.factor * self.factor
            raise PolicyError(
                f"{what} is {length}, which a U-Net of {len(self.down)} levels cannot halve"
                f" {len(self.shrink)} times",
                allowed=[n for n in (lower, lower + self.factor) if n],
                next_step="Change the horizon or give fewer `widths`",
            )


def _conv(inputs: int, outputs: int, kernel: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2),
        nn.GroupNorm(groups, outputs),
        nn.Mish(),
    )
