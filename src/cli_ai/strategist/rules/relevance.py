"""Which knobs can matter for an intent on a host, the likeliest first; nothing is said about values."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.rules.intent import Intent
from tactician import catalogue


@functools.cache
def table(name: str) -> Mapping[str, Any]:
    """One table of the relevance data."""
    text = (resources.files(__package__) / "relevance.toml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = tomllib.loads(text)[name]
    return found


def host_knobs(intent: Intent, facts: HostFacts) -> Iterator[str]:
    """Knobs of the host for this class of workload, with this host's disk in their names."""
    for pattern in dict.fromkeys(
        (*_first(intent), *table("host").get(intent.workload_class, ()), *_rest(intent))
    ):
        if "{disk}" not in pattern:
            yield pattern
        elif disk := main_disk(facts):
            yield pattern.replace("{disk}", disk)


def service_knobs(intent: Intent, service: str) -> Iterator[str]:
    """Settings of a service for this intent."""
    listed = table("service")
    first: list[str] = []
    if intent.writes:
        first += table("service_first").get(f"{service}.writes", ())
    if intent.bursts:
        first += table("service_first").get(f"{service}.bursts", ())
    own = listed.get(service, ())
    if intent.workload_class == "analytics":
        own = [name for name in listed["analytics"] if name.startswith(f"{service}.")]
    yield from dict.fromkeys((*first, *own))


def main_disk(facts: HostFacts) -> str:
    """The disk whose queue is tuned: the largest; empty where none is known."""
    disks = sorted(facts.disks, key=lambda disk: disk.size_bytes, reverse=True)
    return disks[0].name if disks else ""


def _first(intent: Intent) -> Iterator[str]:
    first = table("host_first")
    if intent.workload_class in ("web", "network", "cache") and intent.bursts:
        yield from first["bursts"] if intent.workload_class == "web" else ()
        yield from first["churn"] if intent.workload_class == "network" else ()
    if intent.wide:
        yield from first["wide"]
    if intent.objective == "tail latency" and intent.workload_class in ("database", "messaging", "storage"):
        yield from first["tails"]


def _rest(intent: Intent) -> Iterator[str]:
    """Further knobs of which the catalogue says that they can matter."""
    if not intent.workload_class:
        return
    for entry in catalogue.entries():
        if entry.kind == "sysctl" and intent.workload_class in entry.workloads and not entry.fields:
            yield entry.name
