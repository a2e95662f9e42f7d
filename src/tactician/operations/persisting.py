"""Writes the files by which a winner returns at every boot, once it is sure that they decide."""

from __future__ import annotations

import base64
import fnmatch
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tactician.errors import Problem, RefusedError
from tactician.operations.persisting_services import Edit, place_edits, plan_edits
from tactician.operations.settings import Setting
from tactician.storage.records import RunRecord
from tactician.system.boot import tmpfiles
from tactician.system.boot.prediction import READERS, at_boot, boot_reader
from tactician.system.service.base import Service
from tactician.undo import whole_files
from tactician.undo.journal import Entry, append

_PROGRAMS = {"systemd": "systemd-sysctl", "procps": "sysctl --system"}


Values = Sequence[tuple[str, str]]
"""Path and text of what a boot sets from our files."""


class Planned(NamedTuple):
    """The files to write.

    Attributes:
        files: path to text, as seen from the host.
        values: path and text of each place that they set at a boot.
        notices: what the operator should know of the next boot.
        edits: of files that belong to services.
    """

    files: Mapping[str, str] = {}
    values: Values = ()
    notices: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.files or self.edits)

    @property
    def paths(self) -> tuple[str, ...]:
        """Of all files that are written."""
        return (*self.files, *(edit.path for edit in self.edits))


def plan_files(
    record: RunRecord,
    settings: Sequence[Setting],
    root: str = "",
    services: Mapping[str, Service] | None = None,
) -> Planned:
    """Say what to write for a run's settings.

    Args:
        record: the run.
        settings: its winner.
        root: put before every path of the host; for tests.
        services: those whose settings are applied, by name.

    Raises:
        RefusedError: another file would override one of them, or there is no way to set it at a boot.
    """
    texts = _texts(record, settings)
    found = plan_edits(settings, services or {})
    problems = [*_impossible(settings, root), *found.problems, *overridden(texts, root)]
    if problems:
        raise RefusedError(problems)
    values = [(setting.path, setting.new) for setting in settings if setting.path]
    return Planned(texts, values, (*_notices(texts, root), *found.notices), found.edits)


def overridden(texts: Mapping[str, str], root: str = "") -> list[Problem]:
    """Name each setting that another file would override at the next boot, with its line and the way out."""
    reader = boot_reader(root)
    return [*_overridden_sysctls(texts, reader, root), *tmpfiles.overridden(texts, root)]


def intend(planned: Planned, journal: Path) -> None:
    """Note what is to be written when the confirmation comes. Raises OSError."""
    if planned:
        edits = [[edit.service, edit.path, dict(edit.settings)] for edit in planned.edits]
        written = {"files": dict(planned.files), "values": planned.values, "edits": edits}
        append(journal, {"kind": "intended", **written})


def intended(entry: Entry) -> Planned:
    """Return what a line of :func:`intend` says."""
    edits = tuple(Edit(*edit) for edit in entry.get("edits", ()))
    return Planned(entry["files"], entry["values"], (), edits)


def place(planned: Planned, journal: Path, root: str = "") -> None:
    """Write the files, what is there now journalled before.

    Raises:
        OSError: one cannot be written; the journal takes the others back.
    """
    if not planned:
        return
    if planned.files:
        _place_files(planned, journal, root)
    place_edits(planned.edits, journal)
    append(journal, {"kind": "placed", "values": [(root + path, text) for path, text in planned.values]})


def _place_files(planned: Planned, journal: Path, root: str) -> None:
    paths = {root + path: text for path, text in planned.files.items()}
    folders = [folder for path in paths for folder in _folders(path)]
    before = [
        {"path": folder, "made": not Path(folder).is_dir(), "before_ns": _mtime(folder)}
        for folder in dict.fromkeys(folders)
    ]
    append(journal, {"kind": "folders", "folders": before})
    files = [
        {**whole_files.record(path), "written": [base64.b64encode(text.encode()).decode("ascii")]}
        for path, text in paths.items()
    ]
    undo = {
        "name": "files for the boot",
        "writes": [],
        "expected": [],
        "files": files,
        "commands": [],
        "checks": [],
    }
    append(journal, {"kind": "originals", "undos": [undo]})
    for path, text in paths.items():
        Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        whole_files.put_back(_plain(path, text))
    after = [{"path": folder["path"], "after_ns": _mtime(str(folder["path"]))} for folder in before]
    append(journal, {"kind": "folders", "folders": after})


def _plain(path: str, text: str) -> dict[str, object]:
    """Return a file that everybody may read, as the journal would hold it."""
    return {
        "path": path,
        "content": base64.b64encode(text.encode()).decode("ascii"),
        "mode": 0o644,
        "uid": os.geteuid(),
        "gid": os.getegid(),
        "mtime_ns": time.time_ns(),
    }


def _texts(record: RunRecord, settings: Sequence[Setting]) -> dict[str, str]:
    head = f"# tactician run {record.id}; it goes with: tactician revert {record.id}\n"
    sysctls = [f"{setting.name} = {setting.new}" for setting in settings if setting.kind == "sysctl"]
    devices = [tmpfiles.line(setting.path, setting.new) for setting in settings if setting.kind == "sysfs"]
    texts = {}
    if sysctls:
        texts[f"/etc/sysctl.d/60-tactician-{record.id}.conf"] = head + "\n".join(sysctls) + "\n"
    if devices:
        texts[f"/etc/tmpfiles.d/60-tactician-{record.id}.conf"] = head + "\n".join(devices) + "\n"
    return texts


def _impossible(settings: Sequence[Setting], root: str) -> list[Problem]:
    problems = []
    if any(setting.kind == "sysfs" for setting in settings) and not tmpfiles.available(root):
        way_out = "export --format sh writes a script that your own start-up can run"
        problems.append(
            Problem("", f"nothing sets values below /sys at a boot here (no systemd-tmpfiles); {way_out}")
        )
    for each in settings:
        if each.kind == "service" and each.name.startswith("mysql."):
            line = f"{each.name.removeprefix('mysql.')} = {each.new}"
            way_out = f"write {line} below [mysqld] into its option file, or apply without --persist"
            problems.append(Problem(each.name, f"the server takes it at run time and forgets it; {way_out}"))
    return problems


def _overridden_sysctls(texts: Mapping[str, str], reader: str, root: str) -> list[Problem]:
    ours = {
        path: [line.partition(" = ")[::2] for line in text.splitlines() if not line.startswith("#")]
        for path, text in texts.items()
        if fnmatch.fnmatch(path, "*/sysctl.d/*")
    }
    problems = []
    for path, pairs in ours.items():
        boots = at_boot(
            [key for key, _ in pairs], "systemd" if reader == "systemd" else "procps", root, dict(texts)
        )
        for key, value in pairs:
            decided = boots[key].decided_by
            if decided is None or (decided.file != path and decided.value != value):
                problems.append(_problem(key, value, decided.where if decided else "", boots[key].value))
    return problems


def _problem(key: str, value: str, where: str, found: str | None) -> Problem:
    if not where:
        return Problem(key, f"a line -{key} after ours keeps {value!r} from being set at a boot")
    return Problem(
        key,
        f"{where} would set {found!r} at the next boot instead of {value!r}; "
        f"remove that line, or apply without --persist",
    )


def _notices(texts: Mapping[str, str], root: str) -> list[str]:
    """Warn of the program that does not boot this host, but may be run on it by hand."""
    other = next(reader for reader in READERS if reader != boot_reader(root))
    return [
        f"a {_PROGRAMS[other]} by hand would undo {problem.path}: {problem.message.partition(';')[0]}"
        for problem in _overridden_sysctls(texts, other, root)
    ]


def _folders(path: str) -> list[str]:
    """Return the folders whose time changes: the file's own, and above those that must be made."""
    found = [os.path.dirname(path)]
    while not Path(found[-1]).is_dir():
        found.append(os.path.dirname(found[-1]))
    return found


def _mtime(path: str) -> int | None:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return None
