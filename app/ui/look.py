"""The one visual system: colours, type, spacing, icons and the style sheet made from them.

`docs/look.md` gives the reasons. Widgets say what they are (`setProperty("role", "card")`, or the
ready parts of `app.ui.widgets`); how that looks is decided here, and nobody else calls
`setStyleSheet`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from string import Template
from typing import Literal, get_args

import qtawesome
from PyQt6.QtCore import QSize
from PyQt6.QtGui import QColor, QFont, QFontDatabase, QIcon, QPalette, QPixmap
from PyQt6.QtWidgets import QApplication

Tone = Literal["idle", "armed", "recording", "paused", "kept", "fault"]
TONES: tuple[Tone, ...] = get_args(Tone)

Type = Literal["caption", "body", "strong", "lead", "title", "headline", "display", "poster"]


@dataclass(frozen=True, slots=True)
class Palette:
    """All colours, as #rrggbb. Surfaces go from far to near; text from loud to quiet.

    Every text colour reaches 4.5:1 on every surface it is used on, every control edge and state
    colour 3:1 (WCAG 2.2 AA); `tests/ui/test_look.py` computes them.
    """

    floor: str = "#0e1115"  # behind everything, the 3-D view's surround
    wall: str = "#14181d"  # rails, headers, bars
    panel: str = "#1a1f26"  # cards
    raised: str = "#232a33"  # controls at rest, popovers
    lifted: str = "#2d3540"  # controls under the pointer
    hairline: str = "#2a313b"  # decorative separators only
    edge: str = "#6d7a8c"  # boundary of anything one can type or click in

    text: str = "#eef1f5"
    soft: str = "#b4bfcc"
    faint: str = "#929eae"
    on_bright: str = "#0b0f13"  # text on accent and state fills

    accent: str = "#45cfc4"  # the next right thing, selection, focus
    accent_hover: str = "#63ddd3"
    accent_press: str = "#35b3a9"
    accent_wash: str = "#173836"  # selection behind text

    idle: str = "#97a2b1"
    armed: str = "#f2b53c"
    recording: str = "#ff6058"
    paused: str = "#74a9ff"
    kept: str = "#5acb7e"
    fault: str = "#bd93ff"

    left_hand: str = "#6db7ff"  # left arm wherever left and right are told apart
    right_hand: str = "#ffab6b"

    axis_x: str = "#ff8f84"  # arrows and rings of a held gripper
    axis_y: str = "#9fdc8c"
    axis_z: str = "#86b9ff"

    part_1: str = "#5aa9c9"  # parts of one whole, in their order
    part_2: str = "#7f8ee6"
    part_3: str = "#c48be0"
    part_4: str = "#e08aa5"
    part_5: str = "#d9a35f"
    part_6: str = "#8fb573"

    def tone(self, tone: Tone) -> str:
        return str(getattr(self, tone))


@dataclass(frozen=True, slots=True)
class Metrics:
    """Sizes in device-independent pixels. Distances are multiples of 8, or 4 inside a control."""

    hair: int = 4
    unit: int = 8
    gap: int = 16
    margin: int = 24
    radius_small: int = 4
    radius: int = 8
    radius_large: int = 12
    border: int = 6  # whole-window state border
    focus: int = 2
    control: int = 32  # height of a button or field
    control_large: int = 56  # the next right thing
    icon: int = 16
    icon_large: int = 20
    rail: int = 88


@dataclass(frozen=True, slots=True)
class TypeStyle:
    size: int  # px
    weight: QFont.Weight
    spacing: float = 0.0  # letter spacing [px]


DARK = Palette()
SIZES = Metrics()

# Ratio 1.25-1.33 upwards from 13; `display` and `poster` are read from two and three metres.
TYPE: dict[Type, TypeStyle] = {
    "caption": TypeStyle(12, QFont.Weight.Medium),
    "body": TypeStyle(13, QFont.Weight.Normal),
    "strong": TypeStyle(13, QFont.Weight.DemiBold),
    "lead": TypeStyle(18, QFont.Weight.Normal),
    "title": TypeStyle(16, QFont.Weight.DemiBold),
    "headline": TypeStyle(22, QFont.Weight.DemiBold, -0.2),
    "display": TypeStyle(36, QFont.Weight.DemiBold, -0.5),
    "poster": TypeStyle(64, QFont.Weight.DemiBold, -1.0),
}

FAMILIES = ("Inter", "Noto Sans", "DejaVu Sans")
MONO_FAMILIES = ("JetBrains Mono", "Noto Sans Mono", "DejaVu Sans Mono")


# ------------------------------------------------------------------------------------- contrast
def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb in [0, 1] (WCAG 2.2, "relative luminance")."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two #rrggbb colours, 1 ... 21 (WCAG 2.2, "contrast ratio")."""
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def blend(over: str, under: str, amount: float) -> str:
    """`amount` (0 ... 1) of `over` laid on `under`, as #rrggbb."""
    pairs = [(int(over[i : i + 2], 16), int(under[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(o * amount + u * (1 - amount)):02x}" for o, u in pairs)


# ----------------------------------------------------------------------------------------- type
def font(style: Type = "body", *, mono: bool = False) -> QFont:
    """A font of the type scale, with digits of equal width so that numbers do not dance."""
    spec = TYPE[style]
    made = QFont(list(MONO_FAMILIES if mono else FAMILIES))
    made.setPixelSize(spec.size)
    made.setWeight(spec.weight)
    made.setHintingPreference(QFont.HintingPreference.PreferVerticalHinting)
    if spec.spacing:
        made.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, spec.spacing)
    if hasattr(QFont, "Tag"):  # Qt 6.7; DejaVu's digits are of equal width without it
        made.setFeature(QFont.Tag("tnum"), 1)
    return made


def family() -> str:
    """The text family that this machine really has."""
    present = set(QFontDatabase.families())
    return next((name for name in FAMILIES if name in present), QFont().defaultFamily())


# ---------------------------------------------------------------------------------------- icons
def icon(name: str, colour: str = "", *, disabled: str = "") -> QIcon:
    """An icon of the one family, Phosphor. `name` as in its catalogue: "record", "books"."""
    return qtawesome.icon(
        f"ph.{name}",
        color=colour or DARK.soft,
        color_disabled=disabled or blend(DARK.faint, DARK.panel, 0.6),
    )


def pixmap(name: str, size: int, colour: str = "") -> QPixmap:
    return icon(name, colour).pixmap(QSize(size, size))


# ---------------------------------------------------------------------------------- application
def dress(app: QApplication) -> None:
    """Give the application its look. Called once, before the first window."""
    app.setStyle("Fusion")
    app.setFont(font("body"))
    app.setPalette(_qt_palette())
    app.setStyleSheet(style_sheet())


def style_sheet() -> str:
    """The style sheet with all tokens filled in."""
    tokens: dict[str, str] = {name: str(value) for name, value in asdict(DARK).items()}
    tokens |= {f"m_{name}": str(value) for name, value in asdict(SIZES).items()}
    tokens |= {f"t_{name}": str(spec.size) for name, spec in TYPE.items()}
    for tone in TONES:
        tokens[f"{tone}_wash"] = blend(DARK.tone(tone), DARK.panel, 0.16)
        # An idle window has no business drawing the eye: its border is nearly the wall.
        tokens[f"{tone}_frame"] = DARK.lifted if tone == "idle" else DARK.tone(tone)
        tokens[f"{tone}_hover"] = blend(DARK.tone(tone), DARK.panel, 0.28)
    return Template(_SHEET + "".join(_tone_rules(tone) for tone in TONES)).substitute(tokens)


def _tone_rules(tone: Tone) -> str:
    return f"""
QLabel[tone="{tone}"] {{ color: ${tone}; }}
QLabel[role="chip"][tone="{tone}"], QFrame[role="chip"][tone="{tone}"] {{
    color: ${tone}; background: ${tone}_wash; border: 1px solid ${tone}_wash; }}
QFrame[role="banner"][tone="{tone}"], QFrame[role="toast"][tone="{tone}"] {{
    background: ${tone}_wash; border-left: 4px solid ${tone}; }}
QWidget[role="frame"][tone="{tone}"] {{ background: ${tone}_frame; }}
"""


def _qt_palette() -> QPalette:
    made = QPalette()
    role = QPalette.ColorRole
    for key, colour in (
        (role.Window, DARK.wall),
        (role.WindowText, DARK.text),
        (role.Base, DARK.floor),
        (role.AlternateBase, DARK.wall),
        (role.Text, DARK.text),
        (role.Button, DARK.raised),
        (role.ButtonText, DARK.text),
        (role.ToolTipBase, DARK.lifted),
        (role.ToolTipText, DARK.text),
        (role.PlaceholderText, DARK.faint),
        (role.Highlight, DARK.accent_wash),
        (role.HighlightedText, DARK.text),
        (role.Link, DARK.accent),
    ):
        made.setColor(key, QColor(colour))
    faded = QColor(blend(DARK.faint, DARK.panel, 0.6))
    for key in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, key, faded)
    return made


_SHEET = """
QWidget { color: $text; selection-background-color: $accent_wash; selection-color: $text; }
QMainWindow, QDialog { background: $wall; }
QToolTip { background: $lifted; color: $text; border: 1px solid $edge; padding: 6px 8px;
    border-radius: ${m_radius_small}px; }

QWidget[role="floor"] { background: $floor; }
QWidget[role="wall"] { background: $wall; }
QFrame[role="card"] { background: $panel; border: 1px solid $hairline;
    border-radius: ${m_radius}px; }
QFrame[role="card"][selected="true"] { border: 2px solid $accent; background: $raised; }
QFrame[role="popover"] { background: $raised; border: 1px solid $edge;
    border-radius: ${m_radius_large}px; }
QFrame[role="line"] { background: $hairline; border: none; max-height: 1px; min-height: 1px; }
QFrame[role="line-v"] { background: $hairline; border: none; max-width: 1px; min-width: 1px; }
QFrame[role="banner"] { border-radius: ${m_radius}px; }
QFrame[role="toast"] { border-radius: ${m_radius}px; }

QLabel { background: transparent; }
QLabel[role="soft"] { color: $soft; }
QLabel[role="caption"] { color: $faint; }
QLabel[role="chip"], QFrame[role="chip"] { border-radius: 10px; padding: 2px 8px;
    color: $soft; background: $raised; border: 1px solid $raised; }
QLabel[role="keycap"] { color: $soft; background: $wall; border: 1px solid $edge;
    border-bottom-width: 2px; border-radius: ${m_radius_small}px; padding: 1px 6px; }

QPushButton { background: $raised; border: 1px solid $lifted; border-radius: ${m_radius}px;
    padding: 0 12px; min-height: 30px; }
QPushButton:hover { background: $lifted; }
QPushButton:pressed { background: $floor; }
QPushButton:checked { background: $accent_wash; border-color: $accent; color: $text; }
QPushButton:disabled { color: $edge; background: $panel; border-color: $hairline; }
QPushButton:focus { border: 2px solid $accent; padding: 0 11px; }
QPushButton[role="primary"] { background: $accent; color: $on_bright; border-color: $accent; }
QPushButton[role="primary"]:hover { background: $accent_hover; }
QPushButton[role="primary"]:pressed { background: $accent_press; }
QPushButton[role="primary"]:focus { border: 2px solid $text; }
QPushButton[role="primary"]:disabled { background: $raised; color: $faint;
    border-color: $raised; }
QPushButton[role="primary"][tone="armed"] { background: $armed; border-color: $armed; }
QPushButton[role="primary"][tone="recording"] { background: $recording;
    border-color: $recording; }
QPushButton[role="primary"][tone="kept"] { background: $kept; border-color: $kept; }
QPushButton[role="primary"][tone="paused"] { background: $paused; border-color: $paused; }
QPushButton[role="primary"][tone="fault"] { background: $fault; border-color: $fault; }
QPushButton[role="danger"] { background: $recording_wash; color: $recording;
    border-color: $recording; }
QPushButton[role="danger"]:hover { background: $recording_hover; color: $text; }
QPushButton[role="danger"]:focus { border: 2px solid $text; }
QPushButton[role="danger"]:disabled { color: $edge; background: $panel;
    border-color: $hairline; }
QPushButton[role="quiet"], QToolButton { background: transparent; border: 1px solid transparent;
    border-radius: ${m_radius}px; color: $soft; }
QPushButton[role="quiet"]:hover, QToolButton:hover { background: $raised; color: $text; }
QPushButton[role="quiet"]:checked, QToolButton:checked { background: $accent_wash; color: $text; }
QPushButton[role="quiet"]:focus, QToolButton:focus { border: 2px solid $accent; }
QPushButton[role="quiet"]:disabled { background: transparent; }
QPushButton[size="large"] { min-height: 54px; border-radius: ${m_radius_large}px; }
QPushButton[role="row"] { background: transparent; border: 1px solid transparent;
    min-height: 20px; padding: 0 4px; text-align: left; }
QPushButton[role="row"]:focus { border: 2px solid $accent; padding: 0 3px; }
QPushButton[role="row"]:hover { background: $raised; }
QPushButton[role="row"][tone="fault"] { color: $fault; }

QToolButton { padding: 4px; }
QToolButton[role="place"] { border-radius: ${m_radius}px; padding: 8px 4px; color: $faint; }
QToolButton[role="place"]:hover { color: $text; background: $raised; }
QToolButton[role="place"]:checked { color: $text; background: $raised; }
QToolButton[role="place"]:focus { border: 2px solid $accent; }

QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox, QPlainTextEdit { background: $floor;
    border: 1px solid $edge; border-radius: ${m_radius}px; padding: 0 10px; min-height: 30px; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus, QPlainTextEdit:focus {
    border: 2px solid $accent; padding: 0 9px; }
QLineEdit:disabled, QComboBox:disabled { color: $edge; border-color: $hairline; }
QLineEdit[role="search"] { font-size: ${t_title}px; min-height: 44px; border: none;
    background: transparent; }
QLineEdit[role="search"]:focus { border: none; padding: 0 10px; }
QComboBox::drop-down { border: none; width: 24px; }
QComboBox QAbstractItemView { background: $raised; border: 1px solid $edge; outline: none;
    selection-background-color: $accent_wash; padding: 4px; }
QCheckBox { spacing: 8px; }
QCheckBox::indicator { width: 16px; height: 16px; border: 1px solid $edge;
    border-radius: ${m_radius_small}px; background: $floor; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; }
QCheckBox:focus { color: $accent; }

QSlider::groove:horizontal { height: 4px; background: $lifted; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal { width: 16px; height: 16px; margin: -6px 0; border-radius: 8px;
    background: $text; }
QSlider:focus::handle:horizontal { background: $accent; }
QProgressBar { background: $lifted; border: none; border-radius: 3px; max-height: 6px;
    min-height: 6px; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }

QListView, QTreeView, QTableView { background: transparent; border: none; outline: none; }
QTableView::item { padding: 0 8px; }
QTableView::item:selected { background: $accent_wash; color: $text; }
QListView::item { border-radius: ${m_radius}px; padding: 6px 8px; }
QListView::item:hover { background: $raised; }
QListView::item:selected { background: $accent_wash; color: $text; }
QHeaderView::section { background: $wall; color: $faint; border: none;
    border-bottom: 1px solid $hairline; padding: 6px 8px; }
QScrollArea { background: transparent; border: none; }
QScrollArea > QWidget > QWidget[role="clear"] { background: transparent; }
QScrollBar:vertical { width: 10px; background: transparent; margin: 0; }
QScrollBar:horizontal { height: 10px; background: transparent; margin: 0; }
QScrollBar::handle { background: $lifted; border-radius: 4px; margin: 2px; min-height: 24px;
    min-width: 24px; }
QScrollBar::handle:hover { background: $edge; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QSplitter::handle { background: $floor; }
QSplitter::handle:hover { background: $accent_wash; }

QMenuBar { background: $wall; color: $soft; padding: 2px 8px; }
QMenuBar::item { padding: 4px 10px; border-radius: ${m_radius_small}px; background: transparent; }
QMenuBar::item:selected { background: $raised; color: $text; }
QMenu { background: $raised; border: 1px solid $edge; border-radius: ${m_radius}px; padding: 6px; }
QMenu::item { padding: 6px 24px 6px 12px; border-radius: ${m_radius_small}px; }
QMenu::item:selected { background: $accent_wash; }
QMenu::item:disabled { color: $edge; }
QMenu::separator { height: 1px; background: $hairline; margin: 6px 4px; }
QMenu::icon { padding-left: 8px; }
QTabBar::tab { background: transparent; color: $faint; padding: 6px 12px; border: none;
    border-bottom: 2px solid transparent; }
QTabBar::tab:selected { color: $text; border-bottom-color: $accent; }
QTabBar::tab:focus { color: $accent; }
QTabWidget::pane { border: none; }
"""
