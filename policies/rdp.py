"""Reactive Diffusion Policy (Xue et al. 2025): a slow policy that plans, a fast one that feels.

    tokenizer   actions (B, H, A) → Conv1d → H/4 tokens → latent z (B, H/4, 16)
                z and the touch of each row → GRU → actions (B, H, A)
    slow path   window → features (B, D); noise → U-Net, DDIM → z              `act`, 1 to 6 Hz
    fast path   z and the touch measured so far → one more step of the GRU     `react`, control rate

The encoder sees actions only and the decoder sees the touch: what the touch explains need not be in
the latent, so a touch that comes after the plan was made still changes the rest of it.

Two stages: "tokenizer" (a VAE: L1 and a very small KL term), then "latent" (diffusion of z).

Not in the paper: beside the tokenizer a small head learns which touch went with such a motion from
such a place in the demonstrations. It drives nothing; people see it beside what is felt.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from msgspec import Meta
from torch import Tensor, nn

from devices.errors import PolicyError
from devices.leader import Side
from devices.stream import FloatArray
from policies.blocks.chunks import chunk_of, spread, weighted
from policies.blocks.fast_path import FastPath
from policies.blocks.frames import absolute_actions, live_bases, prepared
from policies.blocks.observation import (
    ObservationEncoder,
    PlaceScale,
    modes_of,
    rows_wide,
    touches_of,
)
from policies.blocks.recorded import Recorded
from policies.blocks.schedule import Schedule, draw, draw_steps
from policies.blocks.unet import UNet1d
from policies.contract import ActionChunk, ActionSpace, StreamNeed, Window
from policies.normaliser import Modes, Normaliser
from policies.trainable import (
    Batch,
    Recipe,
    TrainablePolicy,
    is_image,
    window_batch,
)

TOKEN_ROWS = 4
"""Rows of a chunk that one token stands for: two convolutions of stride 2."""


class RDPConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Attributes:
    needs: What the slow path sees (span "window") and the touch of each row (span "chunk").
    space: What its actions mean.
    relative: Actions are told from the newest tool pose: a plan made late is still a sensible
        motion. The paper's for peeling and wiping; lifting with two arms is absolute there.
    relative_observation: Tool poses of the window are told from the newest one too, as in the
        paper, whose cameras tell where the tool is. False by default: without a camera nothing
        else would tell.
    about: Key of the need that tells where the task's thing is seen, as a wrist camera would;
        places are told from there, and with `relative` heights from the tool, see
        `policies.blocks.frames`. "" for the world.
    posterior: What the slow path learns to draw: the mean of the encoder's posterior, or a sample
        of it as in the paper. The KL term is too small to make the spread of the posterior mean
        anything, so sampling only adds noise to the target.
    token_channels: Numbers a token has on its way into the decoder (paper: 4 or 8).
    latent_channels: Numbers a token has in the latent (paper: 16).
    encoder_channels, hidden: Widths of convolutions and GRU (paper: 32, 32).
    kl: Weight of the KL term.
    scale: Of places and touch of each action, see `policies.blocks.observation.PlaceScale`.
    widths, kernel: Of the U-Net (paper: 512 1024 2048, and 3).
    train_steps, inference_steps: Of the diffusion (paper: 100, 8).
    samples: Plans drawn at a time; the first drives.
    image_width, image_crop: Of the cameras' encoders.
    feels: Whether touch is told at all. Without, all of it is zero, in training and when it drives:
        what is left is the planner, to be compared with the whole.
    expects: Whether it learns to tell the touch that it expects, see `Expectation`.
    tokenizer_lr, lr: Highest learning rates of the stages (paper: 1e-3; 1e-4, for networks and
        budgets many times larger).
    """

    needs: tuple[StreamNeed, ...]
    space: ActionSpace
    relative: bool = True
    relative_observation: bool = False
    about: str = ""
    posterior: Literal["mean", "sample"] = "mean"
    token_channels: Annotated[int, Meta(ge=1)] = 8
    latent_channels: Annotated[int, Meta(ge=1)] = 16
    encoder_channels: Annotated[int, Meta(ge=1)] = 32
    hidden: Annotated[int, Meta(ge=1)] = 32
    kl: Annotated[float, Meta(ge=0)] = 1e-6
    scale: PlaceScale = "range"
    widths: tuple[int, ...] = (64, 128, 256)
    kernel: Annotated[int, Meta(ge=1)] = 3
    train_steps: Annotated[int, Meta(ge=1)] = 100
    inference_steps: Annotated[int, Meta(ge=1)] = 8
    samples: Annotated[int, Meta(ge=1, le=64)] = 1
    image_width: Annotated[int, Meta(ge=16, multiple_of=16)] = 32
    image_crop: Annotated[float, Meta(gt=0, le=1)] = 0.9
    feels: bool = True
    expects: bool = True
    tokenizer_lr: Annotated[float, Meta(gt=0)] = 1e-3
    lr: Annotated[float, Meta(gt=0)] = 1e-3


class Tokenizer(nn.Module):
    """The asymmetric tokenizer. N tokens of C numbers make a latent, N = H / 4."""

    def __init__(self, config: RDPConfig, touch: int) -> None:
        super().__init__()
        actions, wide = config.space.width, config.encoder_channels
        channels, tokens = config.token_channels, config.space.horizon // TOKEN_ROWS
        self.latent_channels = config.latent_channels
        self.encode = nn.Sequential(
            nn.Conv1d(actions, wide, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv1d(wide, channels, 5, stride=2, padding=2),
            nn.Conv1d(channels, 2 * config.latent_channels, 1),
        )
        self.expand = nn.Conv1d(config.latent_channels, channels, 1)
        self.gru = nn.GRU(channels * tokens + touch, config.hidden, batch_first=True)
        self.head = nn.Linear(config.hidden, actions)
        nn.init.orthogonal_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def posterior(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised actions (B, H, A) to mean and log variance, (B, N, C) each."""
        mean, log_variance = self.encode(actions.transpose(1, 2)).transpose(1, 2).chunk(2, dim=-1)
        return mean, log_variance.clamp(-30.0, 20.0)

    def plan(self, latent: Tensor) -> Tensor:
        """A latent (B, N, C) as the GRU gets it with every row: (B, token_channels * N)."""
        return self.expand(latent.transpose(1, 2)).flatten(1)

    def forward(self, latent: Tensor, touch: Tensor) -> Tensor:
        """A latent (B, N, C) and normalised touch (B, H, T) to normalised actions (B, H, A)."""
        plan = self.plan(latent)[:, None].expand(-1, touch.shape[1], -1)  # (B, H, P)
        hidden, _ = self.gru(torch.cat([plan, touch], dim=-1))  # (B, H, hidden)
        return self.head(hidden)


class Expectation(nn.Module):
    """Which touch a plan will meet: the mean of what demonstrations felt that moved so from there.

    It sees the plan and what is known of the place, but no touch of now: with it, it would mostly
    answer that everything stays as it is. Its gradients end here, so the tokenizer is what it would
    be without.

    Args:
        plan: Numbers of an expanded latent.
        place: Numbers of the window that are no touch and no picture.
        rows, touch: Of what it tells.
    """

    def __init__(self, plan: int, place: int, rows: int, touch: int) -> None:
        super().__init__()
        self.rows = rows
        self.net = nn.Sequential(
            nn.Linear(plan + place, 128), nn.ReLU(), nn.Linear(128, rows * touch)
        )

    def forward(self, plan: Tensor, place: Tensor) -> Tensor:
        """A plan (B, P) and a place (B, W) to normalised touch (B, H, T)."""
        told: Tensor = self.net(torch.cat([plan.detach(), place], dim=-1))
        return told.unflatten(-1, (self.rows, -1))


class RDPPolicy(TrainablePolicy):
    """In the shapes: B batch, K draws, H rows of a chunk, A numbers in a row, D features, N tokens,
    C channels of the latent, T numbers of touch in a row."""

    name: ClassVar[str] = "rdp"
    Config: ClassVar[type[Any]] = RDPConfig
    config: RDPConfig
    stages: ClassVar[tuple[str, ...]] = ("tokenizer", "latent")
    # The paper trains 601 and 401 epochs. With budgets as small as ours the plan is what lacks
    # updates: two draws of one window lay 16 mm apart where the tokenizer was off by 3 mm.
    share: ClassVar[Mapping[str, float]] = {"tokenizer": 0.4, "latent": 0.6}
    reacts = True

    latent_middle: Tensor
    latent_reach: Tensor

    def __init__(self, config: RDPConfig, normaliser: Normaliser) -> None:
        super().__init__(config, normaliser)
        self.touches = touches_of(config.needs)
        if not self.touches:
            raise PolicyError(
                "Reactive Diffusion Policy needs a touch stream for its fast path",
                next_step="Add a need with span 'chunk', or take the policy 'diffusion'",
            )
        horizon = config.space.horizon
        if horizon % TOKEN_ROWS:
            raise PolicyError(
                f"A chunk of {horizon} rows does not divide into tokens of {TOKEN_ROWS} rows",
                next_step=f"Set the horizon to a multiple of {TOKEN_ROWS}",
            )
        if config.inference_steps > config.train_steps:
            raise PolicyError(
                f"{config.inference_steps} inference steps of {config.train_steps} training steps",
                next_step="Set `inference_steps` to at most `train_steps`",
            )
        self.tokens = horizon // TOKEN_ROWS
        touch = sum(math.prod(need.shape) for need in self.touches)
        self.tokenizer = Tokenizer(config, touch)
        self.encoder = ObservationEncoder(
            config.needs, normaliser, config.image_width, config.image_crop
        )
        self.net = UNet1d(config.latent_channels, self.encoder.width, config.widths, config.kernel)
        self.net.check_length(self.tokens, f"A chunk of {horizon} rows is tokens, their number")
        self.recorded = Recorded(self.net)
        self.schedule = Schedule(config.train_steps)
        # Latents are brought to -1 ... 1 channel by channel, see `begin`.
        self.register_buffer("latent_middle", torch.zeros(config.latent_channels))
        self.register_buffer("latent_reach", torch.ones(config.latent_channels))
        self.generator = torch.Generator()
        felt = {need.stream for need in self.touches}
        self.places = [
            need for need in self.encoder.needs if need.stream not in felt and not is_image(need)
        ]
        # Made last, so that chance gives the rest the same weights with and without it.
        self.expectation: Expectation | None = None
        if config.expects:
            self.expectation = Expectation(
                config.token_channels * self.tokens,
                sum(need.steps * rows_wide(need) for need in self.places),
                horizon,
                touch,
            )

    @classmethod
    def configure(
        cls, needs: Sequence[StreamNeed], space: ActionSpace, **options: object
    ) -> msgspec.Struct:
        return super().configure(needs, space, **{"expects": True, **options})

    @classmethod
    def read_config(cls, fields: Mapping[str, object]) -> msgspec.Struct:
        # What was stored before there was one has none.
        return super().read_config({"expects": False, **fields})

    @classmethod
    def prepare(cls, config: RDPConfig, batch: Batch) -> Batch:
        if not config.feels:
            felt = {need.stream for need in touches_of(config.needs)}
            numb = [need.key for need in config.needs if need.stream in felt and need.key in batch]
            batch = {**batch, **{key: torch.zeros_like(batch[key]) for key in numb}}
        return prepared(
            config.needs,
            config.space,
            batch,
            config.relative,
            config.relative_observation,
            config.about,
        )

    @classmethod
    def modes(cls, config: RDPConfig) -> Mapping[str, Modes]:
        return modes_of(config.needs, config.space, config.scale)

    # ---------------------------------------------------------------------------------- training
    def parameters_of(self, stage: str) -> list[nn.Parameter]:
        if stage == "tokenizer":
            head = [] if self.expectation is None else list(self.expectation.parameters())
            return [*self.tokenizer.parameters(), *head]
        return [*self.encoder.parameters(), *self.net.parameters()]

    def recipe(self, stage: str) -> Recipe:
        if stage == "tokenizer":
            return Recipe(
                self.config.tokenizer_lr,
                betas=(0.9, 0.999),
                weight_decay=1e-4,
                warm_up=100,
                ema=False,
            )
        return Recipe(lr=self.config.lr)

    def begin(self, stage: str, batches: Iterable[Batch], generator: torch.Generator) -> None:
        """Before the diffusion: the range of the latents that the tokenizer now makes."""
        if stage != "latent":
            return
        with torch.no_grad():
            latents = torch.cat([self._target(batch, generator).flatten(0, 1) for batch in batches])
        low, high = latents.amin(dim=0), latents.amax(dim=0)  # (C,)
        self.latent_middle.copy_((low + high) / 2)
        # A twentieth more: a few batches do not hold the furthest latent of all.
        self.latent_reach.copy_((1.05 * (high - low) / 2).clamp_min(1e-6))

    def loss(self, batch: Batch, stage: str, generator: torch.Generator) -> dict[str, Tensor]:
        if stage == "tokenizer":
            return self._tokenizer_loss(batch, generator)
        if "pushed" in batch:  # what a push brought on cannot be planned, only felt
            batch = {**batch, "weight": batch["weight"] * ~batch["pushed"]}
        features = self.encoder(batch, generator if self.training else None)  # (B, D)
        with torch.no_grad():
            latent = (self._target(batch, generator) - self.latent_middle) / self.latent_reach
        noise = draw(tuple(latent.shape), generator, latent)  # (B, N, C)
        step = draw_steps(len(latent), self.config.train_steps, generator, latent)  # (B,)
        told = self.net(self.schedule.noised(latent, noise, step), step, features)
        return {"loss": weighted((told - noise).square(), batch)}

    def _tokenizer_loss(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        actions = self.normaliser.normalise("actions", batch["actions"])  # (B, H, A)
        mean, log_variance = self.tokenizer.posterior(actions)  # (B, N, C)
        noise = draw(tuple(mean.shape), generator, mean)
        latent = mean + (0.5 * log_variance).exp() * noise
        touch = self._touch(batch)
        told = self.tokenizer(latent, touch)
        far = weighted((told - actions).abs(), batch)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)
        kl = divergence.sum(dim=(1, 2)).mean()
        curves = {"l1": far.detach(), "kl": kl.detach()}
        loss = far + self.config.kl * kl
        if self.expectation is not None:
            plan = self.tokenizer.plan(latent)
            expected = self.expectation(plan, self._place(batch, plan))
            wrong = weighted((expected - touch).square(), batch)
            loss, curves["expects"] = loss + wrong, wrong.detach()
        return {"loss": loss, **curves}

    def _target(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """The latents (B, N, C) that the slow path learns to draw."""
        actions = self.normaliser.normalise("actions", batch["actions"])
        mean, log_variance = self.tokenizer.posterior(actions)
        if self.config.posterior == "mean":
            return mean
        return mean + (0.5 * log_variance).exp() * draw(tuple(mean.shape), generator, mean)

    def _touch(self, batch: Batch) -> Tensor:
        """Normalised touch of every row, (B, H, T)."""
        parts = [self.normaliser.normalise(need.key, batch[need.key]) for need in self.touches]
        return torch.cat([part.flatten(2).float() for part in parts], dim=-1)

    def _place(self, batch: Batch, plan: Tensor) -> Tensor:
        """What is known of where it is, normalised, (B, W); nothing, (B, 0), is possible."""
        parts = [self.normaliser.normalise(need.key, batch[need.key]) for need in self.places]
        flat = [part.flatten(1).float() for part in parts]
        return torch.cat([plan.new_zeros(len(plan), 0), *flat], dim=-1)

    # ----------------------------------------------------------------------------------- driving
    def reset(self, seed: int | None = None) -> None:
        if seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(seed)

    @torch.inference_mode()
    def act(self, window: Window) -> ActionChunk:
        """The slow path. The chunk's actions are what the decoder says if the touch stays as it is;
        `react` says what to do with the touch that comes."""
        config, space = self.config, self.config.space
        batch = self.prepare(config, window_batch(window, config.needs, self.device))
        features = self.encoder(batch).expand(config.samples, -1)  # (K, D)
        noise = draw(
            (config.samples, self.tokens, config.latent_channels), self.generator, features
        )
        latent = self.schedule.sample(
            noise, lambda x, step: self.recorded(x, step, features), config.inference_steps
        )
        latent = self.latent_middle + self.latent_reach * latent  # (K, N, C)
        touch = torch.from_numpy(self._present_touch(window)).float().to(latent.device)  # (T,)
        draws = self.tokenizer(latent, touch.expand(config.samples, space.horizon, -1))
        sure = spread(draws.cpu().numpy())
        actions: FloatArray = self.normaliser.denormalise("actions", draws).double().cpu().numpy()
        bases: dict[Side, FloatArray] = {}
        if config.relative or config.about:
            bases = live_bases(config.needs, space, window, config.relative, config.about)
            actions = absolute_actions(actions, space, bases)
        plan = self.tokenizer.plan(latent[:1])  # (1, P)
        path = FastPath(self.tokenizer, plan[0], bases)
        return chunk_of(window, space, actions, sure, path, self._expected(plan, batch))

    def _expected(self, plan: Tensor, batch: Batch) -> dict[str, FloatArray]:
        """By stream: the touch that a plan (1, P) is expected to meet, (H, *shape)."""
        if self.expectation is None:
            return {}
        told = self.expectation(plan, self._place(batch, plan))[0]  # (H, T)
        found: dict[str, FloatArray] = {}
        begin = 0
        for need in self.touches:
            width = math.prod(need.shape)
            rows = told[:, begin : begin + width].unflatten(-1, need.shape)
            raw = self.normaliser.denormalise(need.key, rows)
            found[need.stream] = raw.double().cpu().numpy()
            begin += width
        return found

    def react(self, chunk: ActionChunk, latest: Window) -> FloatArray:
        """The fast path: which row of the chunk it is, is told by the clock alone, so a plan that
        took long to make is entered as much later. Between two rows actions are interpolated; the
        row to come is told with the newest touch.

        Raises:
            PolicyError: For a chunk that is over or another policy's, or when the touch is late.
        """
        path, horizon = chunk.carry, self.config.space.horizon
        if not isinstance(path, FastPath):
            raise PolicyError(
                "This chunk was not made by Reactive Diffusion Policy",
                next_step="Ask the policy that made it to react",
            )
        position = max(0.0, (latest.t_ns - chunk.t0_ns) * 1e-9 * chunk.rate_hz)  # in rows
        if position >= horizon:
            raise PolicyError(
                f"The chunk of {horizon} rows is over: row {position:.1f} was asked for",
                next_step="Make chunks more often, or lengthen the horizon",
            )
        touch = self._touch_rows(latest.values)  # (n, T)
        row = int(position)
        late = (row + 1 - len(touch)) / chunk.rate_hz * 1e3
        allowed = min(need.tolerance_ms for need in self.touches)
        if late > allowed:
            raise PolicyError(
                f"The touch of {', '.join(need.stream for need in self.touches)} is {late:.0f} ms"
                f" behind the chunk; {allowed:.0f} ms are allowed",
                next_step="Look at the sensor's rate and age",
            )
        here, after = path.rows(touch, row, last=horizon - 1)
        told = here + (position - row) * (after - here)
        action: FloatArray = self.normaliser.denormalise("actions", told)
        if path.bases:
            action = absolute_actions(action, self.config.space, path.bases)
        if not np.isfinite(action).all():
            raise PolicyError("The fast path answered numbers that are not finite")
        return action

    def _present_touch(self, window: Window) -> FloatArray:
        """The newest touch of a window, normalised, (T,). Windows of the slow path may have it as a
        "chunk" need of one row, or as a "window" need of the same stream."""
        values = dict(window.values)
        for need in self.touches:
            if need.key in values:
                continue
            same = [other for other in self.encoder.needs if other.stream == need.stream]
            if not same:
                raise PolicyError(
                    f"The window has no touch '{need.key}' ({need.stream})", allowed=values
                )
            values[need.key] = values[same[0].key]
        return self._touch_rows({need.key: values[need.key][-1:] for need in self.touches})[0]

    def _touch_rows(self, values: Mapping[str, npt.NDArray[Any]]) -> FloatArray:
        """Normalised touch rows, (n, T): as many as every touch stream has."""
        parts = []
        for need in self.touches:
            rows = values.get(need.key)
            if rows is None or rows.shape[1:] != need.shape or not len(rows):
                found = "nothing" if rows is None else f"shape {rows.shape}"
                raise PolicyError(
                    f"The window has {found} for the touch '{need.key}' ({need.stream}),"
                    f" wanted {('n', *need.shape)} with n >= 1"
                )
            raw = np.asarray(rows, dtype=np.float64)
            scaled = self.normaliser.normalise(need.key, raw if self.config.feels else 0.0 * raw)
            parts.append(scaled.reshape(len(rows), -1))
        count = min(len(part) for part in parts)
        touch = np.concatenate([part[:count] for part in parts], axis=1)
        if not np.isfinite(touch).all():
            raise PolicyError("The touch holds numbers that are not finite")
        return touch
