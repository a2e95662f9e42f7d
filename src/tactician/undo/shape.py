"""Whether a line of a journal has the parts that a recovery goes by, so that no odd line can stop one.

A line whose checksum is right and whose shape is wrong comes from no version of ours: it counts as damaged.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any


def is_sound(entry: object) -> bool:
    """Whether an entry can be acted on."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
        return False
    check = _CHECKS.get(entry["kind"])
    return check is None or check(entry)


def _run(entry: dict[str, Any]) -> bool:
    argv, environment = entry.get("teardown"), entry.get("teardown_environment")
    return (
        all(
            entry.get(key) is None or isinstance(entry[key], str)
            for key in ("boot_id", "namespace", "directory")
        )
        and all(entry.get(key) is None or _is_number(entry[key]) for key in ("pid", "pid_start"))
        and (argv is None or _is_argv(argv))
        and (environment is None or _is_environment(environment))
    )


def _originals(entry: dict[str, Any]) -> bool:
    undos = entry.get("undos")
    return isinstance(undos, list) and all(_is_undo(undo) for undo in undos)


def _process(entry: dict[str, Any]) -> bool:
    # Of 0 and 1 everything descends: no benchmark is that.
    return (
        _is_number(entry.get("pid"))
        and entry["pid"] > 1
        and _is_number(entry.get("start"))
        and isinstance(entry.get("marker", ""), str)
    )


def _ended(entry: dict[str, Any]) -> bool:
    return _is_number(entry.get("pid"))


_CHECKS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "run": _run,
    "originals": _originals,
    "process": _process,
    "ended": _ended,
}


def _is_undo(undo: object) -> bool:
    if not isinstance(undo, dict) or not isinstance(undo.get("name", ""), str):
        return False
    places = (undo.get("writes"), undo.get("expected"))
    commands = (undo.get("commands", []), undo.get("rescue", []), undo.get("checks", []))
    kept = undo.get("files", [])
    return (
        all(isinstance(side, list) and all(_is_place(place) for place in side) for side in places)
        and all(isinstance(side, list) and all(_is_command(command) for command in side) for side in commands)
        and isinstance(kept, list)
        and all(_is_file(file) for file in kept)
    )


def _is_place(place: object) -> bool:
    return isinstance(place, list) and len(place) == 3 and all(isinstance(part, str) for part in place)


def _is_command(command: object) -> bool:
    return (
        isinstance(command, dict)
        and _is_argv(command.get("argv"))
        and _is_environment(command.get("environment", {}))
        and (command.get("expected") is None or isinstance(command["expected"], str))
    )


def _is_file(kept: object) -> bool:
    if not isinstance(kept, dict) or not isinstance(kept.get("path"), str):
        return False
    written = kept.get("written", [])
    if not isinstance(written, list) or not all(_is_encoded(text) for text in written):
        return False
    if kept.get("content") is None:
        return "content" in kept
    numbers = ("mode", "uid", "gid", "mtime_ns")
    return _is_encoded(kept["content"]) and all(_is_number(kept.get(key)) for key in numbers)


def _is_encoded(content: object) -> bool:
    try:
        return isinstance(content, str) and base64.b64decode(content, validate=True) is not None
    except ValueError:
        return False


def _is_argv(argv: object) -> bool:
    return isinstance(argv, list) and bool(argv) and all(isinstance(word, str) for word in argv)


def _is_environment(environment: object) -> bool:
    return isinstance(environment, dict) and all(isinstance(value, str) for value in environment.values())


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
