"""Reads from a private PostgreSQL with pgbench under the settings given: transactions per second.

The server is started by the first run in a folder of its own and serves the following ones; it ends with the
process that is the parent of the runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _server import free_port

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
FOLDER = Path(tempfile.gettempdir(), f"tactician-live-pgbench-{os.getuid()}")
WATCHER = "while [ -d /proc/{parent} ]; do sleep 1; done; {binaries}/pg_ctl -D {data} -m immediate stop"


def as_postgres(*argv: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    before = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    return subprocess.run([*before, *argv], check=True, env={**os.environ, **more}, stdout=subprocess.DEVNULL)


def port_of_server(parent: int) -> str:
    """Start the server if none runs yet."""
    note = FOLDER / "port"
    if note.exists() and (FOLDER / "data" / "postmaster.pid").exists():
        return note.read_text()
    binaries, data, port = BINARIES[-1], FOLDER / "data", str(free_port())
    subprocess.run(["rm", "-rf", str(FOLDER)], check=True)
    FOLDER.mkdir()
    if os.getuid() == 0:
        subprocess.run(["chown", "postgres", str(FOLDER)], check=True)
    as_postgres(f"{binaries}/initdb", "-D", str(data), "-A", "trust")
    options = f"-p {port} -k {FOLDER} -c listen_addresses= -c shared_buffers=256MB"
    as_postgres(f"{binaries}/pg_ctl", "-D", str(data), "-o", options, "-l", f"{FOLDER}/log", "-w", "start")
    as_postgres("pgbench", "-i", "-q", "-s", "10", "-h", str(FOLDER), "-p", port, "postgres")
    note.write_text(port)
    watch = WATCHER.format(parent=parent, binaries=binaries, data=data)
    before = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    clean = {name: value for name, value in os.environ.items() if name != "TACTICIAN_BENCHMARK"}
    subprocess.Popen(
        [*before, "sh", "-c", watch], start_new_session=True, env=clean,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(0.5)
    return port


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", default="simple")
    parser.add_argument("--clients", default="4")
    parser.add_argument("--seconds", default="2")
    for name in ("jit", "work-mem", "plan-cache-mode", "random-page-cost"):
        parser.add_argument(f"--{name}")
    given = parser.parse_args()
    settings = {
        "jit": given.jit, "work_mem": given.work_mem, "plan_cache_mode": given.plan_cache_mode,
        "random_page_cost": given.random_page_cost,
    }  # fmt: skip
    options = " ".join(f"-c {name}={value}" for name, value in settings.items() if value is not None)
    port = port_of_server(int(os.environ.get("TACTICIAN_LIVE_PARENT", os.getppid())))
    argv = ["pgbench", "-S", "-n", "-M", given.protocol, "-c", given.clients, "-j", "2", "-T", given.seconds]
    argv += ["-h", str(FOLDER), "-p", port, "-U", "postgres", "postgres"]
    return subprocess.run(argv, env={**os.environ, "PGOPTIONS": options}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
