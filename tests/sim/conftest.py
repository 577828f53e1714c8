"""Shared by the simulation's tests: a private model cache and ready-made worlds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices import plugins
from devices.clock import FakeClock
from devices.robots.openarm import OpenArmV2
from devices.sim.build import build
from devices.sim.world import World


@pytest.fixture(scope="session", autouse=True)
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Built models of a test run stay out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture
def robot() -> OpenArmV2:
    return OpenArmV2()


WorldMaker = Callable[..., World]


@pytest.fixture
def make_world() -> WorldMaker:
    """A World of a named scene, on a FakeClock, from the cached minimal model."""

    def make(scene: str = "drawer", seed: int = 0, clock: FakeClock | None = None) -> World:
        return World(
            OpenArmV2(),
            plugins.load("scenes", scene)(),
            seed=seed,
            clock=clock or FakeClock(),
            model=build("openarm_v2", scene, "minimal"),
        )

    return make
