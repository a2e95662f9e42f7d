"""Measures how many connections a client can make when each keeps its local port busy for a minute.

One client connects, reads one byte, closes, and begins again. Because it closes first, its port stays in
TIME_WAIT. ``net.ipv4.ip_local_port_range`` says how many ports there are, ``net.ipv4.tcp_tw_reuse`` whether
one may be used again after a second. With few ports the rate is ports per time: 1000 ports without reuse
are 1000 connections, however long the run. When no port is free the client tries again a millisecond later;
such attempts are counted and are no error.

Where it may, the run takes place in a network namespace of its own with the same settings.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import sys
import time
from collections.abc import Sequence

from tactician.workloads._loopback import Address, bring_loopback_up, served
from tactician.workloads._namespace import leave_for_an_own_namespace
from tactician.workloads._program import Figures, Progress, parser, run

RETRY_S = 0.001
PATIENCE_S = 1.0
GREETING = b"x"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as a program and return its exit status."""
    description = "A client that opens and closes connections as fast as it can."
    options = parser("tcp_churn", description, duration_s=2.5).parse_args(arguments)
    progress = Progress("connections_per_second", options.progress)
    return run("tcp_churn", lambda: measure(options.duration, progress))


def measure(duration_s: float, progress: Progress | None = None) -> Figures:
    """Open and close connections for so many seconds and count them.

    Raises:
        RuntimeError: there is no loopback, the server did not survive, or no connection came about.
    """
    progress = progress or Progress("", None)
    own = leave_for_an_own_namespace()
    bring_loopback_up()
    opened = without_port = failed = 0
    with served(greet_one_by_one) as address:
        start = time.monotonic()
        while (elapsed := time.monotonic() - start) < duration_s:
            if elapsed >= progress.due_s:
                progress.tell(elapsed, opened)
            try:
                open_and_close(address)
                opened += 1
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    without_port += 1
                else:
                    failed += 1
                time.sleep(RETRY_S)
    if not opened:
        raise RuntimeError(f"no connection came about in {elapsed:.1f} s")
    return {
        "connections_per_second": opened / elapsed,
        "waits_for_a_port": without_port,
        "failed": failed,
        "own_namespace": int(own),
    }


def open_and_close(address: Address) -> None:
    """Connect, wait for the greeting, and close first.

    The greeting keeps client and server in step: without it the client outruns the server, overflows the
    accept queue, and the figure is one of the queue.
    """
    with socket.socket() as client:
        client.settimeout(PATIENCE_S)
        client.connect(address)
        client.recv(1)


def greet_one_by_one(listening: socket.socket, lifeline: int) -> None:
    """Greet each client and wait until it has closed."""
    poll = select.poll()
    poll.register(listening, select.POLLIN)
    poll.register(lifeline, select.POLLIN)
    while lifeline not in (ready := [number for number, _ in poll.poll()]):
        if listening.fileno() not in ready:
            continue
        with contextlib.suppress(OSError):
            client, _ = listening.accept()
            with client:
                client.settimeout(PATIENCE_S)
                client.send(GREETING)
                client.recv(1)


if __name__ == "__main__":
    sys.exit(main())
