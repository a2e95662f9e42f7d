"""Reads the words and the hazards that stand as data beside this module."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, NamedTuple


class Hazard(NamedTuple):
    """Something that is refused.

    Attributes:
        name: what it is called in the plan.
        words: phrases that ask for it.
        signs: pieces of text that do, also inside words.
        why: one sentence.
        all: whether nothing of the request is done.
    """

    name: str
    words: tuple[str, ...]
    signs: tuple[str, ...]
    why: str
    all: bool


def section(name: str) -> Mapping[str, Any]:
    """One table of the vocabulary, such as ``service``."""
    found: Mapping[str, Any] = _vocabulary()[name]
    return found


@functools.cache
def common_words() -> frozenset[str]:
    """Words that are never taken for misspelt ones."""
    return frozenset(section("common")["words"])


@functools.cache
def phrases() -> tuple[str, ...]:
    """Every phrase that means something."""

    def listed(table: Any) -> Iterator[str]:
        if isinstance(table, list):
            yield from table
        elif isinstance(table, dict):
            for key, inner in table.items():
                if key not in ("patterns", "class"):
                    yield from listed(inner)

    return tuple(
        phrase for name, table in _vocabulary().items() if name != "common" for phrase in listed(table)
    )


@functools.cache
def hazards() -> tuple[Hazard, ...]:
    """Everything that is refused by its words."""
    return tuple(
        Hazard(
            table["name"],
            tuple(table.get("words", ())),
            tuple(table.get("signs", ())),
            table["why"],
            bool(table.get("all", False)),
        )
        for table in _read("hazards.toml")["hazard"]
    )


@functools.cache
def _vocabulary() -> Mapping[str, Any]:
    return _read("vocabulary.toml")


def _read(name: str) -> Mapping[str, Any]:
    return tomllib.loads((resources.files(__package__) / name).read_text(encoding="utf-8"))
