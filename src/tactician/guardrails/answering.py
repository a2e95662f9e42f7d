"""Whether a port of this host still answers as before the run: SSH above all, the operator's way in."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import NamedTuple

_LISTENING = "0A"
_GREETING_S = 1.0


class Port(NamedTuple):
    """A port that answered before the run.

    Attributes:
        number: of the TCP port.
        address: where it listens, as far as we can reach it.
        greets: whether it speaks first, as SSH and MySQL do; then it must go on doing so. The kernel accepts
            connections for a server that hangs, so a connection alone says little.
    """

    number: int
    address: str
    greets: bool


def find(number: int, timeout_s: float) -> Port | None:
    """Return how a port answers now; None where nothing answers."""
    for address in _addresses(number):
        greeting = _greeting(address, number, timeout_s, _GREETING_S)
        if greeting is not None:
            return Port(number, address, greeting)
    return None


def answers(port: Port, timeout_s: float) -> bool:
    """Whether it answers as it did when it was found."""
    greeting = _greeting(port.address, port.number, timeout_s, timeout_s if port.greets else 0.0)
    return greeting is not None and (greeting or not port.greets)


def _greeting(address: str, number: int, timeout_s: float, patience_s: float) -> bool | None:
    """Connect; None where that fails, else whether something was said within the patience."""
    try:
        with socket.create_connection((address, number), timeout_s) as connection:
            if patience_s <= 0.0:
                return False
            connection.settimeout(patience_s)
            try:
                return bool(connection.recv(1))
            except TimeoutError:
                return False
    except OSError:
        return None


def _addresses(number: int, proc: Path = Path("/proc/net")) -> list[str]:
    """Where a port listens by /proc/net/tcp, each once; loopback where it listens everywhere."""
    found: list[str] = []
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        try:
            lines = (proc / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            place, _, port = fields[1].partition(":")
            if fields[3] == _LISTENING and int(port, 16) == number:
                address = _readable(place, family)
                if address not in found:
                    found.append(address)
    return found


def _readable(place: str, family: int) -> str:
    """An address as the kernel prints it: words of four bytes, each in the byte order of the host."""
    packed = b"".join(
        int(place[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(place), 8)
    )
    if not any(packed):
        return "127.0.0.1" if family == socket.AF_INET else "::1"
    return socket.inet_ntop(family, packed)
