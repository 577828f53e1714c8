"""What the window wants to be noticed: colour of the border, banner of a fault, sounds."""

from __future__ import annotations

import time
from dataclasses import replace

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from app.ui import state as states
from app.ui.header import Header
from app.ui.look import SIZES, Tone
from app.ui.sounds import Sounds
from app.ui.statusbar import StatusBar
from app.ui.widgets import Banner, set_look

KEPT_FLASH_NS = 1_500_000_000


class Attention(QWidget):
    """The banner of a fault, and what goes with it elsewhere in the window.

    Args:
        border: Whose tone is the state's.
        header, status: Where the state is told in words.
        sounds: The four earcons.

    Signals:
        acted: The fault's button was pressed; its Intent.
        dismissed: The banner is to be hidden.
    """

    acted = pyqtSignal(object)
    dismissed = pyqtSignal()

    def __init__(self, border: QWidget, header: Header, status: StatusBar, sounds: Sounds) -> None:
        super().__init__()
        self._border = border
        self._header = header
        self._status = status
        self._sounds = sounds
        self._mood: states.Mood | None = None
        self._fault: states.Fault | None = None
        self._dismissed: states.Fault | None = None
        self._kept = -1
        self._kept_flash_ns = 0
        self.banner = Banner()
        self.banner.acted.connect(self._act_on_fault)
        self.banner.dismissed.connect(self.dismissed)
        set_look(self, role="floor")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        pad = QVBoxLayout(self)
        pad.setContentsMargins(SIZES.unit, SIZES.unit, SIZES.unit, 0)
        pad.addWidget(self.banner)
        self.hide()

    def show_kept(self, kept: int) -> None:
        """So many takes are kept now; one more is told."""
        if 0 <= self._kept < kept:
            self._kept_flash_ns = time.monotonic_ns() + KEPT_FLASH_NS
            self._sounds.play("kept")
        self._kept = kept

    @property
    def flashing(self) -> bool:
        """Whether it still tells that a take was kept."""
        return time.monotonic_ns() < self._kept_flash_ns

    def show_mood(self, mood: states.Mood) -> None:
        """The state in colour and words, and the sound of a change."""
        tone: Tone = mood.tone
        if tone in ("idle", "armed") and self.flashing:
            tone = "kept"
        set_look(self._border, tone=tone)
        self._header.show_mood(replace(mood, tone=tone))
        self._status.show_text(mood.text, tone)
        before, self._mood = self._mood, mood
        if before is None or before.tone == mood.tone:
            return
        if mood.tone == "armed":
            self._sounds.play("ready")
        elif mood.tone == "recording" and before.tone != "paused":
            self._sounds.play("recording")
        elif mood.tone == "fault":
            self._sounds.play("fault")

    def show_fault(self, fault: states.Fault | None) -> None:
        """The banner of a fault, unless it was dismissed; None: all is well."""
        if fault is None:
            self._dismissed = None
        if fault == self._fault:
            return
        self._fault = fault
        shown = fault is not None and fault != self._dismissed
        if fault is not None and shown:
            self.banner.show_fault(fault.what, fault.where, fault.button)
        self.setVisible(shown)

    def dismiss(self) -> None:
        """Hide the banner until there is another fault."""
        self._dismissed = self._fault
        self.hide()

    def _act_on_fault(self) -> None:
        if self._fault is not None and self._fault.intent is not None:
            self.acted.emit(self._fault.intent)
