"""The real worker with a scripted policy: `python -m tests.serving.scripted_worker RUN ...`."""

from __future__ import annotations

import sys

from app.runtime.policy_process import main

if __name__ == "__main__":
    sys.exit(main("tests.serving.scripted:open_scripted"))
