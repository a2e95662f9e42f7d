"""Finds the PostgreSQL server that runs on this host: its data directory, port, socket and programs."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import NamedTuple

import psutil

from tactician.errors import PreflightError
from tactician.experiment import ServiceAccess
from tactician.system.service.base import refuse

_NAMES = ("postgres", "postmaster")


class Instance(NamedTuple):
    """One running server.

    Attributes:
        pid: of the postmaster.
        data: its data directory.
        port: where it listens.
        sockets: the folder of its socket; empty where it has none.
        programs: the folder of the server's own programs.
        uid, gid: who owns the data directory, and so runs the server.
    """

    pid: int
    data: str
    port: int
    sockets: str
    programs: str
    uid: int
    gid: int

    @property
    def owner(self) -> str:
        """The owner's name, which is also the usual name of the first database user."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return "postgres"

    def program(self, name: str) -> str | None:
        """Return the path of one of PostgreSQL's programs, the server's own rather than another version's."""
        beside = str(Path(self.programs, name))
        return beside if os.access(beside, os.X_OK) else shutil.which(name)


def find(access: ServiceAccess) -> Instance:
    """Find the server that is meant.

    Raises:
        PreflightError: none runs, several do, or it may not be looked into.
    """
    if access.data_directory is not None:
        return _read(os.path.realpath(access.data_directory))
    closed, found = _running()
    meant = [one for one in found if _is_meant(one, access)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        listed = ", ".join(f"{one.port} ({one.data})" for one in meant)
        raise refuse(f"several servers run here, on the ports {listed}; say which in port or data_directory")
    if closed:
        raise refuse(f"process {closed[0]} may not be looked into; be root, or the user that runs PostgreSQL")
    if found:
        listed = ", ".join(str(one.port) for one in found)
        raise refuse(f"no server listens there; those on this host listen on port {listed}")
    raise refuse("no PostgreSQL server runs on this host; start it, or give data_directory")


def _running() -> tuple[list[int], list[Instance]]:
    """Return the processes that we may not look into, and the servers that we may."""
    names = {process.pid: process.info for process in psutil.process_iter(["name", "ppid"])}
    closed, found = [], {}
    for pid, info in names.items():
        if info["name"] not in _NAMES or names.get(info["ppid"], {}).get("name") in _NAMES:
            continue
        try:
            data = os.readlink(f"/proc/{pid}/cwd")
            found[data] = _read(data)
        except PermissionError:
            closed.append(pid)
        except (FileNotFoundError, PreflightError):
            continue  # it ended a moment ago, or is not the server itself
    return closed, list(found.values())


def _is_meant(one: Instance, access: ServiceAccess) -> bool:
    if access.port is not None and access.port != one.port:
        return False
    return access.socket is None or os.path.realpath(access.socket) == os.path.realpath(one.sockets or "/")


def _read(data: str) -> Instance:
    try:
        lines = Path(data, "postmaster.pid").read_text(encoding="utf-8").splitlines()
        owner = Path(data).stat()
        pid, port, sockets = int(lines[0]), int(lines[3]), lines[4].strip()
        programs = os.path.dirname(os.readlink(f"/proc/{pid}/exe"))
    except FileNotFoundError:
        raise refuse(f"no server runs in {data}; start it") from None
    except (ValueError, IndexError):
        raise refuse(f"{data}/postmaster.pid is unfinished; the server is starting, try again") from None
    return Instance(pid, data, port, sockets, programs, owner.st_uid, owner.st_gid)
