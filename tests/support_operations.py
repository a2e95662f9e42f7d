"""What the tests of applied runs share: a proven run, a host in a folder, and locks of their own."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import threading
import time
from collections.abc import Callable

from tactician import wiring
from tactician.config import parse_experiment
from tactician.operations import applying, confirming, reverting
from tactician.storage.history import History
from tactician.storage.records import RunRecord, RunSummary
from tactician.system.hostlock import HostLock
from tactician.undo import applied, journal, processes

ID = "20260101-000000-abcd"
SWAP, RMEM = "vm.swappiness", "net.ipv4.tcp_rmem[2]"
THERE, HERE = {SWAP: 0, RMEM: 16777216}, {SWAP: 60, RMEM: 6291456}


def own_lock(monkeypatch):
    """Give the operations a lock that no other test holds; return its name."""
    name = f"\0tactician/test-{os.getpid()}-{threading.get_ident()}"
    for module in (applying, confirming, reverting, wiring):
        monkeypatch.setattr(module, "HostLock", functools.partial(HostLock, name=name))
    return name


def make_root(folder):
    """A host of two keys."""
    for path, text in {"vm/swappiness": "60", "net/ipv4/tcp_rmem": "4096\t131072\t6291456"}.items():
        file = folder / "proc/sys" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return folder


def record_of(items=None, best=THERE, original=HERE, document=None, **changes):
    items = items or [
        {"param": SWAP, "type": "int", "min": 0, "max": 100},
        {"param": RMEM, "type": "int", "min": 4096, "max": 2**30},
    ]
    given = {
        "workload_name": "web", "reward_metric": "ops", "benchmark_command": "true", "action_space": items,
        **(document or {}),
    }  # fmt: skip
    result = {
        "best_config": best, "significant": True, "improvement": 12.0, "improvement_interval": [9.0, 15.0],
        "reward_metric": "ops", "success": True,
        "verdicts": [
            {"reference": "original", "significant": True, "improvement": 12.0, "interval": [9.0, 15.0]},
            {"reference": "kernel defaults", "significant": False, "improvement": 0.0, "interval": None},
        ],
    }  # fmt: skip
    summary = {
        "id": ID, "started_at": "2026-01-01T00:00:00+00:00", "finished_at": None, "state": "finished",
        "crashed": False, "workload_name": "web", "algorithm": "ppo", "dry_run": False, "throw_away": False,
        "trials": 30, "failed_trials": 0,
    }  # fmt: skip
    summary.update({key: changes.pop(key) for key in list(changes) if key in summary})
    result = None if changes.pop("no_result", False) else {**result, **changes}
    return RunRecord(
        RunSummary(**summary),
        given,
        1,
        None,
        {"kernel": "6.18"},
        original,
        original,
        result,
        1,
        1,
        "boot",
        (),
    )


def shown(root):
    return [
        " ".join((root / "proc/sys" / path).read_text().split())
        for path in ("vm/swappiness", "net/ipv4/tcp_rmem")
    ]


def until(holds: Callable[[], object], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def end_guardians(folder):
    """Kill the timers that a test's applications left, by the pids in their journals."""
    for found in applied.look_at_all(folder):
        if found.guardian and processes.status(found.guardian):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.guardian, signal.SIGKILL)


def store(home, record):
    """Put a run into a home's history, as a tuner would have."""
    history = History(home.history)
    experiment = parse_experiment(dict(record.document), "test")
    history.create_run(record.id, experiment, host=record.host, original=record.original)
    history.finish_run(record.id, "finished", record.result)


def rewrite_header(path, **changes):
    """Change a journal's first line, as if it had been written elsewhere or earlier."""
    first, _, rest = path.read_bytes().partition(b"\n")
    header = {**json.loads(first.partition(b" ")[2]), **changes}
    path.write_bytes(journal.encode(header) + rest)


def tree(folder):
    """Everything of a folder that a revert promises to keep: names, bytes, modes, owners, times."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        state = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        target = str(path.readlink()) if path.is_symlink() else None
        found[str(path.relative_to(folder))] = (
            content, target, state.st_mode, state.st_uid, state.st_gid, state.st_mtime_ns,
        )  # fmt: skip
    return found
