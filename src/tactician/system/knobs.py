"""What the catalogue says about names, together with what this host shows for them; read-only."""

from __future__ import annotations

import contextlib
import glob
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tactician import catalogue
from tactician.ports import Place
from tactician.system.files import RealHost
from tactician.system.sysctl import path_of

_MOST = 64


class Shown(NamedTuple):
    """One concrete place: its name in the catalogue's spelling, and its text; None where it is unreadable."""

    name: str
    value: str | None


class Known(NamedTuple):
    """One entry of the catalogue on this host.

    Attributes:
        entry: with the safe range of this host in numbers.
        formula: the range as the catalogue has it, where that is a formula.
        here: the places of this host that it stands for; empty where there is none, and for services.
    """

    entry: catalogue.Entry
    formula: tuple[str, str] | None
    here: tuple[Shown, ...]


class Answer(NamedTuple):
    """Everything that the catalogue has on a question.

    Attributes:
        known: what may be tuned.
        never: names or patterns that are never tuned, with the reasons.
        absent: names that newer kernels dropped.
        exact: whether the question was the name of one thing.
    """

    known: tuple[Known, ...]
    never: tuple[tuple[str, str], ...]
    absent: tuple[tuple[str, catalogue.Absent], ...]
    exact: bool


def look_up(query: str, facts: Mapping[str, float], root: str = "") -> Answer:
    """Find what a question names, or else what its words occur in.

    Args:
        query: a name in any spelling; or words, each of which must occur in a name or its explanation, or
            name a workload; empty for everything.
        facts: of this host.
        root: put before every path of the host; for tests.
    """
    looking = _Looking(facts, root)
    name = query.strip()
    if name and " " not in name:
        key = catalogue.canonical(name)
        entry, reason, gone = catalogue.entry(name), catalogue.danger(key), catalogue.absent(key)
        if entry or gone or (reason and ("." in name or "/" in name)):
            return Answer(
                (looking.known(entry),) if entry else (),
                ((key, reason),) if reason and not entry else (),
                ((key, gone),) if gone else (),
                True,
            )
    words = name.lower().split()
    entries = [entry for entry in catalogue.entries() if _matches(entry, words)]
    entries.sort(key=lambda entry: (entry.kind == "service", not _occur(words, entry.name)))
    return Answer(
        tuple(looking.known(entry) for entry in entries),
        tuple(pair for pair in catalogue.dangers().items() if words and _occur(words, " ".join(pair))),
        tuple(pair for pair in catalogue.absents().items() if words and _occur(words, pair[0])),
        False,
    )


def _matches(entry: catalogue.Entry, words: list[str]) -> bool:
    text = f"{entry.name} {entry.what}".lower()
    return all(word in text or word in entry.workloads for word in words)


def _occur(words: list[str], text: str) -> bool:
    return all(word in text.lower() for word in words)


class _Looking:
    """Reads places of the host."""

    def __init__(self, facts: Mapping[str, float], root: str) -> None:
        self._facts = facts
        self._root = root
        self._host = RealHost(root)

    def known(self, entry: catalogue.Entry) -> Known:
        """Add what this host shows."""
        formulas = any(isinstance(limit, str) for limit in (entry.low, entry.high))
        formula = (str(entry.low), str(entry.high)) if formulas else None
        with contextlib.suppress(ValueError):  # empty on a very small host: then the formula is shown
            entry = catalogue.resolve(entry, self._facts)
        return Known(entry, formula, tuple(self._here(entry)))

    def _here(self, entry: catalogue.Entry) -> Iterator[Shown]:
        if entry.kind == "service":
            return
        path = entry.name if entry.kind == "sysfs" else path_of(entry.name)
        # Control groups are too many to go through them; one is shown by its path.
        if "{group}" in path:
            return
        if "{" not in path:
            paths = [path]
        else:
            wild = re.sub(r"\{\w+\}", "*", glob.escape(self._root + path))
            paths = [found.removeprefix(self._root) for found in glob.glob(wild)]
        for place in sorted(paths)[:_MOST]:
            try:
                yield Shown(catalogue.canonical(place), self._host.read(Place(place)))
            except FileNotFoundError:
                continue
            except OSError:
                yield Shown(catalogue.canonical(place), None)
