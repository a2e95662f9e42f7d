"""What a template makes: one benchmark with its command, its metrics, and what surrounds it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli_ai.discovery.facts import HostFacts, Service
from cli_ai.strategist.rules.intent import Intent

_USUAL_FOLDERS = ("/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin")


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a benchmark's output.

    Attributes:
        name: as the parsers call it.
        goal: the better direction.
        pattern: finds it where the parsers do not know the tool.
    """

    name: str
    goal: str
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """A benchmark that can be run here.

    Attributes:
        name: of the template.
        command: for the shell; every value that came from the host is quoted.
        metrics: by objective.
        seconds: of one run.
        noise: relative standard deviation of a run, as a guess before the baseline is measured.
        why: one sentence on the choice.
        source: the fact behind it.
        duration: what ``{duration}`` stands for; None where the command has none.
        latency: metrics that a bound on latency can be held against, by quantile.
        namespace: whether it runs in a network namespace that ends with it.
        items: parameters that the command itself takes.
        document: further keys of the experiment.
    """

    name: str
    command: str
    metrics: Mapping[str, Metric]
    seconds: float
    noise: float
    why: str
    source: str
    duration: float | None = None
    setup: str = ""
    teardown: str = ""
    latency: Mapping[str, str] = field(default_factory=dict)
    namespace: bool = False
    items: tuple[Mapping[str, Any], ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)

    def metric(self, objective: str) -> Metric | None:
        """The metric for an objective; a mean latency stands in for a tail and the other way round."""
        for name in (objective, *_STAND_INS.get(objective, ())):
            if name in self.metrics:
                return self.metrics[name]
        return None


_STAND_INS = {"latency": ("tail latency",), "tail latency": ("latency",)}


@dataclass(frozen=True, slots=True)
class Site:
    """Where a benchmark is to run.

    Attributes:
        tag: letters and digits that no other plan has; part of every name that a benchmark makes.
    """

    facts: HostFacts
    intent: Intent
    service: Service | None
    tag: str

    @property
    def folder(self) -> str:
        """A folder that the setup makes and the teardown removes."""
        return f"/var/tmp/tactician-{self.tag}"

    @property
    def port(self) -> int:
        """The port that the service listens on, 0 where none is known."""
        return self.service.ports[0] if self.service is not None and self.service.ports else 0

    @property
    def threads(self) -> int:
        """Threads of a load generator that leave the server its share."""
        return max(1, min(8, self.facts.cores // 2))

    def tool(self, name: str) -> str:
        """The program, by its path where the shell would not find it by its name; empty if absent."""
        path = self.facts.tools.get(name, "")
        if not path or os.path.dirname(path) in _USUAL_FOLDERS:
            return name if path else ""
        return shlex.quote(path)


Template = Callable[[Site], Bench | None]
"""Makes a benchmark for a site, or None where it does not fit."""


def rate(name: str, tail: str = "latency_p99", mean: str = "latency_mean") -> dict[str, Metric]:
    """The usual metrics: a rate, a mean and a tail latency; an empty name leaves one out."""
    found = {"throughput": Metric(name, "maximize")}
    if tail:
        found["tail latency"] = Metric(tail, "minimize")
    if mean:
        found["latency"] = Metric(mean, "minimize")
    return found


def joined(*parts: str) -> str:
    """A command line from parts that are quoted already; empty ones are left out."""
    return " ".join(part for part in parts if part)
