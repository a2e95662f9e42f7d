"""The guard watches beside a benchmark, learns from baselines, and is never waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tactician.experiment import Guardrails
from tactician.guardrails.checks import Checks
from tactician.guardrails.guard import HostGuard
from tactician.guardrails.readings import HostReader, Reading

NONE = Guardrails(health_ports=())
MEMORY = Path("/sys/fs/cgroup/memory")


class Readings:
    """A host that reads as it is told; the last reading stays."""

    def __init__(self, *kills):
        self._kills = list(kills)

    def read(self):
        kills = self._kills.pop(0) if len(self._kills) > 1 else self._kills[0]
        return Reading(time.monotonic(), 0.0, 0.0, 0.5, kills)


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_crossing_is_seen_while_the_benchmark_runs():
    guard = HostGuard(NONE, reader=Readings(4, 5))
    assert guard.crossing is None
    with guard.watching("trial"):
        assert until(guard.crossed)
    assert "OOM" in guard.crossing.reason
    assert not guard.crossing.control
    with guard.watching("trial"):
        assert not guard.crossed()  # each run begins anew
    assert guard.crossing is None


def test_what_happens_at_the_very_end_counts_too():
    guard = HostGuard(NONE, reader=Readings(4, 5))
    with guard.watching("verification"):
        pass
    assert guard.crossed()


def test_a_baseline_teaches_and_is_not_ended():
    guard = HostGuard(NONE, reader=Readings(4, 5))
    with guard.watching("baseline"):
        pass
    assert not guard.crossed()
    guard._reader = Readings(5, 6)
    with guard.watching("trial"):
        pass
    assert not guard.crossed()


@pytest.mark.parametrize("purpose", ["baseline", "trial", "verification"])
def test_a_check_that_fails_ends_every_kind_of_run(purpose, tmp_path: Path):
    limits = Guardrails(
        health_command=f"test ! -e {tmp_path}/broken", health_ports=(), health_interval_s=0.05
    )
    guard = HostGuard(limits, Checks(limits), Readings(0))
    guard.prepare()
    with guard.watching(purpose):
        (tmp_path / "broken").touch()
        assert until(guard.crossed)
    assert guard.crossing.control
    assert guard.crossing.reason == "the health command ended with exit 1"


def test_a_check_that_hangs_does_not_hold_up_the_restore(tmp_path: Path):
    running = tmp_path / "running"
    limits = Guardrails(health_command=f"touch {running}; sleep 600", health_ports=(), health_timeout_s=500.0)
    guard = HostGuard(limits, Checks(limits), Readings(0))
    with guard.watching("trial"):
        assert until(running.exists)
        began = time.monotonic()
    assert time.monotonic() - began < 30.0  # it would take 500
    assert not guard.crossed()
    assert until(lambda: not [t for t in threading.enumerate() if t.name == "guardrails"])


def _child_group():
    """A memory cgroup of version 1 below our own, where one can be made here."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return MEMORY / path.lstrip("/") / f"tactician-test-{os.getpid()}"
    return None


@pytest.mark.needs("root")
def test_a_real_oom_kill_is_seen():
    group = _child_group()
    if group is None:
        pytest.skip("no memory cgroup of version 1 here")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        (group / "memory.limit_in_bytes").write_text(str(40 << 20))
        guard = HostGuard(NONE, reader=HostReader())
        with guard.watching("trial"):
            join = f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')"
            eat = f"{join}; x = []\nwhile True: x.append(bytearray(1 << 20))"
            ended = subprocess.run([sys.executable, "-c", eat], check=False, capture_output=True)
            assert until(guard.crossed)
        assert ended.returncode == -9
        assert "OOM" in guard.crossing.reason
    finally:
        until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
