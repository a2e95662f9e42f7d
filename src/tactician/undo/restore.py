"""Puts originals back in reverse order, reads them back, and goes on past every failure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from tactician.undo import files, services
from tactician.undo.leftover import Leftover

_CHOICE = re.compile(r"\[([^\]\s]+)\]")
ReadText = Callable[[str, str], str]
WriteText = Callable[[str, str, str], None]


def restore(
    undos: Sequence[dict[str, Any]],
    read: ReadText = files.read_text,
    write: WriteText = files.write_text,
    occasion: services.Occasion = "death",
) -> tuple[list[tuple[str, str]], list[Leftover]]:
    """Undo, newest first.

    Further passes catch what the first one spoiled: a later write may move a key that an earlier one had
    just put right, and that the next. Services come last, so that they start on a kernel as it was.

    Args:
        undos: as journalled, oldest first.
        read, write: of a host.
        occasion: who restores, and when.

    Returns:
        The paths that were not as they were, with what they showed, and what is still not.
    """
    oldest: dict[tuple[str, str], str] = {}
    for undo in undos:
        for path, netns, text in undo["expected"]:
            oldest.setdefault((path, netns), text)
    changed = [
        (path, found) for (path, netns), text in oldest.items() for found in _differs(path, netns, text, read)
    ]
    for again in range(len(undos) + 1):
        for undo in reversed(undos):
            expected = undo["expected"]
            wrong = {(path, netns) for path, netns, text in expected if _differs(path, netns, text, read)}
            # Of a pair that moves one another, the half that is right stays out of the further passes.
            missing = [entry for entry in undo["writes"] if again and (entry[0], entry[1]) in wrong]
            for path, netns, text in (missing or undo["writes"]) if wrong else ():
                _write_quietly(path, text, netns, write)
        if not any(_differs(path, netns, text, read) for (path, netns), text in oldest.items()):
            break
    leftovers = [
        Leftover(path, netns, text, found, _way_back(undos, path, netns, text))
        for (path, netns), text in oldest.items()
        for found in _differs(path, netns, text, read)
    ]
    served, unserved = services.put_back(undos, occasion)
    return changed + served, leftovers + unserved


def _way_back(undos: Sequence[dict[str, Any]], path: str, netns: str, text: str) -> str:
    """Return what an operator types: the recorded writes, since what a place shows may not be writable."""
    for undo in undos:
        if any((place, space) == (path, netns) for place, space, _ in undo["expected"]):
            return " && ".join(command_for(place, written, space) for place, space, written in undo["writes"])
    return command_for(path, text, netns)


def command_for(path: str, text: str, netns: str = "") -> str:
    """Return the shell command that writes ``text`` to ``path``."""
    shown = " ".join(text.split())
    choice = _CHOICE.search(shown)
    shown = choice[1] if choice else shown
    if path.startswith("/proc/sys/"):
        command = f"sysctl -w {shlex.quote(f'{sysctl_name(path)}={shown}')}"
    else:
        command = f"printf '%s\\n' {shlex.quote(shown)} > {shlex.quote(path)}"
    if not netns:
        return command
    return f"nsenter --net={shlex.quote(netns)} sh -c {shlex.quote(command)}"


def sysctl_name(path: str) -> str:
    """Return the name by which sysctl(8) and sysctl.d know a file below /proc/sys.

    They read dots as slashes, so a name with a dot in it keeps its slashes.
    """
    key = path.removeprefix("/proc/sys/")
    return key if "." in key else key.replace("/", ".")


def _differs(path: str, netns: str, wanted: str, read: ReadText) -> list[str]:
    """Return what the place shows where it differs, as a list of none or one."""
    try:
        found = read(path, netns)
    except OSError as error:
        return [f"unreadable: {error.strerror}"]
    # A choice file shows all choices; what counts is the one in brackets.
    return [] if files.same_text(found, wanted) else [found]


def _write_quietly(path: str, text: str, netns: str, write: WriteText) -> None:
    try:
        write(path, text, netns)
    except OSError:
        return  # one refusal must not stop the others; the comparison afterwards tells
