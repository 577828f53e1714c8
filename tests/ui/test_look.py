"""Colours can be told apart and read; fonts, icons and the style sheet are whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtWidgets import QApplication

from app.ui import look
from app.ui.look import DARK, TONES, TYPE, blend, contrast

SURFACES = ("floor", "wall", "panel", "raised")
TEXTS = ("text", "soft", "faint")
colours = st.integers(0, 0xFFFFFF).map(lambda n: f"#{n:06x}")


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("text", TEXTS)
def test_text_reaches_wcag_aa(text: str, surface: str) -> None:
    assert contrast(getattr(DARK, text), getattr(DARK, surface)) >= 4.5


@pytest.mark.parametrize("tone", TONES)
def test_state_colours_are_read_as_text_and_carry_text(tone: look.Tone) -> None:
    colour = DARK.tone(tone)
    for surface in ("floor", "wall", "panel"):
        assert contrast(colour, getattr(DARK, surface)) >= 4.5
    assert contrast(colour, blend(colour, DARK.panel, 0.16)) >= 4.5  # a chip
    assert contrast(DARK.on_bright, colour) >= 4.5  # a filled button


def test_edges_and_focus_reach_three_to_one() -> None:
    for surface in SURFACES:
        assert contrast(DARK.edge, getattr(DARK, surface)) >= 3.0
        assert contrast(DARK.accent, getattr(DARK, surface)) >= 3.0
    assert contrast(DARK.text, DARK.accent_wash) >= 4.5
    assert contrast(DARK.on_bright, DARK.accent) >= 4.5
    assert contrast(DARK.left_hand, DARK.floor) >= 4.5
    assert contrast(DARK.right_hand, DARK.floor) >= 4.5


def test_states_differ_in_lightness_or_hue() -> None:
    for i, one in enumerate(TONES):
        for other in TONES[i + 1 :]:
            a, b = DARK.tone(one), DARK.tone(other)
            apart = sum(abs(int(a[k : k + 2], 16) - int(b[k : k + 2], 16)) for k in (1, 3, 5))
            assert apart > 90, (one, other)


@given(colours, colours)
def test_contrast_is_symmetric_and_bounded(a: str, b: str) -> None:
    assert contrast(a, b) == contrast(b, a)
    assert 1.0 <= contrast(a, b) <= 21.0 + 1e-9
    assert contrast(a, a) == pytest.approx(1.0)


def test_the_extremes_of_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


def test_the_style_sheet_has_no_open_token() -> None:
    sheet = look.style_sheet()
    assert "$" not in sheet
    assert sheet.count("{") == sheet.count("}")


def test_only_the_look_sets_style_sheets() -> None:
    root = Path(look.__file__).parents[1]
    for path in root.rglob("*.py"):
        if path.name != "look.py":
            assert "setStyleSheet" not in path.read_text(encoding="utf-8"), path


def test_no_colour_is_written_outside_the_look() -> None:
    root = Path(look.__file__).parent
    for path in root.rglob("*.py"):
        if path.name != "look.py":
            assert not re.search(r'"#[0-9a-fA-F]{6}"', path.read_text(encoding="utf-8")), path


def test_fonts_have_the_sizes_of_the_scale(qapp: QApplication) -> None:
    for style, spec in TYPE.items():
        assert look.font(style).pixelSize() == spec.size
    assert look.family()


def test_docs_tell_the_true_ratios() -> None:
    text = (Path(look.__file__).parents[2] / "docs" / "look.md").read_text(encoding="utf-8")
    for name in (*TEXTS, *TONES, "accent", "edge"):
        row = re.search(rf"^\| `{name}` \| `(#\w+)` \| ([\d.]+) \|", text, re.MULTILINE)
        assert row, f"docs/look.md has no row for {name}"
        assert row[1] == getattr(DARK, name)
        assert float(row[2]) == pytest.approx(contrast(row[1], DARK.panel), abs=0.05)
