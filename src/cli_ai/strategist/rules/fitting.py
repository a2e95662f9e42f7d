"""Fits the range of a knob to this host: the catalogue's safe range, narrowed around what it has now."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.rules.relevance import main_disk, table
from tactician import catalogue
from tactician.catalogue import Entry

_FACTOR = 16
_FEW = 2
_PAGE_BYTES = 4096
_USUAL_LINK_MBIT = 1000
_FIELD = re.compile(r"\[(\d+)\]$")
# "a < b" and "a + 999 <= b": what the catalogue's comparisons look like.
_COMPARISON = re.compile(r"(\S+)(?: \+ (\d+))? (<=?) (\S+)")


class Fitted(NamedTuple):
    """One knob ready to be tuned.

    Attributes:
        item: for ``action_space``.
        shown: the range in words.
        entry: what the catalogue says of it, with this host's numbers.
        now: what it has; empty where that is not known.
    """

    item: dict[str, Any]
    shown: str
    entry: Entry
    now: str


def fit(
    name: str, facts: HostFacts, asked: tuple[float | None, float | None] = (None, None)
) -> Fitted | None:
    """Fit one knob to a host.

    Args:
        name: as the catalogue spells it, with the disk's name and the field in it.
        facts: of the host.
        asked: a range that somebody prefers; it only ever narrows the safe one.

    Returns:
        None where nothing is known about it, or nothing is left to try.
    """
    entry = catalogue.entry(name)
    if entry is None or catalogue.danger(name) is not None or catalogue.durability_risks(name):
        return None
    try:
        entry = catalogue.resolve(entry, host_numbers(facts))
    except ValueError:
        return None
    text = facts.values.get(name.partition("[")[0], "")
    listed = table("values").get(_pattern(name, facts)) or _switch(entry)
    if entry.values or listed:
        return _choice(name, entry, text, tuple(listed or entry.values))
    return _number(name, entry, text, asked, facts)


def host_numbers(facts: HostFacts) -> dict[str, float]:
    """The facts that formulas of the catalogue may name."""
    speeds = [link.speed_mbit for link in facts.links if link.speed_mbit]
    return {
        "memory_bytes": facts.memory_bytes or 1 << 30,
        "cores": facts.cores,
        "page_bytes": _PAGE_BYTES,
        "swap_bytes": facts.swap_bytes,
        "link_mbit": max(speeds, default=_USUAL_LINK_MBIT),
    }


def constraints_among(entries: Collection[Entry], names: Collection[str]) -> list[str]:
    """The catalogue's comparisons that hold between tuned knobs."""
    found = [text for entry in entries for text in entry.constraints if set(_names_in(text)) <= set(names)]
    return list(dict.fromkeys(found))


# ---- words -------------------------------------------------------------------------------------------------


def _switch(entry: Entry) -> tuple[str, ...]:
    """The values of a switch that is written as a number."""
    low, high = entry.low, entry.high
    if entry.type != "int" or entry.kind == "service" or not (isinstance(low, int) and isinstance(high, int)):
        return ()
    return tuple(str(number) for number in range(low, high + 1)) if 0 < high - low <= _FEW else ()


def _choice(name: str, entry: Entry, text: str, values: tuple[str, ...]) -> Fitted | None:
    now, offered = _bracketed(text)
    if offered:
        values = tuple(value for value in values if value in offered)
    if len(values) < _FEW or (now and now not in values and entry.kind != "service"):
        return None
    item = {"param": name, "type": "categorical", "values": list(values)}
    return Fitted(item, ", ".join(values), entry, now)


def _bracketed(text: str) -> tuple[str, tuple[str, ...]]:
    """What is chosen and what is offered in ``always [madvise] never``."""
    match = re.search(r"\[([^\]]+)\]", text)
    if match is None:
        return text.strip(), ()
    return match[1], tuple(text.replace("[", "").replace("]", "").split())


# ---- numbers -----------------------------------------------------------------------------------------------


def _number(
    name: str, entry: Entry, text: str, asked: tuple[float | None, float | None], facts: HostFacts
) -> Fitted | None:
    if not isinstance(entry.low, int | float) or not isinstance(entry.high, int | float):
        return None
    low: float = entry.low
    high: float = entry.high
    now = _value(name, text)
    if text and (now is None or not low <= now <= high):
        return None  # it means something else here, such as a ratio whose twin in bytes is in force
    around = now if now is not None else _default(name, entry)
    low, high = _narrowed(name, entry, low, high, around)
    low, high = _asked_for(low, high, asked, around)
    low, high = _clipped(name, entry, low, high, facts)
    whole = entry.type == "int"
    if low >= high:
        return None
    step = 0.0
    if whole:
        low, high = math.ceil(low), math.floor(high)
    else:
        step = 10.0 ** (math.floor(math.log10(high - low)) - 2)
        low = _multiple(math.ceil(low / step - 1e-9), step)
        high = _multiple(math.floor(high / step + 1e-9), step)
    if low >= high or (now is not None and not low <= now <= high):
        return None
    # Servers keep six digits of a fraction or fewer, and what reads back otherwise has failed.
    shape: Mapping[str, Any] = {"type": "int"} if whole else {"type": "float", "step": step}
    ends = [int(low), int(high)] if whole else [low, high]
    item = {"param": name, "min": ends[0], "max": ends[1], **shape}
    if entry.scale == "log" and low > 0:
        item["log"] = True
    unit = f" {entry.unit}" if entry.unit else ""
    return Fitted(item, f"{ends[0]} to {ends[1]}{unit}", entry, "" if now is None else f"{now:g}")


def _narrowed(name: str, entry: Entry, low: float, high: float, around: float | None) -> tuple[float, float]:
    within = table("within").get(name)
    if within and (around is None or within[0] <= around <= within[1]):
        low, high = max(low, within[0]), min(high, within[1])
    if entry.scale == "log" and around is not None and around > 0:
        factor = table("factor").get(name, _FACTOR)
        low, high = max(low, around / factor), min(high, around * factor)
    return low, high


def _asked_for(
    low: float, high: float, asked: tuple[float | None, float | None], around: float | None
) -> tuple[float, float]:
    least, most = asked
    narrow_low = low if least is None else max(low, least)
    narrow_high = high if most is None else min(high, most)
    if narrow_low >= narrow_high:
        return low, high
    if around is not None and low <= around <= high:  # what the host has must stay a point of the search
        narrow_low, narrow_high = min(narrow_low, around), max(narrow_high, around)
    return narrow_low, narrow_high


def _clipped(name: str, entry: Entry, low: float, high: float, facts: HostFacts) -> tuple[float, float]:
    """Keep to comparisons with knobs as they are now."""
    if entry.kind == "service":
        return low, high
    for text in entry.constraints:
        match = _COMPARISON.fullmatch(text)
        if match is None:
            continue
        small, gap, strict, large = match[1], float(match[2] or 0), match[3] == "<", match[4]
        gap += 1.0 if strict else 0.0
        other = _value_of(large if small == name else small, facts)
        if other is None:
            continue
        if small == name:
            high = min(high, other - gap)
        elif large == name:
            low = max(low, other + gap)
    return low, high


def loosened(fitted: Fitted, names: Collection[str], facts: HostFacts) -> Fitted:
    """The same knob with its whole range where the one it is compared with is tuned too."""
    partners = {other for text in fitted.entry.constraints for other in _names_in(text)} - {
        fitted.item["param"]
    }
    if not partners or not partners <= set(names) or fitted.entry.kind == "service":
        return fitted
    free = fitted.entry._replace(constraints=())
    name = fitted.item["param"]
    text = facts.values.get(name.partition("[")[0], "")
    again = _number(name, free, text, (None, None), facts)
    return fitted if again is None else again._replace(entry=fitted.entry)


def _names_in(text: str) -> tuple[str, ...]:
    match = _COMPARISON.fullmatch(text)
    return (match[1], match[4]) if match else (text,)


def _value_of(name: str, facts: HostFacts) -> float | None:
    return _value(name, facts.values.get(name.partition("[")[0], ""))


def _value(name: str, text: str) -> float | None:
    match = _FIELD.search(name)
    parts = text.split()
    index = int(match[1]) if match else 0
    if index >= len(parts) or (match is None and len(parts) > 1):
        return None
    try:
        return float(parts[index])
    except ValueError:
        return None


def _default(name: str, entry: Entry) -> float | None:
    if isinstance(entry.default, int | float):
        return float(entry.default)
    return _value(name, entry.default or "")


def _multiple(count: int, step: float) -> float:
    return float(f"{count * step:.10g}")


def _pattern(name: str, facts: HostFacts) -> str:
    disk = main_disk(facts)
    return name.replace(f"/sys/block/{disk}/", "/sys/block/{disk}/") if disk else name
