"""Addresses of this machine that a headset in the same network can reach."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import psutil

_INNER = ("lo", "docker", "br-", "veth", "virbr", "tun", "tap", "wg")


@dataclass(frozen=True, slots=True)
class MachineAddress:
    """One IPv4 address and the network card that has it."""

    address: str
    card: str


def machine_addresses() -> tuple[MachineAddress, ...]:
    """IPv4 addresses of the network cards that are up. Reads the system's table, asks nobody.

    Cards that lead out of the machine come first: those of containers and tunnels are left out
    unless there is nothing else.
    """
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    found = [
        MachineAddress(entry.address, card)
        for card, entries in sorted(psutil.net_if_addrs().items())
        for entry in entries
        if card in up
        and entry.family == socket.AF_INET
        and not entry.address.startswith(("127.", "169.254."))
    ]
    outer = [one for one in found if not one.card.startswith(_INNER)]
    return tuple(outer or found)
