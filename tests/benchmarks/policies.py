"""Inference of every policy: how long a chunk takes by number of steps, and RDP's fast path.

`python -m tests.benchmarks.policies [--seconds S] [--json PATH]`

One thread of torch, as in a policy worker on a small machine; on a GPU too where there is one.
Weights are fresh: an untrained network takes as long as a trained one. The fast path is called at
250 Hz while the slow path runs without a pause in another thread of the same process.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import numpy as np
import torch

from devices import plugins
from policies.contract import ActionSpace, StreamNeed, Window
from policies.normaliser import Normaliser
from policies.trainable import TrainablePolicy
from tests.benchmarks.report import Row, options, percentiles, tell

POSE = StreamNeed(stream="right_arm/T_world_tool", key="pose", shape=(7,))
GAP = StreamNeed(stream="right_gripper/gap", key="gap", shape=(1,))
FELT = StreamNeed(stream="right_arm/wrench", key="felt", shape=(6,))
TOUCH = StreamNeed(stream="right_arm/wrench", key="touch", shape=(6,), span="chunk")
CAMERA = StreamNeed(stream="wrist_right/rgb", key="camera", shape=(96, 128, 3), unit="RGB")
SPACE = ActionSpace(sides=("right",))
STEPS = {"bc": (None,), "diffusion": (4, 8, 16, 100), "flow": (1, 5, 10), "rdp": (4, 8, 16)}
CONTROL_HZ = 250.0


def main() -> None:
    parser = options(__doc__ or "", 5.0)
    parser.add_argument("--policies", nargs="+", choices=STEPS, default=list(STEPS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    rows: list[Row] = []
    for name in arguments.policies:
        for device in devices:
            for steps in STEPS[name]:
                rows += _chunks(name, steps, device, arguments.seconds)
        if name in ("diffusion", "flow"):
            rows += _chunks(name, STEPS[name][1], "cpu", arguments.seconds, camera=True)
    if "rdp" in arguments.policies:
        for switch_ms in (5.0, 0.5):
            rows += _fast_path(arguments.seconds, switch_ms, slow=True)
        rows += _fast_path(arguments.seconds, 5.0, slow=False)
    tell("Inference of policies, one thread, chunks of 32 rows", rows, arguments.json)


def _policy(name: str, camera: bool = False, **choices: Any) -> tuple[TrainablePolicy, Window]:
    needs = [POSE, GAP, FELT]
    needs += [TOUCH] if name == "rdp" else []
    needs += [CAMERA] if camera else []
    kind: type[TrainablePolicy] = plugins.load("policies", name)
    config = kind.configure(needs, SPACE, **choices)
    chance = np.random.default_rng(0)
    batch: dict[str, Any] = {}
    for need in needs:
        rows = SPACE.horizon if need.span == "chunk" else need.steps
        if need is CAMERA:
            values = chance.integers(0, 256, (64, rows, *need.shape)).astype(np.uint8)
        else:
            values = chance.normal(size=(64, rows, *need.shape)).astype(np.float32)
        batch[need.key] = torch.tensor(values)
    batch["actions"] = torch.tensor(
        chance.normal(size=(64, SPACE.horizon, SPACE.width)).astype(np.float32)
    )
    batch["mask"] = torch.ones(64, SPACE.horizon, dtype=torch.bool)
    batch["weight"] = torch.ones(64)
    prepared = kind.prepare(config, batch)
    policy = kind(config, Normaliser.fit([prepared], kind.modes(config))).eval()
    values = {
        need.key: batch[need.key][0].numpy()[: 1 if need.span == "chunk" else None]
        for need in needs
    }
    policy.reset(0)
    return policy, Window(time.monotonic_ns(), values)


def _chunks(
    name: str, steps: int | None, device: str, seconds: float, camera: bool = False
) -> list[Row]:
    choices = {} if steps is None else {"inference_steps": steps}
    policy, window = _policy(name, camera, **choices)
    policy.to(device)
    for _ in range(3):
        policy.act(window)
    taken: list[float] = []
    worked: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(taken) < 5:
        began, work = time.perf_counter(), time.thread_time()
        policy.act(window)
        taken.append((time.perf_counter() - began) * 1e3)
        worked.append((time.thread_time() - work) * 1e3)
    millions = sum(p.numel() for p in policy.parameters()) / 1e6
    what = name + (f", {steps} steps" if steps is not None else "") + (", camera" * camera)
    note = f"{device}, {millions:.2f} M parameters, n = {len(taken)}"
    # What the processor spent tells the policy's own cost where other jobs take its turns.
    work_row = Row(f"{what} processor p50", float(np.median(worked)), "ms", note)
    return [*percentiles(what, taken, "ms", note), work_row]


def _fast_path(seconds: float, switch_ms: float, slow: bool) -> list[Row]:
    """`react` at control rate, each time on all the touch since the chunk began."""
    policy, window = _policy("rdp")
    newest = [policy.act(window)]
    stop, plans = threading.Event(), [0]

    def plan() -> None:
        while not stop.is_set():
            newest[0] = policy.act(Window(time.monotonic_ns(), window.values))
            plans[0] += 1

    touch = np.random.default_rng(1).normal(size=(SPACE.horizon, 6)).astype(np.float32)
    taken = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(switch_ms / 1e3)
    thread = threading.Thread(target=plan)
    try:
        if slow:
            thread.start()
        began = due = time.perf_counter()
        while time.perf_counter() - began < seconds:
            due += 1.0 / CONTROL_HZ
            time.sleep(max(0.0, due - time.perf_counter()))
            chunk = newest[0]
            now_ns = time.monotonic_ns()
            if not slow and now_ns - chunk.t0_ns > 0.66e9:  # 16 rows: then comes the next chunk
                newest[0] = chunk = policy.act(Window(now_ns, window.values))
            rows = int((now_ns - chunk.t0_ns) * 1e-9 * SPACE.rate_hz) + 1
            if rows > SPACE.horizon:
                continue
            start = time.perf_counter()
            policy.react(chunk, Window(now_ns, {"touch": touch[:rows]}))
            taken.append((time.perf_counter() - start) * 1e3)
        lasted = time.perf_counter() - began
    finally:
        stop.set()
        if slow:
            thread.join()
        sys.setswitchinterval(before)
    note = f"n = {len(taken)}, switch interval {switch_ms:g} ms"
    if not slow:
        return percentiles("rdp react, alone", taken, "ms", note)
    found = percentiles("rdp react beside act", taken, "ms", note)
    found.append(Row("rdp act beside react", plans[0] / lasted, "1/s", note))
    return found


if __name__ == "__main__":
    main()
