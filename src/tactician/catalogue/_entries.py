"""How one table of a catalogue file is read: every key it may hold, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from tactician.catalogue._formulas import evaluate

Kind = Literal["sysctl", "sysfs", "service"]
Limit = int | float | str | None
"""A number, a formula of host facts, or None where values are words."""

SERVICES = ("postgresql", "nginx", "redis", "mysql", "file")
"""First parts of names that are settings of a service."""

_LISTS = ("pair", "couples", "constraints", "owners", "workloads", "fields")
_TEXTS = ("unit", "type", "scale", "since", "until", "scope", "acts", "disrupts")
_KEYS = {"what", "range", "values", "special", "default", "source", "step", *_LISTS, *_TEXTS}


class Entry(NamedTuple):
    """One known parameter.

    Attributes:
        what: one sentence on what it does.
        low, high: the safe range, for every number in the value; None where the values are words. Before
            :func:`resolve`, text is a formula of host facts.
        pair: keys that a write changes as well, and that are restored with it.
        acts: when a change takes effect.
        source: where the claim comes from.
        name: as it was asked for, with concrete devices, in the catalogue's spelling.
        pattern: as the catalogue lists it; differs from ``name`` only where that has ``{disk}`` or such.
        kind: where it lives.
        unit: what a number counts; empty for words and switches.
        type: ``int``, ``float``, ``choice`` or ``text``.
        values: all words that may be tried; empty where numbers, or words of the host, may.
        step: values are multiples of it, because the kernel rounds others without a word; None for any.
        scale: how numbers are searched, ``linear`` or ``log``.
        special: values that mean something else than their size; those outside the range are explained, not
            allowed.
        default: what a kernel or server starts with; text is a formula where the type is a single number.
        since, until: first and last kernel or server version that has it; empty where all do.
        scope: what it belongs to: ``namespace``, ``host``, ``device``, ``cgroup`` or ``service``.
        couples: keys whose best value depends on this one.
        constraints: comparisons that must hold, over names like this one.
        owners: who else may set it.
        workloads: what it can matter for.
        disrupts: what a change interrupts; empty for nothing.
        fields: names of the numbers where the value has several.
    """

    what: str
    low: Limit
    high: Limit
    pair: tuple[str, ...] = ()
    acts: str = "at once"
    source: str = ""
    name: str = ""
    pattern: str = ""
    kind: Kind = "sysctl"
    unit: str = ""
    type: str = "int"
    values: tuple[str, ...] = ()
    scale: str = "linear"
    special: Mapping[str, str] = {}
    default: Limit = None
    since: str = ""
    until: str = ""
    scope: str = "host"
    couples: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    disrupts: str = ""
    fields: tuple[str, ...] = ()
    step: Limit = None


def read_entry(name: str, table: Mapping[str, Any]) -> Entry:
    """Read one table.

    Raises:
        ValueError: a key is unknown or ``what`` or ``source`` is missing.
    """
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise ValueError(f"knob {name!r} has the unknown key {', '.join(unknown)}")
    if not table.get("what") or not table.get("source"):
        raise ValueError(f"knob {name!r} needs what and source")
    low, high = table.get("range", (None, None))
    given: dict[str, Any] = {key: table[key] for key in (*_TEXTS, "default", "step") if key in table}
    given |= {key: tuple(table[key]) for key in _LISTS if key in table}
    if "type" not in given:
        given["type"] = "choice" if "values" in table else "text" if low is None else "int"
    values = tuple(str(value) for value in table.get("values", ()))
    return Entry(
        table["what"],
        low,
        high,
        source=table["source"],
        name=name,
        pattern=name,
        kind=_kind(name),
        values=values,
        special=dict(table.get("special", {})),
        **given,
    )


def placed(entry: Entry, name: str, parts: Mapping[str, str]) -> Entry:
    """Return the entry of a pattern for one concrete name: ``{disk}`` becomes that disk everywhere."""

    def concrete(texts: tuple[str, ...]) -> tuple[str, ...]:
        for key, value in parts.items():
            texts = tuple(text.replace(f"{{{key}}}", value) for text in texts)
        return texts

    return entry._replace(
        name=name,
        pair=concrete(entry.pair),
        couples=concrete(entry.couples),
        constraints=concrete(entry.constraints),
    )


def resolve(entry: Entry, facts: Mapping[str, float]) -> Entry:
    """Return the entry with numbers in place of formulas.

    Whole-numbered parameters get whole limits, rounded inwards.

    Args:
        entry: from the catalogue.
        facts: ``memory_bytes``, ``cores``, ``page_bytes``, ``swap_bytes``, ``link_mbit``.

    Raises:
        ValueError: a formula names a fact that is not given, or its range is empty on such a host.
    """
    low, high = (_number(limit, facts) for limit in (entry.low, entry.high))
    if low is not None and high is not None:
        if entry.type == "int":
            low, high = math.ceil(low), math.floor(high)
        if low > high:
            raise ValueError(f"the range of {entry.name} is empty here: {low} to {high}")
    default = entry.default
    if isinstance(default, str) and entry.type in ("int", "float") and not entry.fields:
        default = _number(default, facts)
        if entry.type == "int" and default is not None:
            default = int(default)
    step = _number(entry.step, facts)
    return entry._replace(low=low, high=high, default=default, step=None if step is None else int(step))


def limits(entry: Entry, facts: Mapping[str, float]) -> tuple[float, float] | None:
    """Return the safe range of an entry on a host with these facts, None where its values are words.

    Raises:
        ValueError: as :func:`resolve`.
    """
    low, high = resolve(entry, facts)[1:3]
    if isinstance(low, int | float) and isinstance(high, int | float):
        return low, high
    return None


def _number(limit: Limit, facts: Mapping[str, float]) -> int | float | None:
    return evaluate(limit, facts) if isinstance(limit, str) else limit


def _kind(name: str) -> Kind:
    if name.startswith("/"):
        return "sysfs"
    return "service" if name.partition(".")[0] in SERVICES else "sysctl"
