"""What the end-to-end tests share: the command line as a process, and network namespaces of their own."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tactician.undo import files, processes

SECONDS = 120.0
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
SOMAXCONN = "/proc/sys/net/core/somaxconn"
BY_QUEUE = f"n=$(cat {SOMAXCONN}); j=$(od -An -N1 -tu1 /dev/urandom); echo ops: $((n * 1000 + n * j / 25))"
"""A benchmark that is a hundred per cent the tuned value, and one per cent chance."""

_UNSTABLE = ("/route/", "nf_conntrack_count", "/proc/sys/net/ipv4/tcp_fastopen_key", "stable_secret")
_numbers = itertools.count(1)


class Namespace:
    """A network namespace with a name, made for one test."""

    def __init__(self) -> None:
        self.name = f"tactician-test-{os.getpid()}-{next(_numbers)}"
        self.path = f"/run/netns/{self.name}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)

    @property
    def prefix(self) -> tuple[str, ...]:
        """Put before a command, runs it inside."""
        return ("nsenter", f"--net={self.path}")

    def read(self, key: str) -> str:
        return files.read_text(f"/proc/sys/{key}", self.path)

    def write(self, key: str, text: str) -> None:
        files.write_text(f"/proc/sys/{key}", text, self.path)

    def snapshot(self) -> dict[str, str]:
        """Every readable and stable file below /proc/sys/net."""
        command = [*self.prefix, "grep", "-rs", "", "/proc/sys/net"]
        lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        return {
            path: text
            for path, _, text in (line.partition(":") for line in sorted(lines))
            if not any(part in path for part in _UNSTABLE)
        }

    def pids(self) -> list[int]:
        """Processes that live inside."""
        listed = subprocess.run(
            ["ip", "netns", "pids", self.name], capture_output=True, text=True, check=True
        )
        return [int(word) for word in listed.stdout.split()]

    def delete(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=False)


def document(**changes: object) -> dict[str, Any]:
    """A configuration that runs in a few seconds; ``None`` leaves a key out."""
    whole: dict[str, Any] = {
        "workload_name": "queue",
        "reward_metric": "ops",
        "benchmark_command": BY_QUEUE,
        "action_space": [{"param": "net.core.somaxconn", "min": 128, "max": 8192, "type": "int"}],
        "algorithm": "uniform_random",
        "budget": {"trials": 3},
        "baseline_runs": 1,
        "verification": {"rounds": 5},
        "random_seed": 7,
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def write(path: Path, whole: object) -> Path:
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


def argv(*arguments: object, prefix: Sequence[str] = (), python: str = sys.executable) -> list[str]:
    return [*prefix, python, "-m", "cli_ai.main", *map(str, arguments)]


def tactician(
    *arguments: object,
    prefix: Sequence[str] = (),
    python: str = sys.executable,
    cwd: Path | None = None,
    stdin: str | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end. What is wrong in its output is shown when a test fails."""
    done = subprocess.run(
        argv(*arguments, prefix=prefix, python=python),
        env={**os.environ, **environment},
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
    print(f"$ tactician {' '.join(map(str, arguments))}\nexit {done.returncode}")
    print(done.stdout[-4000:], done.stderr[-4000:], sep="\n--- stderr ---\n")
    return done


def start(*arguments: object, prefix: Sequence[str] = (), **environment: str) -> subprocess.Popen[str]:
    """Start the command line and go on."""
    return subprocess.Popen(
        argv(*arguments, prefix=prefix),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON document of ``--json``."""
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def until(holds: Callable[[], object], seconds: float = 20.0) -> bool:
    """Wait until something holds; False when it did not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def living(*words: str) -> list[int]:
    """Living processes whose command line holds all these words in a row."""
    wanted = b"\0".join(word.encode() for word in words)
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        status = processes.status(int(folder.name))
        try:
            named = wanted in (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if named and status is not None and status.state not in "ZX":
            found.append(int(folder.name))
    return found


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
