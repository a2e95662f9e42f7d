"""The processes of this host, as /proc shows them to whoever asks."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from cli_ai.discovery.tree import Tree, whole

MOST = 20_000
"""Processes that are looked at."""

_CONTAINED = (
    "/docker", "docker-", "kubepods", "libpod", "/lxc/", "lxc.payload", "containerd", "crio-", "machine-",
)  # fmt: skip


class Process(NamedTuple):
    """One process.

    Attributes:
        comm: the name that it gave itself.
        uid: effective; -1 unknown.
        argv: its command line, which it may have rewritten.
        exe: what it runs; empty where it may not be looked at.
        exe_gone: the file was replaced or removed since.
        cwd: its working folder, likewise.
        confined: its network or files are not this host's.
    """

    pid: int
    ppid: int
    comm: str
    uid: int
    argv: tuple[str, ...]
    exe: str
    exe_gone: bool
    cwd: str
    confined: bool


def processes(tree: Tree, named: Container[str]) -> list[Process]:
    """Return the processes that run, or call themselves, one of these names.

    Of all others only the two names are looked at: it is quicker, and the command line of a process that
    hangs in the kernel can take for ever to read.
    """
    own = {kind: tree.link(f"/proc/self/ns/{kind}") for kind in ("net", "mnt")}
    pids = sorted(pid for name in tree.names("/proc") if (pid := whole(name)) is not None)
    found = (_read(tree, pid, own) for pid in pids[:MOST] if _is_named(tree, pid, named))
    return [process for process in found if process is not None]


def _is_named(tree: Tree, pid: int, named: Container[str]) -> bool:
    if tree.read(f"/proc/{pid}/comm", 64).strip() in named:
        return True
    return tree.link(f"/proc/{pid}/exe").removesuffix(" (deleted)").rpartition("/")[2] in named


def _read(tree: Tree, pid: int, own: dict[str, str]) -> Process | None:
    folder = f"/proc/{pid}"
    command = tree.read(f"{folder}/cmdline", 1 << 14)
    if not command:
        return None  # a thread of the kernel, or gone
    rows = (line.partition(":") for line in tree.read(f"{folder}/status").splitlines())
    fields = {name: rest.split() for name, _, rest in rows}
    parent, uids = fields.get("PPid", []), fields.get("Uid", [])
    exe = tree.link(f"{folder}/exe")
    return Process(
        pid,
        (whole(parent[0]) if parent else None) or 0,
        tree.read(f"{folder}/comm", 64).strip(),
        uid if len(uids) > 1 and (uid := whole(uids[1])) is not None else -1,
        tuple(command.rstrip("\0").split("\0")),
        exe.removesuffix(" (deleted)"),
        exe.endswith(" (deleted)"),
        tree.link(f"{folder}/cwd"),
        _confined(tree, folder, own),
    )


def _confined(tree: Tree, folder: str, own: dict[str, str]) -> bool:
    for kind, ours in own.items():
        theirs = tree.link(f"{folder}/ns/{kind}")
        if theirs and ours and theirs != ours:
            return True
        if not theirs and any(mark in tree.read(f"{folder}/cgroup") for mark in _CONTAINED):
            return True  # another user's: the group is all that we may see
    return False
