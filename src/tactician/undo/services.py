"""Puts services back: their files byte for byte, then the reload or restart by which they notice.

Of an undo these keys are read; all but ``name`` may be absent:

============  ==================================================================================
name          of the service
files         what :func:`whole_files.record` returned; ``written`` in it, what we made of it since,
              by which :mod:`foreign` tells our versions from somebody else's
commands      ``argv``, ``environment``, ``timeout_s``: run once the files are back
rescue        the same, run instead when the commands did not help: a restart in place of a reload
checks        the same and ``expected``: what it must print, or null where its exit status tells
============  ==================================================================================
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Sequence
from typing import Any, Literal

from tactician.undo import foreign, whole_files
from tactician.undo.commands import run_recorded
from tactician.undo.leftover import Leftover

Undo = dict[str, Any]
Occasion = Literal["trial", "death", "reboot"]
"""Who restores: the tuner after a trial, somebody after its death, or after a restart of the host too."""

_PAUSE_S = 0.1
_NOT_FOUND = 127


def put_back(undos: Sequence[Undo], occasion: Occasion) -> tuple[list[tuple[str, str]], list[Leftover]]:
    """Undo what was done to services, newest first; one failure does not stop the others.

    After a trial a service whose files are as they were is left in peace. After a death it is told in
    any case: its files may be back already while its process still has the new settings.

    Args:
        undos: as journalled, oldest first.
        occasion: a restart of the host has ended what a process had in memory, and perhaps the process.

    Returns:
        What was not as it was, with what it was like, and what still is not.
    """
    services = [undo for undo in _agreed(undos) if undo["files"] or undo.get("commands")]
    moved = [(undo, _put_files_back(undo)) for undo in reversed(services)]
    changed = [entry for _, found in moved for entry in found]
    standing = {undo["name"] for undo, found in moved for _, text in found if foreign.has_standing(text)}
    for undo in services:
        if undo["name"] in standing:  # it works with what somebody else wants, and not as it was
            undo["checks"] = [{**check, "expected": None} for check in undo["checks"]]
    leftovers: list[Leftover] = []
    told: list[Any] = []
    for undo, found in moved:
        if not undo["files"] and occasion == "death":
            changed += [(wrong.path, wrong.found) for wrong in _failing(undo, patient=False)]
        if _left_in_peace(undo, occasion, found):
            leftovers += _not_back(undo)
            continue
        wrong = _tell(undo, undo.get("commands", ()), told)
        if wrong:
            _put_files_back(undo)
            wrong = _tell(undo, undo.get("rescue") or undo.get("commands", ()), [])
        leftovers += wrong
    return changed, leftovers


def _agreed(undos: Sequence[Undo]) -> list[Undo]:
    """Let the oldest word on each file and each check count, in every undo; and all on what we wrote."""
    files: dict[str, Any] = {}
    checks: dict[tuple[str, ...], Any] = {}
    for undo in undos:
        for kept in undo.get("files", ()):
            oldest = files.setdefault(kept["path"], {**kept})
            if kept.get("written") is not None:
                earlier = oldest.get("written") or []
                oldest["written"] = [*earlier, *(text for text in kept["written"] if text not in earlier)]
    return [
        {
            "name": "service",
            **undo,
            "files": [files[kept["path"]] for kept in undo.get("files", ())],
            "checks": [checks.setdefault(tuple(check["argv"]), check) for check in undo.get("checks", ())],
        }
        for undo in undos
    ]


def _left_in_peace(undo: Undo, occasion: Occasion, found: Sequence[object]) -> bool:
    if occasion == "trial":
        return bool(undo["files"]) and not found
    if occasion == "reboot":
        # It began with the files as they were then; one that does not run will begin with the originals.
        return not undo["files"] or not all(run_recorded(check).status == 0 for check in undo["checks"])
    return False


def _put_files_back(undo: Undo) -> list[tuple[str, str]]:
    """Put back each file that differs, and return those."""
    differing = []
    for kept in undo["files"]:
        whole_files.sweep(kept)
        if not foreign.is_settled(kept):
            found = foreign.OURS
            with contextlib.suppress(OSError):  # one refusal must not stop the others; it is found later
                found = foreign.settle(kept)
            differing.append((kept["path"], found))
    return differing


def _tell(undo: Undo, commands: Sequence[Any], told: list[Any]) -> list[Leftover]:
    """Run those commands that were not run yet, and return what is wrong afterwards."""
    refusals = []
    for command in commands:
        if command in told:
            continue
        told.append(command)
        said = run_recorded(command)
        if said.status != 0:
            found = f"exit {said.status}: {_end_of(said.text)}"
            refusals.append(Leftover(undo["name"], "", "as it was", found, shlex.join(command["argv"])))
    # What a refused command did not begin will not come true by waiting.
    return [*_not_back(undo), *refusals, *_failing(undo, patient=not refusals)]


def _failing(undo: Undo, *, patient: bool) -> list[Leftover]:
    """Return the checks that fail, each after its time to come true."""
    return [
        Leftover(undo["name"], "", check["expected"] or "working", found, _by_hand(undo))
        for check in undo["checks"]
        for found in _fails(check, patient=patient)
    ]


def _fails(check: dict[str, Any], *, patient: bool) -> list[str]:
    deadline = time.monotonic() + (float(check.get("timeout_s", 0.0)) if patient else 0.0)
    while True:
        said = run_recorded(check)
        wanted = check.get("expected")
        if said.status == 0 and (wanted is None or said.text.split() == wanted.split()):
            return []
        if said.status == _NOT_FOUND or time.monotonic() > deadline:
            return [said.text if said.status == 0 else f"exit {said.status}: {_end_of(said.text)}"]
        time.sleep(_PAUSE_S)


def _not_back(undo: Undo) -> list[Leftover]:
    return [
        Leftover(kept["path"], "", _described(kept), foreign.OURS, "tactician recover")
        for kept in undo["files"]
        if not foreign.is_settled(kept)
    ]


def _described(kept: dict[str, Any]) -> str:
    if kept["content"] is None:
        return "no file"
    return f"its {len(kept['content']) * 3 // 4} bytes, mode {kept['mode']:o}"


def _by_hand(undo: Undo) -> str:
    commands = undo.get("rescue") or undo.get("commands") or ()
    return " && ".join(shlex.join(command["argv"]) for command in commands) or "tactician recover"


def _end_of(text: str) -> str:
    return " | ".join(text.splitlines()[-3:])[-400:]
