"""A strip grows only under the right force, and only without a break."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.sim.scene import Touch
from devices.sim.scenes import contact, cucumber, stage
from devices.sim.scenes.peel import Peel
from devices.sim.world import World
from tests.scenes.conftest import MakeWorld

LOW, HIGH = Peel.force_band or (0.0, 0.0)
RIGHT = (LOW + HIGH) / 2
Draw = Callable[..., None]

calm = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def peeled(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, no_touch: Touch
) -> tuple[World, Draw]:
    """A cucumber, and `draw(cell, force)` for one call of `advance` with the blade on a cell."""
    world = make_world("peel", 0)
    crest = cucumber.crest()

    def draw(cell: int, force: float, speed: float = 0.05) -> None:
        point = stage.pose(world.data, "cucumber").apply(crest[cell])
        monkeypatch.setattr(contact, "normal_forces", lambda *_: [(force, point)])
        monkeypatch.setattr(contact, "sliding_speed", lambda *_: speed)
        world.scene.advance(world.model, world.data, no_touch)

    return world, draw


def progress(world: World) -> float:
    return world.scene.progress(world.model, world.data)


def test_one_steady_stroke_is_success(peeled: tuple[World, Draw]) -> None:
    world, draw = peeled
    for cell in range(cucumber.CELLS):
        draw(cell, RIGHT)
    assert progress(world) == 1.0 and world.scene.success(world.model, world.data)


@pytest.mark.parametrize("force", [LOW * 0.9, HIGH * 1.1])
def test_leaving_the_band_ends_the_strip(peeled: tuple[World, Draw], force: float) -> None:
    world, draw = peeled
    middle = cucumber.CELLS // 2
    for cell in range(cucumber.CELLS):
        draw(cell, force if abs(cell - middle) <= 2 else RIGHT)
    assert progress(world) < 0.6
    # Going over the gap again does not mend it.
    for cell in range(middle - 4, middle + 4):
        draw(cell, RIGHT)
    assert progress(world) < 0.7


def test_pausing_does_not_end_the_strip(peeled: tuple[World, Draw]) -> None:
    world, draw = peeled
    for cell in range(cucumber.CELLS):
        draw(cell, RIGHT)
        draw(cell, 0.0)
        draw(cell, 0.0, 0.0)
    assert progress(world) == 1.0


@calm
@given(st.lists(st.tuples(st.integers(0, cucumber.CELLS - 1), st.floats(0, 3 * HIGH)), max_size=40))
def test_the_score_never_falls(
    peeled: tuple[World, Draw], strokes: list[tuple[int, float]]
) -> None:
    world, draw = peeled
    before = progress(world)
    for cell, force in strokes:
        draw(cell, force)
        assert progress(world) >= before
        before = progress(world)


@calm
@given(st.integers(0, cucumber.CELLS - 1), st.floats(0, LOW, exclude_max=True))
def test_too_light_does_nothing(peeled: tuple[World, Draw], cell: int, force: float) -> None:
    world, draw = peeled
    before = world.data.userdata.copy()
    draw(cell, force)
    np.testing.assert_array_equal(world.data.userdata, before)


def test_cells_are_where_the_crest_says() -> None:
    for cell, point in enumerate(cucumber.crest()):
        assert cucumber.cell_at(point) == (cucumber.LANES // 2, cell)
    assert cucumber.cell_at(np.array([0.0, 0.2, 0.0])) is None
