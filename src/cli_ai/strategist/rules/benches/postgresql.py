"""Measures a PostgreSQL server in a database that the run makes and drops, never in one that was there."""

from __future__ import annotations

import os
import shlex

from cli_ai.strategist.rules.benches.bench import Bench, Site, joined, rate

_LOAD_S = 8.0
# pgbench prints no percentiles; its log has each transaction's latency as the third word, in microseconds.
# awk, because the server's account may have no Python of ours. No braces without a blank: those are ours.
_PERCENTILES = (
    "{ k = int($3 / 10); n[k]++; c++; if (k > m) m = k } "
    "END { if (!c) exit 1; for (i = 0; i <= m; i++) { s += n[i]; if (!a && s >= 0.5 * c) a = i + 1; "
    "if (!b && s >= 0.95 * c) b = i + 1; if (!d && s >= 0.99 * c) d = i + 1 } "
    'printf "latency_p50: %.5f s\\nlatency_p95: %.5f s\\nlatency_p99: %.5f s\\n", a / 1e5, b / 1e5, d / 1e5 }'
)
_ROWS = "SELECT count(*), sum(abalance) FROM pgbench_accounts a JOIN pgbench_branches b USING (bid)"
_QUERY = f"{_ROWS} GROUP BY aid % 1000 ORDER BY 1 DESC LIMIT 10;"


def pgbench(site: Site) -> Bench | None:
    """TPC-B-like transactions, or one large query again and again for analytics."""
    service, program = site.service, site.tool("pgbench")
    if service is None or service.name != "postgresql" or not program:
        return None
    user = service.user or "postgres"
    # Root becomes the server's own account, which needs no password on its socket; others stay who they are.
    become = site.facts.root and user != "root"
    reach = _reach(site, user)
    database = f"tactician_bench_{site.tag}"
    folder = shlex.quote(site.folder)
    beside = os.path.dirname(site.facts.tools["pgbench"])
    createdb, dropdb = (_beside(beside, program, name) for name in ("createdb", "dropdb"))
    analytics = site.intent.workload_class == "analytics"
    scale = max(10, min(50, 5 * site.facts.cores))
    steps = [
        f"mkdir -m 755 {folder}",
        joined(createdb, reach, database),
        joined(program, reach, f"-i -q -s {scale}", database),
    ]
    if analytics:
        steps.append(f"printf '%s\\n' {shlex.quote(_QUERY)} > {folder}/query.sql")
    clients = 1 if analytics else max(4, min(32, 4 * site.facts.cores))
    work = f"-f {folder}/query.sql" if analytics else ""
    run = joined(
        program,
        reach,
        f"-n -c {clients} -j {min(clients, site.threads)} -T {{duration}} -P 1",
        work,
        database,
    )
    tail = _wants_tail(site)
    if tail:
        log = f"{folder}/transactions"
        run = run.replace(" -P 1", f" -P 1 -l --log-prefix={log}")
        run = f"{run} && awk {shlex.quote(_PERCENTILES)} {log}.* && rm {log}.*"
    return Bench(
        name="pgbench",
        command=run,
        metrics=rate("transactions_per_second", tail="latency_p99" if tail else "latency_mean"),
        seconds=_LOAD_S,
        noise=0.04,
        why="PostgreSQL runs here and pgbench is installed; it works in a database of its own.",
        source=f"postgresql {service.version} on {_where(site)}, {site.facts.tools['pgbench']}",
        duration=_LOAD_S,
        document={"benchmark_user": user} if become else {},
        setup=" && ".join(steps),
        teardown=f"{joined(dropdb, reach, '--if-exists', database)}; rm -r {folder}",
        latency={"p99": "latency_p99", "p95": "latency_p95", "p50": "latency_p50", "mean": "latency_mean"}
        if tail
        else {},
    )


def _wants_tail(site: Site) -> bool:
    return site.intent.objective == "tail latency" or site.intent.limits.latency is not None


def _reach(site: Site, user: str) -> str:
    """Options that reach this server: its socket where there is one, so that no password is needed."""
    service = site.service
    assert service is not None
    socket = next((path for path in service.sockets if ".s.PGSQL." in path), "")
    host = os.path.dirname(socket) if socket else "127.0.0.1"
    port = socket.rpartition(".")[2] if socket else str(site.port or 5432)
    return joined("-h", shlex.quote(host), "-p", shlex.quote(port), "-U", shlex.quote(user))


def _where(site: Site) -> str:
    service = site.service
    return next(iter(service.sockets), "") if service is not None and service.sockets else f"port {site.port}"


def _beside(folder: str, program: str, name: str) -> str:
    """A client of the same installation as pgbench."""
    return name if program == "pgbench" else shlex.quote(f"{folder}/{name}")
