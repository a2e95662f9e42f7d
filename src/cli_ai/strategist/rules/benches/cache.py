"""Measures a Redis server with keys of its own name, which the end removes; nobody else's key is touched."""

from __future__ import annotations

import shlex

from cli_ai.strategist.rules.benches.bench import Bench, Site, joined, rate

_REQUESTS, _KEYS, _CLIENTS = 50_000, 10_000, 50
_SECONDS = 3.0


def redis_benchmark(site: Site) -> Bench | None:
    """Writes of small values under one prefix."""
    service, program = site.service, site.tool("redis-benchmark")
    if service is None or service.name != "redis" or not program or not (service.ports or service.sockets):
        return None
    reach = f"-h 127.0.0.1 -p {site.port}" if service.ports else f"-s {shlex.quote(service.sockets[0])}"
    prefix = f"tactician_bench_{site.tag}"
    value = "x" * 32
    run = joined(
        program, reach, f"-n {_REQUESTS} -c {_CLIENTS} -r {_KEYS}", f"SET {prefix}:__rand_int__ {value}"
    )
    client = program.replace("redis-benchmark", "redis-cli")
    scan = joined(client, reach, f"--scan --pattern '{prefix}:*'")
    return Bench(
        name="redis-benchmark",
        command=run,
        metrics=rate("requests_per_second"),
        seconds=_SECONDS,
        noise=0.04,
        why=f"Redis listens here and redis-benchmark is there; its keys begin with {prefix} and are removed.",
        source=f"redis {service.version} at {reach}, {site.facts.tools['redis-benchmark']}",
        teardown=f"{scan} | xargs -r {joined(client, reach, 'UNLINK')}",
        latency={"p99": "latency_p99", "p95": "latency_p95", "p50": "latency_p50", "mean": "latency_mean"},
    )
