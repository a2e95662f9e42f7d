"""What is known about parameters, as data: safe ranges, couplings, dangers, and names that are gone.

The facts stand in the ``.toml`` files beside this one and are reviewed like code; this module only
looks them up, with the standard library.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One known parameter.

    Attributes:
        what: one sentence on what it does.
        low, high: the safe range; None where the values are words.
        pair: keys that a write changes as well, and that are restored with it.
        acts: when a change takes effect.
        source: where the claim comes from.
    """

    what: str
    low: float | None
    high: float | None
    pair: tuple[str, ...]
    acts: str
    source: str


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
    """Look up a sysctl by its dotted name, without a field index."""
    found = _data()["knob"].get(name)
    if found is None:
        return None
    low, high = found.get("range", (None, None))
    return Entry(
        found["what"], low, high, tuple(found.get("pair", ())), found.get("acts", "at once"), found["source"]
    )


def absent(name: str) -> Absent | None:
    """Look up a name that newer kernels dropped."""
    found = _data()["absent"].get(name)
    if found is None:
        return None
    return Absent(found["since"], found["reason"], tuple(found["instead"]), found.get("successor", ""))


def danger(name: str) -> str | None:
    """Return why a sysctl is never tuned, None if nothing is known against it."""
    for pattern, reason in _data()["danger"].items():
        if fnmatchcase(name, pattern):
            return str(reason)
    return None


def durability_risks(name: str) -> tuple[str, ...]:
    """Return the values of a setting that give up crash safety, in lower case."""
    short = name.replace("-", "_").rsplit(".", 1)[-1].lower()
    return tuple(str(value).lower() for value in _data()["durability"].get(short, ()))


def is_unstable(path: str) -> bool:
    """Whether a file below /proc/sys changes by itself."""
    relative = path.removeprefix("/proc/sys/")
    return any(fnmatchcase(relative, pattern) for pattern in _data()["unstable"]["patterns"])


def names() -> tuple[str, ...]:
    """Return every catalogued sysctl."""
    return tuple(_data()["knob"])


@functools.cache
def _data() -> Mapping[str, Any]:
    return tomllib.loads((resources.files(__package__) / "sysctl.toml").read_text(encoding="utf-8"))
