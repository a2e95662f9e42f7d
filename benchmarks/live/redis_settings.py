"""Starts a private Redis with the settings given and measures SET with redis-benchmark."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile

from _server import free_port, server


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", default="8000")
    parser.add_argument("--appendfsync", default="always")
    parser.add_argument("--io-threads", default="1")
    parser.add_argument("--hz", default="10")
    parser.add_argument("--tcp-backlog", default="511")
    parser.add_argument("--activerehashing", default="yes")
    parser.add_argument("--list-entries", default="128")
    given = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        argv += ["--appendonly", "yes", "--appendfsync", given.appendfsync, "--io-threads", given.io_threads]
        argv += ["--hz", given.hz, "--tcp-backlog", given.tcp_backlog]
        argv += ["--activerehashing", given.activerehashing]
        argv += ["--hash-max-listpack-entries", given.list_entries]
        with server(argv, port):
            client = ["redis-benchmark", "-p", str(port), "-t", "set", "-n", given.requests, "-c", "20"]
            return subprocess.run([*client, "-d", "64", "--csv"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
