"""What a request allows and forbids, in words of two languages."""

from __future__ import annotations

import pytest

from cli_ai.strategist.rules.limits import LatencyLimit, find_limits, latency_limit, without_latency_limit
from cli_ai.strategist.rules.words import read


def limits(text: str):
    return find_limits(read(text))


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("you have 20 minutes", 20),
        ("at most 1.5 hours", 90),
        ("within 90 seconds", 1.5),
        ("half an hour is fine", 30),
        ("最多 20 分钟", 20),
        ("给你10分钟", 10),
        ("半小时", 30),
        ("2 小时以内", 120),
        ("30 minutes, better 10 minutes", 10),
        ("it stalls every 5 minutes", None),
        ("a query takes 10 minutes", None),
        ("nothing about time", None),
        ("keep p99 under 20 ms", None),
    ],
)
def test_time(text: str, minutes: float | None) -> None:
    assert limits(text).minutes == minutes


@pytest.mark.parametrize(
    ("text", "trials"),
    [
        ("at most 30 trials", 30),
        ("max 10 experiments", 10),
        ("最多试 15 次", 15),
        ("0 trials", None),
        ("p95 trials", None),
        ("a few runs", None),
    ],
)
def test_trials(text: str, trials: int | None) -> None:
    assert limits(text).trials == trials


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("keep p99 under 20 ms", LatencyLimit("p99", 0.02)),
        ("p95 latency below 500us", LatencyLimit("p95", 500e-6)),
        ("latency stays below 2ms at the 99th percentile", LatencyLimit("p99", 0.002)),
        ("p99 延迟要低于 50 毫秒", LatencyLimit("p99", 0.05)),
        ("response time under 1 second", LatencyLimit("p99", 1.0)),
        ("one in a thousand takes 30 ms or more", None),
        ("finish within 20 s", None),
    ],
)
def test_a_bound_on_latency(text: str, bound: LatencyLimit | None) -> None:
    found = latency_limit(text)
    if bound is None:
        assert found is None
    else:
        assert found is not None
        assert (found.quantile, found.seconds) == (bound.quantile, pytest.approx(bound.seconds))


def test_a_bound_on_latency_is_no_objective() -> None:
    assert "p99" not in without_latency_limit("more transactions, keep p99 under 20 ms")
    assert "transactions" in without_latency_limit("more transactions, keep p99 under 20 ms")


@pytest.mark.parametrize(
    ("text", "kept", "free"),
    [
        ("tune postgres but don't touch the network settings", "net.core.somaxconn", "vm.swappiness"),
        ("优化 MySQL，不要动网络参数", "net.ipv4.tcp_rmem", "vm.swappiness"),
        ("do not touch swap", "vm.swappiness", "vm.dirty_ratio"),
        ("leave net.core.somaxconn as it is", "net.core.somaxconn", "net.core.rmem_max"),
        ("memory settings (vm.*) are off limits", "vm.dirty_ratio", "net.core.somaxconn"),
        ("leave the kernel alone", "kernel.sched_autogroup_enabled", "redis.hz"),
        ("only sysctls", "redis.hz", "vm.swappiness"),
        ("只改 sysctl", "/sys/block/vda/queue/nr_requests", "vm.swappiness"),
        ("only change redis settings", "vm.swappiness", "redis.hz"),
        ("without changing anything about the writeback", "vm.dirty_ratio", "vm.swappiness"),
        ("the best net.core.somaxconn, nothing else", "net.core.rmem_max", "net.core.somaxconn"),
    ],
)
def test_knobs_that_stay_as_they_are(text: str, kept: str, free: str) -> None:
    found = limits(text)
    assert not found.allows(kept)
    assert found.allows(free)


def test_naming_something_does_not_forbid_it() -> None:
    found = limits("my colleague says it is the network but it is not the network; tune postgres")
    assert found.allows("net.core.somaxconn")


@pytest.mark.parametrize(
    ("text", "restart"),
    [
        ("no restarts please", False),
        ("we can't restart the database during the day", False),
        ("不能重启服务", False),
        ("restarting is not allowed", False),
        ("restarts are fine", True),
        ("可以重启", True),
        ("tune it", None),
    ],
)
def test_restarts(text: str, restart: bool | None) -> None:
    assert limits(text).restart is restart


def test_a_floor_under_trials() -> None:
    assert limits("never more than 20% slower than now").max_regression == 20
    assert limits("20 % faster").max_regression is None
