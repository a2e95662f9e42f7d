"""Which services run here: recognised by their processes, told with their sockets, versions and files."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable, Mapping, Sequence

from cli_ai.discovery.facts import Service
from cli_ai.discovery.listening import Listener, held, listeners, paths, ports
from cli_ai.discovery.processes import Process, processes
from cli_ai.discovery.settings import nginx_ports, option, places
from cli_ai.discovery.tree import Tree, clean, shown_path
from cli_ai.discovery.versions import Versions, java_version
from tactician.system.files import real_path

MOST = 64
"""Services that are told."""

_MOST_ASKED = 16
_PROGRAMS = {
    "postgres": "postgresql",
    "postmaster": "postgresql",
    "mysqld": "mysql",
    "mariadbd": "mysql",
    "redis-server": "redis",
    "valkey-server": "redis",
    "memcached": "memcached",
    "nginx": "nginx",
    "haproxy": "haproxy",
    "java": "jvm",
}
_PORT_OPTIONS = {
    "postgresql": ("-p", "--port"),
    "mysql": ("--port", "-P"),
    "redis": ("--port",),
    "memcached": ("-p", "--port"),
}
_SYSTEM = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def services(tree: Tree) -> tuple[tuple[Service, ...], tuple[str, ...]]:
    """Return the services, in the order of their names and ports, and what is unknown of them."""
    known = {
        process.pid: (kind, process) for process in processes(tree, _PROGRAMS) if (kind := kind_of(process))
    }
    heads = [
        (kind, process)
        for kind, process in known.values()
        if known.get(process.ppid, ("", process))[0] != kind
    ]
    open_sockets, versions = listeners(tree), Versions(tree)
    found = []
    for kind, process in heads[:MOST]:
        family = _family(process.pid, kind, known)
        found.append(_service(tree, kind, process, family, open_sockets, versions))
    found.sort(key=lambda service: (service.confined, service.name, service.ports, service.pid))
    return tuple(found), _notes(tree, heads)


def kind_of(process: Process) -> str:
    """Return the service that a process belongs to, empty for none.

    A process calls itself what it likes; the executable, where it may be seen, has the last word.
    """
    first = process.argv[0].split()[0].rstrip(":") if process.argv[0].split() else ""
    names = [process.comm, os.path.basename(first)]
    if process.exe:
        program = os.path.basename(process.exe)
        # Packages install redis-server as another name of redis-check-rdb.
        names = names if program.startswith(("redis-", "valkey-")) else [program]
    kind = next((_PROGRAMS[name] for name in names if name in _PROGRAMS), "")
    if kind == "jvm" and any(word.startswith(("kafka.Kafka", "kafka.docker")) for word in process.argv):
        return "kafka"
    return kind


def _family(pid: int, kind: str, known: Mapping[int, tuple[str, Process]]) -> list[int]:
    found = [pid]
    for child, (its_kind, process) in known.items():
        if its_kind == kind and process.ppid in found and child not in found:
            found.append(child)
    return found


def _service(
    tree: Tree,
    kind: str,
    process: Process,
    family: Sequence[int],
    open_sockets: Mapping[int, Listener],
    versions: Versions,
) -> Service:
    program = _program(tree, kind, process)
    where = " ".join((*process.argv, process.cwd))[: 1 << 14]
    version = versions.find(kind, program, where, process.confined)
    version = version or (java_version(tree, program) if kind == "jvm" else "")
    mine: list[Listener] = []
    config = data = ""
    if not process.confined:
        mine = _sockets(tree, kind, process, family, open_sockets)
        said = versions.told(kind, program)
        config, data = places(tree, kind, process, ports(mine), said)
        if not mine and kind == "nginx":
            mine = [one for one in open_sockets.values() if one.port in nginx_ports(tree, config)]
        if not version and kind == "postgresql":
            version = clean(tree.read(f"{data}/PG_VERSION", 16), 16)
    return Service(
        name=kind,
        version=version,
        pid=process.pid,
        user=_user(tree, process.uid),
        ports=ports(mine),
        sockets=paths(mine),
        config_file=config,
        data_directory=data,
        processes=len(family),
        program=shown_path(program),
        confined=process.confined,
    )


def _sockets(
    tree: Tree,
    kind: str,
    process: Process,
    family: Sequence[int],
    open_sockets: Mapping[int, Listener],
) -> list[Listener]:
    """Return what a service listens on; for another user's, what its owner and command line let us tell."""
    # A master may leave listening to its workers.
    seen = [inodes for pid in family[:_MOST_ASKED] if (inodes := held(tree, pid)) is not None]
    if seen:
        inodes = set().union(*seen)
        return [one for inode, one in open_sockets.items() if inode in inodes]
    stated = _stated_ports(kind, process)
    mine = [
        one
        for one in open_sockets.values()
        if one.port and (one.port in stated if stated else one.uid == process.uid and one.uid > 0)
    ]
    if kind == "postgresql":
        names = tuple(f"/.s.PGSQL.{port}" for port in stated or ports(mine))
        mine += [one for one in open_sockets.values() if names and one.path.endswith(names)]
    return mine


def _stated_ports(kind: str, process: Process) -> set[int]:
    words = " ".join(process.argv).split()
    stated = {option(words, *_PORT_OPTIONS[kind])} if kind in _PORT_OPTIONS else set()
    if kind == "redis" and len(words) > 1:  # redis-server 127.0.0.1:6379
        stated.add(words[1].rpartition(":")[2])
    return {int(word) for word in stated if re.fullmatch(r"[0-9]{1,5}", word)}


def _notes(tree: Tree, heads: Sequence[tuple[str, Process]]) -> tuple[str, ...]:
    notes = []
    if tree.real and not tree.exists("/proc/1"):
        notes.append("Other users' processes are hidden here (hidepid), and so are their services.")
    confined = _named((kind, process) for kind, process in heads if process.confined)
    if confined:
        notes.append(
            f"In a container or a network of its own: {confined}; ports and paths there are not this host's."
        )
    hidden = _named(
        (kind, process)
        for kind, process in heads
        if not process.confined and not tree.readable_folder(f"/proc/{process.pid}/fd")
    )
    if hidden:
        notes.append(
            f"Only root or the owner sees the sockets of {hidden}; their ports are inferred from command "
            "lines, configuration files and the owners of sockets."
        )
    if len(heads) > MOST:
        notes.append(f"Only {MOST} of {len(heads)} services are told.")
    return tuple(notes)


def _named(found: Iterable[tuple[str, Process]]) -> str:
    listed = [f"{kind} (pid {process.pid})" for kind, process in found]
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")


def _program(tree: Tree, kind: str, process: Process) -> str:
    """Return the path of the executable; where it may not be seen, by its name.

    A command line is whatever its owner wrote there, so a path in it counts only if it is of this service.
    """
    if process.exe:
        return "" if process.exe_gone else process.exe
    first = process.argv[0].removeprefix("nginx: master process ").split()
    path = first[0].rstrip(":") if first else ""
    name = path.rpartition("/")[2]
    if _PROGRAMS.get(name) != kind:
        return ""
    candidates = [path] if path.startswith("/") else [f"{folder}/{name}" for folder in _SYSTEM]
    return next((real_path(path, tree.root) for path in candidates if tree.exists(path)), "")


def _user(tree: Tree, uid: int) -> str:
    if not tree.real:
        rows = (line.split(":") for line in tree.read("/etc/passwd").splitlines())
        return next((clean(row[0], 32) for row in rows if len(row) > 2 and row[2] == str(uid)), str(uid))
    try:
        return clean(pwd.getpwuid(uid).pw_name, 32)
    except (KeyError, OverflowError):
        return str(uid) if uid >= 0 else ""
