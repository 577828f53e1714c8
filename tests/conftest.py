"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# A timing is reported by a benchmark, never asserted by a test: a busy machine is no fault.
# The same examples every time, so that a failure is about the change; `TELEDECK_EXPLORE=1` draws
# others.
settings.register_profile(
    "teledeck", deadline=None, derandomize=not os.environ.get("TELEDECK_EXPLORE")
)
settings.load_profile("teledeck")
