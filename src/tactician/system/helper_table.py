"""Compiles the catalogue into the plain table that the root helper reads, with this host's numbers in it.

The helper itself imports nothing but the standard library and the way back; formulas, dangers and
spellings are settled here, beforehand, by root.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tactician import catalogue
from tactician.errors import OperatorError
from tactician.system import facts
from tactician.system.sysctl import path_of
from tactician.undo.helper_rules import VERSION, Table

_WORDS = {"net.ipv4.tcp_congestion_control": "/proc/sys/net/ipv4/tcp_allowed_congestion_control"}
"""Where the permitted words depend on the host, the file that lists them."""

_SIDE = r"([\w./{}-]+?)(?:\[(\d+)\])?(?: \+ (\d+))?"
_RELATION = re.compile(rf"{_SIDE} (<=|>=|<|>) {_SIDE}")


def compile_table(facts_of_host: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Return the table for this host.

    Left out are services, what the catalogue calls dangerous, what knows neither a range nor values, and
    what has no range on such a host.
    """
    numbers = facts.numbers() if facts_of_host is None else facts_of_host
    knobs: list[dict[str, Any]] = []
    relations: set[str] = set()
    for known in catalogue.entries():
        if known.kind == "service" or catalogue.danger(known.name) is not None:
            continue
        with contextlib.suppress(ValueError):  # its range is empty here, so there is nothing to permit
            entry = _compiled(catalogue.resolve(known, numbers))
            if entry is not None:
                knobs.append(entry)
                relations.update(known.constraints)
    compiled = [found for text in sorted(relations) if (found := _relation(text)) is not None]
    return {
        "version": VERSION,
        "facts": dict(numbers),
        "knobs": knobs,
        "constraints": compiled,
        "unstable": list(catalogue.unstable_patterns()),
    }


def write_table(path: Path) -> int:
    """Compile into a file that only root can change, in one step; return how many knobs it permits.

    Raises:
        OperatorError: the file cannot be written.
    """
    document = compile_table()
    count = len(Table(document))  # the helper's own eyes
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        beside.chmod(0o644)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise OperatorError(f"{path} cannot be written: {error.strerror}; it takes root") from error
    return count


def _compiled(known: catalogue.Entry) -> dict[str, Any] | None:
    words = _WORDS.get(known.name, "")
    numbers = isinstance(known.low, int | float) and isinstance(known.high, int | float)
    if not (known.values or words or numbers):
        return None
    return {
        "name": known.name,
        "path": _path(known.name),
        "low": known.low,
        "high": known.high,
        "values": list(known.values),
        "words": words,
        "pair": [_path(name) for name in known.pair],
        "namespaced": known.kind == "sysctl" and known.scope == "namespace",
    }


def _path(name: str) -> str:
    return name if name.startswith("/") else path_of(name)


def _relation(text: str) -> list[Any] | None:
    """Return a relation as paths and numbers; None for one over patterns, which cannot be told apart."""
    match = _RELATION.fullmatch(text)
    if match is None or "{" in text:
        return None
    left, left_field, left_added, sign, right, right_field, right_added = match.groups()
    sides = ((left, left_field, left_added), (right, right_field, right_added))
    one, other = ([_path(name), int(field or 0), int(added or 0)] for name, field, added in sides)
    return [one, sign, other]
