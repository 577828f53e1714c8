"""`python -m tests.benchmarks.training`: our trainer and a plain PyTorch loop of the same model.

Both train behaviour cloning on the same made-up takes, one thread, same batch and clip. The plain
loop has its batches as tensors before it begins, AdamW, the cosine, nothing else: no averages, no
curves, no states, no reading. A third loop has averages too. Rounds alternate and each is compared
with the one beside it; rates are by the wall and by processor time, which hardly minds other work.
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
from policies.schedule import schedule
from policies.trainer import Trainer
from policies.training_run import Plan, RunFolder, Status
from policies.training_state import Averaged
from tests.benchmarks import reading
from tests.benchmarks.report import Row, options, tell

Spent = tuple[float, float]
"""Seconds by the wall and of the processor."""


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
    spent: dict[str, list[Spent]] = {"ours": [], "plain": [], "plain with averages": []}
    for number in range(rounds):
        spent["plain"].append(plain(dataset, plan, averages=False))
        spent["ours"].append(ours(folder / f"run-{width}-{number}", plan))
        spent["plain with averages"].append(plain(dataset, plan, averages=True))
    note = f"width {width}, batch {plan.batch}, {steps} updates, {rounds} rounds"
    rows = []
    for name, values in spent.items():
        wall, cpu = np.median(np.array(values), axis=0)
        rows.append(Row(f"width {width}: {name}, by the wall", 1.0 / float(wall), "/s", note))
        rows.append(Row(f"width {width}: {name}, processor", 1e3 * float(cpu), "ms", note))
    for against in ("plain", "plain with averages"):
        ratio = np.array(spent["ours"]) / np.array(spent[against])
        wall, cpu = 100.0 * (np.median(ratio, axis=0) - 1.0)
        what = f"width {width}: overhead against {against}"
        rows.append(Row(f"{what}, by the wall", float(wall), "%", note))
        rows.append(Row(f"{what}, processor", float(cpu), "%", note))
    return rows


def ours(path: Path, plan: Plan) -> Spent:
    """What an update of the trainer takes, over the second half, between two of its reports."""
    folder = RunFolder(path)
    folder.create(plan)
    seen: dict[int, Spent] = {}

    def say(status: Status) -> None:
        if status.phase == "training" and status.step not in seen:
            seen[status.step] = (time.perf_counter(), time.process_time())

    Trainer(folder, say).run()
    half = min(step for step in seen if step >= plan.steps // 2)
    return per_update(seen[half], seen[plan.steps], plan.steps - half)


def per_update(begin: Spent, end: Spent, updates: int) -> Spent:
    return (end[0] - begin[0]) / updates, (end[1] - begin[1]) / updates


def plain(dataset: Dataset, plan: Plan, *, averages: bool) -> Spent:
    """What an update of a loop takes, as one would write it, over its second half."""
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
    began = (0.0, 0.0)
    for step in range(plan.steps):
        if step == plan.steps // 2:
            began = (time.perf_counter(), time.process_time())
        loss = policy.loss(batches[step % len(batches)], "policy", chance)["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), recipe.clip, foreach=True)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * schedule(step, plan.steps, recipe.warm_up)
        optimizer.step()
        if ema is not None:
            ema.update()
    end = (time.perf_counter(), time.process_time())
    return per_update(began, end, plan.steps - plan.steps // 2)


if __name__ == "__main__":
    main()
