"""A station file is either used whole or refused with every mistake named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runtime import station_file
from app.runtime.station_file import StationFile
from devices.errors import ConfigError, ManyErrors, TeledeckError

ROOT = Path(__file__).parents[2]


def test_an_empty_file_is_the_built_in_simulation(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text("")
    assert station_file.load(path) == StationFile()


def test_the_documented_file_is_the_default() -> None:
    text = (ROOT / "docs/station-file.md").read_text()
    block = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    fields = tomllib.loads(block.group(1))
    assert station_file.from_fields(fields, where="docs") == StationFile()
    assert set(fields) == {field.name for field in msgspec.structs.fields(StationFile)}


def test_all_mistakes_are_told_together(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text('robot = "r2d2"\nscene = "wype"\ncontrol_hz = 5\nspeed = 3\nseed = "x"\n')
    with pytest.raises(ManyErrors) as caught:
        station_file.load(path)
    text = str(caught.value)
    for word in ("r2d2", "wype", "wipe", "control_hz", "speed", "seed", "broken.toml"):
        assert word in text


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = [", b"schema = 99"])
def test_unreadable_files_say_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        station_file.load(path)
    assert caught.value.next_step


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        station_file.load(tmp_path / "nowhere.toml")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
names = st.sampled_from([field.name for field in msgspec.structs.fields(StationFile)]) | st.text(
    max_size=8
)


@given(st.dictionaries(names, values, max_size=6))
def test_whatever_it_holds_the_answer_is_a_station_or_one_of_our_errors(
    fields: dict[str, object],
) -> None:
    try:
        station = station_file.from_fields(dict(fields), where="test")
    except TeledeckError as error:
        assert str(error)
    else:
        assert 200.0 <= station.control_hz <= 1000.0
