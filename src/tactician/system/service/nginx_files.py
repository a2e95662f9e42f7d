"""Which file of an nginx holds a directive, and how a copy of it is checked in its place.

A file in ``conf.d`` takes part in the block that includes it, so a directive of the ``http`` block may stand
there, outside any block of its own.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path

from tactician.system.service.directives import Directive, directives
from tactician.system.service.syntax import SettingsTextError


def included(path: str) -> list[str]:
    """Return all files that take part in the same blocks as the main file, also by way of others."""
    found: list[str] = []
    waiting = [path]
    while waiting:
        inner = [
            one for one in read_directives(waiting.pop()) if one.name == "include" and len(one.block) < 2
        ]
        fresh = [file for one in inner for file in _files(one, path) if file not in found]
        found += fresh
        waiting += fresh
    return found


def included_in(path: str, home: str) -> list[str]:
    """Return the files that the main file itself includes in a block, the empty name for none."""
    wanted = (home,) if home else ()
    return [
        file
        for one in read_directives(path)
        if one.name == "include" and one.block == wanted
        for file in _files(one, path)
    ]


def sets(path: str, directive: str) -> bool:
    """Whether an included file sets a directive outside blocks of its own: in one of the main file."""
    return any(one.name == directive and not one.block for one in read_directives(path))


def with_copies(text: str, path: str, copies: Mapping[str, str]) -> str:
    """Return the text of the main file with copies included in place of the files.

    Args:
        text: of the main file, edited or not.
        path: of the main file, from which others are named.
        copies: path of the copy by path of the file, without links.
    """
    for one in reversed(list(directives(text))):
        if one.name != "include":
            continue
        files = _files(one, path)
        taken = [copies.get(os.path.realpath(file), file) for file in files]
        if taken != files:
            listed = "; include ".join(f'"{file}"' for file in taken)
            text = f"{text[: one.start]} {listed}{text[one.end :]}"
    return text


def read_directives(path: str) -> list[Directive]:
    """Return what a file says; nothing where it cannot be read, which its own check will tell."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return list(directives(file.read()))
    except (OSError, SettingsTextError):
        return []


def _files(include: Directive, path: str) -> list[str]:
    """Return what an ``include`` names, in the order in which nginx reads it."""
    return sorted(glob.glob(str(Path(path).parent / include.value.strip("\"'"))))
