"""Finds the JSON documents in an output, which may have notes before, between and after them."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

_DECODER = json.JSONDecoder(parse_int=float)
_BEGINNING = re.compile(r'^[ \t]{0,40}(?=\{\s{0,200}["}]|\[\s{0,200}[]\[{"0-9tfnN-])', re.MULTILINE)
_REST_OF_LINE = re.compile(r"[ \t,]{0,40}(?:\n|\Z)")
_DEEPEST = 20
_LONGEST_NAME = 300
_RECURSION_COST = 1_000_000
_MOST_DOCUMENTS = 10_000
_UNINDENTED = re.compile(r"\n[\[{]")


def documents(text: str) -> Iterator[tuple[object, int, int]]:
    """Yield each JSON object or list that begins on a line of its own, with its start and end.

    Whole numbers come as floats. The work is bounded by the size of the text however many
    beginnings of documents turn out to be none. Of tens of thousands the first and the last ones count.
    """
    if "{" not in text and "[" not in text:
        return
    budget = 2 * len(text) + 1_000_000
    position = 0
    count = 0
    while budget > 0:
        match = _BEGINNING.search(text, position)
        if match is None:
            return
        start = match.end()
        try:
            document, position = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            # The error counts the lines before it, which is what the second term pays for.
            budget -= error.pos - start + error.pos // 16 + 64
            position = start + 1
        except (RecursionError, ValueError):
            budget -= _RECURSION_COST
            position = start + 1
        else:
            # "[  5] 0.00-1.00 sec" and "[200] 15490 responses" begin like lists and are none.
            if _REST_OF_LINE.match(text, position):
                yield document, start, position
            count += 1
            if count == _MOST_DOCUMENTS and _UNINDENTED.search(text, position):
                position = _late_start(text, position)


def _late_start(text: str, position: int) -> int:
    """Return where the last ten thousand possible documents after ``position`` begin."""
    return deque((match.start() for match in _UNINDENTED.finditer(text, position)), _MOST_DOCUMENTS)[0]


def around(text: str, found: Iterable[tuple[object, int, int]]) -> str:
    """Return the text around these documents."""
    kept: list[str] = []
    position = 0
    for _, start, end in found:
        kept.append(text[position:start])
        position = end
    return "".join([*kept, text[position:]])


def numbers(document: object) -> Iterator[tuple[str, float]]:
    """Yield every number of a document under its dotted path, from the last to the first."""
    stack: list[tuple[str, object, int]] = [("", document, 0)]
    while stack:
        name, value, depth = stack.pop()
        if isinstance(value, float):
            if name:
                yield name, value
        elif depth < _DEEPEST and len(name) < _LONGEST_NAME:
            stack.extend((f"{name}.{key}" if name else key, each, depth + 1) for key, each in _entries(value))


def _entries(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            if len(key) <= _LONGEST_NAME:
                yield key, each
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield str(index), each


def errors(document: object) -> Iterator[str]:
    """Yield what the keys called ``error`` say: texts, true, counts and objects that are not empty.

    Below the top a fraction such as 0.03 is taken for an error bar and not for a failure.
    """
    stack: list[tuple[object, int]] = [(document, 0)]
    while stack:
        value, depth = stack.pop()
        if depth >= _DEEPEST:
            continue
        for key, each in _entries(value):
            if key == "error" and isinstance(value, Mapping) and _is_failure(each, depth):
                yield _shown(each)
            if isinstance(each, Mapping | list):
                stack.append((each, depth + 1))


def _is_failure(value: object, depth: int) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in {"", "0", "none", "null", "no", "ok", "false", "success"}
    if isinstance(value, float):
        return value != 0 and (depth == 0 or value.is_integer())
    return bool(value)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value.strip()[:200]
    if isinstance(value, Mapping) and isinstance(value.get("message"), str):
        return _shown(value["message"])
    return f"{value:g}" if isinstance(value, float) else str(value)[:200]


def at_path(document: object, path: str) -> object:
    """Return what stands at a dotted path; keys may contain dots, list indexes are numbers.

    ``jobs[0].clat_ns.percentile["99.000000"]`` is understood too.

    Raises:
        LookupError: nothing stands there.
    """
    spelling = re.sub(r"""\[\s*["']?([^\]"']{1,200})["']?\s*\]""", r".\1", path)
    parts = [part for part in spelling.split(".") if part != ""]
    if not parts or len(parts) > 50:
        raise LookupError(path)
    return _descend(document, parts)


def _descend(value: object, parts: Sequence[str]) -> object:
    if not parts:
        return value
    if isinstance(value, list):
        try:
            return _descend(value[int(parts[0])], parts[1:])
        except ValueError:
            raise LookupError(parts[0]) from None
    if isinstance(value, Mapping):
        for length in range(1, len(parts) + 1):
            key = ".".join(parts[:length])
            if key in value:
                try:
                    return _descend(value[key], parts[length:])
                except LookupError:
                    continue
    raise LookupError(parts[0])
