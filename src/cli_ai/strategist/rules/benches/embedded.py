"""The workloads that come with Tactician, for hosts where no fitting tool is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli_ai.strategist.rules.benches.bench import Bench, Metric, Site
from tactician.workloads import WORKLOADS, configuration


def sqlite_on_host(site: Site) -> Bench | None:
    """Small SQLite transactions with SQLite's own settings, to try settings of the host under."""
    if not site.facts.writable:
        return None
    return Bench(
        name="sqlite-on-host",
        command="python3 -m tactician.workloads.sqlite_commits --duration {duration} --progress 0.5",
        metrics={"throughput": Metric("transactions_per_second", "maximize")},
        seconds=3.5,
        noise=0.06,
        why=f"{_no_tool(site)}; the embedded SQLite workload is nearest in kind and needs nothing.",
        source="tactician.workloads.sqlite_commits",
        duration=3.0,
    )


def sqlite(site: Site) -> Bench | None:
    """The shipped experiment on SQLite's PRAGMAs, which touches nothing of the host."""
    return _shipped(site, "sqlite", "transactions_per_second", 0.05)


def listen_backlog(site: Site) -> Bench | None:
    """Bursts of clients against a busy server, in a network of its own."""
    return _shipped(site, "listen-backlog", "requests_per_second", 0.05)


def tcp_churn(site: Site) -> Bench | None:
    """Short connections, in a network of its own."""
    return _shipped(site, "tcp-churn", "connections_per_second", 0.05)


def _shipped(site: Site, name: str, metric: str, noise: float) -> Bench | None:
    workload = WORKLOADS[name]
    if workload.needs_namespace and site.facts.throw_away is False:
        return None
    document: Mapping[str, Any] = configuration(name)
    extra = {key: document[key] for key in ("constraints", "training_config") if key in document}
    return Bench(
        name=name,
        command=document["benchmark_command"],
        metrics={"throughput": Metric(metric, "maximize")},
        seconds=float(document["duration"]) + 0.3,
        noise=noise,
        why=f"{_no_tool(site)}; embedded workload: {workload.description}",
        source=f"tactician.workloads: {name}",
        duration=float(document["duration"]),
        namespace=workload.needs_namespace,
        items=tuple(document["action_space"]),
        document=extra,
    )


def _no_tool(site: Site) -> str:
    if site.intent.workload_class == "network":
        return "No load from outside is needed"
    return "No benchmark that fits is installed, or nothing listens here"
