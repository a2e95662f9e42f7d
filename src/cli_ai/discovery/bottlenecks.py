"""Which resource is scarce, by thresholds that are stated in the reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cli_ai.discovery.facts import Bottleneck


class Sign(NamedTuple):
    """One sign of scarcity.

    Attributes:
        resource: ``cpu``, ``memory``, ``io`` or ``network``.
        worse: how far it is beyond its threshold; signs below 1 are none.
        reason: one sentence with the figure.
    """

    resource: str
    worse: float
    reason: str


# name, resource, threshold, sentence; {value} is the share in percent and {limit} the threshold.
_SHARES = (
    ("memory_pressure", "memory", 0.05, "Tasks waited for memory {value} of the time ({limit} is much)."),
    ("io_pressure", "io", 0.10, "Tasks waited for disks {value} of the time ({limit} is much)."),
    ("cpu_pressure", "cpu", 0.25, "Tasks waited for a processor {value} of the time ({limit} is much)."),
    ("cpu_utilization", "cpu", 0.85, "The processors were busy {value} of the time ({limit} is much)."),
    ("cpu_steal", "cpu", 0.05, "The hypervisor kept the processors {value} of the time ({limit} is much)."),
    ("io_wait", "io", 0.20, "Processors idled for disks {value} of the time ({limit} is much)."),
    ("disk_utilization", "io", 0.90, "The busiest disk had work {value} of the time ({limit} is much)."),
    ("memory_usage", "memory", 0.95, "{value} of memory is in use ({limit} is much)."),
    ("swap_usage", "memory", 0.50, "{value} of swap is in use ({limit} is much)."),
)
# name, resource, threshold per second, sentence; {value} is the rate.
_RATES = (
    ("oom_kills", "memory", 1e-9, "The kernel ended processes for want of memory ({value}/s)."),
    ("swap_out", "memory", 10.0, "{value} pages/s went out to swap."),
    ("swap_in", "memory", 10.0, "{value} pages/s came back from swap."),
    ("reclaim_stalls", "memory", 10.0, "Allocations had to free memory first, {value}/s."),
    (
        "accept_queue_overflows",
        "network",
        0.1,
        "{value} connections/s found an accept queue full: net.core.somaxconn, or the service's own backlog.",
    ),
    (
        "syn_drops",
        "network",
        0.1,
        "{value} connection requests/s were dropped: net.ipv4.tcp_max_syn_backlog, or the service's backlog.",
    ),
    (
        "syn_cookies",
        "network",
        0.1,
        "{value} connection requests/s were answered with cookies: a SYN queue is full.",
    ),
    ("backlog_drops", "network", 0.1, "{value} packets/s did not fit into net.core.netdev_max_backlog."),
    ("socket_backlog_drops", "network", 1.0, "{value} packets/s did not fit into a socket's queue."),
    ("socket_memory_pressures", "network", 0.1, "TCP ran short of memory, {value}/s: net.ipv4.tcp_mem."),
    ("time_wait_overflows", "network", 0.1, "{value} sockets/s found net.ipv4.tcp_max_tw_buckets full."),
    ("udp_drops", "network", 1.0, "{value} datagrams/s did not fit into a socket's buffer."),
)
_LOAD = 2.0
_RETRANSMITTED = 0.01
_FEW_SEGMENTS = 100.0
_WAITING = 64


def bottlenecks(
    shares: Mapping[str, float], rates: Mapping[str, float], waiting: Mapping[int, int]
) -> tuple[Bottleneck, ...]:
    """Return what is scarce, the worst first; one that says ``none`` where nothing is.

    Args:
        shares: in [0, 1], and ``load_average`` per core.
        rates: events per second; empty without a watch.
        waiting: connections that wait to be accepted, by port.
    """
    signs = [sign for sign in _signs(shares, rates, waiting) if sign.worse >= 1.0]
    signs.sort(key=lambda sign: -sign.worse)
    if not signs:
        seen = "during the watch" if rates else "at a look; a watch sees more: --watch 30s"
        return (Bottleneck(resource="none", reason=f"Nothing was scarce {seen}."),)
    return tuple(Bottleneck(resource=sign.resource, reason=sign.reason) for sign in signs)


def _signs(
    shares: Mapping[str, float], rates: Mapping[str, float], waiting: Mapping[int, int]
) -> Iterator[Sign]:
    for name, resource, limit, sentence in _SHARES:
        if name in shares:
            value = f"{100 * shares[name]:.0f} %"
            reason = sentence.format(value=value, limit=f"{100 * limit:.0f} %")
            yield Sign(resource, shares[name] / limit, reason)
    load = shares.get("load_average", 0.0)
    yield Sign("cpu", load / _LOAD, f"{load:.1f} tasks per core want to run ({_LOAD:g} is much).")
    for name, resource, limit, sentence in _RATES:
        if name in rates:
            # Rates have no ceiling; beside shares a hundredfold must not look a hundred times worse.
            worse = rates[name] / limit
            yield Sign(resource, min(worse, 5.0), sentence.format(value=_rate(rates[name])))
    yield from _retransmits(rates)
    for port, count in waiting.items():
        if count >= _WAITING:
            reason = f"{count} connections wait to be accepted on port {port} ({_WAITING} is much)."
            yield Sign("network", min(count / _WAITING, 5.0), reason)


def _retransmits(rates: Mapping[str, float]) -> Iterator[Sign]:
    sent = rates.get("segments_sent", 0.0)
    if sent >= _FEW_SEGMENTS:
        share = rates.get("retransmits", 0.0) / sent
        limit = f"{100 * _RETRANSMITTED:g} %"
        reason = f"{100 * share:.1f} % of TCP segments were sent again ({limit} is much)."
        yield Sign("network", min(share / _RETRANSMITTED, 5.0), reason)


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
