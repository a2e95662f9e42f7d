"""What is known about parameters, as data: safe ranges, couplings, dangers, and names that are gone.

The facts stand in the ``.toml`` files beside this one and are reviewed like code; this package only
looks them up, with the standard library.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase, translate
from importlib import resources
from typing import Any, NamedTuple

from tactician.catalogue._entries import (
    SERVICES,
    Entry,
    Kind,
    Limit,
    limits,
    placed,
    read_entry,
    resolve,
)
from tactician.catalogue._formulas import FACTS, evaluate
from tactician.catalogue._names import SYSCTL_ROOT, canonical, shape

__all__ = [
    "FACTS",
    "SERVICES",
    "SYSCTL_ROOT",
    "Absent",
    "Entry",
    "Kind",
    "Limit",
    "absent",
    "absents",
    "canonical",
    "danger",
    "dangers",
    "durability_risks",
    "entries",
    "entry",
    "evaluate",
    "is_unstable",
    "limits",
    "names",
    "resolve",
    "unstable_patterns",
]


class Absent(NamedTuple):
    """A name that newer kernels dropped.

    Attributes:
        since: kernel version from which it is gone.
        reason: what became of it.
        instead: what could be tuned in its place.
        successor: a file that has the same meaning, where it can be used; else empty.
    """

    since: str
    reason: str
    instead: tuple[str, ...]
    successor: str


def entry(name: str) -> Entry | None:
    """Look up a parameter by any spelling of its name, with or without a field index.

    A path such as ``/sys/block/vda/queue/nr_requests`` finds the entry of its pattern, with the names in
    ``pair``, ``couples`` and ``constraints`` made concrete.
    """
    wanted = name if name in _data().knobs else canonical(name)
    found = _data().knobs.get(wanted)
    if found is not None:
        return found
    for pattern, known in _data().patterns:
        match = pattern.fullmatch(wanted)
        if match:
            return placed(known, wanted, match.groupdict())
    return None


def entries(prefix: str = "") -> tuple[Entry, ...]:
    """Return every entry whose name begins so, in the order of the files."""
    return tuple(known for name, known in _data().knobs.items() if name.startswith(prefix))


def names() -> tuple[str, ...]:
    """Return every catalogued sysctl."""
    return tuple(known.name for known in entries() if known.kind == "sysctl")


def absent(name: str) -> Absent | None:
    """Look up a name that newer kernels dropped."""
    return _data().absent.get(canonical(name))


def absents() -> Mapping[str, Absent]:
    """Return every name that newer kernels dropped."""
    return _data().absent


def danger(name: str) -> str | None:
    """Return why something is never tuned, by any spelling of its name; None if nothing is against it."""
    wanted = canonical(name)
    if not _data().dangerous.match(wanted):
        return None
    return next(reason for pattern, reason in _data().danger.items() if fnmatchcase(wanted, pattern))


def dangers() -> Mapping[str, str]:
    """Return the patterns of what is never tuned, with the reasons."""
    return _data().danger


def durability_risks(name: str) -> tuple[str, ...]:
    """Return the values of a setting that give up crash safety, in lower case."""
    short = name.replace("-", "_").rsplit(".", 1)[-1].lower()
    return _data().durability.get(short, ())


def is_unstable(path: str) -> bool:
    """Whether a file below /proc/sys or /sys changes by itself."""
    relative = path.removeprefix(SYSCTL_ROOT)
    return any(fnmatchcase(relative, pattern) for pattern in _data().unstable)


def unstable_patterns() -> tuple[str, ...]:
    """Return the patterns behind :func:`is_unstable`, relative to /proc/sys or absolute."""
    return _data().unstable


class _Data(NamedTuple):
    """All files together."""

    knobs: Mapping[str, Entry]
    patterns: tuple[tuple[re.Pattern[str], Entry], ...]
    absent: Mapping[str, Absent]
    danger: Mapping[str, str]
    dangerous: re.Pattern[str]
    durability: Mapping[str, tuple[str, ...]]
    unstable: tuple[str, ...]


@functools.cache
def _data() -> _Data:
    knobs: dict[str, Entry] = {}
    found: dict[str, dict[str, Any]] = {"absent": {}, "danger": {}, "durability": {}, "unstable": {}}
    files = (file for file in resources.files(__package__).iterdir() if file.name.endswith(".toml"))
    for file in sorted(files, key=lambda file: file.name):
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        for name, table in tables.pop("knob", {}).items():
            if name in knobs:
                raise ValueError(f"{file.name}: knob {name!r} stands in another file already")
            knobs[name] = read_entry(name, table)
        for section, table in tables.items():
            if section not in found:
                raise ValueError(f"{file.name} has the unknown table {section!r}")
            found[section] |= table
    return _Data(
        knobs,
        tuple((shape(name), known) for name, known in knobs.items() if "{" in name),
        {
            name: Absent(table["since"], table["reason"], tuple(table["instead"]), table.get("successor", ""))
            for name, table in found["absent"].items()
        },
        found["danger"],
        re.compile("|".join(map(translate, found["danger"]))),
        {name: tuple(str(value).lower() for value in risks) for name, risks in found["durability"].items()},
        tuple(found["unstable"].get("patterns", ())),
    )
