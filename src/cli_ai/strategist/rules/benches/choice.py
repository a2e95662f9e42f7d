"""Which template for which intent on which host, and what to install where none fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cli_ai.strategist.rules.benches import (
    cache,
    embedded,
    mysql,
    postgresql,
    processor,
    storage,
    traffic,
    web,
)
from cli_ai.strategist.rules.benches.bench import Bench, Site, Template

_TEMPLATES: Mapping[str, Template] = {
    "pgbench": postgresql.pgbench,
    "sysbench-oltp": mysql.sysbench_oltp,
    "wrk": web.wrk,
    "hey": web.hey,
    "h2load": web.h2load,
    "ab": web.ab,
    "redis-benchmark": cache.redis_benchmark,
    "kafka-producer": traffic.kafka_producer,
    "iperf3": traffic.iperf3,
    "fio": storage.fio,
    "hackbench": processor.hackbench,
    "sysbench-threads": processor.sysbench_threads,
    "sysbench-cpu": processor.sysbench_cpu,
    "sysbench-memory": processor.sysbench_memory,
    "stress-ng": processor.stress_ng,
    "sqlite-on-host": embedded.sqlite_on_host,
    "sqlite": embedded.sqlite,
    "listen-backlog": embedded.listen_backlog,
    "tcp-churn": embedded.tcp_churn,
}
_HTTP = ("wrk", "hey", "h2load", "ab")
_BY_CLASS: Mapping[str, tuple[str, ...]] = {
    "database": ("pgbench", "sysbench-oltp", "sqlite-on-host", "sqlite"),
    "analytics": ("pgbench", "sysbench-oltp", "sqlite-on-host", "sqlite"),
    "web": (*_HTTP, "listen-backlog"),
    "cache": ("redis-benchmark", "listen-backlog"),
    "messaging": ("kafka-producer", "fio", "sqlite-on-host", "sqlite"),
    "network": ("iperf3", "tcp-churn"),
    "storage": ("fio", "sqlite-on-host", "sqlite"),
    "cpu": ("hackbench", "sysbench-threads", "sysbench-cpu", "stress-ng"),
    "memory": ("sysbench-memory", "stress-ng", "fio"),
}
# What a class needs, by family of the distribution where the package is called otherwise.
_WANTED: Mapping[str, str] = {
    "postgresql": "pgbench",
    "mysql": "sysbench",
    "nginx": "wrk",
    "haproxy": "wrk",
    "redis": "redis-benchmark",
    "memcached": "memcached",
    "kafka": "fio",
}
_WANTED_BY_CLASS: Mapping[str, str] = {
    "database": "pgbench",
    "analytics": "pgbench",
    "web": "wrk",
    "cache": "redis-benchmark",
    "messaging": "fio",
    "network": "iperf3",
    "storage": "fio",
    "cpu": "sysbench",
    "memory": "sysbench",
}
_PACKAGE: Mapping[str, Mapping[str, str]] = {
    "pgbench": {"debian": "postgresql-contrib", "": "postgresql-contrib"},
    "redis-benchmark": {"debian": "redis-tools", "": "redis"},
    "ab": {"debian": "apache2-utils", "": "httpd-tools"},
    "hackbench": {"debian": "rt-tests", "": "rt-tests"},
    "h2load": {"debian": "nghttp2-client", "": "nghttp2"},
    "postgresql": {"debian": "postgresql", "": "postgresql-server"},
    "mysql": {"debian": "default-mysql-server", "": "mysql-server"},
    "redis": {"debian": "redis-server", "": "redis"},
}
_MANAGER: Mapping[str, str] = {
    "debian": "apt-get install",
    "suse": "zypper install",
    "arch": "pacman -S",
    "alpine": "apk add",
}


def template_names() -> tuple[str, ...]:
    """Every template; whether one fits a host is for :func:`available` to say."""
    return tuple(_TEMPLATES)


def available(site: Site) -> Iterator[Bench]:
    """The benchmarks that can be run here for this intent, the best first."""
    names = _BY_CLASS.get(site.intent.workload_class, ())
    if site.intent.workload_class == "network" and site.intent.bursts and not site.intent.wide:
        names = ("tcp-churn", *names)
    for name in dict.fromkeys(names):
        made = _TEMPLATES[name](site)
        if made is not None:
            yield made


def ranked(site: Site, wanted: str = "") -> list[Bench]:
    """The benchmarks that can be run here: the one of this name, then those that measure the objective."""

    def rank(bench: Bench) -> tuple[bool, bool]:
        return bench.name != wanted, bench.metric(site.intent.objective) is None

    return sorted(available(site), key=rank)


def best(site: Site, wanted: str = "") -> Bench | None:
    """The first of :func:`ranked`; None where nothing can be run."""
    return next(iter(ranked(site, wanted)), None)


def packages(site: Site, embedded_only: bool) -> Iterator[str]:
    """What to install, each with the command; nothing where a fitting tool is there."""
    service, family = site.intent.service, site.facts.distribution.family
    if service and site.service is None and site.facts.service(service) is None:
        yield f"{service} does not run on this host; {_install(service, family)}, then start it"
    if embedded_only:
        tool = _WANTED.get(service) or _WANTED_BY_CLASS.get(site.intent.workload_class, "")
        if tool and tool != service and tool not in site.facts.tools:
            yield f"{tool} would measure the real thing: {_install(tool, family)}"


def _install(name: str, family: str) -> str:
    package = _PACKAGE.get(name, {})
    return f"{_MANAGER.get(family, 'dnf install')} {package.get(family, package.get('', name))}"
