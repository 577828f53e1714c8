"""Pictures to features: ResNet-18 with group normalisation, random crops while training.

He et al. 2016, table 1, as Diffusion Policy uses it: from scratch, batch normalisation replaced by
groups of 16 channels (batch statistics do not go with averaged weights), crops of 0.9 of each side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Mean and deviation of photographs, channel by channel (ImageNet), on a scale of 0..1.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            _norm(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            _norm(outputs),
        )
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), _norm(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.short(x))


class ImageEncoder(nn.Module):
    """Pictures (B, steps, height, width, 3) uint8 to features (B, steps * 8 * width).

    Args:
        width: Channels of the first stage; 64 is ResNet-18, 32 a quarter of its work.
        crop: Part of each side that is looked at: a random part while training (one for all
            steps of a window, so that motion between them stays), the centre otherwise.
    """

    def __init__(self, width: int = 32, crop: float = 0.9) -> None:
        super().__init__()
        self.crop = crop
        self.features = 8 * width
        stages: list[nn.Module] = [
            nn.Conv2d(3, width, 7, 2, 3, bias=False),
            _norm(width),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        ]
        below = width
        for stage, stride in enumerate((1, 2, 2, 2)):
            above = width * 2**stage
            stages += [_Residual(below, above, stride), _Residual(above, above, 1)]
            below = above
        self.net = nn.Sequential(*stages)
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(3, 1, 1), persistent=False)
        self.mean: Tensor
        self.deviation: Tensor

    def forward(self, pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`generator` places the crops; without one they are centred."""
        seen = self._cropped(pictures, generator)  # (B, S, h, w, 3)
        batch, steps = seen.shape[:2]
        x = seen.flatten(0, 1).permute(0, 3, 1, 2).float() / 255.0  # (B S, 3, h, w)
        x = self.net((x - self.mean) / self.deviation).mean(dim=(2, 3))  # (B S, 8 width)
        return x.view(batch, steps * self.features)

    def _cropped(self, pictures: Tensor, generator: torch.Generator | None) -> Tensor:
        height, width = pictures.shape[2:4]
        tall, wide = max(1, round(self.crop * height)), max(1, round(self.crop * width))
        if generator is None or (tall == height and wide == width):
            top, left = (height - tall) // 2, (width - wide) // 2
            return pictures[:, :, top : top + tall, left : left + wide]
        count, place = len(pictures), generator.device
        tops = torch.randint(height - tall + 1, (count,), generator=generator, device=place)
        lefts = torch.randint(width - wide + 1, (count,), generator=generator, device=place)
        corners = zip(pictures, tops.tolist(), lefts.tolist(), strict=True)
        return torch.stack([p[:, t : t + tall, x : x + wide] for p, t, x in corners])


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, channels // 16), channels)
