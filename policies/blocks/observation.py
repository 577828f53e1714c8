"""An observation window as one vector: numbers normalised, pictures through a ResNet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from devices.errors import PolicyError
from policies.blocks.frames import POSE_WIDTH, is_pose
from policies.blocks.vision import ImageEncoder
from policies.contract import ActionSpace, StreamNeed
from policies.normaliser import Modes, Normaliser
from policies.trainable import action_modes, is_image


def windows_of(needs: Sequence[StreamNeed]) -> tuple[StreamNeed, ...]:
    """The needs that the slow path looks at."""
    return tuple(need for need in needs if need.span == "window")


def touches_of(needs: Sequence[StreamNeed]) -> tuple[StreamNeed, ...]:
    """The needs that accompany a chunk, row by row."""
    return tuple(need for need in needs if need.span == "chunk")


def rows_wide(need: StreamNeed) -> int:
    """Numbers in one prepared row of a stream that carries no pictures."""
    return POSE_WIDTH if is_pose(need) else math.prod(need.shape)


PlaceScale = Literal["range", "standard"]
"""How places of actions, and the touch that goes with them, become numbers of about one: by their
range, as in the papers, or by their deviation. A rare long way or hard blow makes a range so wide
that a millimetre and a newton are next to nothing in it."""


def modes_of(
    needs: Sequence[StreamNeed], space: ActionSpace, scale: PlaceScale = "range"
) -> dict[str, Modes]:
    """How prepared keys are normalised: by range, but columns of rotations are left alone."""
    modes: dict[str, Modes] = {"actions": action_modes(space)}
    if scale == "standard":
        kinds: list[Any] = list(action_modes(space))
        for number, column in enumerate(space.columns):
            if column.endswith(("_x", "_y", "_z")):
                kinds[number] = "standard"
        modes["actions"] = tuple(kinds)
    for need in needs:
        if is_image(need):
            modes[need.key] = "image"
        elif need.span == "window" and is_pose(need):
            modes[need.key] = ("range",) * 3 + ("identity",) * 6
        else:
            modes[need.key] = "range" if need.span == "window" else scale
    return modes


class ObservationEncoder(nn.Module):
    """Prepared window batches to (B, width). One encoder for each camera, as in the paper.

    Args:
        needs: Those with span "window" are encoded, in their order; others are left alone.
        normaliser: Scales the numbers.
        image_width, image_crop: Of the encoders, see `ImageEncoder`.
    """

    def __init__(
        self,
        needs: Sequence[StreamNeed],
        normaliser: Normaliser,
        image_width: int,
        image_crop: float,
    ) -> None:
        super().__init__()
        self.needs = windows_of(needs)
        if not self.needs:
            raise PolicyError(
                "This policy would see nothing: none of its needs has span 'window'",
                next_step="Add the tool pose or a camera to `needs`",
            )
        self.normaliser = normaliser
        pictures = [need for need in self.needs if is_image(need)]
        self.cameras = nn.ModuleList([ImageEncoder(image_width, image_crop) for _ in pictures])
        self._camera = {need.key: number for number, need in enumerate(pictures)}
        self.width = sum(
            need.steps * (8 * image_width if is_image(need) else rows_wide(need))
            for need in self.needs
        )

    def forward(
        self, batch: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """`generator` places the crops of pictures while training; without one they are centred."""
        features = []
        for need in self.needs:
            values = batch[need.key]
            if is_image(need):
                camera = self.cameras[self._camera[need.key]]
                features.append(camera(values, generator))  # (B, steps * 8 * image_width)
            else:
                scaled = self.normaliser.normalise(need.key, values)
                features.append(scaled.flatten(1).float())  # (B, steps * numbers)
        return torch.cat(features, dim=-1)
