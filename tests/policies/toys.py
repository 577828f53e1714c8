"""Small worlds that policies are tried on, and a training loop that is just long enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policies.contract import ActionSpace, StreamNeed, Window
from policies.normaliser import Normaliser
from policies.trainable import TrainablePolicy

POSE = StreamNeed(stream="right_arm/T_world_tool", key="pose", shape=(7,), unit="m")
GAP = StreamNeed(stream="right_gripper/gap", key="gap", shape=(1,), unit="m")
TOUCH = StreamNeed(stream="right_arm/wrench", key="touch", shape=(6,), unit="N", span="chunk")
CAMERA = StreamNeed(stream="wrist_right/rgb", key="camera", shape=(40, 48, 3), unit="RGB")
SPACE = ActionSpace(sides=("right",), horizon=16)
TURNING = ActionSpace(sides=("left", "right"), rotation=True, horizon=16)
LEFT_POSE = StreamNeed(stream="left_arm/T_world_tool", key="left_pose", shape=(7,), unit="m")


def poses(chance: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random poses, shape (*shape, 7)."""
    quat = chance.normal(size=(*shape, 4))
    quat /= np.linalg.norm(quat, axis=-1, keepdims=True)
    return np.concatenate([chance.normal(0.0, 0.3, (*shape, 3)), quat], axis=-1)


def random_batch(
    needs: Sequence[StreamNeed], space: ActionSpace, size: int = 6, seed: int = 0
) -> dict[str, Tensor]:
    """A batch of noise in the layout of training."""
    chance = np.random.default_rng(seed)
    batch = {}
    for need in needs:
        rows = space.horizon if need.span == "chunk" else need.steps
        if need.unit == "RGB":
            values = chance.integers(0, 256, (size, rows, *need.shape)).astype(np.uint8)
        elif need.shape == (7,):
            values = poses(chance, (size, rows)).astype(np.float32)
        else:
            values = chance.normal(size=(size, rows, *need.shape)).astype(np.float32)
        batch[need.key] = torch.tensor(values)
    actions = []
    for _ in space.sides:
        actions.append(chance.normal(0.0, 0.3, (size, space.horizon, 3)))
        if space.rotation:
            quat = torch.tensor(poses(chance, (size, space.horizon)))
            from policies.blocks.frames import pose_features

            actions.append(pose_features(quat)[..., 3:].numpy())
        actions.append(chance.uniform(0.0, 0.08, (size, space.horizon, 1)))
    batch["actions"] = torch.tensor(np.concatenate(actions, axis=-1).astype(np.float32))
    batch["mask"] = torch.ones(size, space.horizon, dtype=torch.bool)
    batch["weight"] = torch.ones(size)
    return batch


def build(
    kind: type[TrainablePolicy],
    needs: Sequence[StreamNeed],
    space: ActionSpace,
    batch: Mapping[str, Tensor] | None = None,
    seed: int = 0,
    **options: object,
) -> tuple[TrainablePolicy, Mapping[str, Tensor]]:
    """A policy with fresh weights, fitted to a batch; and that batch, prepared."""
    config = kind.configure(needs, space, **options)
    prepared = kind.prepare(config, batch or random_batch(needs, space))
    normaliser = Normaliser.fit(
        [prepared],
        kind.modes(config),
        chunk_keys=["actions", *(need.key for need in needs if need.span == "chunk")],
    )
    torch.manual_seed(seed)
    return kind(config, normaliser).eval(), prepared


def window_of(batch: Mapping[str, Tensor], needs: Sequence[StreamNeed], row: int = 0) -> Window:
    """The window of one sample of a batch; of touch only the first row is there. Read-only."""
    values = {}
    for need in needs:
        rows = batch[need.key][row].numpy().copy()
        values[need.key] = rows[:1] if need.span == "chunk" else rows
        values[need.key].flags.writeable = False
    return Window(5_000_000_000, values)


def train(
    policy: TrainablePolicy,
    sample: Callable[[np.random.Generator, int], Mapping[str, Tensor]],
    updates: Mapping[str, int],
    rate: float = 2e-3,
    size: int = 64,
) -> None:
    """Adam on fresh batches: `sample(chance, size)` draws one, in raw units."""
    torch.manual_seed(0)
    chance, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)

    def drawn() -> Any:
        return policy.prepare(policy.config, sample(chance, size))

    policy.train()
    for stage, count in updates.items():
        policy.begin(stage, [drawn() for _ in range(4)], generator)
        parameters = policy.parameters_of(stage)
        optimiser = torch.optim.Adam(parameters, rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, count)
        for _ in range(count):
            loss = policy.loss(drawn(), stage, generator)["loss"]
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
    policy.eval()


def around(chance: np.random.Generator, size: int) -> dict[str, Tensor]:
    """Two ways around an obstacle at x = 0.5, y = 0: left or right of it, never through."""
    x = np.linspace(0.0, 1.0, SPACE.horizon)
    side = chance.choice([-1.0, 1.0], size)
    actions = np.zeros((size, SPACE.horizon, 4))
    actions[..., 0] = x
    actions[..., 1] = side[:, None] * np.sin(np.pi * x) + chance.normal(0.0, 0.02, (size, 1))
    actions[..., 3] = 0.04
    return _batch(size, actions, gap=np.full((size, GAP.steps, 1), 0.04))


def pressed(chance: np.random.Generator, size: int) -> dict[str, Tensor]:
    """A surface is met at a row that nothing told before: from the touch on, the tool goes up."""
    met = chance.integers(2, SPACE.horizon - 2, size)
    rows = np.arange(SPACE.horizon)
    touched = rows >= met[:, None]  # (size, H)
    actions = np.zeros((size, SPACE.horizon, 4))
    actions[..., 0] = rows / SPACE.horizon
    actions[..., 2] = 0.5 * touched
    actions[..., 3] = 0.04
    touch = np.zeros((size, SPACE.horizon, 6))
    touch[..., 2] = 10.0 * touched
    return _batch(size, actions, gap=np.full((size, GAP.steps, 1), 0.04), touch=touch)


def _batch(size: int, actions: np.ndarray, **values: np.ndarray) -> dict[str, Tensor]:
    batch = {key: torch.tensor(value, dtype=torch.float32) for key, value in values.items()}
    batch["actions"] = torch.tensor(actions, dtype=torch.float32)
    batch["mask"] = torch.ones(actions.shape[:2], dtype=torch.bool)
    batch["weight"] = torch.ones(size)
    return batch
