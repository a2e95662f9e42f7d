"""What both network workloads need: a loopback that is up, an address, a server that ends with its parent."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator

Address = tuple[str, int]
Serve = Callable[[socket.socket, int], None]
"""Serves a non-blocking listener until the lifeline, a file descriptor, becomes readable."""

LONGEST_QUEUE = 65535
"""What the server asks of ``listen``; the kernel gives ``net.core.somaxconn`` or this, whichever is less."""

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_IFREQ = "16sH14x"


def bring_loopback_up() -> None:
    """Bring the loopback interface up where it is down, as it is in every new network namespace.

    Raises:
        RuntimeError: it is down and this process may not change that.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack(_IFREQ, b"lo", 0)
        flags = struct.unpack(_IFREQ, fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        if flags & _IFF_UP:
            return
        try:
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags | _IFF_UP))
        except PermissionError as error:
            raise RuntimeError("the loopback interface is down; ip link set lo up") from error


def listener() -> socket.socket:
    """Return a listening socket on a loopback address of its own.

    An address at random keeps apart what runs share: connections in TIME_WAIT of an earlier run have
    another destination, and whatever else listens on this host is not met.
    """
    second, third, fourth = os.urandom(3)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # The last byte stays clear of 0 and 255, which could be a network's or a broadcast address.
    made.bind((f"127.{second}.{third}.{1 + fourth % 254}", 0))
    made.listen(LONGEST_QUEUE)
    made.setblocking(False)
    return made


@contextlib.contextmanager
def served(serve: Serve) -> Iterator[Address]:
    """Run a server in a child process and yield its address.

    The child holds the reading end of a pipe, the lifeline. Its writing end closes when this process
    leaves the context or dies, of SIGKILL too, and the child ends.

    Raises:
        RuntimeError: the server ended before it was told to.
    """
    listening = listener()
    address: Address = listening.getsockname()
    theirs, ours = os.pipe()
    child = os.fork()
    if child == 0:
        _be_server(serve, listening, theirs, ours)
    os.close(theirs)
    listening.close()
    ended_early = False
    try:
        yield address
        ended_early = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    finally:
        os.close(ours)
        os.waitpid(child, 0)
    if ended_early:
        raise RuntimeError("the server process ended early")


def _be_server(serve: Serve, listening: socket.socket, lifeline: int, parents_end: int) -> None:
    """Serve and end; nothing of the parent's clean-up may run in the child."""
    status = 1
    try:
        os.close(parents_end)
        serve(listening, lifeline)
        status = 0
    finally:
        os._exit(status)


def wait(seconds: float, lifeline: int) -> bool:
    """Sleep, and say whether the parent is still there."""
    return not select.select([lifeline], [], [], seconds)[0]
