"""Facts as text of 80 columns for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from cli_ai.discovery.facts import Bottleneck, Disk, HostFacts, Link, Service

WIDTH = 80
_MARGIN = 13


def lines(facts: HostFacts) -> Iterator[str]:
    """Return the text, line by line, none of them wider than 80 columns."""
    yield from _row("system", _system(facts))
    yield from _row("machine", _machine(facts))
    yield from _row("runs in", _around(facts))
    yield from _row("disks", "; ".join(_disk(disk) for disk in facts.disks) or "none seen")
    yield from _row("links", "; ".join(_link(link) for link in facts.links) or "none besides loopback")
    yield from _list("services", (_service(service) for service in facts.services), "none that is known")
    yield from _row("benchmarks", ", ".join(facts.tools) or "none installed; the embedded ones always run")
    yield from _row("knobs", _knobs(facts))
    if facts.watched_s:
        yield from _row("watched", f"{facts.watched_s:g} s")
    scarce = (_scarce(one) for one in facts.bottlenecks)
    yield from _list("scarce", scarce, "unknown")
    yield from _list("notes", facts.notes, "")


def _row(title: str, text: str) -> Iterator[str]:
    first = f"{title:<{_MARGIN}}"
    yield from textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=" " * _MARGIN, break_on_hyphens=False
    )


def _list(title: str, texts: Iterable[str], otherwise: str) -> Iterator[str]:
    there = list(texts) or ([otherwise] if otherwise else [])
    for number, text in enumerate(there):
        yield from _row("" if number else title, text)


def _system(facts: HostFacts) -> str:
    name = facts.distribution.name or "a Linux without os-release"
    return f"{name} ({facts.distribution.family}), kernel {facts.kernel}, {facts.architecture}"


def _machine(facts: HostFacts) -> str:
    nodes = f" in {facts.numa_nodes} memory nodes" if facts.numa_nodes > 1 else ""
    swap = f"{_size(facts.swap_bytes)} swap" if facts.swap_bytes else "no swap"
    cores = "1 core" if facts.cores == 1 else f"{facts.cores} cores"
    return f"{cores}{nodes}, {_size(facts.memory_bytes)} memory, {swap}"


def _around(facts: HostFacts) -> str:
    found = [f"a container ({facts.container})" if facts.container else "no container"]
    found.append(
        f"a virtual machine ({facts.virtual_machine})" if facts.virtual_machine else "no hypervisor seen"
    )
    found.append(f"cgroup v{facts.cgroup_version}" if facts.cgroup_version else "no cgroups")
    if facts.lockdown not in ("", "none"):
        found.append(f"kernel lockdown: {facts.lockdown}")
    found.append("as root" if facts.root else "not as root")
    return ", ".join(found)


def _disk(disk: Disk) -> str:
    kind = {True: "rotating", False: "solid state", None: "kind unknown"}[disk.rotational]
    scheduler = f", {disk.scheduler}" if disk.scheduler else ""
    return f"{disk.name} {_size(disk.size_bytes)} ({kind}{scheduler})"


def _link(link: Link) -> str:
    speed = f" {link.speed_mbit} Mbit/s" if link.speed_mbit else ""
    return f"{link.name}{speed}{'' if link.up else ' (down)'}"


def _service(service: Service) -> str:
    parts = [f"{service.name} {service.version}".rstrip()]
    if service.confined:
        parts.append("in a container or a network of its own")
    if service.ports:
        parts.append(f"port {', '.join(map(str, service.ports))}")
    elif service.sockets:
        parts.append(service.sockets[0])
    parts.append(f"pid {service.pid} of {service.user or 'an unknown user'}")
    if service.processes > 1:
        parts.append(f"{service.processes} processes")
    parts += [path for path in (service.config_file, service.data_directory) if path]
    return ", ".join(parts)


def _scarce(one: Bottleneck) -> str:
    return one.reason if one.resource == "none" else f"{one.resource}: {one.reason}"


def _knobs(facts: HostFacts) -> str:
    return (
        f"{len(facts.knobs)} of the catalogue are here, {len(facts.writable)} may be written, "
        f"{len(facts.absent)} are absent (--json names them)"
    )


def _size(size: int) -> str:
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} TiB"
