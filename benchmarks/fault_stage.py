"""What the faults happen to: knobs of six kinds, on private servers and in a namespace, each looked at."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tactician.system.home import recorded_homes
from tactician.undo import files

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import support_services

NGINX = shutil.which("nginx", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
HOST_KEY = "vm.page-cluster"
HOST_KEYS = {
    "vm.page-cluster": (0, 2),
    "fs.inotify.max_queued_events": (20000, 30000),
    "kernel.sched_autogroup_enabled": (0, 1),
}
"""Harmless sysctls of the host, in folders of their own so that copies of this script do not meet."""

SOMAXCONN = "/proc/sys/net/core/somaxconn"
PERIOD = "/proc/sys/net/ipv4/tcp_keepalive_intvl"


class Stage:
    """A namespace, a PostgreSQL, a Redis, an nginx and a file, all private.

    Args:
        folder: for configurations and the file.
        services: whether the servers take part; without them only the kernel's knobs and the file do.
        host_key: one of ``HOST_KEYS``.
    """

    def __init__(self, folder: Path, services: bool, host_key: str = HOST_KEY) -> None:
        self.folder = folder
        self.host_key = host_key
        self.namespace = f"tactician-fault-{os.getpid()}"
        self.netns = f"/run/netns/{self.namespace}"
        self.file = folder / "service.conf"
        self.services = services
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Stage:
        run = subprocess.run
        run(["ip", "netns", "add", self.namespace], check=True)
        self._stack.callback(run, ["ip", "netns", "del", self.namespace], check=False)
        self.file.write_text("# kept\ncache_size = 4096\n", encoding="ascii")
        if self.services:
            self.postgres = self._stack.enter_context(support_services.postgres())
            self.redis = self._stack.enter_context(support_services.redis())
            self.nginx = self._stack.enter_context(support_services.nginx())
        return self

    def __exit__(self, *ending: object) -> None:
        # Killed tuners leave a note of where their state was; it goes with that.
        for home, note in recorded_homes():
            if home.path.is_relative_to(self.folder):
                note.unlink(missing_ok=True)
        self._stack.close()

    def space(self) -> list[dict[str, Any]]:
        """The six knobs; without servers namespace and kernel have more of them."""
        low, high = HOST_KEYS[self.host_key]
        space: list[dict[str, Any]] = [
            {"param": "net.core.somaxconn", "min": 128, "max": 8192, "type": "int"},
            {"param": self.host_key, "min": low, "max": high, "type": "int"},
            {"param": "service.cache_size", "min": 1024, "max": 9999, "type": "int"},
        ]
        if not self.services:
            return [
                *space,
                {"param": "net.ipv4.tcp_keepalive_intvl", "min": 20, "max": 120, "type": "int"},
                {"param": "net.ipv4.tcp_rmem[1]", "min": 65536, "max": 262144, "type": "int"},
                {"param": "net.ipv4.tcp_rmem[2]", "min": 1048576, "max": 8388608, "type": "int"},
            ]
        return [
            *space,
            {"param": "postgresql.work_mem", "min": 1024, "max": 65536, "type": "int"},
            {"param": "redis.maxmemory-samples", "min": 3, "max": 10, "type": "int"},
            {"param": "nginx.worker_connections", "min": 512, "max": 1024, "type": "int"},
        ]

    def document(self, benchmark: str, **changes: object) -> dict[str, Any]:
        """An experiment over them."""
        services: dict[str, Any] = {
            "service": {
                "type": "file",
                "path": str(self.file),
                "format": "key = value",
                "reload": ["/bin/true"],
            }
        }
        if self.services:
            services |= {
                "postgresql": {"host": "127.0.0.1", "port": self.postgres.port, "user": "postgres"},
                "redis": {"socket": self.redis.socket},
                "nginx": {"path": str(self.nginx.path), "prefix": str(self.nginx.folder), "program": NGINX},
            }
        space = self.space()
        for knob in space:
            if knob["param"].partition(".")[0] in services:
                knob["knob"] = "service"
        return {
            "workload_name": "faults", "reward_metric": "ops", "benchmark_command": benchmark,
            "action_space": space, "network_namespace": self.namespace, "services": services,
            "algorithm": "uniform_random", "budget": {"trials": 500}, "baseline_runs": 1, **changes,
        }  # fmt: skip

    def shown(self) -> dict[str, str]:
        """What every knob shows now, and every file, byte for byte."""
        found = {
            "somaxconn": files.read_text(SOMAXCONN, self.netns),
            "keepalive": files.read_text(PERIOD, self.netns),
            "rmem": files.read_text("/proc/sys/net/ipv4/tcp_rmem", self.netns),
            self.host_key: files.read_text(f"/proc/sys/{self.host_key.replace('.', '/')}"),
            "file": self.file.read_text(encoding="ascii"),
        }
        if self.services:
            found |= {
                "postgresql": self.postgres.shown("work_mem"),
                "postgresql.auto.conf": self.postgres.auto.read_text(encoding="utf-8"),
                "redis": self.redis.shown("maxmemory-samples"),
                "nginx.conf": self.nginx.path.read_text(encoding="utf-8"),
                "nginx workers": str(len(self.nginx.workers())),
            }
        return found


def guardians(journals: Path) -> Iterator[int]:
    """Pids of living guardians of journals in a folder."""
    wanted = f"{journals}/".encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{name}/cmdline").read_bytes()
                if b"guardian.py" in command and wanted in command:
                    yield int(name)
