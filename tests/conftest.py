"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A timing is reported by a benchmark, never asserted by a test: a busy machine is no fault.
settings.register_profile("teledeck", deadline=None)
settings.load_profile("teledeck")
