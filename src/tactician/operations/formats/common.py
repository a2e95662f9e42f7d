"""What all exports share: a head that says where the values come from, and how services are told."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from tactician.operations.settings import Setting
from tactician.storage.records import RunRecord

_REFERENCES = {"original": "what was set before", "kernel defaults": "that kernel's own defaults"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NATIVE = {
    "postgresql": "psql --no-psqlrc --command {statement}",
    "redis": "redis-cli CONFIG SET {key} {word}",
    "mysql": "mysql --execute {assignment}",
}
"""How a service is told by a shell command."""


class Export(NamedTuple):
    """What is exported.

    Attributes:
        record: of the run.
        settings: one per place.
        undo: path and text per file setting that has one, in the order in which to undo.
    """

    record: RunRecord
    settings: Sequence[Setting]
    undo: Sequence[tuple[str, str]]

    def of(self, *kinds: str) -> list[Setting]:
        """Return the settings of these kinds."""
        return [setting for setting in self.settings if setting.kind in kinds]

    @property
    def name(self) -> str:
        """A name for files and profiles."""
        return f"tactician-{self.record.id}"


def head(record: RunRecord) -> list[str]:
    """Return comment lines: the workload, what was proven against what, the run and its kernel."""
    result: Any = record.result or {}
    lines = [f"# {_one_line(record.summary.workload_name)}: {_one_line(result['reward_metric'])}"]
    for verdict in result["verdicts"]:
        against = _REFERENCES.get(verdict["reference"], verdict["reference"])
        if verdict["significant"] and verdict["interval"]:
            low, high = verdict["interval"]
            lines.append(f"# {verdict['improvement']:+.1f} % [{low:+.1f}, {high:+.1f}] against {against}")
        else:
            lines.append(f"# no significant improvement against {against}")
    return [*lines, f"# tactician run {record.id} on {record.host.get('kernel', 'an unknown kernel')}"]


def by_hand(export: Export) -> list[str]:
    """Return comment lines for what this form cannot hold: settings of services and of the benchmark."""
    lines = [f"# not in here, set by hand: {_one_line(told(each))}" for each in export.of("service")]
    lines += [
        f"# an argument of the benchmark, not of a host: {_one_line(each.name)} = {_one_line(each.new)}"
        for each in export.of("argument")
    ]
    return lines


def told(setting: Setting) -> str:
    """Return how a service is told: the command where there is one, else name and value."""
    return native(setting) or f"{setting.name} = {setting.new} (was {setting.old})"


def native(setting: Setting, *, back: bool = False) -> str:
    """Return the shell command that sets a service's value, or sets it back; empty where there is none."""
    service, _, key = setting.name.partition(".")
    if service not in _NATIVE:
        return ""
    text = setting.old if back else setting.new
    quoted = "'" + text.replace("'", "''") + "'"
    bare = text if _NUMBER.fullmatch(text) else quoted  # MySQL takes no text for a number
    return _NATIVE[service].format(
        key=shlex.quote(key),
        word=shlex.quote(text),
        statement=shlex.quote(f"ALTER SYSTEM SET {key} = {quoted}"),
        assignment=shlex.quote(f"SET GLOBAL {key} = {bare}"),
    )


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
