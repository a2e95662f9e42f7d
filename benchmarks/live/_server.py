"""What the settings benchmarks share: a free port, a wait for it, an end for the server."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def server(argv: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server that listens on the port for as long as the block lasts."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            time.sleep(0.02)
        else:
            raise SystemExit(f"{argv[0]} does not listen on port {port}")
        yield process
    finally:
        process.terminate()
        process.wait(10)
