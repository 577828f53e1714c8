"""The real worker with a scripted policy: `python -m tests.serving.scripted_worker RUN ...`."""

from __future__ import annotations

import sys

from app.runtime.policy_worker import serve
from tests.serving.scripted import open_scripted

if __name__ == "__main__":
    sys.exit(serve("policy", open_scripted))
