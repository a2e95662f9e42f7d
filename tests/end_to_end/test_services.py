"""Whole runs on real services: what is measured has the settings, and nothing stays, however a run ends."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import support_services
from end_to_end import support
from end_to_end.support import Namespace, result, tactician, write
from tactician.undo import journal

pytestmark = pytest.mark.needs(
    "root", "postgres", "setpriv", "ip", "nsenter", "pgrep", "redis-server", "redis-cli", "nginx"
)


class Services:
    """One PostgreSQL, one Redis, one nginx, and what a run of them has to leave as it was."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path, prefix: tuple[str, ...]) -> None:
        self.folder = folder
        self.prefix = prefix
        self.postgres = stack.enter_context(support_services.postgres(prefix))
        self.redis = stack.enter_context(support_services.redis(prefix=prefix))
        self.nginx = stack.enter_context(support_services.nginx(prefix=prefix))
        self.seen = folder / "seen"
        self.before = self.snapshot()

    def snapshot(self) -> dict[str, Any]:
        found = self.postgres.auto.stat()
        return {
            "auto": (self.postgres.auto.read_bytes(), found.st_mode, found.st_uid, found.st_gid),
            "postgresql": self.postgres.all() if self.postgres.answers() else "down",
            "redis": self.redis.ask("CONFIG", "GET", "*"),
            "nginx": self.nginx.path.read_bytes(),
            "beside": sorted(path.name for path in self.nginx.folder.iterdir()),
            "workers": len(self.nginx.workers()),
        }

    def tactician(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return tactician(*arguments, prefix=self.prefix)

    def document(self, benchmark: str = "", **changes: object) -> dict[str, Any]:
        psql = f"psql -X -A -t -h {self.postgres.folder} -p {self.postgres.port} -U postgres"
        command = (
            f"b=$({psql} -c \"SELECT setting FROM pg_settings WHERE name = 'shared_buffers'\"); "
            f"w=$({psql} -c \"SELECT setting FROM pg_settings WHERE name = 'work_mem'\"); "
            f"h=$(redis-cli -s {self.redis.socket} CONFIG GET hz | tail -1); "
            f"n=$(sed -n 's/.*worker_connections \\([0-9]*\\).*/\\1/p' {self.nginx.path}); "
            f"echo $b $w $h $n >>{self.seen}; {benchmark} "
            "j=$(od -An -N1 -tu1 /dev/urandom); echo ops: $((w * 100 + j))"
        )
        return support.document(
            benchmark_command=command,
            action_space=[
                {"param": "postgresql.shared_buffers", "min": 2049, "max": 4000},
                {"param": "postgresql.work_mem", "min": 5000, "max": 60000},
                {"param": "redis.hz", "min": 11, "max": 100},
                {"param": "nginx.worker_connections", "min": 512, "max": 1024},
            ],
            services={
                "postgresql": {"port": self.postgres.port},
                "redis": {"socket": self.redis.socket},
                "nginx": {"path": str(self.nginx.path)},
            },
            benchmark_user="root",
            **changes,
        )


@pytest.fixture
def services(tmp_path: Path, network: Namespace) -> Iterator[Services]:
    """Servers in a network namespace of their own: its lock is held by nobody else."""
    with contextlib.ExitStack() as stack:
        one = Services(stack, tmp_path, network.prefix)
        yield one
        assert one.snapshot() == one.before


def test_a_run_measures_with_the_settings_and_ends_as_it_began(services: Services) -> None:
    starts = services.postgres.log.read_text().count("starting PostgreSQL")
    done = services.tactician(
        "tune", write(services.folder / "c.json", services.document(budget={"trials": 2})), "--json"
    )
    assert done.returncode == 0
    found = result(done)
    assert (found["trials"], found["failed_trials"], found["restored"]) == (2, 0, True)
    assert found["significant"]
    lines = services.seen.read_text().splitlines()
    original = "2048 4096 10 64"
    tuned = [line for line in lines if line != original]
    assert lines[0] == original
    assert len(tuned) == 2 + 5
    assert all(len(set(line.split()) & set(original.split())) == 0 for line in tuned)
    # One restart each way for each run with tuned settings, and none for the others.
    assert services.postgres.log.read_text().count("starting PostgreSQL") - starts == 2 * len(tuned)


def test_a_dry_run_tells_no_service_anything(services: Services) -> None:
    starts = services.postgres.log.read_text().count("starting PostgreSQL")
    workers = services.nginx.workers()
    done = services.tactician(
        "tune", write(services.folder / "c.json", services.document()), "--dry-run", "--json"
    )
    assert done.returncode == 0
    assert services.nginx.workers() == workers
    assert services.postgres.log.read_text().count("starting PostgreSQL") == starts
    assert not services.seen.exists()


def test_restarts_that_are_not_allowed_and_settings_that_are_not_there_are_refused_at_once(
    services: Services,
) -> None:
    document = services.document()
    document["services"]["postgresql"]["allow_restart"] = False
    document["action_space"].append({"param": "redis.hzz", "min": 1, "max": 2})
    document["action_space"].append({"param": "postgresql.fsync", "values": ["on", "off"]})
    path = write(services.folder / "c.json", document)
    refused = services.tactician("tune", path)
    assert refused.returncode == 2
    assert "--allow-durability postgresql.fsync" in refused.stderr
    allowed = ("--allow-durability", "postgresql.fsync", "--allow-uncatalogued", "redis.hzz")
    done = services.tactician("tune", path, *allowed)
    assert done.returncode == 2
    assert "postgresql.shared_buffers acts only after a restart" in done.stderr
    assert "did you mean hz?" in done.stderr
    assert "Traceback" not in refused.stderr + done.stderr
    assert not services.seen.exists()


def killed(services: Services, home: Path, *, both: bool, inside: bool, pause: float = 0.0) -> None:
    """Kill a tuner while a trial's benchmark runs, or so many seconds after its first write."""
    document = services.document("sleep 30;" if inside else "", baseline_runs=1, budget={"trials": 50})
    if inside:
        document["benchmark_command"] = document["benchmark_command"].replace(
            "sleep 30;", "if [ $w -ne 4096 ]; then sleep 30; fi;"
        )
    tuner = support.start(
        "tune", write(services.folder / "c.json", document), "--quiet", prefix=services.prefix
    )
    try:
        if inside:
            assert support.until(lambda: len(support.lines(services.seen)) >= 2, 60)
        else:
            assert support.until(lambda: began(home), 60)
            time.sleep(pause)
        guardian = child(tuner.pid, "guardian.py")
        if both and guardian is not None:
            os.kill(guardian, signal.SIGKILL)
    finally:
        tuner.kill()
        tuner.communicate()


def began(home: Path) -> bool:
    paths = list((home / "journals").glob("*.jsonl"))
    return bool(paths) and any(entry["kind"] == "originals" for entry in journal.read(paths[0]).entries)


def child(parent: int, name: str) -> int | None:
    found = subprocess.run(
        ["pgrep", "-P", str(parent), "-f", name], capture_output=True, text=True, check=False
    )
    return int(found.stdout.split()[0]) if found.stdout else None


def test_a_tuner_that_is_killed_leaves_it_to_its_guardian(services: Services, own_state: Path) -> None:
    killed(services, own_state, both=False, inside=True)
    assert support.until(lambda: not list((own_state / "journals").glob("*.jsonl")), 60)


def test_where_both_are_killed_recover_does_it(services: Services, own_state: Path) -> None:
    killed(services, own_state, both=True, inside=True)
    assert services.snapshot() != services.before
    # Its exit status also speaks of what other runs on this machine have left, in homes of their own.
    services.tactician("recover")
    assert list((own_state / "journals").glob("*.jsonl")) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_kill_at_any_moment_leaves_nothing(services: Services, own_state: Path, seed: int) -> None:
    """Between a file and its reload, in a restart, in a restore: about the time of two trials."""
    both = seed % 2 == 1
    killed(services, own_state, both=both, inside=False, pause=random.Random(seed).uniform(0.0, 3.0))
    if both:
        services.tactician("recover")
    assert support.until(lambda: not list((own_state / "journals").glob("*.jsonl")), 60)
