"""A winner as a shell script that can also undo itself."""

from __future__ import annotations

from tactician.operations.formats.common import Export, by_hand, head, native
from tactician.undo.restore import command_for

_RELOAD = "psql --no-psqlrc --command 'SELECT pg_reload_conf()'"


def render(export: Export) -> str:
    """Return the script: ``apply`` by default, ``undo`` for the way back."""
    services = [each for each in export.of("service") if native(each)]
    notes = by_hand(export._replace(settings=[each for each in export.settings if each not in services]))
    forward = [command_for(each.path, each.new) for each in export.of("sysctl", "sysfs")]
    forward += [native(each) for each in services]
    backward = [native(each, back=True) for each in reversed(services)]
    reload = [_RELOAD] if any(each.name.startswith("postgresql.") for each in services) else []
    if reload:
        notes.append("# some settings of PostgreSQL act after a restart of the server only")
    backward += [*reload, *(command_for(path, old) for path, old in export.undo)]
    usage = '*) echo "usage: $0 [apply|undo]" >&2; exit 2 ;;'
    lines = ["#!/bin/sh", *head(export.record), *notes, "set -eu", 'case "${1:-apply}" in']
    lines += ["apply)", *_indented([*forward, *reload]), "    ;;", "undo)", *_indented(backward), "    ;;"]
    return "\n".join([*lines, usage, "esac", ""])


def _indented(commands: list[str]) -> list[str]:
    return [f"    {command}" for command in commands or [":"]]
