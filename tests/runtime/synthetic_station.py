"""A station without a robot: every row carries its own number. For recorder tests and benchmarks.

python -m tests.runtime.synthetic_station RUN --options '{...}'
"""

from __future__ import annotations

import sys

import numpy as np

from app.runtime.child import Child, run_child
from app.runtime.requests import Ok, Reply, Request, Shutdown
from app.runtime.rings import ring_capacity
from app.runtime.statuses import PolicyStatus
from devices.clock import NS_PER_S, SystemClock
from devices.ring import RingWriter
from devices.stream import StreamSpec

TICK_HZ = 500.0


def specs(options: dict[str, float]) -> list[StreamSpec]:
    """Streams as the benchmark of the recorder wants them."""
    state_hz, touch_hz = options.get("state_hz", TICK_HZ), options.get("touch_hz", 120.0)
    arms = [
        StreamSpec(f"{side}_arm/{what}", (7,), "float64", unit, "", state_hz)
        for side in ("left", "right")
        for what, unit in (("q", "rad"), ("qd", "rad/s"), ("tau", "N m"))
    ]
    pads = [
        StreamSpec(f"{pad}_pad/tactile", (7, 9, 3), "float32", "N", "", touch_hz, kind="touch")
        for pad in ("left_inner", "left_outer")
    ]
    return [
        *arms,
        *pads,
        StreamSpec("sim/state", (120,), "float64", "1", "", state_hz, kind="scene"),
    ]


def policy_status(t_ns: int) -> PolicyStatus:
    """A policy that drives, as far as anybody hears."""
    return PolicyStatus(t_ns, "policy_a", "/there", "sine", "d1gest", "driving", "", seed=4)


def work(child: Child) -> None:
    """Publish every stream at its rate until told to end."""
    clock = SystemClock()
    server = child.bus.server("station")
    publisher = child.bus.publisher("station")
    writers = [
        RingWriter(child.run.ring(spec.name), spec, ring_capacity(spec))
        for spec in specs(child.options)
    ]

    def answer(request: Request) -> Reply:
        if isinstance(request, Shutdown):
            child.stop("Asked to")
        return Ok()

    epoch = clock.now_ns()
    tick = 0
    while not child.stopping.is_set():
        server.poll(answer)
        elapsed = (clock.now_ns() - epoch) / NS_PER_S
        for writer in writers:
            spec = writer.spec
            due = int(elapsed * spec.rate_hz)
            while writer.head < due:
                row = np.full(spec.shape, writer.head, dtype=spec.dtype)
                writer.publish(epoch + round(writer.head / spec.rate_hz * NS_PER_S), row)
        if child.options.get("policy") and tick % 50 == 0:
            publisher.send(policy_status(clock.now_ns()))
        tick += 1
        clock.sleep_until_ns(epoch + round(tick / TICK_HZ * NS_PER_S))
    for writer in writers:
        writer.close()


if __name__ == "__main__":
    sys.exit(run_child("station", work))
