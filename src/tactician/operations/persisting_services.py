"""Writes a winner into the files of services that would forget it at their next start: Redis."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tactician.errors import PreflightError, Problem
from tactician.operations.settings import Setting
from tactician.system.service import redis_file
from tactician.system.service.base import Service
from tactician.system.service.redis import RedisService
from tactician.undo import journal, whole_files
from tactician.undo.journal import append


class Edit(NamedTuple):
    """Settings that a service's own file is to have.

    Attributes:
        service: its name in the configuration.
        path: of the file.
        settings: text by name.
    """

    service: str
    path: str
    settings: Mapping[str, str]


class Edits(NamedTuple):
    """What is to be edited, what stands in the way, and what the operator should know."""

    edits: tuple[Edit, ...]
    problems: tuple[Problem, ...]
    notices: tuple[str, ...]


def plan_edits(settings: Sequence[Setting], services: Mapping[str, Service]) -> Edits:
    """Say which files of services would have to change; their text is made when it is written."""
    edits: list[Edit] = []
    problems: list[Problem] = []
    notices: list[str] = []
    for name, service in services.items():
        wanted = {
            each.name.partition(".")[2]: each.new
            for each in settings
            if each.kind == "service" and each.service == name
        }
        if not isinstance(service, RedisService) or not wanted:
            continue
        problems += [Problem(f"{name}.{text.split()[0]}", text) for text in redis_file.objections(wanted)]
        try:
            edit = Edit(name, service.file(), wanted)
            overruled = redis_file.overruled(edit.path, wanted)
        except PreflightError as error:
            problems += [Problem(f"services.{name}", problem.message) for problem in error.problems]
            continue
        edits.append(edit)
        notices += [
            f"{edit.path} includes other files after its line for {key}; ours is added at the end, "
            "where it decides"
            for key in overruled
        ]
    return Edits(tuple(edits), tuple(problems), tuple(notices))


def place_edits(edits: Sequence[Edit], path: Path) -> None:
    """Edit each file, what it is now journalled before.

    The way back also sets what the server had when it was applied: after a restart it has ours, by this file.

    Args:
        edits: what to write.
        path: of the application's journal.

    Raises:
        OSError: a file cannot be read or replaced; the journal takes the others back.
    """
    known = {undo["name"]: undo for undo in reversed(journal.read(path).pending()) if undo.get("name")}
    for edit in edits:
        kept = whole_files.record(edit.path)
        content = base64.b64decode(kept["content"] or "").decode("utf-8", "surrogateescape")
        text = redis_file.edited(content, edit.settings).encode("utf-8", "surrogateescape")
        live: Mapping[str, Any] = known.get(edit.service, {})
        undo = {
            "name": edit.service,
            "writes": [],
            "expected": [],
            "files": [{**kept, "written": [base64.b64encode(text).decode("ascii")]}],
            "commands": live.get("commands", []),
            "checks": live.get("checks", []),
        }
        append(path, {"kind": "originals", "undos": [undo]})
        whole_files.take(whole_files.write_beside(kept, text), kept)
