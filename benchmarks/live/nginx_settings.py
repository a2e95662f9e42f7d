"""Serves a small file with nginx under the settings given and measures it with wrk: requests per second."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from _server import free_port, server

TEMPLATE = """
daemon off; pid {folder}/pid; error_log /dev/null crit; worker_processes {workers};
events {{ worker_connections {connections}; multi_accept {multi_accept}; }}
http {{
    access_log {access_log}; sendfile {sendfile}; tcp_nopush {tcp_nopush}; tcp_nodelay on;
    keepalive_requests {keepalive_requests}; open_file_cache {cache}; open_file_cache_valid 60s;
    gzip {gzip}; gzip_types text/plain; gzip_min_length 20;
    server {{ listen 127.0.0.1:{port}; root {folder}; default_type text/plain; }}
}}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=1.5)
    for name, default in (
        ("workers", "1"), ("connections", "512"), ("multi-accept", "off"), ("access-log", "on"),
        ("sendfile", "off"), ("tcp-nopush", "off"), ("keepalive-requests", "1000"), ("file-cache", "0"),
        ("gzip", "off"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "page.txt").write_text("0123456789abcdef" * 256)
        port = free_port()
        text = TEMPLATE.format(
            folder=folder, port=port, workers=given.workers, connections=given.connections,
            multi_accept=given.multi_accept, sendfile=given.sendfile, tcp_nopush=given.tcp_nopush,
            keepalive_requests=given.keepalive_requests, gzip=given.gzip,
            access_log="off" if given.access_log == "off" else f"{folder}/access.log",
            cache="off" if given.file_cache == "0" else f"max={given.file_cache} inactive=60s",
        )  # fmt: skip
        config = Path(folder, "nginx.conf")
        config.write_text(text)
        with server(["nginx", "-c", str(config), "-p", folder], port):
            command = ["wrk", "-t1", "-c32", f"-d{max(1, round(given.duration))}s"]
            command.append(f"http://127.0.0.1:{port}/page.txt")
            return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
