"""Finds knobs that a request calls by name, in full or by the last part of it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from cli_ai.strategist.rules.words import Clause
from tactician import catalogue

_SHORTEST = 6
_PREFIXES = ("vm", "kernel", "fs", "net.core", "net.ipv4")
# Last parts of names that are ordinary words.
_ORDINARY = frozenset(
    [
        "timeout",
        "enabled",
        "scheduler",
        "rotational",
        "threads",
        "switch",
        "memory",
        "network",
        "limit",
        "weight",
        "access",
        "charset",
        "engine",
        "server",
        "default",
        "binlog",
        "sendfile",
        "aio",
        "gzip",
        "daemon",
        "listen",
        "backlog",
        "timeouts",
        "directio",
    ]
)


def named_knobs(clause: Clause) -> Iterator[str]:
    """Every knob that a clause names, as the catalogue spells it; dangerous and unknown keys as written."""
    for word in clause.words:
        found = knob_of(word)
        if found:
            yield found


@functools.lru_cache(maxsize=1024)
def knob_of(word: str) -> str:
    """The knob that a word names; empty if it names none."""
    bare = word.partition("=")[0].strip(".")
    if "." in bare or bare.startswith("/"):
        known = catalogue.entry(bare)
        if known is not None:
            return known.name
        return bare if catalogue.danger(bare) is not None or catalogue.absent(bare) is not None else ""
    if len(bare) < _SHORTEST and "_" not in bare:
        return ""
    return _short().get(bare.replace("-", "_"), "") or _dangerous(bare)


def _dangerous(word: str) -> str:
    """The dangerous key that a word is the last part of, such as ``overcommit_memory``."""
    names = (f"{prefix}.{word}" for prefix in _PREFIXES if "_" in word)
    return next((name for name in names if catalogue.danger(name) is not None), "")


@functools.cache
def _short() -> Mapping[str, str]:
    """Names by their last part, where that is unmistakable."""
    found: dict[str, list[str]] = {}
    for entry in catalogue.entries():
        last = entry.name.rsplit("/", 1)[-1] if entry.kind == "sysfs" else entry.name.rsplit(".", 1)[-1]
        found.setdefault(last.replace("-", "_").lower(), []).append(entry.name)
    for name in catalogue.dangers():
        if "*" not in name and not name.startswith("/") and "_" in name.rsplit(".", 1)[-1]:
            found.setdefault(name.rsplit(".", 1)[-1].replace("-", "_"), []).append(name)
    return {
        last: names[0]
        for last, names in found.items()
        if len(set(names)) == 1
        and last not in _ORDINARY
        and (len(last) >= _SHORTEST or "_" in last or last == "fsync")
    }
