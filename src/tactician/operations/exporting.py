"""Hands a winner over to other tools, without touching this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tactician.config import parse_experiment
from tactician.errors import Problem, RefusedError
from tactician.operations.formats import ansible, atune, shell, sysctl, tuned
from tactician.operations.formats.common import Export
from tactician.operations.settings import proven, settings_of, way_back
from tactician.storage.records import RunRecord
from tactician.system.files import RealHost

_FORMATS: Mapping[str, Callable[[Export], str]] = {
    "sysctl": sysctl.render,
    "tuned": tuned.render,
    "atune": atune.render,
    "ansible": ansible.render,
    "sh": shell.render,
}
FORMATS = tuple(_FORMATS)


def export(record: RunRecord, form: str) -> str:
    """Return a run's best configuration as one of :data:`FORMATS`.

    Raises:
        RefusedError: there is no such format, or the run has no winner.
    """
    if form not in _FORMATS:
        raise RefusedError([Problem("--format", f"{form!r} is unknown; there are {', '.join(FORMATS)}")])
    best = proven(record, "exported")
    experiment = parse_experiment(dict(record.document), f"run {record.id}")
    host = RealHost()
    settings = settings_of(experiment, best, dict(record.original), host)
    undo = [way_back(each, host) for each in reversed(settings) if each.path]
    return _FORMATS[form](Export(record, settings, undo))
