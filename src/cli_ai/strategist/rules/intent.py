"""What a request wants, in closed terms: a class of workload, a service, an objective, limits, refusals."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cli_ai.strategist.proposal import Refused
from cli_ai.strategist.rules.limits import Limits, find_limits, without_latency_limit
from cli_ai.strategist.rules.named import named
from cli_ai.strategist.rules.vocabulary import hazards, section
from cli_ai.strategist.rules.words import Clause, Request, read

OBJECTIVES = ("tail latency", "latency", "throughput", "memory", "power")


@dataclass(frozen=True, slots=True)
class Intent:
    """What the words want.

    Attributes:
        workload_class: as in :class:`~cli_ai.strategist.proposal.Proposal`; empty where the words name none.
        service: named in the words; empty for none. ``others`` are further ones that were named.
        objective: one of :data:`OBJECTIVES`; ``objectives`` are all that were named, ``throughput`` if none.
        limits: what may not be done.
        wanted: knobs that the words name, in order.
        refused: what will not be done.
        refused_whole: whether nothing is done at all.
        wish: whether the words want something tuned.
        bursts: whether connections come in bursts or are lost.
        port: on which the service listens, where the words say so.
        writes: whether writing is what is slow.
        random: whether access is random.
        wide: whether much data goes a long way.
        mended: misspelt words and what they were taken for.
    """

    workload_class: str = ""
    service: str = ""
    others: tuple[str, ...] = ()
    objective: str = "throughput"
    objectives: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    wanted: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    refused_whole: bool = False
    wish: bool = True
    bursts: bool = False
    port: int = 0
    writes: bool = False
    random: bool = False
    wide: bool = False
    mended: Mapping[str, str] = field(default_factory=dict)


_WORD, _SIGN = 3, 1
_BURSTS = (
    "burst", "bursts", "peak", "peaks", "drops connections", "dropped connections", "dropping connections",
    "connection timeouts", "connections", "new connections", "丢连接", "突发", "高峰期", "连接",
)  # fmt: skip
_WRITES = (
    "write",
    "writes",
    "insert",
    "inserts",
    "commit",
    "commits",
    "bulk load",
    "写",
    "写入",
    "插入",
    "提交",
)
_WIDE = ("wan", "round trips", "long distance", "large files", "big files", "downloads", "大文件", "广域网")
_HOST_OF_ITS_OWN = re.compile(r"https?://([^/\s:`'\"]+)|(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])")
_PORT = re.compile(r"(?:port|端口)[\s:=]*(?:number|号)?\s*(\d{1,5})(?!\d)|(?<=localhost:)(\d{1,5})(?!\d)")
_UNIMPORTANT = (
    "does not matter", "doesn't matter", "do not care", "don't care", "is not important", "no problem",
    "不重要", "无所谓", "没关系",
)  # fmt: skip
_HERE = ("localhost", "localhost.localdomain", "0.0.0.0")


def understand(request: str) -> Intent:
    """Read a request; never raises, whatever is in it."""
    words = read(request)
    limits = find_limits(words)
    refused, whole = _refused(words)
    wanted, denied = named(words, limits)
    services = tuple(_services(words))
    objectives = tuple(_objectives(words))
    wish = bool(services) or bool(words.has(section("wish")["words"])) or bool(wanted)
    nothing_else = _only_refused(words, refused)
    workload_class = "" if nothing_else and not services else _workload_class(words, services)
    # A bare "nginx" or "io" is a wish too; an order to do something else is not.
    short = sum(len(clause.words) for clause in words.clauses) <= 3 and not refused
    return Intent(
        workload_class=workload_class,
        service=services[0] if services else "",
        others=services[1:],
        objective=objectives[0] if objectives else "throughput",
        objectives=objectives,
        limits=limits,
        wanted=wanted,
        refused=(*refused, *denied),
        refused_whole=whole or nothing_else,
        wish=wish or (short and bool(workload_class)),
        bursts=bool(words.has(_BURSTS)),
        port=_port(words.text),
        writes=bool(words.has(_WRITES)),
        random=bool(words.has(("random", "iops", "随机"))),
        wide=bool(words.has(_WIDE)),
        mended=words.mended,
    )


def _services(words: Request) -> Iterator[str]:
    """The services that are named, in the order of the words; the one without "not" first."""
    places: dict[str, int] = {}
    for name, entry in section("service").items():
        for phrase in entry["words"]:
            place = next(
                (
                    1000 * index + clause.find(phrase)
                    for index, clause in enumerate(words.clauses)
                    if clause.find(phrase) >= 0 and not _forbidden(clause, phrase)
                ),
                -1,
            )
            if place >= 0:
                places[name] = min(place, places.get(name, place))
    if "kafka" in places:
        places.pop("jvm", None)
    yield from sorted(places, key=lambda name: places[name])


def _forbidden(clause: Clause, phrase: str) -> bool:
    """Whether a service is only named to be left alone."""
    forbidding = clause.any_of([word for word in section("forbid")["before"] if word != "no"])
    return bool(forbidding) and 0 <= clause.find(forbidding) < clause.find(phrase)


def _workload_class(words: Request, services: tuple[str, ...]) -> str:
    scores: dict[str, int] = {}
    for name, entry in section("class").items():
        scores[name] = sum(
            _WORD if phrase in entry["words"] else _SIGN
            for phrase in (*entry["words"], *entry.get("signs", ()))
            if any(clause.find(phrase) >= 0 and not _ruled_out(clause, phrase) for clause in words.clauses)
        )
    best = max(scores, key=lambda name: scores[name])
    if services:
        own = str(section("service")[services[0]]["class"])
        analytic = own == "database" and scores["analytics"] >= 2 * _WORD - 2
        return "analytics" if analytic and scores["analytics"] >= scores["database"] else own
    if scores["analytics"] > 0 and best == "database":
        best = "analytics"
    return best if scores[best] else ""


def _ruled_out(clause: Clause, phrase: str) -> bool:
    """Whether a word of a class stands behind "not" or "don't touch", or says where something else is."""
    place = clause.find(phrase)
    for word in (*section("forbid")["before"], "not", "not about", "only", "只改", "off limits"):
        found = clause.find(word)
        if 0 <= found < place:
            return True
    return bool(clause.any_of(section("forbid")["after"]))


def _objectives(words: Request) -> Iterator[str]:
    # A bound on latency is a limit: "more transactions, p99 below 20 ms" asks for throughput.
    free = read(without_latency_limit(words.text))
    found: dict[str, int] = {}
    for name in OBJECTIVES:
        for phrase in section("objective")[name]["words"]:
            for index, clause in enumerate(free.clauses):
                place = clause.find(phrase)
                if place >= 0 and not _negated(clause, place) and not clause.any_of(_UNIMPORTANT):
                    found.setdefault(name, 1000 * index + place)
    if "tail latency" in found:
        found.pop("latency", None)
    if "power" in found and free.has(("processing power", "computing power")):
        found.pop("power")
    if "memory" in found:
        found.pop("throughput", None)
    yield from sorted(found, key=lambda name: found[name])


def _negated(clause: Clause, place: int) -> bool:
    return any(word in ("not", "no", "never", "不", "非") for word in clause.words[max(0, place - 3) : place])


def _refused(words: Request) -> tuple[tuple[Refused, ...], bool]:
    found, whole = [], False
    for hazard in hazards():
        asked = words.has(hazard.words) or next((sign for sign in hazard.signs if sign in words.text), "")
        if asked:
            found.append(Refused(asked=f"{hazard.name} ({asked})", why=hazard.why))
            whole = whole or hazard.all
    for match in _HOST_OF_ITS_OWN.finditer(words.text):
        if _elsewhere(match[1] or match[2]):
            why = "benchmarks and changes stay on this host"
            found.append(Refused(asked=f"another host ({match[1] or match[2]})", why=why))
            whole = True
    return tuple(found), whole


def _port(text: str) -> int:
    match = _PORT.search(text)
    number = int(match[1] or match[2]) if match else 0
    return number if number < 65536 else 0


def _elsewhere(host: str) -> bool:
    if host in _HERE:
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." in host


def _only_refused(words: Request, refused: tuple[Refused, ...]) -> bool:
    """Whether a request with something refused in it wants nothing else."""
    return bool(refused) and not words.has(section("wish")["words"])
