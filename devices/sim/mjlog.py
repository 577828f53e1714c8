"""MuJoCo's warnings belong in our errors, not on a user's terminal or in a stray log file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import mujoco

# Harmless: it is about writing a model back to XML, which nobody here does.
_KNOWN = ("Attaching a spec with an empty prefix",)


@contextmanager
def quiet_mujoco() -> Iterator[None]:
    """Within it, MuJoCo's known harmless warnings vanish and others become Python warnings."""
    heard: list[str] = []
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(heard.append)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)
    for text in heard:
        if not any(known in text for known in _KNOWN):
            warnings.warn(f"MuJoCo: {text.strip()}", RuntimeWarning, stacklevel=3)
