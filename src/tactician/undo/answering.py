"""Tells whether a service listens: connects to each address and says nothing.

python -I -S answering.py 127.0.0.1:80 [::1]:80 /run/x.sock
"""

from __future__ import annotations

import socket
import sys

_PATIENCE_S = 5.0


def answers(address: str) -> bool:
    """Whether somebody accepts a connection at ``host:port`` or at the path of a socket."""
    try:
        if address.startswith("/"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_PATIENCE_S)
                connection.connect(address)
        else:
            host, _, port = address.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except OSError:
        return False
    return True


def main(argv: list[str]) -> int:
    """Return 0 where all addresses answer, else name one that does not."""
    for address in argv:
        if not answers(address):
            sys.stderr.write(f"{address} does not answer\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
