"""Which benchmark programs are installed; they are looked for, never started."""

from __future__ import annotations

import os
from pathlib import Path

from cli_ai.discovery.tree import Tree, shown_path

TOOLS = (
    "pgbench", "pg_test_fsync", "sysbench", "mysqlslap", "mariadb-slap", "redis-benchmark",
    "valkey-benchmark", "memtier_benchmark", "memcslap", "memaslap", "mutilate", "wrk", "wrk2", "ab", "hey",
    "h2load", "siege", "vegeta", "oha", "iperf3", "netperf", "qperf", "sockperf", "fio", "bonnie++", "iozone",
    "dbench", "hackbench", "cyclictest", "schbench", "stress-ng", "perf", "lmbench-run", "stream", "7z",
    "kafka-producer-perf-test.sh", "kafka-producer-perf-test", "openssl",
)  # fmt: skip
"""What is looked for."""

_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# Distributions keep the server's own programs out of the way.
_ELSEWHERE = (("/usr/lib/postgresql", "*/bin"), ("/usr", "pgsql-*/bin"), ("/opt", "kafka*/bin"))


def tools(tree: Tree) -> dict[str, str]:
    """Return the installed programs with their paths, in the order of the search path."""
    folders = dict.fromkeys((*_searched(tree), *_FOLDERS))
    for folder, pattern in _ELSEWHERE:
        folders |= dict.fromkeys(reversed(tree.find(folder, pattern)))
    wanted = set(TOOLS)
    found: dict[str, str] = {}
    for folder in folders:
        for name in wanted.intersection(tree.names(folder)) - set(found):
            path = f"{folder}/{name}"
            if _is_program(tree.root + path) and shown_path(path):
                found[name] = path
    return {name: found[name] for name in TOOLS if name in found}


def _is_program(path: str) -> bool:
    return Path(path).is_file() and os.access(path, os.X_OK)


def _searched(tree: Tree) -> list[str]:
    if not tree.real:
        return []
    return [path for path in os.environ.get("PATH", "").split(os.pathsep) if path.startswith("/")]
