"""The first moments of a policy's process: `python -m app.runtime.policy_process RUN`.

To start a policy costs seconds of work: imports, weights, warm-up. None of it is urgent, and the
station must not feel it. So before anything large is imported threads are made: two that will
drive, and two that import and load behind everybody else. Numeric libraries are told to use one
thread. The main thread does next to nothing, and stays where it is: one that waited behind others
for a core would keep Python's lock from those that drive.
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
"""Of what happens before it can drive."""

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_WORKER = "app.runtime.policy_worker"
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
    imports = SpareThread("import", lambda: be_nice(LOAD_NICE, batch=True))
    load = SpareThread("load", lambda: be_nice(LOAD_NICE, batch=True))
    module, function = opener.split(":")
    imports.begin(lambda: [importlib.import_module(name) for name in (_WORKER, module)])
    imports.join(None)  # what could not be imported is told below
    worker = importlib.import_module(_WORKER)
    opens = getattr(importlib.import_module(module), function)
    served: int = worker.serve("policy", opens, load, act, react)
    return served


if __name__ == "__main__":
    sys.exit(main())
