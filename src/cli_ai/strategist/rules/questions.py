"""Settles what the words leave open from what runs on the host, and asks what remains, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from cli_ai.discovery.facts import HostFacts, Service
from cli_ai.strategist.proposal import Question
from cli_ai.strategist.rules.intent import Intent
from cli_ai.strategist.rules.vocabulary import section

_BOTTLENECK = {"cpu": "cpu", "memory": "memory", "io": "storage", "network": "network"}
_ACTS_ON = (
    ("vm.dirty", "storage"),
    ("/sys/block/", "storage"),
    ("vm.", "memory"),
    ("net.", "network"),
    ("kernel.", "cpu"),
)
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "database": ("postgresql", "mysql"),
    "analytics": ("postgresql", "mysql"),
    "web": ("nginx", "haproxy"),
    "cache": ("redis", "memcached"),
    "messaging": ("kafka",),
}


@dataclass(frozen=True, slots=True)
class Settled:
    """An intent with nothing left open.

    Attributes:
        service: the running one that it is for; None for the host alone.
        questions: what was assumed.
    """

    intent: Intent
    service: Service | None
    questions: tuple[Question, ...]
    notes: tuple[str, ...] = ()


def settle(intent: Intent, facts: HostFacts) -> Settled:
    """Fill in service, class and objective; each guess becomes a question with its assumption."""
    questions = [*_which_objective(intent)]
    if intent.others:
        both = (intent.service, *intent.others)
        question = "One service is tuned at a time; which one first?"
        questions.append(
            Question(about="service", question=question, choices=both, assumed=_running_first(both, facts))
        )
        first = _running_first(both, facts)
        intent = replace(intent, service=first, workload_class=str(section("service")[first]["class"]))
    if not intent.workload_class and not intent.refused_whole:
        intent, asked = _what_for(intent, facts)
        questions += asked
    service, asked = _of_name(intent, facts) if intent.service else (None, [])
    questions += asked
    if not intent.service and not intent.refused_whole:
        service, asked = _which_service(intent, facts)
        questions += asked
        intent = replace(intent, service=service.name if service is not None else "")
    return Settled(intent, service, tuple(questions))


def _which_objective(intent: Intent) -> Iterator[Question]:
    named = [name for name in intent.objectives if name in ("throughput", "latency", "tail latency")]
    if len(named) > 1:
        yield Question(
            about="objective",
            question="Only one number can be improved at a time; which one?",
            choices=tuple(named),
            assumed=intent.objective,
        )


def _running_first(names: tuple[str, ...], facts: HostFacts) -> str:
    return next((name for name in names if facts.service(name) is not None), names[0])


def _what_for(intent: Intent, facts: HostFacts) -> tuple[Intent, list[Question]]:
    """The words name no workload: what runs here, or what is scarce, stands in for them."""
    services = [service for service in facts.services if service.name in section("service")]
    question = "What is this machine for?"
    classes = tuple(name for name in section("class") if name != "analytics")
    if intent.refused and not intent.wanted:
        return intent, []
    if services and intent.wish:
        name = max(services, key=lambda service: service.processes).name
        assumed = str(section("service")[name]["class"])
        asked = Question(
            about="workload", question=question, choices=classes, assumed=f"{assumed} ({name} runs here)"
        )
        return replace(intent, workload_class=assumed, service=name), [asked]
    scarce = facts.bottleneck.resource if facts.bottleneck is not None else ""
    assumed = _BOTTLENECK.get(scarce, "") or _class_of(intent.wanted)
    why = f"{scarce} is scarce here" if scarce in _BOTTLENECK else "the knob that is named acts on it"
    told = f"{assumed} ({why})" if assumed else "nothing, so there is no plan yet"
    asked = Question(about="workload", question=question, choices=classes, assumed=told)
    return replace(intent, workload_class=assumed), [asked]


def _of_name(intent: Intent, facts: HostFacts) -> tuple[Service | None, list[Question]]:
    """The running service of a name; the one on the port that is named, where there are several."""
    running = [
        service for service in facts.services if service.name == intent.service and not service.confined
    ]
    on_port = [service for service in running if intent.port in _ports(service)]
    if intent.port and on_port:
        return on_port[0], []
    if len(running) < 2:
        return (running[0] if running else None), []
    ports = tuple(str(port) for service in running for port in _ports(service)[:1])
    question = f"{intent.service} runs here several times; on which port is the one that you mean?"
    return running[0], [Question(about="port", question=question, choices=ports, assumed=_place(running[0]))]


def _place(service: Service) -> str:
    return (
        f"port {_ports(service)[0]}"
        if _ports(service)
        else ", ".join(service.sockets) or f"pid {service.pid}"
    )


def _ports(service: Service) -> tuple[int, ...]:
    """TCP ports, and those in the names of PostgreSQL's sockets."""
    sockets = (path.rpartition(".")[2] for path in service.sockets if ".s.PGSQL." in path)
    return (*service.ports, *(int(port) for port in sockets if port.isdigit()))


def _class_of(names: tuple[str, ...]) -> str:
    """What the first knob of a request acts on; empty where none is named."""
    return next((found for name in names for prefix, found in _ACTS_ON if name.startswith(prefix)), "")


def _which_service(intent: Intent, facts: HostFacts) -> tuple[Service | None, list[Question]]:
    wanted = _FAMILIES.get(intent.workload_class, ())
    found = [service for service in facts.services if service.name in wanted and not service.confined]
    if len({service.name for service in found}) < 2:
        return _of_name(replace(intent, service=found[0].name), facts) if found else (None, [])
    assumed = max(found, key=lambda service: service.processes)
    names = tuple(service.name for service in found)
    return assumed, [
        Question(about="service", question="Which service is it?", choices=names, assumed=assumed.name)
    ]


def answer(intent: Intent, about: str, chosen: str) -> Intent:
    """The intent with one question answered.

    Args:
        intent: as the words gave it.
        about: as in the question.
        chosen: one of its choices.
    """
    if about == "service" and chosen in section("service"):
        own = str(section("service")[chosen]["class"])
        return replace(intent, service=chosen, others=(), workload_class=own)
    if about == "objective":
        return replace(intent, objective=chosen, objectives=(chosen,))
    if about == "workload" and chosen in section("class"):
        return replace(intent, workload_class=chosen, wish=True)
    if about == "port" and chosen.isdigit():
        return replace(intent, port=int(chosen))
    return intent
