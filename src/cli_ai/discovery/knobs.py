"""Which catalogued knobs of the host exist here, what they read as, and which may be written."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from cli_ai.discovery.tree import Tree, clean
from tactician import catalogue
from tactician.ports import Place
from tactician.system.files import RealHost

MOST_OF_A_PATTERN = 1024
"""Places that one pattern of the catalogue, such as ``{disk}``, may stand for."""

_BLANK = re.compile(r"\{\w+\}")
# Devices without a queue of their own, and groups of the kernel's bookkeeping.
_LEFT_OUT = re.compile(r"/(?:loop|ram|zram|sr|fd)\d|/(?:class/net|neigh)/lo/|neigh/default/")


class Knobs(NamedTuple):
    """What was found.

    Attributes:
        present: names, concrete where the catalogue has a pattern.
        writable: those that could be opened for writing.
        absent: catalogued names, and names that kernels dropped, of which there is none here.
        values: what the present ones read as.
        notes: what was left out.
    """

    present: tuple[str, ...]
    writable: tuple[str, ...]
    absent: tuple[str, ...]
    values: dict[str, str]
    notes: tuple[str, ...]


def knobs(tree: Tree) -> Knobs:
    """Read every place, and open it for writing without a byte written, as preflight does."""
    host = RealHost(tree.root)
    values: dict[str, str] = {}
    writable, absent, notes = [], [], []
    for entry in catalogue.entries():
        if entry.kind == "service":
            continue
        places = list(_places(tree, entry.name))
        if len(places) > MOST_OF_A_PATTERN:
            notes.append(f"Of {entry.name} only {MOST_OF_A_PATTERN} of {len(places)} are looked at.")
        seen = False
        for name, path in places[:MOST_OF_A_PATTERN]:
            try:
                text = host.read(Place(path))
            except (OSError, ValueError):
                continue
            seen = True
            if not text.strip():
                continue  # what reads as empty could not be restored
            values[name] = clean(text)
            if _opens(host, path):
                writable.append(name)
        if not seen:
            absent.append(entry.name)
    gone = (name for name in catalogue.absents() if not tree.exists(_path(name)))
    missing = tuple(dict.fromkeys((*absent, *gone)))
    return Knobs(tuple(values), tuple(writable), missing, values, tuple(notes))


def _opens(host: RealHost, path: str) -> bool:
    try:
        host.probe_write(Place(path))
    except OSError:
        return False
    return True


def _places(tree: Tree, pattern: str) -> Iterator[tuple[str, str]]:
    """Return names and paths that a catalogued name stands for here."""
    path = _path(pattern)
    if "{" not in path:
        yield pattern, path
        return
    folder = path[: path.index("{")].rpartition("/")[0]
    rest = _BLANK.sub("*", path.removeprefix(folder + "/"))
    matching = catalogue.entry(pattern)
    found = (place for place in tree.find(folder, rest) if not _LEFT_OUT.search(place))
    for place in itertools.islice(found, 2 * MOST_OF_A_PATTERN):
        name = catalogue.canonical(place)
        if (known := catalogue.entry(name)) is not None and matching and known.pattern == matching.pattern:
            yield name, place


def _path(name: str) -> str:
    if name.startswith("/"):
        return name
    return catalogue.SYSCTL_ROOT + name.translate(str.maketrans("./", "/."))
