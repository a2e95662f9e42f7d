"""Disks with their schedulers and links with their speeds, as /sys shows them."""

from __future__ import annotations

from cli_ai.discovery.facts import Disk, Link
from cli_ai.discovery.tree import Tree, clean, shown_path

MOST = 64
"""Disks, and links, that are told."""

_NO_DISKS = ("loop", "ram", "zram", "sr", "fd", "nbd", "mtd")
_SECTOR_BYTES = 512


def disks(tree: Tree) -> tuple[Disk, ...]:
    """Return the block devices that hold data, without partitions."""
    found = []
    for name in tree.names("/sys/block"):
        folder = f"/sys/block/{name}"
        size = (tree.number(f"{folder}/size") or 0) * _SECTOR_BYTES
        if name.startswith(_NO_DISKS) or size <= 0 or not shown_path(name):
            continue
        rotational = tree.number(f"{folder}/queue/rotational")
        found.append(
            Disk(
                name=name,
                size_bytes=size,
                rotational=None if rotational is None else rotational != 0,
                scheduler=_chosen(tree.read(f"{folder}/queue/scheduler")),
            )
        )
    return tuple(found[:MOST])


def links(tree: Tree) -> tuple[Link, ...]:
    """Return the network interfaces of this namespace, without loopback."""
    found = []
    for name in tree.names("/sys/class/net"):
        folder = f"/sys/class/net/{name}"
        if name in ("lo", "bonding_masters") or not shown_path(name):
            continue
        speed = tree.number(f"{folder}/speed")
        state = clean(tree.read(f"{folder}/operstate", 32))
        # A virtual interface does not know its state; a packet can pass.
        found.append(
            Link(
                name=name,
                speed_mbit=speed if speed is not None and 0 < speed < 10**7 else None,
                up=state in ("up", "unknown"),
            )
        )
    return tuple(found[:MOST])


def _chosen(text: str) -> str:
    """Return the name in brackets; a lone name has none."""
    inside = text.partition("[")[2].partition("]")[0]
    return clean(inside or (text if len(text.split()) == 1 else ""), 32)
