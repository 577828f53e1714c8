"""Train our policies on demonstrations of Meta-World's own expert, and let them try.

    python3 -m venv ELSEWHERE
    ELSEWHERE/bin/pip install mujoco==3.3.0 gymnasium numpy scipy imageio msgpack packaging
    ELSEWHERE/bin/pip install --no-deps metaworld==3.1.1
    python -m tests.benchmarks.independent.study --world ELSEWHERE/bin/python --out FOLDER

Meta-World wants another MuJoCo than ours, so it runs in its own process and environment
(`world.py`); what crosses is msgpack on a pipe. Each cell (task, policy, training seed) writes one
JSON file as soon as it is done, and a cell whose file is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from scipy.stats import binomtest

from devices import plugins
from policies.contract import ActionSpace, StreamNeed, Window
from policies.normaliser import Normaliser
from policies.trainable import TrainablePolicy

WORLD = Path(__file__).with_name("world.py")
RUN = 4  # rows of a chunk that are played before the next is asked for
SPACE = ActionSpace(sides=("right",), rate_hz=80.0, horizon=8)
NEED = StreamNeed(stream="metaworld/observation", key="observation", shape=(39,), rate_hz=80.0)
OPTIONS: dict[str, dict[str, object]] = {
    "bc": {},
    "diffusion": {"widths": [32, 64, 128]},
    "flow": {"widths": [32, 64, 128]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--world", type=Path, required=True, help="python that has Meta-World")
    parser.add_argument("--out", type=Path, required=True, help="folder of demonstrations, results")
    parser.add_argument("--tasks", nargs="+", default=["push-v3", "peg-insert-side-v3"])
    parser.add_argument("--policies", nargs="+", default=list(OPTIONS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--demonstrations", type=int, default=30)
    parser.add_argument("--rollouts", type=int, default=40)
    parser.add_argument("--updates", type=int, default=2500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for task in options.tasks:
        data = demonstrations(options.world, task, options.demonstrations, options.out)
        for name in options.policies:
            for seed in options.seeds:
                path = options.out / f"{task}_{name}_{seed}.json"
                if not path.exists():
                    cell = try_cell(options, task, name, seed, data)
                    path.write_text(json.dumps(cell, indent=1) + "\n")
                print(line_of(json.loads(path.read_text())), flush=True)


def demonstrations(python: Path, task: str, count: int, folder: Path) -> dict[str, Any]:
    """What the expert showed: observation (N, 39), action (N, 4), ends (count,)."""
    path = folder / f"{task}.npz"
    if not path.exists():
        arguments = ["--task", task, "--count", str(count), "--seed", "0", "--out", str(path)]
        subprocess.run([python, WORLD, "demonstrations", *arguments], check=True)
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def windows(data: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Every step of the demonstrations as a window and the chunk that follows it."""
    firsts = np.concatenate([[0], data["ends"][:-1]])
    rows: dict[str, list[Any]] = {"observation": [], "actions": [], "mask": []}
    for first, end in zip(firsts, data["ends"], strict=True):
        for now in range(first, end):
            seen = [max(first, now - back) for back in range(NEED.steps)][::-1]
            ahead = np.arange(now, now + SPACE.horizon)
            rows["observation"].append(data["observation"][seen])
            rows["actions"].append(data["action"][np.minimum(ahead, end - 1)])
            rows["mask"].append(ahead < end)
    made = {key: torch.tensor(np.array(parts)) for key, parts in rows.items()}
    made["observation"], made["actions"] = made["observation"].float(), made["actions"].float()
    made["weight"] = torch.ones(len(made["mask"]))
    return made


def train(
    name: str, seed: int, data: dict[str, Any], updates: int
) -> tuple[TrainablePolicy, float]:
    """A trained policy and the mean loss of the last hundred updates."""
    kind: type[TrainablePolicy] = plugins.load("policies", name)
    config = kind.configure([NEED], SPACE, **OPTIONS[name])
    batch = kind.prepare(config, windows(data))
    normaliser = Normaliser.fit([batch], kind.modes(config))
    torch.manual_seed(seed)
    policy = kind(config, normaliser)
    chance = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    for stage in policy.stages:
        count = round(updates * policy.share[stage])
        recipe = policy.recipe(stage)
        parameters = policy.parameters_of(stage)
        optimiser = torch.optim.AdamW(
            parameters, recipe.lr, betas=recipe.betas, weight_decay=recipe.weight_decay
        )
        warm_up = min(recipe.warm_up, count // 10)
        average = [p.detach().clone() for p in parameters]
        for update in range(count):
            rate = (update + 1) / warm_up if update < warm_up else cosine(update, warm_up, count)
            optimiser.param_groups[0]["lr"] = recipe.lr * rate
            chosen = torch.randint(len(batch["weight"]), (64,), generator=chance)
            loss = policy.loss({k: v[chosen] for k, v in batch.items()}, stage, chance)["loss"]
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimiser.step()
            losses.append(loss.item())
            with torch.no_grad():
                torch._foreach_lerp_(average, parameters, (1.0 + update) ** -0.75)
        if recipe.ema:
            with torch.no_grad():
                torch._foreach_copy_(parameters, average)
    return policy.eval(), float(np.mean(losses[-100:]))


def cosine(update: int, warm_up: int, count: int) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * (update - warm_up) / (count - warm_up)))


def try_cell(
    options: argparse.Namespace, task: str, name: str, seed: int, data: dict[str, Any]
) -> dict[str, Any]:
    """Train one policy and let it try; what is stored of it."""
    began = time.monotonic()
    policy, loss = train(name, seed, data, options.updates)
    trained = time.monotonic() - began
    first = 10_000  # no start of a demonstration is tried again
    arguments = ["--task", task, "--count", str(options.rollouts), "--seed", str(first)]
    tries, thought = [], []
    with subprocess.Popen(
        [options.world, WORLD, "rollouts", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as world:
        assert world.stdin is not None and world.stdout is not None
        for message in messages(world.stdout):
            if message["kind"] == "done":
                tries.append({key: message[key] for key in ("success", "steps", "seed")})
                continue
            seen = np.array(message["observation"], dtype=np.float32)
            if message["step"] == 0:
                policy.reset(seed=first + message["episode"])
            now_ns = round(message["step"] * 1e9 / SPACE.rate_hz)
            before = time.perf_counter()
            chunk = policy.act(Window(now_ns, {"observation": seen}))
            thought.append((time.perf_counter() - before) * 1e3)
            answer = msgspec.msgpack.encode({"actions": chunk.actions[:RUN].tolist()})
            world.stdin.write(struct.pack(">I", len(answer)) + answer)
            world.stdin.flush()
    return {
        "task": task,
        "policy": name,
        "training_seed": seed,
        "demonstrations": len(data["ends"]),
        "updates": options.updates,
        "training_s": round(trained, 1),
        "loss": round(loss, 5),
        "parameters": sum(p.numel() for p in policy.parameters()),
        "config": {k: v for k, v in OPTIONS[name].items()},
        "act_ms_p50": round(float(np.median(thought)), 2),
        "act_ms_p99": round(float(np.percentile(thought, 99)), 2),
        "tries": tries,
    }


def messages(pipe: Any) -> Iterator[dict[str, Any]]:
    while header := pipe.read(4):
        yield msgspec.msgpack.decode(pipe.read(struct.unpack(">I", header)[0]))


def line_of(cell: dict[str, Any]) -> str:
    """One cell as a row of a Markdown table."""
    count, done = len(cell["tries"]), sum(one["success"] for one in cell["tries"])
    interval = binomtest(done, count).proportion_ci(method="wilson")
    return (
        f"| {cell['task']} | {cell['policy']} | {cell['training_seed']} | {done}/{count} |"
        f" {done / count:.2f} ({interval.low:.2f} to {interval.high:.2f}) |"
        f" {cell['training_s']:.0f} | {cell['act_ms_p50']:.0f} / {cell['act_ms_p99']:.0f} |"
    )


if __name__ == "__main__":
    main()
