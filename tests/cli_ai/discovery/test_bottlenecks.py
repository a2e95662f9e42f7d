"""What is scarce, by thresholds on both sides, and the counters behind it."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from cli_ai.discovery import discover
from cli_ai.discovery.bottlenecks import bottlenecks
from cli_ai.discovery.tree import Tree
from cli_ai.discovery.watch import Counters, counters, rates


@pytest.mark.parametrize(
    ("shares", "seen", "resource", "words"),
    [
        ({"memory_pressure": 0.05}, {}, "memory", "waited for memory 5 %"),
        ({"io_pressure": 0.5}, {}, "io", "waited for disks 50 %"),
        ({"cpu_pressure": 0.25}, {}, "cpu", "waited for a processor 25 %"),
        ({"cpu_utilization": 0.9}, {}, "cpu", "busy 90 %"),
        ({"cpu_steal": 0.1}, {}, "cpu", "hypervisor"),
        ({"io_wait": 0.3}, {}, "io", "idled for disks"),
        ({"disk_utilization": 0.95}, {}, "io", "busiest disk"),
        ({"memory_usage": 0.96}, {}, "memory", "96 % of memory"),
        ({"swap_usage": 0.6}, {}, "memory", "60 % of swap"),
        ({"load_average": 2.5}, {}, "cpu", "2.5 tasks per core"),
        ({}, {"oom_kills": 0.03}, "memory", "ended processes"),
        ({}, {"swap_out": 50.0}, "memory", "50 pages/s went out"),
        ({}, {"swap_in": 50.0}, "memory", "50 pages/s came back"),
        ({}, {"accept_queue_overflows": 3.2}, "network", "3.2 connections/s found an accept queue full"),
        ({}, {"syn_drops": 1.0}, "network", "tcp_max_syn_backlog"),
        ({}, {"syn_cookies": 1.0}, "network", "cookies"),
        ({}, {"backlog_drops": 1.0}, "network", "netdev_max_backlog"),
        ({}, {"udp_drops": 2.0}, "network", "datagrams"),
        ({}, {"segments_sent": 1000.0, "retransmits": 25.0}, "network", "2.5 % of TCP segments"),
    ],
)
def test_each_sign_names_its_resource(
    shares: dict[str, float], seen: dict[str, float], resource: str, words: str
) -> None:
    (found,) = bottlenecks(shares, seen, {})
    assert found.resource == resource
    assert words in found.reason
    assert found.reason.endswith(".")
    assert found.reason[0].isupper() or found.reason[0].isdigit()


@pytest.mark.parametrize(
    ("shares", "seen"),
    [
        ({}, {}),
        ({"memory_pressure": 0.04, "io_pressure": 0.09, "cpu_pressure": 0.24, "load_average": 1.9}, {}),
        ({"memory_usage": 0.94, "swap_usage": 0.4, "cpu_utilization": 0.8, "io_wait": 0.1}, {}),
        ({}, {"oom_kills": 0.0, "swap_out": 9.0, "accept_queue_overflows": 0.0, "udp_drops": 0.5}),
        ({}, {"segments_sent": 1000.0, "retransmits": 9.0}),
        ({}, {"segments_sent": 50.0, "retransmits": 25.0}),
    ],
)
def test_below_the_thresholds_nothing_is_scarce(shares: dict[str, float], seen: dict[str, float]) -> None:
    (found,) = bottlenecks(shares, seen, {80: 63})
    assert found.resource == "none"
    assert ("--watch" in found.reason) == (not seen)


def test_the_worst_comes_first() -> None:
    found = bottlenecks({"memory_pressure": 0.06, "io_pressure": 0.4}, {"swap_in": 12.0}, {80: 128})
    assert [one.resource for one in found] == ["io", "network", "memory", "memory"]


def test_connections_that_wait_are_told_with_their_port() -> None:
    (found,) = bottlenecks({}, {}, {80: 64, 443: 0})
    assert found.reason == "64 connections wait to be accepted on port 80 (64 is much)."


def test_rates_are_per_second_and_never_negative() -> None:
    begun = Counters(10.0, {"a": 5, "b": 9, "gone": 1})
    ended = Counters(14.0, {"a": 25, "b": 3, "new": 1})
    assert rates(begun, ended) == {"a": 5.0, "b": 0.0}
    assert rates(begun, begun) == {}


RECORDED = {
    "vmstat": "pswpin 3\npswpout 4\noom_kill 1\npgmajfault 9\nallocstall_normal 2\nallocstall_movable 5\n",
    "net/snmp": "Tcp: RtoMin RetransSegs OutSegs\nTcp: 200 7 1000\n"
    "Udp: RcvbufErrors SndbufErrors\nUdp: 2 3\n",
    "net/netstat": "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPReqQFullDrop\nTcpExt: 1 20 21 4\n"
    "IpExt: InNoRoutes\nIpExt: 0\n",
    "net/softnet_stat": "00000001 0000000a 00000000\n00000001 00000001 00000000\n",
}


def test_counters_of_a_record(tmp_path: Path) -> None:
    for name, text in RECORDED.items():
        (tmp_path / "proc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc" / name).write_text(text)
    assert counters(Tree(str(tmp_path))).counts == {
        "swap_in": 3, "swap_out": 4, "oom_kills": 1, "major_faults": 9, "reclaim_stalls": 7,
        "retransmits": 7, "segments_sent": 1000, "udp_drops": 5, "syn_cookies": 1,
        "accept_queue_overflows": 20, "listen_drops": 21, "syn_drops": 4, "backlog_drops": 11,
    }  # fmt: skip


def test_counters_of_this_machine_are_there() -> None:
    found = counters(Tree()).counts
    assert {"swap_in", "accept_queue_overflows", "retransmits", "segments_sent", "backlog_drops"} <= set(
        found
    )


def test_a_watch_measures_shares_and_rates() -> None:
    facts = discover(watch_s=0.2)
    assert facts.watched_s == 0.2
    assert {"cpu_utilization", "io_wait", "memory_usage", "load_average"} <= set(facts.pressure)
    assert "segments_sent" in facts.rates
    assert facts.bottlenecks[0] == facts.bottleneck


def knock(port: int, enough: threading.Event) -> None:
    """Ask for connections that nobody accepts, again and again."""
    while not enough.wait(0.05):
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
            enough.wait(0.05)


def test_a_full_accept_queue_is_seen_by_a_real_watch() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        enough = threading.Event()
        knocking = threading.Thread(target=knock, args=(server.getsockname()[1], enough))
        knocking.start()
        try:
            facts = discover(watch_s=1.0)
        finally:
            enough.set()
            knocking.join()
    assert facts.rates["accept_queue_overflows"] > 0
    (told,) = [one for one in facts.bottlenecks if "accept queue full" in one.reason]
    assert told.resource == "network"
    assert "net.core.somaxconn" in told.reason
