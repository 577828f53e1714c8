"""What to type into the headset, and what an open port means."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.ui import look
from app.ui.headset.addresses import MachineAddress
from app.ui.look import DARK, SIZES, Type
from app.ui.widgets import Card, SectionTitle, Text

WARNING = (
    "This protocol has no protection. While it is open, anybody in this network can post, and "
    "read what is sent. Only the headset that you confirm drives. Best in a network of your own."
)
FIREWALL = "If a firewall runs:  sudo ufw allow {port}/tcp"


class PortBoard(QWidget):
    """Two cards: this machine's addresses, and the warning."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        type_in = Card()
        type_in.body.addWidget(SectionTitle("TYPE INTO THE HEADSET"))
        self._list = QVBoxLayout()
        self._list.setSpacing(SIZES.hair)
        type_in.body.addLayout(self._list)
        self.port = Text("", role="soft", wrap=True)
        type_in.body.addWidget(self.port)
        column.addWidget(type_in)
        warn = Card()
        head = QHBoxLayout()
        head.setSpacing(SIZES.unit)
        sign = QLabel()
        sign.setPixmap(look.pixmap("warning", 22, DARK.armed))
        head.addWidget(sign)
        head.addWidget(Text("An open port is open to all", "title", tone="armed"))
        head.addStretch()
        warn.body.addLayout(head)
        warn.body.addWidget(Text(WARNING, role="soft", wrap=True))
        self.firewall = Text("", role="caption", wrap=True)
        self.firewall.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        warn.body.addWidget(self.firewall)
        column.addWidget(warn)
        column.addStretch()
        self._shown: tuple[MachineAddress, ...] | None = None
        self.show_port(8082, listening=False)

    def show_addresses(self, addresses: tuple[MachineAddress, ...]) -> None:
        if addresses == self._shown:
            return
        self._shown = addresses
        while self._list.count():
            item = self._list.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.deleteLater()
        if not addresses:
            self._list.addWidget(Text("This machine is in no network.", "title", tone="armed"))
        for number, one in enumerate(addresses[:4]):
            size: Type = "headline" if number == 0 else "title"
            text = Text(one.address, size)
            text.setFont(look.font(size, mono=True))
            text.setMinimumHeight(text.sizeHint().height())
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            text.setToolTip(f"Network card {one.card}")
            text.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self._list.addWidget(text)

    def addresses(self) -> tuple[str, ...]:
        """What is shown, for tests."""
        return tuple(one.address for one in self._shown or ())

    def show_port(self, port: int, *, listening: bool) -> None:
        state = "open" if listening else "closed"
        self.port.setText(
            f"Left thumbstick, address, Enter. The app adds the port itself: {port}, now {state}."
        )
        self.firewall.setText(FIREWALL.format(port=port))
