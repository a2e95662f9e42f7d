"""What the root helper permits, read once from a compiled table: which places, and which values in them.

Nothing that a client sends can widen it. The table is JSON, written beforehand by ``tactician helper
--compile`` from the catalogue, and must belong to root::

    {"version": 1,
     "knobs": [{"name", "path", "low", "high", "values", "words": path, "pair": [paths], "namespaced": bool}],
     "constraints": [[[path, field, added], "<", [path, field, added]]],
     "unstable": [patterns of files below /proc/sys that change by themselves]}

A path may hold ``{disk}``-like parts, each standing for one name in a folder.
"""

from __future__ import annotations

import json
import operator
import os
import re
import stat
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

VERSION = 1
LONGEST_TEXT = 256
_ROOTS = ("/proc/sys/", "/sys/")
_PART = re.compile(r"\{(\w+)\}")
_NAME = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.:@!+-]{1,128}"
_NETNS = re.compile(rf"/run/netns/{_NAME}")
# Decimal and nothing else: the kernel reads 010 as octal and 0x20 as hexadecimal.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


Side = tuple[str, int, int]
"""One side of a relation: a path, which of its numbers, and what is added to that."""


class Refusal(Exception):  # noqa: N818 - an answer to the client, not a fault
    """A request that is not permitted; its text says what is."""


class TableError(Exception):
    """The compiled table cannot be used."""


class Rule(NamedTuple):
    """One permitted knob.

    Attributes:
        name: as in the catalogue.
        path: of its file, perhaps with ``{disk}``-like parts.
        low, high: the hard range of each number in it; None where the values are words.
        values: the permitted words.
        words: a file that lists the permitted words; empty for none.
        pair: files that a write here changes too, restored together with it.
        namespaced: whether it may be written in a named network namespace.
    """

    name: str
    path: str
    low: float | None
    high: float | None
    values: tuple[str, ...]
    words: str
    pair: tuple[str, ...]
    namespaced: bool

    def placed(self, path: str, parts: dict[str, str]) -> Rule:
        """Return the rule for one concrete path, with the same parts put into its pair."""
        pair = self.pair
        for part, name in parts.items():
            pair = tuple(other.replace(f"{{{part}}}", name) for other in pair)
        return self._replace(path=path, pair=pair)

    def judge(self, text: str, shown: str, words: str = "") -> None:
        """Check a text for a place that shows ``shown``. Raises Refusal with the range.

        Args:
            words: what the file ``words`` shows.
        """
        if len(text) > LONGEST_TEXT or not text.isascii() or not text.isprintable():
            raise Refusal(f"{self.name}: no such text is written")
        permitted = (*self.values, *words.split())
        if permitted or self.words:
            if text not in permitted:
                raise Refusal(f"{self.name}: {text!r} is none of {', '.join(permitted)}")
            return
        fields, have = text.split(" "), shown.split()
        if len(fields) != len(have):
            raise Refusal(f"{self.name}: {text!r} has {len(fields)} fields, the place has {len(have)}")
        for field, kept in zip(fields, have, strict=True):
            if field != kept and not self._in_range(field):
                raise Refusal(f"{self.name}: {field!r} is outside {self.low:g} to {self.high:g}")

    def _in_range(self, field: str) -> bool:
        if self.low is None or self.high is None or not _NUMBER.fullmatch(field):
            return False
        return self.low <= int(field) <= self.high


class Table:
    """Every rule, by path.

    Args:
        document: as compiled.

    Raises:
        TableError: it is of another version, or a rule in it makes no sense.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        if document.get("version") != VERSION:
            raise TableError(f"it is no table of version {VERSION}; compile it anew")
        self._plain: dict[str, Rule] = {}
        self._patterns: list[tuple[re.Pattern[str], Rule]] = []
        try:
            for entry in document["knobs"]:
                self._add(_rule(entry))
            self._constraints = [_constraint(entry) for entry in document.get("constraints", [])]
            self._unstable = [str(pattern) for pattern in document.get("unstable", [])]
        except (KeyError, TypeError, ValueError) as error:
            raise TableError(f"a rule in it makes no sense: {error!r}") from error

    def __len__(self) -> int:
        return len(self._plain) + len(self._patterns)

    def rule(self, path: str) -> Rule:
        """Return the rule of a path. Raises Refusal where there is none."""
        found = self._plain.get(path)
        if found is not None:
            return found
        for pattern, rule in self._patterns:
            match = pattern.fullmatch(path)
            if match:
                return rule.placed(path, match.groupdict())
        raise Refusal(f"{path[:200]!r} is not on the list of what may be tuned")

    def place(self, path: object, netns: object) -> tuple[str, str, Rule]:
        """Check a place that a client names. Raises Refusal."""
        if not isinstance(path, str) or not isinstance(netns, str):
            raise Refusal("a place is a path and a namespace, both texts")
        rule = self.rule(path)
        if netns:
            check_namespace(netns)
            if not rule.namespaced:
                raise Refusal(f"{rule.name} belongs to the whole host, not to a network namespace")
        return path, netns, rule

    def judge_relations(self, path: str, before: str, after: str, others: dict[str, str]) -> None:
        """Refuse a write that breaks a relation between places which holds now.

        Args:
            before, after: what the place shows, and would show.
            others: what other places of its relations show.
        """
        for left, sign, right in self._constraints:
            if path not in (left[0], right[0]):
                continue
            now = {**others, path: before}
            then = {**others, path: after}
            if _holds(left, sign, right, now) and _holds(left, sign, right, then) is False:
                raise Refusal(f"{after!r} breaks {left[0]}[{left[1]}] {sign} {right[0]}[{right[1]}]")

    def related(self, path: str) -> set[str]:
        """Return the other places of the relations in which a place stands."""
        found = {side[0] for left, _, right in self._constraints for side in (left, right)
                 if path in (left[0], right[0])}  # fmt: skip
        return found - {path}

    def is_unstable(self, path: str) -> bool:
        """Whether a file changes by itself, so that its change means nothing."""
        relative = path.removeprefix("/proc/sys/")
        return any(fnmatchcase(relative, pattern) for pattern in self._unstable)

    def _add(self, rule: Rule) -> None:
        if _PART.search(rule.path):
            pieces = _PART.split(rule.path)
            shape = "".join(
                f"(?P<{piece}>{_NAME})" if odd % 2 else re.escape(piece) for odd, piece in enumerate(pieces)
            )
            self._patterns.append((re.compile(shape), rule))
        else:
            self._plain[rule.path] = rule


def check_namespace(netns: str) -> None:
    """Permit only what ``ip netns add`` makes: a file of root's below /run/netns. Raises Refusal."""
    if not _NETNS.fullmatch(netns):
        raise Refusal(f"{netns[:200]!r} is no namespace below /run/netns")
    try:
        found = os.lstat(netns)
    except OSError as error:
        raise Refusal(f"{netns}: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode) or found.st_uid != 0:
        raise Refusal(f"{netns} is no namespace")


def load(path: Path) -> Table:
    """Read a compiled table.

    Raises:
        TableError: it is absent or damaged, or somebody else than root could have written it.
    """
    distrust = why_distrusted(path)
    if distrust:
        raise TableError(f"{path}: {distrust}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Table(document if isinstance(document, dict) else {})
    except (OSError, ValueError, RecursionError) as error:
        raise TableError(f"{path} cannot be read: {error}") from error
    except TableError as error:
        raise TableError(f"{path}: {error}") from error


def why_distrusted(path: Path) -> str:
    """Say who else than root and we could change a file or a folder on the way to it; empty if nobody."""
    resolved = Path(os.path.realpath(path))
    for step in (resolved, *resolved.parents):
        try:
            found = step.stat()
        except OSError as error:
            return f"{step}: {error.strerror}"
        if found.st_uid not in (0, os.geteuid()):
            return f"{step} belongs to uid {found.st_uid}, who could change what root runs"
        sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_mode & 0o022 and not sticky:
            return f"{step} can be written by others than its owner"
    return ""


def _rule(entry: dict[str, Any]) -> Rule:
    path, values = entry["path"], tuple(str(value) for value in entry.get("values", ()))
    low, high = entry.get("low"), entry.get("high")
    if not path.startswith(_ROOTS) or ".." in path.split("/"):
        raise ValueError(f"{path} is not below /proc/sys or /sys")
    words = str(entry.get("words", ""))
    numbers = isinstance(low, int | float) and isinstance(high, int | float) and low <= high
    if not (values or words or numbers):
        raise ValueError(f"{path} has neither a range nor values")
    pair = tuple(entry.get("pair", ()))
    return Rule(entry["name"], path, low, high, values, words, pair, bool(entry.get("namespaced", False)))


def _constraint(entry: Any) -> tuple[Side, str, Side]:
    left, sign, right = entry
    if sign not in _COMPARE:
        raise ValueError(f"{sign!r} compares nothing")
    return _side(*left), sign, _side(*right)


def _side(path: str, number: int, added: int) -> Side:
    return str(path), int(number), int(added)


def _holds(left: Side, sign: str, right: Side, shown: dict[str, str]) -> bool | None:
    """Whether a relation holds; None where one of its numbers cannot be read."""
    try:
        one, other = (int(shown[path].split()[field]) + added for path, field, added in (left, right))
    except (KeyError, IndexError, ValueError):
        return None
    return bool(_COMPARE[sign](one, other))
