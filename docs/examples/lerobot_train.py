"""Trains LeRobot's own ACT on episodes that Teledeck recorded, in LeRobot's own environment.

Needs lerobot 0.4.4 and h5py, nothing of Teledeck: the episode file is plain HDF5
(docs/episode-format.md). Copy it there beside standalone.py and lerobot_act.py:

    python lerobot_train.py DATASET CHECKPOINT --minutes 10
    CHECKPOINT=CHECKPOINT python standalone.py lerobot_act.py --port 8000

What is written is an ordinary LeRobot checkpoint with its processors and their statistics, and
beside it `teledeck.json`, which tells lerobot_act.py what its numbers mean here.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from lerobot_act import declare_missing_operators

STATE = {"{side}_arm/T_world_tool": 7, "{side}_gripper/gap": 1}  # per side: how many numbers
EYE = "scene/glance"  # what an eye would tell of a simulated scene; ACT wants this or pictures
SMALLEST = 1e-3  # [m, 1] a number that varies less in demonstrations is not blown up


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("dataset", type=Path, help="folder of a dataset of Teledeck")
    parser.add_argument("checkpoint", type=Path, help="folder to write")
    parser.add_argument("--sides", nargs="+", default=["right"], choices=["left", "right"])
    parser.add_argument("--minutes", type=float, default=10.0, help="longest training")
    parser.add_argument("--updates", type=int, default=20_000, help="most updates")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=12.0, help="rows of a chunk a second [Hz]")
    parser.add_argument("--horizon", type=int, default=16, help="rows of a chunk")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    takes = [
        read(path, options.sides, options.rate, trim) for path, trim in successes(options.dataset)
    ]
    if not takes:
        parser.error(f"{options.dataset} has no take that counts as a success")
    data = windows(takes, options.horizon)
    print(f"{len(takes)} takes, {len(data['action'])} windows", flush=True)
    train(data, options)
    told = {
        "sides": options.sides,
        "rotation": True,
        "rate_hz": options.rate,
        "state": {s.format(side=side): n for side in options.sides for s, n in STATE.items()},
        "environment": {EYE: data["observation.environment_state"].shape[1]},
    }
    (options.checkpoint / "teledeck.json").write_text(json.dumps(told, indent=1) + "\n")
    return 0


# ------------------------------------------------------------------------------------- episodes
def successes(dataset: Path) -> list[tuple[Path, tuple[int, int] | None]]:
    """Files of the takes that count as successes, each with its trim [ns] or None.

    The journal's state is the fold of the lines that are not undone; an undo may be undone.
    """
    told = (dataset / "journal.jsonl").read_bytes().splitlines()
    lines = [json.loads(line) for line in told]
    undone: set[int] = set()
    for line in reversed(lines):
        if line["op"] == "undo" and line["n"] not in undone:
            undone.add(line["undoes"])
    verdicts: dict[str, str] = {}
    trims: dict[str, tuple[int, int]] = {}
    gone: set[str] = set()
    for line in lines:
        if line["n"] in undone:
            continue
        if line["op"] == "verdict":
            verdicts[line["uid"]] = line["verdict"]
        elif line["op"] == "trim":
            trims.pop(line["uid"], None)
            if line["first_ns"] is not None:
                trims[line["uid"]] = (line["first_ns"], line["last_ns"])
        elif line["op"] in ("delete", "purge"):
            gone.add(line["uid"])
        elif line["op"] == "restore":
            gone.discard(line["uid"])
    return [
        (dataset / "episodes" / f"{uid}.h5", trims.get(uid))
        for uid, verdict in sorted(verdicts.items())
        if verdict == "success" and uid not in gone
    ]


def read(
    path: Path, sides: list[str], rate_hz: float, trim: tuple[int, int] | None
) -> dict[str, np.ndarray]:
    """One take on an even grid, from the first to the last request: what was seen, (n, ...), and
    what was asked for at the same instants, (n, A)."""
    with h5py.File(path, "r") as file:
        told = file["events"][:].tobytes().splitlines()
        if any(json.loads(line).get("data", {}).get("paused") for line in told if line.strip()):
            raise SystemExit(f"{path.name} was paused, which this example does not cut; delete it")

        def rows(stream: str, at_ns: np.ndarray) -> np.ndarray:
            """The newest row at each instant; the first row before there is one."""
            group = file["streams"][stream]
            place = np.searchsorted(group["t_ns"][:], at_ns, side="right") - 1
            return np.asarray(group["data"][:], dtype=np.float64)[np.maximum(place, 0)]

        asked = [file["streams"][f"{side}_arm/T_world_tool_requested"]["t_ns"][:] for side in sides]
        if not all(len(times) for times in asked):
            raise SystemExit(f"{path.name}: nobody drove {' and '.join(sides)}")
        first, last = min(t[0] for t in asked), max(t[-1] for t in asked)
        if trim is not None:
            first, last = max(first, trim[0]), min(last, trim[1])
        at_ns = np.arange(first, last, round(1e9 / rate_hz))
        seen = [rows(name.format(side=side), at_ns) for side in sides for name in STATE]
        actions = []
        for side in sides:
            pose = rows(f"{side}_arm/T_world_tool_requested", at_ns)
            gap = rows(f"{side}_gripper/gap_requested", at_ns)
            actions += [pose[:, :3], turned(pose[:, 3:]), gap]
        return {
            "observation.state": np.concatenate(seen, axis=1),
            "observation.environment_state": rows(EYE, at_ns),
            "action": np.concatenate(actions, axis=1),
        }


def turned(quats: np.ndarray) -> np.ndarray:
    """The first two columns of the rotation matrices of quaternions wxyz (n, 4): (n, 6)."""
    w, x, y, z = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).T
    first = [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)]
    second = [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)]
    return np.stack([*first, *second], axis=1)


def windows(takes: list[dict[str, np.ndarray]], horizon: int) -> dict[str, torch.Tensor]:
    """Every instant of every take with the chunk that begins there; the last row stands."""
    found: dict[str, list[np.ndarray]] = {}
    for take in takes:
        count = len(take["action"])
        ahead = np.arange(count)[:, None] + np.arange(horizon)
        parts = {
            **take,
            "action": take["action"][np.minimum(ahead, count - 1)],
            "action_is_pad": ahead >= count,
        }
        for key, rows in parts.items():
            found.setdefault(key, []).append(rows)
    joined = {key: torch.from_numpy(np.concatenate(parts)) for key, parts in found.items()}
    return {k: v if v.dtype == torch.bool else v.float() for k, v in joined.items()}


# ------------------------------------------------------------------------------------- training
def train(data: dict[str, torch.Tensor], options: argparse.Namespace) -> None:
    """LeRobot's ACT, small, with its own loss, optimiser and processors; saved as it saves."""
    declare_missing_operators()
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    def feature(kind: Any, key: str) -> Any:
        return PolicyFeature(type=kind, shape=(data[key].shape[-1],))

    config = ACTConfig(
        input_features={
            "observation.state": feature(FeatureType.STATE, "observation.state"),
            "observation.environment_state": feature(
                FeatureType.ENV, "observation.environment_state"
            ),
        },
        output_features={"action": feature(FeatureType.ACTION, "action")},
        device="cpu",
        push_to_hub=False,
        chunk_size=options.horizon,
        n_action_steps=options.horizon,
        dim_model=128,
        n_heads=4,
        dim_feedforward=256,
        n_encoder_layers=2,
        n_vae_encoder_layers=2,
        latent_dim=16,
        optimizer_lr=5e-4,
    )
    # What kind of number has which normalisation is LeRobot's own default, but for this one.
    config.normalization_mapping["ENV"] = config.normalization_mapping["STATE"]
    statistics = {key: spread(rows) for key, rows in data.items() if rows.dtype != torch.bool}
    before, after = make_pre_post_processors(config, dataset_stats=statistics)
    policy = ACTPolicy(config).train()
    optimiser = config.get_optimizer_preset().build(policy.get_optim_params())
    print(f"{sum(p.numel() for p in policy.parameters())} parameters", flush=True)
    began, count = time.monotonic(), 0
    while (spent := (time.monotonic() - began) / 60) < options.minutes and count < options.updates:
        # The learning rate falls with whatever ends first, time or updates.
        done = max(spent / options.minutes, count / options.updates)
        rate = min(1.0, (count + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in optimiser.param_groups:
            group["lr"] = config.optimizer_lr * rate
        chosen = torch.randint(len(data["action"]), (options.batch,))
        loss, told = policy(before({key: rows[chosen] for key, rows in data.items()}))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 10.0)
        optimiser.step()
        count += 1
        if count % 500 == 0:
            words = "  ".join(f"{key} {value:.4f}" for key, value in told.items())
            print(f"{spent:5.1f} min  update {count:>6}  {words}", flush=True)
    print(f"{count} updates in {time.monotonic() - began:.0f} s", flush=True)
    for part in (policy.eval(), before, after):
        part.save_pretrained(options.checkpoint)


def spread(rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """Statistics over all but the last axis, as LeRobot's processors want them."""
    flat = rows.flatten(0, -2)
    return {
        "mean": flat.mean(0),
        "std": flat.std(0).clamp_min(SMALLEST),
        "min": flat.amin(0),
        "max": flat.amax(0),
    }


if __name__ == "__main__":
    sys.exit(main())
