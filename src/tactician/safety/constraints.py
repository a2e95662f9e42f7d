"""What must hold between places according to the catalogue, in the names of one experiment.

The kernel checks little of it: a smallest buffer above the largest and a background limit above the limit are
taken without an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from oppertune.core.space import Constraint
from tactician import catalogue
from tactician.experiment import TunedParameter

_INDEX = re.compile(r"\[(\d+)\]$")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PART = re.compile(r"[^\s<>=*+]+(?:\[\d+\])?")


def field_of(name: str) -> tuple[str, int | None]:
    """Split a name into the catalogue's spelling of its place and the number of its field."""
    index = _INDEX.search(name)
    return catalogue.canonical(name), int(index[1]) if index else None


def place_names(text: str) -> tuple[str, ...]:
    """Return the places that a constraint of the catalogue speaks of, as it spells them."""
    return tuple(part for part in _PART.findall(text) if not _NUMBER.fullmatch(part) and len(part) > 1)


def binding(parameters: Sequence[TunedParameter]) -> list[tuple[str, Constraint]]:
    """Return the catalogue's constraints on these parameters, with names of places in them.

    Returns:
        Pairs of the text and the constraint, each once; the names are those of the catalogue.
    """
    found: dict[str, Constraint] = {}
    for tuned in parameters:
        if tuned.kind in ("argument", "environment"):
            continue
        known = catalogue.entry(tuned.target)
        for text in known.constraints if known else ():
            if text not in found and field_of(tuned.target) in map(field_of, place_names(text)):
                found[text] = Constraint.parse(text, place_names(text))
    return list(found.items())


def broken_within(known: catalogue.Entry, numbers: Sequence[float]) -> Iterator[str]:
    """Yield the constraints between the fields of one place that these numbers break."""
    values: Mapping[str, float] = {f"{known.name}[{index}]": value for index, value in enumerate(numbers)}
    for text in known.constraints:
        constraint = Constraint.parse(text, place_names(text))
        if set(constraint.names) <= set(values) and not constraint.holds(values):
            yield text
