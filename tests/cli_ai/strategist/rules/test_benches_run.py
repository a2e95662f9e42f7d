"""Every template on real programs: its output holds every metric, and its teardown leaves nothing."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import support_private
from cli_ai.discovery.facts import HostFacts, Service
from cli_ai.strategist.rules import understand
from cli_ai.strategist.rules.benches import Bench, Site, available
from tactician.experiment import Metric
from tactician.system.command import minimal_environment
from tactician.system.parsers import find_metric, parse_output

CASES = {
    "pgbench": ("tune postgres", "pgbench", "postgres"),
    "pgbench tail": ("postgres p99 latency", "pgbench", "postgres"),
    "pgbench analytics": ("reports on postgres: aggregates, joins", "pgbench", "postgres"),
    "wrk": ("tune nginx", "wrk", "nginx"),
    "wrk bursts": ("nginx drops connections under bursts", "wrk", "nginx"),
    "hey": ("tune nginx", "hey", "nginx"),
    "h2load": ("tune nginx", "h2load", "nginx"),
    "ab": ("tune nginx", "ab", "nginx"),
    "redis-benchmark": ("tune redis", "redis-benchmark", "redis-server"),
    "fio random": ("random reads of the disk", "fio", "fio"),
    "fio write": ("sequential write of the disk", "fio", "fio"),
    "fio flushed": ("random writes to the disk", "fio", "fio"),
    "hackbench": ("cpu scheduler", "hackbench", "hackbench"),
    "sysbench-threads": ("cpu scheduler", "sysbench", "sysbench"),
    "sysbench-cpu": ("cpu scheduler", "sysbench", "sysbench"),
    "sysbench-memory": ("memory bandwidth", "sysbench", "sysbench"),
    "stress-ng": ("cpu scheduler", "stress-ng", "stress-ng"),
    "iperf3": ("network throughput", "iperf3", "iperf3"),
    "sqlite-on-host": ("disk io", "true", "true"),
}
SERVERS = {
    "postgresql": support_private.postgresql,
    "nginx": support_private.nginx,
    "redis": support_private.redis,
}


@contextlib.contextmanager
def site(text: str, tool: str):
    intent = understand(text)
    facts = HostFacts(
        cores=2, memory_bytes=2 << 30, tools={tool: shutil.which(tool) or ""}, writable=("vm.swappiness",)
    )
    with contextlib.ExitStack() as stack:
        service = None
        if intent.service:
            server = stack.enter_context(SERVERS[intent.service]())
            sockets = (f"{server.socket}/.s.PGSQL.{server.port}",) if intent.service == "postgresql" else ()
            ports = () if sockets else (server.port,)
            user = "postgres" if sockets else ""
            service = Service(name=intent.service, ports=ports, sockets=sockets, user=user)
        yield Site(facts, intent, service, f"test{tool.replace('-', '')}")


def shell(line: str) -> subprocess.CompletedProcess[str]:
    argv = ["/bin/sh", "-c", line.replace("{duration}", "2")]
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=120, env=minimal_environment({})
    )


def measured(bench: Bench) -> str:
    """What one run prints, between its setup and its teardown."""
    try:
        if bench.setup:
            done = shell(bench.setup)
            assert done.returncode == 0, done.stderr
        done = shell(bench.command)
        assert done.returncode == 0, done.stderr[-1000:]
        return f"{done.stdout}\n{done.stderr}"
    finally:
        if bench.teardown:
            ended = shell(bench.teardown)
            assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.needs(*CASES[name][1:])) for name in CASES]
)
def test_a_template_measures_what_it_says(name: str) -> None:
    text, tool, _ = CASES[name]
    with site(text, tool) as place:
        bench = next(one for one in available(place) if one.name == name.partition(" ")[0])
        output = measured(bench)
        parsed = parse_output(output)
        assert parsed.problems == ()
        for metric in bench.metrics.values():
            assert find_metric(parsed, output, Metric(metric.name)).value > 0
        for metric_name in bench.latency.values():
            assert find_metric(parsed, output, Metric(metric_name)).value > 0
        assert not Path(place.folder).exists()


def test_a_failure_of_the_benchmark_is_one_of_the_command(tmp_path: Path) -> None:
    """Nothing that stands behind the tool in the command may hide that it failed."""
    broken = tmp_path / "pgbench"
    broken.write_text("#!/bin/sh\necho broken >&2\nexit 3\n", encoding="ascii")
    broken.chmod(0o755)
    facts = HostFacts(tools={"pgbench": str(broken)}, cores=2)
    service = Service(name="postgresql", sockets=("/nowhere/.s.PGSQL.5432",), user="postgres")
    for text in ("tune postgres", "postgres p99 latency"):
        bench = next(iter(available(Site(facts, understand(text), service, "test1"))))
        assert shlex.split(bench.command)[0] == str(broken)
        assert shell(bench.command).returncode == 3


def test_the_cases_name_every_template_that_can_run_here() -> None:
    from cli_ai.strategist.rules.benches import template_names

    elsewhere = {"sysbench-oltp", "kafka-producer", "sqlite", "listen-backlog", "tcp-churn"}
    assert {name.partition(" ")[0] for name in CASES} | elsewhere == set(template_names())
