"""Joins all that is found out about a host into one record."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Collection
from pathlib import Path

from cli_ai.discovery import confinement, devices, machine
from cli_ai.discovery.bottlenecks import bottlenecks
from cli_ai.discovery.facts import HostFacts
from cli_ai.discovery.knobs import knobs
from cli_ai.discovery.listening import listeners
from cli_ai.discovery.services import services
from cli_ai.discovery.tools import tools
from cli_ai.discovery.tree import Tree
from cli_ai.discovery.watch import counters, rates
from tactician.system.procfs import ProcMonitor

LONGEST_WATCH_S = 3600.0
_LEVELS = ("memory_usage", "swap_usage")


def look(watch_s: float, root: str) -> HostFacts:
    """Look at a host. See :func:`cli_ai.discovery.discover`."""
    if not (math.isfinite(watch_s) and 0.0 <= watch_s <= LONGEST_WATCH_S):
        raise ValueError(f"a watch takes 0 to {LONGEST_WATCH_S:.0f} seconds, not {watch_s}")
    if root and not Path(root).is_dir():
        raise ValueError(f"{root} is no folder")
    tree = Tree(root)
    there = machine.resources(tree)
    shares, seen_rates = _watch(tree, watch_s)
    shares |= _load(tree, there.cores)
    waiting = {one.port: one.waiting for one in listeners(tree).values() if one.port}
    scarce = bottlenecks(shares, seen_rates, waiting)
    kind_of_container, container_notes = confinement.container(tree)
    running, service_notes = services(tree)
    known = knobs(tree)
    notes = (
        *there.notes,
        *container_notes,
        *service_notes,
        *known.notes,
        *_rights(tree, len(known.writable)),
    )
    return HostFacts(
        distribution=machine.distribution(tree),
        kernel=machine.kernel(tree),
        architecture=machine.architecture(tree),
        cores=there.cores,
        numa_nodes=there.numa_nodes,
        memory_bytes=there.memory_bytes,
        swap_bytes=there.swap_bytes,
        disks=devices.disks(tree),
        links=devices.links(tree),
        cgroup_version=confinement.cgroup_version(tree),
        container=kind_of_container,
        virtual_machine=confinement.virtual_machine(tree),
        lockdown=machine.lockdown(tree),
        root=tree.real and os.geteuid() == 0,
        services=running,
        tools=tools(tree),
        knobs=known.present,
        writable=known.writable,
        absent=known.absent,
        values=known.values,
        throw_away=_throw_away(tree),
        pressure=shares,
        bottleneck=scarce[0],
        bottlenecks=scarce,
        watched_s=watch_s,
        rates=seen_rates,
        notes=notes,
    )


def _watch(tree: Tree, watch_s: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return shares and rates over the watch; without one, the kernel's own averages of ten seconds."""
    if watch_s <= 0:
        return {**_shares(tree, 0.0, _LEVELS), **_averages(tree)}, {}
    begun = counters(tree)
    shares = _shares(tree, watch_s)
    return shares, rates(begun, counters(tree))


def _shares(tree: Tree, watch_s: float, names: Collection[str] = ()) -> dict[str, float]:
    monitor = ProcMonitor(f"{tree.root}/proc")
    try:
        monitor.start()
        time.sleep(watch_s)
        found = monitor.stop()
    except ValueError:  # a record that is not what a kernel writes
        return {}
    return {name: round(value, 4) for name, value in found.items() if name in names or not names}


def _averages(tree: Tree) -> dict[str, float]:
    found = {}
    for resource in ("cpu", "io", "memory"):
        words = tree.read(f"/proc/pressure/{resource}", 512).partition("avg10=")[2].split()
        try:
            found[f"{resource}_pressure"] = round(min(1.0, max(0.0, float(words[0]) / 100.0)), 4)
        except (IndexError, ValueError):
            continue
    return found


def _load(tree: Tree, cores: int) -> dict[str, float]:
    """Return the tasks that want to run, per core that may be used: the monitor knows only this machine's."""
    words = tree.read("/proc/loadavg", 256).split()
    try:
        load = float(words[0]) / cores
    except (IndexError, ValueError):
        return {}
    return {"load_average": round(load, 4)} if 0.0 <= load < 1e6 else {}


def _throw_away(tree: Tree) -> bool | None:
    if not tree.real:
        return None
    from tactician.system.namespace import why_unavailable

    return why_unavailable() == ""


def _rights(tree: Tree, writable: int) -> tuple[str, ...]:
    if not tree.real or os.geteuid() == 0 or writable:
        return ()
    return ("Not root: no knob of the host may be written; a throw-away network may be tuned.",)
