"""Measures a MySQL or MariaDB server with sysbench, in a database that the run makes and drops."""

from __future__ import annotations

import shlex

from cli_ai.strategist.rules.benches.bench import Bench, Site, joined, rate

_LOAD_S = 10.0
# Who connects is the operator's to say: MYSQL_USER and MYSQL_PWD are passed on.
_USER = '"${MYSQL_USER:-root}"'


def sysbench_oltp(site: Site) -> Bench | None:
    """Reads and writes of small transactions."""
    service, program = site.service, site.tool("sysbench")
    if service is None or service.name != "mysql" or not program:
        return None
    socket = next(iter(service.sockets), "")
    database = f"tactician_bench_{site.tag}"
    if socket:
        reach, client = f"--mysql-socket={shlex.quote(socket)}", f"--socket={shlex.quote(socket)}"
    else:
        port = site.port or 3306
        reach, client = f"--mysql-host=127.0.0.1 --mysql-port={port}", f"--host=127.0.0.1 --port={port}"
    login = f'--mysql-user={_USER} --mysql-password="${{MYSQL_PWD:-}}"'
    sizes = "--tables=4 --table-size=100000"
    base = joined(program, "oltp_read_write", reach, login, f"--mysql-db={database}", sizes)
    threads = min(64, 4 * site.facts.cores)
    run = joined(
        base,
        f"--threads={threads} --time={{duration}} --report-interval=1 --percentile=99 run",
    )
    sql = joined("mysql", client, f"--user={_USER}", "-e")
    return Bench(
        name="sysbench-oltp",
        command=run,
        metrics=rate("transactions_per_second"),
        seconds=_LOAD_S,
        noise=0.04,
        why="MySQL runs here and sysbench is installed; it works in a database of its own.",
        source=f"mysql {service.version} on {socket or site.port}, {site.facts.tools['sysbench']}",
        duration=_LOAD_S,
        setup=f"{sql} {shlex.quote(f'CREATE DATABASE {database}')} && {base} --threads=4 prepare",
        teardown=f"{sql} {shlex.quote(f'DROP DATABASE IF EXISTS {database}')}",
        latency={"p99": "latency_p99", "mean": "latency_mean"},
    )
