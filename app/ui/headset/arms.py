"""What each arm does while the headset drives: follows, or holds and why."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.runtime.statuses import ArmStatus
from app.ui.collect.hand_signs import words_of
from app.ui.headset.picture import hand_colour
from app.ui.headset.swatch import Swatch
from app.ui.look import SIZES, Tone
from app.ui.widgets import Card, Chip, Text


def arm_state(
    arm: ArmStatus, *, driving: bool, grip: bool = False, why: str = ""
) -> tuple[str, str, Tone | None]:
    """A word, a sentence and a colour for an arm.

    Args:
        driving: The headset drives.
        grip: The controller posts that its grip is held.
        why: What the headset's process says of a hand that drives nothing, as a sentence.
    """
    if not driving:
        return "Waits", "Another device drives now.", None
    if arm.guard:
        words = ", ".join(arm.guard)
        return "Held back", f"{words[:1].upper()}{words[1:]}.", "armed"
    if arm.clutched and not arm.hold:
        return "Follows", "Let go of the grip to hold it still.", "kept"
    if arm.clutched:
        reason = f"{arm.hold[:1].upper()}{arm.hold[1:]}"
        return "Holds", f"{reason}. Let go of the grip and squeeze it again.", "armed"
    if arm.hold not in _AT_REST:
        # Nobody may drive now: a squeeze would not help, and what it says ends with the way out.
        hold = _of_grip(arm.hold)
        return "Holds", f"{hold[:1].upper()}{hold[1:]}.", "armed"
    if why:
        out = "Let go of the grip, then squeeze it afresh." if grip else "Hold it into view."
        return "Holds", f"{why} {out}", "armed"
    if grip:
        return "Holds", "Let go of the grip, then squeeze it afresh.", "armed"
    words, _ = words_of(arm)
    words = _of_grip(words)
    return "Holds", f"{words[:1].upper()}{words[1:]}. Squeeze the grip to drive.", None


def _of_grip(hold: str) -> str:
    """What the mapping says of a clutch: on a controller that is the grip."""
    return hold.replace("clutch", "grip")


_AT_REST = ("", "clutch released", "parked")
"""What the station says of an arm that a squeeze would move."""


class ArmCard(Card):
    """One arm: a dot of its colour, the state in large type, the reason below."""

    def __init__(self) -> None:
        super().__init__()
        head = QHBoxLayout()
        head.setSpacing(SIZES.unit)
        self._dot = Swatch()
        self.name = Text("", "title")
        self.chip = Chip("")
        head.addWidget(self._dot)
        head.addWidget(self.name)
        head.addStretch()
        head.addWidget(self.chip)
        self.body.addLayout(head)
        self.word = Text("", "display")
        self.why = Text("", "body", role="soft", wrap=True)
        self.body.addWidget(self.word)
        self.body.addWidget(self.why)

    def show_arm(self, arm: ArmStatus, *, driving: bool, grip: bool, why: str = "") -> None:
        side = "left" if arm.side == "left" else "right"
        self._dot.show_colour(hand_colour("left" if side == "left" else "right"))
        self.name.setText(f"{arm.side.capitalize()} arm")
        word, sentence, tone = arm_state(arm, driving=driving, grip=grip, why=why)
        self.word.setText(word)
        self.word.set_tone(tone)
        self.why.setText(sentence)
        self.chip.show_value("grip held" if grip or arm.clutched else "grip open")


class ArmBoard(QWidget):
    """A card an arm."""

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SIZES.gap)
        self._column.addStretch()
        self.cards: list[ArmCard] = []

    def show_arms(
        self,
        arms: tuple[ArmStatus, ...],
        *,
        driving: bool,
        grips: frozenset[str] = frozenset(),
        holds: Mapping[str, str] | None = None,
    ) -> None:
        """Show what the station says of its arms, which grips are posted as held, and why a hand
        drives nothing."""
        while len(self.cards) < len(arms):
            card = ArmCard()
            self._column.insertWidget(len(self.cards), card)
            self.cards.append(card)
        for number, card in enumerate(self.cards):
            card.setVisible(number < len(arms))
            if number < len(arms):
                arm = arms[number]
                why = (holds or {}).get(arm.side, "")
                card.show_arm(arm, driving=driving, grip=arm.side in grips, why=why)
