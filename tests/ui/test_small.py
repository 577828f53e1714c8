"""The parts without widgets: fuzzy search, words, earcons, hitches, settings, state."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui import words
from app.ui.actions import ACTIONS
from app.ui.earcons import EARCONS, samples, wav_bytes
from app.ui.fuzzy import rank, score
from app.ui.hitch import HitchProbe
from app.ui.settings import Settings, SettingsFile
from app.ui.state import fault, mood
from app.ui.test.words import who_drives
from tests.ui.fake_session import policy, recorder, station

letters = st.text(alphabet="abcde ", min_size=0, max_size=8)


@given(letters, letters)
def test_a_query_fits_exactly_what_contains_it_in_order(query: str, text: str) -> None:
    rest = iter(text)
    inside = all(letter in rest for letter in query.replace(" ", ""))
    assert (score(query, text) is not None) == inside


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("rese", "Reset scene"),
        ("drive f", "Drive faster"),
        ("estop", "Emergency stop"),
        ("goli", "Go to Library"),
    ],
)
def test_the_palette_finds_what_is_meant(query: str, first: str) -> None:
    assert rank(query, [a.title for a in ACTIONS], str)[0] == first


def test_no_query_keeps_the_order() -> None:
    assert rank("", ["b", "a"], str) == ["b", "a"]


@given(st.floats(0, 90_000))
def test_clock_times_never_run_ahead(seconds: float) -> None:
    parts = [float(p) for p in words.clock_time(seconds).split(":")]
    told = sum(part * 60**place for place, part in enumerate(reversed(parts)))
    assert seconds - 1.0 < told <= seconds + 1e-6


def test_words() -> None:
    assert words.clock_time(59.96) == "0:59.9"
    assert words.long_time(51_000) == "14 h"
    assert words.long_time(float("inf")) == "∞"
    assert words.size(3_400_000) == "3.4 MB"
    assert words.plural(1, "take") == "1 take"


@pytest.mark.parametrize("earcon", EARCONS)
def test_earcons_are_short_clean_and_no_louder_than_meant(earcon) -> None:  # type: ignore[no-untyped-def]
    sound = samples(earcon)
    assert len(sound) < 0.3 * 44_100
    assert np.max(np.abs(sound)) <= 0.36
    assert abs(sound[0]) < 0.01 and abs(sound[-1]) < 0.01  # no click at either end
    with wave.open(io.BytesIO(wav_bytes(earcon))) as file:
        assert file.getnframes() == len(sound)


def test_earcons_differ() -> None:
    assert len({wav_bytes(earcon) for earcon in EARCONS}) == 4


@given(st.lists(st.integers(0, 100), min_size=1, max_size=50))
def test_the_hitch_probe_tells_the_worst_delay(late_ms: list[int]) -> None:
    probe = HitchProbe(16_000_000)
    now = 0
    probe.tick(now)
    for late in late_ms:
        now += 16_000_000 + late * 1_000_000
        probe.tick(now)
    told = probe.read()
    assert told.ticks == len(late_ms)
    assert told.max_ms == pytest.approx(max(late_ms))
    assert told.p50_ms <= told.p99_ms <= told.max_ms


def test_the_hitch_probe_forgets_and_can_pause() -> None:
    probe = HitchProbe(16_000_000, window_ns=1_000_000_000)
    probe.tick(0)
    probe.tick(500_000_000)
    probe.tick(2_000_000_000)
    probe.pause()
    probe.tick(9_000_000_000)
    probe.tick(9_016_000_000)
    assert probe.read().max_ms == 0.0


def test_settings_come_back(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "deep" / "window.toml")
    made = Settings(sounds=False, layout="list").with_recent("/a").with_recent("/b")
    file.save(made.with_recent("/a"))
    assert file.load() == Settings(recent=("/a", "/b"), sounds=False, layout="list")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"sounds = 3\nlayout = 7\nrecent = 1", b"[[["])
def test_spoilt_settings_are_defaults(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "window.toml"
    path.write_bytes(content)
    assert SettingsFile(path).load() == Settings()


def test_moods_are_told_by_urgency() -> None:
    live = station()
    assert mood(None, recorder()).tone == "fault"
    assert mood(station(phase="estop"), recorder(state="recording")).tone == "fault"
    assert mood(live, recorder(state="recording", fault=True)).tone == "fault"
    tones = {
        state: mood(live, recorder(state=state)).tone
        for state in ("idle", "armed", "recording", "paused", "stopped", "failed")
    }
    assert tones == {
        "idle": "idle",
        "armed": "armed",
        "recording": "recording",
        "paused": "paused",
        "stopped": "paused",
        "failed": "fault",
    }
    assert mood(live, recorder(state="recording", practice=True)).tone == "paused"


def test_faults_say_what_and_what_next() -> None:
    dead = fault(None, recorder(), "The station crashed: out of memory")
    assert dead is not None and "out of memory" in dead.what
    assert dead.intent is not None and dead.intent.name == "restart_station"
    held = fault(station(phase="estop", why="Escape key"), recorder(), "")
    assert held is not None and held.intent is not None and held.intent.name == "clear_estop"
    full = fault(station(), recorder(state="failed", text="The disk is full"), "")
    assert full is not None and "disk is full" in full.what
    assert fault(station(), recorder(), "an old fault") is None


@pytest.mark.parametrize("phase", ["failed", "loading", "ready", "empty"])
def test_a_policy_that_cannot_drive_is_not_said_to(phase: str) -> None:
    gone = policy(
        "policy_a", phase=phase, text="The policy_a was ended by SIGKILL. Its log is there."
    )
    who = who_drives(station(phase="driving", leader="policy_a"), {"policy_a": gone})
    assert who.text == "A holds" and who.note == "The policy_a was ended by SIGKILL"
    assert who.hand == ""  # there is nothing to go on with
