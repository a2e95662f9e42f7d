"""Commands that templates build: quoted, with names of their own, and read by the parsers that we have."""

from __future__ import annotations

import shlex

import pytest

from cli_ai.discovery.facts import Service
from cli_ai.strategist.rules import understand
from cli_ai.strategist.rules.benches import Bench, Site, available, best
from support_strategist import HOSTS, host

REQUESTS = [
    "tune postgres",
    "postgres p99 latency",
    "reports on postgres: aggregates, joins",
    "tune mysql",
    "tune nginx",
    "nginx drops connections under bursts",
    "tune redis",
    "tune kafka",
    "network throughput",
    "random reads of the disk",
    "sequential write of the disk",
    "cpu scheduler",
    "memory bandwidth",
]


def benches(name: str, text: str) -> list[Bench]:
    intent, facts = understand(text), host(name)
    return list(available(Site(facts, intent, facts.service(intent.service), "abc123")))


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("text", REQUESTS)
def test_a_shell_understands_every_command(name: str, text: str) -> None:
    for bench in benches(name, text):
        for line in (bench.command, bench.setup, bench.teardown):
            assert "  " not in line
            shlex.split(line)
        assert bench.metrics
        assert bench.why.endswith(".")


def test_what_is_made_has_a_name_of_its_own_and_is_removed() -> None:
    for name, text in (("debian-postgresql", "tune postgres"), ("openeuler-mysql", "tune mysql")):
        bench = benches(name, text)[0]
        assert "tactician_bench_abc123" in bench.setup
        assert "tactician_bench_abc123" in bench.command
        assert "tactician_bench_abc123" in bench.teardown
    redis = benches("redis-rocky", "tune redis")[0]
    assert "tactician_bench_abc123:" in redis.command
    assert "'tactician_bench_abc123:*'" in redis.teardown


def test_hostile_paths_and_users_are_quoted() -> None:
    facts = host("debian-postgresql")
    hostile = Service(name="postgresql", user="p;reboot", sockets=("/tmp/$(reboot)/.s.PGSQL.5432",))
    site = Site(facts, understand("tune postgres"), hostile, "abc123")
    bench = best(site)
    assert bench is not None
    assert "/tmp/$(reboot)" in shlex.split(bench.command)
    assert "p;reboot" in shlex.split(bench.command)


def test_a_hostile_socket_of_redis_is_quoted() -> None:
    hostile = Service(name="redis", sockets=("/tmp/x;reboot/redis.sock",))
    site = Site(host("redis-rocky"), understand("tune redis"), hostile, "abc123")
    bench = best(site)
    assert bench is not None
    for line in (bench.command, bench.teardown):
        assert "/tmp/x;reboot/redis.sock" in shlex.split(line)


def test_a_program_off_the_usual_path_is_called_by_its_path() -> None:
    facts = host("debian-postgresql")
    facts = facts.model_copy(update={"tools": {"pgbench": "/usr/lib/postgresql/15/bin/pgbench"}})
    bench = best(Site(facts, understand("tune postgres"), facts.services[0], "abc123"))
    assert bench is not None
    assert bench.command.startswith("/usr/lib/postgresql/15/bin/pgbench ")
    assert "/usr/lib/postgresql/15/bin/createdb " in bench.setup


def test_a_tail_of_postgresql_is_read_from_its_own_log() -> None:
    bench = benches("debian-postgresql", "postgres p99 latency")[0]
    metric = bench.metric("tail latency")
    assert metric is not None
    assert metric.name == "latency_p99"
    assert "&& awk " in bench.command, "a failure of pgbench is kept"


def test_only_root_becomes_the_server() -> None:
    facts = host("debian-postgresql")
    as_root = benches("debian-postgresql", "tune postgres")[0]
    assert as_root.document["benchmark_user"] == "postgres"
    user = facts.model_copy(update={"root": False})
    bench = best(Site(user, understand("tune postgres"), facts.services[0], "abc123"))
    assert bench is not None
    assert "benchmark_user" not in bench.document


def test_a_template_that_does_not_fit_is_not_taken() -> None:
    facts = host("redis-rocky")
    site = Site(facts, understand("tune redis"), facts.services[0], "abc123")
    bench = best(site, "pgbench")
    assert bench is not None
    assert bench.name == "redis-benchmark"
