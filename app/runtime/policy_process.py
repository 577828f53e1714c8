"""The first moments of a policy's process: `python -m app.runtime.policy_process RUN`.

To start a policy costs seconds of work: imports, weights, warm-up. None of it is urgent, and the
station must not feel it. So before anything large is imported two threads are made that keep a
better priority for driving, numeric libraries are told to use one thread, and the rest of the
process gets out of everybody's way for good.
"""

from __future__ import annotations

import importlib
import os
import sys

from app.runtime import priority
from app.runtime.priority import be_nice, go_first
from app.runtime.spare_thread import SpareThread

ACT_NICE = 5
"""Of the slow path: it has the length of a chunk to think."""
LOAD_NICE = 10
"""Of all that is not driving."""

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
OPENER = "policies.serving.opening:open_policy"


def main(opener: str = OPENER) -> int:
    """Main function of a policy's process.

    Args:
        opener: `module:function` that opens what a user names.
    """
    for name in _ONE_THREAD:  # more threads than one fight with the station
        os.environ.setdefault(name, "1")
    # The fast path works for less than a millisecond at a time, and is worth nothing late.
    react = SpareThread("react", lambda: go_first(priority.FAST_PATH, alone=True))
    act = SpareThread("act", lambda: be_nice(ACT_NICE))
    be_nice(LOAD_NICE, batch=True)
    worker = importlib.import_module("app.runtime.policy_worker")
    module, function = opener.split(":")
    opens = getattr(importlib.import_module(module), function)
    served: int = worker.serve("policy", opens, react, act)
    return served


if __name__ == "__main__":
    sys.exit(main())
