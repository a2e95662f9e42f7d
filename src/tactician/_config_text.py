"""Turns a file into plain values, each problem kept with its place, before anybody asks what they mean.

JSON and YAML are read strictly: a key given twice, an alias, a tag, ``NaN`` or ``null`` is a problem here, so
that nothing later has to expect one.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from tactician.errors import ConfigurationError, Problem

Where = tuple[str | int, ...]
"""A place in a document: keys and list indices from the top."""

MAX_BYTES = 1 << 20
MAX_DEPTH = 12
MAX_VALUES = 5000


class Findings:
    """Collects every problem by place, and knows which places are already spoiled."""

    def __init__(self) -> None:
        self._found: list[tuple[Where, str]] = []
        self._places: set[Where] = set()
        self._above: set[Where] = set()

    def add(self, where: Where, message: str) -> None:
        """Note one problem."""
        self._found.append((where, message))
        self._places.add(where)
        self._above.update(where[:length] for length in range(len(where) + 1))

    def at(self, where: Where) -> bool:
        """Whether this place itself was found wrong."""
        return where in self._places

    def below(self, where: Where) -> bool:
        """Whether anything at or below this place was found wrong."""
        return where in self._above

    def problems(self, document: object) -> list[Problem]:
        """All problems in the order of the document; what is missing comes last in its object."""
        ordered = sorted(self._found, key=lambda entry: _position(entry[0], document))
        return [Problem(spelled(where), message) for where, message in ordered]


def _position(where: Where, document: Any) -> list[int]:
    position = []
    for step in where:
        if isinstance(document, Mapping):
            keys = list(document)
            position.append(keys.index(step) if step in document else len(keys))
            document = document.get(step)
        else:
            position.append(step if isinstance(step, int) else 0)
            inside = isinstance(document, list) and isinstance(step, int) and step < len(document)
            document = document[step] if inside else None
    return position


def spelled(where: Where) -> str:
    """A place as people write it: ``action_space[2].min``."""
    text = ""
    for step in where:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[\w$-]{1,60}", step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def shown(value: object) -> str:
    """A value as the file has it, on one line, without control characters, not too long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)
    return text if len(text) <= 60 else f"{text[:57]}..."


def near(word: str, known: Sequence[str]) -> str | None:
    """The known word that was probably meant."""
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")
    matches = difflib.get_close_matches(plain, known, n=1, cutoff=0.6)
    return matches[0] if matches else None


def read_document(path: Path) -> object:
    """Read a file's values.

    Args:
        path: ``.json`` is read as JSON, ``.yaml`` and ``.yml`` as YAML; anything else as whichever it is.

    Raises:
        ConfigurationError: the file cannot be read, or is neither JSON nor YAML.
    """
    source = str(path)
    text = _read_text(path, source)
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _from_json(text, source)
    if suffix in (".yaml", ".yml"):
        return _from_yaml(text, source)
    try:
        return _from_json(text, source)
    except ConfigurationError:
        if text.lstrip().startswith("{"):
            raise
    return _from_yaml(text, source)


class _Pairs(dict[str, object]):
    """An object as it was written, with the keys that were written more than once."""

    repeated: frozenset[str] = frozenset()

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, object]]) -> _Pairs:
        made = cls(pairs)
        if len(made) < len(pairs):
            keys = [key for key, _ in pairs]
            made.repeated = frozenset(key for key in keys if keys.count(key) > 1)
        return made


def _refuse(source: str, message: str, path: str = "") -> NoReturn:
    raise ConfigurationError([Problem(path, message)], source)


def _read_text(path: Path, source: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        _refuse(source, f"there is no such file{_file_hint(path)}")
    except IsADirectoryError:
        _refuse(source, "this is a directory; name a configuration file inside it")
    except (OSError, ValueError) as error:
        _refuse(source, f"the file cannot be read: {getattr(error, 'strerror', None) or error}")
    if len(data) > MAX_BYTES:
        _refuse(source, f"the file is larger than {MAX_BYTES} bytes; no configuration is")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(
            source, f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8", f"line {line}"
        )
    if not text.strip():
        _refuse(source, "the file is empty")
    return text


def _file_hint(path: Path) -> str:
    try:
        guess = near(path.name, [entry.name for entry in path.parent.iterdir()])
    except (OSError, ValueError):
        guess = None
    return f"; did you mean {path.parent / guess}?" if guess else ""


def _whole(digits: str) -> int:
    # Longer ones are out of range in any case, and Python refuses to convert thousands of digits.
    return int(digits) if len(digits) <= 40 else int(digits[:40])


def _from_json(text: str, source: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_Pairs.of, parse_int=_whole)
    except json.JSONDecodeError as error:
        hint = ""
        before = text[: error.pos].rstrip()
        if before.endswith(",") and text[error.pos : error.pos + 1] in ("}", "]"):
            hint = "; remove the comma before the closing bracket"
        elif text[error.pos : error.pos + 1] in ("#", "/"):
            hint = "; JSON has no comments, YAML has"
        where = f"line {error.lineno}, column {error.colno}"
        _refuse(source, f"this is no JSON: {error.msg}{hint}", where)
    except RecursionError:
        _refuse(source, "objects and lists are nested too deeply")


def _from_yaml(text: str, source: str) -> object:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _built(yaml.parse(text, Loader=loader), source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        _refuse(source, f"this is no YAML: {error.problem or error.context}", where)
    except yaml.YAMLError as error:
        _refuse(source, f"this is no YAML: {getattr(error, 'reason', None) or 'it cannot be read'}")


_STRING_TAGS = (None, "!", "tag:yaml.org,2002:str")
_COLLECTION_TAGS = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


def _built(events: Any, source: str) -> object:
    """Build values from parser events; PyYAML's own constructor knows tags, aliases and YAML 1.1's traps."""
    open_collections: list[list[Any]] = [[]]
    mappings = [False]
    for event in events:
        inside = open_collections[-1]
        is_key = mappings[-1] and len(inside) % 2 == 0
        trouble = _yaml_trouble(event, is_key, len(mappings), len(inside))
        if trouble:
            mark = event.start_mark
            _refuse(source, trouble, f"line {mark.line + 1}, column {mark.column + 1}")
        if isinstance(event, yaml.ScalarEvent):
            unquoted = event.implicit[0] and event.tag is None and not is_key
            inside.append(_resolved(event.value) if unquoted else event.value)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_collections.append([])
            mappings.append(isinstance(event, yaml.MappingStartEvent))
        elif isinstance(event, yaml.CollectionEndEvent):
            children = open_collections.pop()
            pairs = list(zip(children[::2], children[1::2], strict=True)) if mappings.pop() else None
            open_collections[-1].append(children if pairs is None else _Pairs.of(pairs))
    return open_collections[0][0] if open_collections[0] else None


def _yaml_trouble(event: Any, is_key: bool, depth: int, siblings: int) -> str:
    if isinstance(event, yaml.AliasEvent):
        return "aliases (*name) are not supported; write the value out"
    if isinstance(event, yaml.DocumentStartEvent) and siblings:
        return "a second document begins here; one file holds one experiment"
    if isinstance(event, yaml.ScalarEvent) and event.tag not in _STRING_TAGS:
        return f"the tag {_short_tag(event.tag)} is not supported; remove it"
    if isinstance(event, yaml.CollectionStartEvent):
        if event.tag not in _COLLECTION_TAGS:
            return f"the tag {_short_tag(event.tag)} is not supported; remove it"
        if is_key:
            return "a list or object cannot be a key; quote it if it is text"
        if depth > MAX_DEPTH:
            return "objects and lists are nested too deeply"
    return ""


def _short_tag(tag: str) -> str:
    return shown(tag.replace("tag:yaml.org,2002:", "!!"))


_YAML_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_YAML_HEX = re.compile(r"0x[0-9a-fA-F]{1,40}")
_YAML_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_YAML_WORDS: Mapping[str, object] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "false": False,
    ".inf": math.inf,
    "+.inf": math.inf,
    "-.inf": -math.inf,
    ".nan": math.nan,
}


def _resolved(text: str) -> object:
    """An unquoted YAML scalar by the rules of YAML 1.2: 1e-4 is a number, and on, off, 1:30 are text."""
    if text in _YAML_WORDS or (text.lower() in _YAML_WORDS and text in (text.upper(), text.title())):
        return _YAML_WORDS[text.lower()]
    if _YAML_INT.fullmatch(text):
        return _whole(text)
    if _YAML_HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if _YAML_FLOAT.fullmatch(text) else text


def plain(document: object, found: Findings) -> object:
    """Copy JSON values only.

    Args:
        document: what a parser or a caller made.
        found: receives what is no plain value.

    Returns:
        The copy; None stands where something was found wrong.
    """
    if _is_large(document):
        found.add((), f"holds more than {MAX_VALUES} values; no experiment has so many")
        return None
    return _plain(document, (), found)


def _is_large(document: object) -> bool:
    """Whether there are too many values, counted without recursion because it may hold itself."""
    waiting = [document]
    count = 0
    while waiting and count <= MAX_VALUES:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        count += 1
    return count > MAX_VALUES


def _plain(value: object, where: Where, found: Findings) -> object:
    trouble = ""
    if isinstance(value, Mapping | list | tuple) and len(where) >= MAX_DEPTH:
        found.add(where, "is nested too deeply")
    elif isinstance(value, Mapping):
        return _plain_object(value, where, found)
    elif isinstance(value, list | tuple):
        return [_plain(item, (*where, index), found) for index, item in enumerate(value)]
    elif value is None:
        free = len(where) > 1 and where[0] == "algorithm_args"
        trouble = "" if free else "is empty (null); give it a value or remove it"
    elif isinstance(value, str):
        trouble = _text_trouble(value)
    elif isinstance(value, int | float):
        if not math.isfinite(value):
            trouble = f"must be a finite number, not {shown(value)}"
        elif abs(value) > 2**64:
            trouble = "is beyond 2^64; no setting is so large"
    else:
        trouble = f"must be text, a number, true, false, a list or an object, not a {type(value).__name__}"
    if trouble:
        found.add(where, trouble)
        return None
    return value


def _plain_object(value: Mapping[Any, object], where: Where, found: Findings) -> dict[str, object]:
    made: dict[str, object] = {}
    for key, inner in value.items():
        trouble = _text_trouble(key) if isinstance(key, str) else "a key must be text; put it in quotes"
        if trouble:
            found.add((*where, repr(key)), trouble)
            continue
        made[key] = _plain(inner, (*where, key), found)
        if isinstance(value, _Pairs) and key in value.repeated:
            found.add((*where, key), "is given more than once; keep one")
    return made


def _text_trouble(text: str) -> str:
    if "\0" in text:
        return "holds a NUL character; remove it"
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        return "holds half of a surrogate pair (\\ud800 to \\udfff); write the whole character"
    return ""
