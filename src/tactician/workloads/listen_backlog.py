"""Measures what a burst of clients costs when it overflows the accept queue of a busy server.

A busy server comes back to its listening socket every 50 ms and then accepts everybody who waits. It asks
for a queue of 65535, so the queue is ``net.core.somaxconn`` long. 400 clients connect at once. The kernel
drops the SYN of those who find the queue full, and their next attempt is a second later (the initial
retransmission timeout). When all have their answer, the next burst begins.

A queue of 400 or more serves a burst per batch; one of 128, the kernel's default before Linux 5.4, serves
129 clients and leaves the others waiting. Clients without an answer at the end are counted and are no error.
The rate comes and goes with the bursts; its beginning is no warm-up, so the experiment cuts none.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from tactician.workloads._loopback import Address, bring_loopback_up, served, wait
from tactician.workloads._program import Figures, Progress, parser, run

BURST = 400
BATCH_S = 0.05
ANSWER = b"x"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as a program and return its exit status."""
    description = "Bursts of clients against a server that accepts in batches."
    options = parser("listen_backlog", description, duration_s=1.2).parse_args(arguments)
    progress = Progress("requests_per_second", options.progress)
    return run("listen_backlog", lambda: measure(options.duration, progress))


def measure(duration_s: float, progress: Progress | None = None) -> Figures:
    """Send bursts for so many seconds and count the answers.

    Raises:
        RuntimeError: there is no loopback, or the server did not survive.
    """
    progress = progress or Progress("", None)
    bring_loopback_up()
    answered = sent = 0
    with served(accept_in_batches) as address:
        start = time.monotonic()
        deadline = start + duration_s
        while time.monotonic() < deadline:
            sent += BURST
            for answers in burst(address, lambda: min(deadline, start + progress.due_s), deadline):
                answered += answers
                if (elapsed := time.monotonic() - start) >= progress.due_s:
                    progress.tell(elapsed, answered)
        elapsed = time.monotonic() - start
    return {
        "requests_per_second": answered / elapsed,
        "answered": answered,
        "unanswered": sent - answered,
    }


def accept_in_batches(listening: socket.socket, lifeline: int) -> None:
    """Answer everybody in the queue, then be busy elsewhere."""
    while wait(BATCH_S, lifeline):
        with contextlib.suppress(BlockingIOError):
            while True:
                client, _ = listening.accept()
                with client, contextlib.suppress(OSError):
                    client.send(ANSWER)


def burst(address: Address, wake: Callable[[], float], deadline: float) -> Iterator[int]:
    """Connect all clients at once and yield answers as they come, until all are answered or time is up.

    A burst may last a second, so it returns to its caller in between, if need be with no answer.

    Args:
        address: of the server.
        wake: the next time to return at, by the monotonic clock.
        deadline: when time is up, by the same clock.
    """
    poll = select.poll()
    with contextlib.ExitStack() as clients:
        waiting = {}
        for _ in range(BURST):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
            poll.register(client, select.POLLIN)
            waiting[client.fileno()] = client
        while waiting and time.monotonic() < deadline:
            answered = 0
            for number, _ in poll.poll(max(0.0, wake() - time.monotonic()) * 1000):
                poll.unregister(number)
                with contextlib.suppress(OSError):
                    answered += waiting.pop(number).recv(1) == ANSWER
            yield answered


if __name__ == "__main__":
    sys.exit(main())
