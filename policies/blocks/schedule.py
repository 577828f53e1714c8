"""Denoising diffusion: the squared-cosine schedule, its training pairs, and DDIM sampling.

Nichol and Dhariwal 2021, equation 17 (schedule, each beta capped at 0.999); Song et al. 2021,
equation 12 with eta = 0 (DDIM).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Schedule(nn.Module):
    """How much of a sample is left after each of `steps` steps of noising.

    Args:
        steps: Steps of training, T.
        clip: Clean samples lie in [-clip, clip]; predictions of them are cut there.
    """

    kept: Tensor

    def __init__(self, steps: int = 100, clip: float = 1.0) -> None:
        super().__init__()
        self.steps = steps
        self.clip = clip

        def cosine(i: int) -> float:
            return math.cos((i / steps + 0.008) / 1.008 * math.pi / 2) ** 2

        betas = [min(1.0 - cosine(i + 1) / cosine(i), 0.999) for i in range(steps)]
        kept = torch.cumprod(1.0 - torch.tensor(betas, dtype=torch.float64), dim=0)
        # Constants of the configuration, so no part of the weights.
        self.register_buffer("kept", kept.float(), persistent=False)  # (T,), "alpha bar"

    def noised(self, clean: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """`clean` (B, ...) with the noise of `step` (B,) in it: same shape."""
        kept = self.kept[step].view(-1, *[1] * (clean.dim() - 1))
        return kept.sqrt() * clean + (1.0 - kept).sqrt() * noise

    def visits(self, count: int) -> list[int]:
        """The steps that a sampler of `count` steps visits: evenly from the noisiest down to 0.

        It has to begin at the noisiest. Pure noise told to be of an earlier step, where part of the
        sample should still be seen, draws all samples towards the middle (Lin et al. 2024,
        section 3.3).
        """
        last = self.steps - 1
        return [last - i * last // max(1, count - 1) for i in range(count)]

    def sample(
        self, noise: Tensor, predict: Callable[[Tensor, Tensor], Tensor], count: int
    ) -> Tensor:
        """DDIM: from `noise` (B, ...) to a sample, in `count` steps.

        Args:
            predict: (x, step (B,)) to the noise in x.
        """
        x = noise
        visits = self.visits(count)
        for here, there in zip(visits, [*visits[1:], None], strict=True):
            kept = self.kept[here]
            after = self.kept[there] if there is not None else torch.ones_like(kept)
            epsilon = predict(x, torch.full((len(x),), here, device=x.device))
            clean = (x - (1.0 - kept).sqrt() * epsilon) / kept.sqrt()
            clean = clean.clamp(-self.clip, self.clip)
            x = after.sqrt() * clean + (1.0 - after).sqrt() * epsilon
        return x


def draw(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal numbers on the device of `like`.

    Drawn where the generator lives, then moved: one seed gives one draw on every device.
    """
    return torch.randn(shape, generator=generator, device=generator.device).to(like.device)


def draw_steps(count: int, below: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """`count` whole numbers in 0 ... below - 1, uniform, on the device of `like`."""
    steps = torch.randint(below, (count,), generator=generator, device=generator.device)
    return steps.to(like.device)


def draw_uniform(count: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """`count` numbers in [0, 1), uniform, on the device of `like`."""
    return torch.rand(count, generator=generator, device=generator.device).to(like.device)
