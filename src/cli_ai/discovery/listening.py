"""Who listens where: sockets of /proc/net, matched to processes by the descriptors that they hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cli_ai.discovery.tree import Tree, shown_path, whole

_LISTEN = "0A"
_ACCEPTS = 0x10000
_LONGEST = 4 << 20
_MOST_DESCRIPTORS = 4096


class Listener(NamedTuple):
    """One listening socket.

    Attributes:
        port: 0 for a Unix socket, which has a ``path``.
        waiting: connections that nobody has accepted yet.
    """

    inode: int
    uid: int
    port: int = 0
    path: str = ""
    waiting: int = 0


def listeners(tree: Tree) -> dict[int, Listener]:
    """Return the listening sockets of this network namespace by inode."""
    found = {}
    for name in ("tcp", "tcp6"):
        for row in tree.read(f"/proc/net/{name}", _LONGEST).splitlines()[1:]:
            listener = _tcp(row)
            if listener is None:
                break  # the kernel shows those that listen first
            found[listener.inode] = listener
    for row in tree.read("/proc/net/unix", _LONGEST).splitlines()[1:]:
        listener = _unix(row)
        if listener is not None:
            found[listener.inode] = listener
    return found


def held(tree: Tree, pid: int) -> set[int] | None:
    """Return the inodes of the sockets that a process holds; None where we may not look."""
    folder = f"/proc/{pid}/fd"
    if not tree.readable_folder(folder):
        return None
    links = (tree.link(f"{folder}/{name}") for name in tree.names(folder)[:_MOST_DESCRIPTORS])
    inodes = (whole(link[8:-1]) for link in links if link.startswith("socket:["))
    return {inode for inode in inodes if inode is not None}


def ports(found: Iterable[Listener]) -> tuple[int, ...]:
    """Return the TCP ports, each once."""
    return tuple(sorted({listener.port for listener in found if listener.port}))


def paths(found: Iterable[Listener]) -> tuple[str, ...]:
    """Return the paths of Unix sockets, each once."""
    return tuple(sorted({path for listener in found if (path := shown_path(listener.path))}))


def _tcp(row: str) -> Listener | None:
    words = row.split()
    if len(words) < 10 or words[3] != _LISTEN:
        return None
    inode, uid = whole(words[9]), whole(words[7])
    try:
        port = int(words[1].rpartition(":")[2], 16)
        waiting = int(words[4].partition(":")[2], 16)
    except ValueError:
        return None
    return None if inode is None else Listener(inode, -1 if uid is None else uid, port, waiting=waiting)


def _unix(row: str) -> Listener | None:
    words = row.split(None, 7)
    if len(words) < 8 or not words[7].startswith("/"):
        return None
    inode = whole(words[6])
    try:
        flags = int(words[3], 16)
    except ValueError:
        return None
    return Listener(inode, -1, path=words[7]) if inode is not None and flags & _ACCEPTS else None
