"""What the host waited for during a short watch: counters read twice, and their rates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from cli_ai.discovery.tree import Tree, whole

_VMSTAT = {
    "swap_in": ("pswpin",),
    "swap_out": ("pswpout",),
    "oom_kills": ("oom_kill",),
    "major_faults": ("pgmajfault",),
    "reclaim_stalls": ("allocstall_normal", "allocstall_movable", "allocstall_dma32", "allocstall"),
}
_NETWORK = {
    "accept_queue_overflows": (("TcpExt", "ListenOverflows"),),
    "listen_drops": (("TcpExt", "ListenDrops"),),
    "syn_drops": (("TcpExt", "TCPReqQFullDrop"),),
    "syn_cookies": (("TcpExt", "SyncookiesSent"),),
    "retransmits": (("Tcp", "RetransSegs"),),
    "segments_sent": (("Tcp", "OutSegs"),),
    "socket_backlog_drops": (("TcpExt", "TCPBacklogDrop"),),
    "socket_memory_pressures": (("TcpExt", "TCPMemoryPressures"),),
    "time_wait_overflows": (("TcpExt", "TCPTimeWaitOverflow"),),
    "udp_drops": (("Udp", "RcvbufErrors"), ("Udp", "SndbufErrors")),
}


class Counters(NamedTuple):
    """Event counts at one moment; ``seconds`` is of the monotonic clock."""

    seconds: float
    counts: dict[str, int]


def counters(tree: Tree) -> Counters:
    """Read the counters of memory and network."""
    return Counters(time.monotonic(), {**_memory(tree), **_network(tree), **_packets(tree)})


def rates(begun: Counters, ended: Counters) -> dict[str, float]:
    """Return events per second between two moments, by name; a counter that went back counts nothing."""
    elapsed = ended.seconds - begun.seconds
    if elapsed <= 0:
        return {}
    both = {name: ended.counts[name] - count for name, count in begun.counts.items() if name in ended.counts}
    return {name: round(max(0, more) / elapsed, 3) for name, more in both.items()}


def _memory(tree: Tree) -> dict[str, int]:
    rows = (line.split() for line in tree.read("/proc/vmstat").splitlines())
    known = {row[0]: count for row in rows if len(row) == 2 and (count := whole(row[1])) is not None}
    return _sums(_VMSTAT, known)


def _network(tree: Tree) -> dict[str, int]:
    known: dict[tuple[str, str], int] = {}
    for name in ("snmp", "netstat"):
        lines = tree.read(f"/proc/net/{name}").splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=False):
            kind, _, titles = names.partition(":")
            counts = values.partition(":")[2].split()
            for title, text in zip(titles.split(), counts, strict=False):
                if (count := whole(text)) is not None:
                    known[kind, title] = count
    return _sums(_NETWORK, known)


def _packets(tree: Tree) -> dict[str, int]:
    """Packets that a processor dropped because its queue was full."""
    rows = [line.split() for line in tree.read("/proc/net/softnet_stat").splitlines()]
    try:
        dropped = [int(row[1], 16) for row in rows if len(row) > 2]
    except ValueError:
        return {}
    return {"backlog_drops": sum(dropped)} if dropped else {}


def _sums(wanted: Mapping[str, tuple[Any, ...]], known: Mapping[Any, int]) -> dict[str, int]:
    found = {}
    for name, parts in wanted.items():
        there = [known[part] for part in parts if part in known]
        if there:
            found[name] = sum(there)
    return found
