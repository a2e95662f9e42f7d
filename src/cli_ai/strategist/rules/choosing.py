"""Chooses four to twelve knobs for an intent on a host, and says why each, and why others were left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cli_ai.discovery.facts import HostFacts, Service
from cli_ai.strategist.proposal import Reason
from cli_ai.strategist.rules.fitting import Fitted, constraints_among, fit, loosened
from cli_ai.strategist.rules.intent import Intent
from cli_ai.strategist.rules.relevance import host_knobs, service_knobs
from tactician import catalogue

LEAST, MOST = 4, 12
_HOST_SHARE = 5
_ALONE = 8
"""So many knobs of the host, where no service has settings: the further ones are less likely to matter."""

TUNABLE_SERVICES = ("postgresql", "redis", "nginx")
"""Services whose settings an experiment can change."""

Ranges = Mapping[str, tuple[float | None, float | None]]
"""Ranges that somebody prefers, by knob; they only ever narrow what is safe."""

Notes = dict[str, list[str]]
"""What was left out, by the reason."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """What will be tuned.

    Attributes:
        fitted: the knobs, the likeliest first.
        constraints: the catalogue's comparisons among them.
        reasons: one per knob.
        notes: what was left out for a reason that the reader should know.
    """

    fitted: tuple[Fitted, ...] = ()
    constraints: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def services(self) -> tuple[str, ...]:
        """The services whose settings are among them."""
        parts = (each.item["param"].partition(".")[0] for each in self.fitted if each.entry.kind == "service")
        return tuple(dict.fromkeys(parts))


def choose(
    intent: Intent,
    facts: HostFacts,
    service: Service | None,
    *,
    chosen: Ranges | None = None,
    namespace_only: bool = False,
    most: int = MOST,
) -> Knobs:
    """Choose knobs that can matter, that exist here, that may be written, and that the limits allow.

    Args:
        intent: what is wanted.
        facts: of the host.
        service: whose settings may be tuned too; None for the host alone.
        chosen: take these and no others, as far as they pass; from a model or a person.
        namespace_only: only what belongs to a network namespace of its own.
        most: at most so many.
    """
    notes: Notes = {}
    if chosen is None:
        of_service = _usable(
            _wanted_first(intent, _of_service(intent, service), True), intent, facts, service, notes
        )
        of_host = _usable(_wanted_first(intent, host_knobs(intent, facts), False), intent, facts, None, notes)
        names = _mixed(list(of_service), list(of_host), most, intent)
        ranges: Ranges = {}
    else:
        names = list(_usable(chosen, intent, facts, service, notes))[:most]
        ranges = chosen
    if namespace_only:
        names = [name for name in names if _of_namespace(name)]
    fitted = [
        found for name in names if (found := fit(name, facts, ranges.get(name, (None, None)))) is not None
    ]
    tuned = [each.item["param"] for each in fitted]
    fitted = [each if each.item["param"] in ranges else loosened(each, tuned, facts) for each in fitted]
    constraints = constraints_among([each.entry for each in fitted], tuned)
    return Knobs(
        tuple(fitted),
        tuple(constraints),
        tuple(_reason(each) for each in fitted),
        tuple(f"{', '.join(names)}: {why}" for why, names in notes.items()),
    )


def _of_service(intent: Intent, service: Service | None) -> Iterator[str]:
    if service is not None and service.name in TUNABLE_SERVICES:
        yield from service_knobs(intent, service.name)


def _wanted_first(intent: Intent, names: Iterable[str], of_service: bool) -> Iterator[str]:
    """Knobs that the words name come first."""
    wanted = [name for name in intent.wanted if _is_setting(name) == of_service]
    yield from dict.fromkeys((*_with_fields(wanted), *names))


def _with_fields(names: Sequence[str]) -> Iterator[str]:
    """A key of three numbers is tuned by its largest, one of two by both."""
    for name in names:
        entry = catalogue.entry(name)
        count = len(entry.fields) if entry is not None and "[" not in name else 0
        yield from [f"{name}[{count - 1}]"] if count > 2 else [f"{name}[{i}]" for i in range(count)] or [name]


def _usable(
    names: Iterable[str], intent: Intent, facts: HostFacts, service: Service | None, notes: Notes
) -> Iterator[str]:
    for name in names:
        entry = catalogue.entry(name)
        if entry is None or not intent.limits.allows(name):
            continue
        if _is_setting(name):
            if (
                service is None
                or not name.startswith(f"{service.name}.")
                or not _in_version(entry, service.version)
            ):
                continue
            if entry.disrupts and intent.limits.restart is not True:
                if intent.limits.restart is None:
                    why = f"every change restarts {service.name}, so left out; "
                    why += 'say "restarts are fine" to include it'
                    notes.setdefault(why, []).append(name)
                continue
        elif not _writable(name, facts):
            continue
        elif service is None and _only_at_listen(entry) and name not in intent.wanted and intent.service:
            if intent.bursts:
                why = f"left out: it acts when {intent.service} listens again, which no trial makes it do"
                notes.setdefault(why, []).append(name)
            continue
        if fit(name, facts) is not None:
            yield name


def _writable(name: str, facts: HostFacts) -> bool:
    return name.partition("[")[0] in facts.writable


def _mixed(of_service: list[str], of_host: list[str], most: int, intent: Intent) -> list[str]:
    """Settings of the service and knobs of the host, with room for both; what was named comes first."""
    wanted = [name for name in (*of_service, *of_host) if name.partition("[")[0] in intent.wanted]
    if not of_service:
        return list(dict.fromkeys((*wanted, *of_host)))[: min(most, _ALONE)]
    share = most - min(_HOST_SHARE, most // 2, len(of_host))
    if intent.bursts and intent.workload_class == "web":
        share = min(share, max(1, most // 3))
    order = (*wanted, *of_service[:share], *of_host[: most - share], *of_service[share:])
    return list(dict.fromkeys(order))[:most]


def _only_at_listen(entry: catalogue.Entry) -> bool:
    # The half-open limit is read at every SYN, whatever listen() was told.
    return "listen()" in entry.acts and entry.name != "net.ipv4.tcp_max_syn_backlog"


def _is_setting(name: str) -> bool:
    return name.partition(".")[0] in catalogue.SERVICES


def _of_namespace(name: str) -> bool:
    entry = catalogue.entry(name)
    return entry is not None and entry.scope == "namespace"


def _in_version(entry: catalogue.Entry, version: str) -> bool:
    if not version:
        return not entry.since
    if entry.since and _parts(version) < _parts(entry.since):
        return False
    return not entry.until or _parts(version)[: len(_parts(entry.until))] <= _parts(entry.until)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _reason(fitted: Fitted) -> Reason:
    entry = fitted.entry
    acts = "" if entry.acts == "at once" else f" Acts: {entry.acts}."
    now = f" (now {fitted.now})" if fitted.now else ""
    return Reason(
        choice=fitted.item["param"],
        value=f"{fitted.shown}{now}",
        why=f"{entry.what}{acts}",
        source=f"catalogue: {entry.pattern or entry.name} ({entry.source})",
    )
