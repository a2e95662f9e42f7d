"""What a model may choose from on one host, and how it is told: facts in closed form, foreign text fenced."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, get_args

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.llm_answer import Answer, WorkloadClass
from cli_ai.strategist.llm_text import clean, fenced
from cli_ai.strategist.rules.benches import Site, available
from cli_ai.strategist.rules.choosing import TUNABLE_SERVICES
from cli_ai.strategist.rules.fitting import Fitted, fit
from cli_ai.strategist.rules.intent import Intent
from cli_ai.strategist.rules.relevance import host_knobs, service_knobs
from tactician.errors import Problem

MOST_KNOBS = 40
_VERSION = re.compile(r"\d+(?:\.\d+){0,3}")


@dataclass(frozen=True, slots=True)
class Menu:
    """Names that a model may write on one host.

    Attributes:
        knobs: by name, fitted to the host.
        benchmarks: by name, what each measures.
    """

    knobs: Mapping[str, Fitted]
    benchmarks: Mapping[str, str]

    def problems(self, answer: Answer) -> list[Problem]:
        """What an answer chooses that is not on the menu, with what could be meant."""
        found = []
        for number, chosen in enumerate(answer.parameters):
            path = f"parameters.{number}"
            if chosen.name not in self.knobs:
                found.append(Problem(f"{path}.name", f"{clean(chosen.name, 60)} is not in the list of knobs"))
            elif chosen.low is not None and chosen.high is not None and not chosen.low < chosen.high:
                found.append(Problem(f"{path}.low", "must be smaller than high"))
        names = [chosen.name for chosen in answer.parameters]
        found += [
            Problem("parameters", f"{clean(name, 60)} is there twice")
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ]
        if answer.benchmark and answer.benchmark not in self.benchmarks:
            known = ", ".join(self.benchmarks) or "none"
            found.append(Problem("benchmark", f"is none of the benchmarks here, which are: {known}"))
        return found


def menu_for(intent: Intent, facts: HostFacts) -> Menu:
    """What can be chosen on this host: for the class that the words name, or for any where they name none."""
    classes = [name for name in get_args(WorkloadClass) if name]
    named = [intent.workload_class] if intent.workload_class else classes
    intents = [replace(intent, workload_class=name) for name in named]
    benchmarks: dict[str, str] = {}
    for one in intents:
        for service in (facts.service(one.service), *facts.services, None):
            for bench in available(Site(facts, one, service, "menu")):
                benchmarks.setdefault(bench.name, clean(bench.why, 120))
    return Menu(_knobs(intents, facts), benchmarks)


def _knobs(intents: Sequence[Intent], facts: HostFacts) -> dict[str, Fitted]:
    found: dict[str, Fitted] = {}
    for intent in intents:
        for name in _named(intent, facts):
            if len(found) == MOST_KNOBS:
                return found
            if name not in found and (fitted := fit(name, facts)) is not None:
                found[name] = fitted
    return found


def _named(intent: Intent, facts: HostFacts) -> Iterator[str]:
    running = [one.name for one in facts.services if one.name in TUNABLE_SERVICES]
    first = [name for name in running if name == intent.service] or running
    # Settings and host knobs in turn, so that a cap leaves some of both.
    settings = [name for service in first for name in service_knobs(intent, service)]
    hosts = [name for name in host_knobs(intent, facts) if name.partition("[")[0] in facts.knobs]
    for pair in range(max(len(settings), len(hosts))):
        yield from settings[pair : pair + 1]
        yield from hosts[pair : pair + 1]


def messages_for(request: str, facts: HostFacts, menu: Menu) -> list[dict[str, str]]:
    """The conversation so far: the rules, then the request and everything known, as data."""
    knobs = [_line(name, fitted) for name, fitted in menu.knobs.items()]
    benchmarks = [f"{name} | {what}" for name, what in menu.benchmarks.items()]
    told = "\n\n".join(
        [
            fenced("request", clean(request, 4000)),
            fenced("host", host_summary(facts)),
            fenced("knobs", knobs),
            fenced("benchmarks", benchmarks),
        ]
    )
    return [{"role": "system", "content": _prompt("choose.md")}, {"role": "user", "content": told}]


def _line(name: str, fitted: Fitted) -> str:
    now = f" (now {clean(fitted.now, 40)})" if fitted.now else ""
    return f"{name} | {fitted.shown}{now} | {clean(fitted.entry.what, 120)}"


def mending(problems: str) -> dict[str, str]:
    """The message that feeds validation errors back."""
    return {"role": "user", "content": _prompt("mend.md").replace("{problems}", problems)}


def host_summary(facts: HostFacts) -> dict[str, Any]:
    """The facts a choice can rest on. Of a banner only its version number is kept."""
    return {
        "system": clean(f"{facts.distribution.id} {facts.distribution.version}", 60),
        "kernel": clean(facts.kernel, 40),
        "cores": facts.cores,
        "memory_gib": round(facts.memory_bytes / (1 << 30), 1),
        "swap_gib": round(facts.swap_bytes / (1 << 30), 1),
        "services": [
            {"name": clean(one.name, 20), "version": _version(one.version), "ports": list(one.ports)[:4]}
            for one in facts.services[:16]
        ],
        "tools": sorted(clean(name, 30) for name in facts.tools)[:32],
        "pressure": {clean(name, 30): round(value, 3) for name, value in list(facts.pressure.items())[:16]},
        "bottleneck": clean(facts.bottleneck.resource, 20) if facts.bottleneck else "",
    }


def _version(banner: str) -> str:
    match = _VERSION.search(clean(banner, 60))
    return match[0][:20] if match else ""


def _prompt(name: str) -> str:
    return (resources.files("cli_ai.strategist.prompts") / name).read_text(encoding="utf-8")
