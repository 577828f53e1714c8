"""Ready-made needs: who must not feel, feels nothing; who looks, sees the scene of the dataset."""

from __future__ import annotations

import pytest

from devices.errors import ConfigError
from policies.presets import GLANCE, GLANCES, needs_of, presets


@pytest.mark.parametrize("name", ["state", "glance", "sent", "glance-sent"])
def test_without_touch_there_is_none(name: str) -> None:
    needs = needs_of(name, ("left", "right"), (10,))
    streams = {need.stream.partition("/")[2] for need in needs}
    known = "_sent" if "sent" in name else ""
    assert streams <= {f"T_world_tool{known}", f"gap{known}", "glance"}
    assert all(need.span == "window" for need in needs)


@pytest.mark.parametrize("name", GLANCES)
def test_a_glance_is_added_to_what_is_there_without_it(name: str) -> None:
    needs = needs_of(name, ("right",), (23,))
    look = [need for need in needs if need.stream == GLANCE]
    assert [need.shape for need in look] == [(23,)]
    assert [n for n in needs if n not in look] == list(presets()[GLANCES[name]](("right",)))
    assert len({need.key for need in needs}) == len(needs)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="scene/glance"):
        needs_of("glance-touch", ("right",))
    with pytest.raises(ConfigError, match="glance-reactive"):
        needs_of("glanse", ("right",), (10,))
