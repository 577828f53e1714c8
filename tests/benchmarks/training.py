"""`python -m tests.benchmarks.training`: our trainer and a plain PyTorch loop of the same model.

Both train behaviour cloning on the same made-up takes, one thread, same batch and clip. The plain
loop has its batches as tensors before it begins, AdamW, the cosine, nothing else: no averages, no
curves, no states, no reading. A third loop has averages too. Rounds alternate, and each round is
compared with the one beside it, so that a machine that is busy tells on both.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import torch

from datasets.dataset import Dataset
from datasets.window_choice import Choice
from datasets.window_order import BatchOrder
from datasets.windows import EpisodeDataset
from policies.bc import BehaviourCloning
from policies.loading import fit_normaliser, tensors
from policies.trainer import Trainer, schedule
from policies.training_run import Plan, RunFolder
from policies.training_state import Averaged
from tests.benchmarks import reading
from tests.benchmarks.report import Row, options, tell


def main() -> None:
    parser = options(__doc__ or "", 10.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--width", type=int, nargs="+", default=[256, 1024])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="teledeck-training-") as folder:
        dataset = Dataset.create(Path(folder) / "set")
        for number in range(10):
            reading.record(dataset, number, pictures=False)
        for width in chosen.width:
            steps = max(100, chosen.steps if width < 512 else chosen.steps // 4)
            rows += compare(dataset, Path(folder), width, steps, chosen.rounds)
    tell("training behaviour cloning", rows, chosen.json)


def compare(dataset: Dataset, folder: Path, width: int, steps: int, rounds: int) -> list[Row]:
    config = BehaviourCloning.configure(reading.NEEDS, reading.SPACE, width=width)
    plan = Plan(
        dataset=str(dataset.root),
        policy="bc",
        config=msgspec.to_builtins(config),
        steps=steps,
        verdict=None,
        hold_out=0.0,
        judge_every=steps,
    )
    rates: dict[str, list[float]] = {"ours": [], "plain": [], "plain with averages": []}
    for number in range(rounds):
        rates["plain"].append(plain(dataset, plan, averages=False))
        rates["ours"].append(ours(folder / f"run-{width}-{number}", plan))
        rates["plain with averages"].append(plain(dataset, plan, averages=True))
    note = f"width {width}, batch {plan.batch}, {steps} updates, {rounds} rounds"
    middle = {name: float(np.median(values)) for name, values in rates.items()}
    rows = [Row(f"width {width}: {name}", value, "/s", note) for name, value in middle.items()]
    for against in ("plain", "plain with averages"):
        pairs = zip(rates[against], rates["ours"], strict=True)
        extra = [100.0 * (fast / slow - 1.0) for fast, slow in pairs]
        rows.append(
            Row(f"width {width}: overhead against {against}", float(np.median(extra)), "%", note)
        )
    return rows


def ours(path: Path, plan: Plan) -> float:
    """Updates a second of the trainer, as its own curves tell it, over the second half."""
    folder = RunFolder(path)
    folder.create(plan)
    Trainer(folder).run()
    lines = [line for line in folder.metrics()[0] if line["kind"] == "train"]
    half, last = lines[len(lines) // 2 - 1], lines[-1]
    updates = last["step"] - half["step"]
    # By the wall, so that everything between two reports counts: looking, saving, writing curves.
    return float(updates / (last["wall_s"] - half["wall_s"]))


def plain(dataset: Dataset, plan: Plan, *, averages: bool) -> float:
    """Updates a second of a loop as one would write it, over its second half."""
    kind = BehaviourCloning
    config = kind.read_config(plan.config)
    data = EpisodeDataset(dataset, config.needs, config.space, Choice(verdict=None, hold_out=0.0))
    order = BatchOrder(len(data), plan.batch, 0)
    batches = [tensors(data.batch(order[number])) for number in range(200)]
    torch.manual_seed(0)
    policy = kind(config, fit_normaliser(kind, config, data, 0)).train()
    recipe = policy.recipe("policy")
    optimizer = torch.optim.AdamW(
        policy.parameters(),
        lr=recipe.lr,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    ema = Averaged(policy) if averages else None
    chance = torch.Generator()
    began = 0.0
    for step in range(plan.steps):
        if step == plan.steps // 2:
            began = time.perf_counter()
        loss = policy.loss(batches[step % len(batches)], "policy", chance)["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), recipe.clip, foreach=True)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * schedule(step, plan.steps, recipe.warm_up)
        optimizer.step()
        if ema is not None:
            ema.update()
    return (plan.steps - plan.steps // 2) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
