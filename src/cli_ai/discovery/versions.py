"""Which version a service is: by its files, or by asking its own program, if that can be trusted.

Whoever may write a program decides what it does, so only one that root (or we ourselves) put where nobody
else can replace it is asked, in an empty environment and, by root, as nobody.
"""

from __future__ import annotations

import os
import re
import stat
import time

from cli_ai.discovery.tree import Tree, clean

_ASKED = {
    "postgresql": "--version",
    "mysql": "--version",
    "redis": "--version",
    "memcached": "--version",
    "nginx": "-V",
    "haproxy": "-v",
}
_SAID = {
    "postgresql": r"\(PostgreSQL\) (\d+(?:\.\d+)*)",
    "mysql": r"Ver (\d+(?:\.\d+)+)",
    "redis": r"\bv=(\d+(?:\.\d+)+)",
    "memcached": r"memcached (\d+(?:\.\d+)+)",
    "nginx": r"nginx/(\d+(?:\.\d+)+)",
    "haproxy": r"version (\d+(?:\.\d+)+)",
}
_IN_PATHS = {
    "postgresql": r"/(?:postgresql/|pgsql-)(\d+(?:\.\d+)?)/",
    "kafka": r"kafka_\d+\.\d+-(\d+\.\d+\.\d+)",
}
_LONGEST_S = 0.5
_ALL_S = 1.0


class Versions:
    """Finds versions; the same program is asked once, and all of them for no more than a second.

    Args:
        tree: nothing is asked below a root that is not this machine's.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._told: dict[str, str] = {}
        self._left_s = _ALL_S

    def told(self, kind: str, program: str) -> str:
        """Return what a program says of itself, empty where it is not asked."""
        option = _ASKED.get(kind)
        if option is None or not program or not self._tree.real or not is_trusted(program):
            return ""
        if program not in self._told:
            self._told[program] = self._ask(program, option)
        return self._told[program]

    def find(self, kind: str, program: str, where: str, confined: bool) -> str:
        """Return a version, empty where it cannot be found out.

        Args:
            kind: name of the service.
            program: path of its executable.
            where: its command line and folders, in which a version may stand.
            confined: the program is not this host's, so it is not asked.
        """
        said = "" if confined else self.told(kind, program)
        match = re.search(_SAID[kind], said) if kind in _SAID else None
        if match is None and kind in _IN_PATHS:
            match = re.search(_IN_PATHS[kind], f"{program} {where}")
        return clean(match[1], 32) if match else ""

    def _ask(self, program: str, option: str) -> str:
        from tactician.system.command import ask

        if self._left_s <= 0:
            return ""
        began = time.monotonic()
        # One file is both redis-server and redis-check-rdb, by the name under which it runs.
        name = program.replace("redis-check-rdb", "redis-server")
        said = ask(program, [name, option], timeout_s=min(_LONGEST_S, self._left_s))
        self._left_s -= time.monotonic() - began
        return said


def java_version(tree: Tree, program: str) -> str:
    """Read the version of a Java runtime from the file beside it."""
    home = program.rpartition("/bin/")[0]
    for line in tree.read(f"{home}/release").splitlines() if home else ():
        if line.startswith("JAVA_VERSION="):
            return clean(line.partition("=")[2].strip('"'), 32)
    return ""


def is_trusted(path: str) -> bool:
    """Whether only root or we ourselves can have put this program, and every folder above it, there."""
    if not path.startswith("/") or os.path.realpath(path) != path:
        return False
    owners = {0, os.geteuid()}
    step = path
    while True:
        try:
            found = os.lstat(step)
        except OSError:
            return False
        shared = found.st_mode & stat.S_IWGRP and found.st_gid != 0
        if found.st_uid not in owners or shared or found.st_mode & stat.S_IWOTH:
            return False
        if step == "/":
            break
        step = os.path.dirname(step)
    return stat.S_ISREG(os.lstat(path).st_mode) and os.access(path, os.X_OK)
